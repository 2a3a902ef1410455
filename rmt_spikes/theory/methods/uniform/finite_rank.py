"""The part of the features that is of finite rank: its kernel, its poles and their residues.

On the nodes the latent functions are ``m_0(alpha, q)``, and ``m_1(alpha, q)`` times the components of a
sample along the directions that latent variables single out: ``q`` along the learnt one, ``t`` along the rest
of the teacher's, and at the standard output scale a third one along the rest of the initial readout's. With
the means these are three or four blocks. With ``S`` the second moments of these functions under ``R`` and the
stiffness ``J`` of the neurons, the resolvent of the finite-rank part is ``(J + S)^{-1}``: docs/theory.md
sections 4, 4.1 and 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.channels import Directions
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

Array = NDArray[np.float64]
Tangent = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class FiniteRank:
    """Latent functions of the features and their kernel at a state.

    `functions` of ``q`` on the nodes have shape ``(size, n_q)``: ``n_a`` for the means and ``n_a`` for each
    direction. `extras`, shape ``(n_extras, size, n_q)``, multiply further independent sample variables of
    variance one: ``t``, the norm of the sample, its component along the initial readout. `coupling` is
    ``alpha alpha' / N`` when the rows are orthogonal to the readout and its direction is a latent function of
    the first channel (standard output scale), else None.
    """

    equations: FixedPoint
    functions: Array
    extras: Array
    width: int
    directions: tuple[Directions, ...]
    coupling: Array | None = None

    @property
    def scales(self) -> Array:
        """``N`` for the block of the means and ``gamma_k`` for each direction, shape ``(n_blocks,)``."""
        linear = [gamma for each in self.directions for gamma in [each.channel.gamma] * each.count]
        return np.array([self.width, *linear])

    def stiffness(self, state: State) -> Array:
        """``J``, shape ``(size, size)``."""
        matrix = self._trivial(state)
        samples, neurons = self.equations.weighted(state.resolvent, state.omega)
        for block, directions in self._blocks():
            matrix[block, block] = directions.stiffness(samples, neurons)
        return matrix

    def stiffness_slope(self, state: State, tangent: Tangent) -> Array:
        """Derivative of ``J`` along a tangent of the state."""
        equations, n_a = self.equations, state.omega.size
        here = equations.weighted(state.resolvent, state.omega)
        slope = equations.weighted(*tangent)
        matrix = np.zeros((self.functions.shape[0],) * 2)
        relative = -tangent[1] / (equations.a_weights * state.omega**2)
        matrix[np.diag_indices(n_a)] = relative / self.width
        if self.coupling is not None:
            channel = equations.channels[0]
            matrix[:n_a, :n_a] -= self.coupling * channel.y_slope(channel.response(*here), *slope)
        for block, directions in self._blocks():
            matrix[block, block] = directions.stiffness_slope(*here, *slope)
        return matrix

    def _trivial(self, state: State) -> Array:
        """Stiffness of isotropic rows."""
        samples, neurons = self.equations.weighted(state.resolvent, state.omega)
        matrix = np.diag(1.0 / np.outer(self.scales, neurons).ravel())
        if self.coupling is not None:
            channel, n_a = self.equations.channels[0], neurons.size
            y = channel.response(samples, neurons).y_levels
            matrix[:n_a, :n_a] -= self.coupling * channel.over_levels(y)
        return matrix

    def _blocks(self) -> Iterator[tuple[slice, Directions]]:
        """Place of the directions of each channel, after the means."""
        n_a = self.equations.a_weights.size
        start = n_a
        for directions in self.directions:
            stop = start + directions.count * n_a
            yield slice(start, stop), directions
            start = stop

    def kernel(self, resolvent: Array) -> Array:
        """``S``, linear in the resolvent, shape ``(size, size)``."""
        functions = np.concatenate([self.functions, *self.extras], axis=1)
        weights = np.tile(self.equations.q_weights * resolvent, 1 + len(self.extras))
        return np.asarray((functions * weights) @ functions.T)

    def source(self, resolvent: Array, labels: Array, extra_labels: Array) -> Array:
        """``E[R u y]`` of labels with mean `labels`, and `extra_labels` along the extra variables."""
        weights = self.equations.q_weights * resolvent
        source = self.functions @ (weights * labels)
        for extra, label in zip(self.extras, extra_labels, strict=True):
            source += extra @ (weights * label)
        return np.asarray(source)

    def response(self, state: State, source: Array) -> Array:
        """``(J + S)^{-1}`` applied to a source."""
        return np.asarray(np.linalg.solve(self.total(state), source))

    def total(self, state: State) -> Array:
        """``J + S``, shape ``(size, size)``."""
        return self.stiffness(state) + self.kernel(state.resolvent)

    def total_slope(self, state: State, tangent: Tangent) -> Array:
        """Derivative of ``J + S`` along a tangent of the state."""
        return self.kernel(tangent[0]) + self.stiffness_slope(state, tangent)

    def slope(self, state: State, tangent: Tangent, vector: Array) -> float:
        """Quadratic form of `vector` in the derivative of ``J + S`` along a tangent of the state."""
        return float(vector @ self.total_slope(state, tangent) @ vector)

    def margins(self, state: State) -> Array:
        """Ascending eigenvalues of ``E^{1/2} (J + S) E^{1/2}``, with the stiffness ``E^{-1}`` of equal rows.

        Raises
        ------
        ConvergenceError
            If that stiffness is not positive, which it is above the bulk.
        """
        return np.asarray(np.linalg.eigvalsh(self._scaled(state)[0]))

    def spectrum(self, state: State) -> tuple[Array, Array]:
        """`margins`, and vectors ``E^{1/2} xi`` in columns."""
        matrix, root = self._scaled(state)
        values, vectors = np.linalg.eigh(matrix)
        return values, root.T @ vectors

    def _scaled(self, state: State) -> tuple[Array, Array]:
        trivial = self._trivial(state)
        diagonal = np.diagonal(trivial)
        if np.any(diagonal <= 0.0):
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf)
        root = np.diag(diagonal**-0.5)
        total = self.total(state)
        if self.coupling is None:
            scale = np.diagonal(root)
            return scale[:, None] * total * scale, root
        n_a = self.equations.a_weights.size
        try:
            root[:n_a, :n_a] = np.linalg.inv(np.linalg.cholesky(trivial[:n_a, :n_a]))
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf) from error
        return root @ total @ root.T, root
