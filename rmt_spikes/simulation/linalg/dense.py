"""Eigenvalues, top eigenvectors and shifted solution of a Gram matrix from one tridiagonal reduction."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.simulation.network.sampling import Array


class GramSolution(NamedTuple):
    """What is read off a Gram matrix.

    `eigenvalues` are descending, all of them or the top ones; `vectors`, of shape (size, top), are the
    eigenvectors of the largest, as columns of norm 1; `solution` is ``(gram + ridge)^-1 target``.
    """

    eigenvalues: Array
    vectors: Array
    solution: Array


def solve_dense(gram: Array, target: Array, ridge: float, top: int) -> GramSolution | None:
    """Find all eigenvalues, the `top` eigenvectors and ``(gram + ridge)^-1 target`` at once.

    With ``gram = Q T Q^T`` and `T` tridiagonal, the eigenvalues are those of `T`, its top eigenvectors are
    turned by `Q`, and ``(gram + ridge)^-1 = Q (T + ridge)^-1 Q^T``: nothing but the reduction costs the cube
    of the size. `gram` is a lower triangle in column order, and is overwritten. The result is None when
    rounding leaves the shifted matrix indefinite.

    Raises
    ------
    ConvergenceError
        When LAPACK fails.
    """
    size = len(gram)
    if size == 1:
        return GramSolution(gram[0].copy(), np.ones((1, 1)), target / (gram[0] + ridge))
    work, _ = lapack.dsytrd_lwork(size, lower=1)
    reduced, diagonal, off_diagonal, reflectors, info = lapack.dsytrd(
        gram, lower=1, lwork=int(work), overwrite_a=1
    )
    _check_lapack("dsytrd", info)
    try:
        eigenvalues = scipy.linalg.eigvalsh_tridiagonal(diagonal, off_diagonal, lapack_driver="sterf")
        _, small = scipy.linalg.eigh_tridiagonal(
            diagonal, off_diagonal, select="i", select_range=(size - top, size - 1), lapack_driver="stebz"
        )
    except scipy.linalg.LinAlgError as error:
        raise ConvergenceError(f"spectrum of a Gram matrix failed: {error}", residual=np.inf) from error
    turned = _turn(reduced, reflectors, target[:, None], "T")
    _, _, solution, info = lapack.dptsv(diagonal + ridge, off_diagonal, turned)
    if info != 0:
        return None
    both = _turn(reduced, reflectors, np.concatenate([small[:, ::-1], solution], axis=1), "N")
    return GramSolution(eigenvalues[::-1], both[:, :top], both[:, top])


def _turn(reduced: Array, reflectors: Array, columns: Array, direction: str) -> Array:
    """Apply the orthogonal matrix of a reduction, or its transpose, to columns."""
    size = len(reduced)
    # The reflectors act on all coordinates but the first, exactly like those of a QR factorisation of the
    # block whose first column starts one row below the diagonal. Read from its second number on, the
    # matrix has that block in its first rows.
    shifted = reduced.T.reshape(-1)[1 : 1 + size * (size - 1)].reshape((size, size - 1), order="F")
    assert np.shares_memory(shifted, reduced)
    result = np.array(columns, order="F")
    turned, _, info = lapack.dormqr(
        "L", direction, shifted, reflectors, result[1:], lwork=64 * (result.shape[1] + 65)
    )
    _check_lapack("dormqr", info)
    result[1:] = turned
    return result


def _check_lapack(routine: str, info: int) -> None:
    if info != 0:
        raise ConvergenceError(f"LAPACK {routine} returned {info}", residual=float("inf"))
