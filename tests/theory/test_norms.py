"""Norms as latent variables, against simulations in few dimensions and exact moments."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from observed import FOLDER, LOSSES, independent

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.norms.share import share_of_norms
from rmt_spikes.theory.methods.uniform.norms.sphere import (
    NORMAL,
    coordinate,
    coordinate_rule,
    norm_rule,
    third,
    third_norm,
)
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.solution import Uniform

ROWS = ["few-relu-d50-a40", "few-relu-d30-wide", "few-relu-d30-rad", "few-relu-d50-rad"]
"""Rows of an independent program in which linearised norms are 3 to 8 % off."""


def worst(row, **terms) -> float:
    """Largest distance of the three losses from the simulated ones, over 2.5 standard errors and 1 %.

    One set in seven of 12 Gaussian numbers has one beyond 2.5; 1 % is what the theory may leave out.
    """
    seen = independent(row)
    losses = Uniform(setting=seen.setting, terms=Terms(**terms)).losses()
    pairs = [(getattr(losses, name), *seen.mean_se[name]) for name in LOSSES]
    return max(abs(found - mean) / (2.5 * error + 0.01 * mean) for found, mean, error in pairs)


@pytest.mark.parametrize("row", ROWS)
def test_losses_in_few_dimensions_are_those_of_simulations(row):
    assert worst(row) < 1.0


@pytest.mark.parametrize("row", ROWS)
def test_linearised_norms_are_refused(row):
    # Negative control: the same tolerance tells the theory without latent norms.
    assert worst(row, latent_norms=False) > 1.0


@pytest.mark.parametrize("term", ["sample_norms", "components"])
def test_wrong_theories_of_norms_are_refused(term):
    assert worst("few-relu-d30-wide", **{term: False}) > 1.0


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
    base = independent("few-relu-d50-a40").setting
    by_d = [share_of_norms(base.replace(d=d)) for d in range(80, 170)]
    assert by_d[0] == 1.0
    assert by_d[-1] == 0.0
    # Below ten dimensions they are not used: the losses jump there (docs/limits.md).
    assert [share_of_norms(base.replace(d=d)) for d in (9, 10)] == [0.0, 1.0]
    # The slope of 3 x^2 - 2 x^3 is at most 1.5, over 50 dimensions.
    assert np.max(np.abs(np.diff(by_d))) <= 1.5 / 50


@pytest.mark.parametrize("row", ["few-relu-d50-a40", "few-relu-d30-rad"])
def test_slopes_are_those_of_the_losses_at_other_ridges(row):
    """``train = T' L^2`` by a central difference of the objective ``L T``, which errs by its square, 1e-6."""
    setting = independent(row).setting
    moved = [Uniform(setting.replace(ridge=setting.ridge * (1.0 + h))).losses() for h in (-1e-3, 0.0, 1e-3)]
    low, here, high = (each.objective for each in moved)
    slope = (high - low) / (2e-3 * setting.ridge)
    assert moved[1].train == pytest.approx(here - setting.ridge * slope, rel=2e-5)
    # Negative control: 1 % of the ridge off.
    assert moved[1].train != pytest.approx(here - 1.01 * setting.ridge * slope, rel=2e-5)


@pytest.mark.filterwarnings("ignore:the scatter of the mean residual", "ignore:error bar")
def test_norms_without_a_solution_are_linearised_and_said_so():
    """A target of degree ten has few samples with most of the energy: lengths come out negative."""
    setting = rs.Setting(
        n=120, d=60, width=80, activation="relu", target={"hermite": [0] * 10 + [1]}, ridge=0.1, step_size=4.0
    )
    with pytest.warns(rs.AccuracyWarning, match="norms are linearised, which is less accurate in 60 dim"):
        losses = rs.predict_losses(setting)
    linear = Uniform(setting, terms=Terms(latent_norms=False)).losses()
    assert replace(losses, error=None) == linear


@pytest.mark.filterwarnings("ignore::rmt_spikes.AccuracyWarning")
@pytest.mark.parametrize("changes", [{"n": 1, "width": 1, "step_size": 1.0}, {"ridge": 1e3}])
def test_extreme_sizes_have_losses(changes):
    """One neuron and one sample, and a ridge that leaves nothing: numbers, and no warning of numpy."""
    base = rs.Setting(
        n=200, d=50, width=150, activation="relu", target={"hermite": [0, 1, 0.7]}, ridge=0.01, step_size=2.0
    )
    losses = rs.predict_losses(base.replace(**changes))
    assert 0.0 < losses.train < losses.objective < base.label_energy


DRAWN = json.loads((FOLDER / "drawn_settings.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize(("name", "wrong"), [("random-62", 0.2), ("user-41", 0.01), ("user-79", 0.025)])
def test_degree_three_is_a_channel(name, wrong):
    """Lower quantiles of sigmoid (18 and 49 dimensions) and erf (34): measured 1.5, 0.4 and 0.7 % off.

    Negative control: with degree three as noise they are 29, 1.7 and 3.5 % too high.
    """
    seen, levels = DRAWN[name]["mean_se"], [0.05, 0.1, 0.25]
    mean, error = np.transpose([seen[f"bulk.quantiles[{level}]"] for level in levels])
    setting = rs.Setting.from_dict(DRAWN[name]["setting"])
    right, other = (Uniform(setting, terms=Terms(degree_three=kept)).bulk for kept in (True, False))
    assert np.all(np.abs(right.quantile(levels) - mean) < 2.5 * error + 0.012 * mean)
    assert np.any(other.quantile(levels) - mean > 2.5 * error + wrong * mean)


def test_harmonics_of_degree_three():
    """Orthogonal to a coordinate, and of variance one, by integrals over a sphere."""
    z, weights = coordinate(np.zeros(1), np.ones(1), np.array([7.0]), ())
    harmonic = (z[0] ** 3 - third(7.0) * z[0]) / np.sqrt(third_norm(7.0))
    assert weights[0] @ harmonic**2 == pytest.approx(1.0, rel=1e-12)
    assert weights[0] @ (harmonic * z[0]) == pytest.approx(0.0, abs=1e-12)
