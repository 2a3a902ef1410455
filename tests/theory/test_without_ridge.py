"""Losses without a ridge: the limit of small ones, and what is simulated."""

import numpy as np
import pytest

import rmt_spikes as rs

SETTING = {"n": 600, "d": 300, "activation": "relu", "target": "tanh", "noise_std": 0.3, "step_exponent": 0.4}
SIDES = [{"width": 200, "n_ridge": 400}, {"width": 500, "n_ridge": 250}]
NAMES = ("objective", "train", "test")


def losses(method, ridge, **sizes):
    """Three losses of a setting."""
    found = rs.predict_losses(rs.Setting(**SETTING | sizes, ridge=ridge), method=method)
    return np.array([getattr(found, name) for name in NAMES])


@pytest.mark.parametrize("method", ["uniform", "closed_form", "limit"])
@pytest.mark.parametrize("sizes", SIDES)
def test_they_are_the_limit_of_small_ridges(method, sizes):
    # Losses are smooth in the ridge: two small ones, one half of the other, leave a square of 1e-8.
    zero, small, half = (losses(method, ridge, **sizes) for ridge in (0.0, 2e-8, 1e-8))
    assert zero == pytest.approx(2.0 * half - small, rel=1e-9, abs=1e-13)
    assert np.any(zero != half)
    assert zero[0] == zero[1]
    assert bool(zero[0] == 0.0) is (sizes["width"] > sizes["n_ridge"])


def test_with_norms_as_latent_variables_too():
    zero, small = (losses("uniform", ridge, d=40, **SIDES[0]) for ridge in (0.0, 1e-8))
    # The degrees of freedom settle to 1e-7.
    assert zero == pytest.approx(small, rel=1e-5)


@pytest.mark.parametrize("sizes", SIDES)
def test_they_are_simulated(sizes):
    setting = rs.Setting(**SETTING | sizes, ridge=0)
    trials = rs.simulate(setting, trials=24, seed=1).trials
    predicted, other = losses(None, 0.0, **sizes), losses(None, 0.05, **sizes)
    for name, right, wrong in zip(NAMES, predicted, other, strict=True):
        values = np.array([getattr(trial, name) for trial in trials])
        error = values.std(ddof=1) / np.sqrt(values.size)
        # Their error bar is 2 % here; a ridge of .05 is told apart.
        assert abs(values.mean() - right) < 3.0 * error + 0.02 * right + 1e-15
        assert abs(values.mean() - wrong) > 5.0 * error


def test_a_linear_activation_interpolates_as_least_squares_do():
    # In far more dimensions than neurons the features are independent Gaussian inputs, and the teacher is
    # noise to them but for N / d: least squares with n samples has a test loss of 1 + N / (n - N) times it.
    width, samples, noise = 200, 500, 0.5
    setting = rs.Setting(
        n=500, d=100_000, width=width, n_ridge=samples, activation="identity", target="identity",
        noise_std=noise, ridge=0, step_size=0.0,
    )  # fmt: skip
    found = rs.predict_losses(setting, method="closed_form")
    energy = noise**2 + 1.0 - width / setting.d
    assert found.test == pytest.approx(energy * samples / (samples - width), rel=1e-4)
    assert found.train == pytest.approx(energy * (samples - width) / samples, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        ({"width": 400}, {}, "width and n_ridge are equal: the test loss diverges"),
        ({"width": 400}, {"method": "closed_form"}, "width and n_ridge are equal: the test loss diverges"),
        ({"width": 400}, {"method": "limit"}, "width and n_ridge are equal: the test loss diverges"),
        (
            {"activation": "identity", "d": 100},
            {},
            "dimensions of width and n_ridge at most",
        ),
        ({}, {"digits": 20}, "a prediction to many digits"),
        ({"second_batch": "same", "n": 400}, {}, "a ridge regression on the samples of the gradient step"),
    ],
)
def test_what_has_no_limit_is_refused(change, options, text):
    setting = rs.Setting(**SETTING | SIDES[0] | change, ridge=0)
    with pytest.raises(rs.DomainError, match=f"ridge: must be above 0 for .*{text}"):
        _ = rs.predict(setting, **options).losses


def test_the_rest_of_a_prediction_needs_no_ridge():
    zero, some = (
        rs.predict(rs.Setting(**SETTING, width=400, n_ridge=400, ridge=ridge)) for ridge in (0.0, 0.01)
    )
    assert [x.singular_value for x in zero.spikes] == pytest.approx(
        [x.singular_value for x in some.spikes], rel=1e-3
    )
    steps = [
        rs.predict(rs.Setting(**SETTING, **SIDES[1], ridge=ridge), method="closed_form")
        for ridge in (0.0, 1e-9)
    ]
    assert steps[0].spikes[0].critical_step_size == pytest.approx(steps[1].spikes[0].critical_step_size)


@pytest.mark.parametrize("sizes", SIDES)
def test_standard_deviations_have_the_same_limit(sizes):
    zero, small = (
        rs.theory.loss_standard_deviations(rs.Setting(**SETTING | sizes, ridge=ridge))
        for ridge in (0.0, 1e-9)
    )
    for name in NAMES:
        assert zero[name] == pytest.approx(small[name], rel=1e-4, abs=1e-8)


def test_a_sweep_of_ridges_begins_at_zero():
    setting = rs.Setting(**SETTING, **SIDES[0], ridge=0.1)
    table = rs.sweep(setting, {"ridge": [0.0, 1e-6, 0.1]}, quantities=["losses.test"], method="closed_form")
    assert np.diff(table["losses.test"])[0] == pytest.approx(0.0, abs=1e-4)
    with pytest.raises(rs.DomainError, match="ridge: must be 0, or a number from 1e-12 to 1e12, got 1e-13"):
        setting.replace(ridge=1e-13)
