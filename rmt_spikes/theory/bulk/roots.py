"""Roots of functions of one variable, without a library of optimisation, which takes .2 s to load."""

from __future__ import annotations

import math
from collections.abc import Callable

ROUNDS = 100
"""Most evaluations: halving alone takes 52."""


def bracketed_root(
    function: Callable[[float], float], low: float, high: float, xtol: float = 2e-12, rtol: float = 8.9e-16
) -> float:
    """Root of a continuous function between two arguments at which its signs differ, by Brent's method.

    It is known to ``xtol + rtol |root|``. R. P. Brent, *Algorithms for minimization without derivatives*
    (1973), chapter 4, with inverse quadratic steps.

    Raises
    ------
    ValueError
        If the signs are the same.
    """
    before, here = low, high
    value_before, value = float(function(before)), float(function(here))
    for at, found in ((before, value_before), (here, value)):
        if found == 0.0:
            return at
    if (value_before > 0.0) == (value > 0.0):
        raise ValueError("the function must have different signs at both ends")
    other, value_other, last_step, step = before, value_before, here - before, here - before
    for _ in range(ROUNDS):
        if value_before != 0.0 and (value_before > 0.0) != (value > 0.0):
            other, value_other = before, value_before
            last_step = step = here - before
        if abs(value_other) < abs(value):
            before, here, other = here, other, here
            value_before, value, value_other = value, value_other, value
        enough = 0.5 * (xtol + rtol * abs(here))
        half = 0.5 * (other - here)
        if value == 0.0 or abs(half) < enough:
            return here
        trial = math.nan
        if abs(last_step) > enough and abs(value) < abs(value_before):
            trial = _trial((before, value_before), (here, value), (other, value_other))
        if 2.0 * abs(trial) < min(abs(last_step), 3.0 * abs(half) - enough):
            last_step, step = step, trial
        else:
            last_step = step = half
        before, value_before = here, value
        here += step if abs(step) > enough else math.copysign(enough, half)
        value = float(function(here))
    return here


def _trial(before: tuple[float, float], here: tuple[float, float], other: tuple[float, float]) -> float:
    """Secant or inverse quadratic step; NaN where there is none."""
    (x_0, f_0), (x, f), (x_1, f_1) = before, here, other
    try:
        if x_0 == x_1:
            return -f * (x - x_0) / (f - f_0)
        slope_0, slope_1 = (f_0 - f) / (x_0 - x), (f_1 - f) / (x_1 - x)
        return -f * (f_1 * slope_1 - f_0 * slope_0) / (slope_1 * slope_0 * (f_1 - f_0))
    except ZeroDivisionError:
        return math.nan
