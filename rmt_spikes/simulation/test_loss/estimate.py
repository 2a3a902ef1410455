"""Test loss of a fitted network: computed where that is possible, else from fresh samples with controls.

The squared error of a fresh sample is mostly a function of three Gaussian variables: the teacher
direction, `beta` and the linear part of the fitted network. Polynomials of these have known means, so
regressing them out leaves the expectation alone and removes about two thirds of the sampling variance
(measured on ReLU, tanh and cubic cases: a standard error 1.5 to 2.2 times smaller). Each half of the
samples is corrected with the coefficients fitted on the other half, which keeps the estimate unbiased.
"""

import math
from itertools import product
from typing import NamedTuple

import numpy as np

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Array, blocks
from rmt_spikes.simulation.test_loss.population import population_loss

DEGREE = 4
"""Total degree of the control polynomials. Degree 6 has 83 of them and gains nothing below 10,000 samples."""

FEWEST_SAMPLES = 8000
"""Samples where the loss cannot be computed and no number was asked for, or ``2 * n_ridge`` if more: on the
headline setting a sampling error of 0.03, less than half the scatter of the loss between trials."""

CONTROLS = 2
"""Teacher directions among the variables of the controls: 69 slopes then, 34 with one."""

MOST_SAMPLES = 1_000_000
"""Their control polynomials take 0.9 GB, and a standard error of a thousandth needs no more."""


class LossEstimate(NamedTuple):
    """Test loss, its error, and the number of samples behind it (0: computed, the error is a bound)."""

    value: float
    error: float
    samples: int


UNKNOWN = LossEstimate(math.nan, math.nan, 0)
"""A test loss where there are no samples for it."""


def mean_square(errors: Array) -> LossEstimate:
    """Mean square of the errors on held-out samples, with its standard error; NaN where there is one only."""
    squares = errors**2
    spread = float(squares.std(ddof=1)) / math.sqrt(squares.size) if squares.size > 1 else math.nan
    return LossEstimate(float(squares.mean()), spread, squares.size)


def generalization_loss(
    model: Model,
    weights: Array,
    coefficients: Array,
    beta: Array,
    samples: int | None,
    stream: np.random.Generator,
) -> LossEstimate:
    """Compute ``E (y - a^T sigma(W x))^2`` if `population_loss` can and `samples` is None.

    Otherwise estimate it with `expected_loss`, from so many fresh samples.
    """
    if samples is None:
        exact = population_loss(model, weights, coefficients)
        if exact is not None:
            return LossEstimate(exact.value, exact.error, 0)
        samples = default_samples(model.n_ridge)
    value, error = expected_loss(model, weights, coefficients, beta, samples, stream)
    return LossEstimate(value, error, samples)


def wrong_signs(labels: Array, misfits: Array) -> float:
    """Share of labels -1 and 1 whose sign is not that of the fitted value, ``label - misfit``."""
    return float(np.mean(labels * misfits >= 1.0))


def sign_error(
    model: Model, weights: Array, coefficients: Array, samples: int | None, stream: np.random.Generator
) -> tuple[float, float]:
    """Estimate the probability of a wrong sign from fresh samples, with its standard error.

    Parameters are those of `generalization_loss`.
    """
    samples = default_samples(model.n_ridge) if samples is None else samples
    layer, wrong = FirstLayer(model.activation, weights), 0.0
    for rows in blocks(samples):
        inputs = stream.standard_normal((rows.stop - rows.start, model.d))
        labels = model.teacher(model.inputs.variables(inputs))
        wrong += wrong_signs(labels, labels - layer.features(inputs) @ coefficients) * len(inputs)
    return share_with_error(wrong / samples, samples)


def share_with_error(share: float, samples: int) -> tuple[float, float]:
    """A share of so many samples, and its standard error."""
    return share, math.sqrt(share * (1.0 - share) / samples)


def default_samples(n_ridge: int) -> int:
    """Number of fresh samples where none was asked for."""
    return min(max(FEWEST_SAMPLES, 2 * n_ridge), MOST_SAMPLES)


def expected_loss(
    model: Model,
    weights: Array,
    coefficients: Array,
    beta: Array,
    samples: int,
    stream: np.random.Generator,
) -> tuple[float, float]:
    """Estimate ``E (y - a^T sigma(W x))^2`` with its standard error given the network.

    The label noise is not drawn: its contribution ``noise_std^2`` is exact.

    Parameters
    ----------
    weights : ndarray of shape (width, d)
        First layer after the step, as it acts on standard Gaussian inputs.
    coefficients : ndarray of shape (width,)
        Fitted second layer.
    beta : ndarray of shape (d,)
        Direction of the first step in the same sense; used for variance reduction only.
    samples : int
        Number of fresh samples, at least 2.
    stream : numpy.random.Generator
        Source of the inputs.
    """
    teacher = model.inputs.directions(model.d)[:CONTROLS]
    directions, _ = np.linalg.qr(np.stack([*teacher, beta, coefficients @ weights], axis=1))
    layer, losses = FirstLayer(model.activation, weights), np.empty(samples)
    controls = np.empty((samples, directions.shape[1]))
    for rows in blocks(samples):
        inputs = stream.standard_normal((rows.stop - rows.start, model.d))
        fitted = layer.features(inputs) @ coefficients
        losses[rows] = (model.teacher(model.inputs.variables(inputs)) - fitted) ** 2
        controls[rows] = inputs @ directions
    corrected = _corrected(losses, _polynomials(controls))
    error = float(corrected.std(ddof=1)) / float(np.sqrt(samples))
    return float(corrected.mean()) + model.noise_std**2, error


def _polynomials(variables: Array) -> Array:
    """Products of normalised Hermite polynomials of total degree 1 to `DEGREE`: columns of mean zero."""
    tables = [normalized_hermite(DEGREE, column) for column in variables.T]
    degrees = (k for k in product(range(DEGREE + 1), repeat=len(tables)) if 0 < sum(k) <= DEGREE)
    columns = [np.prod([table[k] for table, k in zip(tables, ks, strict=True)], axis=0) for ks in degrees]
    return np.stack(columns, axis=1)


def _corrected(losses: Array, controls: Array) -> Array:
    """Subtract from the losses of each half of the samples the part that the controls explain."""
    corrected = losses.copy()
    half = losses.size // 2
    first, second = slice(0, half), slice(half, losses.size)
    design = np.column_stack([np.ones(losses.size), controls])
    for fitted, used in ((first, second), (second, first)):
        slopes = np.linalg.lstsq(design[fitted], losses[fitted], rcond=None)[0][1:]
        corrected[used] -= controls[used] @ slopes
    return corrected
