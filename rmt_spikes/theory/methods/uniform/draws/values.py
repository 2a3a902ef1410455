"""Values of single samples of drawn first batches, beside a bulk that is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.newton import CurvePoint, Value
from rmt_spikes.theory.methods.uniform.samples import SEPARATION, Separated, scatter_at
from rmt_spikes.theory.methods.uniform.singles.places import margin, size_at

Array = NDArray[np.float64]

NODES = 12
"""Points of the curve at which the sample of a value is computed; between them it is interpolated. Expected
numbers move by less than 1e-3 of themselves with more, mostly by far less."""


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
        """Table up to the largest residual drawn; an empty one where no sample makes a value.

        Its points are spread over the curve from the edge up: the sample that has its value at a point is
        found without equations.
        """
        problem, upper = separated.problem, separated.upper
        largest = max(float(np.max(sign * r)) for r in draws)
        assert isinstance(problem.blocks, PencilBlocks)
        lowest = float(np.max(sign * problem.blocks.special.batch.residuals.r))
        nothing = cls(sign, np.zeros(0), np.zeros((0, 2)))
        if largest <= lowest or margin(problem, upper.edge, sign * largest) > 0.0:
            return nothing
        rows = [(size_at(problem, upper.edge, sign, lowest), upper.edge.eigenvalue**0.5, 0.0)]
        for point in _spread(upper.curve, upper.points, lambda point: margin(problem, point, sign * largest)):
            size = size_at(problem, point, sign, lowest)
            rows.append((size, point.eigenvalue**0.5, scatter_at(problem, point, sign * size)))
        table = np.array(rows)
        return cls(sign, table[:, 0], table[:, 1:])

    def __call__(self, r: Array) -> tuple[Array, Array]:
        """Values and standard deviations of the samples that make one."""
        if self.sizes.size < 2:
            return np.zeros(0), np.zeros(0)
        sizes = self.sign * r
        sizes = sizes[sizes > self.sizes[0]]
        edge = self.values[0, 0]
        # A value rises like a square from the edge.
        smooth = np.column_stack([np.sqrt(self.values[:, 0] - edge), self.values[:, 1]])
        rise, deviation = _interpolated(self.sizes, smooth, sizes).T
        place = edge + rise**2
        clear = place > SEPARATION * edge
        return place[clear], deviation[clear]


def _interpolated(nodes: Array, values: Array, x: Array) -> Array:
    """Polynomial through values on the nodes, shape ``(n, k)``, at each `x`."""
    difference = np.where(np.eye(nodes.size) > 0.0, 1.0, nodes[:, None] - nodes)
    others = np.where(np.eye(nodes.size) > 0.0, 1.0, x[:, None, None] - nodes)
    return np.asarray(np.prod(others / difference, axis=-1) @ values)


def _spread(curve: RealCurve, points: Sequence[CurvePoint], value: Value) -> list[CurvePoint]:
    """Points of the curve from above its edge to where a function vanishes, close at both ends.

    `points` lead down to the edge. A margin is concave in the length of the curve: by its chord, it vanishes
    too high.

    Raises
    ------
    ConvergenceError
        If it does not vanish on the curve, or this is lost.
    """
    upwards = points[::-1]
    lengths = np.cumsum([0.0, *(curve.distance(*pair) for pair in pairwise(upwards))])
    values = [value(point) for point in upwards]
    above = next((i for i, found in enumerate(values) if found > 0.0), None)
    if above is None:
        raise ConvergenceError("a sample's value lies above the curve", residual=math.inf)
    share = values[above - 1] / (values[above - 1] - values[above])
    top = lengths[above - 1] + share * (lengths[above] - lengths[above - 1])
    found = []
    for length in top * 0.5 * (1.0 - np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)):
        i = int(np.searchsorted(lengths, length))
        share = (length - lengths[i - 1]) / (lengths[i] - lengths[i - 1])
        found.append(_between(curve, upwards[i - 1], upwards[i], float(share)))
    return found


def _between(curve: RealCurve, low: CurvePoint, high: CurvePoint, share: float) -> CurvePoint:
    """Point over a share of the chord between two, also where the chord misses the curve."""
    with suppress(ConvergenceError):
        return curve.between(low, high, share)
    chord = high.position - low.position

    def beyond(point: CurvePoint) -> float:
        return curve.inner(chord, point.position - low.position) - share * curve.inner(chord, chord)

    return curve.zero(low, high, beyond)
