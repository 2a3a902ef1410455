"""Poles of the finite-rank part above the bulk."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import BRACKET, ROUGH, RealCurve
from rmt_spikes.theory.methods.uniform.equations import FixedPoint
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.newton import LONGEST_STEP, LOOSE, CurvePoint
from rmt_spikes.theory.methods.uniform.poles.zeros import (
    Pole,
    between,
    pole_between,
    pole_by_margin,
    pole_nearby,
)
from rmt_spikes.theory.methods.uniform.problem import Problem

Array = NDArray[np.float64]

RAISED = (1.04, 1.0, 1.12, 1.3)
"""Factors by which the edge of similar equations is raised, one after the other, where it is looked for: one
that has moved up is not found from where it was."""

CLEAR = 1.1
"""Ratio to an edge of the eigenvalues from which that of similar equations is looked for."""

ABOVE = (1.5, 2.1, 3.3)
"""Times the rough size of the largest eigenvalue from where the curve is followed down, one after the other:
rarely a step from far above ends on another branch."""

SHORT, CLOSEST = 0.25, 1e-3
"""First step along a curve from next to its edge, and the least that it is halved to."""

BRACKETS = 4
"""Brackets of a pole that are tried: mostly two, that by its vector at the edge and one by that nearby."""

FARTHER = 20
"""Times that a point four times farther is tried."""

NEAR_ENOUGH, TRIALS = 0.01, 3
"""Relative error of the distance of a point beyond the edge, and how often it is tried: mostly once."""

STRAIGHT = 0.9
"""Cosine between directions of neighbours on the way down: where the curve turns by more, a margin may change
its sign twice between them, and the curve is followed."""


def amplitude(equations: FixedPoint, edge: CurvePoint, bend: float) -> float:
    """``A`` in the density ``A sqrt(edge - x)`` of singular values, from the bend of the curve at an edge."""
    slope, ratio = abs(equations.spectral(*edge.tangent, edge.eigenvalue)), equations.spectral_ratio
    return 4.0 * math.sqrt(math.sqrt(edge.eigenvalue)) * slope / (math.pi * ratio * math.sqrt(bend))


@dataclass(frozen=True, eq=False)
class UpperSpectrum:
    """Upper edge of the bulk and poles above it."""

    descent: Descent
    edge: CurvePoint

    @cached_property
    def curve(self) -> RealCurve:
        """The curve above the bulk."""
        return self.descent.curve

    @cached_property
    def finite_rank(self) -> FiniteRank:
        """The part of finite rank."""
        return self.descent.problem.finite_rank

    @cached_property
    def points(self) -> tuple[CurvePoint, ...]:
        """Points of the curve from above every pole down to the edge."""
        return (*self.descent.way_down(self.edge), self.edge)

    @property
    def amplitude(self) -> float:
        """``A`` in the density ``A sqrt(edge - x)`` of singular values next to the edge.

        From the second derivative of ``z`` along the curve.
        """
        return amplitude(self.curve.equations, self.edge, self.curve.curvature(self.edge))

    @cached_property
    def _below_zero(self) -> tuple[Array, Array]:
        """Margins of the poles at the edge, and their vectors; one that touches the edge is not counted."""
        return self.finite_rank.below_zero(self.edge.state)

    @cached_property
    def poles(self) -> tuple[Pole, ...]:
        """Poles, largest first.

        Raises
        ------
        ConvergenceError
            If one is not found.
        """
        poles = map(self._pole, range(self._below_zero[0].size))
        return tuple(sorted(poles, key=lambda pole: -pole.point.eigenvalue))

    def _pole(self, k: int) -> Pole:
        """Zero of margin `k`."""
        with suppress(ConvergenceError):
            return self._pole_like(k)
        bracket, finite = self._bracket(k), self.finite_rank
        with suppress(ConvergenceError):
            return pole_between(self.curve, finite, bracket, k)
        return pole_by_margin(self.curve, finite, bracket, k)

    def _pole_like(self, k: int) -> Pole:
        """Zero of margin `k` from its vector at the edge and the known points of similar equations above it.

        Raises
        ------
        ConvergenceError
            If it is not found from there, or where a margin may change its sign more than once.
        """
        points, finite, edge = self.descent.above, self.finite_rank, self.edge
        margin, vector = self._below_zero[0][k], self._below_zero[1][:, k]
        points, known = (*points, edge), len(points)
        for _ in range(BRACKETS):
            # What equal rows leave out is mostly the same all the way.
            margins = finite.rough_margins([point.state for point in points], vector)
            margins += margin - margins[known]
            i = int(np.argmax(margins < 0.0))
            if i == 0:
                raise ConvergenceError("a pole lies above the points that are known", residual=math.inf)
            if i == known:
                break
            known, part = i, finite if points[i] is edge else self.descent.source.finite_rank
            margin, vector = part.nearest(points[i].state, vector)
        start = between(self.curve, (points[i - 1], points[i]), (margins[i - 1], margins[i]))
        return pole_nearby(self.curve, finite, (start, vector), k, edge.eigenvalue, single=True)

    def _bracket(self, k: int) -> tuple[CurvePoint, CurvePoint]:
        """Neighbours among the points on the way down between which margin `k` changes its sign.

        Margins mostly fall on the way down. Of one that changes sign more than once, at large steps in small
        networks (docs/limits.md), one change is found.
        """
        points = self.points
        i = 1 + bisect_left(
            range(1, len(points) - 1), 1, key=lambda i: int(self._margins(points[i])[k] < 0.0)
        )
        return points[i - 1], points[i]

    @cached_property
    def _margins(self) -> Callable[[CurvePoint], Array]:
        return cache(lambda point: self.finite_rank.margins(point.state))

    def __getstate__(self) -> dict[str, object]:
        """Without what is kept of calls, which cannot be sent to another process."""
        return {key: value for key, value in self.__dict__.items() if key != "_margins"}


@dataclass(frozen=True, eq=False)
class Descent:
    """The way down to the upper edge, followed from far above or from the edge of similar equations.

    Attributes
    ----------
    problem, curve
        Equations and their finite-rank part, and the curve above the bulk.
    top
        Rough size of the largest eigenvalue.
    rough, bend
        The edge, roughly, and the second derivative of ``log z`` along the curve there.
    above
        Points higher up, the highest one mostly above every pole.
    source
        The problem whose curve they are on: this one, or a similar one.
    """

    problem: Problem
    curve: RealCurve
    top: float
    rough: CurvePoint
    bend: float
    above: tuple[CurvePoint, ...]
    source: Problem

    @property
    def own(self) -> bool:
        """Whether the points higher up are on this curve."""
        return self.source is self.problem

    @classmethod
    def of(cls, problem: Problem, top: float, similar: Descent | None = None) -> Descent:
        """Way down from far above the eigenvalue `top`, or from next to the edge of a similar one.

        Raises
        ------
        ConvergenceError
            If the curve is lost.
        """
        curve = RealCurve(problem.equations, (-1.0, 1.0), above=True)
        if similar is not None:
            for factor in RAISED:
                with suppress(ConvergenceError):
                    edge, bend = curve.turn(_raised(similar.rough, factor), similar.bend)
                    above = tuple(each for each in similar.above if each.eigenvalue > CLEAR * edge.eigenvalue)
                    return cls(problem, curve, top, edge, bend, above, similar.source)
            for i in range(len(similar.above) - 1, -1, -1):
                with suppress(ConvergenceError):
                    _, edge, bend = curve.descend(curve.again(similar.above[i]), SHORT)
                    return cls(problem, curve, top, edge, bend, similar.above[:i], similar.source)
        points, edge, bend = _followed(curve, top)
        return cls(problem, curve, top, edge, bend, tuple(points), problem)

    @cached_property
    def edge(self) -> CurvePoint:
        """Edge of the bulk."""
        with suppress(ConvergenceError):
            return self.curve.turned(self.rough, self.bend)
        return self.curve.edge(
            [self.curve.advance(self.rough, -BRACKET), self.curve.advance(self.rough, BRACKET)]
        )

    @cached_property
    def margins(self) -> Array:
        """Eigenvalues of ``1 + E^{1/2} S E^{1/2}`` at the edge, ascending."""
        return self.problem.finite_rank.margins(self.edge.state)

    def beyond(self, factor: float) -> CurvePoint:
        """Point where the singular value is `factor` times that of the edge, roughly."""
        edge, wanted = self.rough, math.sqrt(factor**2 - 1.0)

        def distance(point: CurvePoint) -> float:
            # The eigenvalue grows like a square next to its edge.
            return math.sqrt(max(0.0, point.eigenvalue / edge.eigenvalue - 1.0))

        step = wanted / math.sqrt(0.5 * self.bend)
        with suppress(ConvergenceError):
            for _ in range(TRIALS):
                if not step < LONGEST_STEP:
                    break
                point = self.curve.advance(edge, -step, LOOSE)
                found = distance(point)
                if abs(found - wanted) < NEAR_ENOUGH * wanted:
                    return point
                step *= wanted / found if found > 0.0 else math.inf
        level = edge.eigenvalue * factor**2
        high, step = edge, SHORT
        while high.eigenvalue <= level:
            try:
                high = self.curve.advance(high, -step)
            except ConvergenceError:
                step *= 0.5
                if step < CLOSEST:
                    raise
        return self.curve.zero(high, edge, lambda point: distance(point) - wanted, ROUGH)

    def completed(self) -> UpperSpectrum:
        """Edge and poles."""
        return UpperSpectrum(self, self.edge)

    def way_down(self, edge: CurvePoint) -> list[CurvePoint]:
        """Points of the curve from above every pole to before the edge."""
        with suppress(ConvergenceError):
            points = list(self.above) if self.own else [self.curve.again(point) for point in self.above]
            if points and self.problem.finite_rank.margins(points[0].state)[0] > 0.0:
                if not self.own and self.curve.inner(points[-1].direction, edge.direction) < STRAIGHT:
                    points += self.curve.descend(points[-1], SHORT)[0][1:]
                return points
        return _followed(self.curve, self.top, self.problem.finite_rank)[0]


def _raised(point: CurvePoint, factor: float) -> CurvePoint:
    """Guess of a point where all eigenvalues are larger by a factor."""
    position, shift = point.position.copy(), math.log(factor)
    position[: point.state.resolvent.size] -= shift
    position[-1] += shift
    return replace(point, position=position)


def _followed(
    curve: RealCurve, top: float, finite_rank: FiniteRank | None = None
) -> tuple[list[CurvePoint], CurvePoint, float]:
    """Points of the curve from far above an eigenvalue to the edge, as `RealCurve.descend`.

    They begin above every pole of a finite-rank part.

    Raises
    ------
    ConvergenceError
        If it is lost from everywhere.
    """
    for factor in ABOVE[:-1]:
        with suppress(ConvergenceError):
            return curve.descend(_far(curve, factor * top, finite_rank))
    return curve.descend(_far(curve, ABOVE[-1] * top, finite_rank))


def _far(curve: RealCurve, z: float, finite_rank: FiniteRank | None) -> CurvePoint:
    """Point above every pole."""
    for _ in range(FARTHER):
        with suppress(ConvergenceError):
            point = _at(curve, z)
            if finite_rank is None or finite_rank.margins(point.state)[0] > 0.0:
                return point
        z *= 4.0
    raise ConvergenceError("no point above the spectrum was found", residual=math.inf, last=z)


def _at(curve: RealCurve, z: float) -> CurvePoint:
    """Point of the curve far above the spectrum."""
    return curve.at_eigenvalue(z, *curve.equations.far_above(z), -1.0, tolerance=LOOSE)
