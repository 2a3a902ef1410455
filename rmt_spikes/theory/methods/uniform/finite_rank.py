"""The part of the features that is of finite rank: its kernel, its poles and their residues.

With ``S`` the second moments of the latent functions (`Blocks`) under ``R`` and the stiffness ``J`` of the
neurons, the resolvent of the finite-rank part is ``(J + S)^{-1}``: docs/theory.md sections 4, 4.1 and 8.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.symmetric import SymmetricFactors, first_eigenvectors
from rmt_spikes.theory.methods.uniform.channels import Along, Directions, diagonal
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

Array = NDArray[np.float64]
Values = NDArray[Any]
Tangent = tuple[Array, Array]

REMEMBERED = 4
"""States of which matrices are remembered: margins, slope and residue are asked for one after another."""

ROUNDING = 1e-14
"""Rounding error of a margin, that is, of numbers of order one in sums of a hundred."""

TOUCHING = 1e-10
"""Rounding error of a margin at the edge: a pole within it is not counted."""

BESIDE = 3
"""Margins above zero that are looked at where a resonance may be among them."""

TURNS = 2
"""Inverse iterations from a vector nearby."""


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known at a state, computed when it is asked for."""

    finite: FiniteRank
    state: State

    @cached_property
    def along(self) -> Along:
        """The directions."""
        return self.finite.directions.along(self.finite.parts(self.state)[0])

    @cached_property
    def response(self) -> Values:
        """Their response, shape ``(count n_a,) * 2``."""
        response = self.along.response
        size = response.shape[0] * response.shape[1]
        return response.reshape(size, size)

    @cached_property
    def _root(self) -> Array | None:
        """Its Cholesky factor, where it is real and positive."""
        if not np.isrealobj(self.response):
            return None
        root, failed = dpotrf(self.response, lower=True)
        return None if failed else root

    @cached_property
    def inverse(self) -> Values:
        """Inverse of that."""
        if self._root is None:
            return np.asarray(np.linalg.inv(self.response))
        half = dpotri(self._root, lower=True)[0]
        return np.asarray(half + half.T - np.diag(np.diagonal(half)))

    @cached_property
    def resonances(self) -> Array:
        """Vectors along which it is negative, in columns."""
        if self._root is None:
            values, vectors = np.linalg.eigh(self.response)
            return np.asarray(vectors[:, values < 0.0])
        return self.response[:, :0]

    @cached_property
    def total(self) -> Values:
        """``J + S``."""
        matrix = self.finite.stiffness(self.state)
        matrix += self.finite.kernel(self.state.resolvent)
        return matrix

    @cached_property
    def scale(self) -> Array:
        """``E^{1/2}``, shape ``(size,)``."""
        return self.finite.equal_rows(self.state) ** -0.5

    @cached_property
    def scaled(self) -> Array:
        """``E^{1/2} (J + S) E^{1/2}``."""
        return self.finite.scaled(self.state)

    @cached_property
    def factors(self) -> SymmetricFactors:
        """Decomposition of that, or of a matrix within its rounding error."""
        factors = SymmetricFactors.of(self.scaled)
        if factors.singular:
            matrix = self.scaled.copy()
            diagonal(matrix)[:] += ROUNDING
            factors = SymmetricFactors.of(matrix)
        return factors


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
        ``alpha alpha' / N`` times the share of their energy along the readout that rows lack, shape ``(n_a,
        n_a)``: all where they are orthogonal to it and its own direction is a latent function (standard
        output scale), what the initial output takes at the mean-field one. None for none.
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
        matrix, block = self.trivial(state), self._along
        own = self.directions.stiffness(self.parts(state)[0], self.known(state).inverse)
        matrix[block, block] = self._real(state, own)
        return matrix

    @cached_property
    def _along(self) -> slice:
        """Blocks of the directions."""
        n_a = self.norm.shape[0]
        return slice(n_a, (1 + self.directions.count) * n_a)

    def parts(self, state: State) -> Any:
        """The channels at a state."""
        return state.parts or self.equations.responses(state.resolvent, state.omega)

    @staticmethod
    def _real(state: State, values: Values) -> Values:
        return values.real if np.isrealobj(state.omega) else values

    def trivial(self, state: State) -> Values:
        """Stiffness of isotropic rows, less what they lack along the readout."""
        own, n_a = self.equal_rows(state), state.omega.size
        matrix = np.zeros((own.size,) * 2, dtype=own.dtype)
        diagonal(matrix)[:] = own
        if self.readout_coupling is not None:
            y = self.equations.channels[0].between_neurons(self.parts(state)[0])
            matrix[:n_a, :n_a] -= self.readout_coupling * self._real(state, y)
        return matrix

    def equal_rows(self, state: State) -> Values:
        """``E^{-1}``, the stiffness of isotropic rows that do not see the readout, shape ``(size,)``."""
        neurons = self.equations.weighted(state.resolvent, state.omega)[1]
        return np.asarray(1.0 / np.outer(self.scales, neurons).ravel())

    def kernel(self, resolvent: Values) -> Values:
        """``S``, linear in the resolvent, shape ``(size, size)``."""
        weights, functions = self.equations.q_weights * resolvent, self._functions
        if np.isrealobj(weights) and np.all(weights < 0.0):
            # A matrix by its own transpose is half the work.
            half = (functions * np.sqrt(-weights)).reshape(functions.shape[0], -1)
            kernel = -(half @ half.T)
        else:
            flat = functions.reshape(functions.shape[0], -1)
            kernel = (functions * weights).reshape(flat.shape) @ flat.T
        n_a = self.norm.shape[0]
        kernel[:n_a, :n_a] += self.norm_covariance * ((self.norm * weights) @ self.norm.T)
        return np.asarray(kernel)

    @cached_property
    def _functions(self) -> Array:
        """The functions, shape ``(size, n_variables, n_q)``."""
        return np.ascontiguousarray(np.swapaxes(self.functions, 0, 1))

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

    def form_slope(self, state: State, tangent: Tangent, vector: Array) -> float:
        """Derivative of the quadratic form of a vector in ``J + S`` along a tangent of a real state."""
        by_samples, by_neurons = self.form_gradient(state, vector)
        return float(by_samples @ tangent[0] + by_neurons @ tangent[1])

    def form_gradient(self, state: State, vector: Array) -> Tangent:
        """Derivatives of the quadratic form of a vector in ``J + S`` in a real ``R`` and ``omega``."""
        known, part, n_a = self.known(state), self.parts(state)[0], state.omega.size
        by_samples, channel = self._squares(vector), self.equations.channels[0]
        squares = vector**2 * self.equal_rows(state)
        squares[self._along] = 0.0
        by_neurons = -squares.reshape(-1, n_a).sum(axis=0)
        by_coupling, rest = self.directions.form_gradient(
            part, known.along, known.inverse, vector[self._along]
        )
        by_neurons += rest
        if self.readout_coupling is not None:
            weights = -self.readout_coupling * vector[:n_a, None] * vector[:n_a]
            more, rest = channel.between_gradient(part, weights)
            by_coupling, by_neurons = by_coupling + more, by_neurons + rest
        one, other = channel.by_state(part, by_coupling)
        return self.equations.q_weights * (by_samples + one), (by_neurons + other) / state.omega

    def _squares(self, vector: Array) -> Array:
        """Derivative of the quadratic form of a vector in ``S``, in ``w R``, shape ``(n_q,)``."""
        functions, own = self._functions, vector[: self.norm.shape[0], None] * self.norm
        image = (vector @ functions.reshape(vector.size, -1)).reshape(functions.shape[1:])
        return np.asarray(np.sum(image**2, axis=0) + np.sum(own * (self.norm_covariance @ own), axis=0))

    def rough_margins(self, states: Sequence[State], vector: Array) -> Array:
        """Margins of a vector if all blocks had the stiffness of equal rows."""
        by_samples, squares = self._squares(vector) * self.equations.q_weights, vector**2
        return np.array(
            [
                1.0 + float(by_samples @ state.resolvent / (squares @ self.equal_rows(state)))
                for state in states
            ]
        )

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
        return np.asarray(np.linalg.eigvalsh(self.known(state).scaled))

    def below_zero(self, state: State) -> tuple[Array, Array]:
        """`margins` below zero by more than rounding, and vectors ``E^{1/2} xi`` in columns."""
        known, resonances = self.known(state), self.resonances(state)
        matrix = known.scaled.copy()
        diagonal(matrix)[:] += TOUCHING
        count = SymmetricFactors.of(matrix).negative
        if count == 0:
            return np.zeros(0), np.zeros((matrix.shape[0], 0))
        several = resonances.shape[1]
        values, vectors = first_eigenvectors(known.scaled, count + (several + BESIDE if several else 0))
        # No more vectors than there are resonances can be mostly like these.
        alike = self._likeness(resonances, vectors) > 0.5
        if np.sum(alike) < several:
            values, vectors = self.spectrum(state)
            vectors /= known.scale[:, None]
            alike = np.zeros(values.size, dtype=bool)
        kept = (values < -TOUCHING) & ~alike
        return values[kept], known.scale[:, None] * vectors[:, kept]

    def _likeness(self, resonances: Array, vectors: Array) -> Array:
        """Squared norms of vectors within the span of resonances."""
        n_a = self.norm.shape[0]
        return np.asarray(np.sum((resonances.T @ vectors[n_a : n_a + resonances.shape[0]]) ** 2, axis=0))

    def count_above(self, state: State, null: Array) -> int:
        """Number of poles above one, whose margin is zero with the vector `null`."""
        if self.resonances(state).size:
            values = self.margins(state)
            return int(np.sum(np.delete(values, np.argmin(np.abs(values))) < -TOUCHING))
        factors = self.known(state).factors
        # Rounding gives its margin a sign, which the solution of the equations has too.
        return factors.negative - int(self.next_margin(state, null)[0] < 0.0)

    def lowest(self, state: State, count: int) -> tuple[Array, Array]:
        """The first of the `margins`, and their vectors ``E^{1/2} xi`` in columns."""
        if self.resonances(state).size:
            values, vectors = self.spectrum(state)
            return values[:count], vectors[:, :count]
        known = self.known(state)
        values, vectors = first_eigenvectors(known.scaled, count)
        return values, known.scale[:, None] * vectors

    def spectrum(self, state: State) -> tuple[Array, Array]:
        """`margins`, and vectors ``E^{1/2} xi`` in columns."""
        known = self.known(state)
        values, vectors = np.linalg.eigh(known.scaled)
        resonances = self.resonances(state)
        if count := resonances.shape[1]:
            kept = np.sort(np.argsort(self._likeness(resonances, vectors))[:-count])
            values, vectors = values[kept], vectors[:, kept]
        return values, known.scale[:, None] * vectors

    def nearest(self, state: State, vector: Array) -> tuple[float, Array]:
        """Margin next to that of a vector ``E^{1/2} xi``, and its vector, by inverse iteration."""
        known = self.known(state)
        unit, matrix = vector / known.scale, known.scaled.copy()
        unit /= np.linalg.norm(unit)
        diagonal(matrix)[:] -= unit @ known.scaled @ unit
        factors = SymmetricFactors.of(matrix)
        for _ in range(0 if factors.singular else TURNS):
            unit = factors.solve(unit)
            unit /= np.linalg.norm(unit)
        return float(unit @ known.scaled @ unit), known.scale * unit

    def margin_along(self, state: State, vector: Array) -> float:
        """Margin of a vector ``E^{1/2} xi``, which need not be one of those of `spectrum`."""
        known = self.known(state)
        unit = vector / known.scale
        return float(unit @ known.scaled @ unit / (unit @ unit))

    def next_margin(self, state: State, vector: Array) -> tuple[float, Array]:
        """Inverse iteration from a vector ``E^{1/2} xi``: the margin of the next one, and that.

        Its form in ``J + S`` is the margin.
        """
        known = self.known(state)
        last = vector / known.scale
        found = known.factors.solve(last)
        size = float(found @ found)
        return float(found @ last) / size, np.asarray(known.scale * found / math.sqrt(size))

    def resonances(self, state: State) -> Array:
        """Vectors along which the response of the directions is negative, shape ``(count n_a, n)``.

        Where a response vanishes, an eigenvalue of ``J`` comes back from infinity, below zero, without a
        pole. That of ``J + S`` whose vector is like it may become positive again, which is no pole either.
        """
        return self.known(state).resonances

    def scaled(self, state: State) -> Array:
        """``E^{1/2} (J + S) E^{1/2}``."""
        known = self.known(state)
        if not np.all(state.omega > 0.0):
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf)
        matrix = self.stiffness(state)
        matrix += self.kernel(state.resolvent)
        matrix *= known.scale[:, None]
        matrix *= known.scale
        return matrix
