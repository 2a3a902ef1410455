"""Error bars against real errors, from the committed table, and what results say of them."""

import warnings

import error_bars
import numpy as np
import pytest
from scipy.stats import laplace, norm
from scipy.stats import t as student

import rmt_spikes as rs

ROWS = error_bars.read()
TESTS = [row for row in ROWS if error_bars.half(row["setting"]) == "tests"]
SETTING = rs.Setting(
    n=600, d=300, width=400, activation="relu", target="identity", ridge=0.1, step_exponent=0.4, noise_std=0.5
)
FEW = SETTING.replace(d=12, width=100)
COVERED, MEDIAN = 0.9, 0.02
"""What error bars are to be: nine in ten lie within, and they are not empty."""


def accepted(rows, divided_by=1.0):
    """Whether error bars cover enough, and are larger where errors are.

    Three standard deviations of the rank correlation of as many independent numbers.
    """
    found = error_bars.summary(rows, divided_by)
    return found["covered"] >= COVERED and found["rank"] > 3.0 / np.sqrt(len(rows))


def of(kind):
    return [row for row in TESTS if error_bars.kind(row["quantity"]) == kind]


def test_error_bars_hold_on_the_half_that_was_not_calibrated_on():
    assert len(TESTS) > 800
    assert accepted(TESTS)


def test_error_bars_are_not_empty():
    """At most 2 % in the middle, but for the drawn settings, which are small and hard."""
    usual = [row for row in TESTS if not error_bars.is_drawn(row)]
    assert accepted(usual)
    assert error_bars.summary(usual)["median"] <= MEDIAN
    # All together: 2.0 %.
    assert error_bars.summary(TESTS)["median"] <= 1.5 * MEDIAN


@pytest.mark.parametrize("kind", error_bars.KINDS)
def test_they_hold_for_each_kind_of_number(kind):
    assert accepted(of(kind))


@pytest.mark.parametrize("kind", error_bars.KINDS)
def test_true_differences_of_fresh_settings_are_covered(kind):
    """Settings that no choice saw: nine in ten within the error bar, and fewer within a fifth of it."""
    rows = fresh(kind)
    assert error_bars.true_coverage(rows) >= COVERED
    fifth = [{**row, "error": float(row["error"]) / 5.0} for row in rows]
    assert error_bars.true_coverage(fifth) < COVERED - 0.1


@pytest.mark.parametrize("law", ["normal", "laplace", "student"])
@pytest.mark.parametrize("share", [0.8, 0.9, 0.95])
def test_true_coverage_is_that_behind_the_noise(law, share):
    """Differences of known laws, whose quantile of `share` is the error bar, with the noise of fresh losses.

    The mean over 20 samples, each of which scatters by up to 0.035, known to 0.008: three of these.
    """
    rng = np.random.default_rng(5)
    relative = np.array([float(row["se"]) / float(row["error"]) for row in fresh("losses")])
    draw = {
        "normal": lambda n: rng.standard_normal(n),
        "laplace": lambda n: rng.laplace(size=n),
        "student": lambda n: rng.standard_t(2, n),
    }[law]
    bar = {"normal": norm, "laplace": laplace, "student": student(2)}[law].ppf(0.5 + share / 2.0)
    found = []
    for _ in range(20):
        seen = draw(relative.size) / bar + relative * rng.standard_normal(relative.size)
        pairs = zip(seen, relative, strict=True)
        rows = [{"predicted": 0.0, "observed": value, "error": 1.0, "se": se} for value, se in pairs]
        found.append(error_bars.true_coverage(rows))
    assert np.mean(found) == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize("kind", error_bars.KINDS)
def test_fresh_settings_are_covered_with_two_standard_errors(kind):
    """And larger error bars go with larger differences; a fifth of them covers fewer."""
    rows = fresh(kind)
    found = error_bars.summary(rows)
    assert found["within two"] >= COVERED
    # By three standard deviations of as many independent numbers, but for the spikes, of which there are 64.
    assert found["rank of all"] > (2.0 if kind == "spikes" else 3.0) / np.sqrt(len(rows))
    assert error_bars.summary(rows, 5.0)["covered"] < found["covered"] - 0.1


def fresh(kind):
    rows = [row for row in ROWS if error_bars.half(row["setting"]) == error_bars.FRESH]
    assert len({row["setting"] for row in rows}) == 80
    return [row for row in rows if error_bars.kind(row["quantity"]) == kind]


def test_a_fifth_of_the_error_bars_is_rejected():
    """Negative control."""
    assert error_bars.summary(TESTS, 5.0)["covered"] < COVERED - 0.1
    assert not accepted(TESTS, 5.0)


def test_shuffled_error_bars_are_rejected():
    """Negative control: relative error bars of other rows cover less and have no rank correlation."""
    rng = np.random.default_rng(1)
    relative = rng.permutation([float(row["error"]) / float(row["predicted"]) for row in TESTS])
    wrong = [
        {**row, "error": size * float(row["predicted"])} for row, size in zip(TESTS, relative, strict=True)
    ]
    found = error_bars.summary(wrong)
    assert found["covered"] < COVERED
    # Three standard deviations without correlation.
    assert abs(found["rank"]) < 3.0 / np.sqrt(len(wrong))


def test_the_page_is_that_of_the_tables():
    page = (error_bars.REPORTS / "error_bars.md").read_text(encoding="utf-8")
    assert page == error_bars.page(ROWS), "python tests/theory/error_bars.py renews it"


@pytest.mark.parametrize("kind", error_bars.KINDS)
def test_coefficients_are_those_of_the_half_that_calibrates(kind):
    """Two digits of the regression, rounded up; those of spikes alone are given."""
    fitted, used = error_bars.fitted(ROWS, kind), error_bars.coefficients(kind)
    for name, exact, value in zip(error_bars.SIZES, fitted, used, strict=True):
        if name not in error_bars.SIZES[-error_bars.GIVEN :]:
            assert exact * (1.0 - 1e-6) <= value <= 1.11 * exact + 1e-9, name


def test_rows_are_those_of_the_theory_that_is_here():
    """Drawn settings in the tables: losses to the six digits that are written, sizes to four."""
    drawn = error_bars.drawn()
    for name in ("random-6", "random-29", "random-31", "random-101", "near-2", "user-3"):
        prediction = rs.predict(rs.Setting(**drawn[name]["setting"]))
        for row in (row for row in ROWS if row["setting"] == name and "losses" in row["quantity"]):
            value = error_bars.value_of(prediction, row["quantity"])
            error = getattr(prediction.losses.error, row["quantity"].split(".")[1])
            assert float(row["predicted"]) == pytest.approx(value, rel=1e-5)
            assert float(row["error"]) == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("method", ["uniform", "closed_form", "limit"])
def test_every_method_has_error_bars(method):
    prediction = rs.predict(SETTING, method=method)
    losses = prediction.losses
    assert all(getattr(losses.error, name) > 0.0 for name in error_bars.LOSSES)
    assert all(spike.error > 0.0 for spike in prediction.spikes)
    assert prediction.bulk.error > 0.0
    if method != "uniform":
        assert losses.error.test / losses.test > 2.0 * _test_bar(SETTING)


def _test_bar(setting):
    losses = rs.predict_losses(setting)
    return losses.error.test / losses.test


def test_error_bars_grow_with_what_is_left_out():
    base = _test_bar(SETTING)
    # At a large ridge little of such features is used.
    small = SETTING.replace(ridge=1e-3)
    assert _test_bar(small.replace(activation={"expression": "relu(z - 2)"})) > 2.0 * _test_bar(small)
    near, far = (SETTING.replace(ridge=1e-6, width=width) for width in (620, 1200))
    assert _test_bar(near) > 2.0 * _test_bar(far)
    assert _test_bar(SETTING.replace(d=20)) > 2.0 * base
    assert _test_bar(SETTING.replace(output_scale="standard")) > base
    assert _test_bar(SETTING.replace(n=60000, n_ridge=60000, width=40000, d=30000)) < base


def test_features_that_leave_something_out_have_none():
    prediction = rs.predict(SETTING, features="published", method="closed_form")
    assert prediction.losses.error is None
    assert prediction.bulk.error is None
    assert all(spike.error is None for spike in prediction.spikes)
    assert "error" not in prediction.losses.to_dict()


def test_documents_keep_them(tmp_path):
    prediction = rs.predict(SETTING, method="closed_form")
    prediction.save(tmp_path / "prediction.json")
    loaded = rs.Prediction.load(tmp_path / "prediction.json")
    assert loaded == prediction
    assert loaded.losses.error == prediction.losses.error
    assert [spike.error for spike in loaded.spikes] == [spike.error for spike in prediction.spikes]
    assert loaded.bulk.error == prediction.bulk.error
    document = prediction.to_dict()
    assert document["losses"]["error"]["test"] == prediction.losses.error.test
    assert document["bulk"]["error"] == prediction.bulk.error
    assert f"± {prediction.losses.error.test:.2g}" in prediction._repr_html_()
    assert f"± {prediction.losses.error.test:.2g}" in repr(prediction)


@pytest.mark.parametrize(
    "ask", [rs.predict_losses, lambda setting: rs.predict(setting).losses, lambda s: rs.predict(s).spikes]
)
def test_large_error_bars_warn_at_the_line_of_the_caller(ask):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(FEW)
    (warning,) = [each for each in caught if "above 5 %" in str(each.message)]
    assert issubclass(warning.category, rs.AccuracyWarning)
    assert warning.filename == __file__


def test_small_error_bars_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _test_bar(SETTING) < 0.05
