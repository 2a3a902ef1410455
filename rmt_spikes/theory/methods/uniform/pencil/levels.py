"""Levels of the pencil: how the rows of neurons, coupled by the features, grow in the bulk of the inputs.

A trained row with readout weight ``a`` has the covariance ``S (1 + k a S H S)^2 S + t^2 a^2 S^2 G S^2`` with
``H = Z^T diag(r) Z / n`` and ``G = Z^T diag(r^2) Z / n``: linear in the samples once it is written with twice
as many blocks (docs/theory.md section 9).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch
from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gauss_rule

Array = NDArray[np.float64]
Values = NDArray[Any]

FLAT = 1e-13
"""Curvature below which the gradient of a row has no coherent part beyond the learnt direction, and root of
its mean square below which it has no other part."""


@dataclass(frozen=True, eq=False)
class LevelState:
    """The pencil at one pair ``(K, Nu)``; ``A`` nodes and ``B`` blocks times nodes.

    Attributes
    ----------
    pencil
        The pencil.
    k
        Coupling ``K`` of the neurons, shape ``(A, A)``.
    nu
        Mean response of the samples ``Nu`` that was put in, shape ``(B, B)``.
    y
        ``Y_l = X_l (1 + K X_l)^{-1}``, shape ``(n_levels, A, A)``.
    green
        Green's functions of the blocks, scaled by powers of the level, shape ``(n_levels, B, B)``.
    source
        Derivative of the blocks in the rows, scaled alike, shape ``(n_levels, B, A)``.
    m
        Mean Green's function, shape ``(B, B)``.
    near
        A real state of which this one is an infinitesimal step away, if it is known.
    """

    pencil: Pencil
    k: Values
    nu: Values
    y: Values
    green: Values
    source: Values
    m: Values
    near: LevelState | None = None

    @cached_property
    def om(self) -> Values:
        """Response of the samples in the bulk by their residual, at the nodes, shape ``(n_r, B, B)``."""
        return self.pencil.response_of(self.m, self.pencil.letters)

    @cached_property
    def whole(self) -> Values:
        """The same of all samples."""
        if self.near is None:
            return self.pencil.response_of(self.m, self.pencil.whole_letters)
        om = self.near.whole
        return np.asarray(om - self.pencil.batch.phi * (om @ (self.m - self.near.m) @ om))


@dataclass(frozen=True, eq=False)
class RowsApart:
    """Rows of neurons that do not see each other.

    Attributes
    ----------
    growth
        Growth of each at each level of the inputs, shape ``(n_levels, A)``.
    nu, m
        Mean response of the samples and mean Green's function, shape ``(A, blocks, blocks)``.
    whole
        Response of all samples by their residual, shape ``(n_r, A, blocks, blocks)``.
    """

    growth: Array
    nu: Array
    m: Array
    whole: Array


@dataclass(frozen=True, eq=False)
class Pencil:
    """The pencil of a first batch.

    Parameters
    ----------
    batch
        The first batch.
    rank
        The pencil sees the functions of the readout weight that are polynomials of lower degree than that,
        times the root of the neurons' resolvent: the Gauss rule of as many nodes. On the rest, rows grow as
        without coupling. None for all nodes.
    whole
        The pencil on all nodes, if it is known.
    """

    batch: FirstBatch
    rank: int | None = None
    whole: Pencil | None = None

    @cached_property
    def reduction(self) -> tuple[Array, Array]:
        """Readout nodes that the pencil has, and the isometry from them to those of the batch."""
        law = self.batch.law
        if not self.reduced or self.rank is None:
            return law.nodes, np.eye(law.nodes.size)
        rule = gauss_rule(law.nodes, self.rank, law.weights)
        wide = rule.polynomials(law.nodes) * np.sqrt(law.weights)
        return rule.nodes, wide.T @ (rule.polynomials(rule.nodes) * np.sqrt(rule.weights))

    @property
    def reduced(self) -> bool:
        """Whether the pencil has fewer nodes than the batch."""
        return self.rank is not None and self.rank < self.batch.law.nodes.size

    @property
    def isometry(self) -> Array:
        """From the nodes of the pencil to those of the batch, shape ``(n_a, A)``."""
        return self.reduction[1]

    @cached_property
    def free(self) -> Pencil:
        """The same pencil on all nodes."""
        return (self.whole or Pencil(self.batch)) if self.reduced else self

    @cached_property
    def nodes(self) -> int:
        """``A``, the number of nodes."""
        return int(self.reduction[0].size)

    @cached_property
    def blocks(self) -> int:
        """Number of blocks: none without a step, two when the step has a coherent part."""
        if self.batch.theta == 0.0:
            return 0
        return 2 if abs(self.batch.curvature) > FLAT else 1

    @property
    def grows(self) -> bool:
        """Whether rows grow beyond the learnt direction: not without a step, nor in linear networks."""
        return self.blocks == 2 or (self.blocks == 1 and self.batch.incoherent > FLAT**2)

    @cached_property
    def letters(self) -> Array:
        """What one sample adds to the blocks at the nodes of the residuals, shape ``(n_r, B, B)``."""
        return self.letters_of(self.batch.residuals.r)

    @cached_property
    def whole_letters(self) -> Array:
        """The same at the residuals of all samples."""
        batch = self.batch
        return self.letters if batch.whole is batch.residuals else self.letters_of(batch.whole.r)

    @cached_property
    def _eye(self) -> tuple[Array, Array]:
        """Identities of the nodes and of the blocks."""
        return np.eye(self.nodes), np.eye(self.blocks * self.nodes)

    @cached_property
    def _free(self) -> tuple[Array, Array]:
        """Growth of rows without a step, and the identity, at each level."""
        levels, eye = self.batch.seen, self._eye[0]
        return levels[:, None, None] * eye, np.repeat(eye[None], levels.size, axis=0)

    def letters_of(self, r: Array) -> Array:
        """What one sample adds to the blocks, by its residual."""
        return self.spread(self._own_letters(r))

    def _own_letters(self, r: Array) -> Array:
        """The same for each node, shape ``(n_r, A, blocks, blocks)``."""
        alpha, k, column = self.reduction[0], self.batch.curvature, r[:, None]
        letters = np.zeros((r.size, alpha.size, self.blocks, self.blocks))
        if self.blocks:
            letters[:, :, 0, 0] = column**2 * self.batch.incoherent * alpha**2
        if self.blocks == 2:
            letters[:, :, 0, 0] += 2.0 * k * column * alpha
            letters[:, :, 0, 1] = letters[:, :, 1, 0] = k * column * alpha
        return letters

    def spread(self, values: Array) -> Array:
        """Matrices ``(B, B)`` of what belongs to single nodes, from shape ``(..., A, blocks, blocks)``."""
        a, count, lead = self.nodes, self.blocks, values.shape[:-3]
        found, own = np.zeros((*lead, count, a, count, a)), np.arange(a)
        # A pair of indices comes first.
        found[..., :, own, :, own] = np.moveaxis(values, -3, 0)
        return found.reshape(*lead, count * a, count * a)

    @cached_property
    def scales(self) -> Array:
        """Powers of the levels at the blocks: as rows are seen, and ``sqrt(l)``, shape ``(n_levels, B)``."""
        levels = self.batch.eigenvalues
        parts = np.array([self.batch.sight, np.sqrt(levels)][: self.blocks]).reshape(self.blocks, levels.size)
        return np.repeat(parts.T, self.nodes, axis=1)

    @cached_property
    def apart(self) -> RowsApart:
        """Rows without coupling, which are explicit."""
        batch, count, a = self.batch, self.blocks, self.nodes
        levels, sight = batch.eigenvalues[:, None], batch.sight[:, None]

        def response(m: Array, r: Array) -> Array:
            letters = self._own_letters(r)
            return np.asarray(np.linalg.solve(np.eye(count) + batch.phi * letters @ m, letters))

        m, y = np.zeros((a, count, count)), np.repeat(batch.seen[:, None], a, axis=1)
        if count == 2:
            m[:, 1, 1] = -1.0
        nu = batch.residuals.mean(response(m, batch.residuals.r))
        if count:
            y = y + sight**2 * nu[:, 0, 0]
        if count == 2:
            rest = levels / (levels * nu[:, 1, 1] - 1.0)
            y = y - sight**2 * nu[:, 0, 1] ** 2 * rest
            m[:, 1, 1] = batch.proportions @ rest
        return RowsApart(y, nu, m, response(m, batch.whole.r))

    @cached_property
    def uncoupled(self) -> LevelState:
        """The pencil without coupling."""
        return self.at(np.zeros((self.nodes,) * 2), self.spread(self.apart.nu))

    def response_of(self, m: Values, letters: Array) -> Values:
        """``T (1 + phi M T)^{-1}`` of samples."""
        return np.asarray(np.linalg.solve(self._eye[1] + letters @ (self.batch.phi * m), letters))

    def at(self, k: Values, nu: Values) -> LevelState:
        """The pencil at a coupling and a mean response of the samples."""
        a, (x, eye) = self.nodes, self._free
        scaled = self._scaled(nu)
        right = eye[:, :, : self.blocks * a]
        if self.blocks:
            x = x + scaled[:, :a, :a]
        if self.blocks == 2:
            rest = np.linalg.inv(scaled[:, a:, a:] - self._eye[0])
            left = scaled[:, :a, a:] @ rest
            x = x - left @ scaled[:, a:, :a]
            right = np.concatenate([eye, -left], axis=2)
        p = np.linalg.inv(self._eye[0] + k @ x)
        source = np.swapaxes(right, 1, 2) @ p
        green = (source @ k) @ right
        if self.blocks == 2:
            green[:, a:, a:] += rest
        green = self._scaled(green)
        source = source if self._alike else self.scales[:, :, None] * source
        return LevelState(self, k, nu, x @ p, green, source, self.mean(green))

    def mean(self, values: Values) -> Values:
        """Mean over the levels of the inputs."""
        if self._alike:
            return np.asarray(values[0])
        return np.asarray(np.tensordot(self.batch.proportions, values, axes=1))

    @cached_property
    def _alike(self) -> bool:
        """Whether inputs have unit variance in all directions."""
        return self.batch.eigenvalues.size == 1 and self.batch.eigenvalues[0] == 1.0

    def _scaled(self, values: Values) -> Values:
        """Blocks with the powers of the levels on both sides, shape ``(n_levels, B, B)``."""
        if self._alike:
            return np.asarray(values if values.ndim == 3 else values[None])
        return np.asarray(self.scales[:, :, None] * values * self.scales[:, None, :])

    def is_physical(self, m: Array) -> bool:
        """Whether no sample of the bulk has left it: ``det(1 + phi M T(r)) > 0`` at every node."""
        signs = np.linalg.slogdet(np.eye(m.shape[0]) + self.batch.phi * m @ self.letters)[0]
        return bool(np.all(signs > 0.0))


def lost_couplings(law: ReadoutLaw, k: Array, ranks: Sequence[int]) -> Iterator[float]:
    """Largest coupling of a neuron that pencils of some ranks do not see, relative to its weight.

    Parameters
    ----------
    law
        Readout nodes.
    k
        Coupling, shape ``(n_a, n_a)``.
    ranks
        Numbers of nodes of the pencils, ascending.
    """
    basis = gauss_rule(law.nodes, ranks[-1], law.weights).polynomials(law.nodes) * np.sqrt(law.weights)
    between = basis @ k @ basis.T
    for rank in ranks:
        seen = np.sum(basis[:rank] * (between[:rank, :rank] @ basis[:rank]), axis=0)
        yield float(np.max(np.abs(np.diagonal(k) - seen) / law.weights))
