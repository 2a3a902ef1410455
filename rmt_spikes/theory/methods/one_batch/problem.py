"""The equations of a setting, assembled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.equations import equations_of
from rmt_spikes.theory.methods.one_batch.finite_rank import FiniteRank, MeanFeatures
from rmt_spikes.theory.methods.one_batch.modes import modes_of
from rmt_spikes.theory.methods.one_batch.moments import Moments, Slope, moments_of, slope_of
from rmt_spikes.theory.methods.one_batch.readouts import readouts
from rmt_spikes.theory.methods.one_batch.samples import Batch, Samples, batch_of

Array = NDArray[np.float64]

PER_SIDE = (6, 16)
"""Readout nodes on each half line of the bulk and of the mean features: up to theta = 3 losses move by less
than 5e-4 with ten and 24."""


SPECTRAL_GRID, SPECTRAL_PER_SIDE = (6, 10, 3), (3, 16)
"""Nodes of a sample and of readout weights for spectra: quantiles move by less than .3 %, spikes by .2 %,
with all of those of the losses."""

ROUGH_GRID, ROUGH_PER_SIDE = (5, 4, 2), (2, 8)
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
    """

    own: tuple[float, float] = (1.0, 1.0)
    powers: bool = True
    modes: bool = True
    initial: bool = True


def problem_of(
    setting: Setting, kept: Kept, per_side: tuple[int, int] = PER_SIDE, batch: Batch | None = None
) -> FiniteRank:
    """Equations of a setting on quadrature nodes; those of the samples are of a population by default."""
    batch = batch_of(setting) if batch is None else batch
    slope = slope_of(setting).with_own(*kept.own)
    noise = batch.phi * batch.energy
    shift = math.sqrt(slope.linear**2 * (batch.overlap**2 + noise) + noise * slope.spread) * setting.theta
    law, fine = (readouts(setting.readout, count, shift) for count in per_side)

    def moments(alpha: Array) -> tuple[Moments, Moments]:
        train, test = (moments_of(setting, slope, batch, each, alpha) for each in (batch.train, batch.test))
        return train, test

    on_bulk = moments(law.nodes)
    on_fine = on_bulk if np.array_equal(law.nodes, fine.nodes) else moments(fine.nodes)
    equations = equations_of(setting, batch, slope, law, on_bulk)
    modes = modes_of(batch, slope, equations.step, on_bulk, float(kept.modes))
    means = [MeanFeatures(each.mean, each.norm) for each in on_fine]
    if not kept.powers:
        step = setting.theta * fine.nodes
        means = [
            replace(each, value=_first_power(batch, slope, step, samples))
            for each, samples in zip(means, (batch.train, batch.test), strict=True)
        ]
    return FiniteRank(setting, equations, slope, fine, (means[0], means[1]), modes, float(kept.initial))


def spectral_problem(setting: Setting, kept: Kept, rough: bool = False) -> FiniteRank:
    """Equations for the spectrum: the labels are those of as many draws as there are samples.

    The effect of the initial output is left out: it has been derived for a positive ridge.
    """
    batch = batch_of(setting, ROUGH_GRID if rough else SPECTRAL_GRID, draws=True)
    per_side = ROUGH_PER_SIDE if rough else SPECTRAL_PER_SIDE
    return problem_of(setting, replace(kept, initial=False), per_side, batch)


def _first_power(batch: Batch, slope: Slope, step: Array, samples: Samples) -> Array:
    """Mean features to first order in the step, shape ``(n_r, n_x, n_f)``."""
    own = batch.phi * (slope.linear**2 + slope.spread) * samples.residual[:, None]
    return np.asarray((slope.linear**2 * samples.cavity + own)[..., None] * step)
