"""Density of the bulk: the resolvent on the upper side of the real axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pencil.equations import Equations, State
from rmt_spikes.errors import ConvergenceError

Array = NDArray[np.float64]

ROUNDING = 1e-7
REAL = 1e-5


def resolvent_on_axis(equations: Equations, x: Array, nu: Array) -> Array:
    """``E_q R`` just above the real axis at eigenvalues `x`, descending from the largest."""
    values = np.zeros(x.size, dtype=complex)
    state: State | None = None
    for i, value in enumerate(x):
        # A solution that is real to rounding (a gap, or the edge itself) may lead to another real one.
        inside = state is not None and np.mean(state.resolvent.imag) > REAL * np.mean(np.abs(state.resolvent))
        guess, found = state if inside else None, None
        if guess is not None:
            try:
                found = _at(equations, complex(value, 1e-9 * value), guess)
                real = np.mean(found.resolvent.imag) < REAL * np.mean(np.abs(found.resolvent))
                if real or not _physical(found, complex(value, 1e-9 * value)):
                    found = None
            except ConvergenceError:
                found = None
        if found is None:
            found = _from_above(equations, float(value), nu)
        state = found
        values[i] = equations.q_weights @ found.resolvent
    return values


def _physical(state: State, z: complex) -> bool:
    """Whether ``R`` and ``omega / z`` are in the half-planes of resolvents."""
    r, omega = state.resolvent, state.omega / z
    return bool(
        np.mean(r.imag) > 0.0
        and np.all(r.imag > -ROUNDING * np.abs(r))
        and np.all(omega.imag < ROUNDING * np.abs(omega))
    )


def _at(equations: Equations, z: complex, start: State) -> State:
    profile = np.full(equations.q_weights.size, -z)
    return equations.solve(profile, start, tolerance=1e-9)[0]


def _from_above(equations: Equations, x: float, nu: Array) -> State:
    """Continuation from high above the axis, where the solution is unique."""
    height, factor = 30.0 * (1.0 + x), 0.3
    z = complex(x, height)
    state = State(
        np.full(equations.q_weights.size, -1.0 / z),
        np.ones(equations.a_weights.size, dtype=complex),
        nu.astype(complex),
    )
    state = _at(equations, z, state)
    while height > 1e-9 * x:
        try:
            trial = _at(equations, complex(x, height * factor), state)
            if not _physical(trial, complex(x, height * factor)):
                raise ConvergenceError("wrong half-plane", residual=1.0)
        except ConvergenceError:
            factor = factor**0.5
            if factor > 0.97:
                raise
            continue
        state, height = trial, height * factor
        factor = max(0.1, factor**1.5)
        if height < 1e-3 * x:
            factor = 1e-3
    return state


def quantiles(
    equations: Equations, nu: Array, top: float, shares: Array, nonzero: float, points: int = 160
) -> Array:
    """Quantiles of the singular values of the bulk that are not zero by rank.

    Parameters
    ----------
    top
        Upper edge (singular value).
    nonzero
        ``min(N, n_ridge) / n_ridge``, the share of ``F F' / n_ridge`` that is not zero.
    """
    t = (np.arange(points) + 0.5) * np.pi / points
    s = 0.5 * top * (1.0 + np.cos(t))
    r = resolvent_on_axis(equations, s**2, nu)
    density = 2.0 * s * np.maximum(r.imag, 0.0) / np.pi
    weights = 0.5 * top * np.sin(t) * np.pi / points * density
    mass = weights.sum()
    # Mass above the midpoints between nodes.
    above = np.concatenate([[0.0], np.cumsum(weights)]) / mass
    edges = 0.5 * top * (1.0 + np.cos(np.arange(points + 1) * np.pi / points))
    quantiles.mass = mass / nonzero  # type: ignore[attr-defined]
    return np.interp(1.0 - shares, above, edges)
