"""Three-way verdicts on the difference between an observed mean and a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Array = NDArray[np.float64]
Verdict = Literal["agrees", "disagrees", "inconclusive"]

CONFIDENCE = 0.90
FAMILY_RATE = 0.01


def t_interval(difference: ArrayLike, se: ArrayLike, trials: int, confidence: float = CONFIDENCE) -> Array:
    """Student interval of a mean difference.

    Parameters
    ----------
    difference, se
        Observed minus predicted and its standard error, same shape.
    trials
        Number of independent trials behind the standard error, at least 2.
    confidence
        Two-sided confidence.

    Returns
    -------
    ndarray of shape ``(*shape, 2)``
    """
    difference, se = np.asarray(difference, dtype=float), np.asarray(se, dtype=float)
    half = stdtrit(trials - 1, 0.5 * (1.0 + confidence)) * se
    return np.stack([difference - half, difference + half], axis=-1)


def excess_p_value(difference: ArrayLike, se: ArrayLike, allowance: ArrayLike, trials: int) -> Array:
    """P-value of "the true difference is at most the allowance", two-sided.

    Parameters
    ----------
    difference, se, allowance
        Observed minus predicted, its standard error, and what the theory is granted (same shape).
    trials
        Number of independent trials behind the standard error, at least 2.

    Returns
    -------
    ndarray
        Probability of a difference at least as large when the true one is equal to the allowance, the least
        favourable case; for no allowance it is the two-sided t-test.
    """
    size, se = np.abs(np.asarray(difference, dtype=float)), np.asarray(se, dtype=float)
    allowance = np.asarray(allowance, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (size - allowance) / se, (size + allowance) / se
    p = np.asarray(stdtr(trials - 1, -near) + stdtr(trials - 1, -far))
    # A quantity that does not vary between trials (an atom of the spectrum) is inside the allowance or not.
    return np.where(se > 0.0, np.minimum(p, 1.0), np.where(size > allowance, 0.0, 1.0))


def holm(p_values: ArrayLike, family_rate: float = FAMILY_RATE) -> NDArray[np.bool_]:
    """Rejections of Holm's step-down procedure.

    Parameters
    ----------
    p_values
        One for each hypothesis, shape ``(m,)``; NaN stands for a hypothesis that was not tested.
    family_rate
        Bound on the probability of any false rejection, whatever the dependence between the hypotheses.

    Returns
    -------
    ndarray of bool, shape ``(m,)``
    """
    p = np.asarray(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    passed = p[order] <= family_rate / (order.size - np.arange(order.size))
    rejected = np.zeros(p.shape, dtype=bool)
    rejected[order[np.cumprod(passed).astype(bool)]] = True
    return rejected


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Verdict on a whole: one `disagrees` decides, then one `inconclusive`; nothing compared is inconclusive.

    Agreement claimed only when every row agrees needs no correction for their number (intersection-union).
    """
    if "disagrees" in verdicts:
        return "disagrees"
    return "inconclusive" if "inconclusive" in verdicts or not verdicts else "agrees"
