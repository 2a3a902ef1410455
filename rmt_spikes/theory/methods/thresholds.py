"""Step sizes at which spikes leave the bulk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SCAN_POINTS = 12
"""Of the geometric scan: with the fraction below, neighbours differ by a factor 2.3."""

CORRECTIONS, PRECISION = 12, 1e-9
"""Most steps of inverse interpolation, and the relative error of a crossing: mostly of three values."""

THROUGH = 3
"""Last values that are interpolated: more do not pay at as few steps."""

RISE, BESIDE, FARTHEST = 1.5, 0.02, 20.0
"""Rough logarithmic slope of an excess where it vanishes, for the first step; the longest such step; and by
how much a later one may be longer."""

BEYOND = 1.03
"""Factor of a step away from the guess from which the largest step size is tried first."""

FAR, WITHIN = 1.0, 0.3
"""Least excess from which a guess is interpolated, since that of no spike is minus infinity, and the first
step from there, against neighbours of the scan that are .84 apart in the logarithm."""

SMALLEST_FRACTION = 1e-4
"""Smallest step of the scan, as a fraction of the largest: below it a crossing is bracketed from zero."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A function of the step size with one component a spike, on a geometric scan.

    Component ``k``, of ``m``, is positive where spike ``k`` is outside the bulk. The scan has 12 points from
    ``1e-4 largest``: two crossings closer than a factor 2.4 are taken for none.

    Parameters
    ----------
    excess
        The function, of values of shape ``(m,)``.
    largest
        Largest step size.
    """

    excess: Callable[[float], Array]
    largest: float

    @cached_property
    def steps(self) -> list[float]:
        """Step sizes, ascending from 0."""
        if self.largest <= 0.0:
            return [0.0]
        return [0.0, *np.geomspace(SMALLEST_FRACTION * self.largest, self.largest, SCAN_POINTS).tolist()]

    @cached_property
    def table(self) -> Array:
        """Values there, shape ``(n_steps, m)``."""
        return np.array([self.excess(step) for step in self.steps])

    def first(self, k: int) -> int | None:
        """Number of the first step size at which component `k` is positive; None where there is none."""
        positive = np.flatnonzero(self.table[:, k] > 0.0) if k < len(self.table[0]) else np.zeros(0)
        return int(positive[0]) if positive.size else None

    def crossing(self, k: int) -> float:
        """Smallest step size at which component `k` becomes positive; 0 if it is without a step, or inf."""
        first = self.first(k)
        if not first:
            return math.inf if first is None else 0.0
        from scipy.optimize import brentq

        if first == 1:
            return float(brentq(partial(self._at, k), 0.0, self.steps[1], xtol=1e-14 * self.steps[1]))
        low, high = math.log(self.steps[first - 1]), math.log(self.steps[first])
        return math.exp(brentq(partial(self._at_logarithm, k), low, high, xtol=1e-12, rtol=1e-13))

    def guess(self, k: int) -> float:
        """`crossing`, to about ``1e-7``."""
        first = self.first(k)
        if first is None or first < 2:
            return self.crossing(k)
        below, above = np.maximum(self.table[first - 1 : first + 1, k], -FAR)
        share = below / (below - above)
        start = self.steps[first - 1] ** (1.0 - share) * self.steps[first] ** share
        return close_crossing(partial(self._at, k), start, self.largest, beside=WITHIN)

    def _at(self, k: int, step: float) -> float:
        return float(self.excess(step)[k])

    def _at_logarithm(self, k: int, logarithm: float) -> float:
        return self._at(k, math.exp(logarithm))


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
    precision: float = PRECISION,
) -> float:
    """Argument at which a function becomes positive, by inverse interpolation in its logarithm.

    Arguments and result are those of `nearby_crossing`, which is left to find what the interpolation does
    not. Of a positive guess the function is taken to be negative without a step. The first step is by at most
    `beside`, in the logarithm, and a later one by twenty times as much. The next argument is the last where a
    parabola through three values and a line through two differ by less than `precision`.
    """
    if not 0.0 < guess < math.inf:
        return nearby_crossing(excess, min(guess, largest), largest)
    excess, step = cache(excess), min(guess, largest)
    known: list[tuple[float, float]] = []
    value = excess(step)
    slope = RISE if abs(value) < RISE * beside else abs(value) / beside
    for _ in range(CORRECTIONS):
        known = [*known[1 - THROUGH :], (math.log(step), value)]
        if step == largest and value <= 0.0:
            return math.inf
        if len(known) > 1:
            (before, last), (now, _) = known[-2:]
            slope = (value - last) / (now - before)
        if not (slope > 0.0 and abs(value) < FARTHEST * beside * slope):
            break
        now = known[-1][0]
        line, curved = now - value / slope, len(known) == THROUGH and _ordered(known)
        place = _vanishing(known) if curved else line
        after = min(math.exp(place), largest)
        if abs(place - (line if curved else now)) < precision:
            return after
        step, value = after, excess(after)
        if math.log(step) == known[-1][0]:
            return step
    if value <= 0.0 and excess(largest) <= 0.0:
        return math.inf
    return nearby_crossing(excess, step, largest)


def _ordered(known: list[tuple[float, float]]) -> bool:
    """Whether values rise with the arguments."""
    return all((a < b) == (u < v) and u != v for (a, u), (b, v) in combinations(known, 2))


def _vanishing(known: list[tuple[float, float]]) -> float:
    """Argument at which a function vanishes, by the parabola through it as a function of its values."""
    return math.fsum(
        place * math.prod(other / (other - value) for _, other in known if other != value)
        for place, value in known
    )
