"""The resolvent on the real axis outside the bulk, followed by arc length.

Outside the bulk the resolvent is real and its components keep their signs, so the curve is one of
``(log |R|, log |omega|, log z)``. At an edge the eigenvalue ``z`` turns back on the curve, which is
smooth there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.equations import TOLERANCE, State
from rmt_spikes.theory.methods.uniform.newton import (
    LONGEST_STEP,
    LOOSE,
    NEARLY,
    SETTLED,
    CurveNewton,
    CurvePoint,
    Value,
)

Array = NDArray[np.float64]

CURVE_STEPS = 400
"""Points after which a curve counts as lost: on random settings it turns after at most some 20."""

CAREFUL = 0.02
"""Step above which it is seen to lead across no band: narrower bands may be missed. Shorter ones are taken
where the curve has a sharp corner, which points on it only roughly do not tell."""

TURN = 0.35
"""Angle by which the curve should turn in a step."""

ROUNDING = 1e-13
"""Share of a chord to which zeros are found."""

ROUGH = 1e-4
"""Share of a chord from which zeros serve as brackets only."""

ALIKE, RISE = 0.8, 3.0
"""Least cosine between directions of neighbours, and how much more the next step may bend than the last."""

HALFWAY, FAR = 0.4, 1.0
"""Slope of the eigenvalue, .7 far above the bulk, from which the edge is looked for, and the farthest that it
may be, in last steps."""

SECANTS = 100
"""Rounds of a search for a zero: mostly 2 to 5, and where halving alone works 45."""

BRACKET = 0.02
"""Least width of a bracket of an edge: points that are solved to ``5e-6`` only know it to ``2e-3``."""

REACHES = 4
"""Steps that are tried from the edge of similar equations: mostly one."""

SHORTEST_STEP = 1e-9
"""The turn at an edge is seen to its square, which is below rounding."""

SUBDIVISIONS = 40
"""Shortenings of a chord: on the golden settings none is needed; each leaves at most three quarters."""


class RealCurve(CurveNewton):
    """Real solutions of a set of equations with given signs, followed by arc length."""

    def follow(
        self,
        point: CurvePoint,
        step: float = LONGEST_STEP,
        within: tuple[float, float] = (0.0, math.inf),
        most: int = CURVE_STEPS,
    ) -> list[CurvePoint]:
        """Points of the curve from one outside the bulk until just after ``z`` has turned back.

        They serve as brackets, and are solved to ``5e-6`` only; `step` is the first that is tried.

        Raises
        ------
        ConvergenceError
            If the curve is lost, or does not turn `within` two eigenvalues in a number of steps.
        """
        points = [point]
        for new in self._walk(point, step, most):
            if not within[0] < new.eigenvalue < within[1]:
                raise ConvergenceError("the curve does not turn", residual=math.inf, last=new)
            points.append(new)
            if self._has_turned(points):
                break
        return points

    def descend(
        self, point: CurvePoint, step: float = LONGEST_STEP
    ) -> tuple[list[CurvePoint], CurvePoint, float]:
        """Points as those of `follow` down to an edge, the edge, roughly, and the bend of ``log z`` there.

        The edge is looked for as soon as the curve has turned by more than half.

        Raises
        ------
        ConvergenceError
            If the curve is lost or does not turn.
        """
        points = [point]
        for new in self._walk(point, step):
            points.append(new)
            if self._has_turned(points):
                break
            if abs(new.log_eigenvalue_slope) < HALFWAY and len(points) > 2:
                with suppress(ConvergenceError):
                    return points, *self._edge_ahead(*points[-3:])
        return points[:-1], *self.rough_edge(points)

    @staticmethod
    def _inwards(point: CurvePoint) -> Array:
        """Normal of planes that the way down crosses before and after its turn: resolvents grow on."""
        normal = np.where(point.direction > 0.0, 1.0, 0.0)
        normal[-1] = 0.0
        return normal

    @staticmethod
    def _has_turned(points: list[CurvePoint]) -> bool:
        return points[-1].log_eigenvalue_slope * points[0].log_eigenvalue_slope <= 0.0

    def _walk(self, point: CurvePoint, step: float, most: int = CURVE_STEPS) -> Iterator[CurvePoint]:
        """Points further along the curve, one after the other.

        Raises
        ------
        ConvergenceError
            If the curve is lost.
        """
        before, bend = None, math.inf
        for _ in range(most):
            try:
                tolerance = LOOSE if step > CAREFUL else TOLERANCE
                inwards = self._inwards(point) if self._above else None
                new = self.advance(point, step, tolerance, before, inwards)
                turned = self.inner(new.direction, point.direction)
            except ConvergenceError:
                turned = -1.0
            if turned < ALIKE or (self._above and step > CAREFUL and self._jumped(point, new)):
                step *= 0.35
                if step < SHORTEST_STEP:
                    break
                continue
            yield new
            before, point, last, bend = point, new, bend, math.acos(min(1.0, turned)) / step
            # Next to an edge it bends the more the closer it is.
            rise = min(RISE, max(1.0, bend / last)) if last > 0.0 else 1.0
            step = min(LONGEST_STEP, 1.8 * step, TURN / max(rise * bend, TURN / LONGEST_STEP))
        raise ConvergenceError("an edge of the bulk was not found", residual=point.state.residual, last=point)

    def _edge_ahead(
        self, first: CurvePoint, before: CurvePoint, last: CurvePoint
    ) -> tuple[CurvePoint, float]:
        """Edge not far after three points of a followed curve, roughly, and the bend there.

        Raises
        ------
        ConvergenceError
            If it is not found, or is that of another band.
        """
        slopes = [point.log_eigenvalue_slope for point in (first, before, last)]
        arcs = [self.distance(first, before), self.distance(before, last)]
        earlier, bend = ((slopes[i + 1] - slopes[i]) / arcs[i] for i in (0, 1))
        bend *= min(RISE, max(1.0, bend / earlier if earlier != 0.0 else RISE))
        share = -slopes[2] / bend / arcs[1] if bend != 0.0 else math.inf
        if not 0.0 < share < FAR:
            raise ConvergenceError("an edge is not near", residual=abs(slopes[2]), last=last)
        edge, bend = self.turn(self._ahead(before, last, share, self._inwards(last)), bend)
        turned = self.inner(edge.direction, last.direction)
        if turned < ALIKE or not edge.eigenvalue < last.eigenvalue or self._jumped(last, edge):
            raise ConvergenceError("another edge was found", residual=edge.state.residual, last=edge)
        return edge, bend

    def distance(self, one: CurvePoint, other: CurvePoint) -> float:
        """Length of the chord between two points."""
        chord = other.position - one.position
        return math.sqrt(self.inner(chord, chord))

    def _jumped(self, last: CurvePoint, new: CurvePoint) -> bool:
        """Whether a step down led across a band that stands apart from the rest, or up without a turn."""
        if new.eigenvalue >= last.eigenvalue:
            return new.log_eigenvalue_slope * last.log_eigenvalue_slope > 0.0
        share = (new.eigenvalue / last.eigenvalue - 1.0) / last.log_eigenvalue_slope
        resolvent, omega = last.tangent
        return not self.equations.is_above(new.state, last.state, (share * resolvent, share * omega))

    def again(self, point: CurvePoint, tolerance: float = LOOSE) -> CurvePoint:
        """Point at the eigenvalue of one on the curve of similar equations.

        Raises
        ------
        ConvergenceError
            If there is none nearby.
        """
        level = float(point.position[-1])
        return self.solve(point.position, self._up, level, point.direction, point.state.parts, tolerance)

    def zero(
        self, low: CurvePoint, high: CurvePoint, value: Value, precision: float = ROUNDING
    ) -> CurvePoint:
        """Point between two points of the curve at which a function changes sign.

        Where the chord between the points misses the curve, the curve is followed in shorter steps until
        it does not.

        Raises
        ------
        ConvergenceError
            If the curve is lost.
        """
        sign = math.copysign(1.0, value(high))
        for _ in range(SUBDIVISIONS):
            try:
                return self._zero_over_chord(low, high, value, precision)
            except ConvergenceError:
                chord = high.position - low.position
                step = 0.25 * math.sqrt(self.inner(chord, chord))
                middle = self._shortened(low, step)
                if math.copysign(1.0, value(middle)) == sign:
                    high = middle
                else:
                    low = middle
        return self._zero_over_chord(low, high, value, precision)

    def advance(
        self,
        point: CurvePoint,
        step: float,
        tolerance: float = TOLERANCE,
        before: CurvePoint | None = None,
        normal: Array | None = None,
    ) -> CurvePoint:
        """Point a step along the curve, ahead or back; a point `before` tells how it bends.

        It lies in a plane across the curve at the first point, or across a given `normal`.

        Raises
        ------
        ConvergenceError
            If the curve is lost.
        """
        normal = point.direction if normal is None else normal
        rise = step * self.inner(normal, point.direction)
        level = self.inner(normal, point.position) + rise
        length = 0.0 if before is None else self.inner(normal, point.position - before.position)
        if before is None or length == 0.0:
            start, near = point.position + step * point.direction, point.state.parts
        else:
            ahead = self._ahead(before, point, rise / length, normal)
            start, near = ahead.position, ahead.state.parts
        return self.solve(start, normal, level, point.direction, near, tolerance)

    def _ahead(self, before: CurvePoint, point: CurvePoint, share: float, normal: Array) -> CurvePoint:
        """Guess of a point beyond two, by a share of the length between them along a normal."""
        length = self.inner(normal, point.position - before.position)
        rises = [self.inner(normal, each.direction) for each in (before, point)]
        # A point where the curve does not cross such planes tells nothing.
        lengths = [length / rise if rise > 0.0 else 0.0 for rise in rises]
        position = self._cubic(before, point, 1.0 + share, lengths)
        direction = point.direction + share * (point.direction - before.direction)
        return self._guessed(position, direction, [point, before], [1.0 + share, -share])

    def _guessed(
        self, position: Array, direction: Array, ends: Sequence[CurvePoint], weights: Sequence[float]
    ) -> CurvePoint:
        """Guess of a point from two, nearest first, with these weights."""
        near = self.equations.between([point.state for point in ends], [False, False], np.array(weights))
        state = State(*self._state(position), math.inf, near)
        return CurvePoint(position, direction, state, math.exp(position[-1]))

    def _shortened(self, point: CurvePoint, step: float) -> CurvePoint:
        """Point a step further along the curve, shortened until Newton's method finds it."""
        while True:
            try:
                return self.advance(point, step)
            except ConvergenceError:
                step *= 0.3
                if step < SHORTEST_STEP:
                    raise

    def _zero_over_chord(
        self, low: CurvePoint, high: CurvePoint, value: Value, precision: float
    ) -> CurvePoint:
        """Zero by secants that stay in their bracket."""
        tolerance, enough = (LOOSE, NEARLY) if precision >= ROUGH else (TOLERANCE, SETTLED)
        chord = high.position - low.position
        precision = max(precision, SETTLED / math.sqrt(self.inner(chord, chord)))
        ends = [(0.0, value(low)), (1.0, value(high))]
        for point, (_, found) in zip((low, high), ends, strict=True):
            if abs(found) <= enough:
                return point
        if math.copysign(1.0, ends[0][1]) == math.copysign(1.0, ends[1][1]):
            raise ConvergenceError("a zero on the curve was not found", residual=abs(ends[1][1]), last=high)
        last, here = sorted(ends, key=lambda end: -abs(end[1]))
        for _ in range(SECANTS):
            rise = here[1] - last[1]
            share = here[0] - here[1] * (here[0] - last[0]) / rise if rise != 0.0 else math.nan
            if not ends[0][0] < share < ends[1][0]:
                share = 0.5 * (ends[0][0] + ends[1][0])
            point = self.between(low, high, share, tolerance)
            last, here = here, (share, value(point))
            if abs(here[1]) <= enough:
                return point
            ends[int(math.copysign(1.0, here[1]) == math.copysign(1.0, ends[1][1]))] = here
            # The next secant would move by less than the precision; of two equal values it says nothing.
            next_step = abs(here[1] * (here[0] - last[0]))
            if next_step <= precision * abs(here[1] - last[1]) or ends[1][0] - ends[0][0] <= precision:
                return point
        raise ConvergenceError("a zero on the curve was not found", residual=abs(here[1]), last=point)

    def between(
        self, low: CurvePoint, high: CurvePoint, share: float, tolerance: float = TOLERANCE
    ) -> CurvePoint:
        """Point over a share of the chord between two points, from a cubic through both."""
        start = self.guess(low, high, share)
        chord = high.position - low.position
        level = self.inner(chord, low.position) + share * self.inner(chord, chord)
        return self.solve(start.position, chord, level, chord, start.state.parts, tolerance)

    def guess(self, low: CurvePoint, high: CurvePoint, share: float) -> CurvePoint:
        """Point over a share of the chord between two points, on a cubic through both."""
        position = self._cubic(low, high, share, [self.distance(low, high)] * 2)
        direction = (1.0 - share) * low.direction + share * high.direction
        ends = [(low, 1.0 - share), (high, share)]
        return self._guessed(position, direction, *zip(*ends[:: 1 if share < 0.5 else -1], strict=True))

    @staticmethod
    def _cubic(low: CurvePoint, high: CurvePoint, t: float, lengths: Sequence[float]) -> Array:
        """Position on a cubic through two points at 0 and 1, from the lengths of its tangents there."""
        return np.asarray(
            (1 + 2 * t) * (1 - t) ** 2 * low.position
            + t**2 * (3 - 2 * t) * high.position
            + t * (1 - t) * ((1 - t) * lengths[0] * low.direction - t * lengths[1] * high.direction)
        )

    def rough_edge(self, points: list[CurvePoint]) -> tuple[CurvePoint, float]:
        """Rough edge at the end of a followed curve, and the second derivative of ``log z`` there."""
        low, high = points[-2:]
        arc, turn = self.distance(low, high), high.log_eigenvalue_slope - low.log_eigenvalue_slope
        bend, share = (turn / arc, -low.log_eigenvalue_slope / turn) if arc * turn != 0.0 else (0.0, 1.0)
        with suppress(ConvergenceError):
            return self.turn(self.guess(low, high, share), bend)
        return self.edge(points, ROUGH), bend

    def edge(self, points: list[CurvePoint], precision: float = ROUNDING) -> CurvePoint:
        """Edge of the bulk at the end of a followed curve.

        Points that serve as brackets only are off by enough to turn too early or too late.
        """
        last, end = points[-2:]
        if precision >= ROUGH:
            return self.zero(last, end, lambda point: point.log_eigenvalue_slope, precision)
        sign = math.copysign(1.0, last.log_eigenvalue_slope - end.log_eigenvalue_slope)
        chord = end.position - last.position
        step = max(BRACKET, math.sqrt(self.inner(chord, chord)))
        high = low = self.advance(end, 0.0)
        while high.log_eigenvalue_slope * sign > 0.0:
            low, high = high, self._shortened(high, step)
        before = list(points[:-1])
        for _ in range(len(before) + REACHES):
            if low.log_eigenvalue_slope * sign > 0.0:
                return self.zero(low, high, lambda point: point.log_eigenvalue_slope, precision)
            high, low = low, self.advance(before.pop(), 0.0) if before else self._shortened(low, -step)
            step *= 2.0
        raise ConvergenceError("an edge of the bulk was not found", residual=low.state.residual, last=low)
