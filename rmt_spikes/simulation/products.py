"""The matrix products of a trial, written where their result is kept and never through a copy.

BLAS works on columns, numpy on rows: the transpose of an array of one kind is one of the other, so that
handing over transposes copies nothing.

All go through the BLAS of scipy, whose LAPACK is used as well. Numpy has a BLAS of its own, and after each
product its threads look out for the next one for some 30 ms: they would take processors from those of scipy.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

Array = NDArray[np.float64]

Precision = Literal["double", "single"]
"""Floating type of the products with the inputs; all sums over samples are in double precision.

In single precision an entry of ``X W^T`` carries a relative error of a few 1e-7. The errors of different
entries are independent, so that the features are changed by a matrix of operator norm about
``1e-7 (sqrt(n_ridge) + sqrt(width))``: singular values of ``F / sqrt(n_ridge)`` move by about 1e-7. The Gram
matrix, whose rounding would square the condition number, and everything after it stay in double precision.
"""


def operand(matrix: Array, precision: Precision) -> Array:
    """Return a matrix in the floating type of the products, without a copy in double precision."""
    return matrix if precision == "double" else matrix.astype(np.float32)


def multiply_transposed(left: Array, right: Array, out: Array) -> Array:
    """Write ``left @ right.T`` into `out` and return it.

    All three have contiguous rows of the same floating type.
    """
    gemm = blas.dgemm if left.dtype == np.float64 else blas.sgemm
    done = gemm(1.0, right.T, left.T, c=out.T, trans_a=1, overwrite_c=1)
    assert np.shares_memory(done, out)
    return out


def add_product(left: Array, right: Array, out: Array) -> None:
    """Add ``left.T @ right`` to `out`, which is in double precision.

    All three have contiguous rows, `left` and `right` of the same floating type.
    """
    if left.dtype == np.float64:
        done = blas.dgemm(1.0, right.T, left.T, beta=1.0, c=out.T, trans_b=1, overwrite_c=1)
        assert np.shares_memory(done, out)
    else:
        out += blas.sgemm(1.0, right.T, left.T, trans_b=1).T


def multiply(left: Array, right: Array) -> Array:
    """Compute ``left @ right`` of contiguous rows in double precision and a vector or contiguous rows."""
    if right.ndim == 1:
        vector: Array = blas.dgemv(1.0, left.T, right, trans=1)
        return vector
    product: Array = blas.dgemm(1.0, right.T, left.T).T
    return product


def project(left: Array, right: Array) -> Array:
    """Compute ``left.T @ right`` of the same kinds of operands as for `multiply`."""
    if right.ndim == 1:
        vector: Array = blas.dgemv(1.0, left.T, right)
        return vector
    product: Array = blas.dgemm(1.0, right.T, left.T, trans_b=1).T
    return product


def add_gram(rows: Array, out: Array) -> None:
    """Add the lower triangle of ``rows.T @ rows`` to `out`, both in double precision.

    `out` is in column order (``order="F"``), and its strict upper triangle is not touched.
    """
    done = blas.dsyrk(1.0, rows.T, beta=1.0, c=out, lower=1, overwrite_c=1)
    assert np.shares_memory(done, out)


def outer_gram(rows: Array) -> Array:
    """Compute the lower triangle of ``rows @ rows.T`` of contiguous rows, in column order; zero above it."""
    gram: Array = blas.dsyrk(1.0, rows.T, trans=1, lower=1)
    return gram
