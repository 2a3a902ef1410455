"""Channels x levels x directions: the parts of the features that are inner products of long vectors.

A feature is a latent function ``m_0(alpha, q)``, plus in each channel ``m_k(alpha, q)`` times the inner
product of a vector of the sample and one of the neuron, of dimension ``D_k``, plus noise. *Levels* are the
eigenvalues of the covariance of the neurons' vectors. *Directions* are the few that the latent variables of
samples single out. Degree one is a channel of levels that are alike for all neurons (`LevelChannel`) or of
the pencil of the first batch (`PencilChannel`); degree two is one of levels.

With ``D`` the resolvent of the neurons, ``h = D^{1/2} m`` and the coupling ``K = gamma h R h^T``, a channel
responds with ``Y(K)``, which is ``E[X (1 + K X)^{-1}]`` over its levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.lu import inverses

Array = NDArray[np.float64]
Values = NDArray[Any]


def diagonal(matrix: Values) -> Values:
    """Diagonal of a matrix, to be written to."""
    return np.asarray(np.einsum("ii->i", matrix))


def root_of(neurons: Values) -> Values:
    """``D^{1/2}``."""
    if np.isrealobj(neurons) and neurons.min() > 0.0:
        return np.asarray(np.sqrt(neurons))
    # In the upper half-plane of the eigenvalue the argument lies between -pi and 0: no cut there.
    root = np.sqrt(neurons.astype(complex))
    return np.asarray(np.where((neurons.real < 0.0) & (neurons.imag >= 0.0), -root, root))


@dataclass(frozen=True, eq=False)
class Response:
    """A channel at one state.

    Attributes
    ----------
    root, h
        ``D^{1/2}``, shape ``(n_a,)``, and ``D^{1/2} m_k``, shape ``(n_a, n_q)``: complex where ``D`` is
        negative.
    k, y
        Coupling and response, shape ``(n_a, n_a)``.
    detail
        What the channel needs again: `Response` of its levels, or of its pencil.
    defect
        Relative residual of the channel's own equations.
    """

    root: Values
    h: Values
    k: Values
    y: Values
    detail: Any = None
    defect: float = 0.0

    @cached_property
    def hy(self) -> Values:
        """``h`` times ``Y h``, shape ``(n_a, n_q)``."""
        return np.asarray(self.h * (self.y @ self.h))

    @cached_property
    def ky(self) -> Values:
        """``K`` times ``Y``, element by element: ``Y`` is symmetric."""
        return np.asarray(self.k * self.y)


@dataclass(frozen=True, eq=False)
class Channel(ABC):
    """One channel of the features.

    States enter as ``w R`` on the nodes of samples and as ``D = p omega`` on those of neurons.

    Parameters
    ----------
    functions
        ``m_k(alpha, q)`` on the nodes, shape ``(n_a, n_q)``.
    gamma
        ``gamma_k = N / D_k``.
    """

    functions: Array
    gamma: float

    @property
    @abstractmethod
    def growth(self) -> Array:
        """Mean squared length of a neuron's vector, shape ``(n_a,)``."""

    @property
    def alike(self) -> Channel:
        """The channel with neurons' vectors of the same lengths that are alike in all directions.

        What has a direct solution stays as it is.
        """
        return self

    @abstractmethod
    def respond(self, k: Values, previous: Response | None, *, fresh: bool) -> tuple[Values, Any, float]:
        """``Y`` at a coupling, with what else is known of it and its residual.

        Unless `fresh`, its derivatives may be those at a coupling nearby.
        """

    @abstractmethod
    def pairings(self, part: Response) -> tuple[Values, Values, Values]:
        """Derivative of ``Y`` along ``h_q h_q^T`` and ``(e_a K_a^T + K_a e_a^T) / 2``, between these.

        Shapes ``(n_q, n_q)``, ``(n_q, n_a)`` and ``(n_a, n_a)``.
        """

    def coupling(self, samples: Values, root: Values) -> tuple[Values, Values]:
        """``D^{1/2} m_k`` and ``K``."""
        h = root[:, None] * self.functions
        return h, (h * (self.gamma * samples)) @ h.T

    def response(
        self, samples: Values, root: Values, previous: Response | None = None, *, fresh: bool = True
    ) -> Response:
        """The channel at a state given by ``w R`` and ``D^{1/2}``; `previous` is that at one nearby.

        Unless `fresh`, its derivatives may be those at a state nearby.
        """
        h, k = self.coupling(samples, root)
        y, detail, defect = self.respond(k, previous, fresh=fresh)
        return Response(root, h, k, y, detail, defect)

    def moved(self, part: Response, samples: Values, root: Values) -> Response:
        """The channel at a state an infinitesimal step away."""
        return self.response(samples, root, part)

    def slope(self, part: Response, samples: Values, neurons: Values) -> Response:
        """Derivative of what `between` interpolates, along a tangent of ``w R`` and ``D``."""
        del samples, neurons
        return part

    def without_derivatives(self, part: Response) -> Response:
        """What of the channel is needed to guess its neighbours."""
        return replace(part)

    def between(self, parts: Sequence[Response], mirrored: Sequence[bool], weights: Array) -> Response:
        """Guess by interpolation between states, nearest first; of those `mirrored`, the conjugates."""
        del mirrored, weights
        return parts[0]

    def is_fresh(self, part: Response) -> bool:
        """Whether its derivatives are those at its own state."""
        del part
        return True

    def refreshed(self, part: Response) -> Response:
        """The same with the derivatives at its own state."""
        return part

    def is_physical(self, part: Response) -> bool:
        """Whether a real state above the bulk is connected with infinity."""
        del part
        return True

    def of_samples(self, part: Response, functions: Array | None = None) -> Values:
        """Part of the channel in ``1/R``, over ``N / n_ridge``; `functions` are ``m_k`` off the nodes."""
        if functions is None:
            return np.asarray(part.hy.sum(axis=0))
        h = part.root[:, None] * functions
        return np.asarray(np.sum(h * (part.y @ h), axis=0))

    def of_neurons(self, part: Response) -> Values:
        """Part of the channel in ``1/omega`` at the nodes."""
        return np.asarray(part.ky.sum(axis=1) / (self.gamma * part.root**2))

    def by_state(self, part: Response, gradient: Array) -> tuple[Array, Array]:
        """Derivatives in ``w R`` and in ``log omega`` of a function of ``K`` with a symmetric gradient."""
        by_samples = self.gamma * np.sum(part.h * (gradient @ part.h), axis=0)
        return by_samples, np.sum(gradient * part.k, axis=1)

    def between_neurons(self, part: Response) -> Values:
        """``(K_h^{-1} + gamma D)^{-1}`` at the nodes, averaged over levels, or else of unit vectors."""
        return np.asarray((part.k - part.k @ part.y @ part.k) / (self.gamma * part.root[:, None] * part.root))

    @abstractmethod
    def between_gradient(self, part: Response, weights: Array) -> tuple[Array, Array]:
        """Derivatives of the sum of `between_neurons` with symmetric weights, in ``K`` and ``log omega``."""

    def to_other_neurons(self, part: Response, samples: Values, others: Channel) -> Values:
        """`between_neurons` of neurons of no weight with the nodes, shape ``(n_others, n_a)``."""
        row = self.overlaps(part, samples, others)[1] / part.root
        return np.asarray(row - (row * part.root) @ part.y @ part.k / part.root)

    @abstractmethod
    def of_other_neurons(self, part: Response, samples: Values, others: Channel) -> Values:
        """Part of the channel in ``1/omega`` of neurons of no weight beside those at the nodes.

        `others` is the same channel on the readout weights of these neurons; shape ``(n_others,)``.
        """

    def overlaps(self, part: Response, samples: Values, others: Channel) -> tuple[Values, Values]:
        """``m R m`` of `others` with themselves, and ``m R h`` with the nodes, ``(n_others, n_a)``."""
        weighted = others.functions * samples
        return np.sum(weighted * others.functions, axis=1), weighted @ part.h.T

    def derivatives(self, part: Response) -> tuple[Values, Values, Values]:
        """Derivatives of `of_samples` in ``w R`` and in ``log omega``, and of ``p omega`` times `of_neurons`.

        The last is that in ``log omega``; in ``w R`` it is the second, transposed. Shapes ``(n_q, n_q)``,
        ``(n_q, n_a)`` and ``(n_a, n_a)``.
        """
        among_samples, mixed, among_neurons = self.pairings(part)
        ky = part.ky
        own = among_neurons + 0.5 * ky
        diagonal(own)[:] -= 0.5 * ky.sum(axis=1)
        own /= self.gamma
        return self.gamma * among_samples, part.hy.T + mixed, own


@dataclass(frozen=True, eq=False)
class LevelChannel(Channel):
    """A channel whose neurons' vectors have levels along common eigenvectors.

    Parameters
    ----------
    functions, gamma
        As for any channel.
    levels
        Standard deviation of a neuron's vector along each eigenvector, shape ``(n_levels, n_a)``.
    level_weights
        Shares of the eigenvectors, shape ``(n_levels,)``.
    """

    levels: Array
    level_weights: Array

    @property
    def growth(self) -> Array:  # noqa: D102
        return np.asarray(self.level_weights @ self.levels**2)

    def respond(  # noqa: D102
        self, k: Values, previous: Response | None, *, fresh: bool
    ) -> tuple[Values, Values, float]:
        del previous, fresh
        try:
            y = self.at_levels(k, self.levels)
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the resolvent of the linear part is singular", residual=np.inf) from error
        return self._mean(y), y, 0.0

    @staticmethod
    def at_levels(k: Values, levels: Array) -> Values:
        """``s (1 + s K s)^{-1} s``, shape ``(n_levels, n_a, n_a)``."""
        outer = levels[:, :, None] * levels[:, None, :]
        inner = outer * k
        np.einsum("lii->li", inner)[:] += 1.0
        return outer * inverses(inner)

    def of_other_neurons(self, part: Response, samples: Values, others: Channel) -> Values:  # noqa: D102
        assert isinstance(others, LevelChannel)
        own, row = self.overlaps(part, samples, others)
        seen = np.sum(row @ part.detail * row, axis=2)
        return np.asarray(self.level_weights @ (others.levels**2 * (own - self.gamma * seen)))

    def to_other_neurons(self, part: Response, samples: Values, others: Channel) -> Values:  # noqa: D102
        assert isinstance(others, LevelChannel)
        row = self.overlaps(part, samples, others)[1] / part.root
        seen = row - (row * part.root) @ part.detail @ part.k / part.root
        return self._mean(others.levels[:, :, None] * seen * self.levels[:, None, :])

    def between_neurons(self, part: Response) -> Values:  # noqa: D102
        rest = self.levels[:, :, None] * (part.k - part.k @ part.detail @ part.k) * self.levels[:, None, :]
        return self._mean(rest) / (self.gamma * part.root[:, None] * part.root)

    def between_gradient(self, part: Response, weights: Array) -> tuple[Array, Array]:  # noqa: D102
        rest = np.eye(part.root.size) - part.detail @ part.k
        inner = weights / (self.gamma * part.root[:, None] * part.root)
        inner = self.levels[:, :, None] * inner * self.levels[:, None, :]
        return self._mean(rest @ inner @ rest.swapaxes(1, 2)), -(weights * self.between_neurons(part)).sum(1)

    def pairings(self, part: Response) -> tuple[Values, Values, Values]:  # noqa: D102
        y, k = part.detail, part.k
        yh, ky = y @ part.h, k @ y
        first = (part.h.T @ yh) ** 2
        second = yh * (ky @ part.h)
        third = ky * np.swapaxes(ky, 1, 2) + (ky @ k) * y
        return -self._mean(first), -self._mean(second).T, -0.5 * self._mean(third)

    def _mean(self, values: Values) -> Values:
        if self.level_weights.size == 1:
            return np.asarray(values[0])
        return np.asarray(
            (self.level_weights @ values.reshape(values.shape[0], -1)).reshape(values.shape[1:])
        )


COMPLEX_STEP = 1e-30
"""Of derivatives along a tangent: exact to rounding, since the functions are analytic."""


class Along(ABC):
    """Directions of a channel at one state."""

    @property
    @abstractmethod
    def response(self) -> Values:
        """``D^T Y D`` between the directions, shape ``(count, n_a, count, n_a)``."""

    @abstractmethod
    def gradient(self, vector: Array) -> Array:
        """Derivative in ``K`` of the quadratic form of a vector in the response, shape ``(n_a, n_a)``.

        The vector has shape ``(count, n_a)``.
        """


class Directions(ABC):
    """Directions of a channel that samples single out."""

    channel: Channel

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of directions."""

    @abstractmethod
    def along(self, part: Response) -> Along:
        """The directions at a state."""

    def stiffness(self, part: Response, inverse: Values) -> Values:
        """Block of ``J`` at a state, shape ``(count n_a,) * 2``, from the inverse of the response."""
        found, n_a = np.array(inverse), part.root.size
        for start in range(0, self.count * n_a, n_a):
            found[start : start + n_a, start : start + n_a] -= part.k
        root = np.concatenate([part.root] * self.count)
        return np.asarray(found / (self.channel.gamma * root[:, None] * root))

    def form_gradient(
        self, part: Response, along: Along, inverse: Array, vector: Array
    ) -> tuple[Array, Array]:
        """Derivatives of the quadratic form of a vector in that block, in ``K`` and in ``log omega``."""
        x = vector.reshape(self.count, -1) / part.root
        pulled = (inverse @ x.ravel()).reshape(x.shape)
        by_coupling = -(x.T @ x + along.gradient(pulled)) / self.channel.gamma
        return by_coupling, -np.sum(x * (pulled - x @ part.k), axis=0) / self.channel.gamma


@dataclass(frozen=True, eq=False)
class LevelDirections(Directions):
    """Directions with levels and weights of their own.

    `levels` are relative standard deviations of the neurons' vectors along the directions, shape ``(n_levels,
    n_a)``; the positive `weights`, shape ``(n_levels, n_directions, n_directions)``, add up to the identity.
    """

    channel: LevelChannel
    levels: Array
    weights: Array

    @property
    def count(self) -> int:  # noqa: D102
        return int(self.weights.shape[1])

    def along(self, part: Response) -> LevelAlong:  # noqa: D102
        return LevelAlong(self.weights, self.channel.at_levels(part.k, self.levels))


@dataclass(frozen=True, eq=False)
class LevelAlong(Along):
    """Directions by their weights, and ``Y`` at each of their levels."""

    weights: Array
    y: Values

    @property
    def response(self) -> Values:  # noqa: D102
        return np.asarray(np.einsum("hij,hab->iajb", self.weights, self.y))

    def gradient(self, vector: Array) -> Array:  # noqa: D102
        image = np.einsum("hab,ib->hia", self.y, vector)
        return np.asarray(-np.einsum("hij,hia,hjb->ab", self.weights, image, image, optimize=True))
