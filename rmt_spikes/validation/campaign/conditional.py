"""Predictions given what a trial realised: they sharpen a comparison (docs/theory.md section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.execution.threads import one_blas_thread
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.latent import FirstStage, RealisedLatent
from rmt_spikes.theory import Features, predict
from rmt_spikes.validation.campaign.archive import code_version, prediction_fingerprint
from rmt_spikes.validation.campaign.store import Store
from rmt_spikes.validation.cases.case import Case, Point
from rmt_spikes.validation.verdicts.claims import Claim, Given
from rmt_spikes.validation.verdicts.compare import Evidence
from rmt_spikes.validation.verdicts.quantities import quantities

Place = tuple[int, int]


class Condition(NamedTuple):
    """One prediction to be made given one trial.

    Attributes
    ----------
    place
        Number of the point and of the trial.
    setting, method, features
        What is predicted, and how.
    realised
        What is given.
    recorded
        Number of singular vectors of the trial.
    claims
        Claims whose quantities are wanted.
    """

    place: Place
    setting: Setting
    method: str
    features: Features
    realised: FirstStage | RealisedLatent
    recorded: int
    claims: tuple[Claim, ...]


def predict_given(condition: Condition) -> tuple[Place, dict[str, float]]:
    """Place of a condition, and predicted values by path of the quantity: none where the prediction fails."""
    place, setting, method, features, realised, recorded, claims = condition
    try:
        # One BLAS thread whatever the executor, so that sums are the same bits.
        with one_blas_thread():
            prediction = predict(setting, method=method, features=features, given=realised).compute()
    except (ConvergenceError, DomainError):
        return place, {}
    # Spikes that are clear of the edge on average may be near it in a trial: they are compared all the same.
    found = [each for claim in claims for each in quantities(prediction, claim, recorded, near_edge=True)]
    return place, {quantity.path: quantity.predicted for quantity in found}


@dataclass(frozen=True)
class Conditions:
    """Conditional predictions of a case, each made once and kept in the store.

    Attributes
    ----------
    case, store
        What asks for them, and where they are kept.
    jobs, scheduler
        As for `work_through`.
    on_progress
        Called as the work goes on.
    """

    case: Case
    store: Store
    jobs: int = 1
    scheduler: str | None = None
    on_progress: OnProgress | None = None

    def given(
        self, points: Sequence[Point], evidence: Sequence[Evidence], features: Features
    ) -> list[Evidence]:
        """Evidence with the predictions given each trial, where the case asks for them."""
        case = self.case
        if case.given is Given.NONE:
            return list(evidence)
        keys = [
            prediction_fingerprint(
                point.setting, given=case.given, method=case.method, features=features, claims=case.claims
            )
            for point in points
        ]
        known = [self.store.get_predictions(key, point.seed) for key, point in zip(keys, points, strict=True)]
        wanted = [shown.trials[: case.given_trials] for shown in evidence]
        missing = [
            self._condition(trial, (i, j), points[i].setting, features)
            for i, trials in enumerate(wanted)
            for j, trial in enumerate(trials)
            if j not in known[i]
        ]
        finished = work_through(predict_given, missing, self.jobs, self.scheduler, code_version)
        for done, ((i, j), values) in enumerate(finished, start=1):
            # A failed one leaves its trial out of the rows, which say so.
            known[i][j] = values
            self.store.put_predictions(keys[i], points[i].seed, j, values)
            if self.on_progress is not None:
                self.on_progress(Progress("conditioning", done, len(missing), case=case.name))
        return [
            replace(shown, given=case.given, conditional=tuple(found[j] for j in range(len(trials))))
            for shown, found, trials in zip(evidence, known, wanted, strict=True)
        ]

    def _condition(self, trial: Trial, place: Place, setting: Setting, features: Features) -> Condition:
        case = self.case
        realised = trial.latent.first_stage() if case.given is Given.FIRST_STAGE else trial.latent
        claims = tuple(claim for claim in case.claims if claim in case.given.sharpened)
        return Condition(place, setting, case.method, features, realised, len(trial.alignment), claims)
