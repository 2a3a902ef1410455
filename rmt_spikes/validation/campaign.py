"""Run a case: predict, simulate what is not stored yet, compare, and try the wrong theories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from rmt_spikes.errors import CaseError, ConvergenceError, DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.memory import check_memory, trial_bytes
from rmt_spikes.simulation.trial import run_trial
from rmt_spikes.theory import Prediction, predict
from rmt_spikes.validation.case import Case, LossFigure, NegativeControl, Point
from rmt_spikes.validation.compare import Comparison, Row, judge, matches, measure
from rmt_spikes.validation.executor import work_through
from rmt_spikes.validation.statistics import CONFIDENCE, Verdict, overall
from rmt_spikes.validation.store import Store, fingerprint

TOP = 5
FEWEST_TEST_SAMPLES = 8000


class Progress(NamedTuple):
    """Where a campaign is: what it does, and how many of how many (predictions, trials, figures) are done."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


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


class _Task(NamedTuple):
    setting: Setting
    seed: int
    trial: int
    keep_vectors: bool

    @property
    def options(self) -> dict[str, Any]:
        # The defaults of `simulate`, so that any trial of a report is a trial of that command.
        return {
            "top": min(TOP, self.setting.width, self.setting.n_ridge),
            "test_samples": max(FEWEST_TEST_SAMPLES, 2 * self.setting.n_ridge),
            "keep_vectors": self.keep_vectors,
        }

    @property
    def key(self) -> str:
        return fingerprint(self.setting, **self.options)


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
    plan = {("point", i, 0): _tasks(point, case.trials, False) for i, point in enumerate(points)}
    for i, figure in enumerate(case.figures):
        if not isinstance(figure, LossFigure):
            # All figures keep the vectors, so that those of one setting share their trials.
            for j, point in enumerate(case.figure_points(figure)):
                plan["figure", i, j] = _tasks(point, figure.trials, True)
    _simulate([task for tasks in plan.values() for task in tasks], store, jobs, scheduler, on_progress)
    trials = {place: _fetch(tasks, store) for place, tasks in plan.items()}
    results = _compare(case, points, predictions, [trials["point", i, 0] for i in range(len(points))])
    return CaseResult(
        case=case,
        points=tuple(results),
        controls=tuple(
            _try_wrong(case, results, control, prediction)
            for control, prediction in zip(case.negative_controls, wrong, strict=True)
        ),
        figure_trials={(i, j): found for (kind, i, j), found in trials.items() if kind == "figure"},
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
            on_progress(Progress("predicting", done, len(work)))
        made.append(predict_one())
    return made[: len(points)], made[len(points) :]


def _predict(setting: Setting, **options: Any) -> Prediction | str:
    try:
        prediction: Prediction = predict(setting, **options)
        return prediction
    except ConvergenceError as error:
        return str(error)
    except DomainError as error:
        raise CaseError(None, f"setting.{error.field}", error.reason) from None


def _predict_wrong(point: Point, control: NegativeControl) -> Prediction | str:
    options: dict[str, Any] = {"method": control.method}
    if control.features is not None:
        options["features"] = control.features
    return _predict(point.setting.replace(**control.setting), **options)


def _tasks(point: Point, count: int, keep_vectors: bool) -> list[_Task]:
    return [_Task(point.setting, point.seed, number, keep_vectors) for number in range(count)]


def _simulate(
    tasks: Sequence[_Task], store: Store, jobs: int, scheduler: str | None, on_progress: OnProgress | None
) -> None:
    unique = dict.fromkeys((task.key, task.seed, task.trial) for task in tasks)
    stored = {(key, seed): store.finished(key, seed) for key, seed, _ in unique}
    missing = {(t.key, t.seed, t.trial): t for t in tasks if t.trial not in stored[t.key, t.seed]}
    done, total = len(unique) - len(missing), len(unique)
    if on_progress is not None:
        on_progress(Progress("simulating", done, total))
    # The largest first, so that no process is left with a long one at the end.
    todo = sorted(missing.values(), key=lambda task: -trial_bytes(task.setting, task.options["test_samples"]))
    if scheduler is None:
        for setting, options in {task.key: (task.setting, task.options) for task in todo}.values():
            samples = options["test_samples"]
            check_memory(setting, trials=1, jobs=jobs, test_samples=samples, kept_vectors=TOP)
    for task, trial in work_through(_one, todo, jobs, scheduler):
        store.put(task.key, task.seed, task.setting, trial)
        done += 1
        if on_progress is not None:
            on_progress(Progress("simulating", done, total))


def _one(task: _Task) -> tuple[_Task, Trial]:
    # One BLAS thread whatever the executor: sums are taken in the same order, results are the same bits.
    with threadpool_limits(limits=1):
        trial = run_trial(task.setting, task.seed, task.trial, **task.options)
    return task, trial


def _fetch(tasks: Sequence[_Task], store: Store) -> tuple[Trial, ...]:
    return tuple(store.get(tasks[0].key, tasks[0].seed, [task.trial for task in tasks]))


def _compare(
    case: Case,
    points: Sequence[Point],
    predictions: Sequence[Prediction | str],
    trials: Sequence[tuple[Trial, ...]],
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
                trials=found,
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
