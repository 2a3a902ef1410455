"""What a precise prediction consists of."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import mpmath
from flint import arb

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.theory.bulk.balls import GUARD_DIGITS, ball, from_mpf, midpoint, working_digits
from rmt_spikes.theory.bulk.certified_curve import CertifiedCurve
from rmt_spikes.theory.bulk.distribution import QUANTILES
from rmt_spikes.theory.bulk.hard_edge import DIVERGES
from rmt_spikes.theory.results import Certificate
from rmt_spikes.values import Value

Enclosure = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PreciseBulk(Value):
    """Limiting distribution of the ``width`` singular values, spikes apart; numbers are ``mpmath.mpf``.

    Attributes
    ----------
    edges, atom_at_zero
        Intervals of the support, ascending, as pairs, and the mass at zero.
    error
        As in `Bulk`.
    enclosures
        For each edge a lower and an upper bound, in the order of `edges`; they hold for every value that
        the coefficients may have within their own enclosures.
    """

    edges: tuple[tuple[Any, Any], ...]
    enclosures: tuple[tuple[Enclosure, Enclosure], ...]
    atom_at_zero: Any
    method: Any = field(repr=False, compare=False)
    error: float | None = None

    @property
    def digits(self) -> int:
        """Significant digits."""
        return int(self.method.digits)

    @property
    def curve(self) -> CertifiedCurve:
        """The curve in balls."""
        curve: CertifiedCurve = self.method.solution.variables.curve
        return curve

    def _working(self) -> AbstractContextManager[None]:
        return working_digits(self.digits + GUARD_DIGITS)

    def density(self, x: Any) -> Any:
        """Density at one number `x`, zero outside the support; its limit where this reaches zero."""
        with self._working():
            x = from_mpf(x)
            if x != 0 or self.edges[0][0] != 0:
                return midpoint(2 * x * self.curve.density(x * x)) if x > 0 else mpmath.mpf(0)
            # An even function of its argument, or one that diverges like its power -1/3.
            x = arb(10) ** -(self.digits // 2 + 1)
            near, far = (2 * y * self.curve.density(y * y) for y in (x, 2 * x))
            return mpmath.inf if near > DIVERGES * far else midpoint(near)

    def cdf(self, x: Any) -> Any:
        """Distribution function at one number `x`, atom included."""
        with self._working():
            x = from_mpf(x)
            return midpoint(1 - self._share_above(x)) if x >= 0 else mpmath.mpf(0)

    def quantile(self, p: Any) -> Any:
        """Smallest number whose distribution function reaches `p`.

        Raises
        ------
        DomainError
            For a probability outside ``[0, 1]``.
        ConvergenceError
            If Newton's method, begun at the quantile in double precision, does not settle.
        """
        if not 0 <= p <= 1:
            raise DomainError("p", "must be in [0, 1]", p)
        with self._working():
            share = ball(p) if isinstance(p, int | float) else from_mpf(p)
            total = arb(self.curve.atom_at_zero)
            if share <= total:
                return mpmath.mpf(0)
            for (low, high), mass in zip(self.curve.edges, self.curve.masses, strict=True):
                total += mass
                if (total - share).contains(0):
                    return midpoint(high.sqrt())
                if share < total:
                    return midpoint(self._root(1 - share, low, high, float(p)).sqrt())
        raise ConvergenceError("the masses of the bulk do not reach one", residual=float(p))

    def _root(self, above: arb, low: arb, high: arb, p: float) -> arb:
        """Eigenvalue with a given share above it: Newton's method kept inside its interval."""
        z = arb(float(self.method.double.bulk.quantile(p))) ** 2
        low, high = low.mid(), high.mid()
        for _ in range(60):
            if not low < z < high:
                z = ((low + high) / 2).mid()
            excess = self.curve.share_above(z) - above
            low, high = (z, high) if excess > 0 else (low, z)
            step = excess / self.curve.density(z)
            z = (z + step).mid()
            if abs(step).upper() < z * arb(10) ** -(self.digits + 5):
                return z
        raise ConvergenceError("a quantile was not found", residual=float(abs(step).upper()), last=float(z))

    def _share_above(self, x: arb) -> arb:
        z, total = x * x, arb(0)
        for (low, high), mass in zip(self.curve.edges, self.curve.masses, strict=True):
            if low < z < high:
                return self.curve.share_above(z)
            if z <= low:
                total += mass
        return total

    @cached_property
    def quantiles(self) -> dict[str, Any]:
        """Quantiles at the probabilities that predictions list."""
        return {str(p): self.quantile(p) for p in QUANTILES}

    def to_dict(self) -> dict[str, Any]:
        """Edges, atom and quantiles, as ``mpmath.mpf``."""
        return {
            "edges": self.edges,
            "atom_at_zero": self.atom_at_zero,
            "error": self.error,
            "quantiles": self.quantiles,
        }


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PreciseCertificate(Certificate):
    """Evidence for the digits; the other attributes are those of `Certificate`.

    Attributes
    ----------
    digits, nodes
        Significant digits that were asked for, and quadrature nodes in each latent variable.
    change
        Largest change, relative to the size of a quantity, of losses, spikes, features and alignments when
        the nodes were last increased by half: the error of the rule before.
    error
        Estimated error of what is returned: `change` times its ratio to the change before, which bounds the
        rest of a series that converges geometrically. Measured, not proved.
    rounding
        Largest radius of a ball among the same quantities: a proved bound on all rounding errors.
    enclosures
        Certified lower and upper bounds of the effective ridge ``kappa``, of ``g``, ``mu`` and of the
        strength at which a mode leaves the bulk.
    """

    digits: int
    nodes: int
    change: float
    error: float
    rounding: float
    enclosures: Mapping[str, Enclosure]

    @property
    def tolerances(self) -> tuple[Any, Any]:
        """Largest errors of the mass and of the equations that pass: one unit of the last digit."""
        return (mpmath.mpf(10) ** -self.digits,) * 2

    @property
    def kappa(self) -> Any:
        """Effective ridge: the middle of its enclosure."""
        low, high = self.enclosures["kappa"]
        return (low + high) / 2

    def to_dict(self) -> dict[str, Any]:
        """Evidence without the enclosures, numbers as ``mpmath.mpf``."""
        names = [f.name for f in fields(self) if f.name not in ("digits", "enclosures")]
        return {name: getattr(self, name) for name in names} | {"residual": float(self.residual)}


def decimals(value: Any, digits: int) -> Any:
    """A copy of a document with decimal strings for mpmath numbers, None for those that are not finite."""
    if isinstance(value, mpmath.mpf):
        return mpmath.nstr(value, digits, strip_zeros=True) if mpmath.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: decimals(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [decimals(item, digits) for item in value]
    return value


def numbers(document: Mapping[str, str], digits: int | None) -> dict[str, Any]:
    """Numbers of decimal strings of a number of digits."""
    with mpmath.workdps((digits or 0) + GUARD_DIGITS):
        return {name: mpmath.mpf(text) for name, text in document.items()}


def outward(pair: Enclosure) -> list[str]:
    """Ends of an enclosure in decimal, rounded outwards to a few digits more than they differ in."""
    low, high = pair
    if low == high:
        return [mpmath.nstr(low, 400, strip_zeros=True)] * 2
    size = max(abs(low), abs(high))
    digits = 3 + max(3, int(mpmath.ceil(mpmath.log10(size / (high - low)))))
    with mpmath.workdps(digits + 10):
        unit = mpmath.mpf(10) ** (int(mpmath.floor(mpmath.log10(size))) + 1 - digits)
        ends = mpmath.floor(low / unit) * unit, mpmath.ceil(high / unit) * unit
        return [mpmath.nstr(end, digits + 2, strip_zeros=True) for end in ends]
