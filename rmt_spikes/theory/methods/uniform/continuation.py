"""The resolvent on the real axis outside the bulk, followed by arc length.

Outside the bulk the resolvent is real and its components keep their signs, so the curve is one of
``(log |R|, log |omega|, log z)``. At an edge the eigenvalue ``z`` turns back on the curve, which is
smooth there.
"""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.equations import TOLERANCE, CurvePoint, State
from rmt_spikes.theory.methods.uniform.newton import (
    CLOSER,
    LONGEST_STEP,
    LOOSE,
    CurveNewton,
    Value,
)

Array = NDArray[np.float64]

CURVE_STEPS = 400
"""Points after which a curve counts as lost: on the golden settings it turns after at most 21."""

CAREFUL = 0.02
"""Step above which it is seen to lead across no band: narrower bands may be missed."""

TURN = 0.45
"""Angle by which the curve should turn in a step; a step that turns by more than .64 is not taken."""

BEND, FINEST = 1e-3, 1e-14
"""Step of the second derivative at an edge: good to the square of it; and residual of its ends, whose slopes
are divided by the step."""

ROUNDING = 1e-13
"""Share of a chord to which zeros are found."""

ROUGH = 1e-4
"""Share of a chord from which zeros serve as brackets only."""

SETTLED = 1e-11
"""Arc length and value to which zeros are found: the states on the curve are solved to ten times less."""

SECANT, TELLING, TURNS = 1e-7, 5.0, 6
"""Steps from which two slopes tell the bend, a change that does so of slopes that are known roughly, and
steps to an edge that is known roughly: mostly one or two."""

NEARLY = 2e-3
"""Slope at which an edge is known roughly: to a few 1e-6 of the eigenvalue."""

SECANTS = 100
"""Rounds of a search for a zero: mostly 2 to 5, and where halving alone works 45."""

BRACKET = 0.02
"""Least width of a bracket of an edge: points that are solved to ``1e-6`` only know it to ``1e-3``."""

REACHES = 4
"""Steps that are tried from the edge of similar equations: mostly one."""

SHORTEST_STEP = 1e-9
"""The turn at an edge is seen to its square, which is below rounding."""

SUBDIVISIONS = 40
"""Shortenings of a chord: on the golden settings none is needed; each leaves at most three quarters."""


class RealCurve(CurveNewton):
    """Real solutions of a set of equations with given signs, followed by arc length."""

    def turn(self, points: list[CurvePoint], bend: float) -> tuple[CurvePoint, float]:
        """Edge next to the last of some points, roughly, and the second derivative of ``log z`` there.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        point, before = points[-1], points[-2] if len(points) > 1 else None
        for _ in range(TURNS):
            slope = point.log_eigenvalue_slope
            if abs(slope) < NEARLY:
                return point, bend
            step = -slope / bend if bend != 0.0 else math.inf
            if not abs(step) < LONGEST_STEP:
                break
            before, point = point, self.advance(point, step, CLOSER, before)
            change = point.log_eigenvalue_slope - slope
            bend = change / step if abs(change) > TELLING * NEARLY else bend
        raise ConvergenceError("an edge of the bulk was not found", residual=abs(slope), last=point)

    def turned(self, start: CurvePoint, bend: float) -> CurvePoint:
        """Edge next to a rough one, of a known second derivative of ``log z``.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        return self.zero_nearby(start, lambda point: point.log_eigenvalue_slope, bend, fresh=True)

    def zero_nearby(
        self, start: CurvePoint, value: Value, slope: float, *, fresh: bool = False
    ) -> CurvePoint:
        """Zero of a function next to a point, which need not be on the curve, by secants along the curve.

        `slope` is that of the function, roughly; whether directions on the way are to be exact, `fresh` says.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        last, step = 0.0, 0.0

        def step_at(point: CurvePoint) -> float:
            nonlocal slope, last, step
            found = value(point)
            if abs(step) > SECANT:
                slope = (found - last) / step
            last, step = found, -found / slope if slope != 0.0 else math.inf
            return step

        return self.seek(start, step_at, SETTLED, fresh=fresh)

    def follow(self, point: CurvePoint, step: float = LONGEST_STEP) -> list[CurvePoint]:
        """Points of the curve from one outside the bulk until just after ``z`` has turned back.

        They serve as brackets, and are solved to ``1e-6`` only; `step` is the first that is tried.

        Raises
        ------
        ConvergenceError
            If the curve is lost or does not turn.
        """
        points = [point]
        sign = math.copysign(1.0, point.log_eigenvalue_slope)
        for _ in range(CURVE_STEPS):
            last = points[-1]
            if last.log_eigenvalue_slope * sign <= 0.0:
                return points
            try:
                new = self.advance(last, step, LOOSE, points[-2] if len(points) > 1 else None)
                turned = self.inner(new.direction, last.direction)
            except ConvergenceError:
                turned = -1.0
            if turned < 0.8 or (self._above and step > CAREFUL and self._jumped(last, new)):
                step *= 0.35
                if step < SHORTEST_STEP:
                    break
                continue
            points.append(new)
            bend = math.acos(min(1.0, turned)) / step
            step = min(LONGEST_STEP, 1.8 * step, TURN / max(bend, TURN / LONGEST_STEP))
        last = points[-1]
        raise ConvergenceError("an edge of the bulk was not found", residual=last.state.residual, last=last)

    def _jumped(self, last: CurvePoint, new: CurvePoint) -> bool:
        """Whether a step down led across a band that stands apart from the rest."""
        if new.eigenvalue >= last.eigenvalue:
            return False
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

    def curvature(self, edge: CurvePoint) -> float:
        """Second derivative of ``log z`` in the arc length at an edge."""
        ahead = self.advance(edge, BEND, FINEST)
        back = self.advance(edge, -BEND, FINEST, ahead)
        return (ahead.log_eigenvalue_slope - back.log_eigenvalue_slope) / (2.0 * BEND)

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
        self, point: CurvePoint, step: float, tolerance: float = TOLERANCE, before: CurvePoint | None = None
    ) -> CurvePoint:
        """Point a step along the curve, ahead or back; a point `before` tells how it bends.

        Raises
        ------
        ConvergenceError
            If the curve is lost.
        """
        start, direction = point.position + step * point.direction, point.direction
        level = self.inner(direction, point.position) + step
        near = point.state.parts
        if before is not None:
            chord = point.position - before.position
            length = self.inner(direction, chord)
            bend = (direction - before.direction) / length
            start = start + 0.5 * step**2 * (bend - self.inner(direction, bend) * direction)
            share = step / length
            near = self.equations.between(
                [point.state, before.state], [False, False], np.array([1.0 + share, -share])
            )
        return self.solve(start, direction, level, direction, near, tolerance)

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
        chord, t = high.position - low.position, share
        length = math.sqrt(self.inner(chord, chord))
        position = (
            (1 + 2 * t) * (1 - t) ** 2 * low.position
            + t**2 * (3 - 2 * t) * high.position
            + length * t * (1 - t) * ((1 - t) * low.direction - t * high.direction)
        )
        direction = (1.0 - t) * low.direction + t * high.direction
        ends, weights = [low.state, high.state], np.array([1.0 - t, t])
        order = [0, 1] if share < 0.5 else [1, 0]
        near = self.equations.between([ends[i] for i in order], [False, False], weights[order])
        return CurvePoint(
            position, direction, State(*self._state(position), math.inf, near), math.exp(position[-1])
        )

    def rough_edge(self, points: list[CurvePoint]) -> tuple[CurvePoint, float]:
        """Rough edge at the end of a followed curve, and the second derivative of ``log z`` there."""
        low, high = points[-2:]
        chord = high.position - low.position
        arc = math.sqrt(self.inner(chord, chord))
        turn = high.log_eigenvalue_slope - low.log_eigenvalue_slope
        bend = turn / arc if arc > 0.0 else 0.0
        with suppress(ConvergenceError):
            return self.turn(sorted(points[-2:], key=lambda point: -abs(point.log_eigenvalue_slope)), bend)
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
