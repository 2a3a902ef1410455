"""The part of the features that is of finite rank: its kernel, its poles and their residues.

With ``S`` the second moments of the latent functions (`Blocks`) under ``R`` and the stiffness ``J`` of the
neurons, the resolvent of the finite-rank part is ``(J + S)^{-1}``: docs/theory.md sections 4, 4.1 and 8.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsyevr, dsytrf

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP, Directions, LevelChannel, diagonal
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

Array = NDArray[np.float64]
Values = NDArray[Any]
Tangent = tuple[Array, Array]

REMEMBERED = 4
"""States of which matrices are remembered: margins, slope and residue are asked for one after another."""

TOUCHING = 1e-10
"""Rounding error of a margin at the edge: a pole within it is not counted."""

COLUMNS = 64
"""Columns of a matrix that are eliminated together."""


def negative_eigenvalues(matrix: Array) -> int:
    """Number of negative eigenvalues of a symmetric matrix, by Sylvester's law of inertia.

    A block of two rows in its decomposition has one negative eigenvalue.
    """
    factors, pivots, _ = dsytrf(matrix, lwork=COLUMNS * matrix.shape[0])
    single = pivots > 0
    return int(np.sum(np.diagonal(factors)[single] < 0.0)) + int(np.sum(~single)) // 2


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known at a state, computed when it is asked for."""

    finite: FiniteRank
    state: State

    @cached_property
    def trivial(self) -> Values:
        """Stiffness of isotropic rows."""
        return self.finite.trivial(self.state)

    @cached_property
    def response(self) -> Values:
        """Response of the directions, shape ``(count n_a,) * 2``."""
        return self.finite.directions.square_response(self.finite.parts(self.state)[0])

    @cached_property
    def inverse(self) -> Values:
        """Inverse of that."""
        return np.asarray(np.linalg.inv(self.response))

    @cached_property
    def resonances(self) -> Array:
        """Vectors along which it is negative, in columns."""
        try:
            np.linalg.cholesky(self.response)
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(self.response)
            return np.asarray(vectors[:, values < 0.0])
        return self.response[:, :0]

    @cached_property
    def total(self) -> Values:
        """``J + S``."""
        return self.finite.stiffness(self.state) + self.finite.kernel(self.state.resolvent)


@dataclass(frozen=True, eq=False)
class FiniteRank:
    """Latent functions of the features and their kernel at a state.

    Parameters
    ----------
    equations
        The equations of the bulk.
    functions
        Functions of ``q`` on the nodes, for each sample variable: shape ``(n_variables, size, n_q)``, with
        ``n_a`` functions a block.
    norm, norm_covariance
        What the norm of a sample does to each neuron, shape ``(n_a, n_q)``, and the covariance of that norm
        between neurons, shape ``(n_a, n_a)``.
    scales
        ``N`` for the block of the means, ``gamma_k`` for one of channel ``k``, shape ``(n_blocks,)``.
    directions
        Directions of degree one: the blocks after the means.
    readout_coupling
        ``alpha alpha' / N`` when the rows are orthogonal to the readout and the readout's own direction is a
        latent function of the first channel (standard output scale), shape ``(n_a, n_a)``; None otherwise.
    """

    equations: FixedPoint
    functions: Array
    norm: Array
    norm_covariance: Array
    scales: Array
    directions: Directions
    readout_coupling: Array | None = None
    _remembered: deque[_Known] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED), init=False, repr=False
    )

    def known(self, state: State) -> _Known:
        """What is known at a state; it is remembered for the last ones."""
        for known in self._remembered:
            if known.state is state:
                return known
        self._remembered.append(_Known(self, state))
        return self._remembered[-1]

    def stiffness(self, state: State) -> Values:
        """``J``, shape ``(size, size)``."""
        matrix = self.known(state).trivial.copy()
        n_a = state.omega.size
        block = slice(n_a, (1 + self.directions.count) * n_a)
        own = self.directions.stiffness(self.parts(state)[0], self.known(state).inverse)
        matrix[block, block] = self._real(state, own)
        return matrix

    def parts(self, state: State) -> Any:
        """The channels at a state."""
        return state.parts or self.equations.responses(state.resolvent, state.omega)

    @staticmethod
    def _real(state: State, values: Values) -> Values:
        return values.real if np.isrealobj(state.omega) else values

    def trivial(self, state: State) -> Values:
        """Stiffness of isotropic rows."""
        neurons = self.equations.weighted(state.resolvent, state.omega)[1]
        matrix = np.diag(1.0 / np.outer(self.scales, neurons).ravel())
        if self.readout_coupling is not None:
            channel, n_a = self.equations.channels[0], neurons.size
            assert isinstance(channel, LevelChannel)
            y = channel.between_neurons(self.parts(state)[0])
            matrix[:n_a, :n_a] -= self.readout_coupling * self._real(state, y)
        return matrix

    def kernel(self, resolvent: Values) -> Values:
        """``S``, linear in the resolvent, shape ``(size, size)``."""
        weights = self.equations.q_weights * resolvent
        if np.isrealobj(weights) and np.all(weights < 0.0):
            # A matrix by its own transpose is half the work.
            half = self._flat * np.tile(np.sqrt(-weights), self.functions.shape[0])
            kernel = -(half @ half.T)
        else:
            kernel = (self._flat * np.tile(weights, self.functions.shape[0])) @ self._flat.T
        n_a = self.norm.shape[0]
        kernel[:n_a, :n_a] += self.norm_covariance * ((self.norm * weights) @ self.norm.T)
        return np.asarray(kernel)

    @cached_property
    def _flat(self) -> Array:
        """The functions, shape ``(size, n_variables * n_q)``."""
        return np.swapaxes(self.functions, 0, 1).reshape(self.functions.shape[1], -1)

    def source(self, resolvent: Values, labels: Array) -> Values:
        """``E[R u y]`` of labels with these components along the sample variables, ``(n_variables, n_q)``."""
        weights = self.equations.q_weights * resolvent
        return np.asarray(np.einsum("vsq,vq->s", self.functions, labels * weights))

    def response(self, state: State, source: Values) -> Values:
        """``(J + S)^{-1}`` applied to a source."""
        return np.asarray(np.linalg.solve(self.total(state), source))

    def total(self, state: State) -> Values:
        """``J + S``, shape ``(size, size)``."""
        return self.known(state).total

    def moved(self, state: State, tangent: Tangent) -> State:
        """State a complex step along a tangent."""
        return self.equations.moved(replace(state, parts=self.parts(state)), tangent)

    def total_slope(self, state: State, tangent: Tangent) -> Array:
        """Derivative of ``J + S`` along a tangent of the state."""
        return np.asarray(self._stiffness_slope(state, tangent) + self.kernel(tangent[0]))

    def pull(self, state: State, tangent: Tangent, vector: Array) -> Array:
        """Derivative of ``J + S`` along a tangent of the state, applied to a vector."""
        weights, n_a = self.equations.q_weights * tangent[0], self.norm.shape[0]
        image = self._flat @ (np.tile(weights, self.functions.shape[0]) * (vector @ self._flat))
        by_norm = self.norm_covariance * ((self.norm * weights) @ self.norm.T)
        image[:n_a] += by_norm @ vector[:n_a]
        return np.asarray(image + self._stiffness_slope(state, tangent) @ vector)

    def _stiffness_slope(self, state: State, tangent: Tangent) -> Array:
        h = 1j * COMPLEX_STEP
        resolvent, omega = state.resolvent + h * tangent[0], state.omega + h * tangent[1]
        first, weighted = self.equations.channels[0], self.equations.weighted(resolvent, omega)
        part, n_a = self.parts(state)[0], state.omega.size
        moved = first.moved(part, *weighted)
        matrix = self.trivial(State(resolvent, omega, 0.0, (moved,))).imag / COMPLEX_STEP
        block = slice(n_a, (1 + self.directions.count) * n_a)
        matrix[block, block] = self.directions.stiffness_slope(part, self.known(state).inverse, moved)
        return np.asarray(matrix)

    def margins(self, state: State) -> Array:
        """Ascending eigenvalues of ``E^{1/2} (J + S) E^{1/2}``, with the stiffness ``E^{-1}`` of equal rows.

        Without those of the `resonances`: the ones below zero are then as many as the poles above.

        Raises
        ------
        ConvergenceError
            If that stiffness is not positive, which it is above the bulk.
        """
        if self.resonances(state).size:
            return self.spectrum(state)[0]
        return np.asarray(np.linalg.eigvalsh(self._scaled(state)[0]))

    def count(self, state: State, null: Array | None = None) -> int:
        """Number of `margins` below zero, but for one within rounding error of it.

        Of a pole, whose margin is zero with the vector `null`, that of the poles above it.
        """
        if self.resonances(state).size:
            values = self.margins(state)
            if null is not None:
                values = np.delete(values, np.argmin(np.abs(values)))
            return int(np.sum(values < -TOUCHING))
        matrix, root = self._scaled(state)
        diagonal(matrix)[:] += TOUCHING
        if null is not None:
            unit = root @ (self.known(state).trivial @ null)
            matrix += np.outer(unit, unit) / (unit @ unit)
        return negative_eigenvalues(matrix)

    def lowest(self, state: State, k: int) -> tuple[float, Array]:
        """Margin `k`, and its vector ``E^{1/2} xi``."""
        if self.resonances(state).size:
            values, vectors = self.spectrum(state)
            return float(values[k]), vectors[:, k]
        matrix, root = self._scaled(state)
        values, vectors, _, _, failed = dsyevr(matrix, range="I", il=k + 1, iu=k + 1)
        if failed:
            raise ConvergenceError("a margin was not found", residual=np.inf)
        return float(values[0]), root.T @ vectors[:, 0]

    def spectrum(self, state: State) -> tuple[Array, Array]:
        """`margins`, and vectors ``E^{1/2} xi`` in columns."""
        matrix, root = self._scaled(state)
        values, vectors = np.linalg.eigh(matrix)
        resonances, n_a = self.resonances(state), state.omega.size
        if count := resonances.shape[1]:
            inside = resonances.T @ vectors[n_a : n_a + resonances.shape[0]]
            kept = np.sort(np.argsort(np.sum(inside**2, axis=0))[:-count])
            values, vectors = values[kept], vectors[:, kept]
        return values, root.T @ vectors

    def margin_along(self, state: State, vector: Array) -> float:
        """Margin of a vector ``E^{1/2} xi``, which need not be one of those of `spectrum`."""
        return float(vector @ self.total(state) @ vector / (vector @ self.known(state).trivial @ vector))

    def next_margin(self, state: State, vector: Array) -> tuple[float, Array]:
        """Inverse iteration from a vector ``E^{1/2} xi``: the margin of the next one, and that.

        Its form in ``J + S`` is the margin.

        Raises
        ------
        LinAlgError
            If ``J + S`` is singular.
        """
        trivial = self.known(state).trivial
        image = trivial @ vector
        found = np.linalg.solve(self.total(state), image)
        size = float(found @ trivial @ found)
        return float(found @ image) / size, np.asarray(found / math.sqrt(size))

    def resonances(self, state: State) -> Array:
        """Vectors along which the response of the directions is negative, shape ``(count n_a, n)``.

        Where a response vanishes, an eigenvalue of ``J`` comes back from infinity, below zero, without a
        pole. That of ``J + S`` whose vector is like it may become positive again, which is no pole either.
        """
        return self.known(state).resonances

    def _scaled(self, state: State) -> tuple[Array, Array]:
        """``E^{1/2} (J + S) E^{1/2}``, and ``E^{1/2}``."""
        trivial = self.known(state).trivial
        own = np.diagonal(trivial)
        if np.any(own <= 0.0):
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf)
        root = np.diag(own**-0.5)
        total = self.total(state)
        if self.readout_coupling is None:
            scale = np.diagonal(root)
            return scale[:, None] * total * scale, root
        n_a = self.equations.a_weights.size
        try:
            root[:n_a, :n_a] = np.linalg.inv(np.linalg.cholesky(trivial[:n_a, :n_a]))
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf) from error
        return root @ total @ root.T, root
