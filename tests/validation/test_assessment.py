"""From rows to the verdict on a case: known exceptions, wrong theories, target precision, rates."""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from small_case import CASE, PLAIN, SETTING, case
from synthetic import draw

from rmt_spikes.errors import CaseError
from rmt_spikes.theory import Losses, Prediction, predict
from rmt_spikes.validation import Case, validate
from rmt_spikes.validation.campaign.assessment import assess, open_rows, trials_wanted
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.campaign.theories import Forecast
from rmt_spikes.validation.verdicts.claims import Given
from rmt_spikes.validation.verdicts.compare import Evidence

BIG: dict[str, Any] = {**SETTING, "n": 1200, "d": 600, "width": 800}
SWEEP = {"step_exponent": [0.3, 0.4]}
OPTIONS: dict[str, Any] = {**PLAIN, "setting": BIG, "sweep": SWEEP, "claims": ["losses"]}
CONTROL = {"name": "c", "meaning": "m", "at": {"step_exponent": 0.4}, "features": "published"}
SIZES: dict[str, Any] = {**PLAIN, "sweep": {}, "setting": {**SETTING, "step_exponent": 0.1}}
KNOWN = {"quantities": ["losses.test"], "size": 0.06, "reason": "known", "link": "docs/limits.md"}


@pytest.fixture(scope="module")
def predictions() -> list[Prediction]:
    return [predict(point.setting) for point in case(**OPTIONS).points()]


def with_test_loss(prediction: Prediction, factor: float) -> Prediction:
    losses = {k: getattr(prediction.losses, k) for k in ("objective", "train")}
    losses["test"] = factor * prediction.losses.test
    return prediction.replace(losses=Losses(**losses))


def drawn(predictions: list[Prediction], scatters: Iterable[float], trials: int = 20) -> list[Evidence]:
    pairs = enumerate(zip(predictions, scatters, strict=False))
    return [Evidence(trials=draw(each, trials, scatter, seed=i).trials) for i, (each, scatter) in pairs]


def judged(
    asked: Case, predictions: list[Prediction], factor: float = 1.0, control: float | None = None
) -> CaseResult:
    """Result of a case on drawn observations, with the test loss at the second point off by a factor."""
    theory = [predictions[0], with_test_loss(predictions[1], factor)]
    evidence = drawn(predictions, repeat(0.01))
    controls = []
    if control is not None:
        controls.append((Forecast(prediction=with_test_loss(predictions[1], control)), evidence[1]))
    forecasts = [Forecast(prediction=each) for each in theory]
    return assess(asked, asked.points(), forecasts, evidence, controls, {})


def test_a_right_theory_agrees_and_a_wrong_one_does_not(predictions: list[Prediction]) -> None:
    assert judged(case(**OPTIONS), predictions).verdict == "agrees"
    wrong = judged(case(**OPTIONS), predictions, factor=1.05)
    assert wrong.verdict == "disagrees"
    assert [point.verdict for point in wrong.points] == ["agrees", "disagrees"]


def test_a_case_needs_its_wrong_theories_rejected(predictions: list[Prediction]) -> None:
    asked = case(**{**OPTIONS, "negative_controls": [CONTROL]})
    assert judged(asked, predictions, control=1.05).verdict == "agrees"
    idle = judged(asked, predictions, control=1.0)
    assert idle.verdict == "inconclusive"
    assert not idle.controls[0].rejected
    narrow = case(**{**OPTIONS, "negative_controls": [{**CONTROL, "quantities": ["losses.train"]}]})
    assert not judged(narrow, predictions, control=1.05).controls[0].rejected


def test_a_row_in_which_the_theory_itself_disagrees_rejects_nothing(predictions: list[Prediction]) -> None:
    """Or a known error of the theory would reject any wrong theory: the theory itself, even."""
    asked = case(**{**OPTIONS, "negative_controls": [CONTROL]}, exceptions=[KNOWN])
    found = judged(asked, predictions, factor=1.05, control=1.05)
    assert [row.verdict for row in found.controls[0].comparison.rows].count("disagrees") == 1
    assert not found.controls[0].rejected
    assert found.verdict == "inconclusive"


def test_a_known_exception_is_shown_and_does_not_fail(predictions: list[Prediction]) -> None:
    found = judged(case(**OPTIONS, exceptions=[KNOWN]), predictions, factor=1.05)
    assert found.verdict == "agrees with 1 known exception"
    assert found.verdict.exit_status == 0
    assert [point.verdict for point in found.points] == ["agrees", found.verdict]
    (row,) = found.points[1].comparison.select("losses.test")
    assert (row.verdict, row.exception) == ("disagrees", "known (docs/limits.md)")
    (seen,) = found.exceptions[0].to_dict()["seen"]
    assert (seen["quantity"], seen["values"]) == ("losses.test", {"step_exponent": 0.4})
    # The prediction is 5 % too high; drawn are 20 trials that scatter by 1 %.
    assert seen["difference"] == pytest.approx(1.0 / 1.05 - 1.0, abs=0.01)
    # It says so when it is not seen, and covers no other quantity or point.
    unseen = judged(case(**OPTIONS, exceptions=[KNOWN]), predictions)
    assert (unseen.verdict, unseen.exceptions[0].seen) == ("agrees", ())
    other = [{**KNOWN, "quantities": ["losses.train"]}]
    assert judged(case(**OPTIONS, exceptions=other), predictions, factor=1.05).verdict == "disagrees"
    elsewhere = [{**KNOWN, "at": {"step_exponent": 0.3}}]
    assert judged(case(**OPTIONS, exceptions=elsewhere), predictions, factor=1.05).verdict == "disagrees"


def test_an_error_larger_than_the_known_one_disagrees(predictions: list[Prediction]) -> None:
    """Also one that is larger by less than what the trials can tell: 1 % over the root of 20 trials."""
    for factor, size in ((1.05, 0.02), (1.08, 0.06), (1.05, 0.049)):
        known = {**KNOWN, "size": size}
        found = judged(case(**OPTIONS, exceptions=[known]), predictions, factor=factor)
        assert found.verdict == "disagrees"
        assert found.exceptions[0].seen == ()


def test_an_exception_is_counted_once(predictions: list[Prediction]) -> None:
    """However many rows it has; two that are declared are two."""
    evidence = drawn(predictions, repeat(0.01))
    forecasts = [Forecast(prediction=with_test_loss(each, 1.05)) for each in predictions]
    for declared, words in (([KNOWN], "1 known exception"), ([], None), (None, "2 known exceptions")):
        if declared is None:
            at = [{**KNOWN, "at": {"step_exponent": a}, "reason": f"at {a}"} for a in (0.3, 0.4)]
            asked = case(**OPTIONS, exceptions=at)
        else:
            asked = case(**OPTIONS, exceptions=declared)
        found = assess(asked, asked.points(), forecasts, evidence, [], {})
        assert found.verdict == (f"agrees with {words}" if words else "disagrees")


def test_a_point_without_prediction_is_not_told(predictions: list[Prediction]) -> None:
    asked = case(**OPTIONS)
    forecasts = [Forecast(prediction=predictions[0]), Forecast(prediction=None, error="no convergence")]
    result = assess(asked, asked.points(), forecasts, drawn(predictions, repeat(0.01)), [], {})
    assert [point.verdict for point in result.points] == ["agrees", "inconclusive"]
    assert result.points[1].error == "no convergence"
    assert result.verdict == "inconclusive"


def test_trials_are_added_to_a_target(predictions: list[Prediction]) -> None:
    options: dict[str, Any] = {**OPTIONS, "precision": {"share": 0.06, "most_trials": 100}}
    aimed = case(**options)
    forecast = Forecast(prediction=predictions[0])

    def evidence(scatter: float, trials: int) -> Evidence:
        return Evidence(trials=draw(predictions[0], trials, scatter, seed=3).trials)

    assert trials_wanted(case(**OPTIONS), forecast, evidence(0.1, 20)) == 20
    # Six hundredths of the margin are 0.003: a scatter of 0.01 needs eleven trials, one of 0.1 a thousand.
    assert trials_wanted(aimed, forecast, evidence(0.01, 40)) == 40
    assert trials_wanted(aimed, forecast, evidence(0.1, 20)) == 40
    assert trials_wanted(aimed, forecast, evidence(0.1, 80)) == 100
    some = evidence(0.016, 20)
    largest = max(row.se / (0.06 * row.margin) for row in open_rows(aimed, forecast, some) if row.se)
    assert 1.0 < largest**2 < 2.0
    assert trials_wanted(aimed, forecast, some) == math.ceil(20 * 1.05 * largest**2)
    # With ten conditional predictions the eleventh trial does not sharpen a conditional row.
    names = [f"losses.{name}" for name in ("objective", "train", "test")]
    conditional = [dict.fromkeys(names, 1.0) for _ in range(10)]
    paired = replace(evidence(0.1, 20), given=Given.BOTH_BATCHES, conditional=conditional)
    assert trials_wanted(case(**options, given="both_batches"), forecast, paired) == 40
    few = case(**options, given="both_batches", given_trials=10)
    assert trials_wanted(few, forecast, paired) == 20


def test_rates_are_judged_where_they_are_asked_for() -> None:
    scaling = {"n": [900, 1200, 1800], "scatter_rates": ["losses.*"], "limits": ["losses.test"]}
    asked = case(**{**OPTIONS, "sweep": {}, "setting": {**BIG, "step_exponent": 0.3}}, scaling=scaling)
    predictions = [predict(point.setting) for point in asked.points()]
    forecasts = [Forecast(prediction=each) for each in predictions]

    def scaled(*scatters: float) -> CaseResult:
        return assess(asked, asked.points(), forecasts, drawn(predictions, scatters, trials=200), [], {})

    falling = scaled(0.3 / 900**0.5, 0.3 / 1200**0.5, 0.3 / 1800**0.5)
    assert falling.scaling is not None
    assert (len(falling.scaling.rates), len(falling.scaling.limits)) == (3, 1)
    # Half of the family rate over the four tests; the rows have the other half.
    assert falling.scaling.rate == pytest.approx(0.005 / 4)
    assert {fit.verdict for fit in falling.scaling.rates} <= {"agrees", "inconclusive"}
    # Negative control: a scatter that does not fall.
    constant = scaled(0.01, 0.01, 0.01)
    assert constant.scaling is not None
    assert constant.scaling.verdict == "disagrees"
    assert constant.verdict == "disagrees"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"exceptions": [{**KNOWN, "quantities": ["nothing"]}]}, "exceptions.0.quantities"),
        (
            {"negative_controls": [{**CASE["negative_controls"][0], "quantities": ["loses.*"]}]},
            "negative_controls.0.quantities",
        ),
        ({**SIZES, "scaling": {"n": [40, 80, 120], "limits": ["bulklaw.*"]}}, "scaling.limits"),
    ],
)
def test_a_pattern_without_a_match_is_refused_before_anything_is_simulated(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    asked = case(**{"figures": [], "quick": None, **changes})
    with pytest.raises(CaseError, match="must match a quantity") as refusal:
        validate(asked, out=tmp_path)
    assert refusal.value.key == field
    assert list(tmp_path.glob("report*")) == []
