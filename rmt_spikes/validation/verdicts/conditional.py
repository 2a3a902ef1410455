"""Predictions given what a trial realised: they sharpen a comparison (docs/theory.md section 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.execution.threads import one_blas_thread
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.trial import FirstStage, RealisedLatent
from rmt_spikes.theory import predict
from rmt_spikes.validation.verdicts.quantities import quantities
from rmt_spikes.validation.verdicts.tolerance import SHARPENED


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

    place: tuple[int, int]
    setting: Setting
    method: str
    features: str
    realised: FirstStage | RealisedLatent
    recorded: int
    claims: tuple[str, ...]


def condition_on(
    trial: Trial,
    place: tuple[int, int],
    setting: Setting,
    *,
    given: str,
    method: str,
    features: str,
    claims: Iterable[str],
) -> Condition:
    """Take what a trial realised as given.

    Parameters
    ----------
    trial, place, setting
        The trial, where it belongs, and its setting.
    given
        ``first_stage`` or ``both_batches``.
    method, features
        As for `predict`.
    claims
        Those of the case; only the `SHARPENED` ones count.

    Returns
    -------
    Condition
    """
    realised = trial.latent.first_stage() if given == "first_stage" else trial.latent
    wanted = tuple(claim for claim in claims if claim in SHARPENED[given])
    return Condition(place, setting, method, features, realised, len(trial.alignment), wanted)


def predict_given(condition: Condition) -> tuple[tuple[int, int], dict[str, float] | str]:
    """Predicted values by path of the quantity, or the reason why there are none.

    Parameters
    ----------
    condition
        What is predicted.

    Returns
    -------
    place
        Of the condition.
    values : dict or str
    """
    try:
        # One BLAS thread whatever the executor, so that sums are the same bits.
        with one_blas_thread():
            prediction = predict(
                condition.setting,
                method=condition.method,
                features=condition.features,
                given=condition.realised,
            )
    except (ConvergenceError, DomainError) as error:
        return condition.place, str(error)
    # Spikes that are clear of the edge on average may be near it in a trial: they are compared all the same.
    found = [
        quantity
        for claim in condition.claims
        for quantity in quantities(prediction, claim, condition.recorded, near_edge=True)
    ]
    return condition.place, {quantity.path: quantity.predicted for quantity in found}
