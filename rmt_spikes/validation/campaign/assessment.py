"""Verdicts on a case: rows of all points, known exceptions, wrong theories, rates and limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rmt_spikes.simulation import Trial
from rmt_spikes.validation.campaign.results import (
    CaseResult,
    ControlResult,
    ExceptionResult,
    OwnResult,
    PointResult,
)
from rmt_spikes.validation.campaign.theories import Forecast, OwnSays
from rmt_spikes.validation.cases.case import Case, Point, is_at
from rmt_spikes.validation.cases.tables import KnownException, NegativeControl
from rmt_spikes.validation.verdicts.claims import Claim, Given
from rmt_spikes.validation.verdicts.compare import Array, Evidence, judge, measure, measure_own, pairs, wanted
from rmt_spikes.validation.verdicts.comparison import Comparison, Row, matches
from rmt_spikes.validation.verdicts.scaling import Rate, ScalingResult, fit_limit, fit_rate
from rmt_spikes.validation.verdicts.statistics import CONFIDENCE
from rmt_spikes.verdict import Verdict

GROWTH = 2.0
"""Trials are doubled at most: a first scatter of few trials may be far too large."""

SPARE = 1.05
"""More trials than the scatter so far asks for, so that the next look at it is mostly the last."""


def open_rows(case: Case, forecast: Forecast, evidence: Evidence) -> list[Row]:
    """Rows of one point before they are judged; none without a prediction."""
    if forecast.prediction is None:
        return []
    return measure(
        forecast.prediction, evidence, case.claims, case.tolerance_map(), untrained=forecast.untrained
    )


def trials_wanted(case: Case, forecast: Forecast, evidence: Evidence) -> int:
    """Number of trials towards the target precision of a case, at most twice as many as there are.

    It is the number there is when the precision is met, or when the case has no target. It depends on the
    scatter only, not on the difference, so that the verdicts keep their rates: for normal data these are
    independent but for the last look (docs/validation.md).
    """
    count = len(evidence.trials)
    if case.precision is None:
        return count
    rows = open_rows(case, forecast, evidence)
    if case.given_trials is not None and count >= case.given_trials:
        # More trials would not have conditional predictions.
        rows = [row for row in rows if row.given is Given.NONE]
    shares = [row.se / (case.precision.share * row.margin) for row in rows if row.se]
    ratio = max(shares, default=0.0) ** 2
    if ratio <= 1.0:
        return count
    return max(count, min(math.ceil(count * min(SPARE * ratio, GROWTH)), case.precision.most_trials))


def assess(
    case: Case,
    points: Sequence[Point],
    forecasts: Sequence[Forecast],
    evidence: Sequence[Evidence],
    controls: Sequence[tuple[Forecast, Evidence]],
    figure_trials: dict[tuple[int, int], tuple[Trial, ...]],
    own: Mapping[str, Sequence[OwnSays]] | None = None,
) -> CaseResult:
    """Judge a case: theory and simulation of each point, of each negative control and of own theories."""
    measured = [open_rows(case, *pair) for pair in zip(forecasts, evidence, strict=True)]
    judged = iter(judge([row for rows in measured for row in rows], _rate(case)))
    results = [
        PointResult(
            point=point,
            prediction=forecast.prediction,
            error=forecast.error or _missing(rows),
            trials=tuple(shown.trials),
            comparison=_comparison(case, with_exceptions(case, point, [next(judged) for _ in rows]), shown),
            differences=_differences(case, forecast, shown),
        )
        for point, forecast, shown, rows in zip(points, forecasts, evidence, measured, strict=True)
    ]
    return CaseResult(
        case=case,
        points=tuple(results),
        controls=tuple(
            _try(case, results, control, *pair)
            for control, pair in zip(case.negative_controls, controls, strict=True)
        ),
        exceptions=_exceptions(case, results),
        own=tuple(_own(case, points, name, said, evidence) for name, said in (own or {}).items()),
        scaling=_scale(case, results),
        figure_trials=figure_trials,
    )


def _differences(case: Case, forecast: Forecast, evidence: Evidence) -> dict[str, Array]:
    if forecast.prediction is None:
        return {}
    found = wanted(forecast.prediction, evidence, case.claims, forecast.untrained)
    values = {quantity.path: pairs(quantity, evidence) for quantity in found}
    return {path: pair.observed - pair.predicted for path, pair in values.items()}


def _rate(case: Case) -> float:
    """Rate of the rows, and that of the fits of a case over sizes: together they are the family rate."""
    return case.family_rate if case.scaling is None else case.family_rate / 2.0


def _try(
    case: Case,
    results: Sequence[PointResult],
    control: NegativeControl,
    forecast: Forecast,
    evidence: Evidence,
) -> ControlResult:
    point = case.point_at(control.at, points=[result.point for result in results])
    (right,) = (result for result in results if result.point is point)
    rows = [r for r in open_rows(case, forecast, evidence) if matches(r.quantity, control.quantities)]
    return ControlResult(
        control=control,
        point=point,
        comparison=_comparison(case, judge(rows, case.family_rate), evidence),
        disputed=frozenset(row.quantity for row in right.comparison.rows if row.verdict is Verdict.DISAGREES),
        error=forecast.error,
    )


def _own(
    case: Case, points: Sequence[Point], name: str, said: Sequence[OwnSays], evidence: Sequence[Evidence]
) -> OwnResult:
    """Judge a theory of the user's, on unconditioned trials."""
    claims = [claim for claim in case.claims if claim is not Claim.IMPROVEMENT]
    shown = [replace(each, given=Given.NONE, conditional=()) for each in evidence]
    tolerances, measured = case.tolerance_map(), []
    for says, point, each in zip(said, points, shown, strict=True):
        if isinstance(says, Mapping):
            rows = measure_own(says, each, point.setting, tolerances, field=f"theories[{name}]")
        else:
            rows = measure(says, each, claims, tolerances)
        measured.append(rows)
    judged = iter(judge([row for rows in measured for row in rows], case.family_rate))
    return OwnResult(
        name=name,
        points=tuple(points),
        comparisons=tuple(
            _comparison(case, [next(judged) for _ in rows], each)
            for rows, each in zip(measured, shown, strict=True)
        ),
    )


def _comparison(case: Case, rows: Sequence[Row], evidence: Evidence) -> Comparison:
    return Comparison(
        rows=tuple(rows), trials=len(evidence.trials), confidence=CONFIDENCE, family_rate=case.family_rate
    )


def _missing(rows: Sequence[Row]) -> str | None:
    out = max((row.missing for row in rows if row.given is not Given.NONE), default=0)
    many = max((row.missing for row in rows if row.given is Given.NONE), default=0)
    unseen = max((row.unseen for row in rows), default=0)
    said = {
        f"up to {unseen} trials with vectors of samples alone are left out of a row": unseen,
        f"up to {out} trials without a prediction given them are left out of a row": out,
        f"rows that {many} trials have no prediction for are compared without anything given": many,
    }
    return "; ".join(text for text, count in said.items() if count) or None


def _exception_of(case: Case, point: Point, row: Row) -> str | None:
    """Reason and link of the known exception that a row which does not agree belongs to."""
    for known in case.exceptions:
        here = is_at(point, known.at) and matches(row.quantity, known.quantities)
        if here and row.verdict is not Verdict.AGREES and row.is_within(known.size):
            return _named(known)
    return None


def _named(known: KnownException) -> str:
    return f"{known.reason} ({known.link})"


def with_exceptions(case: Case, point: Point, rows: Sequence[Row]) -> list[Row]:
    """Judged rows of a point, with the known exceptions that they belong to."""
    return [replace(row, exception=_exception_of(case, point, row)) for row in rows]


def _exceptions(case: Case, results: Sequence[PointResult]) -> tuple[ExceptionResult, ...]:
    rows = [(row, dict(result.point.values)) for result in results for row in result.comparison.rows]
    return tuple(
        ExceptionResult(
            declared=known, seen=tuple(pair for pair in rows if pair[0].exception == _named(known))
        )
        for known in case.exceptions
    )


def _scale(case: Case, results: Sequence[PointResult]) -> ScalingResult | None:
    scaling = case.scaling
    if scaling is None:
        return None
    sizes = [result.point.setting.n for result in results]
    tables = [{row.quantity: row for row in result.comparison.rows} for result in results]
    series = {
        path: [table[path] for table in tables]
        for path in (tables[0] if tables else {})
        if all(path in table and table[path].se for table in tables)
    }
    patterns = {
        Rate.ERROR: scaling.error_rates,
        Rate.ERROR_OVER_LOG: scaling.logarithmic_rates,
        Rate.SCATTER: scaling.scatter_rates,
    }
    rates = [(kind, path) for kind, each in patterns.items() for path in series if matches(path, each)]
    limits = [path for path in series if matches(path, scaling.limits)]
    rate = _rate(case) / max(1, len(rates) + len(limits))
    tolerances = case.tolerance_map()
    return ScalingResult(
        rate=rate,
        rates=tuple(fit_rate(sizes, series[path], kind, rate) for kind, path in rates),
        limits=tuple(
            fit_limit(sizes, series[path], tolerances[series[path][0].claim], rate) for path in limits
        ),
    )
