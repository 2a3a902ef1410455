"""Which sample of the first batch a singular vector belongs to."""

import math

import numpy as np
import pytest

from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial, simulate
from rmt_spikes.simulation.network.sampling import open_streams

SETTING = Setting(
    n=640, d=320, width=420, activation="relu", center=True, target={"hermite": [0.0, 1.0, math.sqrt(0.5)]},
    noise_std=0.5, ridge=0.01, step_exponent=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def trials() -> tuple[Trial, ...]:
    return simulate(SETTING, trials=3, seed=4, top=6, keep_vectors=True).trials


def inputs(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the first batch, and of the second."""
    streams = open_streams(4, trial.index)
    first = streams.first_inputs.standard_normal((SETTING.n, SETTING.d))
    return first, streams.second_inputs.standard_normal((SETTING.n_ridge, SETTING.d))


def correlations(trial: Trial, samples: np.ndarray) -> np.ndarray:
    """Squared correlations of the left vectors with the directions of some samples, shape (top, samples)."""
    first, second = inputs(trial)
    beta = first.T @ trial.latent.residuals / SETTING.n
    chosen = first[samples]
    along = second @ (chosen - np.outer(chosen @ beta, beta) / (beta @ beta)).T
    return (trial.left_vectors.T @ along) ** 2 / np.sum(along**2, axis=0)


def test_the_sample_is_the_closest_of_those_with_large_residuals(trials):
    for trial in trials:
        largest = np.argsort(-np.abs(trial.latent.residuals))[:32]
        squares = correlations(trial, largest)
        np.testing.assert_array_equal(trial.sample, largest[squares.argmax(axis=1)])
        np.testing.assert_allclose(trial.sample_alignment, squares.max(axis=1), atol=1e-10)


def test_first_batch_of_a_trial(trials):
    for trial in trials:
        first, _ = inputs(trial)
        beta = first.T @ trial.latent.residuals / SETTING.n
        assert float(beta @ beta) == pytest.approx(trial.beta_norm2, rel=1e-11)
        np.testing.assert_array_equal(trial.latent.teacher, first[:, 0])
        assert trial.latent.first_stage().residuals is trial.latent.residuals


def test_values_after_the_spikes_belong_to_samples(trials):
    """Two spikes of ``q``, then samples; those with the smallest residuals are no better than chance.

    A vector in the space of the inputs has squared correlations of mean ``1/d``; the factor 4 is for the
    scatter of 192 of them and for the shape of the spectrum.
    """
    for trial in trials:
        assert trial.origin[:2] == ("learnt", "learnt")
        assert trial.origin[2] == "sample"
        smallest = np.argsort(np.abs(trial.latent.residuals))[:32]
        assert correlations(trial, smallest).mean() < 4.0 / SETTING.d < 0.2 * trial.sample_alignment[2]


def test_without_a_step_there_are_none():
    """Negative control: the same batches, and no vector is recognised."""
    still = simulate(SETTING.replace(step_exponent=None, step_size=0.0), trials=3, seed=4, top=6)
    assert {each for trial in still.trials for each in trial.origin} == {"bulk"}


def test_a_trial_of_before_says_nothing(trials):
    later = ("sample", "sample_alignment", "latent.residuals", "latent.teacher")
    arrays = {name: array for name, array in trials[0].to_arrays().items() if name not in later}
    old = Trial.from_arrays(arrays)
    assert old.origin is None
    assert old.latent.first_stage().residuals is None
    np.testing.assert_array_equal(old.alignment, trials[0].alignment)
    assert Trial.from_bytes(trials[0].to_bytes()).origin == trials[0].origin
