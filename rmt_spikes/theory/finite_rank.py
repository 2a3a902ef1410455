"""The part of the features that is of finite rank: its kernel, its poles and their residues.

On the nodes the latent functions are ``u(q) = (m_0(alpha, q), m_1(alpha, q) q)``. With
``S = E_q[R u u^T]`` and the stiffness ``J`` of the neurons (``1/(N p omega)`` and ``1/(gamma p omega)``
on the diagonal), the resolvent of the finite-rank part is ``(J + S)^{-1}``: docs/theory.md section 4,
where ``E = J^{-1}``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.fixed_point import FixedPoint, State

Array = NDArray[np.float64]
Tangent = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class FiniteRank:
    """Latent functions of the features and their kernel at a state.

    Parameters
    ----------
    equations
        The equations of the bulk.
    functions
        ``u(q)`` on the nodes, shape ``(2 n_a, n_q)``.
    extras
        Functions ``(alpha, q)`` that multiply further independent sample variables of variance one (the
        norm of the sample; its component along the initial readout), shape ``(n_extras, n_a, n_q)``.
    width
        ``N``.
    coupling
        ``alpha alpha' / N`` when the rows are orthogonal to the readout and the readout's own direction
        is a latent function (standard output scale), shape ``(n_a, n_a)``; None otherwise.
    """

    equations: FixedPoint
    functions: Array
    extras: Array
    width: int
    coupling: Array | None = None

    def stiffness(self, state: State) -> Array:
        """``J``, shape ``(2 n_a, 2 n_a)``."""
        d = self.equations.a_weights * state.omega
        matrix = np.diag(np.concatenate([1.0 / (self.width * d), 1.0 / (self.equations.gamma * d)]))
        if self.coupling is not None:
            n_a = d.size
            part = self.equations.interaction(state.resolvent, state.omega)
            matrix[:n_a, :n_a] -= self.coupling * self.equations.over_levels(part.y_levels)
        return matrix

    def stiffness_slope(self, state: State, tangent: Tangent) -> Array:
        """Derivative of ``J`` along a tangent of the state."""
        relative = -tangent[1] / (self.equations.a_weights * state.omega**2)
        matrix = np.diag(np.concatenate([relative / self.width, relative / self.equations.gamma]))
        if self.coupling is not None:
            n_a = relative.size
            matrix[:n_a, :n_a] -= self.coupling * self.equations.y_slope(state, tangent)
        return matrix

    def kernel(self, resolvent: Array) -> Array:
        """``S``, linear in the resolvent, shape ``(2 n_a, 2 n_a)``."""
        n_a = self.equations.a_weights.size
        weights = self.equations.q_weights * resolvent
        kernel = (self.functions * weights) @ self.functions.T
        for extra in self.extras:
            kernel[:n_a, :n_a] += (extra * weights) @ extra.T
        return np.asarray(kernel)

    def source(self, resolvent: Array, labels: Array, extra_labels: Array) -> Array:
        """``E[R u y]`` of labels with mean `labels`, and `extra_labels` along the extra variables."""
        weights = self.equations.q_weights * resolvent
        source = self.functions @ (weights * labels)
        n_a = self.equations.a_weights.size
        for extra, label in zip(self.extras, extra_labels, strict=True):
            source[:n_a] += extra @ (weights * label)
        return np.asarray(source)

    def response(self, state: State, source: Array) -> Array:
        """``(J + S)^{-1}`` applied to a source."""
        return np.asarray(np.linalg.solve(self.stiffness(state) + self.kernel(state.resolvent), source))

    def slope(self, state: State, tangent: Tangent, vector: Array) -> float:
        """Quadratic form of `vector` in the derivative of ``J + S`` along a tangent of the state."""
        matrix = self.kernel(tangent[0]) + self.stiffness_slope(state, tangent)
        return float(vector @ matrix @ vector)

    def spectrum(self, state: State) -> tuple[Array, Array]:
        """Eigenvalues (ascending) of ``1 + E^{1/2} S E^{1/2}`` at a real state, and vectors ``E^{1/2} xi``.

        Raises
        ------
        ConvergenceError
            If the stiffness is not positive, which it is above the bulk.
        """
        try:
            factor = np.linalg.cholesky(self.stiffness(state))
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the stiffness of the neurons is not positive", residual=np.inf) from error
        inverse = np.linalg.inv(factor)
        values, vectors = np.linalg.eigh(inverse @ self.kernel(state.resolvent) @ inverse.T)
        return 1.0 + values, inverse.T @ vectors
