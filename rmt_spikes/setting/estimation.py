"""Population covariance behind a sample covariance, from its resolvent (docs/own.md).

Sampling spreads eigenvalues out: with ``n`` samples in dimension ``d``, those of the identity become
``(1 - sqrt(d/n))^2`` to ``(1 + sqrt(d/n))^2``. What is estimated is the distribution of the population's
eigenvalues: the Marchenko-Pastur equation is linear in it once the resolvent is known (El Karoui 2008), and
so is the resolvent between covariances with the labels in the teacher's shares.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRID = 80
"""Eigenvalues that are tried, from the smallest to the largest of the sample, in equal ratios."""

POINTS = 60
"""Points of the complex plane at which the equation is to hold."""

HEIGHTS = (0.1, 0.4)
"""Imaginary parts of these points, relative to the distance from 0: above it noise is averaged over."""

SMOOTHING, ROUNDS = 0.05, 4
"""Distance above an eigenvalue, relative to it, at which its neighbours are averaged; rounds of weighting."""

ALIKE, RARE, APART = 1.4, 0.01, 2.0
"""Ratio of eigenvalues that are one; share of the dimensions below which one joins its neighbour, unless it
is above that by the last ratio, as a spike is. Shares of a teacher cannot be told on finer levels."""


def population(values: Array, overlaps: Array, n: int, energy: float) -> tuple[Array, Array, Array]:
    """Estimate the eigenvalues, their proportions and the teacher's shares.

    Parameters
    ----------
    values : ndarray of shape (d,)
        Eigenvalues of the sample covariance of `n` samples.
    overlaps : ndarray of shape (d,)
        Squared components of ``X'y/n`` along its eigenvectors.
    n : int
        Number of samples.
    energy : float
        Mean square of the labels.

    Returns
    -------
    tuple of ndarrays of shape (levels,)
        Eigenvalues, proportions that add up to 1, and shares that add up to 1.
    """
    d = values.size
    phi, top = d / n, float(values.max())
    # What lies below the smallest positive one cannot be told from it.
    low = max(float(values[values > 1e-10 * top].min()) / 4, 1e-4 * top)
    levels = np.geomspace(low, top, GRID)
    real = np.concatenate([-np.geomspace(low, 2 * top, POINTS // 3), np.geomspace(low, 1.5 * top, POINTS)])
    z = np.concatenate([real + 1j * height * np.maximum(np.abs(real), low) for height in HEIGHTS])
    resolvent = 1 / (values - z[:, None])
    m = resolvent.mean(axis=1)
    companion = phi * m - (1 - phi) / z
    # 1/v = -z + phi E[l / (1 + l v)], with the companion transform v.
    table = phi * levels / (1 + levels * companion[:, None])
    weights = _distribution(table, 1 / companion + z)
    levels, weights = merged(levels[weights > 0], weights[weights > 0] / weights.sum(), d)
    return levels, weights, teacher_shares(values, overlaps, n, energy, levels, weights)


def teacher_shares(
    values: Array, overlaps: Array, n: int, energy: float, levels: Array, weights: Array
) -> Array:
    """Estimate the shares of the teacher's energy at known eigenvalues; without a signal, their proportions.

    With ``c = X'y/n``, ``c'(S - z)^-1 c`` is ``sum_l A_l [l + z - z/(1 + l v)] + e phi (1 + z m)``. Here
    ``A_l`` is proportional to the shares, and ``e = E y^2 - sum_l A_l l`` is the energy of what is not linear
    in the inputs. The imaginary part above a sample eigenvalue is a local mean of squared components, whose
    scatter is proportional to itself: weights follow from the fit.
    """
    phi = values.size / n
    z = values + 1j * SMOOTHING * np.maximum(values, values.mean() / 4)
    resolvent = 1 / (values - z[:, None])
    m = resolvent.mean(axis=1)
    companion = phi * m - (1 - phi) / z
    signal = levels + z[:, None] - z[:, None] / (1 + levels * companion[:, None])
    unit = phi * (1 + z * m).imag / m.imag
    # What the labels have beside their linear part, E y^2 - sum_l A_l l, is noise.
    table, noise = signal.imag / m.imag[:, None] - levels * unit[:, None], energy * unit
    seen = (resolvent @ overlaps).imag / m.imag
    fit = np.maximum(seen, noise)
    for _ in range(ROUNDS):
        found = nnls(table / fit[:, None], (seen - noise) / fit)
        fit = np.maximum(table @ found + noise, 0.1 * noise)
    total = float(found.sum())
    return found / total if total > 0.0 else weights


def merged(levels: Array, weights: Array, d: int) -> tuple[Array, Array]:
    """Merge ascending eigenvalues that are alike or rare, at the same mean; spikes stay."""
    found = [(float(level), float(weight)) for level, weight in zip(levels, weights, strict=True)]

    def join(k: int) -> None:
        (low, p), (high, q) = found[k : k + 2]
        found[k : k + 2] = [((low * p + high * q) / (p + q), p + q)]

    while len(found) > 1:
        ratios = [high / low for (low, _), (high, _) in pairwise(found)]
        k = int(np.argmin(ratios))
        if ratios[k] < ALIKE:
            join(k)
            continue
        rare = [
            k
            for k, (_, weight) in enumerate(found)
            if weight < RARE and not _spikes(found[k:], ratios[max(k - 1, 0)], d)
        ]
        if not rare:
            break
        k = rare[0]
        # Its nearer neighbour, in ratio.
        join(k if k == 0 or (k < len(ratios) and ratios[k] < ratios[k - 1]) else k - 1)
    return np.array([level for level, _ in found]), np.array([weight for _, weight in found])


def _spikes(above: list[tuple[float, float]], ratio: float, d: int) -> bool:
    """Whether eigenvalues, the largest of all, are those of a few dimensions far above the others."""
    return ratio > APART and all(weight * d >= 0.5 and weight < RARE for _, weight in above)


def _distribution(table: NDArray[np.complex128], values: NDArray[np.complex128]) -> Array:
    """Least squares with coefficients that are not negative and add up to 1; each row counts by its size."""
    scale = 1 / np.abs(values)
    rows, right = table * scale[:, None], values * scale
    left = np.concatenate([rows.real, rows.imag])
    strength = 100 * np.abs(left).max()
    left = np.vstack([left, np.full(table.shape[1], strength)])
    return nnls(left, np.concatenate([right.real, right.imag, [strength]]))


def nnls(left: Array, right: Array) -> Array:
    """Least squares with coefficients that are not negative."""
    from scipy.optimize import nnls as solve

    found: Array = solve(left, right, maxiter=100 * left.shape[1])[0]
    return found
