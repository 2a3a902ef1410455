"""What the report says of what could not be told, and the number of trials that it names."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_case import PLAIN, SETTING, case
from synthetic import result, row

from rmt_spikes.validation.campaign.results import CaseResult, ControlResult
from rmt_spikes.validation.report.undecided import undecided
from rmt_spikes.validation.verdicts.claims import Claim, Tolerance
from rmt_spikes.validation.verdicts.compare import judge
from rmt_spikes.validation.verdicts.comparison import Comparison, Row
from rmt_spikes.validation.verdicts.scaling import ScalingResult, fit_limit
from rmt_spikes.validation.verdicts.statistics import excess_p_value, t_interval

POINTS: dict[str, Any] = {**PLAIN, "sweep": {"step_exponent": [0.1]}}


def differences(mean: float, scatter: float, trials: int) -> np.ndarray:
    """Values with exactly this mean and sample standard deviation."""
    values = np.linspace(-1.0, 1.0, trials)
    return mean + scatter * values / values.std(ddof=1)


def told(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows with intervals, p-values and verdicts."""
    assert all(each.se is not None for each in rows)
    measured = [
        replace(
            each,
            interval=tuple(t_interval(each.observed, each.se or 0.0, each.trials).tolist()),
            p_value=float(excess_p_value(each.observed, each.se or 0.0, each.allowance, each.trials)),
        )
        for each in rows
    ]
    return tuple(judge(measured))


def predicted(found: CaseResult) -> CaseResult:
    """The result with rows that are told, at points that have a prediction."""
    something: Any = object()
    points = [
        replace(
            point,
            prediction=something,
            comparison=replace(
                point.comparison, rows=told(point.comparison.rows), trials=point.comparison.rows[0].trials
            ),
        )
        for point in found.points
    ]
    return replace(found, points=tuple(points))


def judged(**tables: np.ndarray) -> CaseResult:
    """Result of one point whose rows have an allowance of 0.01 and a margin of 0.05."""
    return predicted(result(case(**POINTS), [tables], allowance=0.01, margin=0.05))


def test_nothing_is_said_where_all_is_told() -> None:
    found = judged(a=differences(0.0, 0.01, 20), b=differences(0.5, 0.01, 20))
    assert [row.verdict for row in found.points[0].comparison.rows] == ["agrees", "disagrees"]
    assert undecided(found) == []


def test_rows_name_the_trials_that_tell() -> None:
    """So many are enough, and one fewer is not: with the same mean and scatter."""
    found = judged(a=differences(0.02, 0.2, 20), b=differences(0.0, 0.01, 20))
    (text,) = undecided(found)
    needed = found.points[0].comparison.trials_needed
    assert needed is not None
    assert (
        text == f"1 of 2 comparisons could not be told with 20 trials: {needed:,} trials a point would tell"
    )
    for trials, enough in ((needed, True), (needed - 1, False)):
        again = judged(a=differences(0.02, 0.2, trials), b=differences(0.0, 0.01, 20))
        assert (undecided(again) == []) is enough
    # By hand, 95 % point of t with 122 degrees of freedom: 0.02 + 1.6574 * 0.2 / sqrt(trials) = 0.05.
    assert needed == math.ceil((1.6574 * 0.2 / 0.03) ** 2)


def test_a_difference_at_the_margin_takes_more_trials_than_can_be_said() -> None:
    """With no allowance and a scatter of 1000 times the difference no million trials tell."""
    found = predicted(result(case(**POINTS), [{"a": differences(0.05, 50.0, 20)}], margin=0.05))
    text = "1 of 1 comparisons could not be told with 20 trials: "
    assert undecided(found) == [text + "more than 1,000,000 trials would be needed"]
    both = {"a": differences(0.05, 50.0, 20), "b": differences(0.0, 0.2, 20)}
    (said,) = undecided(predicted(result(case(**POINTS), [both], margin=0.05)))
    assert said.endswith("a point would tell 1 of them, the others would need more than 1,000,000 trials")


def test_a_known_exception_is_told() -> None:
    found = judged(a=differences(0.02, 0.2, 20))
    (point,) = found.points
    rows = tuple(replace(each, exception="known") for each in point.comparison.rows)
    known = replace(found, points=(replace(point, comparison=replace(point.comparison, rows=rows)),))
    assert undecided(known) == []
    assert known.verdict == "agrees with 1 known exception"


def test_wrong_theories_and_missing_predictions_are_named() -> None:
    found = judged(a=differences(0.0, 0.01, 20))
    asked = case()
    empty = Comparison(rows=(), trials=20, confidence=0.9, family_rate=0.01)
    control = ControlResult(control=asked.negative_controls[0], point=found.points[0].point, comparison=empty)
    (point,) = found.points
    lacking = replace(found, points=(replace(point, prediction=None, error="no root"),), controls=(control,))
    assert undecided(lacking) == [
        "no prediction at step exponent 0.1: no root",
        "the wrong theory no-step was not rejected",
    ]


def test_fits_name_the_trials_that_tell() -> None:
    """Four times as many halve every error, and the interval of the limit."""
    sizes = (100, 200, 400)
    rows = [row("x", differences(0.0, 0.3, 40), allowance=0.0, margin=0.05) for _ in sizes]
    tolerance = Tolerance(0.0, 1.0, 0.05)
    fit = fit_limit(sizes, rows, tolerance, 0.01)
    setting = {**SETTING, "step_exponent": 0.1}
    sized = case(**PLAIN | {"sweep": {}, "setting": setting, "scaling": {"n": list(sizes)}})
    found = result(sized, [{"x": differences(0.0, 0.001, 40)}] * 3, allowance=0.0, margin=1.0)
    scaling = ScalingResult(rate=0.01, rates=(), limits=(fit,))
    (text,) = undecided(replace(predicted(found), scaling=scaling))
    assert fit.verdict == "inconclusive"
    assert fit.claim == Claim.LOSSES
    factor = float(text.removeprefix("1 of 1 fits over sizes could not be told: ").split(" times")[0])
    # The interval reaches 1.68 standard errors, of t with 39 degrees of freedom, and 1.65 in the end.
    assert factor == pytest.approx((1.66 * fit.se / 0.05) ** 2, rel=0.06)
