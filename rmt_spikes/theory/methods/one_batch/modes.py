"""Two scalars of a neuron that move all samples at once: linear and quadratic part of its step's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.one_batch.moments import Moments
from rmt_spikes.theory.methods.one_batch.samples import Batch, Forms

Array = NDArray[np.float64]

ROUNDING = 1e-10
"""Share of the incoherent part of a neuron's step below which ``r^2`` is not in its noise."""


@dataclass(frozen=True, eq=False)
class Modes:
    """Neuron modes, times ``n``: covariances and what they add to the samples of the batch.

    Attributes
    ----------
    covariance
        Of the two scalars, shape ``(n_a, 2, 2)``.
    moved
        What a unit of each does to a sample, ``s_a, s_b``, shape ``(2, n_r, n_x, n_a)``.
    shared
        Covariance of each with the features of a sample, ``c_a, c_b``, shape ``(2, n_r, n_x, n_a)``.
    fields
        Its part in the fields ``y`` of the sample, shape ``(2, n_r, n_x, n_a)``.
    moved_test, shared_test
        The same for fresh samples, which have no fields.
    kept
        1, or 0 where they are left out.
    apart
        Whether they go with a second direction of the noise, along ``r^2``.
    second, second_fields, second_test
        What `shared`, `fields` and `shared_test` have along it, in units of a sample's coordinate, which is
        independent of all else: the same shapes, but for noises.
    """

    covariance: Array
    moved: Array
    shared: Array
    fields: Array
    moved_test: Array
    shared_test: Array
    kept: float
    apart: bool
    second: Array
    second_fields: Array
    second_test: Array


def modes_of(batch: Batch, step: Array, features: tuple[Moments, Moments], kept: float = 1.0) -> Modes:
    """Modes of neurons at steps ``theta alpha``; `kept` is 0 for a theory without them.

    `features` are those of the batch and of fresh samples.
    """
    train, test = features
    phi, mean, samples = batch.phi, batch.mean_turn, batch.train
    size, r, turn = (each[:, None] for each in (samples.size, samples.residual, batch.turn))
    weight = samples.weights.sum(axis=1)
    e = [[batch.slopes.moment(i, j)[:, None] for j in range(5)] for i in range(5)]
    # What sample r adds: z zeta first (a), and z zeta cross + zeta^2 square + 2 zeta e first (b).
    first, square = step * r, step**2 * phi * size * r**2
    cross, noise = 2.0 * step**2 * r * (mean + phi * size * turn), step**2 * size * batch.noise
    linear, quadratic = np.stack([first, cross]), np.stack([np.zeros_like(square), square])
    along_z = (linear * e[2][1] + quadratic * e[1][2]) / size
    along_slope = linear * e[1][2] + quadratic * e[0][3]
    along_slope += batch.slopes.curvature[:, None] * size * along_z
    bent = linear * (e[3][1] - size * e[1][1]) + quadratic * (e[2][2] - size * e[0][2])
    bent *= 0.5 / size**2
    push = 4.0 * size**2 * turn * mean + 2.0 * phi * size**3 * turn**2
    pull = np.stack([2.0 * step * size**2 * turn, step**2 * push])
    # The quadratic forms of the coherent part go with the part of degree two of the rest of the slope.
    along_slope += pull * (0.5 * e[2][1] / size**2)

    own = linear[:, None] * linear * e[2][2] + quadratic[:, None] * quadratic * (e[0][4] - e[0][2] ** 2)
    mixed = linear[:, None] * quadratic * e[1][3] + pull[:, None] * bent
    own += mixed + mixed.swapaxes(0, 1)
    # Pairs of samples with their incoherent parts come below, once.
    coherent = step**2 * size * phi * samples.mean((samples.size * batch.turn) ** 2)
    own[1, 1] += 4.0 * first**2 * e[0][2] * coherent
    covariance = np.einsum("r,ijra->aij", weight, own)
    along_teacher, along_push = (
        np.einsum("r,kra->ka", weight * each, along_z)
        for each in (samples.teacher, np.sqrt(samples.size) * batch.push)
    )
    covariance += np.einsum("ia,ja->aij", along_teacher, along_teacher) / phi
    h = _traces(batch)
    forms = np.array([[h[2] - h[1] ** 2, h[3] - h[2] * h[1]], [h[3] - h[2] * h[1], h[4] - h[2] ** 2]])
    powers = np.stack([step, step**2])
    covariance += (2.0 / phi) * np.einsum("ia,ja,ij->aij", powers, powers, forms)
    covariance[:, 1, 1] += 2.0 * step**4 * phi * samples.mean(samples.size * batch.stir) ** 2
    root = batch.noise_scale / batch.energy

    def directed(teacher: Array, noise: Array) -> Array:
        """Part along the special directions of the inputs, shape ``(2, n_r, n_x, n_a)``."""
        seen = along_teacher[:, None, None] * teacher[:, None, None]
        return np.asarray((seen + root * along_push[:, None, None] * noise[..., None]) / phi)

    def response(each: Moments, forms: Forms) -> Array:
        return each.linear - step * forms.ratio[..., None] * each.slope

    def moved(each: Moments, forms: Forms) -> Array:
        return np.stack([
            each.tilt - step * forms.turn[..., None] * each.bend, 0.5 * forms.size[..., None] * each.bend
        ])  # fmt: skip

    norms, (seen, fresh) = size[:, :, None], map(batch.forms, (batch.train, batch.test))
    # Own parts of the coordinates along directions of the noise are in the slope's and in the self-term.
    along = directed(samples.teacher, batch.test.noise)
    fields = (first * along_slope)[:, :, None] + (step * turn)[:, None] * along
    known, twice = train.twice - e[0][2][:, None] * train.mean, 2.0 * (first * noise)[:, None]
    linear_part = batch.slopes.curvature[:, None, None] * train.tilt
    covaries = np.stack([
        first[:, None] * train.crossed,
        cross[:, None] * train.crossed + square[:, None] * known + twice * (train.noisy + linear_part),
    ])  # fmt: skip
    covaries += (
        pull[:, :, None] * train.bent
        + response(train, seen) * along
        - phi * norms * train.slope * fields
        - step * seen.turn[..., None] * train.slope * along_z[:, :, None]
    )
    # The quadratic scalar goes with r^2, unless the activation is odd, or z and an even one.
    squared = (2.0 * step**2 * phi * size * turn * r * e[2][1] + square * e[1][2]) / size
    share = (weight * np.sqrt(samples.size) * batch.second_push) @ squared
    apart = bool(np.abs(squared).max() > ROUNDING * np.max(square * e[0][2]))
    second = np.stack([np.zeros_like(squared), np.sqrt(size / phi) * share])[:, :, None]
    second_fields = (step * turn)[:, None] * second * np.ones_like(norms)
    return Modes(
        covariance,
        moved(train, seen),
        covaries,
        fields,
        moved(test, fresh),
        response(test, fresh) * directed(batch.test.teacher, batch.test.noise),
        kept,
        apart,
        response(train, seen) * second - phi * norms * train.slope * second_fields,
        second_fields,
        response(test, fresh) * second,
    )


def _traces(batch: Batch) -> list[float]:
    """Moments of order 0 to 4 of the coherent part ``H`` of the step.

    Its free cumulants are ``phi^(j-1) E (rho c_22 r)^j``.
    """
    turn = batch.train.size * batch.turn
    c = [batch.phi**j * batch.train.mean(turn ** (j + 1)) for j in range(4)]
    m1 = c[0]
    m2 = c[1] + m1**2
    m3 = c[2] + 3 * c[1] * c[0] + c[0] ** 3
    m4 = c[3] + 4 * c[2] * c[0] + 2 * c[1] ** 2 + 6 * c[1] * c[0] ** 2 + c[0] ** 4
    return [1.0, m1, m2, m3, m4]
