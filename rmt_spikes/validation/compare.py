"""Compare one prediction with one observation, quantity by quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.validation.quantities import quantities
from rmt_spikes.validation.statistics import (
    CONFIDENCE,
    FAMILY_RATE,
    Verdict,
    excess_p_value,
    holm,
    overall,
    t_interval,
)

if TYPE_CHECKING:
    from rmt_spikes.simulation import Observation, Trial
    from rmt_spikes.theory import Prediction

Array = NDArray[np.float64]

SCHEMA = "rmt-spikes/comparison/1"


@dataclass(frozen=True)
class Tolerance:
    """What counts as agreement, in units of the scale of the row (`TOLERANCES` says which scale).

    Attributes
    ----------
    allowance
        What the theory is granted at finite ``n``: `disagrees` means that the true difference is larger.
    margin
        Equivalence margin, at least the allowance: `agrees` means that the true difference is smaller.
    """

    allowance: float
    margin: float

    def __post_init__(self) -> None:
        """Refuse a margin below the allowance, with which a row could agree and disagree."""
        if not 0.0 <= self.allowance <= self.margin < math.inf:
            raise DomainError(
                "tolerance", "must have 0 <= allowance <= margin", (self.allowance, self.margin)
            )


# Relative for the norm of beta (twice that for its square), losses, spikes and quantiles; absolute for the
# cosine and squared correlations.
TOLERANCES: Mapping[str, Tolerance] = {
    "latent": Tolerance(0.015, 0.05),
    "losses": Tolerance(0.015, 0.05),
    "spikes": Tolerance(0.015, 0.05),
    "alignment": Tolerance(0.02, 0.05),
    "bulk": Tolerance(0.015, 0.05),
}
CLAIMS = tuple(TOLERANCES)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity, predicted and observed.

    Attributes
    ----------
    quantity
        Path in the JSON of a prediction, for example ``spikes[0].singular_value``.
    claim
        Group of quantities that it belongs to, one of `CLAIMS`.
    predicted, observed
        Prediction, and mean over the trials.
    se
        Standard error of the observed mean; None with one trial.
    z
        ``(observed - predicted) / se``; None where the standard error is missing or zero.
    allowance, margin
        Absolute tolerances of this row.
    interval
        Student interval of the true difference, observed minus predicted.
    p_value
        Of "the true difference is at most the allowance"; None with one trial.
    verdict
        ``agrees``, ``disagrees`` or ``inconclusive``.
    """

    quantity: str
    claim: str
    predicted: float
    observed: float
    se: float | None
    z: float | None
    allowance: float
    margin: float
    interval: tuple[float, float] | None
    p_value: float | None
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, JSON-ready."""
        values = {**self.__dict__, "interval": None if self.interval is None else list(self.interval)}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Verdicts on every quantity of one setting.

    Attributes
    ----------
    rows
        One a quantity.
    trials
        Number of independent trials.
    confidence
        Two-sided confidence of the intervals.
    family_rate
        Bound on the probability that any row wrongly disagrees (Holm over the rows).
    """

    rows: tuple[Row, ...]
    trials: int
    confidence: float
    family_rate: float

    @property
    def verdict(self) -> Verdict:
        """Verdict on the whole: `disagrees` if any row does, else `inconclusive` if any row is."""
        return overall([row.verdict for row in self.rows])

    def select(self, pattern: str) -> tuple[Row, ...]:
        """Rows whose quantity matches a shell-style pattern; brackets stand for themselves."""
        return tuple(row for row in self.rows if matches(row.quantity, pattern))

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready (schema ``rmt-spikes/comparison/1``)."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "trials": self.trials,
            "confidence": self.confidence,
            "family_rate": self.family_rate,
            "rows": [row.to_dict() for row in self.rows],
        }


def compare(
    prediction: Prediction,
    observation: Observation,
    *,
    claims: Sequence[str] = CLAIMS,
    tolerances: Mapping[str, Tolerance] | None = None,
    confidence: float = CONFIDENCE,
    family_rate: float = FAMILY_RATE,
) -> Comparison:
    """Compare a prediction with an observation of the same setting.

    Parameters
    ----------
    prediction, observation
        Results of `predict` and `simulate`.
    claims
        Groups of quantities to compare, from `CLAIMS`.
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
        If the two are not of the same setting, or an argument is outside its domain.

    Notes
    -----
    A row *disagrees* when its difference exceeds its allowance, tested on Student's t with ``trials - 1``
    degrees of freedom and Holm's correction over the rows; it *agrees* when it does not disagree and the
    interval of the difference is inside its margin; otherwise it is *inconclusive*: the trials could not
    tell. Alignments are compared for spikes clear of the edge only (`quantities.is_clear`): closer to it the
    transition is smeared over a width that shrinks with ``n``.
    """
    if prediction.setting != observation.setting:
        raise DomainError(
            "observation", "must be of the setting that was predicted", observation.setting.to_dict()
        )
    for claim in claims:
        if claim not in TOLERANCES:
            raise DomainError("claims", f"must be among {', '.join(CLAIMS)}", claim)
    for name, value in (("confidence", confidence), ("family_rate", family_rate)):
        if not 0.0 < value < 1.0:
            raise DomainError(name, "must be between 0 and 1", value)
    rows = measure(prediction, observation.trials, claims, {**TOLERANCES, **(tolerances or {})}, confidence)
    return Comparison(
        rows=tuple(judge(rows, family_rate)),
        trials=len(observation.trials),
        confidence=confidence,
        family_rate=family_rate,
    )


def measure(
    prediction: Prediction,
    trials: Sequence[Trial],
    claims: Iterable[str],
    tolerances: Mapping[str, Tolerance],
    confidence: float = CONFIDENCE,
) -> list[Row]:
    """Rows of a comparison whose verdicts are still open (`inconclusive`)."""
    recorded = len(trials[0].alignment)
    wanted = [quantity for claim in claims for quantity in quantities(prediction, claim, recorded)]
    if not wanted:
        return []
    values = np.array([[quantity.observe(trial) for quantity in wanted] for trial in trials], dtype=float)
    observed = values.mean(axis=0)
    predicted = np.array([quantity.predicted for quantity in wanted])
    scale = np.array([quantity.scale for quantity in wanted])
    allowance = scale * [tolerances[quantity.claim].allowance for quantity in wanted]
    margin = scale * [tolerances[quantity.claim].margin for quantity in wanted]
    count = len(trials)
    if count > 1:
        se = values.std(axis=0, ddof=1) / math.sqrt(count)
        p = excess_p_value(observed - predicted, se, allowance, count)
        interval = t_interval(observed - predicted, se, count, confidence)
    rows = []
    for i, quantity in enumerate(wanted):
        row = Row(
            quantity=quantity.path,
            claim=quantity.claim,
            predicted=float(predicted[i]),
            observed=float(observed[i]),
            se=None,
            z=None,
            allowance=float(allowance[i]),
            margin=float(margin[i]),
            interval=None,
            p_value=None,
            verdict="inconclusive",
        )
        if count > 1:
            z = float((observed[i] - predicted[i]) / se[i]) if se[i] > 0.0 else None
            row = replace(
                row,
                se=float(se[i]),
                z=z,
                interval=(float(interval[i, 0]), float(interval[i, 1])),
                p_value=float(p[i]),
            )
        rows.append(row)
    return rows


def judge(rows: Sequence[Row], family_rate: float = FAMILY_RATE) -> list[Row]:
    """Rows with their verdicts, Holm's correction taken over all of them."""
    rejected = holm([math.nan if row.p_value is None else row.p_value for row in rows], family_rate)
    judged = []
    for row, too_far in zip(rows, rejected, strict=True):
        verdict: Verdict = "inconclusive"
        if too_far:
            verdict = "disagrees"
        elif row.interval is not None and -row.margin <= row.interval[0] and row.interval[1] <= row.margin:
            verdict = "agrees"
        judged.append(replace(row, verdict=verdict))
    return judged


def matches(quantity: str, pattern: str) -> bool:
    """Shell-style match in which brackets stand for themselves."""
    return fnmatchcase(quantity, pattern.replace("[", "[[]"))
