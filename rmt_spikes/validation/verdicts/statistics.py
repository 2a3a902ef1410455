"""Three-way verdicts on the difference between an observed mean and a prediction."""

from __future__ import annotations

import math
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

SKEWNESS_ERRORS = 1.0
"""Standard errors by which a sample skewness is taken to the safe side (docs/validation.md): with fewer each
tail of a skewed law has more than its level."""

MOST_TRIALS = 1_000_000
"""Number of trials above which it is not said how many would tell: weeks of simulations."""


def skewness_of(values: ArrayLike) -> Array:
    """Sample skewness, over the first axis, of at least 3 trials; 0 where they do not vary.

    ``k_3 / k_2^(3/2)`` of Fisher's k-statistics.
    """
    values = np.asarray(values, dtype=float)
    n, centred = len(values), values - values.mean(axis=0)
    variance, third = np.mean(centred**2, axis=0), np.mean(centred**3, axis=0)
    factor = math.sqrt(n * (n - 1)) / (n - 2)
    return np.asarray(factor * third / np.where(variance > 0.0, variance, 1.0) ** 1.5)


def skewness_error(trials: ArrayLike) -> Array:
    """Standard error of the sample skewness of normal data, over at least 3 trials."""
    n = np.asarray(trials, dtype=float)
    return np.asarray(np.sqrt(6.0 * n * (n - 1.0) / ((n - 2.0) * (n + 1.0) * (n + 3.0))))


def _bend(trials: Array, skewness: Array) -> Array:
    """Coefficient ``a`` of Hall's transformation for an upper tail, on the safe side of the skewness."""
    # Two trials have no skewness.
    with np.errstate(divide="ignore", invalid="ignore"):
        safe = skewness - SKEWNESS_ERRORS * skewness_error(trials)
    return np.minimum(0.0, safe) / np.sqrt(trials)


def corrected(t: ArrayLike, trials: ArrayLike, skewness: ArrayLike) -> Array:
    """Student's t of an upper tail, made smaller where skewness of the data makes it too large.

    Hall's (1992) ``((1 + a t / 3)^3 - 1) / a + a / 6`` with ``a`` the skewness over the root of the number of
    trials, taken one standard error lower than observed; t itself where that is smaller, and where the
    skewness is NaN: not known. For a lower tail change the signs of both t and skewness.
    """
    t, trials, skewness = (np.asarray(v, dtype=float) for v in (t, trials, skewness))
    a = _bend(trials, skewness)
    u = a * t / 3.0
    # Infinite where there is no scatter.
    with np.errstate(invalid="ignore"):
        bent = np.maximum(t * (1.0 + u * (1.0 + u / 3.0)) + a / 6.0, 0.0)
    return np.where(t > 0.0, np.fmin(t, bent), t)


def _uncorrected(q: Array, trials: Array, skewness: Array) -> Array:
    """The t from which `corrected` reaches a critical value ``q > 0``: by its inverse."""
    a = _bend(trials, skewness)
    shifted = q - a / 6.0
    root = np.cbrt(1.0 + a * shifted)
    return np.asarray(np.fmax(q, 3.0 * shifted / (1.0 + root * (1.0 + root))))


def t_interval(
    difference: ArrayLike,
    se: ArrayLike,
    trials: ArrayLike,
    confidence: float = CONFIDENCE,
    skewness: ArrayLike = math.nan,
) -> Array:
    """Two-sided intervals, of shape ``(*shape, 2)``, of mean differences over at least 2 trials.

    The values that neither one-sided test by `corrected` rejects; Student's where the skewness is NaN.
    """
    difference, se = np.asarray(difference, dtype=float), np.asarray(se, dtype=float)
    trials = np.asarray(trials, dtype=float)
    critical = stdtrit(trials - 1, 0.5 * (1.0 + confidence))
    below, above = (_uncorrected(critical, trials, sign * np.asarray(skewness)) for sign in (1.0, -1.0))
    return np.stack([difference - below * se, difference + above * se], axis=-1)


def is_inside(interval: ArrayLike, margin: ArrayLike) -> NDArray[np.bool_]:
    """Whether intervals of shape ``(*shape, 2)`` lie within margins of zero, of shape `shape`."""
    bounds = np.asarray(interval, dtype=float)
    return (-np.asarray(margin) <= bounds[..., 0]) & (bounds[..., 1] <= margin)


def excess_p_value(
    difference: ArrayLike,
    se: ArrayLike,
    allowance: ArrayLike,
    trials: ArrayLike,
    skewness: ArrayLike = math.nan,
) -> Array:
    """P-value of "the true difference is at most the allowance", two-sided.

    Probability of a difference at least as large when the true one is equal to the allowance, the least
    favourable case; for no allowance it is the two-sided t-test. It is that of `corrected` t, and Student's
    where the skewness is NaN.
    """
    difference, se = np.asarray(difference, dtype=float), np.asarray(se, dtype=float)
    size, allowance, trials = np.abs(difference), np.asarray(allowance), np.asarray(trials, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (size - allowance) / se, (size + allowance) / se
    towards = np.where(difference < 0.0, -1.0, 1.0) * np.asarray(skewness)
    near, far = corrected(near, trials, towards), corrected(far, trials, -towards)
    p = np.asarray(stdtr(trials - 1, -near) + stdtr(trials - 1, -far))
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
    skewness: float = math.nan,
) -> int | None:
    """Least number of trials that would have told, were difference, scatter and skewness to stay the same.

    None above `MOST_TRIALS`; `rate` is the level at which the row is called wrong.
    """

    def told(trials: int) -> bool:
        se = scatter / np.sqrt(trials)
        inside = is_inside(t_interval(difference, se, trials, confidence, skewness), margin)
        return bool(inside or excess_p_value(difference, se, allowance, trials, skewness) <= rate)

    # Both verdicts are monotone in the number of trials when the difference is held fixed.
    least = bisect_left(range(MOST_TRIALS), True, lo=2 if math.isnan(skewness) else 3, key=told)
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
