"""Values of single samples of drawn first batches, beside a bulk that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.samples import SEPARATION, Separated, scatter_at
from rmt_spikes.theory.methods.uniform.singles.places import margin, place

Array = NDArray[np.float64]

NODES = 10
"""Residuals of one sign at which the value of a sample is computed; between them it is interpolated."""

HALVINGS = 40
"""Of an interval of residuals: rounding."""


def drawn_values(separated: Separated, draws: list[Array]) -> tuple[tuple[Array, Array], ...]:
    """Values of single samples and their standard deviations, for other draws of the residuals.

    The bulk is kept. The value of a sample is a smooth function of its effective residual, which is
    interpolated between a few.

    Parameters
    ----------
    separated
        The bulk.
    draws
        Effective residuals.
    """
    tables = [_Table.of(separated, draws, sign) for sign in (1.0, -1.0)]
    values = []
    for r in draws:
        places, scatters = zip(*(table(r) for table in tables), strict=True)
        values.append((np.concatenate(places), np.concatenate(scatters)))
    return tuple(values)


@dataclass(frozen=True, eq=False)
class _Table:
    """Values of samples and their standard deviations by the size of residuals of one sign."""

    sign: float
    sizes: Array
    values: Array

    @classmethod
    def of(cls, separated: Separated, draws: list[Array], sign: float) -> _Table:
        """Table up to the largest residual drawn; an empty one where no sample makes a value."""
        problem, upper = separated.problem, separated.upper
        largest = max(float(np.max(sign * r)) for r in draws)
        assert isinstance(problem.blocks, PencilBlocks)
        lowest = float(np.max(sign * problem.blocks.special.batch.residuals.r))
        nothing = cls(sign, np.zeros(0), np.zeros((0, 2)))
        if largest <= lowest or margin(problem, upper.edge, sign * largest) > 0.0:
            return nothing
        # From the size at which a value leaves the edge, where it rises like a square.
        least = _crossing(lambda size: margin(problem, upper.edge, sign * size), lowest, largest)
        nodes = 0.5 * (1.0 - np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES))
        rows = [(least, upper.edge.eigenvalue**0.5, 0.0)]
        for size in least + (largest - least) * nodes:
            point = place(problem, upper.curve, upper.points, sign * float(size))
            if point is not None:
                rows.append((size, point.eigenvalue**0.5, scatter_at(problem, point, sign * float(size))))
        table = np.array(rows)
        return cls(sign, table[:, 0], table[:, 1:])

    def __call__(self, r: Array) -> tuple[Array, Array]:
        """Values and standard deviations of the samples that make one."""
        from scipy.interpolate import PchipInterpolator

        if self.sizes.size < 2:
            return np.zeros(0), np.zeros(0)
        sizes = self.sign * r
        sizes = sizes[sizes > self.sizes[0]]
        place, deviation = PchipInterpolator(self.sizes, self.values)(sizes).T
        clear = place > SEPARATION * self.values[0, 0]
        return place[clear], deviation[clear]


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Argument from which a function is negative up to `high`, by bisection."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) > 0.0 else (low, middle)
    return high
