"""Tangents of real solutions of the matrix Dyson equation, by implicit differentiation."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.one_batch.equations import Equations, State, dot, seeing
from rmt_spikes.theory.methods.one_batch.solver import from_triangles, triangles, units_of

Array = NDArray[np.float64]

TANGENTS, ROUGH_TANGENTS = 1e-10, 1e-6
"""Relative residual of tangents, and the one that is accepted where rounding stops it, at small ridges."""

FEW = 64
"""Unknowns up to which the matrix of the linear equation is made, in a third of the time of rounds without
it: with two-valued readouts."""


class Linearised:
    """The equations next to a real solution; changes of states may have leading axes.

    The unknowns are those of the solver, with `omega` by its logarithm.
    """

    def __init__(self, equations: Equations, state: State, ridge: float) -> None:
        self._equations, self._state, self._ridge = equations, state, ridge
        n, train = equations.step.size, equations.batch.train
        found, shares = equations.resolvent(state, ridge), train.weights.sum(axis=1)
        noises = train.weights.shape[1]
        # Samples with their noises in one axis.
        self._fields, self._squares, self._chi, self._rest, self._tail, self._seen = (
            each.reshape(-1, each.shape[-1])
            for each in (
                equations.train.fields,
                equations.train.squares,
                equations.train.chi,
                equations.constants[0],
                found.tail,
                found.seen,
            )
        )
        self._sight = np.repeat(found.sight, noises, axis=0)
        self._pairs = found.sight[:, :, None] * found.sight[:, None]
        self._inverse, value = found.inverse, found.value.ravel()
        self._value, self._drop = train.weights.ravel() * value, train.weights.ravel() * value**2
        stir = np.repeat(equations.batch.stir, noises)[:, None] * equations.step**2
        tail = self._tail[:, :n]
        self._first = self._chi + (2.0 * self._rest[:, :n] + stir * tail) * tail
        self._second = 2.0 * self._value[:, None] * (self._rest[:, :n] + stir * tail)
        self._shares = shares * equations.batch.stir
        z = (self._seen * self._value[:, None]).T @ self._seen
        z[seeing(n), seeing(n)] += np.einsum("rab,rab->ab", equations.shared_sight, self._inverse)
        self._z = z[n : 2 * n]
        self._z_2 = (self._squares * self._value[:, None]).T @ self._squares
        self._weight = equations.weight(state)

    def tangent(self, moved: tuple[float, float], tolerance: float = TANGENTS) -> State:
        """Derivative of the solution as its ridge and the weight of fresh samples move.

        The linear equation is solved to a relative residual of `tolerance`.

        Raises
        ------
        ConvergenceError
            If it is not.
        """
        units = units_of(self._state)
        wanted = self._unknowns(self.image(self._change(np.zeros(units.size)), *moved)) / units
        if units.size <= FEW:
            return self._change(np.linalg.solve(self._matrix, wanted) * units)
        return self._change(self._iterated(wanted, units, tolerance) * units)

    @cached_property
    def _matrix(self) -> Array:
        units = units_of(self._state)
        slopes = self._unknowns(self.image(self._change(np.diag(units)))) / units
        return np.asarray(np.eye(units.size) - slopes.T)

    def _iterated(self, wanted: Array, units: Array, tolerance: float) -> Array:
        from scipy.sparse.linalg import LinearOperator, gmres

        def apart(each: Array) -> Array:
            image = self.image(self._change(each.ravel() * units))
            return np.asarray(each.ravel() - self._unknowns(image) / units)

        operator = LinearOperator((units.size, units.size), apart, dtype=np.float64)
        found, failed = gmres(operator, wanted, rtol=tolerance, restart=80, maxiter=3)
        if failed:
            error = float(np.linalg.norm(operator @ found - wanted) / np.linalg.norm(wanted))
            if not error < ROUGH_TANGENTS:
                raise ConvergenceError("the response of the resolvent was not found", residual=error)
        return np.asarray(found)

    def _change(self, x: Array) -> State:
        """Change of the state by that of the unknowns, shape ``(..., n_unknowns)``."""
        logarithm, inputs, squares = from_triangles(x)
        return State(self._state.omega * logarithm, inputs, squares)

    def _unknowns(self, change: State) -> Array:
        return triangles(change.omega / self._state.omega, change.inputs, change.squares)

    def image(self, change: State, ridge: float = 0.0, fresh: float = 0.0) -> State:
        """Change of the image by those of the state, of the ridge and of the weight of fresh samples."""
        equations, n = self._equations, self._weight.size
        weight = equations.weight(change)
        value, tail, inverse = self._resolvent(change, weight, ridge)

        places, middle, at = seeing(n), slice(n, 2 * n), np.arange(n)
        half = (0.5 * value)[..., None] * self._seen
        half[..., places] += self._value[:, None] * (tail * self._sight)
        z = self._seen.T @ half
        z = z + np.swapaxes(z, -1, -2)
        z[..., places, places] += np.einsum("rab,...rab->...ab", equations.shared_sight, inverse)
        z_2 = np.swapaxes(value[..., None] * self._squares, -1, -2) @ self._squares
        inner = np.diagonal(inverse, axis1=-2, axis2=-1)[..., :n]
        one = value @ self._first + np.einsum("pa,...pa->...a", self._second, tail[..., :n])
        one += equations.step**2 * (self._shares @ inner)
        if fresh != 0.0:
            share, (more, more_2, further) = fresh / self._ridge, equations.fresh
            z[..., : 2 * n, : 2 * n] += share * more
            z_2, one = z_2 + share * more_2, one + share * further

        phi, functions, fall = equations.batch.phi, equations.batch.squares, weight / self._weight**2
        y, y_2 = self._state.inputs, self._state.squares
        stiff = -z
        stiff[..., n + at, n + at] += phi * fall
        inputs = -(y @ stiff @ y) / phi
        one += np.diagonal(z, axis1=-2, axis2=-1)[..., middle]
        one += (2.0 * dot(z[..., middle, :], self._z @ y) + dot(self._z @ inputs, self._z)) / phi
        stiff = z_2 / functions
        stiff[..., at, at] -= fall
        squares = y_2 @ stiff @ y_2
        one += np.diagonal(z_2, axis1=-2, axis2=-1)
        one += (2.0 * dot(z_2, self._z_2 @ y_2) + dot(self._z_2 @ squares, self._z_2)) / functions
        return State(-(self._state.omega**2) * one, inputs, squares)

    def _resolvent(self, change: State, weight: Array, ridge: float) -> tuple[Array, Array, Array]:
        """Changes of ``G_vv`` times the weights of samples, of ``x`` and of ``A^-1``."""
        n, lead, places = self._weight.size, weight.shape[:-1], seeing(self._weight.size)
        pull = self._fields @ change.inputs[..., : 2 * n, :]
        coupling = self._rest * np.concatenate([weight, weight], axis=-1)[..., None, :]
        coupling -= pull[..., places] * self._sight
        a = (weight @ self._equations.constants[2]).reshape(*lead, -1, 2 * n, 2 * n)
        a -= change.inputs[..., None, places, places] * self._pairs

        rows, flat = (*a.shape[:-2], -1, 2 * n), (*lead, -1, 2 * n)
        tail = self._tail.reshape(rows[len(lead) :])
        both = (tail @ a).reshape(flat) + coupling
        whole = ridge + weight @ self._chi.T + dot(both + coupling, self._tail)
        whole -= dot(pull[..., : 2 * n], self._fields)
        whole -= dot(self._squares @ change.squares, self._squares)
        moved = -(both.reshape(rows) @ self._inverse).reshape(flat)
        return -self._drop * whole, moved, -(self._inverse @ a @ self._inverse)
