"""Ridge regression without a ridge: the least-squares solution of least norm."""

import numpy as np
import pytest

import rmt_spikes as rs

SETTING = {"n": 50, "d": 20, "activation": "relu", "target": "tanh", "noise_std": 0.3, "step_size": 2.0}
SIDES = [{"width": 70, "n_ridge": 40}, {"width": 30, "n_ridge": 80}]


def draws(samples, width, rank, seed=3):
    """Features of a rank, and labels."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((samples, rank)) @ rng.standard_normal((rank, width)) / np.sqrt(rank)
    return features, rng.standard_normal(samples)


@pytest.mark.parametrize(
    ("samples", "width", "rank"), [(40, 60, 40), (60, 40, 40), (50, 60, 20), (30, 30, 30)]
)
def test_it_is_the_solution_of_the_pseudo_inverse(samples, width, rank):
    features, labels = draws(samples, width, rank)
    fresh, fresh_labels = draws(15, width, min(15, rank), seed=4)
    trial = rs.observe(
        features=features, labels=labels, ridge=0, test_features=fresh, test_labels=fresh_labels
    ).trials[0]
    best = np.linalg.lstsq(features, labels, rcond=1e-12)[0]
    assert trial.test == pytest.approx(np.mean((fresh_labels - fresh @ best) ** 2), rel=1e-6)
    train = np.mean((labels - features @ best) ** 2)
    assert trial.train == pytest.approx(train, rel=1e-8, abs=1e-20)
    assert (trial.train == 0.0) == (rank == samples)
    assert trial.objective == trial.train


@pytest.mark.parametrize("sizes", SIDES)
def test_it_is_the_limit_of_small_ridges(sizes):
    zero, small, large = (
        rs.simulate(rs.Setting(**SETTING, **sizes, ridge=ridge), trials=1, seed=5).trials[0]
        for ridge in (0.0, 1e-10, 1e-2)
    )
    # The smallest eigenvalue is above 1e-3, and losses move by the ridge over it; twice for the test loss.
    for name in ("objective", "train", "test"):
        at_zero, nearby, far = (getattr(trial, name) for trial in (zero, small, large))
        assert at_zero == pytest.approx(nearby, rel=1e-6, abs=1e-6)
        assert abs(at_zero - far) > 1e-4
    assert np.array_equal(zero.singular_values, small.singular_values)
    if sizes["width"] > sizes["n_ridge"]:
        assert zero.train == 0.0


@pytest.mark.parametrize("spectrum", ["top", "density"])
def test_iterations_refuse_it(spectrum):
    with pytest.raises(rs.DomainError, match='ridge: must be above 0 unless spectrum is "full"'):
        rs.simulate(rs.Setting(**SETTING, **SIDES[1], ridge=0), trials=1, spectrum=spectrum)


def test_with_little_memory_it_is_the_same():
    setting = rs.Setting(**SETTING, **SIDES[1], ridge=0)
    held, streamed = (rs.simulate(setting, trials=1, memory=memory).trials[0] for memory in (None, 1e6))
    assert streamed.test == pytest.approx(held.test, rel=1e-9)
    assert streamed.train == pytest.approx(held.train, rel=1e-9)
