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
from rmt_spikes.theory.methods.one_batch.spectrum.resolvent import upper_edge

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


def test_an_edge_is_found_from_a_place_that_is_not_above_all_samples():
    setting = rs.Setting(
        n=14021, d=25037, width=31109, activation={"hermite": [0.2, 1, 0.5, 0.2]}, target="gelu",
        center=False, noise_std=3, ridge=1, step_exponent=0.4, row_norm=1.414, second_batch="same",
        readout="rademacher",
    )  # fmt: skip
    method = rs.predict(setting).solution
    # Far above, where the resolvent is that of infinity, there is nothing to miss.
    far = upper_edge(method.spectral.equations, 1e9)
    found = upper_edge(method.spectral.equations, method._above(setting.theta))
    assert found.eigenvalue == pytest.approx(far.eigenvalue, rel=1e-5)


def test_a_small_ridge_is_reached_from_one_above_all_features():
    """With more samples than neurons the training loss stays, and the ridge adds nothing to it.

    The growing slope makes features whose squares are of order 1e9.
    """
    setting = rs.Setting(
        n=27, d=167, width=20, activation={"hermite": [-0.3, 0.545, 1.043, -0.207]}, target="relu",
        noise_std=1, ridge=1e-7, step_size=1.127, readout="rademacher", second_batch="same",
    )  # fmt: skip
    with pytest.warns(rs.AccuracyWarning, match="large features"):
        losses = rs.predict(setting).losses
    assert losses.objective == pytest.approx(losses.train, rel=1e-6)
    with pytest.warns(rs.AccuracyWarning):
        larger = rs.predict(setting.replace(ridge=0.01)).losses
    assert losses.train < larger.train < losses.train * (1.0 + 1e-4)


def test_a_gap_has_no_density():
    """As many values are above it as there are dimensions: features are linear there.

    Solved as roughly as the rest, a place in it has an imaginary part.
    """
    setting = rs.Setting(
        n=2485, d=160, width=794, activation="elu", target="erf", center=False, noise_std=0.1, ridge=1.16e-6,
        step_exponent=1 / 3, readout="constant", second_batch="same",
    )  # fmt: skip
    bulk = rs.predict(setting).bulk
    assert bulk.edges.shape == (2, 2)
    assert bulk.masses == pytest.approx([1.0 - 160 / 794, 160 / 794], abs=1e-6)
