"""Activations that only an untrained first layer may have: without a linear part, or with jumps."""

import math

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs

LOSSES = ("objective", "train", "test")
RANDOM = rs.Setting(
    n=400, d=300, width=200, activation="tanh", target="sign", center=False, ridge=0.01, step_size=0
)  # fmt: skip
JUMPS = ("sign", "step")
EVEN = ("abs", "cos")


@pytest.mark.parametrize("activation", [*JUMPS, *EVEN])
def test_losses_of_random_features(activation):
    """Within 2.5 standard errors and 1 %, what is of order ``1/n``; those of `tanh` are rejected."""
    setting = RANDOM.replace(activation=activation)
    trials = rs.simulate(setting, trials=16, seed=3, top=1).trials
    predicted, wrong = rs.predict_losses(setting), rs.predict_losses(RANDOM)
    far = []
    for loss in LOSSES:
        seen = np.array([getattr(trial, loss) for trial in trials])
        allowed = 2.5 * seen.std(ddof=1) / math.sqrt(seen.size) + 0.01 * seen.mean()
        assert abs(getattr(predicted, loss) - seen.mean()) < allowed, loss
        far.append(abs(getattr(wrong, loss) - seen.mean()) > allowed)
    assert any(far)


def test_an_even_activation_learns_nothing_of_an_odd_target():
    """The kernel of the features is even, and the readout of a large ridge is 0."""
    setting = RANDOM.replace(activation="abs", center=True, ridge=1e3)
    losses = rs.predict_losses(setting)
    assert losses.test == pytest.approx(1.0, abs=2e-3)  # ridge 1000 times the variance of a feature


@pytest.mark.parametrize("method", ["uniform", "closed_form", "limit"])
@pytest.mark.parametrize("activation", [*JUMPS, *EVEN, {"expression": "sqrt(abs(z))"}])
def test_the_spectrum_has_mass_one(activation, method):
    bulk = rs.predict(RANDOM.replace(activation=activation), method=method).bulk
    assert bulk.mass == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("method", ["uniform", "closed_form"])
def test_the_bulk_without_a_linear_part_is_that_of_marchenko_and_pastur(method):
    """``He_4`` is neither linear nor quadratic: features are noise, with edges ``1 +- sqrt(N/n)``."""
    setting = RANDOM.replace(activation={"hermite": [0, 0, 0, 0, 1 / math.sqrt(24)]}, d=3000)
    edges = rs.predict(setting, method=method).bulk.edges
    root = math.sqrt(setting.ridge_ratio)
    np.testing.assert_allclose(edges, [[1 - root, 1 + root]], rtol=1e-9)


def test_with_a_step_they_are_refused():
    for activation in EVEN:
        with refused("activation", "c_1", "step_size = 0"):
            RANDOM.replace(activation=activation, step_size=1)
    for activation in JUMPS:
        with refused("activation", "continuous", "step_size = 0"):
            RANDOM.replace(activation=activation, step_size=1)
    with refused("activation"):
        rs.critical_step_sizes(RANDOM.replace(activation="cos"))
    with refused("digits", "c_1"):
        rs.predict(RANDOM.replace(activation="cos"), digits=20)
    with refused("activation", "constant"):
        RANDOM.replace(activation={"expression": "2"})
