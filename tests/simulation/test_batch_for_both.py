"""The ridge regression on the samples of the gradient step, against an independent program's networks."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rmt_spikes.setting import Setting
from rmt_spikes.simulation import simulate

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "validation" / "reference" / "same_batch.json").read_text(encoding="utf-8"))[
    "cases"
]
NAMES = ["same-relu-a45", "same-tanh-const-sqrt", "same-gelu-rad-theta15"]
TRIALS = 6
ALLOWED = 2.5
"""Standard errors: of 21 numbers about five are independent, a false alarm has 6 %, and seeds are fixed."""


@cache
def observed(name, second_batch="same"):
    setting = Setting(**CASES[name]["setting"]).replace(second_batch=second_batch)
    return simulate(setting, trials=TRIALS, seed=1).trials


def errors(name, quantity, values):
    """Differences from the reference in standard errors, from its scatter for both."""
    mean, error = (np.array(each) for each in CASES[name]["mean_se"][quantity])
    return np.abs(np.mean(values, axis=0) - mean) / (error * np.sqrt(1 + CASES[name]["trials"] / TRIALS))


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_those_of_an_independent_program(name):
    trials = observed(name)
    for quantity in ("objective", "train", "test"):
        assert errors(name, quantity, [getattr(trial, quantity) for trial in trials]) < ALLOWED, quantity
    p = [0.25, 0.5, 0.75]
    quantiles = [np.quantile(trial.singular_values, p) for trial in trials]
    assert np.all(errors(name, "quantiles", np.pad(quantiles, ((0, 0), (2, 2))))[2:5] < ALLOWED)
    values = np.array([np.pad(trial.singular_values[:1], (0, 9)) for trial in trials])
    assert errors(name, "singular_values", values)[0] < ALLOWED


@pytest.mark.parametrize("name", ["same-relu-a45", "same-gelu-rad-theta15"])
def test_a_fresh_batch_is_rejected(name):
    """Negative control: a sample's own label is not in the features of another one."""
    trials = observed(name, "fresh")
    for quantity in ("objective", "train"):
        assert errors(name, quantity, [getattr(trial, quantity) for trial in trials]) > 2 * ALLOWED
