"""Means over trials, with Student intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]


def mean_and_half_width(values: Array, axis: int) -> tuple[Array, Array]:
    """Means along an axis, and half the widths of their 95 % Student intervals; NaN with one trial."""
    count = values.shape[axis]
    if count < 2:
        means = values.mean(axis=axis)
        return means, np.full_like(means, np.nan)
    se = values.std(axis=axis, ddof=1) / np.sqrt(count)
    return values.mean(axis=axis), stdtrit(count - 1, 0.975) * se
