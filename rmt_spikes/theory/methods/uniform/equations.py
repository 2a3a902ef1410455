"""The fixed-point equations of the resolvent, for any distribution of readout weights and any step size.

Unknowns are the diagonal of the resolvent as a function of the latent variable of a sample, ``R(q)``,
and its counterpart ``omega(alpha)`` for a neuron (docs/theory.md section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import Channel, Response

Array = NDArray[np.float64]
Values = NDArray[Any]

TOLERANCE = 1e-12
"""Relative residual of a solution: a few thousand times the rounding error of one operation."""

STAGNATION = 1e-9
"""Residual that is accepted when it falls no further: rounding near an edge, where matrices are singular."""

MAXIMUM_STEPS = 60
"""On the golden settings nearly all solutions take at most 44; the next starting point is tried after 60."""

SHORTEST_SHARE = 1e-3
"""Share of a Newton step below which the method counts as stuck."""


@dataclass(frozen=True, eq=False)
class State:
    """A solution of the equations at one ridge: ``R(q)`` and ``omega(alpha)`` on the nodes, real or complex.

    `residual` is the largest relative residual of the equations.
    """

    resolvent: Values
    omega: Values
    residual: float


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The equations, with everything but the ridge profile fixed.

    Quadrature weights of samples and neurons have the shapes ``(n_q,)`` and ``(n_a,)``, the `noise`
    ``m_*^2(alpha, q)`` has ``(n_a, n_q)``, and `ratio` is ``N / n_ridge``.
    """

    q_weights: Array
    a_weights: Array
    noise: Array
    ratio: float
    channels: tuple[Channel, ...]

    @property
    def mean_eigenvalue(self) -> float:
        """Mean square of the rows of the features, their latent functions apart."""
        squares = self.noise + sum(channel.functions**2 for channel in self.channels)
        return float(self.ratio * self.a_weights @ squares @ self.q_weights)

    def weighted(self, resolvent: Values, omega: Values) -> tuple[Values, Values]:
        """``w R`` and ``p omega``: a state, or a tangent of one, as channels take it."""
        return self.q_weights * resolvent, self.a_weights * omega

    def responses(self, resolvent: Values, omega: Values) -> list[Response]:
        """Matrices of the channels at a state."""
        pair = self.weighted(resolvent, omega)
        return [channel.response(*pair) for channel in self.channels]

    def inverses(self, profile: Values, state: tuple[Values, Values], parts: list[Response]) -> Values:
        """Right-hand sides of the fixed-point equations for ``1/R`` and ``1/omega``, ``(n_q + n_a,)``."""
        samples, neurons = self.weighted(*state)
        rows, columns = neurons @ self.noise, 1.0 + self.noise @ samples
        for channel, part in zip(self.channels, parts, strict=True):
            rows = rows + channel.of_samples(part)
            columns = columns + channel.of_neurons(part)
        return np.concatenate([profile + self.ratio * rows, columns])

    def jacobian(self, state: tuple[Values, Values], parts: list[Response]) -> Values:
        """Derivative of ``(R, omega) * inverses`` in ``(log R, log omega)`` where the equations hold.

        These relative variables keep the matrix well scaled at a tiny ridge, where ``R`` is huge.
        """
        x = np.concatenate(state)
        n_q = state[0].size
        matrix, mixed = np.zeros((x.size,) * 2, dtype=x.dtype), self.noise
        for channel, part in zip(self.channels, parts, strict=True):
            samples, neurons, both = channel.derivatives(part)
            matrix[:n_q, :n_q] -= channel.gamma * self.ratio * samples
            matrix[n_q:, n_q:] -= channel.gamma * neurons
            mixed = mixed + both
        matrix[:n_q, n_q:] = self.ratio * mixed.T
        matrix[n_q:, :n_q] = mixed
        matrix *= np.concatenate([self.q_weights, self.a_weights])
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
        """Solve by Newton's method with the exact Jacobian, from a guess of ``(R, omega)``.

        `profile` is the ridge profile ``L(q)`` on the nodes, or a number. With a positive ridge, `positive`
        keeps the unknowns positive, which makes any positive start good. A residual below `tolerance` is
        accepted at once.

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
                    parts = self.responses(*state)
                    wanted = self.inverses(profile, state, parts)
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
                    step = x * np.linalg.solve(self.jacobian(state, parts), -defect)
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
        matrix = self.jacobian(pair, self.responses(*pair))
        right = np.zeros(matrix.shape[0], dtype=matrix.dtype)
        right[: state.resolvent.size] = -direction * state.resolvent
        solution = np.linalg.solve(matrix, right)
        n_q = state.resolvent.size
        return state.resolvent * solution[:n_q], state.omega * solution[n_q:]
