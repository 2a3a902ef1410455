"""What a comparison consists of: one row a quantity, each with its verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from rmt_spikes.validation.verdicts.statistics import Verdict, overall

SCHEMA = "rmt-spikes/comparison/2"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity, predicted and observed.

    Attributes
    ----------
    quantity
        Path in the JSON of a prediction, for example ``spikes[0].singular_value``.
    claim
        Group of quantities that it belongs to, one of `tolerance.CLAIMS`.
    given
        What the prediction took as given: ``none``, ``first_stage`` or ``both_batches``. In the latter two
        cases there is one prediction a trial, and the difference is taken trial by trial.
    predicted, observed
        Prediction (mean of those of the trials, when something is given), and mean over the trials.
    trials
        Number of trials that count.
    missing
        Number of trials whose conditional prediction failed or lacks the row. They are left out; with more
        than one in twenty the row is compared unconditionally, on all trials.
    se
        Standard error of the difference; None with one trial.
    z
        ``(observed - predicted) / se``; None where the standard error is missing or zero.
    gain
        How much smaller the scatter of the difference is than that of the observation; None when nothing is
        given.
    scale
        What tolerances are multiplied with: the size of the prediction, or 1 for correlations and distances.
    coefficient, exponent
        The allowance is ``coefficient * n ** -exponent`` times the scale.
    allowance, margin
        Absolute tolerances of this row.
    interval
        Student interval of the true difference, observed minus predicted.
    p_value
        Of "the true difference is at most the allowance"; None with one trial.
    verdict
        ``agrees``, ``disagrees`` or ``inconclusive``.
    trials_needed
        Of an inconclusive row: how many trials would have told, were difference and scatter to stay as they
        are; None above a million, with one trial, and for other verdicts.
    finding
        Why a disagreement was expected, when the case documents it; the verdict stays what it is.
    """

    quantity: str
    claim: str
    given: str = "none"
    predicted: float
    observed: float
    trials: int
    missing: int = 0
    se: float | None
    z: float | None
    gain: float | None = None
    scale: float
    coefficient: float
    exponent: float
    allowance: float
    margin: float
    interval: tuple[float, float] | None
    p_value: float | None
    verdict: Verdict
    trials_needed: int | None = None
    finding: str | None = None

    @property
    def counted_verdict(self) -> Verdict:
        """Verdict for the whole: a disagreement that the case documents is known, and counts as told."""
        return "agrees" if self.verdict == "disagrees" and self.finding is not None else self.verdict

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
        """Verdict on the whole: `disagrees` if any row does, else `inconclusive` if any row is.

        A disagreement that is a documented finding does not count.
        """
        return overall([row.counted_verdict for row in self.rows])

    def select(self, pattern: str) -> tuple[Row, ...]:
        """Rows whose quantity matches a shell-style pattern; brackets stand for themselves."""
        return tuple(row for row in self.rows if matches(row.quantity, pattern))

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready (schema ``rmt-spikes/comparison/2``)."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "trials": self.trials,
            "confidence": self.confidence,
            "family_rate": self.family_rate,
            "rows": [row.to_dict() for row in self.rows],
        }


def matches(quantity: str, pattern: str) -> bool:
    """Shell-style match in which brackets stand for themselves."""
    return fnmatchcase(quantity, pattern.replace("[", "[[]"))
