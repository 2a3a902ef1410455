"""The table of what the paper claims: all that it names is there, and its words are those of the rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import result

from rmt_spikes.theory import predict
from rmt_spikes.validation import Case
from rmt_spikes.validation.campaign.results import CaseResult, ControlResult
from rmt_spikes.validation.report.paper import CLAIMS, Claimed, paper_table
from rmt_spikes.validation.verdicts.comparison import Comparison, matches
from rmt_spikes.validation.verdicts.quantities import quantities
from rmt_spikes.verdict import Verdict

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("claimed", CLAIMS, ids=lambda claimed: claimed.statement[:30])
def test_what_the_table_names_exists(claimed: Claimed) -> None:
    for place in claimed.derivation:
        path, _, section = place.partition(", section ")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not section or f"\n## {section}. " in text
    for case, patterns in claimed.tests.items():
        declared = Case.built_in(case)
        last = declared.points()[-1].setting
        prediction = predict(last, method=declared.method)
        untrained = predict(last.replace(step_size=0.0), method=declared.method)
        paths = [q.path for c in declared.claims for q in quantities(prediction, c, 5, untrained)]
        for pattern in patterns:
            assert any(matches(path, [pattern]) for path in paths), (case, pattern)
    for place in claimed.against:
        case, _, name = place.partition("/")
        (control,) = (each for each in Case.built_in(case).negative_controls if each.name == name)
        assert control.features == "published" or control.theory == "no_inflation"
    assert bool(claimed.against) == bool(claimed.correction)


def headline(*, rejected: bool, verdict: Verdict = Verdict.AGREES, **changes: Any) -> CaseResult:
    """Result of the headline case, with one quantity of each kind at every point."""
    case = Case.built_in().model_copy(update=changes)
    values = np.array([-1.0, 1.0])
    tables = [{"spikes[1].alignment[2]": values, "latent.beta_cosine": values}] * len(case.points())
    made = result(case, tables)
    points = []
    for point in made.points:
        rows = tuple(replace(row, verdict=verdict) for row in point.comparison.rows)
        points.append(replace(point, comparison=replace(point.comparison, rows=rows)))
    row = replace(made.points[0].comparison.rows[0], verdict=Verdict.DISAGREES if rejected else verdict)
    comparison = Comparison(rows=(row,), trials=2, confidence=0.9, family_rate=0.01)
    controls = [
        ControlResult(control=control, point=made.points[0].point, comparison=comparison)
        for control in case.negative_controls
    ]
    return replace(made, points=tuple(points), controls=tuple(controls))


def outcomes(found: CaseResult) -> dict[str, Any]:
    return {each["statement"]: each for each in paper_table([found])}


FEATURE, DIRECTION = "Spike 2 carries the monomial q^2", CLAIMS[1].statement


def test_a_rejected_claim_disagrees_and_its_correction_agrees() -> None:
    found = outcomes(headline(rejected=True))
    feature = found[FEATURE]
    assert (feature["verdict"], feature["corrected_verdict"]) == ("disagrees", "agrees")
    assert (feature["tried"], feature["rejected"]) == (1, 1)
    assert (found[DIRECTION]["verdict"], found[DIRECTION]["corrected_verdict"]) == ("agrees", None)
    # No case of the report tests it.
    assert found[CLAIMS[0].statement]["verdict"] is None
    assert [each["statement"] for each in found.values()] == [claimed.statement for claimed in CLAIMS]


def test_a_claim_that_was_not_rejected_is_not_told() -> None:
    feature = outcomes(headline(rejected=False))[FEATURE]
    assert (feature["verdict"], feature["tried"], feature["rejected"]) == ("inconclusive", 1, 0)


@pytest.mark.parametrize("verdict", [Verdict.DISAGREES, Verdict.INCONCLUSIVE])
def test_rows_decide(verdict: Verdict) -> None:
    found = outcomes(headline(rejected=True, verdict=verdict))
    assert found[DIRECTION]["verdict"] == found[FEATURE]["corrected_verdict"] == verdict


def test_a_changed_copy_of_a_case_tests_no_claim() -> None:
    """Its name alone does not make a case the built-in one; a quick run and another seed are the same."""
    setting = {**Case.built_in().setting, "ridge": 1.0}
    assert outcomes(headline(rejected=True, setting=setting))[FEATURE]["verdict"] is None
    assert outcomes(headline(rejected=True, seed=1))[FEATURE]["verdict"] == "disagrees"
