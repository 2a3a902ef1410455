"""Symmetric matrices: their decomposition, and their first eigenvectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsyevr, dsytrf, dsytrs

from rmt_spikes.errors import ConvergenceError

Array = NDArray[np.float64]

COLUMNS = 64
"""Columns of a matrix that are eliminated together."""


@dataclass(frozen=True, eq=False)
class SymmetricFactors:
    """Decomposition ``L D L^T`` of a symmetric matrix.

    Attributes
    ----------
    factors, pivots
        As LAPACK gives them.
    singular
        Whether a pivot is zero.
    """

    factors: Array
    pivots: NDArray[np.int32]
    singular: bool

    @classmethod
    def of(cls, matrix: Array) -> SymmetricFactors:
        """Decomposition of a matrix, of which one triangle is read."""
        factors, pivots, zero = dsytrf(matrix, lwork=COLUMNS * matrix.shape[0])
        return cls(factors, pivots, zero > 0)

    @property
    def negative(self) -> int:
        """Number of negative eigenvalues, by Sylvester's law of inertia.

        A block of two rows has one.
        """
        single = self.pivots > 0
        return int(np.sum(np.diagonal(self.factors)[single] < 0.0)) + int(np.sum(~single)) // 2

    def solve(self, right: Array) -> Array:
        """Solution of linear equations.

        Raises
        ------
        LinAlgError
            If there is none.
        """
        if self.singular:
            raise np.linalg.LinAlgError("singular matrix")
        return np.asarray(dsytrs(self.factors, self.pivots, right)[0])


def first_eigenvectors(matrix: Array, count: int) -> tuple[Array, Array]:
    """First eigenvalues of a symmetric matrix, ascending, and eigenvectors in columns.

    Raises
    ------
    ConvergenceError
        If they are not found.
    """
    count = min(count, matrix.shape[0])
    values, vectors, _, _, failed = dsyevr(matrix, range="I", il=1, iu=count)
    if failed:
        raise ConvergenceError("an eigenvalue was not found", residual=np.inf)
    return values[:count], vectors
