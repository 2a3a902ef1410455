"""Singular values made by single samples, against simulated networks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from predicted import predicted
from refusals import refused
from scipy.optimize import brentq

import rmt_spikes as rs
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.methods.uniform.pencil.samples import Samples
from rmt_spikes.theory.methods.uniform.singles.places import margin, size_at
from rmt_spikes.theory.methods.uniform.solution import Uniform

HEADLINE = rs.Setting(
    n=1800, d=900, width=1200, activation="relu", center=True, target={"hermite": [0.0, 1.0, math.sqrt(0.5)]},
    noise_std=0.5, ridge=0.01, step_exponent=0.5,
)  # fmt: skip
SMALL = {"n": 900, "d": 450, "width": 600}
CONSTANT = HEADLINE.replace(**SMALL, readout="constant")

# Simulated numbers beyond 1.05 times the edge of `Rows.LEVELS`, with standard errors: those of an independent
# program (104 networks of the headline case, fewer of the others).
SIMULATED = {
    "headline": ({}, 4.32, 0.18),
    "smaller step": ({"step_exponent": 0.45}, 2.87, 0.15),
    "small": (SMALL, 2.16, 0.14),
    "large": ({"n": 3000, "d": 1500, "width": 2000}, 5.97, 0.36),
    "rademacher": ({"readout": "rademacher"}, 8.07, 0.24),
    "constant": ({"readout": "constant"}, 10.53, 0.29),
}


@pytest.mark.parametrize("name", ["small", "rademacher", "constant"])
def test_expected_number(name):
    """Within .5 and three standard errors; the bulk of `Rows.LEVELS` has none there."""
    changes, simulated, error = SIMULATED[name]
    setting = HEADLINE.replace(**changes)
    old = Uniform(setting, rows=Rows.LEVELS).bulk
    x = 1.05 * float(old.edges[-1, 1])
    assert abs(rs.predict(setting).outliers.expected_above(x) - simulated) < 0.5 + 3.0 * error
    assert simulated - setting.width * (1.0 - float(old.cdf(x))) > 0.5 + 3.0 * error


@pytest.fixture(scope="module")
def observation() -> rs.Observation:
    return rs.simulate(CONSTANT, trials=8, seed=7, top=10)


def others(trial):
    """Values and samples of the vectors that are not learnt."""
    kept = [j for j, origin in enumerate(trial.origin) if origin != "learnt"]
    return trial.singular_values[kept], trial.sample[kept]


def test_values_given_the_labels(observation):
    """Ordered values of a network, and the sample that makes each.

    Negative controls: the labels of the next network, whose samples are other ones, and the edge alone.
    """
    predicted = [rs.predict(CONSTANT, given=t.latent.first_stage()).outliers for t in observation.trials]
    assert all(outliers.draws == () for outliers in predicted)
    number = sum(outliers.places.size for outliers in predicted)
    assert number > 12

    def ratios(shift):
        trials = observation.trials[shift:] + observation.trials[:shift]
        pairs = [
            (others(trial)[0][: o.places.size], o.places) for trial, o in zip(trials, predicted, strict=True)
        ]
        return np.concatenate([seen / places for seen, places in pairs])

    def hits(shift):
        trials = observation.trials[shift:] + observation.trials[:shift]
        return sum(
            np.isin(o.samples, others(trial)[1]).sum() for trial, o in zip(trials, predicted, strict=True)
        )

    assert abs(np.mean(ratios(0)) - 1.0) < 0.04
    assert np.std(ratios(1)) > 1.5 * np.std(ratios(0))
    # Not all: close values mix.
    assert hits(0) > 0.8 * number
    assert hits(1) < 0.1 * number


def test_number_beyond_the_edge(observation):
    """Within .3 and three standard errors; that all values are the bulk's is rejected."""
    prediction = predicted(CONSTANT)
    edge = float(prediction.bulk.edges[-1, 1])
    counts = np.array([np.sum(others(trial)[0] > edge) for trial in observation.trials])
    error = counts.std(ddof=1) / math.sqrt(counts.size)
    assert abs(prediction.outliers.expected_above(edge) - counts.mean()) < 0.3 + 3.0 * error
    assert counts.mean() > 2.5 * error


def test_upper_quantiles(observation):
    """Levels .95 and .99 of all values but the learnt ones, within 3 % and 2.5 standard errors.

    The bulk of `Rows.LEVELS`, which has no values of samples, is rejected.
    """
    levels = np.array([0.95, 0.99])
    rest = [t.singular_values[t.origin.count("learnt") :] for t in observation.trials]
    seen = np.array([np.quantile(values, levels, method="hazen") for values in rest])
    mean, error = seen.mean(axis=0), seen.std(axis=0, ddof=1) / math.sqrt(len(rest))
    assert np.all(error < 0.03 * mean)
    outliers = predicted(CONSTANT).outliers
    count = np.mean([values.size for values in rest])
    found = [brentq(lambda x, p=p: outliers.expected_above(x) - (1.0 - p) * count, 0.5, 10.0) for p in levels]
    allowed = 0.03 * mean + 2.5 * error
    assert np.all(np.abs(found - mean) < allowed)
    old = Uniform(CONSTANT, rows=Rows.LEVELS).bulk.quantile(levels)
    assert np.any(np.abs(old - mean) > allowed)


def test_the_sample_of_a_place_is_the_one_whose_value_is_there():
    """The margin of a size that is read off a point vanishes there; those of smaller ones are positive."""
    separated = Uniform(CONSTANT).spectrum.separated
    problem, points = separated.problem, separated.upper.points
    for point in points[len(points) // 2 :]:
        size = size_at(problem, point, 1.0, 0.0)
        assert margin(problem, point, size) == pytest.approx(0.0, abs=1e-10)
        assert all(margin(problem, point, share * size) > 0.0 for share in (0.2, 0.6, 0.99))


def test_saved_and_loaded(observation):
    prediction = predicted(CONSTANT)
    loaded = type(prediction).from_dict(prediction.to_dict())
    assert loaded.outliers == prediction.outliers
    assert loaded.outliers.expected_beyond_edge == prediction.outliers.expected_beyond_edge
    given = rs.predict(CONSTANT, given=observation.trials[1].latent.first_stage())
    assert given.outliers.to_dict()["samples"] == given.outliers.samples.tolist()


def test_two_equal_residuals_leave_together():
    """Neither stands apart from the other, both do from the rest: ``E[r'^2/(r - r')^2]`` is .01 < phi."""
    r = np.concatenate([[11.0, -11.0, 11.0], np.ones(50), -np.ones(50)])
    samples = Samples(r, r[None], r, np.arange(r.size))
    assert samples.separated(0.5) == (0, 1, 2)
    assert Samples(r[3:], r[None, 3:], r[3:], np.arange(100)).separated(0.5) == ()


def test_the_first_batch_is_checked(observation):
    latent = observation.trials[0].latent.first_stage()
    with refused("given.residuals"):
        rs.predict(CONSTANT, given=replace(latent, residuals=latent.residuals[1:]))
    with refused("given", "both residuals and teacher"):
        rs.predict(CONSTANT, given=replace(latent, teacher=None))
