"""Squared correlations of singular vectors with polynomials of the latent variables of few samples.

docs/theory.md section 4. Hermite polynomials of `n` samples are orthogonal up to terms of order
``n^(-1/2)``, so a vector that carries one of them is correlated with others.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite

Array = NDArray[np.float64]

VARIABLES, LARGEST, SEED = 1 << 18, 4096, 20261128
"""Normal variables of all draws together, the largest number of samples that is drawn, and their seed.

More samples deviate from orthogonality like this number, but less, by the root of the ratio. Chance leaves
4 % of the squared correlation of degrees two and four at 300 samples (0.14), and 19 % at the largest number
(0.013)."""

KEPT = 64
"""Numbers of samples whose draws are kept."""


def expected_correlations(profile: Array, table: Array, weights: Array, count: int) -> Array:
    """Mean squared correlations of a unit vector with the Hermite polynomials of Gaussian variables.

    Parameters
    ----------
    profile
        Mean of ``sqrt(count)`` times a component of the vector, at the nodes of the variable, shape ``(n,)``.
    table
        Normalised Hermite polynomials at the nodes, from degree zero on, shape ``(k, n)``.
    weights
        Of the nodes, shape ``(n,)``.
    count
        Number of independent variables.

    Returns
    -------
    ndarray of shape (k,)
        What the profile carries is that of each draw of the variables; the rest of the vector is noise.
    """
    gram = (table * weights) @ table.T
    coefficients = np.linalg.lstsq(gram, table @ (weights * profile))[0]
    rest = max(0.0, 1.0 - float(coefficients @ gram @ coefficients))
    drawn = _grams(count, table.shape[0])
    overlaps = drawn @ coefficients
    norms = overlaps @ coefficients + rest
    energies = np.diagonal(drawn, axis1=1, axis2=2)
    seen = overlaps**2 / (energies * norms[:, None])
    square = coefficients**2
    linear = 2.0 * overlaps * coefficients - square * (energies + norms[:, None])
    return _controlled(seen, linear, square * (1.0 - np.sum(square) - rest)) + rest / count


def _controlled(values: Array, other: Array, mean: Array) -> Array:
    """Mean of `values` over draws, by means of `other` values whose `mean` is known (control variates)."""
    deviation = other - other.mean(axis=0)
    variance = np.mean(deviation**2, axis=0)
    covariance = np.mean(deviation * values, axis=0)
    slope = np.divide(covariance, variance, out=np.zeros(mean.size), where=variance > 0.0)
    return np.asarray(values.mean(axis=0) - slope * (other.mean(axis=0) - mean))


@lru_cache(maxsize=KEPT)
def _grams(count: int, degrees: int) -> Array:
    """Inner products of the polynomials over the samples of each draw, shape ``(draws, k, k)``."""
    size = min(count, LARGEST)
    draws = VARIABLES // size
    table = _table(degrees)[:, : draws * size].reshape(degrees, draws, size).swapaxes(0, 1)
    exact = np.eye(degrees)
    return np.asarray(exact + (table @ table.swapaxes(1, 2) / size - exact) * np.sqrt(size / count))


@lru_cache(maxsize=2)
def _table(degrees: int) -> Array:
    return normalized_hermite(degrees - 1, np.random.default_rng(SEED).standard_normal(VARIABLES))
