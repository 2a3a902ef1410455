"""Hermite coefficients and second moments as enclosures (docs/theory.md section 1)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from flint import acb, arb, ctx

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.functions.scalar import HermiteSeries, ScalarFunction
from rmt_spikes.theory.bulk.balls import rational, square
from rmt_spikes.theory.methods.certified.functions import pair_at

REACHES = (1.0, 1.3, 1.7, 2.3, 3.0)
"""Widths that are tried in turn, in units of that which a bounded function needs."""


def normal_density(x: Any) -> Any:
    """Standard normal density of a real or complex ball."""
    return (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


def reach(
    function: ScalarFunction, digits: int, mean: float = 0.0, scale: float = 1.0, decay: float = 4.0
) -> float:
    """Half-width of the range of ``Z`` beyond which ``f(mean + scale Z) exp(-Z^2/decay)`` does not count.

    A decay of 4 serves squares and Hermite polynomials of any degree (Cramer's bound), 2 the function itself.

    Raises
    ------
    DomainError
        If that is still above ``10^-(digits + 8)`` at ``|Z|`` of three times the width that a
        bounded function needs, or `function` is not finite there.
    """
    width = math.sqrt(decay * (digits + 8) * math.log(10.0))
    for factor in REACHES:
        z = factor * width
        points = [mean + sign * share * z * scale for sign in (-1, 1) for share in (0.97, 1.0)]
        ends = [pair_at(function, acb(point))[0].real for point in points]
        if not all(end.is_finite() for end in ends):
            break
        if all(abs(end).upper() * (-(arb(z) ** 2) / decay).exp() < arb(10) ** -(digits + 8) for end in ends):
            return z
    raise DomainError(
        "digits",
        "must be lower for a function that grows so fast, or has a singularity so close",
        digits,
        f"{function.name} is too large, or not finite, at z = {mean + z * scale:.3g}",
    )


@dataclass(frozen=True, eq=False)
class BallExpansion:
    """Expansion ``f = sum_k c_k He_k`` of a function, its mean subtracted if centred; numbers are enclosures.

    A Hermite series is exact. Everything else is integrated by the rigorous quadrature of Arb (Petras'
    algorithm) between ``-reach`` and ``reach``, also over kinks: what is not enclosed is the integral
    beyond, below ``10^-(digits + 8)``.
    """

    function: ScalarFunction
    centered: bool
    digits: int
    _known: dict[int, arb] = field(default_factory=dict, init=False)

    def raw_coefficient(self, k: int) -> arb:
        """``c_k`` of the function as it stands, not centred."""
        if isinstance(self.function, HermiteSeries):
            known = self.function.coefficients
            return arb(rational(known[k])) if k < len(known) else arb(0)
        if k not in self._known:
            self._known[k] = self._integral(lambda z, value, slope: value * _hermite(k, z)) / arb.fac_ui(k)
        return self._known[k]

    def coefficient(self, k: int) -> arb:
        """``c_k``; that of degree 0 is zero for a centred function."""
        return arb(0) if k == 0 and self.centered else self.raw_coefficient(k)

    @property
    def offset(self) -> arb:
        """What is subtracted from the function: its mean if it is centred."""
        return self.raw_coefficient(0) if self.centered else arb(0)

    @cached_property
    def second_moment(self) -> arb:
        """``E f(Z)^2``."""
        if isinstance(self.function, HermiteSeries):
            degrees = range(len(self.function.coefficients))
            return sum((arb.fac_ui(k) * square(self.coefficient(k)) for k in degrees), arb(0))
        return self._integral(lambda z, value, slope: value * value) - square(self.offset)

    @cached_property
    def tail(self) -> arb:
        """``c_{>1}^2``, exactly zero when it cannot be told from it."""
        tail = self.second_moment - square(self.coefficient(0)) - square(self.coefficient(1))
        return arb(0) if tail.contains(0) else tail

    @cached_property
    def derivative_variance(self) -> arb:
        """``Var f'(Z)``, exactly zero when it cannot be told from it."""
        if isinstance(self.function, HermiteSeries):
            degrees = range(2, len(self.function.coefficients))
            return sum((k * arb.fac_ui(k) * square(self.coefficient(k)) for k in degrees), arb(0))
        variance = self._integral(lambda z, value, slope: slope * slope) - square(self.coefficient(1))
        return arb(0) if variance.contains(0) else variance

    def _integral(self, integrand: Any) -> arb:
        def weighted(z: acb, analytic: bool) -> Any:
            return integrand(z, *pair_at(self.function, z, analytic)) * normal_density(z)

        total, width = arb(0), reach(self.function, self.digits)
        # Split at zero too: parity then shows as exact cancellation of two integrals of one kind.
        splits = {0.0, *(kink for kink in self.function.kinks if abs(kink) < width)}
        for low, high in itertools.pairwise(sorted({-width, *splits, width})):
            total += acb.integral(
                weighted, acb(low), acb(high), eval_limit=10**6, depth_limit=4 * ctx.prec
            ).real
        radius = float(total.rad())
        if not (total.is_finite() and radius < 10.0 ** -min(self.digits, 300)):
            message = f"the Gaussian integrals of {self.function.name} cannot be enclosed"
            raise ConvergenceError(f"{message} to {self.digits} digits", residual=radius)
        return total


def _hermite(k: int, z: acb) -> acb:
    before, now = acb(0), acb(1)
    for j in range(k):
        before, now = now, z * now - j * before
    return now


@lru_cache(maxsize=64)
def expansion(function: ScalarFunction, centered: bool, digits: int, bits: int) -> BallExpansion:
    """Expansion of a function, cached by the precision in use."""
    return BallExpansion(function, centered, digits)
