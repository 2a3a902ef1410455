"""The part of the features that is of finite rank: its kernel, its poles and their residues.

With ``S`` the second moments of the latent functions (`Blocks`) under ``R`` and the stiffness ``J`` of the
neurons, the resolvent of the finite-rank part is ``(J + S)^{-1}``: docs/theory.md sections 4, 4.1 and 8.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP, Directions, LevelChannel
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

Array = NDArray[np.float64]
Values = NDArray[Any]
Tangent = tuple[Array, Array]

REMEMBERED = 4
"""States whose stiffness is remembered: margins, slope and residue are asked for one after another."""


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
    _known: deque[tuple[State, Values]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED), init=False, repr=False
    )

    def stiffness(self, state: State) -> Values:
        """``J``, shape ``(size, size)``; remembered for the last states."""
        for known, matrix in self._known:
            if known is state:
                return matrix
        matrix = self._stiffness(state)
        self._known.append((state, matrix))
        return matrix

    def _stiffness(self, state: State) -> Values:
        matrix = self._trivial(state)
        n_a = state.omega.size
        block = slice(n_a, (1 + self.directions.count) * n_a)
        matrix[block, block] = self._real(state, self.directions.stiffness(self._parts(state)[0]))
        return matrix

    def _parts(self, state: State) -> Any:
        return state.parts or self.equations.responses(state.resolvent, state.omega)

    @staticmethod
    def _real(state: State, values: Values) -> Values:
        return values.real if np.isrealobj(state.omega) else values

    def _trivial(self, state: State) -> Values:
        """Stiffness of isotropic rows."""
        neurons = self.equations.weighted(state.resolvent, state.omega)[1]
        matrix = np.diag(1.0 / np.outer(self.scales, neurons).ravel())
        if self.readout_coupling is not None:
            channel, n_a = self.equations.channels[0], neurons.size
            assert isinstance(channel, LevelChannel)
            y = channel.between_neurons(self._parts(state)[0])
            matrix[:n_a, :n_a] -= self.readout_coupling * self._real(state, y)
        return matrix

    def kernel(self, resolvent: Values) -> Values:
        """``S``, linear in the resolvent, shape ``(size, size)``."""
        weights = self.equations.q_weights * resolvent
        n_variables, size, n_q = self.functions.shape
        flat = np.swapaxes(self.functions, 0, 1).reshape(size, n_variables * n_q)
        kernel = (flat * np.tile(weights, n_variables)) @ flat.T
        n_a = self.norm.shape[0]
        kernel[:n_a, :n_a] += self.norm_covariance * ((self.norm * weights) @ self.norm.T)
        return np.asarray(kernel)

    def source(self, resolvent: Values, labels: Array) -> Values:
        """``E[R u y]`` of labels with these components along the sample variables, ``(n_variables, n_q)``."""
        weights = self.equations.q_weights * resolvent
        return np.asarray(np.einsum("vsq,vq->s", self.functions, labels * weights))

    def response(self, state: State, source: Values) -> Values:
        """``(J + S)^{-1}`` applied to a source."""
        return np.asarray(np.linalg.solve(self.total(state), source))

    def total(self, state: State) -> Values:
        """``J + S``, shape ``(size, size)``."""
        return self.stiffness(state) + self.kernel(state.resolvent)

    def moved(self, state: State, tangent: Tangent) -> State:
        """State a complex step along a tangent."""
        h = 1j * COMPLEX_STEP
        resolvent, omega = state.resolvent + h * tangent[0], state.omega + h * tangent[1]
        parts = self.equations.moved_responses(resolvent, omega, self._parts(state))
        return State(resolvent, omega, state.residual, parts)

    def total_slope(self, state: State, tangent: Tangent) -> Array:
        """Derivative of ``J + S`` along a tangent of the state."""
        return np.asarray(self._stiffness_slope(state, tangent) + self.kernel(tangent[0]))

    def pull(self, state: State, tangent: Tangent, vector: Array) -> Array:
        """Derivative of ``J + S`` along a tangent of the state, applied to a vector."""
        weights, n_a = self.equations.q_weights * tangent[0], self.norm.shape[0]
        modes = weights * np.tensordot(vector, self.functions, axes=(0, 1))
        image = np.tensordot(self.functions, modes, axes=((0, 2), (0, 1)))
        by_norm = self.norm_covariance * ((self.norm * weights) @ self.norm.T)
        image[:n_a] += by_norm @ vector[:n_a]
        return np.asarray(image + self._stiffness_slope(state, tangent) @ vector)

    def _stiffness_slope(self, state: State, tangent: Tangent) -> Array:
        h = 1j * COMPLEX_STEP
        resolvent, omega = state.resolvent + h * tangent[0], state.omega + h * tangent[1]
        first, weighted = self.equations.channels[0], self.equations.weighted(resolvent, omega)
        part, n_a = self._parts(state)[0], state.omega.size
        moved = first.moved(part, *weighted)
        matrix = self._trivial(State(resolvent, omega, 0.0, (moved,))).imag / COMPLEX_STEP
        block = slice(n_a, (1 + self.directions.count) * n_a)
        matrix[block, block] = self.directions.stiffness_slope(part, moved)
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
        return float(vector @ self.total(state) @ vector / (vector @ self._trivial(state) @ vector))

    def resonances(self, state: State) -> Array:
        """Vectors along which the response of the directions is negative, shape ``(count n_a, n)``.

        Where a response vanishes, an eigenvalue of ``J`` comes back from infinity, below zero, without a
        pole. That of ``J + S`` whose vector is like it may become positive again, which is no pole either.
        """
        size = self.directions.count * state.omega.size
        values, vectors = np.linalg.eigh(self.directions.response(self._parts(state)[0]).reshape(size, size))
        return np.asarray(vectors[:, values < 0.0])

    def _scaled(self, state: State) -> tuple[Array, Array]:
        trivial = self._trivial(state)
        diagonal = np.diagonal(trivial)
        if np.any(diagonal <= 0.0):
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf)
        root = np.diag(diagonal**-0.5)
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
