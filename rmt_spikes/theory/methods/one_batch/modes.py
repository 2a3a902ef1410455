"""Two scalars of a neuron that move all samples at once: linear and quadratic part of its step's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.one_batch.moments import Moments, Slope
from rmt_spikes.theory.methods.one_batch.samples import Batch

Array = NDArray[np.float64]


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
    """

    covariance: Array
    moved: Array
    shared: Array
    fields: Array
    moved_test: Array
    shared_test: Array
    kept: float


def modes_of(
    batch: Batch, slope: Slope, step: Array, features: tuple[Moments, Moments], kept: float = 1.0
) -> Modes:
    """Modes of neurons at steps ``theta alpha``; `kept` is 0 for a theory without them.

    `features` are those of the batch and of fresh samples.
    """
    train, test = features
    phi, mean, energy, variance = batch.phi, batch.mean, batch.energy, slope.variance
    samples, r = batch.train, batch.train.residual[:, None]
    growth, root = step * slope.curvature, batch.noise_scale / batch.energy
    weight = samples.weights.sum(axis=1)
    e = [[float((slope.weights * slope.z**i) @ slope.rest**j) for j in range(5)] for i in range(5)]
    # What sample r adds: z zeta first (a), and z zeta cross + zeta^2 square + 2 zeta e first (b).
    first, square = step * r, step**2 * phi * r**2
    cross, noise = 2.0 * step * growth * r * (mean + phi * r), step**2 * phi * energy * slope.spread
    linear, quadratic = np.stack([first, cross]), np.stack([np.zeros_like(square), square])
    along_z = linear * e[2][1] + quadratic * e[1][2]
    along_rest = linear * e[1][2] + quadratic * e[0][3]
    bent = 0.5 * (linear * (e[3][1] - e[1][1]) + quadratic * (e[2][2] - e[0][2]))
    pull = np.stack([2.0 * growth * r, growth**2 * (4.0 * r * mean + 2.0 * phi * r**2)])

    own = linear[:, None] * linear * e[2][2] + quadratic[:, None] * quadratic * (e[0][4] - e[0][2] ** 2)
    mixed = linear[:, None] * quadratic * e[1][3] + pull[:, None] * bent
    own += mixed + mixed.swapaxes(0, 1)
    own[1, 1] += 4.0 * first**2 * variance * noise
    covariance = np.einsum("r,ijra->aij", weight, own)
    along_teacher, along_residual = (
        np.einsum("r,kra->ka", weight * each, along_z) for each in (samples.teacher, samples.residual)
    )
    covariance += np.einsum("ia,ja->aij", along_teacher, along_teacher) / phi
    h = _traces(batch)
    forms = np.array([[h[2] - h[1] ** 2, h[3] - h[2] * h[1]], [h[3] - h[2] * h[1], h[4] - h[2] ** 2]])
    powers = np.stack([growth, growth**2])
    covariance += (2.0 / phi) * np.einsum("ia,ja,ij->aij", powers, powers, forms)
    covariance[:, 1, 1] += 2.0 * step**4 * variance**2 * phi * energy**2

    def directed(teacher: Array, noise: Array) -> Array:
        """Part along the special directions of the inputs, shape ``(2, n_r, n_x, n_a)``."""
        seen = along_teacher[:, None, None] * teacher[:, None, None]
        return np.asarray((seen + root * along_residual[:, None, None] * noise[..., None]) / phi)

    def response(each: Moments) -> Array:
        return each.linear - growth * mean * each.slope

    def moved(each: Moments) -> Array:
        return np.stack([each.tilt - growth * mean * each.bend, 0.5 * each.bend])

    # The part of the noise of the learnt direction that is the sample's own is in its self-term.
    along = directed(samples.teacher, batch.test.noise)
    fields = (first * along_rest)[:, :, None] + (growth * r)[:, None] * along
    known, twice = train.twice - variance * train.mean, 2.0 * (first * noise)[:, None]
    covaries = np.stack([
        first[:, None] * train.crossed,
        cross[:, None] * train.crossed + square[:, None] * known + twice * train.noisy,
    ])  # fmt: skip
    return Modes(
        covariance,
        moved(train),
        covaries + pull[:, :, None] * train.bent + response(train) * along - phi * train.slope * fields,
        fields,
        moved(test),
        response(test) * directed(batch.test.teacher, batch.test.noise),
        kept,
    )


def _traces(batch: Batch) -> list[float]:
    """Moments of order 0 to 4 of the coherent part ``H`` of the step: free cumulants ``phi^(j-1) E r^j``."""
    c = [batch.phi**j * power for j, power in enumerate(batch.powers)]
    m1 = c[0]
    m2 = c[1] + m1**2
    m3 = c[2] + 3 * c[1] * c[0] + c[0] ** 3
    m4 = c[3] + 4 * c[2] * c[0] + 2 * c[1] ** 2 + 6 * c[1] * c[0] ** 2 + c[0] ** 4
    return [1.0, m1, m2, m3, m4]
