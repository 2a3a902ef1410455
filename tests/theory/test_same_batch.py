"""The ridge regression on the samples of the gradient step."""

import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.theory import (
    critical_step_sizes,
    limit_losses,
    loss_standard_deviations,
    spike_standard_deviations,
)

SAME = rs.Setting(
    n=600, d=300, width=400, activation="relu", target={"hermite": [0, 1, 0.7]}, noise_std=0.5, ridge=0.05,
    step_exponent=0.3, second_batch="same",
)  # fmt: skip


@pytest.mark.parametrize(
    "route",
    [
        *(lambda setting, m=m: rs.predict(setting, method=m) for m in ("uniform", "closed_form", "limit")),
        lambda setting: rs.predict(setting, digits=20),
        lambda setting: critical_step_sizes(setting, method="uniform"),
        limit_losses,
        loss_standard_deviations,
        spike_standard_deviations,
    ],
)
def test_theories_of_a_fresh_batch_are_refused(route):
    with refused("second_batch", "must be 'fresh' for"):
        route(SAME)


def test_critical_step_sizes_are_those_of_the_batch():
    """By default of the method that predicts it."""
    (found,) = critical_step_sizes(SAME, 1)
    (spike, *_) = rs.predict(SAME.replace(step_size=2.0 * found)).spikes
    assert found == pytest.approx(spike.critical_step_size, rel=1e-6)
