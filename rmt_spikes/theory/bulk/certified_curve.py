"""The bulk of the untrained features with certified roots (docs/theory.md section 5).

In units in which a feature has variance one, and with ``l`` and ``t`` the shares of its linear and non-linear
part, ``z = -lambda`` is the rational function ``-a b / (g d^2)`` of ``g`` with ``a = 1 + (gamma l - 1) g -
gamma l t g^2``, ``b = 1 + (gamma l - r) g - r gamma l t g^2``, ``d = 1 + gamma l g`` and ``r = N/n_ridge``.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flint import acb, acb_poly, arb, arb_poly, ctx, fmpq

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent, ResolventPoint


@dataclass(frozen=True, eq=False)
class CertifiedCurve:
    """Resolvent, bulk and edges as enclosures; parameters as in `BulkEquivalent`, a tail of zero exactly so.

    Roots are isolated by Arb: each is the only one in its ball, whatever the coefficients are within their
    own balls. A root whose ball meets the real axis is real, since roots come in conjugate pairs.
    """

    linear: arb
    tail: arb
    gamma: fmpq
    ratio: fmpq

    @classmethod
    def of(cls, setting: Setting, linear: arb, tail: arb) -> CertifiedCurve:
        """Curve of the sizes of a setting."""
        return cls(linear, tail, fmpq(setting.width, setting.d), fmpq(setting.width, setting.n_ridge))

    @cached_property
    def equivalent(self) -> BulkEquivalent:
        """The same formulas as in double precision, on balls."""
        numbers: list[Any] = [self.linear, self.tail, arb(self.gamma), arb(self.ratio)]
        return BulkEquivalent(*numbers)

    @cached_property
    def scale(self) -> arb:
        """Variance of a feature."""
        return self.linear + self.tail

    @cached_property
    def _polynomials(self) -> tuple[arb_poly, arb_poly, arb_poly]:
        """``a``, ``b`` and ``d``; coefficients that vanish do so exactly."""
        tail = self.tail / self.scale
        linear = 1 - tail
        last = -linear * tail * self.gamma
        # gamma l - 1 and gamma l - r with the rational part exact.
        a = arb_poly([1, arb(self.gamma - 1) - tail * self.gamma, last])
        b = arb_poly([1, arb(self.gamma - self.ratio) - tail * self.gamma, last * self.ratio])
        return a, b, arb_poly([1, linear * self.gamma])

    @cached_property
    def _slope(self) -> arb_poly:
        """``-g^2 d^3 dz/dg``."""
        a, b, d = self._polynomials
        g, p = arb_poly([0, 1]), a * b
        return p.derivative() * g * d - p * (d + 2 * g * d.derivative())

    def _kappa(self, g: Any) -> Any:
        """Effective ridge at a trace, both in units of the scale."""
        a, _, d = self._polynomials
        return a(g) / (g * d(g))

    def location(self, g: Any) -> Any:
        """``z`` at a trace `g` in units of the scale, real or complex."""
        a, b, d = self._polynomials
        return -a(g) * b(g) / (g * d(g) ** 2)

    @cached_property
    def critical_points(self) -> list[arb]:
        """Real traces, in units of the scale, at which ``dz/dg = 0``, ascending."""
        found = [root.real for root in certified_roots(self._slope) if root.imag.contains(0)]
        return sorted(found, key=float)

    @cached_property
    def edge_trace(self) -> arb:
        """Trace at the upper edge of the bulk, in units of the scale."""
        return [g for g in self.critical_points if g < 0][-1]

    @cached_property
    def edges(self) -> list[tuple[arb, arb]]:
        """Intervals of the eigenvalues of ``F F^T / n_ridge`` apart from zero, ascending.

        Raises
        ------
        ConvergenceError
            If two edges cannot be told apart.
        """
        values = sorted((z for g in self.critical_points if (z := self.location(g)) > 0), key=float)
        smallest, next_one, *_ = self._sides
        if smallest == next_one:
            values.insert(0, arb(0))
        intervals: list[tuple[arb, arb]] = []
        for low, high in itertools.pairwise(values):
            if not low < high:
                radius = float((high - low).rad())
                raise ConvergenceError("two edges of the bulk cannot be told apart", residual=radius)
            if self.physical_root(((low + high) / 2).mid()) is not None:
                if intervals and intervals[-1][1] is low:
                    intervals[-1] = (intervals[-1][0], high)
                else:
                    intervals.append((low, high))
        return [(low * self.scale, high * self.scale) for low, high in intervals]

    @property
    def _sides(self) -> list[fmpq]:
        """Dimensions that bound the rank, as shares of ``N``, ascending."""
        return sorted([fmpq(1), 1 / self.ratio] + ([1 / self.gamma] if self.tail.is_zero() else []))

    @property
    def atom_at_zero(self) -> fmpq:
        """Share of the ``N`` eigenvalues that are zero."""
        return 1 - self._sides[0]

    def _traces(self, z: arb) -> list[acb]:
        """Every trace at an eigenvalue, both in units of the scale."""
        a, b, d = self._polynomials
        return certified_roots(a * b + z * arb_poly([0, 1]) * d * d)

    def physical_root(self, z: arb) -> acb | None:
        """Trace on the upper side of the real axis at an eigenvalue (both in units of the scale).

        None outside the spectrum. ``g`` and ``1/kappa`` are both in the upper half-plane.
        """
        a, _, d = self._polynomials
        for g in self._traces(z):
            if g.imag > 0 and (g * d(g) / a(g)).imag > 0:
                return g
        return None

    def at_ridge(self, ridge: arb) -> ResolventPoint:
        """Resolvent at a positive ridge: the root with ``g``, ``kappa`` and ``lambda/kappa`` positive."""
        a, b, _ = self._polynomials
        real = [g.real for g in self._traces(-ridge / self.scale) if g.imag.contains(0)]
        found = [g for g in real if g > 0 and a(g) > 0 and b(g) > 0]
        if len(found) != 1:
            raise ConvergenceError("the effective ridge was not isolated", residual=float(len(found)))
        return self.point(found[0])

    def point(self, g: arb) -> ResolventPoint:
        """Resolvent and its derivatives at a trace in units of the scale."""
        unscaled: Any = g / self.scale
        return self.equivalent.point(self.equivalent.kappa(unscaled), unscaled)

    def density(self, z: arb) -> arb:
        """Density of the ``N`` eigenvalues at `z`, zero outside the bulk."""
        g = self.physical_root(z / self.scale)
        if g is None:
            return arb(0)
        a, _, d = self._polynomials
        return (g * d(g) / a(g)).imag / (self.scale * arb.pi() * self.ratio)

    def share_above(self, z: arb) -> arb:
        """Share of the ``N`` eigenvalues above a point inside the bulk.

        Notes
        -----
        Along the curve ``dz / kappa`` is exact: its integral is
        ``-(1 - r) log kappa - r (2 g kappa - log g + t g + log(1 + gamma l g)/gamma)``, every logarithm
        principal on the upper side of the axis. Its imaginary part is ``pi`` above the spectrum.
        """
        g = self.physical_root(z / self.scale)
        if g is None:
            raise ConvergenceError("a point of the bulk was expected", residual=float(z))
        kappa, d = self._kappa(g), self._polynomials[2]
        ratio, tail = arb(self.ratio), self.tail / self.scale
        inner = 2 * g * kappa - g.log() + tail * g + d(g).log() / arb(self.gamma)
        phase: arb = -((1 - ratio) * kappa.log() + ratio * inner).imag
        return (1 - phase / arb.pi()) / self.ratio

    @cached_property
    def masses(self) -> list[arb]:
        """Mass of each interval, from the phases of the real traces at its ends."""
        return [self._real_share(low) - self._real_share(high) for low, high in self.edges]

    def _real_share(self, z: arb) -> arb:
        """Share of the eigenvalues above an edge: only the signs of the logarithms' arguments count."""
        if z.is_zero():
            return arb(1 - self.atom_at_zero)
        g = next(g for g in self.critical_points if (self.location(g) * self.scale).overlaps(z))
        kappa, d, ratio = self._kappa(g), self._polynomials[2], arb(self.ratio)
        # On the upper side, kappa comes from below the axis.
        phase: arb = (1 - ratio) * (kappa < 0) + ratio * (g < 0) - ratio / self.gamma * (d(g) < 0)
        return (1 - phase) / ratio

    def edge_amplitude(self) -> arb:
        """``A`` in the density ``A sqrt(edge - x)`` of singular values next to the upper edge."""
        g, (_, _, d) = self.edge_trace, self._polynomials
        curvature = -self._slope.derivative()(g) / (g**2 * d(g) ** 3)
        gamma, tail = arb(self.gamma), self.tail / self.scale
        linear = 1 - tail
        kappa = 1 / g - tail - linear / d(g)
        kappa_slope = gamma * linear**2 / d(g) ** 2 - 1 / g**2
        x = self.location(g).sqrt()
        amplitude: arb = (
            2 * x * abs(kappa_slope) / kappa**2 * (4 * x / curvature).sqrt() / (arb.pi() * self.ratio)
        )
        # Singular values are in units of the square root of the scale: A in units of its power -3/2.
        width: arb = self.scale.sqrt()
        return amplitude / (width * width.sqrt())


def certified_roots(polynomial: arb_poly) -> list[acb]:
    """Every complex root of a polynomial in a ball of its own.

    Raises
    ------
    ConvergenceError
        If two roots cannot be told apart at the precision in use.
    """
    if polynomial.degree() < 1:
        return []
    own = acb_poly(polynomial)
    # Small balls, from which Newton's steps contract; where a root is huge they cannot be had.
    for tolerance in (arb(2) ** -(ctx.prec // 3), None):
        with suppress(ValueError):
            return [_contracted(own, root) for root in own.roots(tol=tolerance, maxprec=8 * ctx.prec)]
    raise ConvergenceError("roots of the bulk's curve cannot be told apart", residual=2.0**-ctx.prec)


def _contracted(polynomial: acb_poly, root: acb) -> acb:
    """Interval Newton steps on a ball that holds one root, as long as they halve it."""
    slope = polynomial.derivative()
    size = root.real.rad() + root.imag.rad()
    while True:
        middle = root.mid()
        smaller = middle - polynomial(middle) / slope(root)
        halved = smaller.real.rad() + smaller.imag.rad()
        if not (smaller.is_finite() and 2 * halved < size):
            return root
        root, size = smaller, halved
