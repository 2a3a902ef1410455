"""The exact test loss: against closed forms of kernels, against samples, and its stated error."""

import math

import numpy as np
import pytest
import small_settings
from scipy.special import gammaln

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.scalar import function_from
from rmt_spikes.simulation import simulate
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.test_loss import population as module
from rmt_spikes.simulation.test_loss.estimate import expected_loss, generalization_loss
from rmt_spikes.simulation.test_loss.population import population_loss
from rmt_spikes.simulation.test_loss.row_expansion import expand_rows

ROUGH = {"expression": "tanh(z - 0.3) + abs(z - 1)/3"}


def make(**changes):
    """A setting, worked out; not centred, as closed forms are."""
    base = {"n": 40, "d": 12, "width": 30, "n_ridge": None, "step_size": 1.0, "center": False}
    return Model.of(small_settings.make(**(base | changes)))


def network(setting, spread=1.0, seed=0):
    """Rows of unequal norms with a common part, as after a step, and a second layer."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((setting.width, setting.d)) / setting.d**0.5
    direction = rng.standard_normal(setting.d) / setting.d**0.5
    direction[0] += 1.0
    weights += spread * np.outer(rng.standard_normal(setting.width), direction)
    return weights, rng.standard_normal(setting.width) / setting.width**0.5


def arc_cosine(product, norms):
    """E relu(u) relu(v) of Cho and Saul (2009), in their angle."""
    sizes = np.outer(norms, norms)
    angle = np.arccos(np.clip(product / sizes, -1.0, 1.0))
    return sizes / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * np.cos(angle))


def test_relu_agrees_with_the_arc_cosine_kernel():
    setting = make(activation="relu", width=1100, target={"hermite": [0.0, 1.0]})
    weights, a = network(setting)
    norms = np.linalg.norm(weights, axis=1)
    expected = 1.0 - 2 * a @ weights[:, 0] / 2 + a @ arc_cosine(weights @ weights.T, norms) @ a + 0.25
    result = population_loss(setting, weights, a)
    # Rounding: 1100^2 terms of size 1e-3 that add up to about one.
    assert result.value == pytest.approx(expected, rel=1e-12)
    assert abs(result.value - expected) <= result.error < 1e-9 * expected


@pytest.mark.parametrize(("width", "spread"), [(30, 1.0), (30, 0.0), (700, 0.3)])
def test_erf_agrees_with_the_arc_sine_kernel(width, spread):
    """E erf(u) erf(v) of Williams (1997); E x erf(w x) = w E erf'(w x)."""
    setting = make(activation="erf", width=width, target={"hermite": [0.0, 1.0]})
    weights, a = network(setting, spread)
    product = weights @ weights.T
    inflated = 1 + 2 * np.diag(product)
    kernel = 2 / np.pi * np.arcsin(2 * product / np.sqrt(np.outer(inflated, inflated)))
    cross = weights[:, 0] * 2 / np.sqrt(np.pi * inflated)
    expected = 1.0 - 2 * a @ cross + a @ kernel @ a + 0.25
    result = population_loss(setting, weights, a)
    assert abs(result.value - expected) <= result.error
    # What counts as exact is an error of 1e-6.
    assert result.value == pytest.approx(expected, rel=1e-6)
    if spread < 1.0:
        # Far from parallel, the series stops at its own aim.
        assert result.value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "softplus", "elu", ROUGH, {"hermite": [0.1, 1.0, -0.4, 0.2]}])
@pytest.mark.parametrize("target", [{"hermite": [0.2, 1.0, 0.7]}, "tanh", "relu"])
def test_any_pair_of_functions_agrees_with_samples(activation, target):
    setting = make(activation=activation, target=target, center=True, d=30)
    weights, a = network(setting, 0.7)
    result = population_loss(setting, weights, a)
    sampled, error = expected_loss(setting, weights, a, weights[0], 40_000, np.random.default_rng(5))
    # Four standard errors: a false alarm in 1.6e4 for each of the fifteen pairs.
    assert abs(result.value - sampled) < 4 * error
    # Negative control: rows longer by a tenth must be told apart.
    other = population_loss(setting, 1.1 * weights, a)
    assert abs(other.value - sampled) > 4 * error


def test_a_shorter_series_states_its_error_honestly(monkeypatch):
    setting = make(activation="tanh", d=6)
    weights, a = network(setting, 0.7)
    exact = population_loss(setting, weights, a)
    monkeypatch.setattr(module, "LARGEST_ERROR", 1e6)
    for order in (2, 4, 8):
        monkeypatch.setattr(module, "ORDERS", (order,))
        short = population_loss(setting, weights, a)
        assert 1e-9 < abs(short.value - exact.value) <= short.error


def test_parallel_rows_of_a_rough_activation_are_sampled_and_this_is_said():
    setting = make(activation=ROUGH, d=1)
    weights, a = network(setting)
    assert population_loss(setting, weights, a) is None
    sampled = generalization_loss(setting, weights, a, weights[0], None, np.random.default_rng(0))
    assert sampled.samples == 8000
    assert sampled.error > 0.0
    # In one dimension the loss is an ordinary integral over the input.
    x = np.linspace(-12, 12, 48_001)
    output = (np.tanh(np.outer(x, weights[:, 0]) - 0.3) + np.abs(np.outer(x, weights[:, 0]) - 1) / 3) @ a
    gap = (0.2 + x + 0.7 * (x**2 - 1) - output) ** 2 * np.exp(-x * x / 2) / math.sqrt(2 * np.pi)
    assert abs(sampled.value - (np.trapezoid(gap, x) + 0.25)) < 4 * sampled.error


def test_trials_say_how_their_test_loss_was_found():
    setting = small_settings.make(n=40, d=12, width=30, n_ridge=None, step_size=1.0)
    exact, sampled = (simulate(setting, trials=6, test_samples=count) for count in (None, 4000))
    for one, other in zip(exact.trials, sampled.trials, strict=True):
        assert (one.test_samples, other.test_samples) == (0, 4000)
        assert one.test_error <= 1e-6 * one.test
        # The rest of the trial does not know. Five standard errors, six times.
        assert abs(one.test - other.test) < 5 * other.test_error
        assert one.objective == other.objective


def test_coefficients_of_dilated_functions_agree_with_closed_forms():
    norms = np.geomspace(0.2, 4.0, 23)
    k = np.arange(41)
    # exp(i t z) generates them: E sin(t Z) He_k(Z) = t^k exp(-t^2/2) sin(k pi/2).
    with np.errstate(under="ignore"):
        size = np.exp(k * np.log(norms)[:, None] - norms[:, None] ** 2 / 2 - gammaln(k + 1) / 2)
    sine = expand_rows(function_from("sin", "activation"), norms, 40)
    np.testing.assert_allclose(sine.coefficients, size * np.array([0, 1, 0, -1])[k % 4], atol=1e-12)
    np.testing.assert_allclose(sine.second, (1 - np.exp(-2 * norms**2)) / 2, rtol=1e-12)
    # The same function by its kinks: quadrature splits, homogeneity does not.
    relu = expand_rows(function_from("relu", "activation"), norms, 40)
    written = expand_rows(function_from({"expression": "max(z, 0)"}, "activation"), norms, 40)
    assert relu.corner is not None
    assert written.corner is None
    np.testing.assert_allclose(written.coefficients, relu.coefficients, atol=4e-13)
    np.testing.assert_allclose(relu.coefficients[:, 0], norms / math.sqrt(2 * np.pi), rtol=1e-14)


def test_functions_that_grow_too_fast_for_their_rows_are_refused():
    growing = function_from({"expression": "exp(z**2/8)"}, "activation")
    expand_rows(growing, np.array([1.0, 1.05]), 8)
    with pytest.raises(ConvergenceError):
        expand_rows(growing, np.array([1.0, 2.0]), 8)
