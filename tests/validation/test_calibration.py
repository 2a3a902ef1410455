"""The calibration of verdicts against closed forms, and what it shows of a broken comparison."""

import math
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_tools import case as case_file
from small_case import PLAIN, SETTING, case
from synthetic import power, result

from rmt_spikes.errors import DomainError
from rmt_spikes.validation.campaign.calibration import calibrate
from rmt_spikes.validation.campaign.results import CaseResult

ONE: dict[str, Any] = {**PLAIN, "setting": {**SETTING, "step_exponent": 0.3}, "sweep": {}}
SCRIPT = Path(__file__).parents[2] / "validation" / "calibration.py"
ROWS = 6
TRIALS = 200


@pytest.fixture(scope="module")
def normal() -> CaseResult:
    """Six independent normal rows of standard deviation 0.05, at a family rate of 0.3."""
    rng = np.random.default_rng(41)
    table = {f"losses.{i}": 0.05 * rng.standard_normal(TRIALS) for i in range(ROWS)}
    return result(case(**ONE, family_rate=0.3), [table], allowance=0.005, margin=0.03)


def test_rates_and_power_are_the_closed_forms(normal: CaseResult) -> None:
    """At the allowance each row is called wrong with probability rate/m, and any with 1 - (1 - rate/m)^m."""
    calibration = calibrate(normal, repetitions=3000, seed=1)
    expected = 1.0 - (1.0 - 0.3 / ROWS) ** ROWS
    # Four binomial standard errors, and 0.02: a bootstrap of 200 values is not exactly normal.
    assert calibration.worst / 3000 == pytest.approx(expected, abs=4.0 * math.sqrt(0.2 / 3000) + 0.02)
    assert calibration.exact < calibration.worst
    low, high = calibration.to_dict()["worst_interval"]
    assert low <= calibration.worst / 3000 <= high
    for row, fate in zip(normal.points[0].comparison.rows, calibration.rows, strict=True):
        assert row.se is not None
        expected = power(0.03, row.se, 0.005, TRIALS, 0.3 / ROWS)
        assert fate.power == pytest.approx(expected, abs=0.02)
        assert fate.power > 0.95
        assert fate.agrees > 0.9
        assert fate.scatter == pytest.approx(row.se * math.sqrt(TRIALS), rel=1e-12)


def test_noisy_rows_have_no_power() -> None:
    rng = np.random.default_rng(42)
    noisy = result(case(**ONE), [{"losses.a": 0.5 * rng.standard_normal(20)}], allowance=0.005, margin=0.03)
    (fate,) = calibrate(noisy, repetitions=300).rows
    assert fate.power is not None
    assert max(fate.power, fate.agrees) < 0.1
    # An allowance above the error leaves nothing to find.
    wide = result(case(**ONE), [{"losses.a": rng.standard_normal(20)}], allowance=0.05, margin=0.06)
    assert calibrate(wide, repetitions=10).rows[0].power is None


def test_a_comparison_that_cannot_keep_its_rate_is_seen() -> None:
    """Negative control: three trials that are 0, 0 and 1 look exact whenever only equal ones are drawn.

    The standard error is then zero and the row disagrees: (2/3)^3 + (1/3)^3 = 1/3 of the time, not 1 %.
    """
    broken = result(case(**ONE), [{"losses.a": np.array([0.0, 0.0, 1.0])}])
    calibration = calibrate(broken, repetitions=2000)
    assert calibration.exact / 2000 == pytest.approx(1.0 / 3.0, abs=4.0 * math.sqrt(2.0 / 9.0 / 2000))
    assert calibration.to_dict()["exact_interval"][0] > calibration.family_rate


def test_rows_of_a_trial_stay_together() -> None:
    """Two equal rows disagree together: the family rate is that of one row at half the level."""
    rng = np.random.default_rng(44)
    values = rng.standard_normal(400)
    twins = result(case(**ONE, family_rate=0.4), [{"losses.a": values, "losses.b": values}])
    calibration = calibrate(twins, repetitions=2000)
    assert calibration.exact / 2000 == pytest.approx(0.2, abs=4.0 * math.sqrt(0.16 / 2000) + 0.01)


def test_nothing_to_calibrate_is_refused(normal: CaseResult) -> None:
    with pytest.raises(DomainError, match="repetitions"):
        calibrate(normal, repetitions=0)
    with pytest.raises(DomainError, match="must have a row"):
        calibrate(result(case(**ONE), [{}]))
    with pytest.raises(DomainError, match="result: must be a CaseResult, got int"):
        calibrate(3)  # type: ignore[arg-type]


def test_the_report_of_the_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script on a tiny case: what it writes is what `calibrate` says."""
    path = case_file(tmp_path, 0.9, 0.9, control=False)
    out = tmp_path / "calibration"
    arguments = [path, "--campaign", str(tmp_path / "run"), "--out", str(out), "--repetitions", "40"]
    monkeypatch.setattr(sys, "argv", ["calibration.py", *arguments, "--jobs", "1"])
    monkeypatch.syspath_prepend(SCRIPT.parent)
    runpy.run_path(str(SCRIPT), run_name="__main__")
    tables = runpy.run_path(str(SCRIPT.with_name("results.py")))
    (only,) = tables["read"](out / "calibration.csv")
    assert (only["case"], only["repetitions"]) == ("tiny", "40")
    assert float(only["exact_low"]) <= int(only["exact"]) / 40 <= float(only["exact_high"])
    rows = tables["read"](out / "power.csv")
    assert [row["quantity"] for row in rows] == ["losses.objective", "losses.train", "losses.test"]
    text = "\n".join(tables["calibration_lines"](out))
    assert f"| tiny | 1 % | {2.5 * int(only['exact']):.2f} % (" in text
    assert "| losses | 3 |" in text
    figure = (out / "calibration.svg").read_text(encoding="utf-8")
    assert "power against an error of 3 %" in figure
    assert "metadata" not in figure
    assert len(figure.splitlines()) == 1
