"""What a comparison consists of: one row a quantity, each with its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter, ValidationError

from rmt_spikes.arguments import integer, number
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.validation.verdicts.claims import Claim, Given
from rmt_spikes.validation.verdicts.statistics import is_inside
from rmt_spikes.values import Document, Record
from rmt_spikes.verdict import Conclusion, Verdict


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Row(Record):
    """One quantity, predicted and observed.

    Attributes
    ----------
    quantity
        Path in the JSON of a prediction, for example ``spikes[0].singular_value``.
    claim
        Group of quantities that it belongs to.
    given
        What the prediction took as given. With anything given there is one prediction a trial, and the
        difference is taken trial by trial.
    predicted, observed
        Prediction (mean of those of the trials, when something is given), and mean over the trials.
    trials, missing
        Numbers of trials that count, and of those whose conditional prediction failed or lacks the row. These
        are left out; with more than one in twenty the row is compared unconditionally, on all trials.
    unseen
        Number of trials that do not show it, as all their recorded vectors belong to samples: left out.
    se, z
        Standard error of the difference, and ``(observed - predicted) / se``; None with one trial, the second
        also where the standard error is zero.
    gain
        How much smaller the scatter of the difference is than that of the observation; None when nothing is
        given.
    scale
        What tolerances are multiplied with: the size of the prediction, or 1 for correlations and distances.
    coefficient, exponent, allowance, margin
        Absolute tolerances of this row; the allowance is ``coefficient * n ** -exponent`` times the scale.
    skewness
        Of the differences of single trials; p-value and interval allow for it. None where it was not
        recorded, and for fewer than three trials: both are then Student's.
    interval
        Interval of the true difference, observed minus predicted.
    p_value
        Of "the true difference is at most the allowance"; None with one trial.
    verdict
        ``agrees``, ``disagrees`` or ``inconclusive``.
    trials_needed
        Of an inconclusive row: how many trials would have told, were difference and scatter to stay as they
        are; None above a million, with one trial, and for other verdicts.
    exception
        Reason and link of the known exception that a row which does not agree belongs to: its difference is
        within the size that the case declares. The verdict stays what it is.
    """

    quantity: str
    claim: Claim
    given: Given = Given.NONE
    predicted: float
    observed: float
    trials: int
    missing: int = 0
    unseen: int = 0
    se: float | None = None
    z: float | None = None
    skewness: float | None = None
    gain: float | None = None
    scale: float
    coefficient: float
    exponent: float
    allowance: float
    margin: float
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    verdict: Verdict = Verdict.INCONCLUSIVE
    trials_needed: int | None = None
    exception: str | None = None

    def is_within(self, size: float) -> bool:
        """Whether the interval of the difference is within `size` times the scale."""
        return self.interval is not None and bool(is_inside(self.interval, size * self.scale))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(Record, Document):
    """Verdicts on every quantity of one setting.

    Attributes
    ----------
    rows, trials
        One row a quantity, and the number of independent trials.
    confidence, family_rate
        Two-sided confidence of the intervals, and bound on the probability that any row wrongly disagrees
        (Holm over the rows).
    """

    schema: ClassVar[str] = "rmt-spikes/comparison/3"

    rows: tuple[Row, ...]
    trials: int
    confidence: float
    family_rate: float

    @property
    def verdict(self) -> Conclusion:
        """Verdict on the whole."""
        return conclude(self.rows)

    @property
    def trials_needed(self) -> int | None:
        """Number of trials that would have told every row; None where no number does, or all are told."""
        needed = [row.trials_needed for row in self.rows if row.verdict is Verdict.INCONCLUSIVE]
        return None if None in needed else max(filter(None, needed), default=None)

    def select(self, pattern: str) -> tuple[Row, ...]:
        """Rows whose quantity matches a shell-style pattern; brackets stand for themselves."""
        return tuple(row for row in self.rows if matches(row.quantity, [pattern]))

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready (schema ``rmt-spikes/comparison/3``)."""
        return {"schema": self.schema, "verdict": self.verdict, **super().to_dict()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the comparison that `to_dict` wrote.

        Raises
        ------
        DomainError
            If the document is not of this schema, lacks something, or states another verdict than its rows.
        """
        cls.require_schema(document)
        fields = {key: value for key, value in document.items() if key not in ("schema", "verdict")}
        try:
            found = TypeAdapter(cls).validate_python(fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "document"
            required = "must be a comparison as `save` wrote it"
            raise DomainError("document", required, Word(f"one with {place}: {first['msg']}")) from None
        integer("trials", found.trials, 0)
        for name in ("confidence", "family_rate"):
            number(name, getattr(found, name), 0.0, 1.0)
        for row in found.rows:
            for name in ("allowance", "margin"):
                number(f"{row.quantity}: {name}", getattr(row, name), 0.0)
        if document.get("verdict") != found.verdict:
            raise DomainError(
                "verdict", f"must be that of the rows, {found.verdict!s}", document.get("verdict")
            )
        return found


def conclude(rows: Iterable[Row]) -> Conclusion:
    """Verdict on rows together; those of a known exception count as told, and the exception is named."""
    rows = tuple(rows)
    known = {row.exception for row in rows} - {None}
    told = (Verdict.AGREES if row.exception is not None else row.verdict for row in rows)
    return Conclusion.on_all(told, len(known))


def matches(quantity: str, patterns: Iterable[str]) -> bool:
    """Whether a quantity matches one of some shell-style patterns, in which brackets stand for themselves."""
    return any(fnmatchcase(quantity, pattern.replace("[", "[[]")) for pattern in patterns)
