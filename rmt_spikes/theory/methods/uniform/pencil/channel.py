"""Degree one as a channel whose rows have the pencil of a first batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.lu import lu_factors, lu_solution
from rmt_spikes.theory.methods.uniform.channels import (
    Along,
    Channel,
    Directions,
    LevelChannel,
    Response,
    diagonal,
)
from rmt_spikes.theory.methods.uniform.pencil.directions import Growth, SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.levels import LevelState, Pencil
from rmt_spikes.theory.methods.uniform.pencil.others import response_of_others

Array = NDArray[np.float64]
Values = NDArray[Any]

NEAR = 0.05
"""Relative defect of the pencil below which a step of Newton's method is left to that of the rest."""

SAME = 3e-3
"""Relative change of the coupling over which derivatives are kept: each step still gains two digits."""

PENCIL_STEPS, FOLLOWED_STEPS = 40, 4
"""Of Newton's method at a fixed coupling, from nothing and from a state nearby: it takes at most 12, and one
or two. Where it needs more the state is not nearby."""


@dataclass(frozen=True, eq=False)
class _Slopes:
    """The linear map of a pencil from one coupling to the next, between flat symmetric matrices.

    Attributes
    ----------
    k
        Coupling at which the others were computed.
    factors
        Of the matrix that takes Newton's step of ``Nu`` to its defect: its LU decomposition.
    source
        From a change of the rows to one of ``M``; its transpose is from ``Nu`` to ``Y``.
    to_nu, to_y
        Derivatives of ``Nu`` and of ``Y`` in ``K``.
    """

    k: Values
    factors: tuple[Values, NDArray[np.int32]]
    source: Values
    to_nu: Values
    to_y: Values

    def step(self, defect: Values) -> Values:
        """Newton's step of ``Nu``, flat."""
        return lu_solution(self.factors, defect)


@dataclass(frozen=True, eq=False)
class _PencilState:
    """A pencil at a coupling.

    Attributes
    ----------
    levels
        Where it is.
    slopes
        The linear map there, or at a coupling nearby; None where it is not kept.
    shift
        Newton's step of ``Nu`` that is left.
    """

    levels: LevelState
    slopes: _Slopes | None
    shift: Values

    def predicted(self, k: Values) -> Values:
        """``Nu`` at another coupling, to first order where the linear map is known."""
        step = self.shift
        if self.slopes is not None:
            step = step + self.slopes.to_nu @ _flat(k - self.levels.k)
        nu = self.levels.nu + _square(step, self.levels.nu.shape[0])
        return nu.real if np.isrealobj(k) else nu

    @property
    def fresh(self) -> bool:
        """Whether the linear map is that at this coupling."""
        return self.slopes is not None and self.slopes.k is self.levels.k


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
        batch = self.pencil.batch
        return np.asarray(batch.proportions @ self.pencil.free.apart.growth)

    @property
    def alike(self) -> LevelChannel:  # noqa: D102
        return LevelChannel(self.functions, self.gamma, np.sqrt(self.growth)[None], np.ones(1))

    def respond(  # noqa: D102
        self, k: Values, previous: Response | None, *, fresh: bool
    ) -> tuple[Values, _PencilState, float]:
        v, pencil = self.pencil.isometry, self.pencil
        small = v.T @ k @ v
        last: _PencilState | None = None if previous is None else previous.detail
        nu = pencil.spread(pencil.apart.nu).astype(small.dtype) if last is None else last.predicted(small)
        for _ in range(PENCIL_STEPS if last is None else FOLLOWED_STEPS):
            known = last and last.slopes and not fresh and _near(small, last.slopes.k)
            try:
                found = self._found(pencil.at(small, nu), last.slopes if last and known else None)
            except np.linalg.LinAlgError as error:
                raise ConvergenceError("the response of the samples is singular", residual=np.inf) from error
            shift = found.shift
            defect = float(np.abs(shift).max(initial=0.0)) / self._size
            if not np.isfinite(defect):
                break
            if defect < NEAR:
                return self._response(found), found, defect
            nu, last = nu + _square(shift, nu.shape[0]), None
        raise ConvergenceError("the rows of the first batch were not solved", residual=defect)

    @cached_property
    def _size(self) -> float:
        """Size of ``Nu``."""
        return 1.0 + float(np.max(np.abs(self.pencil.apart.nu), initial=0.0))

    def refreshed(self, part: Response) -> Response:  # noqa: D102
        if part.detail.fresh:
            return part
        found = self._found(part.detail.levels, None)
        return replace(part, y=self._response(found), detail=found)

    def _found(self, levels: LevelState, slopes: _Slopes | None) -> _PencilState:
        """The pencil where it is, with a linear map that is known nearby or with that there."""
        slopes = self._slopes(levels) if slopes is None else slopes
        shift = slopes.step(_flat(self.pencil.batch.residuals.mean(levels.om) - levels.nu))
        return _PencilState(levels, slopes, shift)

    def _response(self, found: _PencilState) -> Values:
        """``Y`` on all nodes."""
        assert found.slopes is not None
        shift = _square(found.slopes.source.T @ found.shift, self.pencil.nodes)
        return self._lifted(self.pencil.mean(found.levels.y) + shift)

    def moved(self, part: Response, samples: Values, root: Values) -> Response:  # noqa: D102
        h, k = self.coupling(samples, root)
        small = self.pencil.isometry.T @ k @ self.pencil.isometry
        levels = self.pencil.at(small, part.detail.predicted(small))
        levels = replace(levels, near=part.detail.levels)
        return Response(
            root, h, k, self._lifted(self.pencil.mean(levels.y)), replace(part.detail, levels=levels)
        )

    def slope(self, part: Response, samples: Values, neurons: Values) -> Response:  # noqa: D102
        part = part if part.detail.slopes is not None else self.refreshed(part)
        v, levels, slopes = self.pencil.isometry, part.detail.levels, part.detail.slopes
        growth = 0.5 * neurons / part.root**2
        change = (self.gamma * part.h * samples) @ part.h.T + (growth[:, None] + growth) * part.k
        small = v.T @ change @ v
        nu = _square(slopes.to_nu @ _flat(small), levels.nu.shape[0])
        return replace(part, detail=replace(part.detail, levels=replace(levels, k=small, nu=nu), slopes=None))

    def green_slope(self, part: Response, samples: Array, neurons: Array) -> Array:
        """Derivative of the mean Green's function at a real state along a tangent of ``w R`` and ``D``."""
        moved, levels = self.slope(part, samples, neurons).detail.levels, part.detail.levels
        small, nu, source, green = moved.k, moved.nu, levels.source, levels.green
        return np.asarray(self.pencil.mean(source @ small @ np.swapaxes(source, 1, 2) - green @ nu @ green))

    def without_derivatives(self, part: Response) -> Response:  # noqa: D102
        return replace(part, detail=replace(part.detail, slopes=None))

    def between(  # noqa: D102
        self, parts: Sequence[Response], mirrored: Sequence[bool], weights: Array
    ) -> Response:
        details = [part.detail for part in parts]
        own = next((each.slopes for each in details if each.slopes is not None), None)
        k, nu = (
            sum(
                w * (value.conj() if m else value)
                for w, m, value in zip(weights, mirrored, values, strict=True)
            )
            for values in ([d.levels.k for d in details], [d.levels.nu for d in details])
        )
        levels = replace(details[0].levels, k=k, nu=nu)
        return replace(parts[0], detail=_PencilState(levels, own, np.zeros_like(details[0].shift)))

    def of_other_neurons(self, part: Response, samples: Values, others: Channel) -> Values:  # noqa: D102
        assert isinstance(others, PencilChannel)
        own, row = self.overlaps(part, samples, others)
        row = row @ self.pencil.isometry
        y = response_of_others(self.pencil, part.detail.levels, self.gamma * row, others.pencil)
        return np.asarray(own * others.growth + np.sum(row * y, axis=1))

    def is_fresh(self, part: Response) -> bool:  # noqa: D102
        return bool(part.detail.fresh)

    def is_physical(self, part: Response) -> bool:  # noqa: D102
        return self.pencil.is_physical(part.detail.levels.m)

    def _slopes(self, levels: LevelState) -> _Slopes:
        batch, shares = self.pencil.batch, self.pencil.batch.proportions
        weights, source = batch.phi * batch.residuals.weights, _congruence(levels.source, shares)
        if shares.size == 1:
            # The product of two such maps is one.
            around, moved = (
                _congruence(levels.om @ each[0], weights) for each in (levels.green, levels.source)
            )
        else:
            samples = _congruence(levels.om, weights)
            around, moved = samples @ _congruence(levels.green, shares), samples @ source
        np.negative(around, out=around)
        diagonal(around)[:] += 1.0
        factors = lu_factors(around)
        to_nu = -lu_solution(factors, moved)
        to_y = source.T @ to_nu - _congruence(levels.y, shares)
        return _Slopes(levels.k, factors, source, to_nu, to_y)

    def _lifted(self, y: Values) -> Values:
        """``Y`` on all nodes from that on the nodes of the pencil."""
        if not self.pencil.reduced:
            return y
        return self._lost + self.pencil.isometry @ y @ self.pencil.isometry.T

    @cached_property
    def _lost(self) -> Array:
        """What the nodes of the pencil do not see of ``Y``: it is that without coupling."""
        v, own = self.pencil.isometry, self.pencil.batch.proportions @ self.pencil.apart.growth
        return np.asarray(np.diag(self.growth) - (v * own) @ v.T)

    def between_gradient(self, part: Response, weights: Array) -> tuple[Array, Array]:  # noqa: D102
        v, slopes = self.pencil.isometry, self.refreshed(part).detail.slopes
        inner = weights / (self.gamma * part.root[:, None] * part.root)
        once, seen = part.y @ part.k @ inner, v.T @ part.k @ inner @ part.k @ v
        moved = v @ _square(slopes.to_y.T @ _flat(seen), v.shape[1]) @ v.T
        return inner - once - once.T - moved, -np.sum(weights * self.between_neurons(part), axis=1)

    def pairings(self, part: Response) -> tuple[Values, Values, Values]:  # noqa: D102
        v, linear = self.pencil.isometry, part.detail.slopes.to_y
        i, j, factor = _pairs(v.shape[1])
        h, k, rows = v.T @ part.h, v.T @ part.k, self._rows
        samples = h.take(i, axis=0) * h.take(j, axis=0)
        samples *= factor[:, None]
        neurons = rows[0] * k.take(j, axis=0) + rows[1] * k.take(i, axis=0)
        image = linear @ neurons
        return samples.T @ linear @ samples, samples.T @ image, neurons.T @ image

    @cached_property
    def _rows(self) -> Array:
        """Halves of the rows of the isometry at pairs of nodes, shape ``(2, n_pairs, n_a)``."""
        v, (i, j, factor) = self.pencil.isometry, _pairs(self.pencil.nodes)
        return np.stack([v.T[i], v.T[j]]) * (0.5 * factor[:, None])


@lru_cache(maxsize=64)
def _pairs(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Indices of the upper triangle, and factors that keep inner products of symmetric matrices."""
    i, j = np.triu_indices(size)
    return i, j, np.where(i == j, 1.0, np.sqrt(2.0))


def _near(k: Values, other: Values) -> bool:
    """Whether derivatives at one coupling serve at another."""
    return bool(k.dtype == other.dtype and np.abs(k - other).max() < SAME * np.abs(k).max())


def _flat(matrix: Values) -> Values:
    """Symmetric matrix as a vector of the same norm."""
    i, j, factor = _pairs(matrix.shape[0])
    return np.asarray(factor * matrix.take(i * matrix.shape[0] + j))


def _square(vector: Values, size: int) -> Values:
    """Symmetric matrix of a vector."""
    return np.asarray((vector / _pairs(size)[2]).take(_entries(size)))


@lru_cache(maxsize=64)
def _entries(size: int) -> NDArray[np.intp]:
    """Number of each entry of a symmetric matrix among those of its upper triangle."""
    i, j, _ = _pairs(size)
    places = np.zeros((size, size), dtype=np.intp)
    places[i, j] = places[j, i] = np.arange(i.size)
    return places


def _congruence(matrices: Values, weights: Array) -> Values:
    """The map ``X -> sum_n w_n A_n X A_n^T`` of symmetric matrices, flat; ``A`` has shape ``(n, p, q)``."""
    n, p, q = matrices.shape
    flat = matrices.reshape(n, p * q)
    products = ((weights[:, None] * flat).T @ flat).ravel()
    one, other, factor = _places(p, q)
    found = products.take(one)
    found += products.take(other)
    found *= factor
    return np.asarray(found)


@lru_cache(maxsize=64)
def _places(p: int, q: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Where the products ``A_ik A_jm`` and ``A_im A_jk`` are, and the factors of their sum."""
    (i, j, rows), (k, m, columns) = _pairs(p), _pairs(q)
    first, second = (i * q)[:, None], (j * q)[:, None]
    one, other = (first + k) * (p * q) + second + m, (first + m) * (p * q) + second + k
    return one, other, 0.5 * rows[:, None] * columns


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

    def along(self, part: Response) -> PencilAlong:  # noqa: D102
        return PencilAlong(self, part.detail, self.special.growth(part.detail.levels))

    def lifted(self, response: Values) -> Values:
        """Response on all nodes from that on the nodes of the pencil."""
        v = self.channel.pencil.isometry
        return np.asarray(np.swapaxes(v @ np.swapaxes(response, 1, 2) @ v.T, 1, 2))

    @cached_property
    def lost(self) -> Array:
        """What the nodes of the pencil do not see of the response: it is that without coupling."""
        special, pencil = self.special, self.channel.pencil
        return special.free_response(pencil.free) - self.lifted(special.free_response(pencil))


@dataclass(frozen=True, eq=False)
class PencilAlong(Along):
    """Directions where a pencil is."""

    directions: PencilDirections
    found: _PencilState
    growth: Growth

    @property
    def response(self) -> Values:  # noqa: D102
        directions, response = self.directions, self.growth.response
        if not directions.channel.pencil.reduced:
            return response
        return directions.lost + directions.lifted(response)

    def gradient(self, vector: Array) -> Array:  # noqa: D102
        v, slopes = self.directions.channel.pencil.isometry, self.found.slopes
        assert slopes is not None
        by_coupling, by_nu = self.growth.gradient(vector @ v)
        through = _square(slopes.to_nu.T @ _flat(by_nu), by_coupling.shape[0])
        return np.asarray(v @ (by_coupling + through) @ v.T)
