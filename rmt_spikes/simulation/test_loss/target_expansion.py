"""Expansion of a target in products of Hermite polynomials of its directions."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.cubature import hermite_coefficients
from rmt_spikes.functions.teacher import SeveralFunction, Teacher
from rmt_spikes.simulation.network.sampling import Array
from rmt_spikes.simulation.test_loss.row_expansion import ROUNDING, RowExpansion, expand_rows

DEGREES = (4, 8, 16, 32, 62)
"""Total degrees that are tried for several directions, until little is left."""

MOST_TERMS = 2100
"""Products of polynomials: total degree 62 for two directions, 20, 12 and 9 for three to five."""

ACCURATE = 1e-9
"""Accuracy of the coefficients that is asked for: a loss counts as exact at 1e-6."""

_LITTLE = 1e-7
"""Root of the share of the energy that may be left out before a higher degree is tried: near rounding."""


@dataclass(frozen=True, eq=False)
class TargetExpansion:
    """``y = sum_k g_k h_k(u)`` over multi-indices `k`, with ``h_k = prod_i He_(k_i) / sqrt(k_i!)``.

    Attributes
    ----------
    degrees : ndarray of int, shape (terms, directions)
        Multi-indices, all of those of a total degree of at most `order`.
    coefficients : ndarray of shape (terms,)
        ``g_k``.
    tail : float
        Root of the energy of what is left out.
    error : float
        Root of the sum of squares of the errors of the coefficients.
    """

    degrees: NDArray[np.int64]
    coefficients: Array
    tail: float
    error: float

    @property
    def order(self) -> int:
        """Total degree up to which the expansion goes."""
        return int(self.degrees.sum(axis=1).max())

    def along(self, correlation: Array, rows: RowExpansion) -> Array:
        """Compute ``E y f(t z_j)`` for Gaussian variables of given correlations with the directions.

        `correlation`, of shape (directions, rows), belongs to rows whose expansion is `rows`.
        """
        powers = correlation[:, None] ** np.arange(self.order + 1)[:, None]
        total = np.zeros(correlation.shape[1])
        for degrees, g in zip(self.degrees, self.coefficients, strict=True):
            k = int(degrees.sum())
            ways = np.exp(0.5 * (lgamma(k + 1) - sum(lgamma(each + 1) for each in degrees)))
            product = np.prod(powers[np.arange(len(degrees)), degrees], axis=0)
            total += g * ways * rows.coefficients[:, k] * product
        return total


@lru_cache(maxsize=16)
def expand_target(teacher: Teacher, order: int) -> TargetExpansion:
    """Expand a target up to a total degree, less where fewer terms hold nearly all of its energy."""
    if not isinstance(teacher.function, SeveralFunction):
        rows = expand_rows(teacher.function, np.ones(1), order)
        return TargetExpansion(np.arange(order + 1)[:, None], rows.coefficients[0], rows.tails()[0, -1], 0.0)
    for degree in DEGREES:
        found = _several(teacher.function, teacher.moments.second, min(degree, order))
        following = [each for each in DEGREES if each > degree]
        enough = found.tail <= _LITTLE * teacher.moments.second**0.5
        if enough or degree >= order or not following:
            break
        if len(_indices(teacher.directions, following[0])) > MOST_TERMS:
            break
    return found


def _several(function: SeveralFunction, second: float, order: int) -> TargetExpansion:
    degrees = _indices(function.directions, order)
    table = hermite_coefficients(function.root, function.directions, order, settled=ACCURATE)
    value, error = (part[tuple(degrees.T)] for part in (table.value, table.error))
    left = max(second - float(value @ value), ROUNDING * second)
    return TargetExpansion(degrees, value, left**0.5, float(np.linalg.norm(error)))


def _indices(directions: int, order: int) -> NDArray[np.int64]:
    """Multi-indices of a total degree of at most `order`, by degree."""
    found = [
        np.bincount(np.array(chosen, dtype=np.int64), minlength=directions)
        for degree in range(order + 1)
        for chosen in combinations_with_replacement(range(directions), degree)
    ]
    return np.array(found)
