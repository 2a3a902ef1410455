"""Exact networks on inputs and labels of one's own."""

import math
from typing import Any

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Draws

SETTING = rs.Setting(
    n=120, d=60, width=80, n_ridge=100, activation="tanh", target={"hermite": [0.0, 1.0, 0.5]}, noise_std=0.2,
    ridge=0.05, step_exponent=0.4,
)  # fmt: skip


def together(batch: Any) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = zip(*((block.inputs.copy(), block.labels.copy()) for block in batch), strict=True)
    return np.concatenate(inputs), np.concatenate(labels)


@pytest.fixture(scope="module")
def batches() -> tuple[np.ndarray, ...]:
    """Both batches of a trial of `simulate`, and many fresh samples."""
    draws = Draws(Model.of(SETTING), 5, 0)
    x = np.random.default_rng(1).standard_normal((30_000, SETTING.d))
    y = x[:, 0] + 0.5 * (x[:, 0] ** 2 - 1.0) + 0.2 * np.random.default_rng(2).standard_normal(len(x))
    return *together(draws.first_batch(500)), *together(draws.second_batch(500)), x, y


def test_random_batches_given_as_data_give_the_same_trial(batches):
    """But for what needs the teacher or the variance of `q`, which is measured, and for the test loss.

    It is computed in one, sampled in the other.
    """
    plain = rs.simulate(SETTING, trials=1, seed=5).trials[0]
    for jobs in (1, 2):
        observed = rs.simulate(SETTING, data=rs.Data(*batches), trials=2, seed=5, jobs=jobs)
        own = observed.trials[0]
        for name in ("objective", "train", "beta_norm2", "singular_values", "right_alignment"):
            np.testing.assert_allclose(getattr(own, name), getattr(plain, name), rtol=1e-12, atol=1e-14)
        q = plain.latent.q / np.sqrt(np.mean(plain.latent.q**2))
        np.testing.assert_allclose(own.latent.q, q, rtol=1e-12)
        np.testing.assert_allclose(own.alignment[:, 1], plain.alignment[:, 1], rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(own.sample[1:], plain.sample[1:])  # the first one is no sample's
        assert abs(own.test - plain.test) < 5 * own.test_error
        assert own.test_samples == 30_000
        assert math.isnan(own.beta_cosine)
        other = observed.trials[1]
        assert np.max(np.abs(other.singular_values - own.singular_values)) > 1e-3


def test_alignments_on_correlated_inputs_are_those_of_the_covariance():
    """Of the vector of degree two, to the scatter of three networks; with `q` as it comes one is 0.3 off."""
    setting = SETTING.replace(
        n=400, d=100, n_ridge=400, width=160, activation="relu", target={"hermite": [0.0, 1.0, 0.6]},
        covariance={"eigenvalues": [0.4, 2.2], "proportions": [2 / 3, 1 / 3], "teacher": [0.3, 0.7]},
    )  # fmt: skip
    model, known, own = Model.of(setting), [], []
    for seed in range(3):
        draws = Draws(model, seed, 0)
        data = rs.Data(*together(draws.first_batch(500)), *together(draws.second_batch(500)))
        known += rs.simulate(setting, trials=1, seed=seed).trials
        own += rs.simulate(setting.replace(covariance=None), data=data, trials=1, seed=seed).trials
    for each in own:
        assert np.mean(each.latent.q**2) == pytest.approx(1.0, rel=1e-12)
    seen, expected = (np.mean([each.alignment[1] for each in trials], axis=0) for trials in (own, known))
    assert np.all(np.abs(seen - expected)[:3] < 0.05)
    assert expected[2] > 0.3


def test_sizes_come_from_the_arrays(batches):
    other = rs.simulate(SETTING.replace(n=7, d=5, n_ridge=9), data=rs.Data(*batches), trials=1, seed=5)
    assert (other.setting.n, other.setting.d, other.setting.n_ridge) == (120, 60, 100)
    assert other.setting.width == 80


def test_held_out_samples_are_split_off():
    """Every sample is in one batch, in the shares asked for, and another seed draws others."""
    x = np.arange(200.0)[:, None] * np.ones(3)
    data = rs.Data(x, x[:, 0], ridge_fraction=0.4, test_fraction=0.1)
    parts = [data.X[:, 0], data.X_ridge[:, 0], data.X_test[:, 0]]
    assert [part.size for part in parts] == [100, 80, 20]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(200.0))
    for inputs, labels in ((data.X, data.y), (data.X_ridge, data.y_ridge), (data.X_test, data.y_test)):
        np.testing.assert_array_equal(inputs[:, 0], labels)
    assert data != rs.Data(x, x[:, 0], ridge_fraction=0.4, test_fraction=0.1, seed=1)
    assert rs.Data(x, x[:, 0], ridge_fraction=0.5).X_test is None


def test_standardised_columns():
    """By the first batch alone: the held-out samples do not move it. A constant column becomes zero."""
    rng = np.random.default_rng(3)
    x = np.column_stack([5.0 + 2.0 * rng.standard_normal(300), np.full(300, 0.1), rng.exponential(size=300)])
    data = rs.Data(x, x[:, 0], x + 100.0, x[:, 0], standardise=True)
    np.testing.assert_allclose(data.X.mean(axis=0), 0.0, atol=1e-13)
    np.testing.assert_allclose(data.X.std(axis=0), [1.0, 0.0, 1.0], atol=1e-13)
    moved = np.broadcast_to(100.0 / x.std(axis=0) * [1.0, 0.0, 1.0], x.shape)
    np.testing.assert_allclose(data.X_ridge - data.X, moved, rtol=1e-9)
    np.testing.assert_array_equal(data.y, x[:, 0])


def test_a_step_on_data_with_a_direction_lowers_the_held_out_loss():
    """Correlated inputs that no theory here describes; without a step the test loss is higher by a third."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((900, 40)) @ rng.standard_normal((40, 60)) / 8.0
    y = np.tanh(x @ rng.standard_normal(60) / 8.0)
    data = rs.Data(x, y, ridge_fraction=0.4, test_fraction=0.2, standardise=True)
    losses = [
        rs.simulate(SETTING.replace(step_exponent=None, step_size=step), data=data, trials=4).mean_se()
        for step in (0.0, 8.0)
    ]
    still, trained = (each["losses"]["test"]["mean"] for each in losses)
    assert trained < 0.75 * still


def test_an_observation_says_what_its_data_were(batches, tmp_path):
    data = rs.Data(*batches[:4], standardise=True)
    observed = rs.simulate(SETTING, data=data, trials=1)
    assert math.isnan(observed.trials[0].test)
    assert "120 + 100 + 0 samples, standardised" in observed.to_dict()["data"]
    observed.save(tmp_path / "o.npz")
    assert rs.Observation.load(tmp_path / "o.npz") == observed
    assert observed != rs.simulate(SETTING, data=rs.Data(*batches[:4]), trials=1)
    assert "data" not in rs.simulate(SETTING, trials=1).to_dict()


@pytest.mark.parametrize(
    ("field", "change", "mentions"),
    [
        ("X_ridge", {}, ["ridge_fraction"]),
        ("y", {"y": np.ones(3), "ridge_fraction": 0.5}, ["(10,)"]),
        ("X", {"X": np.full((10, 4), np.nan), "ridge_fraction": 0.5}, ["nan"]),
        ("X_ridge", {"X_ridge": np.ones((5, 3)), "y_ridge": np.ones(5)}, ["(samples, 4)", "(5, 3)"]),
        ("y_ridge", {"X_ridge": np.ones((5, 4))}, ["together"]),
        ("X_test", {"y_test": np.ones(5), "ridge_fraction": 0.5}, ["together"]),
        ("ridge_fraction", {"ridge_fraction": 1.5}, ["between 0 and 1"]),
        ("ridge_fraction", {"ridge_fraction": 0.01}, ["every batch"]),
        ("test_fraction", {"ridge_fraction": 0.5, "test_fraction": 0.5}, ["every batch"]),
        (
            "ridge_fraction",
            {"X_ridge": np.ones((5, 4)), "y_ridge": np.ones(5), "ridge_fraction": 0.5},
            ["out"],
        ),
        ("standardise", {"ridge_fraction": 0.5, "standardise": 1}, ["True or False"]),
        ("seed", {"ridge_fraction": 0.5, "seed": -1}, ["-1"]),
    ],
)
def test_what_is_refused(field, change, mentions):
    with refused(field, *mentions):
        rs.Data(**{"X": np.ones((10, 4)), "y": np.ones(10), **change})


def test_simulate_refuses(batches):
    with refused("data", "Data"):
        rs.simulate(SETTING, data=batches[0])
    with refused("test_samples", "data"):
        rs.simulate(SETTING, data=rs.Data(*batches), test_samples=2000)


def test_one_batch_for_both_stages_is_given_twice():
    """The same samples are not replaced by others without a word."""
    setting = SETTING.replace(n_ridge=120, second_batch="same")
    x, y = together(Draws(Model.of(setting), 2, 0).first_batch(500))
    (random,) = rs.simulate(setting, trials=1, seed=2).trials
    (given,) = rs.simulate(setting, trials=1, seed=2, data=rs.Data(x, y, x, y)).trials
    assert given.train == pytest.approx(random.train, rel=1e-12)  # rounding of the same sums
    with refused("X_ridge", "must be the samples of X when second_batch is 'same'"):
        rs.simulate(setting, trials=1, data=rs.Data(x, y, -x, y))


def test_a_covariance_of_the_setting_does_not_touch_the_data():
    """It stands for the inputs in the theory; networks see the inputs themselves."""
    setting = rs.Setting(n=60, d=20, width=30, activation="tanh", target="tanh", ridge=0.1, step_size=2.0)
    rng = np.random.default_rng(0)
    data = rs.Data(*(rng.standard_normal((60, 20)), rng.standard_normal(60)) * 3)
    levels = {"eigenvalues": [0.5, 1.5], "proportions": [0.5, 0.5]}
    plain, stated = (
        rs.simulate(each, data=data, trials=1).trials[0]
        for each in (setting, setting.replace(covariance=levels))
    )
    assert plain == stated


def test_classification_errors_on_held_out_labels():
    """Counted by hand from a network fitted in plain numpy."""
    setting = rs.Setting(n=50, d=20, width=30, activation="tanh", target="tanh", ridge=0.1, step_size=0.0)
    rng = np.random.default_rng(3)
    batches = [(x, np.sign(x[:, 0])) for x in rng.standard_normal((3, 50, 20))]
    data = rs.Data(*batches[0], *batches[1], *batches[2])
    (trial,) = rs.simulate(setting, data=data, trials=1, seed=4).trials
    rows = Draws(Model.of(setting), 4, 0).network()[1]
    f, g = (np.tanh(x @ rows.T) for x, _ in batches[1:])
    a = np.linalg.solve(f.T @ f / 50 + 0.1 * np.eye(30), f.T @ batches[1][1] / 50)
    wrong = [np.mean(np.sign(h @ a) != y) for h, (_, y) in zip((f, g), batches[1:], strict=True)]
    assert trial.sign_error.tolist() == pytest.approx(wrong)
