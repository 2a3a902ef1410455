"""Deterministic equivalent of the untrained features: one algebraic curve gives ridge, bulk and edges.

The curve is parametrised by ``g = (1/N) tr (c_1^2 W_0 W_0^T + c_{>1}^2 + kappa)^{-1}``: the effective ridge
``kappa(g)`` and the ridge ``lambda(g)`` are rational functions of it (docs/theory.md section 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory import formulas

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

NEWTON_STEPS, ROUNDING = 2000, 4e-16
"""Steps to an effective ridge, at most 27 on 4000 drawn bulks with ridges from 1e-12 (each halves it at least
until it is near), and the least relative size of one."""

KEPT = 64
"""Equivalents that are kept: settings that differ in step, noise or ridge share one, with its edges."""


@dataclass(frozen=True)
class ResolventPoint:
    """The resolvent of the bulk at one ridge, and its exact first derivatives in the effective ridge.

    Attributes
    ----------
    ridge, kappa
        ``lambda`` (negative outside the bulk of the spectrum) and the effective ridge.
    g, g_slope
        Normalised trace of the population resolvent, and ``dg/dkappa``.
    mu, mu_slope
        Factor by which the linear direction is left unexplained, and ``dmu/dkappa``.
    ridge_slope
        ``dlambda/dkappa``.
    excess
        ``1 + kappa g'/g``: how much slower than ``1/kappa`` the trace falls.
    """

    ridge: float
    kappa: float
    g: float
    g_slope: float
    mu: float
    mu_slope: float
    ridge_slope: float
    excess: float


@dataclass(frozen=True)
class BulkEquivalent:
    """Population and sample resolvents of features ``c_1 Z + c_{>1} Xi`` with ``Z = X W_0^T``.

    Parameters
    ----------
    linear, tail
        ``c_1^2`` and ``c_{>1}^2``, the variances of the linear and the non-linear part of a feature.
    gamma, ratio
        ``N / d`` and ``N / n_ridge``.
    """

    linear: float
    tail: float
    gamma: float
    ratio: float

    @staticmethod
    def of(setting: Setting) -> BulkEquivalent:
        """Equivalent of a setting with its untrained first layer."""
        expansion = setting.activation_expansion
        slope = float(expansion.coefficients[1])
        linear = slope**2 if abs(slope) > expansion.error[1] else 0.0
        return _known(linear, float(expansion.tail), setting.gamma, setting.ridge_ratio)

    def trace(self, kappa: float) -> float:
        """``g(kappa)`` for ``kappa > 0``, the positive root of the Marchenko-Pastur equation."""
        t, slope = self.tail + kappa, self.gamma * self.linear
        b = (1.0 - self.gamma) * self.linear + t
        root = np.hypot(b, 2.0 * np.sqrt(slope * t))
        return float(2.0 / (b + root) if b > 0 else (root - b) / (2.0 * slope * t))

    def trace_derivatives(self, kappa: float) -> tuple[float, float, float, float]:
        """``g`` and its first three derivatives in ``kappa > 0``, from those of the inverse function."""
        g = self.trace(kappa)
        slope = self.gamma * self.linear
        share = 1.0 / (1.0 + slope * g)
        first = -1.0 / g**2 + self.linear * slope * share**2
        second = 2.0 / g**3 - 2.0 * self.linear * slope**2 * share**3
        third = -6.0 / g**4 + 6.0 * self.linear * slope**3 * share**4
        return g, 1.0 / first, -second / first**3, 3.0 * second**2 / first**5 - third / first**4

    def ridge(self, kappa: float, g: float) -> float:
        """``lambda`` at a point ``(kappa, g)`` of the curve."""
        return kappa * self._slack(kappa, g)

    def _slack(self, kappa: float, g: float) -> float:
        """``lambda / kappa = 1 - r (1 - kappa g)`` on the curve, in the form that cancels least.

        ``kappa g`` and ``1 - kappa g`` are known as a product and as a sum of positive terms.
        """
        if self.ratio <= 1.0 or 2.0 * kappa * g < 1.0:
            return (1.0 - self.ratio) + self.ratio * kappa * g
        mu: float = formulas.linear_share_of_trace(g, self.linear, self.gamma)
        return 1.0 - self.ratio * g * (self.tail + self.linear * mu)

    def kappa(self, g: float) -> float:
        """Effective ridge at a trace `g`."""
        kappa: float = formulas.effective_ridge(g, self.linear, self.tail, self.gamma)
        return kappa

    def point(self, kappa: float, g: float) -> ResolventPoint:
        """Resolvent and its derivatives at a point of the curve.

        For a positive ridge every number is a sum of positive terms, wherever there is such a form.
        """
        mu = formulas.linear_share_of_trace(g, self.linear, self.gamma)
        # On the curve 1 - gamma (c_1^2 g mu)^2 = kappa g + (c_{>1}^2 + c_1^2 mu^2) g.
        rest = g * (self.tail + self.linear * mu**2)
        g_slope = -(g**2) / (kappa * g + rest)
        mu_slope = formulas.linear_share_slope(mu, g_slope, self.linear, self.gamma)
        excess = rest / (kappa * g + rest)
        slack = self._slack(kappa, g)
        ridge_slope = slack + self.ratio * kappa * g * excess
        return ResolventPoint(kappa * slack, kappa, g, g_slope, mu, mu_slope, ridge_slope, excess)

    def at_ridge(self, ridge: float) -> ResolventPoint:
        """Resolvent at a positive ridge.

        Raises
        ------
        ConvergenceError
            If the equation for the effective ridge is not met to ``1e-12`` of its largest term.
        """
        # The ridge is a convex function of kappa: from above the solution Newton's method falls towards it.
        kappa = ridge + self.ratio * (self.linear + self.tail)
        point = self.point(kappa, self.trace(kappa))
        for _ in range(NEWTON_STEPS):
            # kappa less the step, as a sum of positive terms.
            new = (ridge + self.ratio * kappa**2 * point.g * point.excess) / point.ridge_slope
            if not new < (1.0 - ROUNDING) * kappa:
                break
            kappa = new
            point = self.point(kappa, self.trace(kappa))
        residual = abs(point.ridge - ridge) / (ridge + kappa * self.ratio)
        if not residual < 1e-12:
            raise ConvergenceError("the effective ridge was not found", residual=residual, last=kappa)
        # The ridge is known better than its value on the curve, which cancels where it is far below kappa.
        return replace(point, ridge=ridge)

    @cached_property
    def _curve(self) -> tuple[Polynomial, Polynomial, float]:
        """``A Q`` and ``D`` of ``z(g) = -A Q / (g D^2)``, in units in which a feature has variance 1."""
        scale = self.linear + self.tail
        linear, tail = self.linear / scale, self.tail / scale
        a, b, d = formulas.curve(Polynomial([0.0, 1.0]), linear, tail, self.gamma, self.ratio)
        return a * b, d, scale

    @cached_property
    def _fraction(self) -> tuple[Array, Array]:
        """Coefficients of ``-A Q`` and ``g D^2``, constants first."""
        numerator, d, _ = self._curve
        polynomials = -1.0 * numerator, Polynomial([0.0, 1.0]) * d * d
        num, den = (np.asarray(p.coef, dtype=float) for p in polynomials)
        return num, den

    @cached_property
    def _slope(self) -> Polynomial:
        """``-g^2 D^3 dz/dg``, in the units of `_curve`."""
        numerator, d, _ = self._curve
        g = Polynomial([0.0, 1.0])
        return (numerator.deriv() * g * d - numerator * (d + 2.0 * g * d.deriv())).trim(1e-14)

    @cached_property
    def _slope_roots(self) -> NDArray[Any]:
        """All ``g`` at which ``dz/dg = 0``, in the units of `_curve`."""
        return self._slope.roots() if self._slope.degree() > 0 else np.empty(0)

    @cached_property
    def critical_points(self) -> Array:
        """Real ``g`` at which ``dz/dg = 0``, ascending."""
        (_, d, scale), roots = self._curve, self._slope_roots
        real = np.sort(roots.real[np.abs(roots.imag) < 1e-7 * np.abs(roots)])
        return np.asarray(real[(real != 0.0) & (d(real) != 0.0)] / scale)

    @cached_property
    def branch_points(self) -> ComplexArray:
        """Eigenvalues in the upper half-plane at which sheets of the curve meet.

        The density has a cusp next to one that is near the real axis.
        """
        roots = self._slope_roots
        points = self.location(roots[roots.imag > 1e-7 * np.abs(roots)] / self._curve[2])
        return np.asarray(points.real + 1j * np.abs(points.imag), dtype=complex)

    def location(self, g: NDArray[Any]) -> NDArray[Any]:
        """Eigenvalue ``z = -lambda(g)`` at traces `g`."""
        numerator, d, scale = self._curve
        g = g * scale
        return np.asarray(-scale * numerator(g) / (g * d(g) ** 2))

    @cached_property
    def edge_trace(self) -> float:
        """Trace at the upper edge; a population eigenvalue above ``-1 / edge_trace`` leaves the bulk."""
        points = self.critical_points
        return float(points[points < 0.0].max())

    @cached_property
    def _turning_points(self) -> Array:
        """Eigenvalues that may be edges, ascending."""
        values = self.location(self.critical_points)
        return np.unique(values[values > 0.0])

    @property
    def upper_edge(self) -> float:
        """The last of the `edges`, which is always one."""
        return float(self._turning_points[-1])

    @cached_property
    def edge_amplitude(self) -> float:
        """``A`` in the density ``A sqrt(edge - x)`` of singular values next to the upper edge.

        There ``z`` is a parabola in ``g``, whose curvature says how far ``g`` is from the real axis.
        """
        (_, d, scale), trace = self._curve, self.edge_trace
        g, x = trace * scale, math.sqrt(self.upper_edge)
        curvature = -(scale**3) * self._slope.deriv()(g) / (g**2 * d(g) ** 3)
        point = self.point(self.kappa(trace), trace)
        inverse_slope = abs(1.0 / (point.g_slope * point.kappa**2))
        return float(2.0 * x * inverse_slope * math.sqrt(4.0 * x / curvature) / (math.pi * self.ratio))

    @cached_property
    def edges(self) -> Array:
        """Edges of the eigenvalues of ``F F^T / n_ridge`` apart from zero, shape ``(n_intervals, 2)``."""
        values = self._turning_points
        if self.reaches_zero:
            values = np.concatenate([[0.0], values[values > 1e-12 * values.max()]])
        middles = 0.5 * (values[1:] + values[:-1])
        inside = self.eigenvalue_density(middles) > 0.0
        # Neighbours that are both occupied are one interval.
        turns = np.diff(inside, prepend=False, append=False)
        return values[turns].reshape(-1, 2)

    def boundary_value(self, z: Array) -> tuple[ComplexArray, ComplexArray]:
        """``(kappa, g)`` on the upper side of the real axis at eigenvalues `z`; nan outside the spectrum.

        The physical branch is the one on which both ``g`` and ``1/kappa`` are in the upper half-plane:
        each of the two nested equations has one solution there, so no branch has to be chosen by
        continuity.
        """
        (num, den), scale = self._fraction, self._curve[2]
        z = np.asarray(z, dtype=float)
        size = max(num.size, den.size)
        table = np.zeros((*z.shape, size))
        table[..., : num.size] = num
        table[..., : den.size] -= (z / scale)[..., None] * den
        while size > 2 and np.all(np.abs(table[..., size - 1]) < 1e-15 * np.abs(table).max(axis=-1)):
            size -= 1
        companion = np.zeros((*z.shape, size - 1, size - 1))
        companion[..., 1:, :-1] = np.eye(size - 2)
        companion[..., :, -1] = -table[..., : size - 1] / table[..., size - 1 : size]
        g = np.linalg.eigvals(companion).astype(complex) / scale
        with np.errstate(divide="ignore", invalid="ignore"):
            kappa = formulas.effective_ridge(g, self.linear, self.tail, self.gamma)
            physical = (g.imag > 1e-12 * np.abs(g)) & ((1.0 / kappa).imag > 0.0)
        pick = np.argmax(np.where(physical, g.imag, -1.0), axis=-1)[..., None]
        kappa_at, g_at = (np.take_along_axis(np.where(physical, x, np.nan), pick, -1) for x in (kappa, g))
        return kappa_at[..., 0], g_at[..., 0]

    def eigenvalue_density(self, z: Array) -> Array:
        """Density of the ``N`` eigenvalues of ``F^T F / n_ridge`` at `z`, without the atom at zero."""
        kappa, _ = self.boundary_value(z)
        inverse = np.divide(1.0, kappa, out=np.zeros_like(kappa), where=np.isfinite(kappa))
        return np.asarray(inverse.imag / (np.pi * self.ratio))

    @property
    def _sides(self) -> list[float]:
        """Dimensions that bound the rank, as shares of ``N``, ascending."""
        return sorted([1.0, 1.0 / self.ratio] + ([1.0 / self.gamma] if self.tail == 0.0 else []))

    @property
    def rank(self) -> float:
        """Rank of the features, as a share of ``N``."""
        return self._sides[0]

    @property
    def reaches_zero(self) -> bool:
        """Whether the spectrum reaches zero: the two smallest of the dimensions are equal."""
        smallest, next_one, *_ = self._sides
        return next_one - smallest < 1e-12

    @property
    def atom_at_zero(self) -> float:
        """Share of the ``N`` eigenvalues that are zero."""
        return 1.0 - self.rank


@lru_cache(maxsize=KEPT)
def _known(linear: float, tail: float, gamma: float, ratio: float) -> BulkEquivalent:
    return BulkEquivalent(linear, tail, gamma, ratio)
