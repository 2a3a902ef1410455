"""The equations of a setting, assembled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.equations import equations_of
from rmt_spikes.theory.methods.one_batch.finite_rank import FiniteRank
from rmt_spikes.theory.methods.one_batch.modes import modes_of
from rmt_spikes.theory.methods.one_batch.moments import means_of, moments_of
from rmt_spikes.theory.methods.one_batch.readouts import readouts
from rmt_spikes.theory.methods.one_batch.samples import Batch, Samples, batch_of

Array = NDArray[np.float64]

PER_SIDE = (6, 16)
"""Readout nodes on each half line of the bulk and of the mean features: up to theta = 3 losses move by less
than 5e-4 with ten and 24."""


@dataclass(frozen=True)
class Nodes:
    """Quadrature nodes of a spectrum.

    Attributes
    ----------
    grid
        Nodes of a sample.
    per_side
        Readout nodes on each half line of the bulk and of the mean features.
    more
        Further nodes of the noise of the learnt direction per unit that it moves pre-activations beyond one,
        at most as many: features saturate there, and quantiles would move by 2 %.
    """

    grid: tuple[int, int, int, int]
    per_side: tuple[int, int]
    more: int

    def on(self, setting: Setting, kept: Kept) -> Batch:
        """Batch of as many draws as there are samples."""
        u, x, *rest = self.grid
        batch = kept.batch(setting, grid=self.grid, draws=True)
        more = round(self.more * min(1.0, max(0.0, setting.theta * batch.noise_scale - 1.0)))
        return kept.batch(setting, grid=(u, x + more, *rest), draws=True) if more else batch


SPECTRAL = Nodes((6, 6, 2, 2), (3, 16), 4)
"""Nodes of spectra: quantiles move by less than .3 %, spikes by .2 %, with all of those of the losses."""

FINE = Nodes((14, 8, 2, 2), (3, 16), 4)
"""Nodes where levels of samples are apart: quartiles move by less than .5 % with 20, 16, 5, 3 nodes of a
sample, and by 4 % with those of other spectra, but where readout weights differ: there by less than .1 %."""

ROUGH = Nodes((5, 4, 2, 2), (2, 8), 0)
"""Nodes where only the place at which a spike appears is asked for."""


@dataclass(frozen=True)
class Kept:
    """What is kept of what the samples of the step and those of the regression have in common.

    Attributes
    ----------
    own
        A sample's own part in its features, as a factor; and its fluctuation over the neurons.
    powers
        All powers of the readout weight in the mean features, or the first.
    modes
        The modes of neurons.
    initial
        The initial output in the residual.
    norms
        The norms of samples, and other quadratic forms of theirs.
    squares
        Functions of degree two.
    """

    own: tuple[float, float] = (1.0, 1.0)
    powers: bool = True
    modes: bool = True
    initial: bool = True
    norms: bool = True
    squares: bool = True

    def batch(self, setting: Setting, **nodes: Any) -> Batch:
        """Batch of a setting."""
        return batch_of(setting, own=self.own, norms=self.norms, squares=self.squares, **nodes)


def problem_of(
    setting: Setting, kept: Kept, per_side: tuple[int, int] = PER_SIDE, batch: Batch | None = None
) -> FiniteRank:
    """Equations of a setting on quadrature nodes; those of the samples are of a population by default."""
    batch = kept.batch(setting) if batch is None else batch
    shift = math.sqrt(batch.overlap**2 + batch.noise_scale**2 + batch.noise) * setting.theta
    law, fine = (readouts(setting.readout, count, shift) for count in per_side)

    both = (batch.train, batch.test)
    train, test = moments_of(setting, batch, both, law.nodes)
    equations = equations_of(setting, batch, law, (train, test))
    modes = modes_of(batch, equations.step, (train, test), float(kept.modes))
    means = [train.mean, test.mean]
    if not kept.powers:
        means = [_first_power(setting, batch, each, fine.nodes) for each in both]
    elif not np.array_equal(law.nodes, fine.nodes):
        means = means_of(setting, batch, both, fine.nodes)
    return FiniteRank(setting, equations, fine, (means[0], means[1]), modes, float(kept.initial))


def spectral_problem(setting: Setting, kept: Kept, nodes: Nodes = SPECTRAL) -> FiniteRank:
    """Equations for the spectrum: the labels are those of as many draws as there are samples.

    The effect of the initial output is left out: it has been derived for a positive ridge.
    """
    return problem_of(setting, replace(kept, initial=False), nodes.per_side, nodes.on(setting, kept))


def _first_power(setting: Setting, batch: Batch, samples: Samples, alpha: Array) -> Array:
    """Mean features to first order in the step, shape ``(n_r, n_x, n_f)``."""
    slopes = batch.slopes
    own = batch.phi * samples.size * (slopes.linear**2 + slopes.spread) * samples.residual
    along = slopes.linear[:, None] * samples.cavity + own[:, None]
    return np.asarray(along[..., None] * setting.theta * alpha)
