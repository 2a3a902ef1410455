"""Latent functions of the features, block by block: how trained rows are described.

Each block of neurons has a function of ``q`` for each sample variable: one, ``t``, and what else is seen of a
sample.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.latent import Latent, LatentGrid
from rmt_spikes.theory.methods.uniform.channels import (
    Channel,
    Directions,
    LevelChannel,
    LevelDirections,
)
from rmt_spikes.theory.methods.uniform.first_order.levels import anisotropy, direction_levels
from rmt_spikes.theory.methods.uniform.pencil.batch import ResidualLaw, first_batch
from rmt_spikes.theory.methods.uniform.pencil.channel import PencilChannel, PencilDirections
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.levels import Pencil, lost_couplings
from rmt_spikes.theory.methods.uniform.pencil.rows import RowLengths, Terms, lost_by_output, row_lengths
from rmt_spikes.theory.methods.uniform.pencil.still import degree_one
from rmt_spikes.theory.population.labels import LabelFunctions
from rmt_spikes.theory.quadrature_rules import ReadoutLaw

Array = NDArray[np.float64]

RANKS, LOST = ((4,), (12, 16, 20), (6, 8, 10, 12, 16, 20)), (1.0, 5e-4, 0.07)
"""Numbers of nodes of the pencil that are tried, and the largest coupling that they may leave out, without a
step, with one block of the pencil and with two, over the growth of rows that are more than twice as long:
losses then move by less than 4e-4 of themselves, and are as smooth in the step size."""


@dataclass(frozen=True, eq=False)
class Blocks(ABC):
    """A description of trained rows.

    Parameters
    ----------
    setting, variables, law
        What is predicted, its latent variables, and the quadrature rule of the readout weights.
    """

    setting: Setting
    variables: Latent
    law: ReadoutLaw

    def with_law(self, law: ReadoutLaw) -> Self:
        """The same description on other readout weights."""
        return replace(self, law=law)

    @property
    @abstractmethod
    def tau(self) -> Array:
        """Lengths of rows apart from the shift, shape ``(n_a,)``."""

    @property
    @abstractmethod
    def norm_covariance(self) -> Array:
        """Covariance of the norm mode of a sample between neurons, shape ``(n_a, n_a)``."""

    @property
    @abstractmethod
    def scales(self) -> Array:
        """Dimension of the vectors of each block, in units of neurons: ``N / D_k``, shape ``(n_blocks,)``."""

    @property
    def readout_coupling(self) -> Array | None:
        """``alpha alpha' / N`` times the share of their energy along the readout that rows lack; or None."""
        return None

    @abstractmethod
    def channels(self, grid: LatentGrid) -> tuple[Channel, ...]:
        """Channels of the features."""

    @abstractmethod
    def directions(self, channel: Channel) -> Directions:
        """Directions of the channel of degree one."""

    @abstractmethod
    def noise(self, grid: LatentGrid) -> Array:
        """Variance of what is left of the features, shape ``(n_a, n_q)``."""

    @abstractmethod
    def functions(self, grid: LatentGrid) -> Array:
        """Functions of ``q`` for each sample variable, shape ``(n_variables, n_blocks n_a, n_q)``."""

    @abstractmethod
    def labels(self, labels: LabelFunctions) -> Array:
        """Components of the labels along the sample variables, shape ``(n_variables, n_q)``."""


@dataclass(frozen=True, eq=False)
class LevelBlocks(Blocks):
    """Rows alike in all directions, or with levels by the first orders of the step.

    docs/theory.md section 4.1.

    Parameters
    ----------
    setting, variables, law
        As for all descriptions.
    rows
        How the covariance of a row is treated.
    """

    rows: Rows

    @property
    def tau(self) -> Array:  # noqa: D102
        return self.variables.scale(self.law.nodes)

    @property
    def norm_covariance(self) -> Array:  # noqa: D102
        return np.full((self.law.nodes.size,) * 2, 2.0 / self.setting.d)

    @property
    def standard(self) -> bool:
        """Whether the initial output matters."""
        return self.setting.output_scale == "standard"

    @property
    def scales(self) -> Array:  # noqa: D102
        return np.array([self.setting.width, *[self.setting.gamma] * (3 if self.standard else 2)])

    @property
    def readout_coupling(self) -> Array | None:  # noqa: D102
        return np.outer(self.law.nodes, self.law.nodes) / self.setting.width if self.standard else None

    def channels(self, grid: LatentGrid) -> tuple[Channel, ...]:  # noqa: D102
        levels, weights = anisotropy(self.setting, self.variables, self.law.nodes, self.rows)
        return (LevelChannel(grid.linear, self.setting.gamma, levels, weights),)

    def directions(self, channel: Channel) -> Directions:  # noqa: D102
        levels, weights = direction_levels(self.setting, self.variables, self.law.nodes, self.rows)
        assert isinstance(channel, LevelChannel)
        return LevelDirections(channel, levels, weights)

    def noise(self, grid: LatentGrid) -> Array:  # noqa: D102
        return np.maximum(grid.second - grid.mean**2 - grid.linear**2, 0.0)

    def functions(self, grid: LatentGrid) -> Array:  # noqa: D102
        nothing = np.zeros_like(grid.mean)
        if not self.standard:
            return np.array(
                [
                    np.concatenate([grid.mean, grid.linear * grid.q, nothing]),
                    np.concatenate([nothing, nothing, grid.linear]),
                ]
            )
        own = self.law.nodes[:, None] * grid.linear / math.sqrt(self.setting.width)
        along_teacher, along_rest = self.initial_components
        mean = grid.mean + self.variables.initial_overlap * own * grid.q
        return np.array(
            [
                np.concatenate([mean, grid.linear * grid.q, nothing, nothing]),
                np.concatenate([along_teacher * own, nothing, grid.linear, nothing]),
                np.concatenate([along_rest * own, nothing, nothing, grid.linear]),
            ]
        )

    def labels(self, labels: LabelFunctions) -> Array:  # noqa: D102
        rows = [labels.mean, *labels.linear]
        return np.array([*rows, np.zeros_like(labels.mean)] if self.standard else rows)

    @property
    def initial_components(self) -> tuple[float, float]:
        """Components of the initial readout's direction along ``t`` and beyond ``q`` and ``t``.

        Readout and teacher are orthogonal: what they share along ``beta`` they undo off it.
        """
        cosine, overlap = self.variables.beta_cosine, self.variables.initial_overlap
        sine = math.sqrt(max(1.0 - cosine**2, 1e-300))
        rest = math.sqrt(max(1.0 - overlap**2, 0.0))
        along_teacher = max(-rest, min(rest, -cosine * overlap / sine))
        return along_teacher, math.sqrt(rest**2 - along_teacher**2)


@dataclass(frozen=True, eq=False)
class PencilBlocks(Blocks):
    """Rows by the pencil of the first batch, with degree two and their lengths.

    docs/theory.md sections 9 and 10.

    Parameters
    ----------
    setting, variables, law
        As for all descriptions.
    terms
        Terms that are kept.
    rank
        Nodes of the pencil; None for all.
    rest
        Residuals of the samples in the bulk, if not all are.
    whitened
        Whether isotropic inputs see the rows, whatever those of the first batch were.
    """

    terms: Terms = field(default_factory=Terms)
    rank: int | None = None
    rest: ResidualLaw | None = None
    whitened: bool = False

    def with_law(self, law: ReadoutLaw) -> PencilBlocks:
        """The same description on other readout weights, all of which the pencil sees."""
        other = replace(self, law=law, rank=None, rest=None)
        return other if self.rest is None else other.with_rest(self.rest)

    def with_rest(self, rest: ResidualLaw) -> PencilBlocks:
        """The same description with only some samples in the bulk; lengths of rows are those with all."""
        other = replace(self, rest=rest)
        other.__dict__["special"] = self.special.with_rest(rest)
        other.__dict__["lengths"] = self.lengths
        return other

    def with_rank(self, rank: int | None) -> PencilBlocks:
        """The same description with another number of nodes of the pencil."""
        other = replace(self, rank=rank)
        for name in ("special", "lengths"):
            other.__dict__[name] = getattr(self, name)
        return other

    def with_few_nodes(self, grid: LatentGrid, point: tuple[float, float], growth: float) -> PencilBlocks:
        """The same description with as few nodes of the pencil as lose nothing that shows, roughly.

        Parameters
        ----------
        grid
            Latent functions.
        point
            Effective ridge and trace without a step.
        growth
            Growth of the rows.
        """
        count = self.pencil.blocks
        for rank, lost in self.lost(grid, point, RANKS[count]):
            if max(1.0, growth) * lost < LOST[count]:
                return self.with_rank(rank)
        return self

    def lost(
        self, grid: LatentGrid, point: tuple[float, float], counts: Sequence[int]
    ) -> Iterator[tuple[int, float]]:
        """Numbers of nodes fewer than all, with the couplings that they leave out, at a point."""
        kappa, g = point
        h = grid.linear / self.tau[:, None] * np.sqrt(kappa * g * self.law.weights)[:, None]
        k = self.setting.gamma / kappa * (h * grid.q_weights) @ h.T
        few = [count for count in counts if count < self.law.nodes.size]
        return zip(few, lost_couplings(self.law, k, few) if few else (), strict=True)

    @cached_property
    def special(self) -> SpecialDirections:
        """Learnt and teacher's directions."""
        return SpecialDirections(first_batch(self.setting, self.variables, self.law, whitened=self.whitened))

    @cached_property
    def lengths(self) -> RowLengths:
        """Lengths of rows."""
        return row_lengths(self.special, self.terms)

    @property
    def readout_coupling(self) -> Array | None:  # noqa: D102
        lost = lost_by_output(self.setting, self.special.batch) if self.terms.output else 0.0
        own = self.law.nodes * np.sqrt(self.lengths.coherent) / self.tau
        return lost * np.outer(own, own) / self.setting.width if lost else None

    @cached_property
    def pencil(self) -> Pencil:
        """Levels of the rows."""
        return Pencil(self.special.batch, self.rank, self.special.pencil)

    @property
    def tau(self) -> Array:  # noqa: D102
        return self.lengths.tau

    @property
    def norm_covariance(self) -> Array:  # noqa: D102
        return self.lengths.norm_covariance

    @property
    def gamma_two(self) -> float:
        """``N / D_2``."""
        d = self.setting.d
        return self.setting.width / (d * (d + 1) / 2 - 1)

    @property
    def has_degree_two(self) -> bool:
        """Whether degree two is a channel: in one dimension there is none."""
        return self.terms.degree_two and self.setting.d > 1

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        """Pairs of the frame's directions."""
        return list(combinations_with_replacement(range(self.special.frame.shape[1]), 2))

    @property
    def scales(self) -> Array:  # noqa: D102
        setting, count = self.setting, self.special.frame.shape[1]
        length = [setting.width] if self.terms.length else []
        pairs = [self.gamma_two] * len(self._pairs) if self.has_degree_two else []
        return np.array([setting.width, *[setting.gamma] * count, *length, *pairs])

    def _second(self, grid: LatentGrid) -> Array:
        """``m_2``."""
        return np.asarray(math.sqrt(2.0 * (1.0 - 1.0 / self.setting.d)) * grid.norm)

    def channels(self, grid: LatentGrid) -> tuple[Channel, ...]:  # noqa: D102
        one = degree_one(grid.linear / self.tau[:, None], self.setting.gamma, self.pencil)
        if not self.has_degree_two:
            return (one,)
        growth, shares = self.lengths.growth, self.special.batch.proportions
        levels = np.sqrt(growth[:, None] * growth).reshape(-1, self.tau.size) / self.tau**2
        return one, LevelChannel(self._second(grid), self.gamma_two, levels, np.outer(shares, shares).ravel())

    def directions(self, channel: Channel) -> Directions:  # noqa: D102
        assert isinstance(channel, PencilChannel)
        return PencilDirections(channel, self.special)

    def noise(self, grid: LatentGrid) -> Array:  # noqa: D102
        noise = grid.second - grid.mean**2 - grid.linear**2
        if self.has_degree_two:
            noise = noise - self._second(grid) ** 2
        return np.maximum(noise, 0.0)

    def functions(self, grid: LatentGrid) -> Array:  # noqa: D102
        # Sample variables: 1, t_k, and t_i t_j or He_2(t_i) / sqrt 2.
        count, q, tau = self.special.frame.shape[1] - 1, grid.q, self.tau
        pairs = list(combinations_with_replacement(range(count), 2))
        place = {pair: 1 + count + i for i, pair in enumerate(pairs)}
        blocks: list[Array] = []

        def block() -> Array:
            blocks.append(np.zeros((1 + count + len(pairs), *grid.mean.shape)))
            return blocks[-1]

        def add_form(target: Array, factor: Array, form: Array) -> None:
            # Of s = (q, t_1, ...): s^T form s, less its mean.
            target[0] += factor * form[:, 0, 0][:, None] * (q**2 - 1.0)
            for k in range(count):
                target[1 + k] += 2.0 * factor * form[:, 0, k + 1][:, None] * q
            for (i, j), at in place.items():
                weight = math.sqrt(2.0) if i == j else 2.0
                target[at] += weight * factor * form[:, i + 1, j + 1][:, None]

        mean, learnt = block(), block()
        mean[0] += grid.mean
        if self.terms.trace:
            own = self.special.own_growth / tau[:, None, None] ** 2
            add_form(mean, grid.norm, own / self.setting.d)
        linear = grid.linear / tau[:, None]
        learnt[0] += linear * q + (self.lengths.along / tau)[:, None] * grid.norm
        for k in range(count):
            block()[1 + k] += linear
        if self.terms.length:
            block()[0] += grid.norm * np.sqrt(self.lengths.spread)[:, None]
        if self.has_degree_two:
            gammas, second = self.special.coherent / tau[:, None, None], self._second(grid)
            for i, j in self._pairs:
                target = block()
                # (Gamma^T s)_i (Gamma^T s)_j = s^T form s.
                form = gammas[:, :, i, None] * gammas[:, None, :, j]
                form = 0.5 * (form + np.swapaxes(form, 1, 2)) * (math.sqrt(0.5) if i == j else 1.0)
                add_form(target, second, form)
                constant = np.trace(form, axis1=1, axis2=2)
                if i == j:
                    constant = constant - math.sqrt(0.5) * self.lengths.coherent / tau**2
                target[0] += second * constant[:, None]
        return np.concatenate(blocks, axis=1)

    def labels(self, labels: LabelFunctions) -> Array:  # noqa: D102
        seen = np.array([labels.mean, *labels.linear, *labels.square])
        if not self.terms.directions:
            seen[2 : 1 + self.special.batch.directions] = 0.0
        return seen
