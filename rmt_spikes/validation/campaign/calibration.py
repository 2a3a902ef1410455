"""How often verdicts are wrong: synthetic observations of a right theory, and of a slightly wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import instance, integer
from rmt_spikes.errors import DomainError
from rmt_spikes.validation.campaign.redraw import redrawn
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.verdicts.claims import Claim
from rmt_spikes.validation.verdicts.statistics import (
    binomial_interval,
    excess_p_value,
    holm,
    is_inside,
    t_interval,
)
from rmt_spikes.values import Record

Array = NDArray[np.float64]

ERROR = 0.03
"""Size of the error that a comparison has to find, in units of the scale of a row: what users ask for."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RowCalibration(Record):
    """Fate of one row over synthetic observations.

    `scatter` between trials, `allowance` and `error` are in units of the scale of the row. `agrees` is the
    share of that verdict when the theory is exact, and `power` that of `disagrees` when the prediction is off
    by `error`, either way, at Holm's first step: None where the allowance is larger, so that there is nothing
    to find.
    """

    values: dict[str, Any]
    quantity: str
    claim: Claim
    trials: int
    scatter: float
    allowance: float
    agrees: float
    error: float
    power: float | None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CaseCalibration(Record):
    """Calibration of one case.

    Attributes
    ----------
    name
        Of the case.
    family_rate
        Its stated rate of false disagreement.
    repetitions
        Number of synthetic cases.
    exact, worst
        Number of them in which a row disagreed although the theory was exact, and although each true
        difference was no more than the allowance (as large as it, with random signs).
    rows
        One a row.
    """

    name: str
    family_rate: float
    repetitions: int
    exact: int
    worst: int
    rows: tuple[RowCalibration, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with exact 95 % intervals of the two rates."""
        intervals = {
            f"{kind}_interval": list(binomial_interval(getattr(self, kind), self.repetitions))
            for kind in ("exact", "worst")
        }
        return {**super().to_dict(), **intervals}


def calibrate(result: CaseResult, *, repetitions: int = 2000, seed: int = 0) -> CaseCalibration:
    """Measure how often the verdicts of a case would be wrong.

    Parameters
    ----------
    result
        A finished case; its trials give the scatter.
    repetitions
        Number of synthetic cases.
    seed
        Of the synthetic observations.

    Raises
    ------
    DomainError
        If it is no finished case or has no rows, or a row has fewer than three trials, or `repetitions` is
        not positive.

    Notes
    -----
    A synthetic observation has the scatter, skewness, tails and correlations of the differences between
    observed and predicted values (`redraw.redrawn`), and its true difference is zero. Planted errors are
    added to it. It is no bootstrap: few values, drawn again, have too small standard errors far too often.
    """
    instance("result", result, CaseResult, "take one of the cases of validate(...)")
    repetitions = integer("repetitions", repetitions, 1)
    places = [(point, row) for point in result.points for row in point.comparison.rows]
    rows = [row for _, row in places]
    if not rows:
        raise DomainError("result", "must have a row to calibrate", result.case.name)
    few = min(places, key=lambda place: place[1].trials)[1]
    if few.trials < 3:
        raise DomainError("result", "must have three trials of each row", few.trials, few.quantity)
    rng = np.random.default_rng(seed)
    rate = result.case.family_rate
    level = rate / len(rows)
    numbers = [(row.trials, row.allowance, row.margin, row.scale) for row in rows]
    trials, allowance, margin, scale = np.array(numbers).T
    error = np.array([1.0 if row.claim in (Claim.COUNT, Claim.OUTLIERS) else ERROR for row in rows]) * scale
    exact = worst = 0
    agrees, found = np.zeros(len(rows)), np.zeros(len(rows))
    values = [[point.differences[row.quantity] for row in point.comparison.rows] for point in result.points]
    observations = redrawn(values, [str(row.claim) for row in rows], rng)
    for _ in range(repetitions):
        means, ses, skewness = next(observations)
        signs = rng.choice([-1.0, 1.0], len(rows))
        p_exact = excess_p_value(means, ses, allowance, trials, skewness)
        p_worst = excess_p_value(means + signs * allowance, ses, allowance, trials, skewness)
        p_wrong = excess_p_value(means + signs * error, ses, allowance, trials, skewness)
        interval = t_interval(means, ses, trials, skewness=skewness)
        exact += bool(holm(p_exact, rate).any())
        worst += bool(holm(p_worst, rate).any())
        agrees += (p_exact > level) & is_inside(interval, margin)
        found += p_wrong <= level
    return CaseCalibration(
        name=result.case.name,
        family_rate=rate,
        repetitions=repetitions,
        exact=exact,
        worst=worst,
        rows=tuple(
            RowCalibration(
                values=dict(point.point.values),
                quantity=row.quantity,
                claim=row.claim,
                trials=row.trials,
                scatter=float(np.std(point.differences[row.quantity], ddof=1)) / row.scale,
                allowance=row.allowance / row.scale,
                agrees=float(agrees[i]) / repetitions,
                error=float(error[i]) / row.scale,
                power=float(found[i]) / repetitions if error[i] > allowance[i] else None,
            )
            for i, (point, row) in enumerate(places)
        ),
    )
