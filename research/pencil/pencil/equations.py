"""The self-consistent equations of the resolvent: degrees one (a pencil), two and the rest as noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pencil.levels import Levels, Pencil
from rmt_spikes.errors import ConvergenceError

Array = NDArray[np.float64]
Values = NDArray[Any]

PLAIN_STEPS = 5
LONGEST = 1.5


@dataclass(frozen=True, eq=False)
class State:
    """A point: ``R(q)``, ``omega(alpha)`` and ``Nu``."""

    resolvent: Values
    omega: Values
    nu: Values


@dataclass(frozen=True, eq=False)
class Parts:
    """Matrices at a state: ``K``, the pencil, ``sum_l p_l Y_l``, ``K_2`` and ``(1 + g K_2 g)^-1`` for each pair of levels."""

    k: Values
    levels: Levels
    y: Values
    k_two: Values
    two: Values
    p_two: Values


@dataclass(frozen=True, eq=False)
class Equations:
    """The equations of one model.

    Parameters
    ----------
    pencil
        Levels of degree one.
    q_weights, a_weights
        Quadrature weights.
    linear, second, noise
        ``m_1 / tau`` , ``m_2`` and ``m_*^2``, shape ``(A, n_q)``.
    gamma, gamma_two, ratio
        ``N / d``, ``N / D_2`` (zero when degree two is noise), ``N / n_ridge``.
    growth, growth_weights
        ``g_a`` of each pair of levels, shape ``(n_pairs, A)``, and proportions.
    """

    pencil: Pencil
    q_weights: Array
    a_weights: Array
    linear: Array
    second: Array
    noise: Array
    gamma: float
    gamma_two: float
    ratio: float
    growth: Array
    growth_weights: Array

    def matrices(self, state: State) -> Parts:
        """Matrices at a state."""
        root = np.sqrt(state.omega * self.a_weights)
        weighted = self.q_weights * state.resolvent
        k = self.gamma * root[:, None] * ((self.linear * weighted) @ self.linear.T) * root
        levels = self.pencil.at(k, state.nu)
        k_two: Values = np.zeros((0, 0))
        two: Values = np.zeros((0, 0, 0))
        p_two = k_two
        if self.gamma_two:
            k_two = self.gamma_two * root[:, None] * ((self.second * weighted) @ self.second.T) * root
            dressed = self.growth[:, :, None] * k_two * self.growth[:, None, :]
            two = np.linalg.inv(np.eye(root.size) + dressed)
            p_two = self._over_pairs(self.growth[:, :, None] * two * self.growth[:, None, :])
        y = self.pencil.lift(np.tensordot(self.pencil.model.proportions, levels.y, axes=1))
        return Parts(k, levels, y, k_two, two, p_two)

    def inverses(self, profile: Values, state: State, parts: Parts) -> tuple[Values, Values]:
        """What ``1/R`` and ``1/omega`` should be."""
        d = state.omega * self.a_weights
        root = np.sqrt(d)
        y = parts.y
        h = root[:, None] * self.linear
        quadratic = np.sum(h * (y @ h), axis=0)
        columns = 1.0 + self.noise @ (self.q_weights * state.resolvent)
        columns = columns + np.sum(parts.k * y.T, axis=1) / (self.gamma * d)
        if self.gamma_two:
            p = parts.p_two
            h = root[:, None] * self.second
            quadratic = quadratic + np.sum(h * (p @ h), axis=0)
            columns = columns + np.sum(parts.k_two * p.T, axis=1) / (self.gamma_two * d)
        rows = profile + self.ratio * (d @ self.noise + quadratic)
        return rows, columns

    def _over_pairs(self, values: Values) -> Values:
        if self.growth_weights.size == 1:
            return values[0]
        return np.tensordot(self.growth_weights, values, axes=1)

    # --- Newton -------------------------------------------------------------------------------------

    def residual(self, profile: Values, state: State) -> tuple[Values, Parts]:
        """``(R/R' - 1, omega/omega' - 1, Nu - Nu')``, flat, primes what the equations want."""
        parts = self.matrices(state)
        rows, columns = self.inverses(profile, state, parts)
        flat = [
            state.resolvent * rows - 1.0,
            state.omega * columns - 1.0,
            (state.nu - parts.levels.nu).ravel(),
        ]
        return np.concatenate(flat), parts

    def linearised(
        self,
        profile: Values,
        state: State,
        parts: Parts,
        dx: Values,
        wanted: tuple[Values, Values] | None = None,
    ) -> Values:
        """Derivative of `residual` along ``(d log R, d log omega, dNu)``, flat; `wanted` are the `inverses`."""
        n_q, a = state.resolvent.size, state.omega.size
        rows, columns = wanted or self.inverses(profile, state, parts)
        log_r, log_omega, dnu = dx[:n_q], dx[n_q : n_q + a], dx[n_q + a :].reshape(state.nu.shape)
        d = state.omega * self.a_weights
        root = np.sqrt(d)
        half = 0.5 * log_omega
        weighted = self.q_weights * state.resolvent * log_r
        h = root[:, None] * self.linear
        dk = self.gamma * (h * weighted) @ h.T + (half[:, None] + half) * parts.k
        y = parts.y
        dy, change = self.pencil.slope(parts.levels, dk, dnu)
        dh = half[:, None] * h
        d_rows = self.ratio * (
            (d * log_omega) @ self.noise + np.sum(2.0 * dh * (y @ h) + h * (dy @ h), axis=0)
        )
        ky = np.sum(parts.k * y.T, axis=1)
        d_columns = self.noise @ weighted
        d_columns = d_columns + (np.sum(dk * y.T + parts.k * dy.T, axis=1) - log_omega * ky) / (
            self.gamma * d
        )
        if self.gamma_two:
            g, h = self.growth, root[:, None] * self.second
            dk_two = self.gamma_two * (h * weighted) @ h.T + (half[:, None] + half) * parts.k_two
            p = parts.p_two
            dp = -parts.two @ (g[:, :, None] * dk_two * g[:, None, :]) @ parts.two
            dp = self._over_pairs(g[:, :, None] * dp * g[:, None, :])
            dh = half[:, None] * h
            d_rows = d_rows + self.ratio * np.sum(2.0 * dh * (p @ h) + h * (dp @ h), axis=0)
            kp = np.sum(parts.k_two * p.T, axis=1)
            d_columns = d_columns + (np.sum(dk_two * p.T + parts.k_two * dp.T, axis=1) - log_omega * kp) / (
                self.gamma_two * d
            )
        first = state.resolvent * (log_r * rows + d_rows)
        second = state.omega * (log_omega * columns + d_columns)
        return np.concatenate([first, second, (dnu - change).ravel()])

    def preconditioner(self, state: State, parts: Parts, rows: Values, columns: Values) -> Values:
        """Inverse of the derivative in ``(log R, log omega)`` at a fixed ``Nu``, levels averaged."""
        n_q, a = state.resolvent.size, state.omega.size
        d = state.omega * self.a_weights
        root = np.sqrt(d)
        weighted = self.q_weights * state.resolvent
        dtype = np.result_type(state.resolvent, state.omega)
        matrix = np.zeros((n_q + a, n_q + a), dtype=dtype)
        matrix[:n_q, n_q:] = self.ratio * (d[:, None] * self.noise).T
        matrix[n_q:, :n_q] = self.noise * weighted
        pieces = [(self.linear, self.gamma, parts.k, parts.y)]
        if self.gamma_two:
            pieces.append((self.second, self.gamma_two, parts.k_two, parts.p_two))
        for function, gamma, k, y in pieces:
            h = root[:, None] * function
            yh = y @ h
            c = h.T @ yh
            ky = k @ y
            rest = h - k @ yh
            matrix[:n_q, :n_q] -= self.ratio * gamma * c * c * weighted
            matrix[:n_q, n_q:] += self.ratio * (yh * rest).T
            matrix[n_q:, :n_q] += (rest * yh) * weighted / d[:, None]
            left = np.eye(a) - ky
            own = 0.5 * (left * ky.T + (left @ k) * y.T)
            own[np.diag_indices(a)] -= np.diagonal(ky)
            matrix[n_q:, n_q:] += own / (gamma * d)[:, None]
        matrix[:n_q] *= state.resolvent[:, None]
        matrix[n_q:] *= state.omega[:, None]
        matrix[np.diag_indices(n_q + a)] += np.concatenate([state.resolvent * rows, state.omega * columns])
        return np.linalg.inv(matrix)

    def linear_solve(
        self,
        profile: Values,
        state: State,
        parts: Parts,
        right: Values,
        tolerance: float,
        inverse: Values | None = None,
    ) -> Values:
        """Solve with the derivative of `residual`."""
        wanted = self.inverses(profile, state, parts)
        if inverse is None:
            inverse = self.preconditioner(state, parts, *wanted)
        size = inverse.shape[0]

        def precondition(x: Values) -> Values:
            return np.concatenate([inverse @ x[:size], x[size:]])

        solution = gmres(
            lambda x: self.linearised(profile, state, parts, precondition(x), wanted), right, tolerance
        )
        return precondition(solution)

    def solve(
        self, profile: Values, start: State, tolerance: float = 1e-11, steps: int = 40
    ) -> tuple[State, Parts]:
        """Newton's method, each linear system by GMRES; the plain iteration while far away."""
        state = start
        flat, parts = self.residual(profile, state)
        size = float(np.max(np.abs(flat)))
        n_q, a = state.resolvent.size, state.omega.size
        for count in range(steps):
            if not np.isfinite(size):
                break
            if size < tolerance:
                return state, parts
            if size > 0.3 and count < PLAIN_STEPS:
                rows, columns = self.inverses(profile, state, parts)
                if not (np.all(np.isfinite(rows)) and np.all(columns.real > 0.0)):
                    raise ConvergenceError("the plain iteration left the domain", residual=size)
                state = State(1.0 / rows, np.sqrt(state.omega / columns), parts.levels.nu)
                flat, parts = self.residual(profile, state)
                size = float(np.max(np.abs(flat)))
                continue
            step = self.linear_solve(profile, state, parts, -flat, max(1e-13, min(1e-2, 0.1 * size)))
            # Far away a full step in the logarithms overshoots.
            share = min(1.0, LONGEST / max(float(np.max(np.abs(step[: n_q + a]))), 1e-300))
            for _ in range(8):
                nu = state.nu + share * step[n_q + a :].reshape(state.nu.shape)
                trial = State(
                    state.resolvent * np.exp(share * step[:n_q]),
                    state.omega * np.exp(share * step[n_q : n_q + a]),
                    nu,
                )
                new_flat, new_parts = self.residual(profile, trial)
                new_size = float(np.max(np.abs(new_flat)))
                if new_size < size or new_size < tolerance:
                    break
                share *= 0.3
            else:
                if size < 1e-8:
                    return state, parts
                raise ConvergenceError("Newton's method stalled", residual=size)
            state, flat, parts, size = trial, new_flat, new_parts, new_size
        raise ConvergenceError("Newton's method did not converge", residual=size)

    def tangent(self, profile: Values, state: State, parts: Parts, direction: Array) -> State:
        """Exact derivative of the state when the ridge profile moves along `direction`."""
        n_q, a = state.resolvent.size, state.omega.size
        right = np.zeros(n_q + a + state.nu.size)
        right[:n_q] = -direction * state.resolvent
        dx = self.linear_solve(profile, state, parts, right, 1e-10)
        return State(
            state.resolvent * dx[:n_q],
            state.omega * dx[n_q : n_q + a],
            dx[n_q + a :].reshape(state.nu.shape),
        )


def gmres(apply: Any, right: Values, tolerance: float, limit: int = 120) -> Values:
    """Solve a linear system by GMRES without restarts."""
    norm = float(np.linalg.norm(right))
    if norm == 0.0:
        return np.zeros_like(right)
    basis = [right / norm]
    hessenberg = np.zeros((limit + 1, limit), dtype=right.dtype)
    for j in range(limit):
        w = apply(basis[j])
        stack = np.array(basis)
        coefficients = stack.conj() @ w
        w = w - coefficients @ stack
        again = stack.conj() @ w
        w = w - again @ stack
        hessenberg[: j + 1, j] = coefficients + again
        hessenberg[j + 1, j] = length = float(np.linalg.norm(w))
        target = np.zeros(j + 2, dtype=right.dtype)
        target[0] = norm
        y, *_ = np.linalg.lstsq(hessenberg[: j + 2, : j + 1], target, rcond=None)
        miss = float(np.linalg.norm(hessenberg[: j + 2, : j + 1] @ y - target))
        if miss <= tolerance * norm or length < 1e-14 * norm:
            break
        basis.append(w / length)
    return np.asarray(y @ np.array(basis[: y.size]))
