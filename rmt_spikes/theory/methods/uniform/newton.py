"""Newton's method for points of the real curve outside the bulk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgesv

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP, Response
from rmt_spikes.theory.methods.uniform.equations import TOLERANCE, FixedPoint, State

Array = NDArray[np.float64]

NEWTON_STEPS = 12
"""On the golden settings nearly all points take at most 9; where 12 fail a shorter step is tried."""

LOOSE, CLOSER, EXACT = 5e-6, 1e-8, 1e-11
"""Errors of points that serve as brackets only and of those that tell slopes: a last step of Newton's method
leads to them from the square root; and the error from which a point is seen to be solved."""

FARTHEST = 0.01
"""Longest last step of such a point: a longer one is seen to have been right."""

SEARCH_STEPS, LOST, WILD = 12, 0.5, 1e3
"""Steps of a search on the curve, mostly 3 to 6, the residual above which it is off the curve, and that above
which it is lost."""

SETTLED = 1e-11
"""Arc length and value to which zeros are found: the states on the curve are solved to ten times less."""

SECANT, OFF = 1e-7, 0.1
"""Steps from which two values tell the slope of a function along the curve, and the largest residual of the
first, as a share of the step."""

NEARLY = 2e-3
"""Slope at which an edge is known roughly: to a few 1e-6 of the eigenvalue."""

LONGEST_STEP = 1.0
"""Unit of arc length: a factor e of the eigenvalue; of twice that, one may miss a band that stands apart."""


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """One point of the real curve.

    Its `position` is ``(log |R|, log |omega|, log z)``, shape ``(n_q + n_a + 1,)``, and `direction` the unit
    tangent there.
    """

    position: Array
    direction: Array
    state: State
    eigenvalue: float

    @property
    def log_eigenvalue_slope(self) -> float:
        """``d log z`` along the direction; zero at an edge of the bulk."""
        return float(self.direction[-1])

    @property
    def tangent(self) -> tuple[Array, Array]:
        """Derivative of ``(R, omega)`` along the direction."""
        return self.along(self.direction)

    def along(self, direction: Array) -> tuple[Array, Array]:
        """Derivative of ``(R, omega)`` along any direction."""
        n_q = self.state.resolvent.size
        return self.state.resolvent * direction[:n_q], self.state.omega * direction[n_q:-1]


Value = Callable[[CurvePoint], float]


class CurveNewton:
    """Real solutions of a set of equations with given signs, found one by one.

    Parameters
    ----------
    equations
        Equations of the bulk.
    signs
        Signs of ``R`` and of ``omega``: numbers or arrays.
    above
        Whether the curve is that above the whole bulk: samples may not leave it there.
    """

    def __init__(
        self, equations: FixedPoint, signs: tuple[float | Array, float | Array], *, above: bool = False
    ) -> None:
        self.equations, self._above = equations, above
        n_q, n_a = equations.q_weights.size, equations.a_weights.size
        self._signs = np.concatenate([np.full(n_q, signs[0]), np.full(n_a, signs[1]), [1.0]])
        self._up = np.append(np.zeros(n_q + n_a), 1.0)
        self._metric = np.concatenate([np.full(n_q, 1.0 / n_q), np.full(n_a, 1.0 / n_a), [1.0]])

    def inner(self, x: Array, y: Array) -> float:
        """Inner product of two directions: mean over samples, plus mean over neurons, plus ``z``."""
        return float(x @ (self._metric * y))

    def at_eigenvalue(
        self,
        z: float,
        resolvent: Array,
        omega: Array,
        along: float,
        near: Sequence[Response] = (),
        tolerance: float = TOLERANCE,
    ) -> CurvePoint:
        """Point at an eigenvalue, from a guess; `along` is the sign of ``dz`` of its direction."""
        position = np.log(np.abs(np.concatenate([resolvent, omega, [z]])))
        return self.solve(position, self._up, math.log(z), along * self._up, near, tolerance)

    def solve(
        self,
        start: Array,
        normal: Array,
        level: float,
        along: Array,
        near: Sequence[Response] = (),
        tolerance: float = TOLERANCE,
    ) -> CurvePoint:
        """Newton's method on the equations and the plane ``<normal, position> = level``.

        `near` are the channels at a point nearby.

        Raises
        ------
        ConvergenceError
            If the residual does not fall below `tolerance` (or to its rounding error, below ``1e-8``) in
            12 steps.
        """
        equations, plane = self.equations, self._metric * normal
        position, residual, exact = start.copy(), math.inf, True
        loose = tolerance > EXACT
        for _ in range(NEWTON_STEPS):
            if not np.max(np.abs(position)) < 300.0:
                break
            state, near, defect = self._defect(position, near)
            defect[-1] = plane @ position - level
            previous, residual = residual, _size(defect, near)
            if not residual < 1e3:
                break
            done, slow = residual < (math.sqrt(tolerance) if loose else tolerance), residual >= 0.5 * previous
            done = done or (slow and residual < 1e4 * TOLERANCE and exact)
            if slow or (done and tolerance < LOOSE):
                near = equations.refreshed(near)
            exact = equations.is_fresh(near)
            step, direction = self._step(position, state, near, plane, defect)
            if done and loose and np.max(np.abs(step)) < FARTHEST:
                position = position + step
                state = self._state(position)
            elif loose or not done:
                position = position + step
                continue
            if self._above and not equations.is_physical(near):
                break
            direction *= math.copysign(1.0, self.inner(direction, along))
            return CurvePoint(position, direction, State(*state, residual, near), float(np.exp(position[-1])))
        raise ConvergenceError(
            "the resolvent outside the bulk was not found", residual=residual, last=position
        )

    def seek(
        self,
        start: CurvePoint,
        step_at: Callable[[CurvePoint, Array], float],
        settled: float,
        tolerance: float = TOLERANCE,
        *,
        fresh: bool = False,
        lost: float = LOST,
    ) -> CurvePoint:
        """Point where a condition holds, by Newton's method on the curve and the condition together.

        Parameters
        ----------
        start
            A point nearby, which need not be on the curve.
        step_at
            Step along the curve to where the condition holds, from a point near it and the way back to it.
        settled, tolerance
            Step and residual of the equations at which the point is found.
        fresh
            Whether directions on the way are to be exact.
        lost
            Residual above which the next point is only closer to the curve.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        equations, position, along, near = self.equations, start.position, start.direction, start.state.parts
        residual, exact = math.inf, True
        for _ in range(SEARCH_STEPS):
            state, near, defect = self._defect(position, near, fresh=fresh)
            previous, residual = residual, _size(defect, near)
            if not residual < WILD:
                break
            done, slow = residual < tolerance, residual >= 0.5 * previous
            done = done or (slow and residual < 1e4 * TOLERANCE and exact)
            if slow or (done and tolerance < LOOSE):
                near = equations.refreshed(near)
            exact = equations.is_fresh(near)
            correction, direction = self._step(position, state, near, self._metric * along, defect)
            along = direction * math.copysign(1.0, self.inner(direction, along))
            point = CurvePoint(position, along, State(*state, residual, near), float(np.exp(position[-1])))
            # First back to the curve from far off it.
            step = step_at(point, correction) if residual < lost else 0.0
            if not abs(step) < LONGEST_STEP:
                break
            position = position + correction + step * along
            if done and abs(step) < settled and not (self._above and not equations.is_physical(near)):
                found = State(*self._state(position), residual, near)
                return CurvePoint(position, along, found, float(np.exp(position[-1])))
        raise ConvergenceError("a point of the curve was not found", residual=residual, last=position)

    def turn(self, start: CurvePoint, bend: float) -> tuple[CurvePoint, float]:
        """Edge next to a point, which need not be on the curve, roughly.

        `bend` is the second derivative of ``log z`` along the curve, roughly; a better one is found with the
        edge.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        last: tuple[float, float] | None = None
        step = 0.0

        def step_at(point: CurvePoint, _: Array) -> float:
            nonlocal bend, last, step
            slope, residual = point.log_eigenvalue_slope, point.state.residual
            if last is not None and max(SECANT, last[1]) < abs(step):
                found = (slope - last[0]) / step
                bend = found if found * bend > 0.0 else bend
            last, step = (slope, residual), -slope / bend if bend != 0.0 else math.inf
            return step

        near = NEARLY / max(1.0, abs(bend))
        return self.seek(start, step_at, near, math.sqrt(CLOSER), fresh=True), bend

    def turned(self, start: CurvePoint, bend: float) -> CurvePoint:
        """Edge next to a rough one, of a known second derivative of ``log z``.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        return self.zero_nearby(start, lambda point: point.log_eigenvalue_slope, bend, fresh=True)

    def zero_nearby(
        self,
        start: CurvePoint,
        value: Value,
        slope: float,
        *,
        fresh: bool = False,
    ) -> CurvePoint:
        """Zero of a function next to a point, which need not be on the curve, by secants along the curve.

        `slope` is that of the function, roughly; whether directions on the way are to be exact, `fresh` says.

        Raises
        ------
        ConvergenceError
            If it is not found nearby.
        """
        last: tuple[CurvePoint, float] | None = None
        step = 0.0

        def step_at(point: CurvePoint, _: Array) -> float:
            nonlocal slope, last, step
            found = value(point)
            if last is not None and max(SECANT, last[0].state.residual / OFF) < abs(step):
                slope = (found - last[1]) / step
            last, step = (point, found), -found / slope if slope != 0.0 else math.inf
            return step

        return self.seek(start, step_at, SETTLED, fresh=fresh)

    def curvature(self, point: CurvePoint) -> float:
        """Second derivative of ``log z`` in the arc length, at a point of the curve or next to it."""
        equations, direction, here = (
            self.equations,
            point.direction,
            (point.state.resolvent, point.state.omega),
        )
        moved = equations.moved(point.state, point.tangent)
        matrix = equations.jacobian((moved.resolvent, moved.omega), equations.refreshed(moved.parts))
        second = np.append(matrix @ direction[:-1], 0.0).imag / COMPLEX_STEP
        # The eigenvalue enters by -z R.
        slope = direction[: here[0].size] + direction[-1]
        second[: here[0].size] -= here[0] * point.eigenvalue * slope * direction[-1]
        plane = self._metric * direction
        return float(self._step(point.position, here, point.state.parts, plane, second)[0][-1])

    def _state(self, position: Array) -> tuple[Array, Array]:
        """``(R, omega)`` at a position."""
        x, n_q = self._signs[:-1] * np.exp(position[:-1]), self.equations.q_weights.size
        return x[:n_q], x[n_q:]

    def _defect(
        self, position: Array, near: Sequence[Response], *, fresh: bool = False
    ) -> tuple[tuple[Array, Array], list[Response], Array]:
        """``(R, omega)``, the channels there, and relative defects of the equations, with a zero behind."""
        defect = np.zeros(position.size)
        # A wild step overflows; its residual says so.
        with np.errstate(all="ignore"):
            state = self._state(position)
            parts = self.equations.responses(*state, near, fresh=fresh)
            inverses = self.equations.inverses(-np.exp(position[-1]), state, parts)
            defect[:-1] = inverses * np.concatenate(state) - 1.0
        return state, parts, defect

    def _step(
        self,
        position: Array,
        state: tuple[Array, Array],
        parts: Sequence[Response],
        plane: Array,
        defect: Array,
    ) -> tuple[Array, Array]:
        """Newton's step in a plane, and the unit tangent of the curve.

        Raises
        ------
        ConvergenceError
            If the curve has none.
        """
        n_q, size = state[0].size, position.size - 1
        matrix, right = self.equations.jacobian(state, parts, border=1), np.zeros((size + 1, 2))
        matrix[:n_q, size] = -state[0] * np.exp(position[-1])
        matrix[size] = plane
        right[:, 0], right[size, 1] = -defect, 1.0
        _, _, solution, singular = dgesv(matrix, right)
        if singular:
            raise ConvergenceError("the curve has no tangent", residual=math.inf, last=position)
        step, direction = solution.T
        return step, direction / math.sqrt(self.inner(direction, direction))


def _size(defect: Array, parts: Sequence[Response]) -> float:
    """Largest defect of the equations and of the channels."""
    return max(float(np.max(np.abs(defect))), *(part.defect for part in parts))
