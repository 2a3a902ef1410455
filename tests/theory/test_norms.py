"""Norms as latent variables, against simulations in few dimensions and exact moments."""

import math
from dataclasses import replace

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.norms.losses import share_of_norms
from rmt_spikes.theory.methods.uniform.norms.sphere import NORMAL, coordinate, coordinate_rule, norm_rule
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.solution import Uniform

TARGET = {"hermite": [0, 1, 0.7071]}
COMMON = {"activation": "relu", "target": TARGET, "noise_std": 0.3, "ridge": 0.01}

# Simulations by an independent program (exact gradient step, ridge regression on a second batch): objective,
# train and test loss, then their standard errors.
ROWS = {
    "gaussian": (
        {"n": 4000, "d": 50, "width": 400, "step_size": 27.594593},
        (0.386971, 0.368204, 0.448994),
        (0.002534, 0.002616, 0.002429),
    ),
    "wide": (
        {"n": 6000, "d": 30, "width": 800, "step_size": 39.598, "readout": "rademacher"},
        (0.315026, 0.281702, 0.344994),
        (0.004466, 0.004748, 0.005700),
    ),
    "d30": (
        {"n": 1500, "d": 30, "width": 200, "step_size": 19.799, "readout": "rademacher"},
        (0.394719, 0.378357, 0.499557),
        (0.004192, 0.004278, 0.003733),
    ),
    "d50": (
        {"n": 2500, "d": 50, "width": 333, "step_size": 25.548, "readout": "rademacher"},
        (0.411297, 0.397710, 0.517030),
        (0.003065, 0.003028, 0.003273),
    ),
}


def worst(row, terms=None) -> float:
    """Largest distance of the three losses from the simulated ones, over 2.5 standard errors and 1 %.

    One set in seven of 12 Gaussian numbers has one beyond 2.5; 1 % is what the theory may leave out.
    """
    sizes, means, errors = ROWS[row]
    losses = Uniform(setting=rs.Setting(**COMMON, **sizes), terms=terms or Terms()).losses()
    found = np.array([losses.objective, losses.train, losses.test])
    return float(np.max(np.abs(found - means) / (2.5 * np.array(errors) + 0.01 * np.array(means))))


@pytest.mark.parametrize("row", ROWS)
def test_losses_in_few_dimensions_are_those_of_simulations(row):
    assert worst(row) < 1.0


@pytest.mark.parametrize("row", ROWS)
def test_linearised_norms_are_refused(row):
    # Negative control: the same tolerance tells the theory without latent norms.
    assert worst(row, Terms(latent_norms=False)) > 1.0


@pytest.mark.parametrize("term", ["sample_norms", "components"])
def test_wrong_theories_of_norms_are_refused(term):
    assert worst("wide", replace(Terms(), **{term: False})) > 1.0


def test_coordinate_is_not_gaussian():
    # E|z| of a coordinate of a uniform point of variance one; a normal variable is the negative control.
    # The rows above do not tell the two: losses differ by 1 %.
    d = 29.0
    exact = math.sqrt(d / math.pi) * math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2))
    z, weights = coordinate(np.zeros(1), np.ones(1), np.array([d, NORMAL])[:, None], (0.0,))
    sphere, normal = np.sum(weights * np.abs(z), axis=-1).ravel()
    assert sphere == pytest.approx(exact, rel=1e-11)
    # NORMAL dimensions are as good as infinitely many to 1 / (4 NORMAL).
    assert normal == pytest.approx(math.sqrt(2 / math.pi), rel=1e-7)
    assert abs(normal - exact) > 0.005


@pytest.mark.parametrize("d", [5, 50, 1000])
def test_rules_have_the_moments_of_sphere_and_norm(d):
    # Exact moments of a coordinate of a uniform point, and of a chi-squared variable over its mean.
    w, weights = coordinate_rule(d, 5)
    expected = [1.0, 1.0, 3.0 * d / (d + 2), 15.0 * d**2 / ((d + 2) * (d + 4))]
    np.testing.assert_allclose([weights @ w**k for k in (0, 2, 4, 6)], expected, rtol=1e-11)
    x, weights = norm_rule(d, 5)
    np.testing.assert_allclose([weights @ x, weights @ x**2], [1.0, 1.0 + 2.0 / d], rtol=1e-11)
    z, weights = coordinate(np.zeros(1), np.ones(1), np.array([float(d)]), (0.3,))
    np.testing.assert_allclose([weights[0] @ z[0] ** k for k in (2, 4)], expected[1:3], rtol=1e-9)


def test_share_of_norms_is_continuous():
    def share(d, width):
        return share_of_norms(rs.Setting(n=4000, d=d, width=width, step_size=0.0, **COMMON))

    by_d = [share(d, 8 * d) for d in range(80, 170)]
    assert by_d[0] == 1.0
    assert by_d[-1] == 0.0
    # The slope of 3 x^2 - 2 x^3 is at most 1.5, over 50 dimensions.
    assert np.max(np.abs(np.diff(by_d))) <= 1.5 / 50
    assert share(400, 400 * 8) == 0.0
    assert share(400, 400 * 12) == 1.0
