"""Channels x levels x directions: the parts of the features that are inner products of long vectors.

A feature is a latent function ``m_0(alpha, q)``, plus in each channel ``m_k(alpha, q)`` times the inner
product of a vector of the sample and one of the neuron, of dimension ``D_k``, plus noise. *Levels* are the
eigenvalues of the covariance of the neurons' vectors. *Directions* are the few that the latent variables of
samples single out. Today there is one channel, of degree one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError

Array = NDArray[np.float64]
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Response:
    """Matrices of a channel at one state, at each of its levels and averaged over these.

    ``q`` is ``(D^{-1} + gamma K_h)^{-1}``, ``y`` is ``(K_h^{-1} + gamma D)^{-1}`` and ``z`` is ``(1 + gamma
    K_h D)^{-1}``; levels are the first axis.
    """

    q_matrix: Values
    q_levels: Values
    y_levels: Values
    z_levels: Values


def between(rows: Array, matrix: Values, columns: Array) -> Values:
    """Matrix whose rows and columns are multiplied by factors, of shape ``(n_levels, n)``, at each level."""
    return np.asarray(rows[:, :, None] * matrix * columns[:, None, :])


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel of the features.

    States enter as ``w R`` on the nodes of samples and as ``D = p omega`` on those of neurons. `functions`
    are ``m_k(alpha, q)`` on the nodes, shape ``(n_a, n_q)``, and `gamma` is ``N / D_k``. `levels` are the
    relative standard deviations ``s_alpha(h)`` of a neuron's vector along the eigenvectors of its covariance,
    shape ``(n_levels, n_a)``, with the shares `level_weights` (docs/theory.md section 4.1).
    """

    functions: Array
    gamma: float
    levels: Array
    level_weights: Array

    def second_moments(self, samples: Values) -> Values:
        """``K = E_q[R m_k m_k^T]``, linear in the resolvent, shape ``(n_a, n_a)``."""
        return np.asarray((self.functions * samples) @ self.functions.T)

    def resolvents(self, k: Values, neurons: Values, levels: Array) -> tuple[Values, Values]:
        """``(1 + gamma K_h D)^{-1}`` and ``(D^{-1} + gamma K_h)^{-1}`` at levels, ``(n_levels, n_a)``.

        Raises
        ------
        ConvergenceError
            If a matrix is singular.
        """
        try:
            z = np.linalg.inv(np.eye(neurons.size) + self.gamma * between(levels, k, levels) * neurons)
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the resolvent of the linear part is singular", residual=np.inf) from error
        return z, neurons[:, None] * z

    def response(self, samples: Values, neurons: Values) -> Response:
        """Matrices of the channel at a state."""
        k = self.second_moments(samples)
        z, q = self.resolvents(k, neurons, self.levels)
        y = z @ between(self.levels, k, self.levels)
        return Response(self.over_levels(between(self.levels, q, self.levels)), q, y, z)

    def over_levels(self, values: Values) -> Values:
        """Mean over the levels, the first axis."""
        if self.level_weights.size == 1:
            return np.asarray(values[0])
        flat = self.level_weights @ values.reshape(self.level_weights.size, -1)
        return np.asarray(flat.reshape(values.shape[1:]))

    def of_samples(self, part: Response, functions: Array | None = None) -> Values:
        """Part of the channel in ``1/R``, over ``N / n_ridge``; `functions` are ``m_k`` off the nodes."""
        m = self.functions if functions is None else functions
        return np.asarray(np.sum(m * (part.q_matrix @ m), axis=0))

    def of_neurons(self, part: Response) -> Values:
        """Part of the channel in ``1/omega`` at the nodes: the diagonal of ``(K^{-1} + gamma D)^{-1}``."""
        return np.asarray(self.level_weights @ np.diagonal(part.y_levels, axis1=1, axis2=2))

    def of_new_neurons(
        self, part: Response, samples: Values, functions: Array, levels: Array
    ) -> tuple[Values, Values]:
        """``(K^{-1} + gamma D)^{-1}`` between neurons off the nodes and the nodes, and its diagonal there.

        `functions` and `levels` are those of the new neurons, shapes ``(n, n_q)`` and ``(n_levels, n)``.
        """
        cross = between(levels, (functions * samples) @ self.functions.T, self.levels)
        own = levels**2 * (functions**2 @ samples)
        own -= self.gamma * np.einsum("hna,hab,hnb->hn", cross, part.q_levels, cross, optimize=True)
        mixed = np.einsum("hna,hba->hnb", cross, part.z_levels)
        return self.over_levels(mixed), np.asarray(self.level_weights @ own)

    def derivatives(self, part: Response) -> tuple[Values, Values, Values]:
        """Means over the levels of squares that make up the Jacobian.

        Between samples, ``(n_q, n_q)``, and between neurons, ``(n_a, n_a)``, to be multiplied by ``-gamma``,
        and between both.
        """
        scaled = self.levels[:, :, None] * self.functions
        b = part.z_levels @ scaled
        c = np.swapaxes(scaled, 1, 2) @ part.q_levels @ scaled
        return self.over_levels(c * c), self.over_levels(part.y_levels**2), self.over_levels(b * b)

    def y_slope(self, part: Response, samples_slope: Values, neurons_slope: Values) -> Values:
        """Derivative of ``(K^{-1} + gamma D)^{-1}``, averaged over the levels, along a tangent."""
        k_slope = between(self.levels, self.second_moments(samples_slope), self.levels)
        change = part.z_levels @ k_slope @ np.swapaxes(part.z_levels, 1, 2)
        change -= self.gamma * (part.y_levels * neurons_slope) @ part.y_levels
        return self.over_levels(change)


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions of a channel that samples single out, and how stiff the neurons are along them.

    `levels` are relative standard deviations of the neurons' vectors along the directions, shape ``(n_levels,
    n_a)``; the positive `weights`, shape ``(n_levels, n_directions, n_directions)``, add up to the identity.
    """

    channel: Channel
    levels: Array
    weights: Array

    @property
    def count(self) -> int:
        """Number of directions."""
        return int(self.weights.shape[1])

    def stiffness(self, samples: Array, neurons: Array) -> Array:
        """Block of ``J`` at a state, shape ``(n_directions n_a,) * 2``."""
        k = self.channel.second_moments(samples)
        _, q = self.channel.resolvents(k, neurons, self.levels)
        block = np.linalg.inv(self._blocks(between(self.levels, q, self.levels))) / self.channel.gamma
        return np.asarray(block - np.kron(np.eye(self.count), k))

    def stiffness_slope(
        self, samples: Array, neurons: Array, samples_slope: Array, neurons_slope: Array
    ) -> Array:
        """Derivative of `stiffness` along a tangent of the state."""
        channel, levels = self.channel, self.levels
        k_slope = channel.second_moments(samples_slope)
        z, q = channel.resolvents(channel.second_moments(samples), neurons, levels)
        scaled = between(levels, q, levels)
        change = between(levels, np.swapaxes(z, 1, 2) @ (neurons_slope[:, None] * z), levels)
        change -= channel.gamma * scaled @ k_slope @ scaled
        inverse = np.linalg.inv(self._blocks(scaled))
        block = -inverse @ self._blocks(change) @ inverse / channel.gamma
        return np.asarray(block - np.kron(np.eye(self.count), k_slope))

    def _blocks(self, values: Array) -> Array:
        """Sum over the levels, between the directions."""
        size = self.count * values.shape[-1]
        return np.asarray(np.einsum("hij,hab->iajb", self.weights, values).reshape(size, size))
