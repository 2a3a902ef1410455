"""Predictions against our own simulations of many settings (validation/reference/settings, observations)."""

import numpy as np
import pytest
from observed import FOLDER, LOSSES, SETTINGS, own
from usual import only

import rmt_spikes as rs
from rmt_spikes.theory.latent import latent

RELATIVE = 0.01


def test_every_setting_was_simulated():
    assert len(SETTINGS) >= 20
    assert sorted(path.stem for path in (FOLDER / "observations").glob("*.json")) == SETTINGS


@pytest.mark.parametrize("name", only(SETTINGS[::3], SETTINGS))
def test_losses_spikes_and_vectors(name):
    """Losses, clear spikes within 2.5 standard errors + 1 %, alignments within 2.5 standard errors + 0.02."""
    seen = own(name)
    prediction = rs.predict(seen.setting)
    seen.check(prediction, RELATIVE, alignment=0.02)
    for quantity in LOSSES:
        loss, error = getattr(prediction.losses, quantity), getattr(prediction.losses.error, quantity)
        assert seen.excess(loss, quantity) < error, quantity


@pytest.mark.parametrize("name", SETTINGS)
def test_learnt_direction(name):
    """``||beta||^2`` and the cosine within 3.5 standard errors, which 66 normal numbers rarely exceed."""
    seen = own(name)
    predicted = latent(seen.setting)
    for quantity in ("beta_norm2", "beta_cosine"):
        assert seen.excess(getattr(predicted, quantity), quantity, errors=3.5) < 0


@pytest.mark.parametrize("name", [name for name in SETTINGS if "standard" in name])
def test_standard_scale_is_not_the_mean_field_one(name):
    """Negative control: the mean-field theory of the same setting has another learnt direction."""
    seen = own(name)
    wrong = latent(seen.setting.replace(output_scale="mean_field"))
    assert seen.excess(wrong.beta_norm2, "beta_norm2", errors=5) > 0


def test_isotropic_rows_are_rejected():
    """Negative control: rows that grow alike in all directions miss a loss by more than the common margin."""
    seen = own("relu-constant-uncentred")
    losses = rs.predict_losses(seen.setting, features="isotropic")
    relative = [seen.excess(getattr(losses, k), k) / seen.mean_se[k][0] for k in LOSSES]
    assert np.max(relative) > RELATIVE
