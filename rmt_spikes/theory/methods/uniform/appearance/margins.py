"""Margin of a spike at the upper edge as a function of the step size: each from that at a step nearby."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.equations import CurvePoint
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.methods.uniform.samples import Separated, has_detached
from rmt_spikes.theory.methods.uniform.spectrum import Spectrum

Array = NDArray[np.float64]

BEND = 1e-3
"""Step along the curve of the derivatives at an edge."""

CLOSE = 1e-7
"""Distance from the edge, along the curve, below which what is left to it is taken to first order, with
derivatives that may be a tenth off."""

ROUNDS = 4
"""Steps to an edge from that of a step size nearby: mostly one or two."""


@dataclass(frozen=True, eq=False)
class _Edge:
    """An upper edge and the curve around it.

    Attributes
    ----------
    separated
        The bulk that it belongs to, without the samples that have left it.
    point
        The edge.
    bend
        Second derivative of ``log z`` along the curve.
    fall
        Derivative of the margin along the curve.
    beyond
        Samples with a value above the edge.
    """

    separated: Separated
    point: CurvePoint
    bend: float
    fall: float
    beyond: tuple[int, ...]


@dataclass(eq=False)
class Margins:
    """Excess of a spike by the step size: minus its margin at the upper edge.

    Parameters
    ----------
    index
        Number of the spike, from 0.
    spectrum
        Spectrum at a step size.
    on_nodes
        The same on a number of nodes of the pencil.
    """

    index: int
    spectrum: Callable[[float], Spectrum]
    on_nodes: Callable[[float, int | None], Spectrum]
    _last: _Edge | None = field(default=None, init=False)

    def __call__(self, step: float) -> float:
        """Excess at a step size.

        Raises
        ------
        ConvergenceError
            If the edge is not found.
        """
        if self._last is not None and step > 0.0:
            with suppress(ConvergenceError):
                excess = self._nearby(step, self._last)
                if excess is not None:
                    return excess
        similar = None if self._last is None else self._last.separated
        found = self.spectrum(step).separated_like(similar)
        margins = found.descent.margins
        if self.index >= margins.size:
            return -1.0
        if step > 0.0:
            self._last = self._around(found)
        return -float(margins[self.index])

    def _around(self, found: Separated) -> _Edge | None:
        """The curve around a known edge; None where the samples do not have their usual levels."""
        problem, blocks, descent = found.problem, found.problem.blocks, found.descent
        if not isinstance(blocks, PencilBlocks) or not found.usual:
            return None
        edge = descent.edge
        ends = [descent.curve.advance(edge, step) for step in (BEND, -BEND)]
        slopes = [end.log_eigenvalue_slope for end in ends]
        margins = [self._margin(problem, end) for end in ends]
        bend, fall = ((values[0] - values[1]) / (2.0 * BEND) for values in (slopes, margins))
        return _Edge(found, edge, bend, fall, found.beyond_edge(edge))

    def _margin(self, problem: Problem, point: CurvePoint) -> float:
        return float(problem.finite_rank.margins(point.state)[self.index])

    def _nearby(self, step: float, last: _Edge) -> float | None:
        """Excess where the same samples have left the bulk as at the last step size; None where others have.

        Raises
        ------
        ConvergenceError
            If the edge is not found nearby.
        """
        before = last.separated
        blocks = before.problem.blocks
        assert isinstance(blocks, PencilBlocks)
        spectrum = self.on_nodes(step, blocks.rank)
        whole, samples = spectrum.problem, spectrum.samples
        assert isinstance(whole.blocks, PencilBlocks)
        rest = replace(whole, blocks=whole.blocks.with_rest(samples.rest(before.removed)))
        curve = RealCurve(rest.equations, (-1.0, 1.0), above=True)
        point, level = last.point, curve.inner(last.point.direction, last.point.position)
        point = curve.solve(point.position, point.direction, level, point.direction, point.state.parts)
        for _ in range(ROUNDS):
            left = -point.log_eigenvalue_slope / last.bend
            if abs(left) < CLOSE:
                break
            point = curve.advance(point, left)
        else:
            raise ConvergenceError("an edge of the bulk was not found", residual=abs(left), last=point)
        found = replace(before, problem=rest, effective=samples.effective)
        if found.beyond_edge(point) != last.beyond or has_detached(rest, point):
            return None
        self._last = replace(last, separated=found, point=point)
        return -self._margin(rest, point) - last.fall * left
