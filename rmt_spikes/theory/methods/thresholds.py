"""Step sizes at which spikes leave the bulk."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SCAN_POINTS = 12
"""Of the geometric scan: with the fraction below, neighbours differ by a factor 2.3."""

CORRECTIONS, SETTLED = 12, 1e-7
"""Most steps of the secant method, and the relative change at which it has settled, mostly after four."""

RISE, BESIDE, FARTHEST = 1.5, 0.02, 20.0
"""Rough logarithmic slope of an excess where it vanishes, for the first step; the longest such step; and by
how much a later one may be longer."""

BEYOND = 1.03
"""Factor of a step away from the guess from which the largest step size is tried first."""

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
    from scipy.optimize import brentq

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
            one = partial(_component, excess, k)
            crossings[k] = brentq(one, 0.0, steps[1], xtol=1e-14 * steps[1])
        elif positive.size:
            low, high = math.log(steps[positive[0] - 1]), math.log(steps[positive[0]])
            one = partial(_component_at_logarithm, excess, k)
            crossings[k] = math.exp(brentq(one, low, high, xtol=1e-12, rtol=1e-13))
    return crossings


def _component(excess: Callable[[float], Array], k: int, step: float) -> float:
    return float(excess(step)[k])


def _component_at_logarithm(excess: Callable[[float], Array], k: int, logarithm: float) -> float:
    return float(excess(math.exp(logarithm))[k])


def nearby_crossing(excess: Callable[[float], float], guess: float, largest: float) -> float:
    """Step size next to a guess at which a function that increases there becomes positive.

    The guess is rough: 0 and ``inf`` are possible. The crossing is 0 where the function is positive without a
    step, ``inf`` where it is not positive next to the guess and at `largest`.
    """
    from scipy.optimize import brentq

    if excess(0.0) > 0.0:
        return 0.0
    low = high = guess if 0.0 < guess <= largest else largest
    factor = 1.02
    while excess(high) <= 0.0:
        if high >= largest:
            return math.inf
        if factor > BEYOND and excess(largest) <= 0.0:
            return math.inf
        low, high, factor = high, min(high * factor, largest), factor**2
    factor = 1.02
    while low > 0.0 and (low == high or excess(low) > 0.0):
        low, factor = (low / factor, factor**2) if low > 1e-6 * largest else (0.0, factor)
    return float(brentq(excess, low, high, xtol=1e-10 * high, rtol=1e-10))


def close_crossing(
    excess: Callable[[float], float],
    guess: float,
    largest: float,
    beside: float = BESIDE,
    settled: float = SETTLED,
) -> float:
    """Argument at which a function becomes positive, by the secant method in its logarithm.

    Arguments and result are those of `nearby_crossing`, which is left to find what the secants do not. Of a
    positive guess the function is taken to be negative without a step. The first step is by at most `beside`,
    in the logarithm, and a later one by twenty times as much; one below `settled` is the last.
    """
    if not 0.0 < guess < math.inf:
        return nearby_crossing(excess, min(guess, largest), largest)
    step = min(guess, largest)
    value, move = excess(step), math.inf
    slope = RISE if abs(value) < RISE * beside else abs(value) / beside
    for _ in range(CORRECTIONS):
        if step == largest and value <= 0.0:
            return math.inf
        if not (slope > 0.0 and abs(value) < FARTHEST * beside * slope):
            break
        move = -value / slope
        after = min(step * math.exp(move), largest)
        if abs(move) < settled:
            return after
        new, move = excess(after), math.log(after / step)
        slope, step, value = (new - value) / move, after, new
    return nearby_crossing(excess, step, largest)
