"""Distances between an empirical law and a predicted one."""

import numpy as np
import pytest

from rmt_spikes.setting import Setting
from rmt_spikes.theory import Bulk, predict
from rmt_spikes.validation.verdicts.bulk_distance import spectral_distances

SETTING = Setting(n=400, d=200, width=300, activation="relu", target="tanh", ridge=0.1, step_size=0.0)


@pytest.fixture(scope="module")
def bulk() -> Bulk:
    return predict(SETTING, method="closed_form").bulk


def brute_force(bulk: Bulk, values: np.ndarray) -> tuple[float, float]:
    """Both distances on a dense grid: right to the step of the grid."""
    edge = float(bulk.edges[-1, 1])
    grid = np.linspace(0.0, edge, 200_001)
    empirical = np.searchsorted(np.sort(values), grid, side="right") / values.size
    gap = np.abs(empirical - bulk.cdf(grid))
    return float(gap[:-1].max()), float(gap.mean())


def test_against_a_dense_grid(bulk: Bulk) -> None:
    rng = np.random.default_rng(1)
    values = np.sort(bulk.quantile(rng.uniform(size=80)))[::-1] * 1.02
    found = spectral_distances(bulk, values)
    kolmogorov, wasserstein = brute_force(bulk, values)
    # The grid misses the jumps by its step times the density (1e-4); Wasserstein replaces the law by 80 atoms
    # at its own quantiles, which changes the area by at most a quarter of the mean gap (1/80/4 = 0.003).
    assert found.kolmogorov == pytest.approx(kolmogorov, abs=2e-4)
    assert found.wasserstein == pytest.approx(wasserstein, abs=0.0035)


def test_the_best_sample_and_changes_of_it(bulk: Bulk) -> None:
    values = bulk.quantile((np.arange(200)[::-1] + 0.5) / 200)
    found = spectral_distances(bulk, values)
    # Atoms in the middle of cells of mass 1/200.
    assert found.kolmogorov == pytest.approx(0.5 / 200, rel=1e-6)
    assert found.wasserstein == pytest.approx(0.0, abs=1e-12)
    edge = float(bulk.edges[-1, 1])
    shifted = spectral_distances(bulk, np.minimum(values, 0.9 * edge) + 0.05 * edge)
    assert shifted.wasserstein == pytest.approx(0.05, abs=0.01)
    # A spike counts by its mass, wherever it is.
    near, far = (spectral_distances(bulk, np.append([x * edge], values[1:])) for x in (1.1, 100.0))
    assert near == far
    assert far.kolmogorov <= 1.5 / 200


def test_zeros_are_the_atom() -> None:
    wide = predict(SETTING.replace(n_ridge=150), method="closed_form").bulk
    assert wide.atom_at_zero == pytest.approx(0.5)
    values = wide.quantile((np.arange(300)[::-1] + 0.5) / 300)
    rounded = np.where(values == 0.0, 1e-14, values)
    assert spectral_distances(wide, rounded).kolmogorov == pytest.approx(0.5 / 300, rel=1e-3)
    # Negative control: without the atom half of the mass is somewhere else.
    assert spectral_distances(wide, np.maximum(values, 0.1)).kolmogorov > 0.4
