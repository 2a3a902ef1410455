"""Run a case: predict, simulate what is not stored yet, condition, compare, and try the wrong theories."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial

from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import CaseError, ConvergenceError, DomainError
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.theory import Prediction, predict
from rmt_spikes.validation.campaign.archive import code_version, prediction_fingerprint
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.campaign.schedule import TOP, Batch, provide
from rmt_spikes.validation.campaign.store import Store
from rmt_spikes.validation.cases.case import Case, Point
from rmt_spikes.validation.cases.tables import LossFigure, NegativeControl
from rmt_spikes.validation.verdicts.assessment import Expectation, assess, open_rows, trials_wanted
from rmt_spikes.validation.verdicts.compare import Evidence, judge
from rmt_spikes.validation.verdicts.comparison import matches
from rmt_spikes.validation.verdicts.conditional import Condition, condition_on, predict_given
from rmt_spikes.validation.verdicts.controls import WRONG_THEORIES, predict_wrongly
from rmt_spikes.validation.verdicts.quantities import quantities
from rmt_spikes.validation.verdicts.statistics import Verdict, overall

Predictor = Callable[[Setting], Prediction]


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
        Called as the work goes on.

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
    expectations, wrong = _expect_all(case, points, on_progress)
    _check_patterns(case, expectations)
    conditions = _Conditions(case, store, jobs, scheduler, on_progress)
    while True:
        batches = _batches(case, points)
        trials = provide(
            batches,
            store,
            jobs=jobs,
            scheduler=scheduler,
            judge=None if on_progress is None else partial(_judge_so_far, case, expectations),
            on_progress=on_progress,
            case=case.name,
        )
        evidence = [
            Evidence(trials=trials["point", i], untrained=trials.get(("untrained", i), ()))
            for i in range(len(points))
        ]
        evidence = conditions.given(points, evidence, case.features)
        counts = [trials_wanted(case, *pair) for pair in zip(expectations, evidence, strict=True)]
        if counts == [point.trials for point in points]:
            break
        points = [replace(point, trials=count) for point, count in zip(points, counts, strict=True)]
    controls = []
    for control, expectation in zip(case.negative_controls, wrong, strict=True):
        place = _place(case, control, points)
        shown = replace(evidence[place], given="none", conditional=())
        if (features := _features_alone(control)) is not None:
            (shown,) = conditions.given([points[place]], [shown], features)
        controls.append((expectation, shown))
    figures = {(key[1], key[2]): found for key, found in trials.items() if key[0] == "figure"}  # type: ignore[index]
    return assess(case, points, expectations, evidence, controls, figures)


def _judge_so_far(
    case: Case, expectations: Sequence[Expectation], key: Hashable, trials: Sequence[Trial]
) -> Verdict | None:
    """Verdict on one point alone and unconditioned, for whoever watches; the report judges all together."""
    match key:
        case ("point", int(place)):
            # An improvement needs the trials without a step as well.
            alone = case.model_copy(update={"claims": [c for c in case.claims if c != "improvement"]})
            rows = open_rows(alone, expectations[place], Evidence(trials=trials))
            return overall([row.verdict for row in judge(rows, case.family_rate)]) if rows else None
    return None


def _batches(case: Case, points: Sequence[Point]) -> dict[Hashable, Batch]:
    batches: dict[Hashable, Batch] = {}
    for i, point in enumerate(points):
        batches["point", i] = Batch(point, point.trials, gradient_error="gradient" in case.claims)
        if "improvement" in case.claims:
            still = replace(point, setting=point.setting.replace(step_size=0.0))
            batches["untrained", i] = Batch(still, point.trials)
    for i, figure in enumerate(case.figures):
        if not isinstance(figure, LossFigure):
            # All figures keep the vectors, so that those of one setting share their trials.
            for j, point in enumerate(case.figure_points(figure)):
                batches["figure", i, j] = Batch(point, figure.trials, keep_vectors=True)
    return batches


def _place(case: Case, control: NegativeControl, points: Sequence[Point]) -> int:
    at = case.point_at(control.at, points=points)
    return next(i for i, point in enumerate(points) if point is at)


def _expect_all(
    case: Case, points: Sequence[Point], on_progress: OnProgress | None
) -> tuple[list[Expectation], list[Expectation]]:
    """Predictions of the points and of the wrong theories."""
    work: list[tuple[Point, Predictor, Predictor]] = [(p, *_right(case)) for p in points]
    work += [(case.point_at(c.at, points=points), *_wrong(case, c)) for c in case.negative_controls]
    made = []
    for done, (point, trained, untrained) in enumerate(work):
        if on_progress is not None:
            on_progress(Progress("predicting", done, len(work), case=case.name))
        made.append(_expect(case, point, trained, untrained))
    return made[: len(points)], made[len(points) :]


def _check_patterns(case: Case, expectations: Sequence[Expectation]) -> None:
    """Refuse a pattern that matches no quantity: what it asks for would silently not be done."""
    known = {
        quantity.path
        for each in expectations
        if each.prediction is not None
        for claim in case.claims
        for quantity in quantities(each.prediction, claim, TOP, each.untrained)
    }
    if not known:
        return
    asked = {f"findings.{i}.quantities": finding.quantities for i, finding in enumerate(case.findings)}
    for i, control in enumerate(case.negative_controls):
        asked[f"negative_controls.{i}.quantities"] = control.quantities
    if case.scaling is not None:
        for name in ("error_rates", "scatter_rates", "limits"):
            asked[f"scaling.{name}"] = getattr(case.scaling, name)
    for field, patterns in asked.items():
        for pattern in patterns:
            if not any(matches(path, pattern) for path in known):
                raise CaseError(None, field, f"must match a quantity of the claims, got {pattern!r}")


def _expect(case: Case, point: Point, trained: Predictor, untrained: Predictor) -> Expectation:
    try:
        prediction = trained(point.setting)
        if "improvement" not in case.claims:
            return Expectation(prediction=prediction)
        return Expectation(prediction=prediction, untrained=untrained(point.setting.replace(step_size=0.0)))
    except ConvergenceError as error:
        return Expectation(prediction=None, error=str(error))
    except DomainError as error:
        raise CaseError(None, f"setting.{error.field}", error.reason) from None


def _right(case: Case) -> tuple[Predictor, Predictor]:
    def predictor(setting: Setting) -> Prediction:
        return predict(setting, method=case.method, features=case.features)

    return predictor, predictor


def _wrong(case: Case, control: NegativeControl) -> tuple[Predictor, Predictor]:
    """How a wrong theory predicts with and without a step; without one only the setting can be wrong."""
    if control.theory is None:
        method = control.method or case.method
        features = control.features or case.features

        def predictor(setting: Setting) -> Prediction:
            return predict(setting.replace(**control.setting), method=method, features=features)

        return predictor, predictor
    theory = WRONG_THEORIES[control.theory]
    options = {"method": case.method, "features": case.features}
    plain = replace(theory, prediction=lambda prediction: prediction)
    return (
        lambda setting: predict_wrongly(theory, setting, **options),
        lambda setting: predict_wrongly(plain, setting, **options),
    )


def _features_alone(control: NegativeControl) -> str | None:
    """Features of a wrong theory that differs in nothing else: it can be conditioned as well."""
    if control.theory is not None:
        return WRONG_THEORIES[control.theory].features
    return control.features if control.method is None and not control.setting else None


class _Conditions:
    """Conditional predictions, each made once and kept in the store."""

    def __init__(
        self, case: Case, store: Store, jobs: int, scheduler: str | None, on_progress: OnProgress | None
    ) -> None:
        self._case, self._store, self._jobs = case, store, jobs
        self._scheduler, self._tell = scheduler, on_progress

    def given(self, points: Sequence[Point], evidence: Sequence[Evidence], features: str) -> list[Evidence]:
        """Evidence with the predictions given each trial, where the case asks for them."""
        case = self._case
        if case.given == "none":
            return list(evidence)
        known, todo = {}, []
        keys = [self._fingerprint(point, features) for point in points]
        for i, (point, shown) in enumerate(zip(points, evidence, strict=True)):
            trials = shown.trials[: case.given_trials]
            stored = self._store.get_predictions(keys[i], point.seed)
            for j, trial in enumerate(trials):
                if j in stored:
                    known[i, j] = stored[j]
                else:
                    todo.append(self._condition(trial, (i, j), point.setting, features))
        for done, (place, values) in enumerate(
            work_through(predict_given, todo, self._jobs, self._scheduler, code_version), start=1
        ):
            # A failed one leaves its trial out of the rows, which say so.
            known[place] = {} if isinstance(values, str) else values
            i, j = place
            self._store.put_predictions(keys[i], points[i].seed, j, known[place])
            if self._tell is not None:
                self._tell(Progress("conditioning", done, len(todo), case=case.name))
        return [
            replace(
                shown,
                given=case.given,
                conditional=tuple(known[i, j] for j in range(len(shown.trials[: case.given_trials]))),
            )
            for i, shown in enumerate(evidence)
        ]

    def _fingerprint(self, point: Point, features: str) -> str:
        case = self._case
        return prediction_fingerprint(
            point.setting,
            given=case.given,
            method=case.method,
            features=features,
            claims=case.claims,
        )

    def _condition(self, trial: Trial, place: tuple[int, int], setting: Setting, features: str) -> Condition:
        case = self._case
        return condition_on(
            trial,
            place,
            setting,
            given=case.given,
            method=case.method,
            features=features,
            claims=case.claims,
        )
