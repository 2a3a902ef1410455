"""Three-way verdicts on the difference between an observed mean and a prediction."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtr, stdtrit

Array = NDArray[np.float64]

CONFIDENCE = 0.90
"""Two-sided confidence of an equivalence interval: two one-sided tests at the usual 5 %."""

FAMILY_RATE = 0.01
"""Bound on a false disagreement in a case: with 25 cases one in four campaigns has one at most."""

MOST_TRIALS = 1_000_000
"""Number of trials above which it is not said how many would tell: weeks of simulations."""


def t_interval(
    difference: ArrayLike, se: ArrayLike, trials: ArrayLike, confidence: float = CONFIDENCE
) -> Array:
    """Two-sided Student intervals, of shape ``(*shape, 2)``, of mean differences over at least 2 trials."""
    difference, se = np.asarray(difference, dtype=float), np.asarray(se, dtype=float)
    half = stdtrit(np.asarray(trials) - 1, 0.5 * (1.0 + confidence)) * se
    return np.stack([difference - half, difference + half], axis=-1)


def is_inside(interval: ArrayLike, margin: ArrayLike) -> NDArray[np.bool_]:
    """Whether intervals of shape ``(*shape, 2)`` lie within margins of zero, of shape `shape`."""
    bounds = np.asarray(interval, dtype=float)
    return (-np.asarray(margin) <= bounds[..., 0]) & (bounds[..., 1] <= margin)


def excess_p_value(difference: ArrayLike, se: ArrayLike, allowance: ArrayLike, trials: ArrayLike) -> Array:
    """P-value of "the true difference is at most the allowance", two-sided.

    Probability of a difference at least as large when the true one is equal to the allowance, the least
    favourable case; for no allowance it is the two-sided t-test.
    """
    size, se = np.abs(np.asarray(difference, dtype=float)), np.asarray(se, dtype=float)
    allowance = np.asarray(allowance, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (size - allowance) / se, (size + allowance) / se
    freedom = np.asarray(trials) - 1
    p = np.asarray(stdtr(freedom, -near) + stdtr(freedom, -far))
    # A quantity that does not vary between trials (an atom of the spectrum) is inside the allowance or not.
    return np.where(se > 0.0, np.minimum(p, 1.0), np.where(size > allowance, 0.0, 1.0))


def holm(p_values: ArrayLike, family_rate: float = FAMILY_RATE) -> NDArray[np.bool_]:
    """Rejections of Holm's step-down procedure, at a family rate; NaN is a hypothesis that was not tested."""
    p = np.asarray(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    passed = p[order] <= family_rate / (order.size - np.arange(order.size))
    rejected = np.zeros(p.shape, dtype=bool)
    rejected[order[np.cumprod(passed).astype(bool)]] = True
    return rejected


def trials_to_tell(
    difference: float,
    scatter: float,
    allowance: float,
    margin: float,
    rate: float,
    confidence: float = CONFIDENCE,
) -> int | None:
    """Least number of trials that would have told, were difference and scatter to stay what they are.

    None above `MOST_TRIALS`; `rate` is the level at which the row is called wrong.
    """

    def told(trials: int) -> bool:
        se = scatter / np.sqrt(trials)
        inside = is_inside(t_interval(difference, se, trials, confidence), margin)
        return bool(inside or excess_p_value(difference, se, allowance, trials) <= rate)

    # Both verdicts are monotone in the number of trials when the difference is held fixed.
    least = bisect_left(range(MOST_TRIALS), True, lo=2, key=told)
    return least if told(least) else None


def binomial_interval(count: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson) two-sided interval of a probability, from events in independent trials."""
    tail = 0.5 * (1.0 - confidence)
    low = 0.0 if count == 0 else float(betaincinv(count, trials - count + 1, tail))
    high = 1.0 if count == trials else float(betaincinv(count + 1, trials - count, 1.0 - tail))
    return low, high


class Line(NamedTuple):
    """A straight line ``intercept + slope x``; misfit: sum of squared residuals over squared errors."""

    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    misfit: float


def fit_line(x: ArrayLike, y: ArrayLike, se: ArrayLike) -> Line:
    """Fit a straight line by weighted least squares: abscissas, data and their standard errors."""
    x, y, se = (np.asarray(v, dtype=float) for v in (x, y, se))
    design = np.stack([np.ones_like(x), x], axis=1) / se[:, None]
    covariance = np.linalg.inv(design.T @ design)
    coefficients = covariance @ (design.T @ (y / se))
    residuals = y / se - design @ coefficients
    errors = np.sqrt(np.diag(covariance))
    return Line(*map(float, (*coefficients, *errors, residuals @ residuals)))
