"""Correlations of singular vectors with polynomials of the latent variables, and their signs."""

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.simulation.network.sampling import Array

POLYNOMIALS = 5
"""Number of polynomials (degrees 0 to 4) that singular vectors are compared with."""

DEGREES = {"gaussian": POLYNOMIALS, "rademacher": 2, "constant": 1}
"""Orthonormal polynomials that each readout distribution has, of those compared."""

SIGN_THRESHOLD = 0.05
"""A coefficient below this does not decide the sign of a singular vector: it may be noise."""


def row_signs(rows: Array) -> Array:
    """Return the signs that make the leading entry of each row positive.

    It is the first above 0.05 in absolute value, or the largest when there is none.
    """
    size = np.abs(rows)
    large = size > SIGN_THRESHOLD
    leading = np.where(large.any(axis=1), large.argmax(axis=1), size.argmax(axis=1))
    entries = np.take_along_axis(rows, leading[:, None], axis=1)[:, 0]
    return np.where(entries < 0.0, -1.0, 1.0)


def readout_alignment(readout: str, alpha: Array, right: Array) -> Array:
    """Square the correlations of right singular vectors with the polynomials of the readout distribution.

    `alpha`, of shape (width,), are the realised readout weights; the columns of `right`, of shape (width,
    top), have norm 1. The result has the shape (top, 5), with 0 for degrees that the distribution of the
    `readout` does not have.
    """
    polynomials = normalized_hermite(POLYNOMIALS - 1, alpha)
    polynomials[DEGREES[readout] :] = 0.0
    return squared_correlations((polynomials @ right).T, polynomials)


def squared_correlations(overlaps: Array, functions: Array) -> Array:
    """Square the correlations of unit vectors with functions of a latent variable.

    `overlaps`, of shape (top, 5), are their inner products ``<v, f>`` with the `functions`, of shape
    (5, size) and not centred. The result is ``<v, f>^2 / ||f||^2``, and 0 where `f` is zero.
    """
    energy = np.einsum("ki,ki->k", functions, functions)
    return overlaps**2 / np.where(energy > 0.0, energy, 1.0)


def closest(overlaps: Array, functions: Array) -> tuple[NDArray[np.int64], Array]:
    """Find the function that each unit vector is closest to.

    `overlaps`, of shape (count, top), are inner products of the `functions`, of shape (size, count), with the
    vectors. Returned are the number of the function and the squared correlation, of shape (top,).
    """
    squares = squared_correlations(overlaps.T, functions.T)
    best = squares.argmax(axis=1)
    return best, squares[np.arange(len(best)), best]
