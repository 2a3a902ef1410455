"""One batch: bulks where samples whose features vary little have levels of their own."""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.bulk.distribution import singular_value_bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.methods.one_batch.problem import SPECTRAL, Kept, spectral_problem
from rmt_spikes.theory.methods.one_batch.solution import OneBatch
from rmt_spikes.theory.methods.one_batch.spectrum import levels

QUARTERS = np.array([0.25, 0.5, 0.75, 0.9])

NETWORKS = {
    "wide": (
        rs.Setting(
            n=391, d=440, width=697, activation="tanh", target={"hermite": [0, 1, -0.11]}, noise_std=0.13,
            ridge=0.0287, step_size=27.457, readout="constant", second_batch="same",
        ),
        [0.27309, 0.49692, 0.86601, 1.22791],
        [0.00085, 0.00152, 0.00224, 0.00276],
    ),
    "narrow": (
        rs.Setting(
            n=295, d=94, width=218, activation="softplus", target={"hermite": [0, 1, -0.49]}, noise_std=0.35,
            ridge=0.0107, step_size=14.174, readout="constant", second_batch="same",
        ),
        [0.08811, 0.16668, 0.57337, 1.02847],
        [0.00058, 0.00096, 0.0025, 0.00333],
    ),
}  # fmt: skip
"""Drawn settings, and means and standard errors of quantiles of 60 networks of `simulate` (seed 11): of the
singular values that are not zero by the rank, without the largest, which is a spike."""


def above_zero(setting, p):
    """Levels of the ``width`` singular values at which those above zero have the levels `p`."""
    zeros = max(0.0, 1.0 - setting.n / setting.width)
    return zeros + (1.0 - zeros) * p


def worst(bulk, setting, mean, error):
    """Largest distance of quantiles, in units of 2.5 standard errors and 2 %."""
    mean, found = np.array(mean), bulk.quantile(above_zero(setting, QUARTERS))
    return float(np.max(np.abs(found - mean) / (2.5 * np.array(error) + 0.02 * mean)))


@pytest.mark.parametrize("name", NETWORKS)
def test_bulks_of_networks(name):
    """Their density on the axis has not all the mass."""
    setting, mean, error = NETWORKS[name]
    assert OneBatch(setting).bands is None
    with pytest.warns(rs.AccuracyWarning, match="the density of the bulk is smoothed"):
        bulk = rs.predict(setting).bulk
    assert worst(bulk, setting, mean, error) < 1.0
    assert bulk.atom_at_zero == pytest.approx(max(0.0, 1.0 - setting.n / setting.width), abs=1e-3)
    assert worst(rs.predict(NETWORKS["wide"][0].replace(second_batch="fresh")).bulk, *NETWORKS["wide"]) > 1.5


@pytest.mark.parametrize(("n", "width"), [(300, 600), (600, 250), (300, 310)])
def test_a_bulk_in_closed_form(monkeypatch, n, width):
    """Without a step, in many dimensions; the error goes with the square of the angle."""
    setting = rs.Setting(
        n=n, d=1500, width=width, activation="tanh", target={"hermite": [0, 1, 0.3]}, noise_std=0.3,
        ridge=0.05, step_size=1e-4, readout="constant", second_batch="same",
    )  # fmt: skip
    exact = BulkEquivalent.of(setting)
    equations = spectral_problem(setting, Kept(norms=False, squares=False), SPECTRAL).equations
    place, upper = above_zero(setting, QUARTERS), float(exact.edges[-1, 1])
    expected, errors = singular_value_bulk(exact).quantile(place), []
    for angle in (levels.ANGLE, 3.0 * levels.ANGLE):
        monkeypatch.setattr(levels, "ANGLE", angle)
        found = levels.Levels(equations, n / width, upper, max(0.0, 1.0 - width / n)).bulk
        assert found.mass == pytest.approx(1.0, abs=1e-5)
        errors.append(float(np.max(np.abs(found.quantile(place) / expected - 1.0))))
    assert errors[0] < 0.003
    assert 6.0 < errors[1] / errors[0] < 12.0
