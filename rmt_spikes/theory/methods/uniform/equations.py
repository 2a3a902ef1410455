"""The self-consistent equations of the resolvent, for any readout law and any step size.

Unknowns are the diagonal of the resolvent as a function of the latent variable of a sample, ``R(q)``,
and its counterpart ``omega(alpha)`` for a neuron (docs/theory.md section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError

Array = NDArray[np.float64]
Values = NDArray[Any]

TOLERANCE = 1e-12
STAGNATION = 1e-9
MAXIMUM_STEPS = 60
SHORTEST_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class State:
    """A solution of the equations at one ridge.

    Attributes
    ----------
    resolvent
        ``R(q)`` on the nodes, shape ``(n_q,)``, real or complex.
    omega
        ``omega(alpha)`` on the nodes, shape ``(n_a,)``.
    residual
        Largest relative residual of the equations.
    """

    resolvent: Values
    omega: Values
    residual: float


@dataclass(frozen=True, eq=False)
class Interaction:
    """Matrices of the linear part of the features at one state, for each level of anisotropy.

    Attributes
    ----------
    q_matrix
        ``(D^{-1} + gamma K)^{-1}`` averaged over the levels, ``(n_a, n_a)``.
    q_levels, y_levels, z_levels
        ``(D^{-1} + gamma K_h)^{-1}``, ``(K_h^{-1} + gamma D)^{-1}`` and ``(1 + gamma K_h D)^{-1}``,
        shape ``(n_levels, n_a, n_a)``.
    """

    q_matrix: Values
    q_levels: Values
    y_levels: Values
    z_levels: Values


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The equations, with everything but the ridge profile fixed.

    Parameters
    ----------
    q_weights, a_weights
        Quadrature weights, shapes ``(n_q,)`` and ``(n_a,)``.
    linear, noise
        ``m_1(alpha, q)`` and ``m_*^2(alpha, q)``, shape ``(n_a, n_q)``.
    gamma, ratio
        ``N / d`` and ``N / n_ridge``.
    levels, level_weights
        Relative standard deviation of a row along each eigenvalue of its covariance, ``s_alpha(h)``, shape
        ``(n_levels, n_a)``, and the weights of the eigenvalues (docs/theory.md section 4.1).
    """

    q_weights: Array
    a_weights: Array
    linear: Array
    noise: Array
    gamma: float
    ratio: float
    levels: Array
    level_weights: Array

    def interaction(self, resolvent: Values, omega: Values) -> Interaction:
        """Matrices of the linear part at a state."""
        k = self.second_moments(resolvent)
        z, q = self.linear_response(k, omega, self.levels)
        k_levels = self.levels[:, :, None] * k * self.levels[:, None, :]
        y = z @ k_levels
        scaled = self.levels[:, :, None] * q * self.levels[:, None, :]
        return Interaction(self.over_levels(scaled), q, y, z)

    def second_moments(self, resolvent: Values) -> Values:
        """``K = E_q[R m_1 m_1^T]``, linear in the resolvent, shape ``(n_a, n_a)``."""
        return np.asarray((self.linear * (self.q_weights * resolvent)) @ self.linear.T)

    def linear_response(self, k: Values, omega: Values, levels: Array) -> tuple[Values, Values]:
        """``(1 + gamma K_h D)^{-1}`` and ``(D^{-1} + gamma K_h)^{-1}`` for rows of given standard deviations.

        Parameters
        ----------
        k
            `second_moments` of a state.
        omega
            That of the state.
        levels
            ``s_alpha(h)``, shape ``(n_levels, n_a)``.

        Returns
        -------
        two ndarrays of shape ``(n_levels, n_a, n_a)``

        Raises
        ------
        ConvergenceError
            If a matrix is singular.
        """
        d = self.a_weights * omega
        k_levels = levels[:, :, None] * k * levels[:, None, :]
        try:
            z = np.linalg.inv(np.eye(d.size) + self.gamma * k_levels * d)
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the resolvent of the linear part is singular", residual=np.inf) from error
        return z, d[:, None] * z

    def over_levels(self, values: Values) -> Values:
        """Mean over the levels of anisotropy, the first axis."""
        if self.level_weights.size == 1:
            return np.asarray(values[0])
        flat = self.level_weights @ values.reshape(self.level_weights.size, -1)
        return np.asarray(flat.reshape(values.shape[1:]))

    def inverses(self, profile: Values, state: tuple[Values, Values], part: Interaction) -> Values:
        """What ``1/R`` and ``1/omega`` should be at a state, shape ``(n_q + n_a,)``."""
        resolvent, omega = state
        d = self.a_weights * omega
        quadratic = np.sum(self.linear * (part.q_matrix @ self.linear), axis=0)
        rows = profile + self.ratio * (d @ self.noise + quadratic)
        diagonal = self.level_weights @ np.diagonal(part.y_levels, axis1=1, axis2=2)
        columns = 1.0 + self.noise @ (self.q_weights * resolvent) + diagonal
        return np.concatenate([rows, columns])

    def jacobian(self, state: tuple[Values, Values], part: Interaction) -> Values:
        """Derivative of ``(R, omega) * inverses`` in ``(log R, log omega)`` where the equations hold.

        These relative variables keep the matrix well scaled at a tiny ridge, where ``R`` is huge.
        """
        resolvent, omega = state
        n_q = resolvent.size
        scaled = self.levels[:, :, None] * self.linear
        b = part.z_levels @ scaled
        c = np.swapaxes(scaled, 1, 2) @ part.q_levels @ scaled
        square = self.over_levels(b * b)
        matrix = np.empty((n_q + omega.size,) * 2, dtype=np.result_type(resolvent, omega))
        matrix[:n_q, :n_q] = -self.gamma * self.ratio * self.over_levels(c * c) * self.q_weights
        matrix[:n_q, n_q:] = self.ratio * (self.noise + square).T * self.a_weights
        matrix[n_q:, :n_q] = (self.noise + square) * self.q_weights
        matrix[n_q:, n_q:] = -self.gamma * self.over_levels(part.y_levels**2) * self.a_weights
        x = np.concatenate(state)
        matrix *= x[:, None] * x
        matrix[np.diag_indices_from(matrix)] += 1.0
        return matrix

    def solve(
        self,
        profile: Values,
        start: tuple[Values, Values],
        *,
        positive: bool = False,
        tolerance: float = TOLERANCE,
    ) -> State:
        """Solve by Newton's method with the exact Jacobian.

        Parameters
        ----------
        profile
            Ridge profile ``L(q)`` on the nodes, or a number.
        start
            ``(R, omega)`` to start from.
        positive
            Keep the unknowns positive (a positive ridge), which makes any positive start good.
        tolerance
            Largest residual that is accepted at once.

        Raises
        ------
        ConvergenceError
            If the residual does not fall below `tolerance`, or to its rounding error below ``1e-9``.
        """
        x = np.concatenate(start)
        n_q = self.q_weights.size
        best, residual, step, share = x, np.inf, np.zeros_like(x), 1.0
        for _ in range(MAXIMUM_STEPS):
            state = (x[:n_q], x[n_q:])
            with np.errstate(all="ignore"):
                try:
                    part = self.interaction(*state)
                    wanted = self.inverses(profile, state, part)
                    defect = wanted * x - 1.0
                    trial = float(np.max(np.abs(defect)))
                except ConvergenceError:
                    trial = np.inf
                if not (positive and np.isfinite(trial)) and not trial < max(2.0 * residual, 0.1):
                    # Too far: come back towards the last good point.
                    share *= 0.3
                    if share < SHORTEST_SHARE:
                        break
                    x = best + share * step
                    continue
                previous, residual, best = residual, trial, x
                if residual < tolerance or (residual < STAGNATION and residual >= 0.5 * previous):
                    return State(*state, residual)
                try:
                    step = x * np.linalg.solve(self.jacobian(state, part), -defect)
                except np.linalg.LinAlgError:
                    break
            share = 1.0
            if positive and np.min(step / x) < -0.8:
                # The equations are monotone in 1/x: far from the solution their plain iteration is safer.
                step = 1.0 / wanted - x if residual > 0.5 else 0.8 * step / -np.min(step / x)
            x = x + step
        raise ConvergenceError("Newton's method did not converge", residual=residual, last=x)

    def tangent(self, state: State, direction: Values) -> tuple[Values, Values]:
        """Exact derivative of ``(R, omega)`` when the ridge profile moves along `direction`."""
        pair = (state.resolvent, state.omega)
        matrix = self.jacobian(pair, self.interaction(*pair))
        right = np.zeros(matrix.shape[0], dtype=matrix.dtype)
        right[: state.resolvent.size] = -direction * state.resolvent
        solution = np.linalg.solve(matrix, right)
        n_q = state.resolvent.size
        return state.resolvent * solution[:n_q], state.omega * solution[n_q:]

    def y_slope(self, state: State, tangent: tuple[Values, Values]) -> Values:
        """Derivative of ``(K^{-1} + gamma D)^{-1}``, averaged over the levels, along a tangent."""
        part = self.interaction(state.resolvent, state.omega)
        k_dot = self.second_moments(tangent[0])
        k_levels = self.levels[:, :, None] * k_dot * self.levels[:, None, :]
        d_dot = self.a_weights * tangent[1]
        change = part.z_levels @ k_levels @ np.swapaxes(part.z_levels, 1, 2)
        change -= self.gamma * (part.y_levels * d_dot) @ part.y_levels
        return self.over_levels(change)
