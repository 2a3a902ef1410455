"""LU decompositions of real and complex matrices, to be used more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgetrf, dgetri, dgetrs, zgetrf, zgetrs

Values = NDArray[Any]


def lu_factors(matrix: Values) -> tuple[Values, NDArray[np.int32]]:
    """LU decomposition; one of a singular matrix has solutions that are not finite."""
    if matrix.size == 0:
        return matrix, np.zeros(0, dtype=np.int32)
    factors, pivots, _ = (dgetrf if np.isrealobj(matrix) else zgetrf)(matrix, overwrite_a=True)
    return factors, pivots


def lu_solution(factors: tuple[Values, NDArray[np.int32]], right: Values) -> Values:
    """Solution of linear equations, by the LU decomposition of their matrix."""
    if right.size == 0:
        return right
    real = np.isrealobj(factors[0]) and np.isrealobj(right)
    return np.asarray((dgetrs if real else zgetrs)(*factors, right)[0])


def inverses(matrices: Values) -> Values:
    """Inverses of some matrices.

    Raises
    ------
    LinAlgError
        If one has none.
    """
    if matrices.shape[0] > 1 or matrices.dtype != np.float64:
        return np.asarray(np.linalg.inv(matrices))
    # What the general function does around this takes as long.
    factors, pivots, singular = dgetrf(matrices[0].T)
    if singular:
        raise np.linalg.LinAlgError("singular matrix")
    return np.asarray(dgetri(factors, pivots, overwrite_lu=True)[0].T[None])
