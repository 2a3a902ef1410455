"""Whole trials: against a literal reimplementation, invariances, and statistics with closed forms."""

import itertools
import json
import math
import os
import signal
from importlib import import_module
from unittest.mock import Mock

import numpy as np
import pytest
from refusals import refused
from small_settings import make

from rmt_spikes.errors import DomainError
from rmt_spikes.simulation import simulate
from rmt_spikes.simulation.linalg.alignment import row_signs
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import draw_weights, open_streams
from rmt_spikes.simulation.observation import _common_signs
from rmt_spikes.simulation.test_loss.estimate import expected_loss


def hermite(k, x):
    """Probabilists' Hermite polynomials divided by sqrt(k!), written out."""
    table = [1.0, x, x**2 - 1, x**3 - 3 * x, x**4 - 6 * x**2 + 3]
    return table[k] / math.sqrt(math.factorial(k))


def literal(setting, seed, index):
    """The network with loops over samples and neurons, tanh only; nothing shared but the random streams."""
    streams = open_streams(seed, index)
    n, d, width, m = setting.n, setting.d, setting.width, setting.n_ridge
    w = streams.weights.standard_normal((width, d))
    w = [row / math.sqrt(sum(v * v for v in row)) for row in w]
    alpha = {
        "gaussian": lambda: streams.readout.standard_normal(width),
        "rademacher": lambda: [2 * b - 1 for b in streams.readout.integers(0, 2, width)],
        "constant": lambda: [1.0] * width,
    }[setting.readout]()
    a = [v / math.sqrt(width) for v in alpha]
    factor = 1 / math.sqrt(width) if setting.output_scale == "mean_field" else 1.0

    def label(x, e):
        return 0.2 + x[0] + 0.7 * (x[0] ** 2 - 1) + setting.noise_std * e

    x1, e1 = streams.first_inputs.standard_normal((n, d)), streams.first_noise.standard_normal(n)
    gradient, beta = np.zeros((width, d)), np.zeros(d)
    for i in range(n):
        output = factor * sum(a[j] * math.tanh(w[j] @ x1[i]) for j in range(width))
        r = label(x1[i], e1[i]) - output
        beta += x1[i] * r / n
        for j in range(width):
            slope = 1 - math.tanh(w[j] @ x1[i]) ** 2
            gradient[j] += a[j] * r * slope * x1[i] / n
    trained = np.array(w) + setting.step * gradient

    x2, e2 = x1, e1
    if setting.second_batch == "fresh":
        x2, e2 = streams.second_inputs.standard_normal((m, d)), streams.second_noise.standard_normal(m)
    y2 = np.array([label(x2[i], e2[i]) for i in range(m)])
    f = np.array([[math.tanh(trained[j] @ x2[i]) for j in range(width)] for i in range(m)])
    fitted = np.linalg.solve(f.T @ f / m + setting.ridge * np.eye(width), f.T @ y2 / m)
    u, s, vt = np.linalg.svd(f / math.sqrt(m))
    q = x2 @ beta / np.linalg.norm(beta)
    train = float(np.mean((y2 - f @ fitted) ** 2))
    return {
        "train": train,
        "objective": train + setting.ridge * float(fitted @ fitted),
        "beta_norm2": float(beta @ beta),
        "beta_cosine": float(beta[0] / np.linalg.norm(beta)),
        "singular_values": np.concatenate([s, np.zeros(width - s.size)]),
        "u": u,
        "v": vt.T,
        "q": q,
        "alpha": np.array(alpha, dtype=float),
        "labels": y2,
        "trained": trained,
        "fitted": fitted,
    }


@pytest.mark.parametrize(
    ("readout", "scale", "width", "n_ridge", "second_batch"),
    [
        *itertools.product(
            ["gaussian", "rademacher", "constant"], ["mean_field", "standard"], [8], [11], ["fresh"]
        ),
        ("gaussian", "standard", 8, 6, "fresh"),
        ("constant", "mean_field", 9, 9, "fresh"),
        ("gaussian", "mean_field", 8, 14, "same"),
        ("rademacher", "standard", 17, 14, "same"),
    ],
)
def test_a_trial_equals_the_literal_network(readout, scale, width, n_ridge, second_batch):
    batch = {"n_ridge": n_ridge, "second_batch": second_batch}
    setting = make(readout=readout, output_scale=scale, width=width, **batch)
    trial = simulate(setting, trials=2, seed=5, top=3, keep_vectors=True).trials[1]
    truth = literal(setting, 5, 1)
    # Both are double precision on a problem of condition number below 1e3.
    close = {"rtol": 1e-9, "atol": 1e-11}
    for name in ("train", "objective"):
        assert getattr(trial, name) == pytest.approx(truth[name], rel=1e-9)
    for name in ("beta_norm2", "beta_cosine"):
        assert getattr(trial, name) == pytest.approx(truth[name], rel=1e-11)
    np.testing.assert_allclose(trial.singular_values, truth["singular_values"], **close)
    np.testing.assert_allclose(trial.latent.labels, truth["labels"], rtol=0, atol=1e-13)
    for name in ("q", "alpha"):
        np.testing.assert_allclose(getattr(trial.latent, name), truth[name], **close)
    for j in range(3):
        u, v = truth["u"][:, j], truth["v"][:, j]
        sign = np.sign(trial.left_vectors[:, j] @ u)
        np.testing.assert_allclose(trial.left_vectors[:, j], sign * u, atol=1e-9)
        np.testing.assert_allclose(trial.right_vectors[:, j], sign * v, atol=1e-9)
        for k in range(5):
            h = hermite(k, truth["q"]) * np.ones(n_ridge)
            assert trial.alignment[j, k] == pytest.approx((u @ h) ** 2 / (h @ h), abs=1e-9)
            assert trial.feature[j, k] == pytest.approx(sign * (u @ h) / math.sqrt(n_ridge), abs=1e-9)
            g = hermite(k, truth["alpha"]) * np.ones(width)
            exists = k < {"gaussian": 5, "rademacher": 2, "constant": 1}[readout]
            expected = (v @ g) ** 2 / (g @ g) if exists else 0.0
            assert trial.right_alignment[j, k] == pytest.approx(expected, abs=1e-9)
    # The test loss of the literal network, on samples of its own.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40_000, 5))
    errors = 0.2 + x[:, 0] + 0.7 * (x[:, 0] ** 2 - 1) + 0.5 * rng.standard_normal(40_000)
    errors = (errors - np.tanh(x @ truth["trained"].T) @ truth["fitted"]) ** 2
    # Four standard errors of the two samples together: false alarm 6e-5 each.
    assert abs(trial.test - errors.mean()) < 4 * math.hypot(trial.test_error, errors.std() / 200)


def test_step_zero_leaves_the_initial_features():
    setting = make(step_size=0.0)
    trial = simulate(setting, trials=1, seed=1).trials[0]
    streams = open_streams(1, 0)
    inputs = streams.second_inputs.standard_normal((11, 5))
    initial = np.tanh(inputs @ draw_weights(Model.of(setting), streams.weights).T)
    expected = np.linalg.svd(initial / 11**0.5, compute_uv=False)
    np.testing.assert_allclose(trial.singular_values, expected, atol=1e-12)
    # The gradient is still computed: beta does not know the step size.
    other = simulate(make(step_size=2.0), trials=1, seed=1).trials[0]
    assert trial.beta_norm2 == other.beta_norm2 > 0.0
    assert trial.beta_cosine == other.beta_cosine
    assert not np.allclose(trial.singular_values, other.singular_values, rtol=1e-3)


def test_settings_share_their_randomness():
    one = simulate(make(step_size=0.5, ridge=0.1, noise_std=0.0), trials=1).trials[0]
    two = simulate(make(step_size=2.0, ridge=1.0, readout="rademacher"), trials=1).trials[0]
    # Same second inputs: the noiseless labels differ by the noise only, which is standard normal times 0.5.
    assert np.abs(one.latent.labels - two.latent.labels).max() < 0.5 * 5
    same = simulate(make(step_size=2.0, noise_std=0.0), trials=1).trials[0]
    assert np.array_equal(one.latent.labels, same.latent.labels)
    assert np.array_equal(one.latent.q, same.latent.q)


def test_a_trial_does_not_depend_on_their_number_or_the_workers():
    setting = make(n=90, d=40, width=60, n_ridge=70)
    few = simulate(setting, trials=2, seed=9)
    seen = []
    many = simulate(setting, trials=5, seed=9, jobs=2, keep_vectors=True, on_trial=seen.append)
    assert [t.index for t in many.trials] == [0, 1, 2, 3, 4]
    assert sorted(t.index for t in seen) == [0, 1, 2, 3, 4]
    for one, other in zip(few.trials, many.trials, strict=False):
        assert (one.method, one.test_samples) == (other.method, other.test_samples)
        for name in one.to_dict().keys() - {"method"}:
            # BLAS may sum in another order with another number of threads: rounding, not more.
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-10, atol=1e-10)
    different = simulate(setting, trials=1, seed=10).trials[0]
    assert different.objective != few.trials[0].objective
    assert few.trials[0].objective != few.trials[1].objective


def test_stages_are_told_as_they_begin():
    told = []
    one = simulate(make(), trials=1, seed=4)
    assert simulate(make(), trials=1, seed=4, on_stage=told.append) == one
    assert told == ["gradient step", "spectrum", "test loss"]
    with pytest.raises(DomainError, match="on_stage: must be left out where other processes do the work"):
        simulate(make(), trials=2, jobs=2, on_stage=told.append)


def test_errors_come_back_from_workers():
    # Noise of 1e6 makes the step so large that the exponential overflows.
    setting = make(activation={"expression": "exp(z**2/5)*z"}, step_size=28.0, noise_std=1e6)
    with refused("step_size"):
        simulate(setting, trials=2, jobs=2)


def test_a_dead_worker_is_named(monkeypatch):
    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(import_module("rmt_spikes.simulation.simulate"), "run_trial", die)
    with pytest.raises(DomainError, match="jobs: a worker process died, perhaps for want of memory, got 2"):
        simulate(make(), trials=2, jobs=2)


def test_beta_statistics_agree_with_the_closed_form_and_reject_a_wrong_one():
    target = {"hermite": [0.0, 1.0, 0.7071067811865476]}
    setting = make(n=1200, d=400, width=40, n_ridge=40, target=target, noise_std=0.5)
    losses = simulate(setting, trials=60, seed=11, test_samples=1000).mean_se()["latent"]
    norm2, cosine = losses["beta_norm2"], losses["beta_cosine"]
    # B = c_{*,1}^2 + phi E y^2 (docs/theory.md section 2).
    expected = 1.0 + (setting.d / setting.n) * (1 + 1 + 0.25)
    # Finite-size terms: E ||beta||^2 has + 1/n times the variance of y x (11.75 here: 0.01); the initial
    # output adds a part of order 1/width to E r^2: (1/3) * 0.15 / 40 = 0.001. Together below 0.012.
    assert abs(norm2["mean"] - expected) < 3.5 * norm2["se"] + 0.012
    assert abs(cosine["mean"] - expected**-0.5) < 3.5 * cosine["se"] + 0.003
    # Negative control: without phi E y^2 the same test must reject, by far.
    assert abs(norm2["mean"] - 1.0) > 20 * norm2["se"] + 0.012


def test_control_variates_leave_the_expectation_alone():
    """For a linear network and a polynomial teacher the loss is known exactly."""
    setting = make(activation={"hermite": [0.0, 1.0]}, noise_std=0.5)
    rng = np.random.default_rng(0)
    weights, coefficients = rng.standard_normal((8, 5)), rng.standard_normal(8) / 4
    direction = coefficients @ weights
    gap = np.eye(5)[0] - direction
    exact = 0.2**2 + 2 * 0.7**2 + gap @ gap + 0.25
    beta = rng.standard_normal(5)
    network = Model.of(setting), weights, coefficients, beta
    estimates = [expected_loss(*network, 1000, np.random.default_rng(i))[0] for i in range(5)]
    # The squared error is a polynomial of degree 4 of two controls: nothing is left to sample.
    np.testing.assert_allclose(estimates, exact, rtol=1e-9)


def test_control_variates_state_their_error_honestly():
    """Estimates from independent samples scatter by the stated error around one common value."""
    setting = make(d=20, width=30, activation="relu", noise_std=0.0)
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((30, 20)) / 20**0.5
    coefficients, beta = rng.standard_normal(30) / 5, rng.standard_normal(20)
    network = Model.of(setting), weights, coefficients, beta
    pairs = [expected_loss(*network, 2000, np.random.default_rng(i)) for i in range(120)]
    values, stated = np.array(pairs).T
    # A standard deviation from 120 values is right to 6.5 %: three of those, and 5 % for the fitted slopes.
    assert values.std(ddof=1) == pytest.approx(stated.mean(), rel=0.25)
    rng = np.random.default_rng(2)
    inputs = rng.standard_normal((400_000, 20))
    t = inputs[:, 0]
    outputs = (np.maximum(inputs @ weights.T, 0) - (2 * np.pi) ** -0.5) @ coefficients
    plain = (0.2 + t + 0.7 * (t**2 - 1) - outputs) ** 2
    error = math.hypot(plain.std() / 400_000**0.5, values.std() / 120**0.5)
    assert abs(values.mean() - plain.mean()) < 4 * error
    # They are there to help: without them the error would be at least a half larger.
    assert stated.mean() < plain.std() / 2000**0.5 / 1.5


def test_mean_and_standard_error_are_those_of_the_trials():
    observation = simulate(make(), trials=4, top=2)
    summary = observation.mean_se()
    tests = np.array([t.test for t in observation.trials])
    assert summary["losses"]["test"]["mean"] == pytest.approx(tests.mean())
    assert summary["losses"]["test"]["se"] == pytest.approx(tests.std(ddof=1) / 2)
    medians = [np.median(t.singular_values) for t in observation.trials]
    assert summary["bulk"]["quantiles"]["0.5"]["mean"] == pytest.approx(np.mean(medians))
    assert list(summary["bulk"]["quantiles"]) == ["0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95"]
    assert len(summary["spikes"]) == 2
    alignment = np.array([t.alignment[1, 2] for t in observation.trials])
    assert summary["spikes"][1]["alignment"][2]["mean"] == pytest.approx(alignment.mean())


def test_the_document_is_json_with_the_agreed_keys():
    observation = simulate(make(), trials=np.int64(1), seed=np.int64(3))
    document = json.loads(json.dumps(observation.to_dict(), allow_nan=False))
    assert list(document) == ["schema", "setting", "seed", "trials", "latent", "bulk", "spikes", "losses"]
    assert document["schema"] == "rmt-spikes/observation/1"
    assert (document["seed"], document["trials"]) == (3, 1)
    assert document["losses"]["train"]["se"] is None
    assert list(document["spikes"][0]) == ["singular_value", "alignment", "feature", "right_alignment"]
    assert {len(document["spikes"][0][k]) for k in ("alignment", "feature", "right_alignment")} == {5}
    trial = observation.trials[0].to_dict()
    assert len(json.loads(json.dumps(trial, allow_nan=False))["singular_values"]) == 8


def test_sign_rule():
    rows = np.array([[0.04, -0.5, 0.9, 0, 0], [-0.06, 0.9, 0, 0, 0], [0.01, -0.03, 0.02, 0, 0], [0] * 5])
    assert row_signs(rows).tolist() == [-1.0, -1.0, -1.0, 1.0]


def test_features_are_averaged_in_one_orientation():
    rng = np.random.default_rng(0)
    truth = np.array([0.0, 0.95, 0.1, -0.2, 0.0])
    noisy = truth + 0.06 * rng.standard_normal((30, 1, 5))
    flipped = noisy * row_signs(noisy[:, 0])[:, None, None]
    # The rule for one trial turns some of these around, which would cancel in the mean...
    assert abs(flipped.mean(axis=0)[0, 1]) < 0.7
    # ... and the common orientation is right to the noise: 0.06 / sqrt(30) = 0.011, four of them.
    np.testing.assert_allclose(_common_signs(flipped).mean(axis=0)[0], truth, atol=0.045)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("trials", [0, -1, 100_001, 2.0, True, "3", None]),
        ("seed", [-1, 2**63, 0.5, False, None]),
        ("jobs", [0, -1, 1.5, True]),
        ("top", [0, 9, -2, 2.0, True]),
        ("test_samples", [0, 999, 1e4]),
        ("spectrum", ["all", None, 1, np.array(["top", "full"])]),
        ("precision", ["half", None, np.array(["single", "double"])]),
        ("memory", [0, -1.0, float("nan"), "1 GB", True, 10**400, np.complex128(1e9), float("inf"), [1e9]]),
        ("keep_vectors", [1, None, "yes"]),
        ("on_trial", [5, "print"]),
        ("on_stage", [5, "print"]),
        ("spread", [1, None, np.array([True, False])]),
    ],
)
def test_arguments_out_of_domain_are_named(field, values, monkeypatch):
    started = Mock(side_effect=AssertionError("a trial was started"))
    monkeypatch.setattr(import_module("rmt_spikes.simulation.simulate"), "run_trial", started)
    for value in values:
        with refused(field):
            simulate(make(), **{field: value})


@pytest.mark.parametrize("changes", [{"width": 3}, {"n_ridge": 4}, {"width": 1, "n_ridge": 1}])
def test_by_default_there_are_as_many_vectors_as_fit(changes):
    setting = make(**changes)
    (trial,) = simulate(setting, trials=1).trials
    assert len(trial.feature) == min(setting.width, setting.n_ridge)
    with pytest.raises(DomainError, match="top: "):
        simulate(setting, trials=1, top=5)
