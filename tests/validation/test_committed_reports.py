"""The committed campaigns: of the cases that are here, and with the verdicts that README.md claims."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rmt_spikes.validation.cases.case import Case

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "validation" / "reports"
REPETITIONS = ("repetition-0", "repetition-1", "repetition-2")
SCHEMA = ROOT / "rmt_spikes" / "validation" / "report.schema.json"
CASES = {path.stem: Case.load(path) for path in sorted((ROOT / "validation" / "cases").glob("*.toml"))}


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((REPORTS / name / "report.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module", params=REPETITIONS)
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def case_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (case for case in report["cases"] if case["name"] == name)
    return dict(found)


def test_reports_follow_the_schema(report: dict[str, Any]) -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(report)


def test_reports_are_of_the_cases_that_are_here(report: dict[str, Any]) -> None:
    assert report["quick"] is False
    assert [case["name"] for case in report["cases"]] == list(CASES)
    for reported in report["cases"]:
        case = CASES[reported["name"]]
        assert reported["description"] == case.description.strip()
        assert len(reported["points"]) == len(case.points())
        for shown, point in zip(reported["points"], case.points(), strict=True):
            assert shown["trials"] >= point.trials
            assert shown["prediction"]["setting"] == json.loads(json.dumps(point.setting.to_dict()))
        for claim, tolerance in reported["tolerances"].items():
            now = case.tolerance_map()[claim]
            assert (tolerance["coefficient"], tolerance["exponent"], tolerance["margin"]) == (
                now.coefficient,
                now.exponent,
                now.margin,
            )


def test_no_disagreement_is_undocumented_and_every_wrong_theory_is_rejected(report: dict[str, Any]) -> None:
    rows = [row for case in report["cases"] for point in case["points"] for row in point["rows"]]
    assert len(rows) > 800
    assert [row["quantity"] for row in rows if row["verdict"] == "disagrees" and row["finding"] is None] == []
    controls = [control for case in report["cases"] for control in case["negative_controls"]]
    assert len(controls) > 40
    assert [control["name"] for control in controls if not control["rejected"]] == []


@pytest.mark.parametrize("name", ["second-feature", "two-spike-loss"])
def test_the_published_theory_is_rejected_where_the_corrected_one_agrees(
    report: dict[str, Any], name: str
) -> None:
    case = case_of(report, name)
    assert case["verdict"] == "agrees"
    published = [control for control in case["negative_controls"] if control["name"].startswith("published")]
    assert published
    assert all(control["rejected"] for control in published)


def test_verdicts_do_not_change_with_the_random_numbers() -> None:
    verdicts = [{case["name"]: case["verdict"] for case in load(name)["cases"]} for name in REPETITIONS]
    assert verdicts[0] == verdicts[1] == verdicts[2]
    # And they were other numbers.
    observed = {case_of(load(name), "headline")["points"][0]["rows"][0]["observed"] for name in REPETITIONS}
    assert len(observed) == 3
