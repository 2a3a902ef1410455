"""Run a case: predict, simulate what is not stored yet, condition, compare, and try the wrong theories."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from rmt_spikes.console.progress import OnProgress
from rmt_spikes.execution.threads import one_blas_thread
from rmt_spikes.simulation import Trial
from rmt_spikes.validation.campaign.assessment import assess, open_rows, trials_wanted, with_exceptions
from rmt_spikes.validation.campaign.conditional import Conditions
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.campaign.schedule import Ensemble, provide
from rmt_spikes.validation.campaign.store import Store
from rmt_spikes.validation.campaign.theories import (
    Forecast,
    OwnTheory,
    forecast_all,
    own_forecasts,
    wrong_theory,
)
from rmt_spikes.validation.cases.case import Case, Point
from rmt_spikes.validation.cases.tables import LossFigure
from rmt_spikes.validation.verdicts.claims import Claim, Given
from rmt_spikes.validation.verdicts.compare import Evidence, judge
from rmt_spikes.validation.verdicts.comparison import conclude
from rmt_spikes.verdict import Conclusion


# The matrices of predictions are small: on a busy machine more threads wait for each other.
@one_blas_thread()
def run(
    case: Case,
    store: Store,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    on_progress: OnProgress | None = None,
    theories: Mapping[str, OwnTheory] | None = None,
) -> CaseResult:
    """Run a case: the same bits whatever `jobs` is and however often it was interrupted.

    Parameters
    ----------
    case
        What to do.
    store
        Where finished trials are kept; those it holds already are not simulated again.
    jobs, scheduler, on_progress, theories
        As for `validate`.

    Raises
    ------
    CaseError
        If a setting of the case cannot be predicted or the store fails.
    """
    points = case.points()
    own = own_forecasts(case, points, {} if theories is None else theories)
    forecasts, wrong = forecast_all(case, points, on_progress)
    conditions = Conditions(case, store, jobs, scheduler, on_progress)
    while True:
        trials = provide(
            _ensembles(case, points),
            store,
            jobs=jobs,
            scheduler=scheduler,
            judge=None if on_progress is None else partial(_judge_so_far, case, points, forecasts),
            on_progress=on_progress,
            case=case.name,
        )
        evidence = [
            Evidence(trials=trials["point", i], untrained=trials.get(("untrained", i), ()))
            for i in range(len(points))
        ]
        evidence = conditions.given(points, evidence, case.features)
        counts = [trials_wanted(case, *pair) for pair in zip(forecasts, evidence, strict=True)]
        if counts == [point.trials for point in points]:
            break
        points = [replace(point, trials=count) for point, count in zip(points, counts, strict=True)]
    controls = []
    for control, forecast in zip(case.negative_controls, wrong, strict=True):
        point = case.point_at(control.at, points=points)
        shown = replace(evidence[points.index(point)], given=Given.NONE, conditional=())
        features = wrong_theory(control).features_alone
        if features is not None:
            (shown,) = conditions.given([point], [shown], features)
        controls.append((forecast, shown))
    figures = {(key[1], key[2]): found for key, found in trials.items() if key[0] == "figure"}  # type: ignore[index]
    return assess(case, points, forecasts, evidence, controls, figures, own)


def _judge_so_far(
    case: Case, points: Sequence[Point], forecasts: Sequence[Forecast], key: Hashable, trials: Sequence[Trial]
) -> Conclusion | None:
    """Verdict on one point alone and unconditioned, for whoever watches; the report judges all together."""
    match key:
        case ("point", int(place)):
            # An improvement needs the trials without a step as well.
            claims = [claim for claim in case.claims if claim is not Claim.IMPROVEMENT]
            alone = case.model_copy(update={"claims": claims})
            rows = open_rows(alone, forecasts[place], Evidence(trials=trials))
            judged = with_exceptions(case, points[place], judge(rows, case.family_rate))
            return conclude(judged) if rows else None
    return None


def _ensembles(case: Case, points: Sequence[Point]) -> dict[Hashable, Ensemble]:
    ensembles: dict[Hashable, Ensemble] = {}
    for i, point in enumerate(points):
        extras = {"gradient_error": Claim.GRADIENT in case.claims, "weights": Claim.WEIGHTS in case.claims}
        ensembles["point", i] = Ensemble(point, point.trials, **extras)
        if Claim.IMPROVEMENT in case.claims:
            still = replace(point, setting=point.setting.replace(step_size=0.0))
            ensembles["untrained", i] = Ensemble(still, point.trials)
    for i, figure in enumerate(case.figures):
        if not isinstance(figure, LossFigure):
            # All figures keep the vectors, so that those of one setting share their trials.
            for j, point in enumerate(case.figure_points(figure)):
                ensembles["figure", i, j] = Ensemble(point, figure.trials, keep_vectors=True)
    return ensembles
