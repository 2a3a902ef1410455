"""Covariance of the inputs, targets of several directions, norms of rows, and classification errors."""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rmt_spikes.functions.teacher import Teacher, target_from
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import simulate
from rmt_spikes.simulation.network.inputs import InputSpace
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Draws
from rmt_spikes.simulation.test_loss.estimate import expected_loss, sign_error
from rmt_spikes.simulation.test_loss.population import population_loss
from rmt_spikes.simulation.test_loss.target_expansion import expand_target

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "validation" / "reference" / "directions.json").read_text(encoding="utf-8"))[
    "cases"
]
LEVELS = {"eigenvalues": [0.2, 1.0, 3.0], "proportions": [0.5, 0.3, 0.2], "teacher": [0.1, 0.2, 0.7]}
SMALL = Setting(
    n=150, d=40, width=60, activation="relu", target={"expression": "z1 + 0.5*z2 + z1*z2"}, noise_std=0.3,
    ridge=0.05, step_size=6.0, covariance=LEVELS,
)  # fmt: skip
ALLOWED = 2.5
"""Standard errors of the difference, from the scatter of the reference: of the numbers of a row about five
are independent, and seeds are fixed."""


def scores(name, trials, own_scatter=False):
    """Differences from an independent program in standard errors, from its scatter for both or each one's."""
    known, count = CASES[name]["mean_se"], CASES[name]["trials"]
    values = {each: [getattr(t, each) for t in trials] for each in ("objective", "train", "test")}
    values |= {each: [getattr(t, each) for t in trials] for each in ("beta_norm2", "beta_cosine")}
    reference = {each: known[each] for each in values}
    if trials[0].sign_error is not None:
        values["sign_error"], reference["sign_error"] = [t.sign_error[1] for t in trials], known["sign_error"]
    values["singular_value"] = [t.singular_values[0] for t in trials]
    reference["singular_value"] = [part[0] for part in known["singular_values"]]
    found = {}
    for each, seen in values.items():
        mean, error = reference[each]
        own = np.std(seen, ddof=1) if own_scatter else error * math.sqrt(count)
        found[each] = (np.mean(seen) - mean) / math.hypot(error, own / math.sqrt(len(seen)))
    return found


@cache
def observed(name, trials, **changes):
    setting = Setting(**CASES[name]["setting"])
    return simulate(setting.replace(**changes), trials=trials, seed=5).trials


QUICK = ["multi-softplus-const-sqrt", "aniso-tanh-theta08"]


@pytest.mark.parametrize("name", QUICK)
def test_networks_are_those_of_an_independent_program(name):
    found = scores(name, observed(name, 2))
    assert max(map(abs, found.values())) < ALLOWED, found


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_all_rows_of_the_independent_program(name):
    """Of 61 numbers one is beyond 3.5 standard errors with a probability of 3 %."""
    found = scores(name, observed(name, 24), own_scatter=True)
    assert max(map(abs, found.values())) < 3.5, found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        # The first direction alone, and a teacher that lies as every other direction.
        ("multi-softplus-const-sqrt", {"target": "identity"}),
        ("aniso-tanh-theta08", {"covariance": {key: LEVELS[key] for key in ("eigenvalues", "proportions")}}),
    ],
)
def test_a_wrong_setting_is_rejected(name, changes):
    """Negative control of the comparison above."""
    setting = Setting(**CASES[name]["setting"]).replace(**changes)
    found = scores(name, simulate(setting, trials=2, seed=5).trials)
    assert max(map(abs, found.values())) > 3 * ALLOWED


def same_numbers(one, other, rtol):
    for name in ("objective", "train", "test", "beta_norm2", "beta_cosine"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=rtol)
    np.testing.assert_allclose(one.singular_values, other.singular_values, rtol=rtol)
    np.testing.assert_allclose(one.alignment, other.alignment, atol=rtol)


@pytest.mark.parametrize("norm", [0.5, 3.0**-0.5, 2.0])
def test_rows_of_a_norm_are_a_scaled_activation(norm):
    """``sigma(s w x)`` with the step ``eta / s^2``, on the same random numbers: equal to rounding."""
    base = SMALL.replace(activation="tanh", row_norm=norm)
    scaled = base.replace(
        row_norm=1.0, activation={"expression": f"tanh({norm!r}*z)"}, step_size=base.step / norm**2
    )
    one, other = (simulate(each, trials=1, weights=True).trials[0] for each in (base, scaled))
    same_numbers(one, other, 1e-10)
    # The layer itself is longer.
    np.testing.assert_allclose(one.weights, norm * other.weights, rtol=1e-10)
    # Negative control: the step alone, or the activation alone.
    wrong = simulate(scaled.replace(step_size=base.step), trials=1).trials[0]
    assert abs(wrong.test / one.test - 1) > 1e-3


def test_equal_eigenvalues_and_one_direction_are_the_plain_setting():
    plain = SMALL.replace(covariance=None, target="tanh", noise_std=0.1)
    ones = plain.replace(covariance={"eigenvalues": [1.0, 1.0], "proportions": [0.7, 0.3], "teacher": [1, 0]})
    named = plain.replace(target={"expression": "tanh(z1)"})
    (trial,) = simulate(plain, trials=1).trials
    for other in (ones, named):
        same_numbers(simulate(other, trials=1).trials[0], trial, 1e-12)


def test_coordinates_are_those_of_the_covariance():
    """Variances of the axes; teacher variables standard, uncorrelated, with the stated share of energy."""
    space = InputSpace.of(SMALL)
    eigenvalues = np.repeat(LEVELS["eigenvalues"], [20, 12, 8])
    np.testing.assert_allclose(space.scale**2, eigenvalues, rtol=1e-14)
    whitened = space.directions(SMALL.d)
    np.testing.assert_allclose(whitened @ whitened.T, np.eye(2), atol=1e-14)
    for k in range(2):
        b = space.direction(np.eye(2)[k], SMALL.d)
        energy = [np.sum(b[eigenvalues == value] ** 2) for value in LEVELS["eigenvalues"]]
        np.testing.assert_allclose(energy, LEVELS["teacher"], rtol=1e-13)
        # u_k = <b_k, x> / sqrt(s_1) with s_1 = sum w l.
        np.testing.assert_allclose(b * space.scale / math.sqrt(2.32), whitened[k], atol=1e-14)
    z = np.random.default_rng(0).standard_normal((6, SMALL.d))
    np.testing.assert_allclose(space.variables(z), whitened @ z.T, atol=1e-13)


def test_latent_variables_by_their_formulas():
    """In plain numpy: ``beta``, and the correlation of ``<beta, x>`` with the learnt teacher variable."""
    (trial,) = simulate(SMALL, trials=1, seed=3).trials
    model, draws = Model.of(SMALL), Draws(Model.of(SMALL), 3, 0)
    alpha, rows = draws.network()
    (block,) = draws.first_batch(1000)
    r = block.labels - model.output_factor * model.activation(block.inputs @ rows.T) @ alpha / math.sqrt(60)
    beta = block.inputs.T @ r / SMALL.n
    sigma = np.repeat(LEVELS["eigenvalues"], [20, 12, 8])
    first = np.array([1.0, 0.5]) / math.sqrt(1.25)
    e_1 = first @ np.array([model.inputs.direction(row, SMALL.d) for row in np.eye(2)])
    correlation = beta @ (sigma * e_1) / math.sqrt(beta @ (sigma * beta) * 2.32)
    assert trial.beta_norm2 == pytest.approx(beta @ beta, rel=1e-12)
    assert trial.beta_cosine == pytest.approx(correlation, rel=1e-12)
    (second,) = draws.second_batch(1000)
    np.testing.assert_allclose(trial.latent.q, second.inputs @ beta / math.sqrt(beta @ (sigma * beta)))
    assert trial.latent.teacher.shape == (2, SMALL.n)
    y = trial.latent.teacher[0] + 0.5 * trial.latent.teacher[1] + np.prod(trial.latent.teacher, axis=0)
    assert np.std(block.labels - y) == pytest.approx(0.3, rel=5 / math.sqrt(2 * SMALL.n))


def test_weights_are_compared_with_the_learnt_direction():
    """The first layer by its own formula in plain numpy, its singular vectors by LAPACK."""
    (trial,) = simulate(SMALL, trials=1, seed=3, weights=True, top=3).trials
    model, draws = Model.of(SMALL), Draws(Model.of(SMALL), 3, 0)
    alpha, rows = draws.network()
    (block,) = draws.first_batch(1000)
    activity, a = block.inputs @ rows.T, alpha / math.sqrt(60)
    r = block.labels - model.output_factor * model.activation(activity) @ a
    rows = rows + 6.0 * (r[:, None] * model.activation.derivative(activity) * a).T @ block.inputs / SMALL.n
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    e_1 = model.inputs.direction(np.array([1.0, 0.5]) / math.sqrt(1.25), SMALL.d)
    np.testing.assert_allclose(trial.weights, values, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(trial.weights_alignment, (right[:3] @ e_1) ** 2, atol=1e-10)
    assert trial.weights_alignment[0] > 0.2


TARGETS = ["z1 + 0.8*z1*z2 - z2**3/9", "sign(z1 + z2)", "z1 + z2*z3*z4", "tanh(z1)*abs(z2) + z1/2"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_expected_loss_is_that_of_fresh_samples(target, activation):
    """The exact expectation against 40,000 samples, within four of their standard errors."""
    setting = SMALL.replace(target={"expression": target}, activation=activation)
    model, rng = Model.of(setting), np.random.default_rng(7)
    rows = rng.standard_normal((60, 40)) / math.sqrt(40)
    rows += np.outer(0.3 * rng.standard_normal(60), model.inputs.directions(40)[:2].sum(axis=0))
    coefficients = rng.standard_normal(60) / 20
    exact = population_loss(model, rows, coefficients)
    beta = rng.standard_normal(40)
    value, error = expected_loss(model, rows, coefficients, beta, 40_000, rng)
    assert exact is not None
    assert exact.error < 1e-6 * exact.value
    assert abs(exact.value - value) < 4 * error
    # Negative control: a little more of the second direction is seen.
    other = Model.of(setting.replace(target={"expression": f"{target} + z2/2"}))
    assert abs(population_loss(other, rows, coefficients).value - value) > 5 * error


def test_an_expansion_holds_the_energy_of_its_target():
    """Hermite coefficients of a polynomial, by hand: ``z1 z2^2 = h_1 (sqrt 2 h_2 + 1)``."""
    found = expand_target(Teacher(target_from({"expression": "z1*z2**2 + 3*z2"})), 32)
    table = {tuple(k): g for k, g in zip(found.degrees.tolist(), found.coefficients, strict=True)}
    expected = {(1, 2): math.sqrt(2), (1, 0): 1.0, (0, 1): 3.0}
    for degrees, value in table.items():
        assert value == pytest.approx(expected.get(degrees, 0.0), abs=1e-12)
    assert found.tail < 1e-6


def test_the_classification_error_of_a_linear_network():
    """A linear score is Gaussian: its sign is wrong with probability ``arccos(correlation) / pi``."""
    setting = SMALL.replace(target="sign", noise_std=0.0, activation="identity")
    model, rng = Model.of(setting), np.random.default_rng(1)
    rows, a = rng.standard_normal((60, 40)), rng.standard_normal(60)
    rows += np.outer(a, 3 * model.inputs.directions(40)[0])
    score = a @ rows
    exact = math.acos(score @ model.inputs.directions(40)[0] / np.linalg.norm(score)) / math.pi
    share, error = sign_error(model, rows, a, 20_000, rng)
    assert error == pytest.approx(math.sqrt(exact * (1 - exact) / 20_000), rel=0.05)
    assert abs(share - exact) < 4 * error


def test_classification_errors_are_counted_where_labels_are_signs():
    setting = SMALL.replace(target={"expression": "sign(z1 + z2*z1)"}, noise_std=0.0)
    observation = simulate(setting, trials=2, keep_vectors=True)
    losses = observation.to_dict()["losses"]
    assert set(losses["sign_error"]) == {"train", "test"}
    assert 0 <= losses["sign_error"]["train"]["mean"] <= losses["sign_error"]["test"]["mean"] < 0.5
    for trial in observation.trials:
        assert trial.sign_error_se == pytest.approx(
            math.sqrt(trial.sign_error[1] * (1 - trial.sign_error[1]) / 8000), rel=1e-12
        )
    for noisy in (setting.replace(noise_std=0.1), setting.replace(target="tanh")):
        assert "sign_error" not in simulate(noisy, trials=1).to_dict()["losses"]
