"""Finite-size scaling: rates in ``n`` of errors and of scatter, and the limit of infinite ``n``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.validation.verdicts.claims import SCATTER_EXPONENTS, SLOPES, Claim, Tolerance
from rmt_spikes.validation.verdicts.comparison import Row
from rmt_spikes.validation.verdicts.statistics import excess_p_value, fit_line, is_inside, t_interval
from rmt_spikes.values import Record
from rmt_spikes.verdict import Conclusion, Verdict

Array = NDArray[np.float64]

RESOLVED = 3.0
"""An error is resolved when it is this many standard errors from zero, with one sign at every size."""


class Rate(StrEnum):
    """What must fall with ``n`` at its theoretical rate; both in units of the scale of a row."""

    ERROR = "error"
    """The absolute difference from the theory."""

    ERROR_OVER_LOG = "error over log n"
    """The same over ``log n``: the largest of ``n`` differences of order ``1/n`` grows by the logarithm."""

    SCATTER = "scatter"
    """The standard deviation between networks."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RateFit(Record):
    """Slope of the logarithm of values at sizes ``n`` against log ``n``, or the reason why there is none.

    Interval, allowance and margin are as in `Row`, of the slope.
    """

    quantity: str
    claim: Claim
    kind: Rate
    n: tuple[int, ...]
    values: tuple[float, ...]
    value_ses: tuple[float, ...]
    expected: float
    slope: float | None = None
    se: float | None = None
    interval: tuple[float, float] | None = None
    allowance: float
    margin: float
    verdict: Verdict = Verdict.INCONCLUSIVE
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LimitFit(Record):
    """Fit ``difference = limit + coefficient n^-exponent`` to observed minus predicted, in units of a scale.

    Interval, allowance and margin are as in `Row`, of the limit.
    """

    quantity: str
    claim: Claim
    n: tuple[int, ...]
    differences: tuple[float, ...]
    ses: tuple[float, ...]
    exponent: float
    coefficient: float
    coefficient_se: float
    limit: float
    se: float
    interval: tuple[float, float]
    allowance: float
    margin: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScalingResult(Record):
    """Rates and limits of a case over its sizes; each test has the level `rate` (Bonferroni)."""

    rate: float
    rates: tuple[RateFit, ...]
    limits: tuple[LimitFit, ...]

    @property
    def verdict(self) -> Conclusion:
        """Verdict on all of them."""
        return Conclusion.on_all(fit.verdict for fits in (self.rates, self.limits) for fit in fits)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, JSON-ready."""
        return {"verdict": self.verdict, **super().to_dict()}


def fit_rate(n: Sequence[int], rows: Sequence[Row], kind: Rate, rate: float) -> RateFit:
    """Fit the slope of a quantity to its rows at sizes `n`, and test it at the level `rate`.

    Weighted least squares of the logarithms. The logarithm of an absolute mean has the standard error
    ``se / |mean|``, that of a standard deviation ``1 / sqrt(2 (trials - 1))``, exact for normal data.
    """
    claim = rows[0].claim
    differences, ses = _scaled(rows)
    if kind is not Rate.SCATTER:
        growth = np.log(n) if kind is Rate.ERROR_OVER_LOG else np.ones(len(n))
        values, errors, exponent = np.abs(differences) / growth, ses / growth, rows[0].exponent
    else:
        trials = np.array([row.trials for row in rows])
        values = ses * np.sqrt(trials)
        errors, exponent = values / np.sqrt(2.0 * (trials - 1)), SCATTER_EXPONENTS[claim]
    slopes = SLOPES[claim]
    fit = RateFit(
        quantity=rows[0].quantity,
        claim=claim,
        kind=kind,
        n=tuple(n),
        values=tuple(values.tolist()),
        value_ses=tuple(errors.tolist()),
        expected=-exponent,
        **slopes._asdict(),
    )
    changes_sign = len({*np.sign(differences)}) > 1
    if np.any(values <= RESOLVED * errors) or (kind is not Rate.SCATTER and changes_sign):
        return replace(
            fit, reason=f"not {RESOLVED:g} standard errors from zero, with one sign, at every size"
        )
    line = fit_line(np.log(n), np.log(values), errors / values)
    # Wider where the points miss the line by more than their own errors explain.
    se = line.slope_se * math.sqrt(max(1.0, line.misfit / (len(n) - 2)))
    fewest = min(row.trials for row in rows)
    (low, high), verdict = _judge(line.slope + exponent, se, *slopes, rate, fewest)
    return replace(fit, slope=line.slope, se=se, interval=(low - exponent, high - exponent), verdict=verdict)


def fit_limit(n: Sequence[int], rows: Sequence[Row], tolerance: Tolerance, rate: float) -> LimitFit:
    """Extrapolate the difference of a quantity to infinite `n`, and test the limit at the level `rate`."""
    differences, ses = _scaled(rows)
    line = fit_line(np.asarray(n, dtype=float) ** -tolerance.exponent, differences, ses)
    # The next order in n.
    allowance = tolerance.allowance(min(n)) ** 2
    margin, fewest = max(tolerance.margin, allowance), min(row.trials for row in rows)
    interval, verdict = _judge(line.intercept, line.intercept_se, allowance, margin, rate, fewest)
    return LimitFit(
        quantity=rows[0].quantity,
        claim=rows[0].claim,
        n=tuple(n),
        differences=tuple(differences.tolist()),
        ses=tuple(ses.tolist()),
        exponent=tolerance.exponent,
        coefficient=line.slope,
        coefficient_se=line.slope_se,
        limit=line.intercept,
        se=line.intercept_se,
        interval=interval,
        allowance=allowance,
        margin=margin,
        verdict=verdict,
    )


def _scaled(rows: Sequence[Row]) -> tuple[Array, Array]:
    """Differences of rows and their standard errors, in units of their scales."""
    assert all(row.se is not None for row in rows), "a scaling case has at least two trials at each size"
    scales = np.array([row.scale for row in rows])
    differences = np.array([row.observed - row.predicted for row in rows])
    return differences / scales, np.array([row.se for row in rows]) / scales


def _judge(
    difference: float, se: float, allowance: float, margin: float, rate: float, trials: int
) -> tuple[tuple[float, float], Verdict]:
    """Interval of a fitted difference, and its verdict.

    With Student's t at the degrees of freedom of the size with the fewest trials: on the safe side.
    """
    low, high = t_interval(difference, se, trials).tolist()
    if excess_p_value(difference, se, allowance, trials) <= rate:
        return (low, high), Verdict.DISAGREES
    return (low, high), Verdict.AGREES if is_inside((low, high), margin) else Verdict.INCONCLUSIVE
