"""Newton's method for points of the real curve outside the bulk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import Response
from rmt_spikes.theory.methods.uniform.equations import TOLERANCE, CurvePoint, FixedPoint, State

Array = NDArray[np.float64]

NEWTON_STEPS = 12
"""On the golden settings nearly all points take at most 9; where 12 fail a shorter step is tried."""

LOOSE, CLOSER, EXACT = 1e-6, 1e-8, 1e-11
"""Errors of points that serve as brackets only and of those that tell slopes: a last step of Newton's method
leads to them from the square root; and the error from which a point is seen to be solved."""

FARTHEST = 0.01
"""Longest last step of such a point: a longer one is seen to have been right."""

SEARCH_STEPS, LOST = 12, 0.5
"""Steps of a search on the curve, mostly 3 to 6, and the residual above which it has left the curve."""

LONGEST_STEP = 1.0
"""Unit of arc length: a factor e of the eigenvalue; of twice that, one may miss a band that stands apart."""

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
        step_at: Value,
        settled: float,
        tolerance: float = TOLERANCE,
        *,
        fresh: bool = False,
    ) -> CurvePoint:
        """Point where a condition holds, by Newton's method on the curve and the condition together.

        Parameters
        ----------
        start
            A point nearby, which need not be on the curve.
        step_at
            Step along the curve to where the condition holds, from a point close to the curve.
        settled, tolerance
            Step and residual of the equations at which the point is found.
        fresh
            Whether directions on the way are to be exact.

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
            if not residual < LOST:
                break
            done, slow = residual < tolerance, residual >= 0.5 * previous
            done = done or (slow and residual < 1e4 * TOLERANCE and exact)
            if slow or (done and tolerance < EXACT):
                near = equations.refreshed(near)
            exact = equations.is_fresh(near)
            correction, direction = self._step(position, state, near, self._metric * along, defect)
            along = direction * math.copysign(1.0, self.inner(direction, along))
            point = CurvePoint(position, along, State(*state, residual, near), float(np.exp(position[-1])))
            step = step_at(point)
            if not abs(step) < LONGEST_STEP:
                break
            position = position + correction + step * along
            if done and abs(step) < settled and not (self._above and not equations.is_physical(near)):
                found = State(*self._state(position), residual, near)
                return CurvePoint(position, along, found, float(np.exp(position[-1])))
        raise ConvergenceError("a point of the curve was not found", residual=residual, last=position)

    def in_plane(self, start: CurvePoint) -> CurvePoint:
        """Point next to one that is not on the curve, across its direction, to serve as a bracket."""
        level = self.inner(start.direction, start.position)
        return self.solve(start.position, start.direction, level, start.direction, start.state.parts, LOOSE)

    def _state(self, position: Array) -> tuple[Array, Array]:
        """``(R, omega)`` at a position."""
        x, n_q = self._signs[:-1] * np.exp(position[:-1]), self.equations.q_weights.size
        return x[:n_q], x[n_q:]

    def _defect(
        self, position: Array, near: Sequence[Response], *, fresh: bool = False
    ) -> tuple[tuple[Array, Array], list[Response], Array]:
        """``(R, omega)``, the channels there, and relative defects of the equations, with a zero behind."""
        state, defect = self._state(position), np.zeros(position.size)
        # A wild step overflows; its residual says so.
        with np.errstate(all="ignore"):
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
        matrix, right = np.zeros((size + 1, size + 1)), np.zeros((size + 1, 2))
        matrix[:size, :size] = self.equations.jacobian(state, parts)
        matrix[:n_q, size] = -state[0] * np.exp(position[-1])
        matrix[size] = plane
        right[:, 0], right[size, 1] = -defect, 1.0
        try:
            step, direction = np.linalg.solve(matrix, right).T
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the curve has no tangent", residual=math.inf, last=position) from error
        return step, direction / math.sqrt(self.inner(direction, direction))


def _size(defect: Array, parts: Sequence[Response]) -> float:
    """Largest defect of the equations and of the channels."""
    return max(float(np.max(np.abs(defect))), *(part.defect for part in parts))
