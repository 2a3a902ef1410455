"""The committed results: of the cases and of the theory that are here, and as README.md says."""

import csv
import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import rmt_spikes as rs
from rmt_spikes.validation import Case
from rmt_spikes.validation.verdicts.quantities import quantities

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "validation" / "reports"
RENEW = "`make validate` and `make calibration` renew validation/reports"
page: Callable[[Path], str] = runpy.run_path(str(ROOT / "validation" / "results.py"))["page"]


def read(name: str) -> list[dict[str, str]]:
    with (REPORTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = read("results")
VECTORS = 5
"""Singular vectors that the trials of a campaign have."""

CASES = sorted(rs.built_in_cases())


@cache
def predicted(case: str, point: int) -> dict[str, float]:
    """Predictions of a point by quantity, for networks and not given a trial."""
    declared = Case.built_in(case)
    setting = declared.points()[point].setting
    options = {"method": declared.method, "features": declared.features}
    prediction = rs.predict(setting, **options)
    untrained = rs.predict(setting.replace(step_size=0.0), **options)
    listed = [each for claim in declared.claims for each in quantities(prediction, claim, VECTORS, untrained)]
    return {quantity.path: quantity.predicted for quantity in listed}


@pytest.mark.parametrize("case", CASES)
def test_predictions_are_those_of_the_theory_that_is_here(case: str) -> None:
    """To 1e-9, in all repetitions. What was predicted given a trial needs that trial (column `given`)."""
    for row in (row for row in ROWS if row["case"] == case and row["given"] == "none"):
        now = predicted(case, int(row["point"]))[row["quantity"]]
        assert float(row["predicted"]) == pytest.approx(now, rel=1e-9, abs=1e-12), RENEW


def test_results_are_of_the_cases_that_are_here() -> None:
    for case in CASES:
        points = Case.built_in(case).points()
        for repetition in "012":
            rows = [row for row in ROWS if (row["case"], row["repetition"]) == (case, repetition)]
            assert {int(row["point"]) for row in rows} == set(range(len(points))), RENEW
    assert {row["case"] for row in ROWS} == set(CASES), RENEW
    # Repetitions have other random numbers.
    first = [row["observed"] for row in ROWS if row["case"] == "headline" and row["point"] == "0"]
    assert len(set(first)) == len(first)


def test_the_page_is_that_of_the_tables() -> None:
    assert (REPORTS / "report.md").read_text(encoding="utf-8") == page(REPORTS), RENEW


def test_no_disagreement_is_undocumented_and_every_wrong_theory_is_rejected() -> None:
    assert len(ROWS) > 2400
    assert [row for row in ROWS if row["verdict"] != "agrees" and not row["exception"]] == []
    assert {row["verdict"] for row in read("scaling")} == {"agrees"}
    controls = read("controls")
    assert len(controls) > 120
    assert {row["rejected"] for row in controls} == {"True"}


@pytest.mark.parametrize("name", ["second-feature", "two-spike-loss"])
def test_the_published_theory_is_rejected_where_the_corrected_one_agrees(name: str) -> None:
    assert {row["verdict"] for row in ROWS if row["case"] == name} == {"agrees"}
    controls = [row for row in read("controls") if row["case"] == name]
    published = [row["rejected"] for row in controls if row["control"].startswith("published")]
    assert len(published) >= 3
    assert set(published) == {"True"}


def test_the_calibration_is_of_the_same_rows() -> None:
    columns = ("case", "point", "quantity", "trials")
    first = [row for row in ROWS if row["repetition"] == "0"]
    keys = [{tuple(row[c] for c in columns) for row in rows} for rows in (read("power"), first)]
    assert keys[0] == keys[1], RENEW
