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

SAME = 1e-3
"""Relative change of the coupling over which derivatives are kept: each step then still gains about three digits."""

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

    @property
    @abstractmethod
    def growth(self) -> Array:
        """Mean squared length of a neuron's vector, shape ``(n_a,)``."""

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

    def coupling(self, samples: Values, neurons: Values) -> tuple[Values, Values, Values]:
        """``D^{1/2}``, ``D^{1/2} m_k`` and ``K``."""
        if np.isrealobj(neurons) and np.all(neurons > 0.0):
            root = np.sqrt(neurons)
        else:
            # In the upper half-plane of the eigenvalue the argument lies between -pi and 0: no cut there.
            root = np.sqrt(neurons.astype(complex))
            root = np.where((neurons.real < 0.0) & (neurons.imag >= 0.0), -root, root)
        h = root[:, None] * self.functions
        return root, h, self.gamma * (h * samples) @ h.T

    def response(
        self, samples: Values, neurons: Values, previous: Response | None = None, *, fresh: bool = True
    ) -> Response:
        """The channel at a state; `previous` is that at one nearby.

        Unless `fresh`, its derivatives may be those at a state nearby.
        """
        root, h, k = self.coupling(samples, neurons)
        y, detail, defect = self.respond(k, previous, fresh=fresh)
        return Response(root, h, k, y, detail, defect)

    def moved(self, part: Response, samples: Values, neurons: Values) -> Response:
        """The channel at a state an infinitesimal step away."""
        return self.response(samples, neurons, part)

    def is_fresh(self, part: Response) -> bool:
        """Whether its derivatives are those at its own state."""
        del part
        return True

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
class _Slopes:
    """The linear map of a pencil from one coupling to the next, between flat symmetric matrices.

    Attributes
    ----------
    k
        Coupling at which the others were computed.
    inverse
        From a defect of ``Nu`` to Newton's step.
    source
        From a change of the rows to one of ``M``; its transpose is from ``Nu`` to ``Y``.
    to_nu, to_y
        Derivatives of ``Nu`` and of ``Y`` in ``K``.
    """

    k: Values
    inverse: Values
    source: Values
    to_nu: Values
    to_y: Values


@dataclass(frozen=True, eq=False)
class _PencilState:
    """A pencil at a coupling.

    Attributes
    ----------
    levels
        Where it is.
    slopes
        The linear map there, or at a coupling nearby.
    shift
        Newton's step of ``Nu`` that is left.
    """

    levels: LevelState
    slopes: _Slopes
    shift: Values

    def predicted(self, k: Values) -> Values:
        """``Nu`` at another coupling, to first order."""
        step = self.shift + self.slopes.to_nu @ _flat(k - self.levels.k)
        nu = self.levels.nu + _square(step, self.levels.nu.shape[0])
        return nu.real if np.isrealobj(k) else nu

    @property
    def fresh(self) -> bool:
        """Whether the linear map is that at this coupling."""
        return self.slopes.k is self.levels.k


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

    @property
    def growth(self) -> Array:  # noqa: D102
        return np.diagonal(self._uncoupled[0]).copy()

    def respond(  # noqa: D102
        self, k: Values, previous: Response | None, *, fresh: bool
    ) -> tuple[Values, _PencilState, float]:
        v, pencil = self.pencil.isometry, self.pencil
        small = v.T @ k @ v
        last: _PencilState | None = None if previous is None else previous.detail
        nu = pencil.uncoupled.nu.astype(small.dtype) if last is None else last.predicted(small)
        size = 1.0 + float(np.max(np.abs(pencil.uncoupled.nu), initial=0.0))
        for _ in range(PENCIL_STEPS):
            try:
                levels = pencil.at(small, nu)
                slopes = (
                    last.slopes
                    if last and not fresh and _near(small, last.slopes.k)
                    else self._slopes(levels)
                )
            except np.linalg.LinAlgError as error:
                raise ConvergenceError("the response of the samples is singular", residual=np.inf) from error
            shift = slopes.inverse @ _flat(pencil.batch.residuals.mean(levels.om) - nu)
            defect = float(np.max(np.abs(shift), initial=0.0)) / size
            if not np.isfinite(defect):
                break
            if defect < NEAR:
                y = self._mean(levels.y) + _square(slopes.source.T @ shift, small.shape[0])
                return self._lifted(y), _PencilState(levels, slopes, shift), defect
            nu, last = nu + _square(shift, nu.shape[0]), None
        raise ConvergenceError("the rows of the first batch were not solved", residual=defect)

    def moved(self, part: Response, samples: Values, neurons: Values) -> Response:  # noqa: D102
        root, h, k = self.coupling(samples, neurons)
        small = self.pencil.isometry.T @ k @ self.pencil.isometry
        levels = self.pencil.at(small, part.detail.predicted(small))
        return Response(root, h, k, self._lifted(self._mean(levels.y)), replace(part.detail, levels=levels))

    def is_fresh(self, part: Response) -> bool:  # noqa: D102
        return bool(part.detail.fresh)

    def is_physical(self, part: Response) -> bool:  # noqa: D102
        return self.pencil.is_physical(part.detail.levels.m)

    def _slopes(self, levels: LevelState) -> _Slopes:
        batch, shares = self.pencil.batch, self.pencil.batch.proportions
        samples = batch.phi * _congruence(levels.om, batch.residuals.weights)
        green, source = _congruence(levels.green, shares), _congruence(levels.source, shares)
        inverse = np.linalg.inv(np.eye(samples.shape[0]) - samples @ green)
        to_nu = -inverse @ (samples @ source)
        return _Slopes(levels.k, inverse, source, to_nu, source.T @ to_nu - _congruence(levels.y, shares))

    def _mean(self, values: Values) -> Values:
        """Mean over the levels of the inputs."""
        return np.asarray(np.tensordot(self.pencil.batch.proportions, values, axes=1))

    def _lifted(self, y: Values) -> Values:
        """``Y`` on all nodes from that on the nodes of the pencil."""
        pencil, v = self.pencil, self.pencil.isometry
        if not pencil.reduced:
            return y
        wide, narrow = self._uncoupled
        return wide + v @ (y - narrow) @ v.T

    @cached_property
    def _uncoupled(self) -> tuple[Array, Array]:
        return self._mean(self.pencil.free.uncoupled.y), self._mean(self.pencil.uncoupled.y)

    def pairings(self, part: Response) -> tuple[Values, Values, Values]:  # noqa: D102
        v = self.pencil.isometry
        i, j, factor = _pairs(v.shape[1])
        h, k, linear = v.T @ part.h, part.k @ v, part.detail.slopes.to_y
        samples = factor[:, None] * h[i] * h[j]
        neurons = 0.5 * factor[:, None] * (v.T[i] * k.T[j] + v.T[j] * k.T[i])
        image = linear @ neurons
        return samples.T @ linear @ samples, samples.T @ image, neurons.T @ image


@lru_cache(maxsize=64)
def _pairs(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Indices of the upper triangle, and factors that keep inner products of symmetric matrices."""
    i, j = np.triu_indices(size)
    return i, j, np.where(i == j, 1.0, np.sqrt(2.0))


def _near(k: Values, other: Values) -> bool:
    """Whether derivatives at one coupling serve at another."""
    return bool(k.dtype == other.dtype and np.max(np.abs(k - other)) < SAME * np.max(np.abs(k)))


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

    `levels` are relative standard deviations of the neurons' vectors along the directions, shape ``(n_levels,
    n_a)``; the positive `weights`, shape ``(n_levels, n_directions, n_directions)``, add up to the identity.
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
        response = self.special.response(pencil, found.levels.k, found.levels.m)
        if not pencil.reduced:
            return response
        v, (wide, narrow) = pencil.isometry, self._uncoupled
        small = response - narrow
        return np.asarray(wide + np.einsum("ax,ixjy,by->iajb", v, small, v, optimize=True))

    @cached_property
    def _uncoupled(self) -> tuple[Values, Values]:
        pencils = self.channel.pencil.free, self.channel.pencil
        wide, narrow = (
            self.special.response(p, np.zeros((p.nodes, p.nodes)), p.uncoupled.m) for p in pencils
        )
        return wide, narrow
