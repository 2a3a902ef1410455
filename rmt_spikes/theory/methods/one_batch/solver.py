"""Solution of the matrix Dyson equation, and its tangents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, gmres

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.one_batch.equations import Equations, State

Array = NDArray[np.float64]
Values = NDArray[Any]

TOLERANCE = 1e-11
"""Change of the unknowns (logarithms of ``omega``) in a round at which they are taken for solved."""

MEMORY = 10
"""Rounds that Anderson's iteration remembers: six or twenty take as many rounds, to one in ten."""

ROUNDS = 200
"""Most rounds; with up to 20 nodes it takes 9 to 35 at a positive ridge."""

COMPLEX_STEP = 1e-30
"""Of derivatives: exact to rounding, since the equations are analytic."""

TANGENTS = 1e-10
"""Relative residual of tangents."""


def solved(equations: Equations, ridge: Any, start: State | None = None, rounds: int = ROUNDS) -> State:
    """Solution at a ridge, which may be complex, by Anderson's iteration.

    Raises
    ------
    ConvergenceError
        If it does not settle.
    """
    x = _packed(equations.start() if start is None else start)
    x = x.astype(np.result_type(x, np.asarray(ridge)))
    points: list[Values] = []
    residuals: list[Values] = []
    for _ in range(rounds):
        with np.errstate(all="ignore"):
            image = equations.image(_unpacked(x), ridge)
            residual = _packed(image) - x
        error = float(np.max(np.abs(residual)))
        if not np.isfinite(error):
            break
        if error < TOLERANCE and (np.iscomplexobj(x) or np.all(image.omega > 0.0)):
            return _unpacked(x + residual)
        points, residuals = [*points, x][-MEMORY:], [*residuals, residual][-MEMORY:]
        if len(points) == 1:
            x = x + 0.5 * residual
            continue
        moves, changes = (np.diff(each, axis=0).T for each in (points, residuals))
        shares = np.linalg.lstsq(changes, residual, rcond=1e-10)[0]
        x = x + residual - (moves + changes) @ shares
    raise ConvergenceError("the resolvent of the samples was not found", residual=error, last=ridge)


def tangent(equations: Equations, state: State, ridge: Any, moved: tuple[float, float]) -> State:
    """Derivative of a real solution as its ridge and the weight of fresh samples move.

    Implicit differentiation: the linear equation is solved with derivatives of the equations along a
    direction.

    Raises
    ------
    ConvergenceError
        If the linear equation is not solved.
    """
    x, h = _packed(state), 1j * COMPLEX_STEP

    def along(direction: Array, by: tuple[float, float]) -> Array:
        there = _unpacked(x + h * direction)
        image = _packed(equations.image(there, ridge + h * by[0], h * by[1]))
        return np.asarray(image.imag / COMPLEX_STEP)

    size = (x.size, x.size)
    operator = LinearOperator(size, lambda each: each - along(each.ravel(), (0.0, 0.0)), dtype=np.float64)
    found, failed = gmres(operator, along(np.zeros_like(x), moved), rtol=TANGENTS, restart=80, maxiter=3)
    if failed:
        raise ConvergenceError("the response of the resolvent was not found", residual=float(failed))
    n = state.omega.size
    return State(state.omega * found[:n], found[n:].reshape(3 * n, 3 * n))


def shifted(state: State, by: State) -> State:
    """A solution moved along a tangent, by a complex step."""
    h = 1j * COMPLEX_STEP
    return State(state.omega + h * by.omega, state.inputs + h * by.inputs)


def _packed(state: State) -> Values:
    if not np.iscomplexobj(state.omega):
        # Of a wild guess it may be negative; that of a solution is not.
        logarithm = np.log(np.abs(state.omega))
    elif np.any(state.omega.real < 0.0):
        # Below the spectrum it is negative, with an angle of -pi seen from above: the cut is put elsewhere.
        logarithm = np.log(1j * state.omega) - 0.5j * np.pi
    else:
        logarithm = np.log(state.omega)
    return np.concatenate([logarithm, state.inputs.ravel()])


def _unpacked(x: Values) -> State:
    n = (round(np.sqrt(1 + 36 * x.size)) - 1) // 18
    return State(np.exp(x[:n]), x[n:].reshape(3 * n, 3 * n))


def residual(equations: Equations, state: State, ridge: Any) -> float:
    """Largest relative change of ``omega`` and change of ``Y`` in a round."""
    return float(np.max(np.abs(_packed(equations.image(state, ridge)) - _packed(state))))
