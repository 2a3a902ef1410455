"""Distance of the gradient from rank one."""

import numpy as np
import pytest

from rmt_spikes.setting import Setting
from rmt_spikes.simulation.network.layer import rank_one_error
from rmt_spikes.simulation.trial import run_trial


@pytest.mark.parametrize("shape", [(40, 25), (25, 40), (2, 9), (1, 1)])
def test_it_is_the_operator_norm(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    gradient, readout, beta = (
        rng.standard_normal(shape),
        rng.standard_normal(shape[0]),
        rng.standard_normal(shape[1]),
    )
    rank_one = 0.7 * np.outer(readout, beta)
    expected = np.linalg.svd(gradient - rank_one)[1][0] / np.linalg.svd(rank_one)[1][0]
    kept = gradient.copy()
    # ARPACK stops at 1e-4.
    assert rank_one_error(gradient, 0.7, readout, beta) == pytest.approx(expected, rel=2e-4)
    assert np.array_equal(gradient, kept)


def test_a_rank_one_gradient_has_no_error() -> None:
    rng = np.random.default_rng(2)
    readout, beta = rng.standard_normal(30), rng.standard_normal(20)
    assert rank_one_error(0.5 * np.outer(readout, beta), 0.5, readout, beta) < 1e-12
    # Negative control: another coefficient leaves |0.5 - 0.4| / 0.4.
    assert rank_one_error(0.5 * np.outer(readout, beta), 0.4, readout, beta) == pytest.approx(0.25, rel=1e-3)


def test_a_trial_has_it_when_asked() -> None:
    """The gradient of a linear activation is exactly of rank one."""
    setting = Setting(n=60, d=20, width=30, activation="identity", target="tanh", ridge=0.1, step_size=1.0)
    options = {"top": 2, "test_samples": 1000, "keep_vectors": False}
    plain = run_trial(setting, 1, 0, **options)
    measured = run_trial(setting, 1, 0, **options, gradient_error=True)
    assert plain.rank_one_error is None
    assert measured.rank_one_error is not None
    assert measured.rank_one_error < 1e-10
    assert measured.objective == plain.objective
    curved = run_trial(setting.replace(activation="relu"), 1, 0, **options, gradient_error=True)
    assert curved.rank_one_error is not None
    assert curved.rank_one_error > 0.1
