"""Channels x levels x directions: the parts of the features that are inner products of long vectors.

A feature is a latent function ``m_0(alpha, q)``, plus in each channel ``m_k(alpha, q)`` times the inner
product of a vector of the sample and one of the neuron, of dimension ``D_k``, plus noise. *Levels* are the
eigenvalues of the covariance of the neurons' vectors. *Directions* are the few that the latent variables of
samples single out. Degree one is a channel of levels that are alike for all neurons (`LevelChannel`) or of the pencil
of the first batch (`PencilChannel`); degree two is one of levels.

With ``D`` the resolvent of the neurons, ``h = D^{1/2} m`` and the coupling ``K = gamma h R h^T``, a channel responds
with ``Y(K)``, which is ``E[X (1 + K X)^{-1}]`` over its levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.levels import LevelState, Pencil

Array = NDArray[np.float64]
Values = NDArray[Any]

NEAR = 0.05
"""Relative defect of the pencil below which one step of Newton's method is left to that of the other unknowns."""

PENCIL_STEPS = 40
"""Of Newton's method at a fixed coupling: from the last state it takes one or two, without one at most 12."""


@dataclass(frozen=True, eq=False)
class Response:
    """A channel at one state.

    Attributes
    ----------
    root, h
        ``D^{1/2}``, shape ``(n_a,)``, and ``D^{1/2} m_k``, shape ``(n_a, n_q)``: complex where ``D`` is negative.
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

    @abstractmethod
    def respond(self, k: Values, previous: Response | None) -> tuple[Values, Any, float]:
        """``Y`` at a coupling, with what else is known of it and its residual."""

    @abstractmethod
    def pairings(self, part: Response) -> tuple[Values, Values, Values]:
        """Derivative of ``Y`` along ``h_q h_q^T`` and ``(e_a K_a^T + K_a e_a^T) / 2``, between these.

        Shapes ``(n_q, n_q)``, ``(n_q, n_a)`` and ``(n_a, n_a)``.
        """

    def coupling(self, samples: Values, neurons: Values) -> tuple[Values, Values, Values]:
        """``D^{1/2}``, ``D^{1/2} m_k`` and ``K``."""
        root = np.sqrt(neurons + 0j) if np.isrealobj(neurons) and np.any(neurons < 0.0) else np.sqrt(neurons)
        h = root[:, None] * self.functions
        return root, h, self.gamma * (h * samples) @ h.T

    def response(self, samples: Values, neurons: Values, previous: Response | None = None) -> Response:
        """The channel at a state; `previous` is that at one nearby."""
        root, h, k = self.coupling(samples, neurons)
        y, detail, defect = self.respond(k, previous)
        return Response(root, h, k, y, detail, defect)

    def moved(self, part: Response, samples: Values, neurons: Values) -> Response:
        """The channel at a state an infinitesimal step away."""
        return self.response(samples, neurons, part)

    def is_physical(self, part: Response) -> bool:
        """Whether a real state above the bulk is connected with infinity."""
        del part
        return True

    def of_samples(self, part: Response, functions: Array | None = None) -> Values:
        """Part of the channel in ``1/R``, over ``N / n_ridge``; `functions` are ``m_k`` off the nodes."""
        h = part.h if functions is None else part.root[:, None] * functions
        return np.asarray(np.sum(h * (part.y @ h), axis=0))

    def of_neurons(self, part: Response) -> Values:
        """Part of the channel in ``1/omega`` at the nodes."""
        return np.asarray(np.sum(part.k * part.y.T, axis=1) / (self.gamma * part.root**2))

    def derivatives(self, part: Response, samples: Values) -> tuple[Values, Values, Values, Values]:
        """Derivatives of `of_samples` and of `of_neurons` in ``log R`` and in ``log omega``.

        Shapes ``(n_q, n_q)``, ``(n_q, n_a)``, ``(n_a, n_q)`` and ``(n_a, n_a)``.
        """
        among_samples, mixed, among_neurons = self.pairings(part)
        hy = part.h * (part.y @ part.h)
        own = among_neurons + 0.5 * part.k * part.y
        own[np.diag_indices_from(own)] -= 0.5 * np.sum(part.k * part.y.T, axis=1)
        size = (self.gamma * part.root**2)[:, None]
        return (
            self.gamma * among_samples * samples,
            hy.T + mixed,
            self.gamma * (hy + mixed.T) * samples / size,
            own / size,
        )


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

    def respond(self, k: Values, previous: Response | None) -> tuple[Values, Values, float]:  # noqa: D102
        del previous
        try:
            y = self.at_levels(k, self.levels)
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the resolvent of the linear part is singular", residual=np.inf) from error
        return self._mean(y), y, 0.0

    @staticmethod
    def at_levels(k: Values, levels: Array) -> Values:
        """``s (1 + s K s)^{-1} s``, shape ``(n_levels, n_a, n_a)``."""
        inner = np.linalg.inv(np.eye(k.shape[0]) + levels[:, :, None] * k * levels[:, None, :])
        return np.asarray(levels[:, :, None] * inner * levels[:, None, :])

    def between_neurons(self, part: Response) -> Values:
        """``(K_h^{-1} + gamma D)^{-1}`` at the nodes, averaged over the levels, ``K_h = s k s``."""
        rest = self.levels[:, :, None] * (part.k - part.k @ part.detail @ part.k) * self.levels[:, None, :]
        return self._mean(rest) / (self.gamma * part.root[:, None] * part.root)

    def pairings(self, part: Response) -> tuple[Values, Values, Values]:  # noqa: D102
        y, k = part.detail, part.k
        yh, ky = y @ part.h, k @ y
        first = self._mean((np.swapaxes(part.h[None], 1, 2) @ yh) ** 2)
        second = self._mean(np.swapaxes(yh * (k @ yh), 1, 2))
        third = self._mean(0.5 * (ky * np.swapaxes(ky, 1, 2) + (ky @ k) * y))
        return -first, -second, -third

    def _mean(self, values: Values) -> Values:
        if self.level_weights.size == 1:
            return np.asarray(values[0])
        return np.asarray(np.tensordot(self.level_weights, values, axes=1))


@dataclass(frozen=True, eq=False)
class _Linearised:
    """A pencil at a coupling: its state, and the linear map to the next one.

    Attributes
    ----------
    state
        Where it is.
    shift
        Newton's step of ``Nu`` at that coupling, flat and symmetric.
    to_nu, to_y, to_m
        Derivatives of ``Nu``, of ``Y`` and of ``M`` in ``K`` on the pencil's nodes, between flat symmetric matrices.
    y
        Mean of ``Y`` over the levels, with what the step of ``Nu`` changes.
    """

    state: LevelState
    shift: Values
    to_nu: Values
    to_y: Values
    to_m: Values
    y: Values


@dataclass(frozen=True, eq=False)
class PencilChannel(Channel):
    """The channel of degree one, with the rows of a first batch.

    Parameters
    ----------
    functions, gamma
        As for any channel; the functions are divided by the lengths of the rows.
    pencil
        How rows grow.
    """

    pencil: Pencil

    def respond(self, k: Values, previous: Response | None) -> tuple[Values, _Linearised, float]:  # noqa: D102
        v, pencil = self.pencil.isometry, self.pencil
        small = v.T @ k @ v
        if previous is None:
            nu = pencil.uncoupled.nu.astype(small.dtype)
        else:
            last: _Linearised = previous.detail
            step = last.shift + last.to_nu @ _flat(small - last.state.k)
            nu = last.state.nu + _square(step, last.state.nu.shape[0])
            nu = nu.real if np.isrealobj(small) else nu
        size = 1.0 + float(np.max(np.abs(pencil.uncoupled.nu), initial=0.0))
        for _ in range(PENCIL_STEPS):
            try:
                found = self._linearised(small, nu)
            except np.linalg.LinAlgError as error:
                raise ConvergenceError("the response of the samples is singular", residual=np.inf) from error
            defect = float(np.max(np.abs(found.shift), initial=0.0)) / size
            if not np.isfinite(defect):
                break
            if defect < NEAR:
                return self._lifted(found.y), found, defect
            nu = nu + _square(found.shift, nu.shape[0])
        raise ConvergenceError("the rows of the first batch were not solved", residual=defect)

    def moved(self, part: Response, samples: Values, neurons: Values) -> Response:  # noqa: D102
        root, h, k = self.coupling(samples, neurons)
        v, pencil, last = self.pencil.isometry, self.pencil, part.detail
        small = v.T @ k @ v
        nu = last.state.nu + _square(
            last.shift + last.to_nu @ _flat(small - last.state.k), last.state.nu.shape[0]
        )
        state = pencil.at(small, nu)
        y = np.tensordot(pencil.batch.proportions, state.y, axes=1)
        return Response(root, h, k, self._lifted(y), replace(last, state=state))

    def is_physical(self, part: Response) -> bool:  # noqa: D102
        return self.pencil.is_physical(part.detail.state.m)

    def _linearised(self, k: Values, nu: Values) -> _Linearised:
        pencil, batch = self.pencil, self.pencil.batch
        state, shares = pencil.at(k, nu), batch.proportions
        samples = batch.phi * _congruence(state.om, batch.residuals.weights)
        green, source = _congruence(state.green, shares), _congruence(state.source, shares)
        defect = _flat(batch.residuals.mean(state.om) - nu)
        system = np.eye(defect.size) - samples @ green
        solved = np.linalg.solve(system, np.column_stack([defect, -samples @ source]))
        shift, to_nu = solved[:, 0], solved[:, 1:]
        to_y = source.T @ to_nu - _congruence(state.y, shares)
        y = np.tensordot(shares, state.y, axes=1) + _square(source.T @ shift, k.shape[0])
        return _Linearised(state, shift, to_nu, to_y, source - green @ to_nu, y)

    def _lifted(self, y: Values) -> Values:
        """``Y`` on all nodes from that on the nodes of the pencil."""
        pencil, v = self.pencil, self.pencil.isometry
        if not pencil.reduced:
            return y
        wide, narrow = self._uncoupled
        return wide + v @ (y - narrow) @ v.T

    @cached_property
    def _uncoupled(self) -> tuple[Array, Array]:
        shares = self.pencil.batch.proportions
        wide, narrow = self.pencil.free.uncoupled.y, self.pencil.uncoupled.y
        return np.tensordot(shares, wide, axes=1), np.tensordot(shares, narrow, axes=1)

    def pairings(self, part: Response) -> tuple[Values, Values, Values]:  # noqa: D102
        v = self.pencil.isometry
        i, j, factor = _pairs(v.shape[1])
        h, k, linear = v.T @ part.h, part.k @ v, part.detail.to_y
        samples = factor[:, None] * h[i] * h[j]
        neurons = 0.5 * factor[:, None] * (v.T[i] * k.T[j] + v.T[j] * k.T[i])
        image = linear @ neurons
        return samples.T @ linear @ samples, samples.T @ image, neurons.T @ image


@lru_cache(maxsize=64)
def _pairs(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Indices of the upper triangle, and factors that keep inner products of symmetric matrices."""
    i, j = np.triu_indices(size)
    return i, j, np.where(i == j, 1.0, np.sqrt(2.0))


def _flat(matrix: Values) -> Values:
    """Symmetric matrix as a vector of the same norm."""
    i, j, factor = _pairs(matrix.shape[0])
    return np.asarray(factor * matrix[i, j])


def _square(vector: Values, size: int) -> Values:
    """Symmetric matrix of a vector."""
    i, j, factor = _pairs(size)
    matrix = np.zeros((size, size), dtype=vector.dtype)
    matrix[i, j] = matrix[j, i] = vector / factor
    return matrix


def _congruence(matrices: Values, weights: Array) -> Values:
    """The map ``X -> sum_n w_n A_n X A_n^T`` of symmetric matrices, flat; the matrices have shape ``(n, p, q)``."""
    i, j, factor = _pairs(matrices.shape[1])
    left = np.transpose(weights[:, None, None] * matrices[:, i], (1, 2, 0))
    values = left @ np.swapaxes(matrices[:, j], 0, 1)
    k, m, columns = _pairs(matrices.shape[2])
    return 0.5 * factor[:, None] * (values[:, k, m] + values[:, m, k]) * columns


class Directions(ABC):
    """Directions of a channel that samples single out."""

    channel: Channel

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of directions."""

    @abstractmethod
    def response(self, part: Response) -> Values:
        """``D^T Y D`` between the directions, shape ``(count, n_a, count, n_a)``."""

    def stiffness(self, part: Response) -> Values:
        """Block of ``J`` at a state, shape ``(count n_a,) * 2``, without the factor ``D^{1/2}`` on both sides."""
        size = self.count * part.root.size
        root = np.tile(part.root, self.count)
        block = np.linalg.inv(self.response(part).reshape(size, size)) - np.kron(np.eye(self.count), part.k)
        return np.asarray(block / (self.channel.gamma * root[:, None] * root))


@dataclass(frozen=True, eq=False)
class LevelDirections(Directions):
    """Directions with levels and weights of their own.

    Parameters
    ----------
    channel
        Their channel.
    levels, weights
        Relative standard deviations of the neurons' vectors along the directions: shapes ``(n_levels, n_a)``
        and ``(n_levels, n_directions, n_directions)``, positive; the weights add up to the identity.
    """

    channel: LevelChannel
    levels: Array
    weights: Array

    @property
    def count(self) -> int:  # noqa: D102
        return int(self.weights.shape[1])

    def response(self, part: Response) -> Values:  # noqa: D102
        return np.asarray(
            np.einsum("hij,hab->iajb", self.weights, self.channel.at_levels(part.k, self.levels))
        )


@dataclass(frozen=True, eq=False)
class PencilDirections(Directions):
    """The learnt direction and the teacher's, along which the pencil grows in its own way.

    Parameters
    ----------
    channel
        Degree one.
    special
        The directions.
    """

    channel: PencilChannel
    special: SpecialDirections

    @property
    def count(self) -> int:  # noqa: D102
        return int(self.special.frame.shape[1])

    def response(self, part: Response) -> Values:  # noqa: D102
        pencil, found = self.channel.pencil, part.detail
        response = self.special.response(pencil, found.state.k, found.state.m)
        if not pencil.reduced:
            return response
        v, (wide, narrow) = pencil.isometry, self._uncoupled
        return wide + np.einsum("ax,ixjy,by->iajb", v, response - narrow, v, optimize=True)

    @cached_property
    def _uncoupled(self) -> tuple[Values, Values]:
        pencils = self.channel.pencil.free, self.channel.pencil
        wide, narrow = (
            self.special.response(p, np.zeros((p.nodes, p.nodes)), p.uncoupled.m) for p in pencils
        )
        return wide, narrow
