"""Step sizes at which spikes leave the bulk."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Array = NDArray[np.float64]

SCAN_POINTS = 12
"""Of the geometric scan: with the fraction below, neighbours differ by a factor 2.3."""

CORRECTIONS, SETTLED, BESIDE = 8, 1e-7, 0.01
"""Steps of the secant method, most of them to settle at the relative change; distance of the first slope."""

SMALLEST_FRACTION = 1e-4
"""Smallest step of the scan, as a fraction of the largest: below it a crossing is bracketed from zero."""


def first_crossings(excess: Callable[[float], Array], largest: float, count: int) -> Array:
    """Smallest step sizes at which the first `count` components of a function become positive.

    Component ``k`` of `excess`, of shape ``(m,)`` with ``m >= count``, is positive where spike ``k`` is
    outside the bulk. The crossing is 0 where it is positive without a step, ``inf`` where it is not positive
    up to `largest`.

    Brackets come from a geometric scan of 12 points from ``1e-4 largest``: two crossings closer than a
    factor 2.4 are taken for none.
    """
    if largest <= 0.0:
        return np.where(excess(0.0)[:count] > 0.0, 0.0, np.inf)
    steps = [0.0, *np.geomspace(SMALLEST_FRACTION * largest, largest, SCAN_POINTS)]
    table = np.array([excess(step)[:count] for step in steps])
    crossings = np.full(count, np.inf)
    for k in range(count):
        positive = np.flatnonzero(table[:, k] > 0.0)
        if positive.size and positive[0] == 0:
            crossings[k] = 0.0
        elif positive.size and positive[0] == 1:
            high = steps[1]
            crossings[k] = brentq(lambda step, k=k: float(excess(step)[k]), 0.0, high, xtol=1e-14 * high)
        elif positive.size:
            low, high = math.log(steps[positive[0] - 1]), math.log(steps[positive[0]])
            crossings[k] = math.exp(
                brentq(lambda t, k=k: float(excess(math.exp(t))[k]), low, high, xtol=1e-12, rtol=1e-13)
            )
    return crossings


def nearby_crossing(excess: Callable[[float], float], guess: float, largest: float) -> float:
    """Step size next to a guess at which a function that increases there becomes positive.

    The guess is rough: 0 and ``inf`` are possible. The crossing is 0 where the function is positive without a
    step, ``inf`` where it is not positive up to `largest`.
    """
    if excess(0.0) > 0.0:
        return 0.0
    low = high = guess if 0.0 < guess <= largest else largest
    factor = 1.02
    while excess(high) <= 0.0:
        if high >= largest:
            return math.inf
        low, high, factor = high, min(high * factor, largest), factor**2
    factor = 1.02
    while low > 0.0 and (low == high or excess(low) > 0.0):
        low, factor = (low / factor, factor**2) if low > 1e-6 * largest else (0.0, factor)
    return float(brentq(excess, low, high, xtol=1e-10 * high, rtol=1e-10))


def modelled_crossing(
    excess: Callable[[float], float], model: Callable[[float], float], guess: float, largest: float
) -> float:
    """Argument at which a function becomes positive, by way of a cheap one that differs from it little.

    The secant method from the crossing of the cheap one, with the slope of that at first. Arguments and
    result are those of `nearby_crossing`.
    """
    step = nearby_crossing(model, guess, largest)
    if not 0.0 < step < math.inf:
        return nearby_crossing(excess, guess, largest)
    beside = step * (1.0 - BESIDE)
    slope = (model(step) - model(beside)) / (step - beside)
    value = excess(step)
    for _ in range(CORRECTIONS):
        if not slope > 0.0:
            break
        after = step - value / slope
        if abs(after - step) < SETTLED * step:
            return after if after <= largest else math.inf
        if not 0.5 * step < after < 2.0 * step:
            break
        new = excess(after)
        slope, step, value = (new - value) / (after - step), after, new
    return nearby_crossing(excess, min(step, largest), largest)
