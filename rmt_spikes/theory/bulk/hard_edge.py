"""Density of singular values next to zero, where the spectrum reaches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHOWN, SUMMED = 1e-4, 1e-7
"""Share of the upper end below which a density is continued: where it is shown, to 2e-8 of itself where it is
finite and to .2 % where it diverges, and where it is summed, as the equations have no solution in double
precision much closer to zero."""

DIVERGES = 1.1
"""Ratio of the density at one and two distances from zero above which it diverges: there it is 1.26."""


@dataclass(frozen=True, eq=False)
class HardEdge:
    """A density of singular values on an interval from zero, continued to zero.

    It is finite there, and an even function, unless three dimensions of the features are equal: then it
    diverges like ``x^(-1/3)``.

    Parameters
    ----------
    density
        Density at ascending points.
    start
        Point below which it is continued.
    """

    density: Callable[[Array], Array]
    start: float

    def __call__(self, x: Array) -> Array:
        """Density at ascending points, zero included."""
        near = x < self.start
        if not np.any(near):
            return self.density(x)
        first, second = self.density(self.start * np.array([1.0, 2.0]))
        power = 1.0 / 3.0 if first > DIVERGES * second else 0.0
        with np.errstate(divide="ignore"):
            below = first * (self.start / x[near]) ** power
        return np.concatenate([below, self.density(x[~near])])
