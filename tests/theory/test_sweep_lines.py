"""Losses and numbers of spikes along the step: interpolation against one solution a step."""

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.predict import predict_losses
from rmt_spikes.theory.sweeps.lines import filled, table_filled
from rmt_spikes.theory.sweeps.table import point_of

SETTING = rs.Setting(
    n=2000, d=1000, width=1300, activation="tanh", target={"hermite": [0.2, 1, 0, 0.4]},
    noise_std=0.4, ridge=0.02, step_size=1.0,
)  # fmt: skip
LOSSES = ("objective", "train", "test")


@pytest.mark.parametrize("method", ["uniform", "closed_form"])
@pytest.mark.parametrize("top", [2000**0.5, 3 * 1300**0.5])
def test_the_stated_error_holds(method, top):
    steps = np.linspace(0, top, 40)
    table = rs.sweep(SETTING, {"step_size": steps}, method=method, rtol=1e-4)
    exact = [predict_losses(SETTING.replace(step_size=float(step)), method=method) for step in steps]
    for name in LOSSES:
        relative = np.abs(table[f"losses.{name}"] / [getattr(losses, name) for losses in exact] - 1)
        assert np.max(relative) <= table.error <= 1e-4
        # Error bars are in proportion to a loss; that of the training loss to a ratio of two as well.
        bars = [getattr(losses.error, name) for losses in exact]
        np.testing.assert_allclose(table[f"losses.error.{name}"], bars, rtol=3e-4)
    assert np.ptp(table["losses.test"]) > 1e3 * table.error  # the losses do move
    assert "interpolated" in repr(table)


def test_few_steps_are_solved_for():
    table = rs.sweep(SETTING, {"step_size": [3.0, 1.0, 3.0]}, rtol=1e-4)
    assert table.solves == 2
    assert table.error == 0.0
    exact = predict_losses(SETTING.replace(step_size=3.0)).test
    assert table["losses.test"][0] == table["losses.test"][2] == exact


def test_lines_are_those_of_the_other_keys_and_steps_come_in_any_order():
    exponents = np.linspace(0.5, 0.0, 24)
    axes = {"noise_std": [0.1, 0.4], "step_exponent": exponents, "center": [True, False]}
    kind = {"method": "closed_form"}
    table = rs.sweep(SETTING, axes, ["losses.train", "latent.shift"], rtol=1e-6, **kind)
    plain = rs.sweep(SETTING, axes, ["losses.train", "latent.shift"], **kind)
    assert np.max(np.abs(table["losses.train"] / plain["losses.train"] - 1)) <= table.error <= 1e-6
    assert np.array_equal(table["latent.shift"], plain["latent.shift"])  # not interpolated
    assert plain.error == 0.0
    assert plain.solves == 96


def test_losses_that_cannot_be_interpolated_are_predicted(monkeypatch):
    monkeypatch.setattr("rmt_spikes.theory.sweeps.lines.LARGEST_DEGREE", 10)
    axes, kind = {"step_size": np.linspace(0, 40, 25)}, {"method": "closed_form"}
    table = rs.sweep(SETTING, axes, rtol=1e-9, **kind)
    assert table.error == 0.0
    assert table.solves == 25
    assert np.array_equal(table["losses.test"], rs.sweep(SETTING, axes, **kind)["losses.test"])


def test_steps_that_are_too_large_fail_and_leave_the_others():
    steps = np.linspace(0, 20, 41)
    axes = {"width": [1, 1300], "step_size": steps}
    table = rs.sweep(SETTING, axes, ["losses.test", "spike_count"], rtol=1e-3, method="closed_form")
    bad = {each.index for each in table.failures if "10 sqrt(width) = 10," in each.reason}
    assert bad == {(0, i) for i in range(41) if steps[i] > 10}
    assert np.isfinite(table["losses.test"][1]).all()
    assert np.isfinite(table["spike_count"][1]).all()


def test_filled_counts_are_those_of_predictions():
    steps = np.linspace(0, 2000**0.5, 24)
    quadratic = SETTING.replace(activation="relu", target={"hermite": [0, 1, 0.7]}, ridge=0.1)
    kind = {"method": "closed_form"}
    table = rs.sweep(quadratic, {"step_size": steps}, ["spike_count"], rtol=1e-3, **kind)
    exact = [len(rs.predict(quadratic.replace(step_size=step), **kind).spikes) for step in steps.tolist()]
    assert table["spike_count"].tolist() == exact
    assert len(set(exact)) > 2  # spikes do appear
    assert table.solves < 16


def test_step_functions_are_filled_in_from_few_values():
    asked = []

    def value(i):
        asked.append(i)
        return float(np.searchsorted([37, 38, 251], i, side="right"))

    assert filled(value, 400) == [value(i) for i in range(400)]
    assert len(set(asked[:-400])) == len(asked[:-400]) < 40
    assert filled(lambda i: 7.0, 1) == [7.0]
    assert filled(lambda i: np.nan if i == 3 else 1.0, 5)[:3] == [1.0] * 3
    assert filled(value, 0) == []


def test_tables_of_step_functions_are_filled_in_from_few_values():
    """Lines between two others are asked for where these differ."""
    asked = set()

    def value(row, k):
        asked.add((row, k))
        return float(np.searchsorted([20 + 0.7 * row, 41.5 - 0.3 * row], k, side="right"))

    table = table_filled(value, 8, 60)
    count = len(asked)
    assert table == [[value(row, k) for k in range(60)] for row in range(8)]
    assert count < 60  # 8 lines of their own take 120
    assert table_filled(lambda row, k: float(row == 1 and k > 1), 3, 4)[1] == [0.0] * 4
    assert table_filled(lambda row, k: np.nan if k == 0 else 1.0, 3, 4)[1][1:] == [1.0] * 3
    assert table_filled(value, 1, 0) == [[]]


@pytest.mark.parametrize(("method", "lines", "count"), [("closed_form", 20, 12), ("uniform", 1, 4)])
def test_counts_over_two_keys_are_those_of_spikes(method, lines, count):
    """Counts of the uniform method start from their neighbours and find no places."""
    base = SETTING.replace(activation="relu", target={"hermite": [0, 1, 0.7]}, ridge=0.1)
    axes = {"width": 800 + 40 * np.arange(lines), "step_size": np.linspace(0.5, 36.0, count)}
    table = rs.sweep(base, axes, ["spike_count"], rtol=1e-3, method=method)
    places = [(row, k) for row in range(0, lines, 3) for k in range(count)]
    exact = [len(rs.predict(base.replace(**point_of(axes, each)), method=method).spikes) for each in places]
    assert [table["spike_count"][each] for each in places] == exact
    assert len(set(exact)) > 1  # spikes do appear
    assert table.solves < 0.7 * lines * count or lines == 1


@pytest.mark.parametrize("step", [0.41])
def test_spikes_do_not_depend_on_where_they_are_looked_for(step):
    base = SETTING.replace(activation="relu", step_exponent=0.4)
    near, here, cold = Uniform(base), *(Uniform(base.replace(step_exponent=step)) for _ in range(2))
    assert near.spikes()
    here.continue_from(near)
    known, found = cold.spikes(), here.spikes()
    assert len(found) == len(known) == Uniform(base.replace(step_exponent=step)).spike_count()
    for one, other in zip(found, known, strict=True):
        assert one.singular_value == pytest.approx(other.singular_value, rel=1e-11)
        assert one.alignment == pytest.approx(other.alignment, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "field", "mention"),
    [
        *(({"rtol": value}, "rtol", "1e-10") for value in (0.0, np.nan, "1e-4", 1e-4j, True)),
        ({"method": "limit"}, "method", "uniform"),
        ({"axes": {"ridge": [0.1, 0.2]}}, "rtol", "step_size"),
        ({"quantities": ["latent.shift"]}, "rtol", "losses"),
    ],
)
def test_bad_options(change, field, mention):
    with refused(field, mention):
        rs.sweep(SETTING, **{"axes": {"step_size": [1.0]}, "rtol": 1e-3} | change)
