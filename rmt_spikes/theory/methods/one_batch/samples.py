"""Latent variables of a sample: what its features depend on."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.slopes import Slopes, slope_of
from rmt_spikes.theory.quadrature_rules import gauss_hermite, gaussian_draws

Array = NDArray[np.float64]

GRID = (14, 10, 5, 2)
"""Nodes of the teacher's coordinate, of the noises of the learnt direction and of labels, and of the norm.

With three or five of the last, losses move by less than .1 % in 50 dimensions and more.
"""


REACH = 8.0
"""Standard deviations of the teacher's coordinate that are integrated over: beyond, 1e-15 of the mass."""

PROPORTIONAL = 1e-12
"""Share of ``r^2`` off ``r`` that is none but for rounding: residuals of one value and zeros."""


@dataclass(frozen=True, eq=False)
class Samples:
    """A population of samples on quadrature nodes: ``n_r`` labels and norms times ``n_x`` noises.

    Attributes
    ----------
    size
        ``rho``: squared norm of a sample off the special directions, over their number, shape ``(n_r,)``.
    residual, label, teacher
        Residual of the first step, label and coordinate along the teacher, shape ``(n_r,)``.
    cavity
        Inner product with the learnt direction without the sample's own part in it, shape ``(n_r, n_x)``.
    noise
        Coordinate along the part of the learnt direction off the teacher, shape ``(n_r, n_x)``.
    weights
        Shape ``(n_r, n_x)``.
    """

    size: Array
    residual: Array
    label: Array
    teacher: Array
    cavity: Array
    noise: Array
    weights: Array

    def spread(self, values: Array) -> Array:
        """Function of the labels, shape ``(n_r,)``, at all nodes, shape ``(n_r, n_x)``."""
        return np.broadcast_to(values[:, None], self.weights.shape)

    def mean(self, values: Array) -> float:
        """Mean of a function of labels and norms, shape ``(n_r,)``."""
        return float(self.weights.sum(axis=1) @ values)

    def rows(self, rows: NDArray[np.intp] | slice) -> Samples:
        """Some of the labels and norms."""
        return Samples(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True, eq=False)
class Forms:
    """Quadratic forms of samples, over ``d``, shape ``(n_r, n_x)`` each.

    Attributes
    ----------
    size
        Squared norm.
    turn
        ``x' H x``, with the coherent part ``H`` of the step.
    turned
        ``x' H^2 x``.
    stir
        ``x' P x``, with the covariance ``P`` of its incoherent part.
    """

    size: Array
    turn: Array
    turned: Array
    stir: Array

    @property
    def ratio(self) -> Array:
        """``x' H x`` over the squared norm."""
        return self.turn / self.size

    @property
    def noise(self) -> Array:
        """Variance that a unit step adds to the pre-activation, given its initial value."""
        return np.asarray(self.turned - self.turn * self.ratio + self.stir)


@dataclass(frozen=True, eq=False)
class Batch:
    """Moments of a batch, its samples and fresh ones.

    Attributes
    ----------
    d, phi
        Dimensions that quadratic forms fluctuate with, and ``d / n``.
    squares
        Functions of degree two of an input, over the number of samples; infinite where they are noise.
    slopes
        Slope of the activation at the samples.
    overlap
        ``o = E[c_1 r u]``: component of the learnt direction along the teacher.
    train, test
        Samples of the batch, and fresh ones, whose residual is zero: the step did not see them.
    """

    d: float
    phi: float
    squares: float
    slopes: Slopes
    overlap: float
    train: Samples
    test: Samples

    @cached_property
    def turn(self) -> Array:
        """``c_22 r``, what samples turn the inputs of the others with, shape ``(n_r,)``."""
        return self.slopes.curvature * self.train.residual

    @cached_property
    def push(self) -> Array:
        """``sqrt(rho) c_1 r``, share of a sample's direction in the learnt one, shape ``(n_r,)``."""
        return np.asarray(np.sqrt(self.train.size) * self.slopes.linear * self.train.residual)

    @cached_property
    def stir(self) -> Array:
        """``V r^2``, incoherent part of the step by a sample, shape ``(n_r,)``."""
        return self.slopes.variance * self.train.residual**2

    @cached_property
    def mean_turn(self) -> float:
        """``E[rho c_22 r]``."""
        return self.train.mean(self.train.size * self.turn)

    @cached_property
    def noise(self) -> float:
        """``phi E[rho r^2 Var sigma']``: variance that a unit step adds to a sample of ``rho = 1``."""
        return self.phi * self.train.mean(self.train.size * self.train.residual**2 * self.slopes.spread)

    @cached_property
    def energy(self) -> float:
        """``E[rho (c_1 r)^2]``."""
        return self.train.mean(self.push**2)

    @cached_property
    def second_push(self) -> Array:
        """``sqrt(rho) r^2`` off the share in the learnt direction, of norm one or zero, shape ``(n_r,)``."""
        square = np.sqrt(self.train.size) * self.train.residual**2
        rest = square - self.train.mean(square * self.push) / self.energy * self.push
        norm, whole = self.train.mean(rest**2), self.train.mean(square**2)
        return np.asarray(rest / math.sqrt(norm) if norm > PROPORTIONAL * whole else np.zeros_like(rest))

    @property
    def noise_scale(self) -> float:
        """Length of the part of the learnt direction off the teacher."""
        return math.sqrt(self.phi * self.energy)

    @cached_property
    def special(self) -> tuple[Array, Array, Array]:
        """``H``, ``H^2`` and ``P`` on the directions of the teacher and of the noise of the learnt one."""
        train, phi = self.train, self.phi
        along = np.stack([train.spread(train.teacher), train.noise])
        pairs = np.einsum("rx,irx,jrx->rij", train.weights, along, along)
        first = np.einsum("rx,irx->ri", train.weights, along)
        h, p = (np.tensordot(each, pairs, 1) for each in (self.turn, self.stir))
        # The rest of the inputs is orthogonal to the share of samples in the learnt direction.
        through = (self.turn * np.sqrt(train.size) * self.push) @ first
        rest = np.tensordot(self.turn**2 * train.size, pairs, 1) - np.outer(through, through) / self.energy
        return h, h @ h + phi * rest, phi * p

    def forms(self, samples: Samples) -> Forms:
        """Quadratic forms of samples: of the special directions exactly, of the others their means."""
        mean = self.train.mean
        flat = mean(self.train.size * self.turn)
        means = (
            1.0,
            flat,
            flat**2 + self.phi * mean((self.train.size * self.turn) ** 2),
            self.phi * mean(self.train.size * self.stir),
        )
        along = np.stack([samples.spread(samples.teacher), self._along(samples)])
        size = samples.size[:, None]
        found = [
            size * value + (np.einsum("irx,ij,jrx->rx", along, each, along) - 2.0 * size * value) / self.d
            for value, each in zip(means, (np.eye(2), *self.special), strict=True)
        ]
        return Forms(*found)

    def _along(self, samples: Samples) -> Array:
        """Coordinate along the noise of the learnt direction, without the sample's own part."""
        return np.asarray((samples.cavity - self.overlap * samples.teacher[:, None]) / self.noise_scale)

    @property
    def train_latent(self) -> Array:
        """Latent variable ``q`` of the samples of the batch, their own part included, ``(n_r, n_x)``."""
        own = self.phi * np.sqrt(self.train.size) * self.push
        return np.asarray((self.train.cavity + own[:, None]) / math.hypot(self.overlap, self.noise_scale))


def batch_of(
    setting: Setting,
    grid: tuple[int, int, int, int] = GRID,
    draws: bool = False,
    own: tuple[float, float] = (1.0, 1.0),
    norms: bool = True,
    squares: bool = True,
) -> Batch:
    """Batch of a setting on quadrature nodes: of a population, or of as many `draws` as it has samples.

    `own` are factors of a sample's own part in its features and of its fluctuation. Without `norms` all
    quadratic forms of samples are their means, as in infinitely many dimensions; without `squares` functions
    of degree two are noise, as if there were infinitely many.
    """
    rule = partial(gaussian_draws, setting.n) if draws else gauss_hermite
    # Labels jump where the teacher does.
    (u, p_u), (x, p_x), (e, p_e) = rule(grid[0], _splits(setting)), rule(grid[1]), rule(grid[2])
    if setting.noise_std == 0.0:
        e, p_e = np.zeros(1), np.ones(1)
    d = setting.d if norms else math.inf
    sizes, p_s = squared_norms(d, grid[3])
    teacher, p = np.repeat(u, e.size), np.outer(p_u, p_e).ravel()
    slopes = Slopes(tuple(slope_of(setting, each).with_own(*own) for each in sizes.tolist()), p.size)
    label = (setting.target_function(u)[:, None] + setting.noise_std * e).ravel()
    size, teacher, label = np.repeat(sizes, p.size), np.tile(teacher, sizes.size), np.tile(label, sizes.size)
    p, residual, phi = np.outer(p_s, p).ravel(), label - _outputs(setting, slopes), setting.phi
    push = np.sqrt(size) * slopes.linear * residual
    overlap, energy = float(p @ (slopes.linear * residual * teacher)), float(p @ push**2)
    along = np.sqrt(size)[:, None] * x

    def samples(seen: float) -> Samples:
        return Samples(
            size=size,
            residual=seen * residual,
            label=label,
            teacher=teacher,
            cavity=overlap * teacher[:, None] + math.sqrt(phi * energy) * along,
            noise=seen * math.sqrt(phi / energy) * (np.sqrt(size) * push)[:, None] + along,
            weights=np.outer(p, p_x),
        )

    functions = max(1.0, 0.5 * (setting.d - 1.0) * (setting.d + 2.0)) if squares else math.inf
    return Batch(d, phi, functions / setting.n, slopes, overlap, samples(1.0), samples(0.0))


def squared_norms(d: float, count: int) -> tuple[Array, Array]:
    """Gauss rule for the squared norm of a sample over its dimension, which may be infinite."""
    if math.isinf(d):
        return np.ones(1), np.ones(1)
    k, shape = np.arange(count), 0.5 * d
    off = np.sqrt(k[1:] * (k[1:] + shape - 1.0))
    values, vectors = np.linalg.eigh(np.diag(2.0 * k + shape) + np.diag(off, 1) + np.diag(off, -1))
    return values / shape, vectors[0] ** 2


def _outputs(setting: Setting, slopes: Slopes) -> Array:
    """Initial output at the samples, shape ``(n_r,)``: of readouts that are all one."""
    function, constant = setting.activation_function, setting.readout == "constant"
    return slopes.rows([constant * float(each.weights @ function(each.z)) for each in slopes.parts])


def _splits(setting: Setting) -> tuple[float, ...]:
    """Kinks and jumps of the teacher, as far as there are samples."""
    return tuple(each for each in setting.target_function.splits if abs(each) < REACH)
