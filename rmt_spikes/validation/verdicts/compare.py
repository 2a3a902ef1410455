"""Compare one prediction with one observation, quantity by quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import choice, instance, number
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.validation.verdicts.claims import (
    DEFAULT_CLAIMS,
    SPECIAL_CLAIMS,
    TOLERANCES,
    Claim,
    Given,
    Tolerance,
    effective_size,
)
from rmt_spikes.validation.verdicts.comparison import Comparison, Row
from rmt_spikes.validation.verdicts.own_numbers import OwnNumbers, own_quantities
from rmt_spikes.validation.verdicts.quantities import Quantity, quantities
from rmt_spikes.validation.verdicts.statistics import (
    CONFIDENCE,
    FAMILY_RATE,
    excess_p_value,
    holm,
    is_inside,
    skewness_of,
    t_interval,
    trials_to_tell,
)
from rmt_spikes.verdict import Verdict

if TYPE_CHECKING:
    from rmt_spikes.simulation import Observation, Trial
    from rmt_spikes.theory import Prediction

Array = NDArray[np.float64]

MOST_MISSING = 0.05
"""Share of trials that a row may lose: were they the largest, the mean would move by 0.11 of the scatter."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Trials of one setting, the same without a step, and for the first of them, or all, predictions by path.

    Rows whose path nearly all of these predictions have are compared trial by trial, on these trials only.
    """

    trials: Sequence[Trial]
    untrained: Sequence[Trial] = ()
    given: Given = Given.NONE
    conditional: Sequence[Mapping[str, float]] = ()


def compare(
    prediction: Prediction | OwnNumbers,
    observation: Observation,
    *,
    claims: Sequence[str] | None = None,
    tolerances: Mapping[str, Tolerance] | None = None,
    confidence: float = CONFIDENCE,
    family_rate: float = FAMILY_RATE,
) -> Comparison:
    """Compare a prediction, or one's own numbers, with an observation of the same setting.

    Parameters
    ----------
    prediction
        A result of `predict`; or numbers by the names of their quantities, such as ``{"losses.test": 2.18,
        "spikes[0].singular_value": (5.49, 0.02)}``: a pair is a number and its error.
    observation
        A result of `simulate`.
    claims
        Groups of quantities to compare, from `claims.Claim`; not ``gradient`` and ``improvement``, which only
        a case can ask for. None for `DEFAULT_CLAIMS`, and for one's own numbers, which are all compared.
    tolerances
        Replacements for `TOLERANCES`, by claim.
    confidence
        Two-sided confidence of the equivalence interval; 0.90 makes agreement two one-sided tests at 5 %.
    family_rate
        Bound on the probability that any row of a correct theory disagrees.

    Returns
    -------
    Comparison

    Raises
    ------
    DomainError
        If the two are not of the same setting, a number has an unknown name, or an argument is outside its
        domain.

    Notes
    -----
    A row *disagrees* when its difference exceeds its allowance, tested on Student's t with ``trials - 1``
    degrees of freedom, made smaller for the skewness of the trials (`statistics.corrected`), and Holm's
    correction over the rows; it *agrees* when it does not disagree and the
    interval of the difference is inside its margin; otherwise it is *inconclusive*: the trials could not
    tell. Vectors are compared for spikes far from the edge only (`quantities.settled_from`): closer to it the
    transition is smeared over a width that shrinks with ``n``. The error of an own number takes the place
    of its allowance; one without an error has the allowance of a prediction.
    """
    if isinstance(prediction, Mapping) and claims is not None:
        raise DomainError("claims", "must be None for one's own numbers, which are all compared", claims)
    claims = DEFAULT_CLAIMS if claims is None else claims
    if isinstance(claims, str) or not isinstance(claims, Iterable):
        raise DomainError("claims", "must be a list of names of claims, such as ['losses']", claims)
    if not isinstance(prediction, Mapping):
        _refuse_other("prediction", prediction, "spikes", "predict")
    _refuse_other("observation", observation, "trials", "simulate")
    if not isinstance(prediction, Mapping) and not observation.is_of(prediction.setting):
        required = "must be of the setting that was predicted"
        raise DomainError("observation", required, observation.described())
    possible = [claim for claim in Claim if claim not in SPECIAL_CLAIMS]
    for claim in claims:
        if claim not in possible:
            raise DomainError("claims", f"must be among {', '.join(possible)}", claim)
    if Claim.WEIGHTS in claims and any(trial.weights is None for trial in observation.trials):
        required, advice = "must have the trained layer for the claim weights", "simulate(..., weights=True)"
        raise DomainError("observation", required, Word("none"), advice)
    for name, value in (("confidence", confidence), ("family_rate", family_rate)):
        number(name, value, math.nextafter(0.0, 1.0), math.nextafter(1.0, 0.0), "must be between 0 and 1")
    evidence = Evidence(trials=observation.trials)
    granted = _granted(tolerances)
    if isinstance(prediction, Mapping):
        if not observation.has_setting():
            advice = "observe with its setting: the allowance depends on n"
            raise DomainError("observation", "must have a setting for one's own numbers", None, advice)
        rows = measure_own(prediction, evidence, observation.setting, granted, confidence=confidence)
    else:
        rows = measure(prediction, evidence, map(Claim, claims), granted, confidence=confidence)
    return Comparison(
        rows=tuple(judge(rows, family_rate, confidence)),
        trials=len(observation.trials),
        confidence=confidence,
        family_rate=family_rate,
    )


def _granted(tolerances: Any) -> dict[Claim, Tolerance]:
    """Tolerances of all claims, with those that were given in the place of their own."""
    given = {} if tolerances is None else tolerances
    if not isinstance(given, Mapping):
        raise DomainError("tolerances", "must be a mapping from claims to tolerances", given)
    for claim, tolerance in given.items():
        choice("tolerances", claim, TOLERANCES)
        advice = "make one with validation.Tolerance(coefficient, exponent, margin)"
        instance(f"tolerances[{claim}]", tolerance, Tolerance, advice)
    return {**TOLERANCES, **given}


def _refuse_other(field: str, given: Any, part: str, maker: str) -> None:
    """Refuse what is no result of a function, as it lacks a part of it."""
    if not hasattr(type(given), part) and part not in getattr(type(given), "__dataclass_fields__", ()):
        raise DomainError(field, f"must be a result of {maker}", Word(type(given).__name__))


def measure_own(
    numbers: Mapping[str, Any],
    evidence: Evidence,
    setting: Setting,
    tolerances: Mapping[Claim, Tolerance],
    *,
    field: str = "prediction",
    confidence: float = CONFIDENCE,
) -> list[Row]:
    """Rows of one's own numbers, which errors call `field`, whose verdicts are still open."""
    recorded = len(evidence.trials[0].alignment)
    found = own_quantities(numbers, recorded, setting.width, field)
    for each in found:
        if not any(map(each.is_shown, evidence.trials)):
            advice = "their vectors are those of samples: simulate with a larger top"
            raise DomainError(field, "must have quantities that a trial shows", each.path, advice)
    n = effective_size(setting)
    return [_row(each, evidence, tolerances[each.claim], n, confidence) for each in found]


def measure(
    prediction: Prediction,
    evidence: Evidence,
    claims: Iterable[Claim],
    tolerances: Mapping[Claim, Tolerance],
    *,
    untrained: Prediction | None = None,
    confidence: float = CONFIDENCE,
) -> list[Row]:
    """Rows of a comparison whose verdicts are still open: arguments as for `compare` and `quantities`."""
    n = effective_size(prediction.setting)
    return [
        _row(quantity, evidence, tolerances[quantity.claim], n, confidence)
        for quantity in wanted(prediction, evidence, claims, untrained)
    ]


def wanted(
    prediction: Prediction, evidence: Evidence, claims: Iterable[Claim], untrained: Prediction | None = None
) -> list[Quantity]:
    """Quantities of all claims that a trial shows."""
    recorded = len(evidence.trials[0].alignment)
    listed = [each for claim in claims for each in quantities(prediction, claim, recorded, untrained)]
    return [each for each in listed if any(map(each.is_shown, evidence.trials))]


class Pairs(NamedTuple):
    """Values of one quantity, one a trial; numbers of trials without a prediction, or that do not show it."""

    observed: Array
    predicted: Array
    given: Given
    missing: int
    unseen: int


def pairs(quantity: Quantity, evidence: Evidence) -> Pairs:
    """Observed values and predictions of the trials that have both.

    Where more than one conditional prediction in twenty is missing, those that are left would be a selection
    (a spike that has gone into the bulk is missing): the prediction for all trials takes their place.
    """
    path = quantity.path
    untrained: Sequence[Trial | None] = evidence.untrained or [None] * len(evidence.trials)
    shown = np.array(list(map(quantity.is_shown, evidence.trials)))
    unseen = int(np.count_nonzero(~shown))
    observed = np.array(
        [
            quantity.value(trial, plain) if seen else math.nan
            for trial, plain, seen in zip(evidence.trials, untrained, shown, strict=True)
        ]
    )
    # Predictions may be given the first trials only.
    has = np.array([path in each for each in evidence.conditional], dtype=bool)
    asked = has.any() or (has.size and quantity.claim in evidence.given.sharpened)
    missing = int(np.count_nonzero(~has)) if asked else 0
    if not asked or missing > MOST_MISSING * has.size:
        observed = observed[shown]
        return Pairs(observed, np.full(observed.shape, quantity.predicted), Given.NONE, missing, unseen)
    has &= shown[: has.size]
    predicted = np.array([quantity.read(evidence.conditional[i]) for i in np.flatnonzero(has).tolist()])
    return Pairs(observed[: has.size][has], predicted, evidence.given, missing, unseen)


def _row(quantity: Quantity, evidence: Evidence, tolerance: Tolerance, n: float, confidence: float) -> Row:
    observed, predicted, given, missing, unseen = pairs(quantity, evidence)
    count, tolerance = observed.size, quantity.granted(tolerance)
    row = Row(
        quantity=quantity.path,
        claim=quantity.claim,
        given=given,
        predicted=quantity.predicted if given is Given.NONE else float(predicted.mean()),
        observed=float(observed.mean()),
        trials=count,
        missing=missing,
        unseen=unseen,
        scale=quantity.scale,
        coefficient=tolerance.coefficient,
        exponent=tolerance.exponent,
        allowance=quantity.scale * tolerance.allowance(n),
        margin=quantity.scale * tolerance.margin_at(n),
    )
    if count < 2:
        return row
    difference = row.observed - row.predicted
    scatter = float(np.std(observed - predicted, ddof=1))
    se = scatter / math.sqrt(count)
    skewness = float(skewness_of(observed - predicted)) if count > 2 else math.nan
    low, high = t_interval(difference, se, count, confidence, skewness)
    return replace(
        row,
        se=se,
        z=difference / se if se > 0.0 else None,
        skewness=None if math.isnan(skewness) else skewness,
        gain=float(np.std(observed, ddof=1)) / scatter if given is not Given.NONE and scatter > 0.0 else None,
        interval=(float(low), float(high)),
        p_value=float(excess_p_value(difference, se, row.allowance, count, skewness)),
    )


def judge(rows: Sequence[Row], family_rate: float = FAMILY_RATE, confidence: float = CONFIDENCE) -> list[Row]:
    """Rows with their verdicts, Holm's correction taken over all of them."""
    rejected = holm([math.nan if row.p_value is None else row.p_value for row in rows], family_rate)
    judged = []
    for row, too_far in zip(rows, rejected, strict=True):
        verdict, needed = Verdict.INCONCLUSIVE, None
        if too_far:
            verdict = Verdict.DISAGREES
        elif row.interval is not None and is_inside(row.interval, row.margin):
            verdict = Verdict.AGREES
        elif row.se is not None:
            needed = trials_to_tell(
                row.observed - row.predicted,
                row.se * math.sqrt(row.trials),
                row.allowance,
                row.margin,
                family_rate / len(rows),
                confidence,
                math.nan if row.skewness is None else row.skewness,
            )
        judged.append(replace(row, verdict=verdict, trials_needed=needed))
    return judged
