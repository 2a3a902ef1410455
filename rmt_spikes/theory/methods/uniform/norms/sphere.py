"""Quadrature rules for a point on a sphere: one coordinate of unit variance, and norms of normal vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from rmt_spikes.functions.quadrature import legendre

Array = NDArray[np.float64]

PIECE = 40
"""Gauss-Legendre nodes between two kinks: twice as many change losses by less than 1e-6 of themselves."""

REACH = 9.0
"""Of the quadrature: in more dimensions than that squared there is less than 1e-18 beyond it."""

NORMAL = 1e7
"""Dimensions in which the coordinate is taken to be normal."""


def coordinate_rule(dimensions: int, count: int) -> tuple[Array, Array]:
    """Gauss rule of a coordinate: nodes and weights, shape ``(count,)``."""
    k, half = np.arange(1, count, dtype=np.float64), 0.5 * (dimensions - 2)
    off: Array = np.sqrt(dimensions * k * (k + 2.0 * half - 1.0) / (4.0 * (k + half) * (k + half - 1.0)))
    return _gauss(np.zeros(count), off)


def norm_rule(dimensions: int, count: int) -> tuple[Array, Array]:
    """Gauss rule of the squared norm of a standard normal vector over its mean."""
    k, alpha = np.arange(1, count, dtype=np.float64), 0.5 * dimensions - 1.0
    x, weights = _gauss(2.0 * np.arange(count, dtype=np.float64) + alpha + 1.0, np.sqrt(k * (k + alpha)))
    return 2.0 * x / dimensions, weights


def _gauss(diagonal: Array, off: Array) -> tuple[Array, Array]:
    """Gauss rule of a distribution by its Jacobi matrix."""
    nodes, vectors = eigh_tridiagonal(diagonal, off)
    return nodes, vectors[0] ** 2


def coordinate(mean: Array, scale: Array, dimensions: Array, splits: Sequence[float]) -> tuple[Array, Array]:
    """Nodes and weights of a coordinate for functions of ``mean + scale zeta`` with kinks at `splits`.

    Shapes are those of the arguments, broadcast against each other, with one more axis.
    """
    mean, scale, dimensions = np.broadcast_arrays(mean, scale, dimensions)
    end = np.minimum(np.sqrt(dimensions), REACH)
    width = np.where(scale > 0.0, scale, 1.0)
    inner = [np.clip((kink - mean) / width, -end, end) for kink in sorted(splits)] or [np.zeros_like(end)]
    cuts = [-end, *inner, end]
    x, w = legendre(PIECE)
    nodes, weights = [], []
    for low, high in pairwise(cuts):
        half = 0.5 * (high - low)[..., None]
        nodes.append(0.5 * (low + high)[..., None] + half * x)
        weights.append(half * w)
    z, weight = np.concatenate(nodes, axis=-1), np.concatenate(weights, axis=-1)
    inside = np.maximum(1.0 - z**2 / dimensions[..., None], 1e-300)
    weight = weight * np.exp(0.5 * (dimensions[..., None] - 3.0) * np.log(inside))
    return z, weight / weight.sum(axis=-1, keepdims=True)


def second(dimensions: Array | float) -> Array:
    """Variance of the squared coordinate."""
    return np.asarray(2.0 * (np.asarray(dimensions) - 1.0) / (np.asarray(dimensions) + 2.0))


def third(dimensions: Array | float) -> Array:
    """Fourth moment of the coordinate: its cube less so much of itself is a harmonic."""
    d = np.asarray(dimensions)
    return np.asarray(3.0 * d / (d + 2.0))


def third_norm(dimensions: Array | float) -> Array:
    """Variance of that harmonic."""
    d = np.asarray(dimensions)
    return np.asarray(15.0 * d**2 / ((d + 2.0) * (d + 4.0)) - third(d) ** 2)
