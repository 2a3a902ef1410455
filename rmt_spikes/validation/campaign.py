"""Run a case: predict, simulate what is not stored yet, compare, and try the wrong theories."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rmt_spikes.errors import CaseError, ConvergenceError, DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.theory import Prediction, predict
from rmt_spikes.validation.case import Case, LossFigure, NegativeControl, Point
from rmt_spikes.validation.compare import Comparison, Row, judge, matches, measure
from rmt_spikes.validation.progress import OnProgress, Progress
from rmt_spikes.validation.schedule import Batch, provide
from rmt_spikes.validation.statistics import CONFIDENCE, Verdict, overall
from rmt_spikes.validation.store import Store


@dataclass(frozen=True, kw_only=True)
class PointResult:
    """One setting of a case: prediction (None with the reason in `error`), trials and comparison."""

    point: Point
    prediction: Prediction | None
    error: str | None
    trials: tuple[Trial, ...] = field(repr=False)
    comparison: Comparison

    @property
    def verdict(self) -> Verdict:
        """Verdict on the point."""
        return self.comparison.verdict


@dataclass(frozen=True, kw_only=True)
class ControlResult:
    """A wrong theory and how it fared; it is `rejected` when a row disagrees."""

    control: NegativeControl
    point: Point
    comparison: Comparison

    @property
    def rejected(self) -> bool:
        """Whether the comparison could tell that the theory is wrong."""
        return self.comparison.verdict == "disagrees"


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What came out of a case; `figure_trials` has the trials by number of the figure and of the panel."""

    case: Case
    points: tuple[PointResult, ...]
    controls: tuple[ControlResult, ...]
    figure_trials: dict[tuple[int, int], tuple[Trial, ...]] = field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """Verdict on the case: agreement counts only when every wrong theory was rejected."""
        verdict = overall([result.verdict for result in self.points])
        if verdict == "agrees" and not all(control.rejected for control in self.controls):
            return "inconclusive"
        return verdict


def run(
    case: Case,
    store: Store,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    on_progress: OnProgress | None = None,
) -> CaseResult:
    """Run a case.

    Parameters
    ----------
    case
        What to do.
    store
        Where finished trials are kept; those it holds already are not simulated again.
    jobs
        Number of processes.
    scheduler
        Address of a dask scheduler, which then takes the place of local processes.
    on_progress
        Called as trials finish.

    Returns
    -------
    CaseResult
        The same, bit for bit, whatever `jobs` is and however often the run was interrupted.

    Raises
    ------
    CaseError
        If a setting of the case cannot be predicted or the store fails.
    """
    points = case.points()
    predictions, wrong = _predict_all(case, points, on_progress)
    batches: dict[Hashable, Batch] = {}
    for i, point in enumerate(points):
        batches["point", i] = Batch(point, case.trials)
    for i, figure in enumerate(case.figures):
        if not isinstance(figure, LossFigure):
            # All figures keep the vectors, so that those of one setting share their trials.
            for j, point in enumerate(case.figure_points(figure)):
                batches["figure", i, j] = Batch(point, figure.trials, keep_vectors=True)

    places: dict[Hashable, int] = {("point", i): i for i in range(len(points))}

    def judge_point(key: Hashable, trials: Sequence[Trial]) -> Verdict | None:
        if key not in places:
            return None
        (result,) = _compare(case, [points[places[key]]], [predictions[places[key]]], [trials])
        return result.verdict

    trials = provide(
        batches,
        store,
        jobs=jobs,
        scheduler=scheduler,
        judge=judge_point if on_progress is not None else None,
        on_progress=on_progress,
        case=case.name,
    )
    results = _compare(case, points, predictions, [trials[place] for place in places])
    return CaseResult(
        case=case,
        points=tuple(results),
        controls=tuple(
            _try_wrong(case, results, control, prediction)
            for control, prediction in zip(case.negative_controls, wrong, strict=True)
        ),
        figure_trials={
            (i, j): trials["figure", i, j]
            for i, figure in enumerate(case.figures)
            if not isinstance(figure, LossFigure)
            for j in range(len(case.figure_points(figure)))
        },
    )


def _predict_all(
    case: Case, points: Sequence[Point], on_progress: OnProgress | None
) -> tuple[list[Prediction | str], list[Prediction | str]]:
    """Predictions of the points and of the wrong theories; the reason where there is none."""
    work = [partial(_predict, point.setting) for point in points]
    work += [partial(_predict_wrong, case.point_at(c.at), c) for c in case.negative_controls]
    made = []
    for done, predict_one in enumerate(work):
        if on_progress is not None:
            on_progress(Progress("predicting", done, len(work), case=case.name))
        made.append(predict_one())
    return made[: len(points)], made[len(points) :]


def _predict(setting: Setting, **options: Any) -> Prediction | str:
    try:
        return predict(setting, **options)
    except ConvergenceError as error:
        return str(error)
    except DomainError as error:
        raise CaseError(None, f"setting.{error.field}", error.reason) from None


def _predict_wrong(point: Point, control: NegativeControl) -> Prediction | str:
    options: dict[str, Any] = {"method": control.method}
    if control.features is not None:
        options["features"] = control.features
    return _predict(point.setting.replace(**control.setting), **options)


def _compare(
    case: Case,
    points: Sequence[Point],
    predictions: Sequence[Prediction | str],
    trials: Sequence[Sequence[Trial]],
) -> list[PointResult]:
    tolerances = case.tolerance_map()
    measured = [
        [] if isinstance(prediction, str) else measure(prediction, found, case.claims, tolerances)
        for prediction, found in zip(predictions, trials, strict=True)
    ]
    judged = iter(judge([row for rows in measured for row in rows], case.family_rate))
    results = []
    for point, prediction, found, rows in zip(points, predictions, trials, measured, strict=True):
        failed = isinstance(prediction, str)
        results.append(
            PointResult(
                point=point,
                prediction=None if isinstance(prediction, str) else prediction,
                error=str(prediction) if failed else None,
                trials=tuple(found),
                comparison=_comparison(case, [next(judged) for _ in rows]),
            )
        )
    return results


def _try_wrong(
    case: Case, results: Sequence[PointResult], control: NegativeControl, prediction: Prediction | str
) -> ControlResult:
    result = next(r for r in results if r.point.setting == case.point_at(control.at).setting)
    rows: list[Row] = []
    if not isinstance(prediction, str):
        everything = measure(prediction, result.trials, case.claims, case.tolerance_map())
        rows = [row for row in everything if any(matches(row.quantity, p) for p in control.quantities)]
    return ControlResult(
        control=control, point=result.point, comparison=_comparison(case, judge(rows, case.family_rate))
    )


def _comparison(case: Case, rows: Sequence[Row]) -> Comparison:
    return Comparison(
        rows=tuple(rows), trials=case.trials, confidence=CONFIDENCE, family_rate=case.family_rate
    )
