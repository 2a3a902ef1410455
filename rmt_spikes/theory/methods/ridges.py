"""Solutions at a positive ridge, from those at larger ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from rmt_spikes.errors import ConvergenceError

Solution = TypeVar("Solution")

LARGER, FACTOR, LEAST_FACTOR = 6, 10.0, 1.02
"""How often the first ridge on the way down is taken ten times larger; largest and least ratio of two ridges
on the way."""


def solved_at(solve: Callable[[float, Solution | None], Solution], ridge: float, high: float) -> Solution:
    """Solution at a ridge: at once, or else from those at larger ridges.

    Parameters
    ----------
    solve
        Solution at a ridge from one nearby, or from none.
    ridge
        Where it is wanted.
    high
        First ridge from where it is followed down.

    Raises
    ------
    ConvergenceError
        If there is none.
    """
    with suppress(ConvergenceError):
        return solve(ridge, None)
    for _ in range(LARGER):
        with suppress(ConvergenceError):
            state = solve(high, None)
            break
        high *= FACTOR
    else:
        raise ConvergenceError("no ridge large enough was found", residual=math.inf, last=high)
    factor = FACTOR
    while high > ridge:
        low = max(ridge, high / factor)
        try:
            state = solve(low, state)
        except ConvergenceError:
            factor = math.sqrt(factor)
            if factor < LEAST_FACTOR:
                raise
        else:
            high, factor = low, min(FACTOR, factor**1.5)
    return state
