"""What came out of a case, as plain data: what a report is written from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.simulation import Trial
from rmt_spikes.theory import Prediction
from rmt_spikes.validation.cases.case import Case, Point
from rmt_spikes.validation.cases.tables import KnownException, NegativeControl
from rmt_spikes.validation.verdicts.comparison import Comparison, Row, conclude
from rmt_spikes.validation.verdicts.scaling import ScalingResult
from rmt_spikes.values import Record, jsonable
from rmt_spikes.verdict import Conclusion, Verdict

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PointResult(Record):
    """One setting of a case: its prediction, trials, and comparison.

    There is no prediction where `error` says why; it also says why some trials have no conditional one.
    `differences` are observed minus predicted, trial by trial, for each quantity of the rows.
    """

    point: Point
    prediction: Prediction | None
    error: str | None
    trials: tuple[Trial, ...] = field(repr=False)
    comparison: Comparison
    differences: dict[str, Array] = field(repr=False, default_factory=dict)

    @property
    def verdict(self) -> Conclusion:
        """Verdict on the point."""
        return self.comparison.verdict

    def to_dict(self) -> dict[str, Any]:
        """Everything but the trials, JSON-ready."""
        return {
            "values": dict(self.point.values),
            "seed": self.point.seed,
            "trials": len(self.trials),
            "verdict": self.verdict,
            "error": self.error,
            "prediction": self.prediction and self.prediction.to_dict(),
            "rows": jsonable(self.comparison.rows),
        }


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ControlResult(Record):
    """A wrong theory and how it fared, on the trials of the theory itself.

    `disputed` are quantities in which the theory itself disagrees there: they reject nothing. One that gives
    no prediction, for the reason `error`, proves nothing, and is not rejected.
    """

    control: NegativeControl
    point: Point
    comparison: Comparison
    disputed: frozenset[str] = frozenset()
    error: str | None = None

    @property
    def rejected(self) -> bool:
        """Whether the comparison could tell that it is wrong, where the theory itself does not disagree."""
        return any(
            row.verdict is Verdict.DISAGREES and row.quantity not in self.disputed
            for row in self.comparison.rows
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        shown = {key: getattr(self.control, key) for key in ("name", "meaning", "theory", "at")}
        rows = jsonable(self.comparison.rows)
        return {**shown, "rejected": self.rejected, "error": self.error, "rows": rows}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OwnResult(Record):
    """A theory of the user's and how it fared, on the trials of the theory itself.

    `comparisons` are those of the points of the case, in their order.
    """

    name: str
    points: tuple[Point, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> Conclusion:
        """Verdict on all points; that of the case does not depend on it."""
        return Conclusion.on_all(comparison.verdict for comparison in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        points = [
            {"values": dict(point.values), "verdict": each.verdict, "rows": jsonable(each.rows)}
            for point, each in zip(self.points, self.comparisons, strict=True)
        ]
        return {"name": self.name, "verdict": self.verdict, "points": points}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExceptionResult(Record):
    """A known exception, and rows in which it was seen, with swept values of their point."""

    declared: KnownException
    seen: tuple[tuple[Row, dict[str, Any]], ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; differences are in units of the scale, as the size is."""
        seen = [
            {
                "quantity": row.quantity,
                "values": values,
                "difference": (row.observed - row.predicted) / row.scale,
                "verdict": row.verdict,
            }
            for row, values in self.seen
        ]
        return {**self.declared.model_dump(), "seen": seen}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CaseResult(Record):
    """What came out of a case: points, wrong theories, known exceptions, own theories, rates and limits.

    `figure_trials` are by number of the figure and of the panel.
    """

    case: Case
    points: tuple[PointResult, ...]
    controls: tuple[ControlResult, ...]
    exceptions: tuple[ExceptionResult, ...] = ()
    own: tuple[OwnResult, ...] = ()
    scaling: ScalingResult | None = None
    figure_trials: dict[tuple[int, int], tuple[Trial, ...]] = field(repr=False)

    @property
    def verdict(self) -> Conclusion:
        """Verdict on the case: agreement counts only when every wrong theory was rejected."""
        verdicts: list[Verdict | Conclusion] = [result.verdict for result in self.points]
        if self.scaling is not None and (self.scaling.rates or self.scaling.limits):
            verdicts.append(self.scaling.verdict)
        if not all(control.rejected for control in self.controls):
            verdicts.append(Verdict.INCONCLUSIVE)
        known = conclude(row for result in self.points for row in result.comparison.rows).exceptions
        return Conclusion.on_all(verdicts, known)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the trials, JSON-ready."""
        case = self.case
        reasons = {claim: table.reason for claim, table in case.tolerances.items()}
        return {
            "name": case.name,
            "title": case.title,
            "description": case.description.strip(),
            "verdict": self.verdict,
            "family_rate": case.family_rate,
            "confidence": self.points[0].comparison.confidence,
            **{key: getattr(case, key) for key in ("given", "method", "features")},
            "tolerances": {
                claim: {**jsonable(tolerance), "reason": reasons.get(claim)}
                for claim, tolerance in case.tolerance_map().items()
                if claim in case.claims
            },
            "points": jsonable(self.points),
            "negative_controls": jsonable(self.controls),
            "own_theories": jsonable(self.own),
            "scaling": jsonable(self.scaling),
        }
