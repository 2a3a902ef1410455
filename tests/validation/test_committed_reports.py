"""The committed results: of the cases and of the theory that are here, and as README.md says."""

import csv
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from renew import KEPT, judged, predicted
from usual import without

import rmt_spikes as rs
from rmt_spikes.theory import THEORY_VERSION
from rmt_spikes.validation import Case, Conclusion, Verdict
from rmt_spikes.validation.verdicts.comparison import matches

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "validation" / "reports"
RENEW = "`make validate` and `make calibration` renew validation/reports"
RESULTS = runpy.run_path(str(ROOT / "validation" / "results.py"))
page: Callable[[Path], str] = RESULTS["page"]
verdict: Callable[..., str] = RESULTS["verdict"]


def read(name: str) -> list[dict[str, str]]:
    with (REPORTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = read("results")
CASES = sorted(rs.built_in_cases())


# These take 4 to 40 seconds each; golden numbers guard the same code.
SLOW = (
    *(
        "activations",
        "bulk-law",
        "degree-two",
        "few-dimensions",
        "finite-size",
        "headline",
        "learnt-direction",
    ),
    *(
        "lengths-of-rows",
        "mean-of-labels",
        "one-batch",
        "proportions",
        "rademacher-readout",
        "rank-one-gradient",
    ),
)


@pytest.mark.parametrize("case", without(SLOW, CASES))
def test_predictions_are_those_of_the_theory_that_is_here(case: str) -> None:
    """To 1e-9, in all repetitions; what is found by a rule of a few nodes to 1e-7.

    What was predicted given a trial needs that trial (column `given`). Rows of an older theory, whose
    observation needs the trials as well, say so (column `theory`).
    """
    for row in (row for row in ROWS if row["case"] == case and row["given"] == "none"):
        if row["theory"] == str(THEORY_VERSION):
            now = predicted(case, int(row["point"]))[row["quantity"]].predicted
            assert float(row["predicted"]) == pytest.approx(now, rel=1e-7, abs=1e-9), RENEW
        else:
            assert matches(row["quantity"], KEPT), row


def test_verdicts_are_those_of_the_cases_that_are_here() -> None:
    """Of all rows, from their numbers alone."""
    for case in CASES:
        for repetition in "012":
            rows = [row for row in ROWS if (row["case"], row["repetition"]) == (case, repetition)]
            again = [(row["verdict"], row["exception"]) for row in judged(Case.built_in(case), rows)]
            assert again == [(row["verdict"], row["exception"]) for row in rows], RENEW


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


def test_the_page_has_the_words_of_a_report() -> None:
    """The verdict on rows, fits and wrong theories: known exceptions are counted once, and named."""
    row = {"case": "a", "verdict": "agrees", "exception": ""}
    known = {**row, "verdict": "disagrees", "exception": "why"}
    other = {**known, "case": "b"}
    fit, control = {"verdict": "inconclusive"}, {"rejected": "False"}
    assert verdict([row]) == Conclusion(Verdict.AGREES)
    assert verdict([row, known, known]) == Conclusion(Verdict.AGREES, 1)
    assert verdict([row, known, other]) == Conclusion(Verdict.AGREES, 2)
    assert verdict([known, {**row, "verdict": "disagrees"}]) == Conclusion(Verdict.DISAGREES, 1)
    assert verdict([row], [fit]) == verdict([row], [], [control]) == Conclusion(Verdict.INCONCLUSIVE)


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
