"""Distances between the empirical distribution of the singular values of a network and the predicted bulk."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rmt_spikes.theory import Bulk

Array = NDArray[np.float64]


ROUNDING = 1e-9
"""Rounding of a singular value that is zero, in units of the edge: it is a root of a rounded eigenvalue."""


class Distances(NamedTuple):
    """Largest difference of two distribution functions, and area between them in units of the upper edge."""

    kolmogorov: float
    wasserstein: float


def spectral_distances(bulk: Bulk, singular_values: Array) -> Distances:
    """Distances between the empirical distribution of singular values and a predicted bulk.

    The singular values are all of one network, zeros included, in descending order; shape ``(width,)``. Those
    above the edge count as if they were at the edge: a spike does not make the area large by its place.
    """
    edge = float(bulk.edges[-1, 1])
    values = np.minimum(singular_values[::-1], edge)
    count = values.size
    # Next to zero the distribution functions jump together; a rounded zero must not count before the jump.
    values = np.where(values < ROUNDING * edge, 0.0, values)
    predicted = bulk.cdf(values)
    before = np.where(values > 0.0, predicted, 0.0)
    ranks = np.arange(count + 1) / count
    last = np.append(values[1:] != values[:-1], True)
    first = np.append(True, values[1:] != values[:-1])
    kolmogorov = max(
        float(np.max(np.abs(ranks[1:] - predicted)[last])), float(np.max(np.abs(before - ranks[:-1])[first]))
    )
    wasserstein = float(np.mean(np.abs(values - _levels(bulk, count)))) / edge
    return Distances(kolmogorov, wasserstein)


@lru_cache(maxsize=8)
def _levels(bulk: Bulk, count: int) -> Array:
    """Predicted places of `count` singular values."""
    return bulk.quantile((np.arange(count) + 0.5) / count)
