"""Alignments with polynomials of few samples, which are not orthogonal."""

import numpy as np
import pytest
from observed import independent, predicted

import rmt_spikes as rs
from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.theory.population.correlations import expected_correlations
from rmt_spikes.theory.quadrature_rules import gauss_hermite

SMALL = rs.Setting(
    n=200,
    d=130,
    width=270,
    activation="softplus",
    target={"hermite": [0, 1, 0.7]},
    noise_std=0.3,
    ridge=0.02,
    step_exponent=0.45,
)


@pytest.mark.parametrize("count", [40, 300])
def test_expected_correlations_are_those_of_vectors_with_noise(count):
    """Against vectors that are drawn here: within 4 of their standard errors and 10 % of the change.

    Negative control: the squared coefficients, which are those of many samples, are rejected.
    """
    coefficients = np.array([0.5, 0.0, 0.7, 0.0, 0.0])
    rng = np.random.default_rng(1)
    table = normalized_hermite(4, rng.standard_normal(3000 * count)).reshape(5, 3000, count)
    vectors = np.tensordot(coefficients, table, axes=1)
    vectors += np.sqrt(1.0 - coefficients @ coefficients) * rng.standard_normal(vectors.shape)
    overlaps = np.einsum("kdn,dn->kd", table, vectors) ** 2
    seen = overlaps / np.sum(table**2, axis=2) / np.sum(vectors**2, axis=1)
    mean, se = seen.mean(axis=1), seen.std(axis=1) / np.sqrt(3000)
    q, weights = gauss_hermite(20)
    nodes = normalized_hermite(4, q)
    found = expected_correlations(coefficients @ nodes, nodes, weights, count)
    allowed = 4.0 * se + 0.1 * np.abs(mean - coefficients**2)
    assert np.all(np.abs(found - mean) < allowed)
    assert abs(coefficients[4] ** 2 - mean[4]) > 3.0 * allowed[4]


def test_many_samples_have_the_squared_coefficients():
    """The difference is of order ``1/n``, with coefficients of some tens (moments of degree eight)."""
    q, weights = gauss_hermite(20)
    nodes = normalized_hermite(4, q)
    profile = np.array([0.0, 0.3, 0.9, 0.1, 0.2])
    found = expected_correlations(profile @ nodes, nodes, weights, 10**6)
    assert found == pytest.approx(profile**2, abs=1e-4)


def test_two_samples_have_alignments():
    """Fewer samples than polynomials: squared correlations of a unit vector."""
    q, weights = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    found = expected_correlations(q, normalized_hermite(4, q), weights, 2)
    assert np.all((found >= 0.0) & (found <= 1.0))


def test_networks_of_few_samples():
    """Both spikes of 200 samples, each degree within 2.5 standard errors and 0.02 of 100 networks.

    Negative control: without the samples' own correlations the fourth degree of the second spike is 0.010.
    """
    trials = rs.simulate(SMALL, trials=100, seed=5).trials
    for k, spike in enumerate(rs.predict(SMALL).spikes):
        for side in ("alignment", "right_alignment"):
            seen = np.array([getattr(trial, side)[k] for trial in trials])
            allowed = 2.5 * seen.std(axis=0) / np.sqrt(len(trials)) + 0.02
            assert np.all(np.abs(getattr(spike, side) - seen.mean(axis=0)) < allowed)
        if k == 1:
            seen = np.array([trial.alignment[k, 4] for trial in trials])
            limit = spike.feature[4] ** 2
            assert seen.mean() - limit > 2.5 * seen.std() / np.sqrt(len(trials)) + 0.02


def test_values_of_samples_come_between_the_spikes():
    """Mean values in order, of both kinds together, within 2.5 standard errors of simulation and draws.

    The second is a sample's in most networks. Negative control: without samples it would be the second spike,
    which is 5 standard errors away.
    """
    seen, prediction = independent("tanh-cubic-alpha0.5"), predicted("tanh-cubic-alpha0.5")
    spikes = [spike.singular_value for spike in prediction.spikes]
    draws = prediction.outliers.draws
    edge = np.full(4, prediction.bulk.edges[-1, 1])
    rng = np.random.default_rng(3)

    def ordered(places, scatter):
        scattered = places + scatter * rng.standard_normal((400, places.size))
        rows = [np.concatenate([spikes, row, edge]) for row in scattered]
        return np.sort(rows, axis=1)[:, ::-1][:, 1:4].mean(axis=0)

    found = np.array([ordered(*draw) for draw in draws])
    mean, se = (values[1:4] for values in seen.mean_se["singular_values"])
    allowed = 2.5 * np.hypot(se, found.std(axis=0) / np.sqrt(len(draws)))
    assert np.all(np.abs(found.mean(axis=0) - mean) < allowed)
    assert abs(spikes[1] - mean[0]) > 5.0 * se[0]
