"""Solution of the matrix Dyson equation.

The unknowns of a state are the logarithms of ``omega`` and the upper triangle of ``Y``, a symmetric matrix.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.one_batch.equations import Equations, State

Array = NDArray[np.float64]
Values = NDArray[Any]

TOLERANCE = 1e-11
"""Change of the unknowns in a round at which they are taken for solved."""

STAGNATION, PATIENCE = 1e-9, 10
"""Change that is accepted once it falls no further, and rounds without a smaller one until then: rounding at
small ridges. Certificates have it as the residual; losses move by less than 1e-6 with it."""

MEMORY = 10
"""Rounds that Anderson's iteration remembers: six or twenty take as many rounds, to one in ten."""

ROUNDS = 200
"""Most rounds; with up to 20 nodes it takes 9 to 35 at a positive ridge."""

LOST = 1e100
"""Change of the unknowns in a round after which nothing is found: its squares are no numbers."""

SINGULAR = 1e-14
"""Share of their Gram matrix that is added to the changes of several solutions at once, each of norm one."""

COMPLEX_STEP = 1e-30
"""Of derivatives: exact to rounding, since the equations are analytic."""


def solved(
    equations: Equations,
    ridge: Any,
    start: State | None = None,
    rounds: int = ROUNDS,
    tolerance: float = TOLERANCE,
) -> State:
    """Solution at a ridge, which may be complex, by Anderson's iteration.

    Raises
    ------
    ConvergenceError
        If it does not settle.
    """
    start = equations.start(ridge) if start is None else start
    units = units_of(start)
    x = packed(start) / units
    x = x.astype(np.result_type(x, np.asarray(ridge)))
    points: list[Values] = []
    residuals: list[Values] = []
    best, found, since, error = math.inf, start, 0, math.inf
    for _ in range(rounds):
        with np.errstate(all="ignore"):
            try:
                image = equations.image(unpacked(x * units), ridge)
            except np.linalg.LinAlgError:
                break
            residual = packed(image) / units - x
        error = float(np.max(np.abs(residual)))
        if not error < LOST:
            break
        possible = bool(np.iscomplexobj(x) or np.all(image.omega > 0.0))
        if possible and error < best:
            best, found, since = error, unpacked((x + residual) * units), 0
        if best < tolerance or (since > PATIENCE and best < STAGNATION):
            return found
        since += 1
        points, residuals = [*points, x][-MEMORY:], [*residuals, residual][-MEMORY:]
        if len(points) == 1:
            x = x + 0.5 * residual
            continue
        moves, changes = (np.diff(each, axis=0).T for each in (points, residuals))
        shares = np.linalg.lstsq(changes, residual, rcond=1e-10)[0]
        x = x + residual - (moves + changes) @ shares
    raise ConvergenceError("the resolvent of the samples was not found", residual=error, last=ridge)


def all_solved(
    equations: Equations,
    ridges: Values,
    start: Values,
    rounds: int = ROUNDS,
    tolerance: float = TOLERANCE,
    units: Array | None = None,
) -> tuple[Values, NDArray[np.bool_], Values]:
    """Unknowns at several complex ridges, which of them settled, and ``E G_vv``, by the same iteration.

    `start` are guesses of the unknowns, and `units` what their changes are measured in, shape
    ``(n_ridges, n_unknowns)``. ``E G_vv`` is the mean diagonal element of the resolvent of ``F F' / n``,
    before the last round: good to the tolerance.
    """
    units = np.ones(start.shape) if units is None else units
    found, done = start / units + 0j, np.zeros(ridges.size, dtype=bool)
    active, x, mean = np.arange(ridges.size), found.copy(), np.zeros(ridges.size, dtype=complex)
    points = residuals = np.zeros((0, *x.shape), dtype=complex)
    for _ in range(rounds):
        if active.size == 0:
            break
        with np.errstate(all="ignore"):
            try:
                state = unpacked(x * units[active])
                there = equations.resolvent(state, ridges[active])
                residual = packed(equations.mapped(state, there, ridges[active])) / units[active] - x
            except np.linalg.LinAlgError:
                break
            mean[active] = equations.mean(there)
            error = np.max(np.abs(residual), axis=-1)
        settled, going = error < tolerance, np.isfinite(error)
        found[active[settled]], done[active[settled]] = (x + residual)[settled], True
        if not np.all(keep := going & ~settled):
            active, x, residual = active[keep], x[keep], residual[keep]
            points, residuals = points[:, keep], residuals[:, keep]
        points, residuals = (
            np.concatenate([each, last[None]])[-MEMORY:]
            for each, last in ((points, x), (residuals, residual))
        )
        if len(points) == 1:
            x = x + 0.5 * residual
            continue
        moves, changes = (np.moveaxis(np.diff(each, axis=0), 0, -1) for each in (points, residuals))
        size = np.linalg.norm(changes, axis=1, keepdims=True) + 1e-300
        unit = changes / size
        dual = np.swapaxes(unit.conj(), 1, 2)
        gram = dual @ unit + SINGULAR * np.eye(unit.shape[2])
        shares = np.linalg.solve(gram, dual @ residual[:, :, None])
        x = x + residual - ((moves + changes) @ (shares / np.swapaxes(size, 1, 2)))[:, :, 0]
    return found * units, done, mean


def shifted(state: State, by: State) -> State:
    """A solution moved along a tangent, by a complex step."""
    h = 1j * COMPLEX_STEP
    return State(state.omega + h * by.omega, state.inputs + h * by.inputs, state.squares + h * by.squares)


@lru_cache(maxsize=16)
def _triangle(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(size)


def units_of(state: State) -> Array:
    """Units of the unknowns next to a state, shape ``(..., n_unknowns)``.

    Below interpolation ``omega`` goes with a small ridge; then ``m`` and ``gamma`` in ``Y`` go with its root,
    and ``g`` with the inverse of it.
    """
    n = state.omega.shape[-1]
    share = np.minimum(1.0, np.exp(np.mean(np.log(np.abs(state.omega)), axis=-1, keepdims=True)))
    field = np.sqrt(np.repeat(np.concatenate([share, share, 1.0 / share], axis=-1), n, axis=-1))
    i, j = _triangle(3 * n)
    units = [np.ones_like(state.omega.real), field[..., i] * field[..., j]]
    return np.concatenate([*units, np.repeat(share, n * (n + 1) // 2, axis=-1)], axis=-1)


def packed(state: State) -> Values:
    """Unknowns of a state, shape ``(..., n_unknowns)``."""
    omega = state.omega
    if np.iscomplexobj(omega):
        # Below the spectrum it is negative, with an angle of -pi seen from above: the cut is put elsewhere.
        logarithm = np.log(omega)
        if np.any(beyond := (omega.real < 0.0) & (omega.imag >= 0.0)):
            logarithm[beyond] -= 2j * np.pi
    else:
        # Of a wild guess it may be negative; that of a solution is not.
        logarithm = np.log(np.abs(omega))
    return triangles(logarithm, state.inputs, state.squares)


def unpacked(x: Values) -> State:
    """State of unknowns."""
    logarithm, inputs, squares = from_triangles(x)
    return State(np.exp(logarithm), inputs, squares)


def triangles(logarithm: Values, inputs: Values, squares: Values) -> Values:
    """Unknowns, shape ``(..., n_unknowns)``, of the logarithm of ``omega`` and two symmetric matrices."""
    i, j = _triangle(inputs.shape[-1])
    k, m = _triangle(squares.shape[-1])
    return np.concatenate([logarithm, inputs[..., i, j], squares[..., k, m]], axis=-1)


def from_triangles(x: Values) -> tuple[Values, Values, Values]:
    """What unknowns are made of."""
    # n + 3 n (3 n + 1) / 2 + n (n + 1) / 2 unknowns.
    n = (round(np.sqrt(9 + 20 * x.shape[-1])) - 3) // 10
    i, j = _triangle(3 * n)
    inputs = np.empty((*x.shape[:-1], 3 * n, 3 * n), dtype=x.dtype)
    inputs[..., i, j] = inputs[..., j, i] = x[..., n : n + i.size]
    squares, last = np.empty((*x.shape[:-1], n, n), dtype=x.dtype), n + i.size
    i, j = _triangle(n)
    squares[..., i, j] = squares[..., j, i] = x[..., last:]
    return x[..., :n], inputs, squares


def residual(equations: Equations, state: State, ridge: Any) -> float:
    """Largest relative change of ``omega`` and change of ``Y``, in its units, in a round."""
    change = packed(equations.image(state, ridge)) - packed(state)
    return float(np.max(np.abs(change / units_of(state))))
