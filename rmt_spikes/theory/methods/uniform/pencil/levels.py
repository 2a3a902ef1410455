"""Levels of the pencil: how the rows of neurons, coupled by the features, grow in the bulk of the inputs.

A trained row with readout weight ``a`` has the covariance ``S (1 + k a S H S)^2 S + t^2 a^2 S^2 G S^2`` with
``H = Z^T diag(r) Z / n`` and ``G = Z^T diag(r^2) Z / n``: linear in the samples once it is written with twice
as many blocks (docs/theory.md section 9).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]
Values = NDArray[Any]

FLAT = 1e-13
"""Curvature below which the gradient of a row has no coherent part beyond the learnt direction."""


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

    def letters_of(self, r: Array) -> Array:
        """What one sample adds to the blocks, by its residual."""
        alpha, a = np.diag(self.reduction[0]), self.nodes
        k, size = self.batch.curvature, self.blocks * self.nodes
        letters = np.zeros((r.size, size, size))
        column = r[:, None, None]
        if self.blocks:
            letters[:, :a, :a] = column**2 * self.batch.incoherent * alpha**2
        if self.blocks == 2:
            letters[:, :a, :a] += 2.0 * k * column * alpha
            letters[:, :a, a:] = letters[:, a:, :a] = k * column * alpha
        return letters

    @cached_property
    def scales(self) -> Array:
        """Powers of the levels at the blocks: as rows are seen, and ``sqrt(l)``, shape ``(n_levels, B)``."""
        levels = self.batch.eigenvalues
        parts = np.array([self.batch.sight, np.sqrt(levels)][: self.blocks]).reshape(self.blocks, levels.size)
        return np.repeat(parts.T, self.nodes, axis=1)

    @cached_property
    def uncoupled(self) -> LevelState:
        """The pencil without coupling, where it is explicit."""
        size, a = self.blocks * self.nodes, self.nodes
        m = np.zeros((size, size))
        if self.blocks == 2:
            m[a:, a:] = -np.eye(a)
        nu = self.batch.residuals.mean(self._apart(m, self.letters))
        state = self.at(np.zeros((a, a)), nu)
        state.__dict__["whole"] = self._apart(state.m, self.whole_letters)
        return state

    def _apart(self, m: Array, letters: Array) -> Array:
        """`response_of` where no neuron sees another: it is solved for each of them."""
        a, count = self.nodes, self.blocks
        own = np.arange(a)
        shapes = (count, a, count, a), (letters.shape[0], count, a, count, a)
        # Pairs of indices come first.
        m, each = m.reshape(shapes[0])[:, own, :, own], letters.reshape(shapes[1])[:, :, own, :, own]
        found = np.zeros(shapes[1])
        found[:, :, own, :, own] = np.linalg.solve(np.eye(count) + self.batch.phi * each @ m[:, None], each)
        return found.reshape(letters.shape)

    def response_of(self, m: Values, letters: Array) -> Values:
        """``T (1 + phi M T)^{-1}`` of samples."""
        return np.asarray(np.linalg.solve(self._eye[1] + letters @ (self.batch.phi * m), letters))

    def at(self, k: Values, nu: Values) -> LevelState:
        """The pencil at a coupling and a mean response of the samples."""
        a, eye, levels = self.nodes, self._eye[0], self.batch.seen
        scaled = self._scaled(nu)
        right = np.zeros((levels.size, a, self.blocks * a), dtype=np.result_type(k, nu))
        x = levels[:, None, None] * eye
        if self.blocks:
            right[:, :, :a] = eye
            x = x + scaled[:, :a, :a]
        if self.blocks == 2:
            rest = np.linalg.inv(scaled[:, a:, a:] - eye)
            left = scaled[:, :a, a:] @ rest
            x = x - left @ scaled[:, a:, :a]
            right[:, :, a:] = -left
        p = np.linalg.inv(eye + k @ x)
        source = np.swapaxes(right, 1, 2) @ p
        green = source @ k @ right
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


def lost_coupling(pencil: Pencil, k: Array) -> float:
    """Largest coupling of a neuron that the nodes of a pencil do not see, relative to its weight."""
    v = pencil.isometry
    lost = k - v @ (v.T @ k @ v) @ v.T
    return float(np.max(np.abs(np.diagonal(lost)) / pencil.batch.law.weights))
