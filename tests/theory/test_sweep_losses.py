"""Losses over a range of steps: interpolation against one solution a step."""

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.theory.predict import predict_losses
from rmt_spikes.theory.sweeps.losses import sweep_losses

SETTING = rs.Setting(
    n=2000, d=1000, width=1300, activation="tanh", target={"hermite": [0.2, 1, 0, 0.4]},
    noise_std=0.4, ridge=0.02, step_size=1.0,
)  # fmt: skip


@pytest.mark.parametrize("method", ["uniform", "closed_form"])
@pytest.mark.parametrize("top", [2000**0.5, 3 * 1300**0.5])
def test_the_stated_error_holds(method, top):
    steps = np.linspace(0, top, 40)
    sweep = sweep_losses(SETTING, steps, method=method)
    exact = [predict_losses(SETTING.replace(step_size=float(step)), method=method) for step in steps]
    for name in ("objective", "train", "test"):
        relative = np.abs(getattr(sweep, name) / [getattr(losses, name) for losses in exact] - 1)
        assert np.max(relative) <= sweep.error <= 1e-4
    assert np.ptp(sweep.test) > 1e3 * sweep.error  # the losses do move


def test_few_steps_are_solved_for():
    sweep = sweep_losses(SETTING, [3.0, 1.0, 3.0])
    assert sweep.solves == 2
    assert sweep.error == 0.0
    exact = predict_losses(SETTING.replace(step_size=3.0)).test
    assert sweep.test[0] == sweep.test[2] == sweep_losses(SETTING, [3]).test[0] == exact


@pytest.mark.parametrize(
    "steps",
    [[], [[1.0]], [np.nan], [-1.0], 1.0, "abc", ["1.0"], [1j], [None], [True], [[1.0], [1.0, 2.0]], None],
)
def test_bad_steps(steps):
    with refused("step_size"):
        sweep_losses(SETTING, steps)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        *(("rtol", value) for value in (0.0, np.nan, None, "1e-4", 1e-4j, True)),
        *(("method", "limit"), ("method", "magic"), ("features", "magic")),
    ],
)
def test_bad_options(field, given):
    with refused(field):
        sweep_losses(SETTING, [1.0], **{field: given})
