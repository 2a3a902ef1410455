"""The real resolvent above the bulk, as a curve in the level ``E_q log |R|``; its turning point is the edge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pencil.equations import Equations, Parts, State, gmres
from rmt_spikes.errors import ConvergenceError

Array = NDArray[np.float64]

LOOSE = 1e-6


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """A point of the curve.

    Attributes
    ----------
    level, z
        ``E_q log |R|`` and the eigenvalue.
    state, parts
        The solution.
    slope, log_z_slope
        Derivatives of ``(log R, log omega, Nu)`` (flat) and of ``log z`` in the level.
    """

    level: float
    z: float
    state: State
    parts: Parts
    slope: Array
    log_z_slope: float


@dataclass(frozen=True, eq=False)
class UpperCurve:
    """The curve of one set of equations."""

    equations: Equations

    def solve(self, level: float, state: State, log_z: float, tolerance: float = 1e-10) -> CurvePoint:
        """Newton's method on the equations with ``E_q log |R| = level``, from a guess."""
        eq = self.equations
        n_q, a = state.resolvent.size, state.omega.size
        weights = eq.q_weights
        before = math.inf
        for _ in range(14):
            z = math.exp(log_z)
            profile = np.full(n_q, -z)
            flat, parts = eq.residual(profile, state)
            miss = np.append(flat, weights @ np.log(-state.resolvent) - level)
            size = float(np.max(np.abs(miss)))
            if not size < 3.0:
                break

            wanted = eq.inverses(profile, state, parts)
            inverse = eq.preconditioner(state, parts, *wanted)
            known = inverse.shape[0]

            def precondition(x: Array, inverse: Array = inverse, known: int = known) -> Array:
                return np.concatenate([inverse @ x[:known], x[known:]])

            def apply(
                x: Array,
                s: State = state,
                p: Parts = parts,
                f: Array = profile,
                z: float = z,
                w: tuple[Array, Array] = wanted,
                condition: Callable[[Array], Array] = precondition,
            ) -> Array:
                x = condition(x)
                image = eq.linearised(f, s, p, x[:-1], w)
                image[:n_q] += s.resolvent * (-z * x[-1])
                return np.append(image, weights @ x[:n_q])

            done = size < tolerance or (size < 1e-8 and size > 0.5 * before)
            before = size
            if done:
                if not self._physical(parts):
                    raise ConvergenceError("on another sheet", residual=1.0)
                right = np.zeros(miss.size)
                right[-1] = 1.0
                slope = precondition(gmres(apply, right, 1e-9))
                return CurvePoint(level, z, state, parts, slope[:-1], float(slope[-1]))
            step = precondition(gmres(apply, -miss, max(1e-12, min(1e-2, 0.1 * size))))
            if float(np.max(np.abs(step[: n_q + a]))) > 3.0:
                break
            state = State(
                state.resolvent * np.exp(step[:n_q]),
                state.omega * np.exp(step[n_q : n_q + a]),
                state.nu + step[n_q + a : -1].reshape(state.nu.shape),
            )
            log_z += float(step[-1])
        raise ConvergenceError("the resolvent above the bulk was not found", residual=before)

    def _physical(self, parts: Parts) -> bool:
        """Whether no residual of the bulk has been passed: ``det(1 + phi M T(r)) > 0`` for each."""
        pencil = self.equations.pencil
        if not pencil.blocks:
            return True
        eye = np.eye(parts.levels.m.shape[0])
        return bool(
            np.all(np.linalg.slogdet(eye + pencil.model.phi * parts.levels.m @ pencil.letters)[0] > 0)
        )

    def move(self, point: CurvePoint, level: float, tolerance: float = 1e-10) -> CurvePoint:
        """Point at another level, from the tangent at a near one."""
        step = level - point.level
        n_q, a = point.state.resolvent.size, point.state.omega.size
        guess = State(
            point.state.resolvent * np.exp(step * point.slope[:n_q]),
            point.state.omega * np.exp(step * point.slope[n_q : n_q + a]),
            point.state.nu + step * point.slope[n_q + a :].reshape(point.state.nu.shape),
        )
        return self.solve(level, guess, math.log(point.z) + step * point.log_z_slope, tolerance)

    def start(self, z: float, nu: Array) -> CurvePoint:
        """Point far above the spectrum."""
        eq = self.equations
        state = State(np.full(eq.q_weights.size, -1.0 / z), np.ones(eq.a_weights.size), nu)
        return self.solve(-math.log(z), state, math.log(z))

    def follow(self, point: CurvePoint, step: float = 0.7) -> list[CurvePoint]:
        """Points down to the edge, which is the last one, by steps of the level from `step` on."""
        points = [point]
        for _ in range(200):
            last = points[-1]
            try:
                new = self.move(last, last.level + step, LOOSE)
                if not abs(new.log_z_slope - last.log_z_slope) < 0.5:
                    raise ConvergenceError("too far", residual=1.0)
            except ConvergenceError:
                step *= 0.4
                if step < 1e-7:
                    raise
                continue
            if new.log_z_slope >= 0.0:
                points.append(self._edge(last, new))
                return points
            points.append(new)
            step = min(0.8, 1.5 * step)
        raise ConvergenceError("an edge was not found", residual=1.0)

    def _edge(self, low: CurvePoint, high: CurvePoint) -> CurvePoint:
        """Turning point between two points, by the secant rule kept in its bracket."""
        for _ in range(60):
            share = low.log_z_slope / (low.log_z_slope - high.log_z_slope)
            share = min(max(share, 0.05), 0.95)
            middle = self.move(low if share < 0.5 else high, low.level + share * (high.level - low.level))
            if abs(middle.log_z_slope) < 1e-7 or high.level - low.level < 1e-9:
                return middle
            if middle.log_z_slope < 0.0:
                low = middle
            else:
                high = middle
        return middle
