"""Root of a continuous function between two arguments."""

from __future__ import annotations

import math
from collections.abc import Callable

from rmt_spikes.errors import ConvergenceError

ROUNDING = 8.9e-16
"""Relative error of a root that is as good as a float can be: four times its rounding."""

MOST_STEPS = 200
"""Bounds the work: bisection alone takes 60 to rounding, and Brent's method three times as many at worst."""


def bracketed_root(
    function: Callable[[float], float], low: float, high: float, *, xtol: float, rtol: float = ROUNDING
) -> float:
    """Root between two arguments at which a function has opposite signs, by Brent's method.

    The result is within ``xtol + rtol |root|`` of a change of sign. Steps are those of
    ``scipy.optimize.brentq``.

    Raises
    ------
    ConvergenceError
        If the signs at the ends are equal, or a value is NaN.

    References
    ----------
    R. P. Brent, *Algorithms for Minimization Without Derivatives* (1973), chapter 4.
    """
    before, best = low, high
    value_before, value = _value(function, before), _value(function, best)
    if value_before == 0.0:
        return before
    if value != 0.0 and (value_before < 0.0) == (value < 0.0):
        least = min(abs(value_before), abs(value))
        raise ConvergenceError("a root has no change of sign around it", residual=least)
    other, value_other, last, step = before, value_before, best - before, best - before
    for _ in range(MOST_STEPS):
        if value_before != 0.0 and value != 0.0 and (value_before < 0.0) != (value < 0.0):
            other, value_other, last, step = before, value_before, best - before, best - before
        if abs(value_other) < abs(value):
            before, best, other = best, other, best
            value_before, value, value_other = value, value_other, value
        close, half = 0.5 * (xtol + rtol * abs(best)), 0.5 * (other - best)
        if value == 0.0 or abs(half) < close:
            return best
        trial = math.inf
        if abs(last) > close and abs(value) < abs(value_before):
            trial = _interpolated(best, before, other, value, value_before, value_other)
        if 2.0 * abs(trial) < min(abs(last), 3.0 * abs(half) - close):
            last, step = step, trial
        else:
            last, step = half, half
        before, value_before = best, value
        best += step if abs(step) > close else math.copysign(close, half)
        value = _value(function, best)
    raise ConvergenceError("a root was not found", residual=abs(value), last=best)


def _value(function: Callable[[float], float], x: float) -> float:
    value = float(function(x))
    if math.isnan(value):
        raise ConvergenceError("a function has no value where its root is looked for", residual=value, last=x)
    return value


def _interpolated(
    best: float, before: float, other: float, value: float, value_before: float, value_other: float
) -> float:
    """Step to the root of a line through two points, or of the inverse parabola through three."""
    if before == other:
        return -value * (best - before) / (value - value_before)
    slope_before = (value_before - value) / (before - best)
    slope_other = (value_other - value) / (other - best)
    divisor = slope_other * slope_before * (value_other - value_before)
    return (
        -value * (value_other * slope_other - value_before * slope_before) / divisor if divisor else math.inf
    )
