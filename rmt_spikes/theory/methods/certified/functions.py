"""Activations and targets, and their derivatives, at complex balls."""
# The operations are described in `Arithmetic`.
# ruff: noqa: D102

from __future__ import annotations

from fractions import Fraction
from operator import methodcaller
from typing import Any

from flint import acb, arb, fmpq

from rmt_spikes.functions.arithmetic import Arithmetic
from rmt_spikes.functions.scalar import ScalarFunction, ShiftedFunction
from rmt_spikes.theory.bulk.balls import power, rational


class Balls(Arithmetic):
    """Real and complex balls, and series of real ones: every value is an enclosure.

    Parameters
    ----------
    analytic : bool
        Whether a function that is not holomorphic on a complex ball returns one that is not finite: what
        rigorous integration asks for.
    """

    exp, sin, cos = methodcaller("exp"), methodcaller("sin"), methodcaller("cos")
    sinh, cosh, tanh = methodcaller("sinh"), methodcaller("cosh"), methodcaller("tanh")
    erf = methodcaller("erf")
    expm1: Any = methodcaller("expm1")

    def __init__(self, analytic: bool = False) -> None:
        self.analytic = analytic

    @property
    def pi(self) -> arb:
        return arb.pi()

    def number(self, decimal: float) -> arb:
        return arb(rational(decimal))

    def ratio(self, fraction: Fraction) -> fmpq:
        return fmpq(fraction.numerator, fraction.denominator)

    def full(self, x: Any, value: int) -> Any:
        return x * 0 + value if not isinstance(x, acb) else acb(value)

    def sqrt(self, x: Any) -> Any:
        return x.sqrt(analytic=self.analytic) if isinstance(x, acb) else x.sqrt()

    def log(self, x: acb) -> acb:
        return acb(x).log(analytic=self.analytic)

    def atan(self, x: acb) -> acb:
        # Through logarithms, whose cuts are reported.
        turned = x * acb(0, 1)
        return (self.log(1 - turned) - self.log(1 + turned)) * acb(0, 1) / 2

    def abs(self, x: acb) -> acb:
        return acb(x).real_abs(analytic=self.analytic)

    def sign(self, x: acb) -> acb:
        return acb(x).real_sgn(analytic=self.analytic)

    def step(self, x: acb) -> acb:
        return acb(x).real_heaviside(analytic=self.analytic)

    def maximum(self, left: acb, right: Any) -> acb:
        return acb(left).real_max(acb(right), analytic=self.analytic)

    def minimum(self, left: acb, right: Any) -> acb:
        return acb(left).real_min(acb(right), analytic=self.analytic)

    def where(self, left: acb, right: acb, rise: Any, run: Any) -> Any:
        chosen = self.step(left - right)
        return chosen * rise + (1 - chosen) * run

    def power(self, base: acb, exponent: Any) -> acb:
        # A root, written with logarithms, has its cut below 0.
        if isinstance(exponent, int):
            return power(base, exponent) if exponent >= 0 else acb(base**exponent)
        return acb(base).pow(acb(exponent), analytic=self.analytic)

    def times(self, slope: acb, rise: acb) -> acb:
        # A constant stays one where the outer slope is infinite.
        return rise if rise.is_zero() else slope * rise

    def tanh_slope(self, x: Any) -> Any:
        return power(x.sech(), 2)

    def normal_cdf(self, x: Any) -> Any:
        # Of full relative accuracy below 0.
        return (-x / arb(2).sqrt()).erfc() / 2


BALLS = Balls()


def pair_at(function: ScalarFunction, x: acb, analytic: bool = False) -> tuple[acb, acb]:
    """Value and derivative of a function at a ball, not finite with `analytic` where it is not holomorphic.

    Raises
    ------
    TypeError
        For a shifted function: its mean is known in double precision only.
    """
    if isinstance(function, ShiftedFunction):
        raise TypeError("a shifted function has no exact form")
    numbers = Balls(analytic)
    return acb(function.value(x, numbers)), acb(function.slope(x, numbers))
