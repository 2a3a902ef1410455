"""Spectral measure of the gradient at the two directions of the latent variables, against matrices."""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.first_order.gradient_moments import direction_measure

SETTING = rs.Setting(
    n=1200, d=500, width=600, activation="relu", target={"hermite": [0.3, 1.0, 0.6, 0.1]}, noise_std=0.5,
    ridge=0.01, step_size=1.0,
)  # fmt: skip
DRAWS = 60


def realised(rng):
    """``D^T H D``, ``D^T H^2 D`` and ``D^T G D / E r^2`` of one first batch, ``D`` orthonormal."""
    x = rng.standard_normal((SETTING.n, SETTING.d))
    noise = SETTING.noise_std * rng.standard_normal(SETTING.n)
    r = SETTING.target_function(x[:, 0]) + noise
    beta = x.T @ r / SETTING.n
    learnt = beta / np.linalg.norm(beta)
    rest = np.eye(SETTING.d)[0] - learnt[0] * learnt
    directions = np.stack([learnt, rest / np.linalg.norm(rest)], axis=1)
    along = x.T @ (r[:, None] * (x @ directions)) / SETTING.n
    square = (x @ directions).T @ (r[:, None] ** 2 * (x @ directions)) / SETTING.n
    return np.stack([directions.T @ along, along.T @ along, square / SETTING.label_energy])


@pytest.fixture(scope="module")
def observed():
    rng = np.random.default_rng(11)
    draws = np.stack([realised(rng) for _ in range(DRAWS)])
    return draws.mean(axis=0), draws.std(axis=0, ddof=1) / np.sqrt(DRAWS)


def test_moments_are_those_of_matrices(observed):
    """Within 3.5 standard errors of 60 draws (9 numbers), and 1 % of the largest entry for finite ``n``."""
    mean, error = observed
    measure = direction_measure(SETTING)
    levels = np.stack([measure.levels, measure.levels**2, measure.growth])
    predicted = np.einsum("kh,hij->kij", levels, measure.weights)
    margin = 3.5 * error + 0.01 * np.abs(mean).max(axis=(1, 2), keepdims=True)
    assert np.all(np.abs(predicted - mean) < margin)


def test_a_direction_like_any_other_is_rejected(observed):
    """Negative control: the moments of a direction that the gradient does not know."""
    mean, error = observed
    level = SETTING.target_expansion.mean
    second = level**2 + SETTING.phi * SETTING.label_energy
    other = np.stack([level * np.eye(2), second * np.eye(2), np.eye(2)])
    assert np.all(np.max(np.abs(other - mean) / error, axis=(1, 2)) > 8.0)


def test_weights_add_up_to_the_identity():
    """The measure of an orthonormal pair, positive at each level."""
    measure = direction_measure(SETTING)
    np.testing.assert_allclose(measure.weights.sum(axis=0), np.eye(2), atol=1e-12)
    assert np.linalg.eigvalsh(measure.weights).min() > -1e-12
