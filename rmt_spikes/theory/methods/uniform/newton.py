"""Newton's method for points of the real curve outside the bulk."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import Response
from rmt_spikes.theory.methods.uniform.equations import TOLERANCE, CurvePoint, FixedPoint, State

Array = NDArray[np.float64]

LOOSE = 1e-6
"""Residual at points that serve as brackets only."""

NEWTON_STEPS = 12
"""On the golden settings nearly all points take at most 9; where 12 fail a shorter step is tried."""


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
        self, z: float, resolvent: Array, omega: Array, along: float, near: Sequence[Response] = ()
    ) -> CurvePoint:
        """Point at an eigenvalue, from a guess; `along` is the sign of ``dz`` of its direction."""
        position = np.log(np.abs(np.concatenate([resolvent, omega, [z]])))
        return self.solve(position, self._up, math.log(z), along * self._up, near)

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
        equations = self.equations
        n_q, size = equations.q_weights.size, start.size - 1
        matrix = np.zeros((size + 1, size + 1))
        plane = self._metric * normal
        position, residual, exact = start.copy(), math.inf, True
        for _ in range(NEWTON_STEPS):
            if not np.max(np.abs(position)) < 300.0:
                break
            x = self._signs * np.exp(position)
            state = (x[:n_q], x[n_q:size])
            defect = np.empty(size + 1)
            # A wild step overflows; its residual says so.
            with np.errstate(all="ignore"):
                parts = near = equations.responses(*state, near, fresh=False)
                defect[:size] = equations.inverses(-x[size], state, parts) * x[:size] - 1.0
            defect[size] = plane @ position - level
            previous = residual
            residual = max(float(np.max(np.abs(defect))), *(part.defect for part in parts))
            if not residual < 1e3:
                break
            done, slow = residual < tolerance, residual >= 0.5 * previous
            done = done or (slow and residual < 1e4 * TOLERANCE and exact)
            if slow or (done and tolerance < LOOSE):
                parts = equations.refreshed(state, parts)
            exact = equations.is_fresh(parts)
            matrix[:size, :size] = equations.jacobian(state, parts)
            matrix[:n_q, size] = -x[:n_q] * x[size]
            matrix[size] = plane
            right = np.append(np.zeros(size), 1.0) if done else -defect
            try:
                solution = np.linalg.solve(matrix, right)
            except np.linalg.LinAlgError:
                break
            if done:
                if self._above and not equations.is_physical(parts):
                    break
                direction = solution / math.sqrt(self.inner(solution, solution))
                direction *= math.copysign(1.0, self.inner(direction, along))
                return CurvePoint(position, direction, State(*state, residual, parts), float(x[size]))
            position = position + solution
        raise ConvergenceError(
            "the resolvent outside the bulk was not found", residual=residual, last=position
        )
