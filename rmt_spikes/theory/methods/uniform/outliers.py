"""Poles of the finite-rank part above the bulk."""

from __future__ import annotations

import math
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import (
    LONGEST_STEP,
    ROUGH,
    ROUNDING,
    RealCurve,
)
from rmt_spikes.theory.methods.uniform.equations import TOLERANCE, CurvePoint, FixedPoint
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.newton import LOOSE

Array = NDArray[np.float64]

NEWTON_STEPS = 8
"""On the golden settings poles take at most 6; one that needs more is found by its margin."""

CLOSE = 1e-11
"""Step along the curve at which a pole is settled: rounding of the eigenvalue."""

FIRST = 0.03
"""Step along the curve above which the next point serves as a guess only."""

RAISED = (1.0, 1.04, 1.12, 1.3)
"""Factors by which the edge of similar equations is raised, one after the other, where it is looked for: one
that has moved up is not found from where it was."""

CLEAR = 1.1
"""Ratio to an edge of the eigenvalues from which that of similar equations is looked for."""

ABOVE = (1.5, 2.1, 3.3)
"""Times the rough size of the largest eigenvalue from where the curve is followed down, one after the other:
rarely a step from far above ends on another branch."""

SHORT, CLOSEST = 0.25, 1e-3
"""First step along a curve from next to its edge, and the least that it is halved to."""

FARTHER = 20
"""Times that a point four times farther is tried."""

NEXT, SECANTS = 0.05, 8
"""Slope of a point from which an edge is found by secants alone, and their number: mostly two."""

NEAR_ENOUGH, TRIALS = 0.01, 3
"""Relative error of the distance of a point beyond the edge, and how often it is tried: mostly once."""

STRAIGHT = 0.9
"""Cosine between directions of neighbours on the way down: where the curve turns by more, a margin may change
its sign twice between them, and the curve is followed."""

TOUCHING = 1e-10
"""Rounding error of a margin at the edge: a pole within it is not counted."""


@dataclass(frozen=True, eq=False)
class Pole:
    """A zero of the finite-rank kernel above the bulk.

    `vector` is a null vector of ``J + S`` of any norm, and `slope` its quadratic form in the derivative in
    ``z``, positive.
    """

    point: CurvePoint
    vector: Array
    slope: float


def amplitude(equations: FixedPoint, edge: CurvePoint, bend: float) -> float:
    """``A`` in the density ``A sqrt(edge - x)`` of singular values, from the bend of the curve at an edge."""
    slope, ratio = abs(equations.spectral(*edge.tangent, edge.eigenvalue)), equations.spectral_ratio
    return 4.0 * math.sqrt(math.sqrt(edge.eigenvalue)) * slope / (math.pi * ratio * math.sqrt(bend))


@dataclass(frozen=True, eq=False)
class UpperSpectrum:
    """Upper edge of the bulk and poles above it, on a curve from above every pole to the edge."""

    curve: RealCurve
    finite_rank: FiniteRank
    points: tuple[CurvePoint, ...]

    @property
    def edge(self) -> CurvePoint:
        """Upper edge of the bulk."""
        return self.points[-1]

    @property
    def amplitude(self) -> float:
        """``A`` in the density ``A sqrt(edge - x)`` of singular values next to the edge.

        From the second derivative of ``z`` along the curve.
        """
        return amplitude(self.curve.equations, self.edge, self.curve.curvature(self.edge))

    @cached_property
    def margins(self) -> Array:
        """Eigenvalues of ``1 + E^{1/2} S E^{1/2}`` at the edge, ascending.

        Those below zero are poles above the edge.
        """
        return self.finite_rank.margins(self.edge.state)

    @cached_property
    def poles(self) -> tuple[Pole, ...]:
        """Poles, largest first; one within rounding error of the edge is not counted.

        Raises
        ------
        ConvergenceError
            If one is not found.
        """

        @cache
        def margins(i: int) -> Array:
            return self.finite_rank.margins(self.points[i].state)

        def below(k: int, i: int) -> float:
            return float(margins(i)[k] < 0.0)

        last = len(self.points) - 1
        poles = []
        for k in range(int(np.sum(self.margins < -TOUCHING))):
            # Margins mostly fall on the way down. Of one that changes sign more than once, at large steps
            # in small networks (docs/limits.md), one change is found.
            i = 1 + bisect_left(range(1, last), 1.0, key=partial(below, k))
            bracket = (self.points[i - 1], self.points[i])
            try:
                pole = _pole_between(self.curve, self.finite_rank, bracket, k)
            except ConvergenceError:
                pole = _pole_by_margin(self.curve, self.finite_rank, bracket, k)
            poles.append(pole)
        return tuple(sorted(poles, key=lambda pole: -pole.point.eigenvalue))


@dataclass(frozen=True, eq=False)
class Descent:
    """The way down to the upper edge, followed from far above or from a way of similar equations.

    `points` end just after the edge; `above` are points of the similar equations that are higher up.
    """

    curve: RealCurve
    finite_rank: FiniteRank
    top: float
    points: list[CurvePoint]
    above: tuple[CurvePoint, ...] = ()

    @classmethod
    def of(
        cls, equations: FixedPoint, finite_rank: FiniteRank, top: float, similar: Descent | None = None
    ) -> Descent:
        """Way down from far above the eigenvalue `top`, or from next to the edge of a similar one.

        Raises
        ------
        ConvergenceError
            If the curve is lost.
        """
        curve = RealCurve(equations, (-1.0, 1.0), above=True)
        known = () if similar is None else (*similar.above, *similar.points[:-1])
        if similar is not None and len(similar.points) > 1:
            k = min(range(len(similar.points)), key=lambda i: similar.points[i].eigenvalue)
            edge = similar.points[k]
            before = similar.points[k - 1 if k else 1]
            for factor in RAISED:
                with suppress(ConvergenceError):
                    points = curve.near(_raised(before, factor), _raised(edge, factor))
                    least = max(CLEAR * edge.eigenvalue, points[0].eigenvalue)
                    above = tuple(point for point in known if point.eigenvalue > least)
                    return cls(curve, finite_rank, top, points, above)
        for i in range(len(known) - 1, -1, -1):
            if known[i].eigenvalue > CLEAR * known[-1].eigenvalue:
                with suppress(ConvergenceError):
                    points = curve.follow(curve.again(known[i]), SHORT)
                    return cls(curve, finite_rank, top, points, known[:i])
        return cls(curve, finite_rank, top, _followed(curve, finite_rank, top))

    def edge(self, precision: float = ROUNDING) -> CurvePoint:
        """Edge of the bulk; what is found serves as a bracket from then on."""
        edge = None
        if precision < ROUGH:
            with suppress(ConvergenceError):
                edge = self._refined()
        edge = self.curve.edge(self.points, precision) if edge is None else edge
        turned = edge.log_eigenvalue_slope * self.points[-1].log_eigenvalue_slope > 0.0
        self.points[-1 if turned else len(self.points) - 1 :] = [edge] if turned else [edge, self.points[-1]]
        return edge

    def _refined(self) -> CurvePoint:
        """Edge from the points on either side of it, one of them close to it, by secants in the slope.

        Raises
        ------
        ConvergenceError
            If neither is close, or it is not found next to them.
        """
        point, other = sorted(self.points[-2:], key=lambda each: abs(each.log_eigenvalue_slope))
        bend, slope = bend_between(self.curve, *self.points[-2:]), point.log_eigenvalue_slope
        reach = abs(other.log_eigenvalue_slope / bend) if bend != 0.0 else 0.0
        if abs(slope) < NEXT:
            last, moved, step = None, 0.0, math.inf
            for _ in range(SECANTS):
                slope = point.log_eigenvalue_slope
                if last is not None:
                    if min(abs(slope), abs(slope / bend)) < CLOSE:
                        return point
                    bend = (slope - last.log_eigenvalue_slope) / step
                step = -slope / bend if bend != 0.0 else math.inf
                moved += step
                if not abs(moved) <= reach:
                    break
                # The first point serves as a bracket only, and is not known well enough to be returned.
                last, point = point, self.curve.advance(point, step, before=last)
        raise ConvergenceError("an edge of the bulk was not found", residual=abs(slope), last=point)

    @cached_property
    def margins(self) -> Array:
        """Eigenvalues of ``1 + E^{1/2} S E^{1/2}`` at the edge, ascending."""
        return self.finite_rank.margins(self.edge().state)

    def beyond(self, factor: float, precision: float) -> CurvePoint:
        """Point where the singular value is `factor` times that of the edge, which must be known."""
        k = min(range(len(self.points)), key=lambda i: self.points[i].eigenvalue)
        edge = self.points[k]
        with suppress(ConvergenceError):
            return self._next_to(k, math.sqrt(factor**2 - 1.0))
        level = edge.eigenvalue * factor**2
        before = self.points[k - 1 :: -1] if k else [edge]
        high, step = next((point for point in before if point.eigenvalue > level), before[-1]), SHORT
        while high.eigenvalue <= level:
            try:
                high = self.curve.advance(high, -step)
            except ConvergenceError:
                step *= 0.5
                if step < CLOSEST:
                    raise

        def distance(point: CurvePoint) -> float:
            # The eigenvalue grows like a square next to its edge.
            return math.sqrt(max(0.0, point.eigenvalue / edge.eigenvalue - 1.0)) - math.sqrt(factor**2 - 1.0)

        return self.curve.zero(high, edge, distance, precision)

    def _next_to(self, k: int, wanted: float) -> CurvePoint:
        """Point before the edge, which is point `k`, at a distance: the root of ``z/edge - 1``.

        Raises
        ------
        ConvergenceError
            If it is not found.
        """
        edge = self.points[k]
        bend = abs(
            bend_between(self.curve, *(self.points[k : k + 2] if k == 0 else self.points[k - 1 : k + 1]))
        )
        step = wanted / math.sqrt(0.5 * bend) if bend > 0.0 else math.inf
        for _ in range(TRIALS):
            if not step < LONGEST_STEP:
                break
            point = self.curve.advance(edge, -step, LOOSE)
            found = math.sqrt(max(0.0, point.eigenvalue / edge.eigenvalue - 1.0))
            if abs(found - wanted) < NEAR_ENOUGH * wanted:
                return point
            step *= wanted / found if found > 0.0 else math.inf
        raise ConvergenceError("a point beyond the edge was not found", residual=math.inf, last=edge)

    def completed(self) -> UpperSpectrum:
        """Points from above every pole down to the edge."""
        edge = self.edge()
        if self.above:
            with suppress(ConvergenceError):
                points = [self.curve.again(point) for point in self.above]
                if self.finite_rank.margins(points[0].state)[0] > 0.0:
                    rest = self.points[:-1]
                    if self.curve.inner(points[-1].direction, rest[0].direction) < STRAIGHT:
                        rest = self.curve.follow(points[-1], SHORT)[1:-1]
                    return UpperSpectrum(self.curve, self.finite_rank, (*points, *rest, edge))
        elif self.finite_rank.margins(self.points[0].state)[0] > 0.0:
            return UpperSpectrum(self.curve, self.finite_rank, (*self.points[:-1], edge))
        points = _followed(self.curve, self.finite_rank, self.top)
        return UpperSpectrum(self.curve, self.finite_rank, (*points[:-1], edge))


def _raised(point: CurvePoint, factor: float) -> CurvePoint:
    """Guess of a point where all eigenvalues are larger by a factor."""
    position, shift = point.position.copy(), math.log(factor)
    position[: point.state.resolvent.size] -= shift
    position[-1] += shift
    return replace(point, position=position)


def bend_between(curve: RealCurve, first: CurvePoint, second: CurvePoint) -> float:
    """Change of the slope of ``log z`` by the arc length, between two points in the order of the curve."""
    chord = second.position - first.position
    arc = math.sqrt(curve.inner(chord, chord))
    turn = second.log_eigenvalue_slope - first.log_eigenvalue_slope
    return turn / arc if arc > 0.0 else 0.0


def _pole_between(
    curve: RealCurve,
    finite_rank: FiniteRank,
    bracket: tuple[CurvePoint, CurvePoint],
    k: int,
) -> Pole:
    """Zero of margin `k` by Newton's method on the point and the null vector together.

    Raises
    ------
    ConvergenceError
        If it leaves the bracket, does not converge, or ends at another pole.
    """
    high, low = bracket[0].eigenvalue, bracket[1].eigenvalue
    # Below the pole its margin stands apart, above it may be lost among those of no pole.
    point = bracket[1]
    vector = finite_rank.spectrum(point.state)[1][:, k]
    for _ in range(NEWTON_STEPS):
        total, slope = finite_rank.total(point.state), finite_rank.total_slope(point.state, point.tangent)
        step = -float(vector @ total @ vector) / float(vector @ slope @ vector)
        if abs(step) < CLOSE:
            break
        try:
            vector = np.asarray(np.linalg.solve(total, slope @ vector))
        except np.linalg.LinAlgError:
            break
        vector = np.asarray(vector / np.linalg.norm(vector))
        moved = curve.advance(point, step, LOOSE if abs(step) > FIRST else TOLERANCE)
        if not low <= moved.eigenvalue <= high:
            raise ConvergenceError("a pole was not found", residual=abs(step), last=point)
        point = moved
    else:
        raise ConvergenceError("a pole was not found", residual=abs(step), last=point)
    if np.argmin(np.abs(finite_rank.margins(point.state))) != k:
        raise ConvergenceError("a pole was found twice", residual=abs(step), last=point)
    return pole_at(finite_rank, point, vector)


def _pole_by_margin(
    curve: RealCurve, finite_rank: FiniteRank, bracket: tuple[CurvePoint, CurvePoint], k: int
) -> Pole:
    """Zero of margin `k` by bracketing."""
    point = curve.zero(*bracket, lambda point: float(finite_rank.margins(point.state)[k]))
    return pole_at(finite_rank, point, finite_rank.spectrum(point.state)[1][:, k])


def pole_at(finite_rank: FiniteRank, point: CurvePoint, vector: Array) -> Pole:
    """Pole from a null vector of ``J + S``, or from one that is nearly so."""
    slope = finite_rank.slope(point.state, point.tangent, vector)
    slope /= point.eigenvalue * point.log_eigenvalue_slope
    if not slope > 0.0:
        raise ConvergenceError("a pole has a residue of the wrong sign", residual=abs(slope), last=point)
    return Pole(point, vector, slope)


def _followed(curve: RealCurve, finite_rank: FiniteRank, top: float) -> list[CurvePoint]:
    """Points of the curve from far above an eigenvalue until just after it has turned.

    Raises
    ------
    ConvergenceError
        If it is lost from everywhere.
    """
    for factor in ABOVE[:-1]:
        with suppress(ConvergenceError):
            return curve.follow(_far(curve, finite_rank, factor * top))
    return curve.follow(_far(curve, finite_rank, ABOVE[-1] * top))


def _far(curve: RealCurve, finite_rank: FiniteRank, z: float) -> CurvePoint:
    """Point above every pole."""
    for _ in range(FARTHER):
        try:
            point = _at(curve, z)
        except ConvergenceError:
            z *= 4.0
            continue
        if finite_rank.margins(point.state)[0] > 0.0:
            return point
        z *= 4.0
    raise ConvergenceError("no point above the spectrum was found", residual=math.inf, last=z)


def _at(curve: RealCurve, z: float) -> CurvePoint:
    """Point of the curve far above the spectrum."""
    resolvent = np.full(curve.equations.q_weights.size, -1.0 / z)
    return curve.at_eigenvalue(z, resolvent, np.ones(curve.equations.a_weights.size), -1.0)
