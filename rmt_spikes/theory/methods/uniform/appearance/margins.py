"""Margin of a spike at the upper edge as a function of the step size: each from that at a step nearby."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.newton import CurvePoint
from rmt_spikes.theory.methods.uniform.samples import Separated, has_detached
from rmt_spikes.theory.methods.uniform.spectrum import Spectrum

Array = NDArray[np.float64]

BESIDE = 0.1
"""Distance of an edge from its guess, in ``log z``, from which it is taken for another one."""

FARTHEST = 0.5
"""Longest extrapolation of an edge from two steps, as a share of the logarithm between these: further away,
the edge of the nearer one is the better guess."""


@dataclass(frozen=True, eq=False)
class _Edge:
    """An upper edge at a step size.

    Attributes
    ----------
    step
        The step size.
    separated
        The bulk that it belongs to, without the samples that have left it.
    point
        The edge.
    bend
        Second derivative of ``log z`` along the curve, roughly.
    beyond
        Samples with a value above the edge.
    before
        The edge at another step size, for the same samples.
    """

    step: float
    separated: Separated
    point: CurvePoint
    bend: float
    beyond: tuple[int, ...]
    before: _Edge | None = None

    def guess(self, step: float) -> CurvePoint:
        """Edge at another step size, linear in its logarithm where two are known nearby."""
        if self.before is None or self.before.step == self.step:
            return self.point
        share = math.log(step / self.step) / math.log(self.step / self.before.step)
        if not abs(share) < FARTHEST:
            return self.point
        position = self.point.position + share * (self.point.position - self.before.point.position)
        return replace(self.point, position=position)


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
    similar
        The bulk at another step size, if it is known.
    """

    index: int
    spectrum: Callable[[float], Spectrum]
    on_nodes: Callable[[float, int | None], Spectrum]
    similar: Separated | None = None
    _last: _Edge | None = field(default=None, init=False)

    @property
    def last(self) -> Separated | None:
        """The bulk at the last step size, without the samples that have left it."""
        return None if self._last is None else self._last.separated

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
        found = self.spectrum(step).separated_like(self.last or self.similar)
        margins = found.descent.margins
        if self.index >= margins.size:
            return -1.0
        if step > 0.0:
            self._last = self._edge(step, found)
        return -float(margins[self.index])

    @staticmethod
    def _edge(step: float, found: Separated) -> _Edge | None:
        """The edge at a step size; None where the samples do not have their usual levels."""
        if not isinstance(found.problem.blocks, PencilBlocks) or not found.usual:
            return None
        edge = found.descent.edge
        return _Edge(step, found, edge, found.descent.bend, found.beyond_edge(edge))

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
        guess = last.guess(step)
        point = curve.turned(guess, last.bend)
        if abs(point.position[-1] - guess.position[-1]) > BESIDE:
            raise ConvergenceError("another edge was found", residual=math.inf, last=point)
        found = replace(before, problem=rest, effective=samples.effective)
        if found.beyond_edge(point) != last.beyond or has_detached(rest, point):
            return None
        self._last = _Edge(step, found, point, last.bend, last.beyond, replace(last, before=None))
        return -float(rest.finite_rank.margins(point.state)[self.index])
