"""Latent variables of a sample: what its features depend on."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.quadrature_rules import gauss_hermite, gaussian_draws

Array = NDArray[np.float64]

GRID = (14, 10, 6)
"""Nodes of the teacher's coordinate, of the noise of the learnt direction and of the labels' noise."""


REACH = 8.0
"""Standard deviations of the teacher's coordinate that are integrated over: beyond, 1e-15 of the mass."""


@dataclass(frozen=True, eq=False)
class Samples:
    """A population of samples on quadrature nodes: ``n_r`` labels times ``n_x`` noises of the direction.

    Attributes
    ----------
    residual, label, teacher
        Residual of the first step, label and coordinate along the teacher, shape ``(n_r,)``.
    cavity
        Component along the learnt direction without the sample's own part in it, shape ``(n_r, n_x)``.
    noise
        Coordinate along the part of the learnt direction off the teacher, shape ``(n_r, n_x)``.
    weights
        Shape ``(n_r, n_x)``.
    """

    residual: Array
    label: Array
    teacher: Array
    cavity: Array
    noise: Array
    weights: Array

    def spread(self, values: Array) -> Array:
        """Function of the labels, shape ``(n_r,)``, at all nodes, shape ``(n_r, n_x)``."""
        return np.broadcast_to(values[:, None], self.weights.shape)

    def of_labels(self, rows: NDArray[np.intp]) -> Samples:
        """Some of the labels."""
        return Samples(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True, eq=False)
class Batch:
    """Moments of a batch, its samples and fresh ones.

    Attributes
    ----------
    phi
        ``d / n``.
    powers
        ``E r^j``, ``j = 1..4``.
    overlap
        ``o = E[r u]``.
    train, test
        Samples of the batch, and fresh ones, whose residual is zero: the step did not see them.
    """

    phi: float
    powers: tuple[float, ...]
    overlap: float
    train: Samples
    test: Samples

    @property
    def mean(self) -> float:
        """``E r``."""
        return self.powers[0]

    @property
    def energy(self) -> float:
        """``E r^2``."""
        return self.powers[1]

    @property
    def train_latent(self) -> Array:
        """Latent variable ``q`` of the samples of the batch, their own part included, ``(n_r, n_x)``."""
        own = self.phi * self.train.residual[:, None]
        return np.asarray((self.train.cavity + own) / math.sqrt(self.overlap**2 + self.phi * self.energy))

    @property
    def noise_scale(self) -> float:
        """Length of the part of the learnt direction off the teacher."""
        return math.sqrt(self.phi * self.energy)


def batch_of(setting: Setting, grid: tuple[int, int, int] = GRID, draws: bool = False) -> Batch:
    """Batch of a setting on quadrature nodes: of a population, or of as many `draws` as it has samples."""
    rule = partial(gaussian_draws, setting.n) if draws else gauss_hermite
    # Labels jump where the teacher does.
    (u, p_u), (x, p_x), (e, p_e) = rule(grid[0], _splits(setting)), rule(grid[1]), rule(grid[2])
    if setting.noise_std == 0.0:
        e, p_e = np.zeros(1), np.ones(1)
    offset = setting.activation_expansion.mean if setting.readout == "constant" else 0.0
    teacher, p = np.repeat(u, e.size), np.outer(p_u, p_e).ravel()
    label = (setting.target_function(u)[:, None] + setting.noise_std * e).ravel()
    residual, phi = label - offset, setting.phi
    powers = tuple(float(p @ residual**k) for k in range(1, 5))
    overlap, scale = float(p @ (residual * teacher)), math.sqrt(phi * powers[1])

    def samples(r: Array) -> Samples:
        return Samples(
            residual=r,
            label=label,
            teacher=teacher,
            cavity=overlap * teacher[:, None] + scale * x,
            noise=math.sqrt(phi / powers[1]) * r[:, None] + x,
            weights=np.outer(p, p_x),
        )

    return Batch(phi, powers, overlap, samples(residual), samples(np.zeros_like(residual)))


def _splits(setting: Setting) -> tuple[float, ...]:
    """Kinks and jumps of the teacher, as far as there are samples."""
    return tuple(each for each in setting.target_function.splits if abs(each) < REACH)
