"""Quadrature rules: of finitely many Gaussian draws, and of the distribution of a readout weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import hermite_e, legendre
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import ndtri

from rmt_spikes.functions.hermite import normalized_hermite

Array = NDArray[np.float64]

TAIL_CELLS = 64
"""Cells kept one by one on each side: twice as many change losses by less than 1e-6, half by as much."""

REACH, PANELS, PANEL_NODES = 12.0, 48, 20
"""Of the quadrature of the normal distribution: beyond its reach there is 4e-33 of it, and twice as many
panels change nothing in double precision."""

MIDDLE_NODES = 120
"""Of the density between the tails: twice as many change nothing in double precision."""

LEAST_NODES = 3
"""Of a rule on a piece of the line: a mean, a variance and its asymmetry."""


@dataclass(frozen=True, eq=False)
class GaussRule:
    """Gauss quadrature of a discrete distribution.

    Attributes
    ----------
    nodes, weights
        Shape ``(n_nodes,)``: exact for polynomials up to degree ``2 n_nodes - 1``.
    diagonal, off
        Recurrence of the orthonormal polynomials (the Jacobi matrix), shapes ``(n_nodes,)`` and
        ``(n_nodes - 1,)``.
    """

    nodes: Array
    weights: Array
    diagonal: Array
    off: Array

    def polynomials(self, x: Array) -> Array:
        """Orthonormal polynomials of the distribution at `x`, shape ``(n_nodes, *x.shape)``."""
        table = np.zeros((self.diagonal.size, *x.shape))
        table[0] = 1.0
        for k, norm in enumerate(self.off):
            table[k + 1] = (x - self.diagonal[k]) * table[k]
            if k:
                table[k + 1] -= self.off[k - 1] * table[k - 1]
            table[k + 1] /= norm
        return table


def gauss_rule(points: Array, count: int, masses: Array | None = None) -> GaussRule:
    """Gauss quadrature of a discrete distribution with masses, by default equal ones, at some points.

    It has `count` nodes, or fewer when there are fewer distinct points: Lanczos tridiagonalisation with full
    reorthogonalisation, then the eigenvalues of the Jacobi matrix.
    """
    points = np.asarray(points, dtype=float)
    vector = np.ones(points.size) if masses is None else np.sqrt(masses)
    vector = vector / np.linalg.norm(vector)
    basis = np.zeros((min(count, points.size), points.size))
    diagonal: list[float] = []
    off: list[float] = []
    size = max(1e-300, float(np.max(np.abs(points))))
    for k in range(basis.shape[0]):
        basis[k] = vector
        image = points * vector
        diagonal.append(float(vector @ image))
        for _ in range(2):
            image = image - basis[: k + 1].T @ (basis[: k + 1] @ image)
        norm = float(np.linalg.norm(image))
        if norm < 1e-12 * size or k + 1 == basis.shape[0]:
            break
        off.append(norm)
        vector = image / norm
    values, vectors = eigh_tridiagonal(np.array(diagonal), np.array(off))
    return GaussRule(values, vectors[0] ** 2, np.array(diagonal), np.array(off))


@lru_cache(maxsize=8)
def legendre_rule(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on (-1, 1)."""
    return _frozen(*legendre.leggauss(count))


@lru_cache(maxsize=128)
def gaussian_draws(draws: int, count: int, splits: tuple[float, ...] = ()) -> tuple[Array, Array]:
    """Gauss quadrature of the distribution of `draws` independent standard normal variables, at least one.

    Nodes and weights have shape ``(min(count, draws),)`` and are symmetric; a single draw is a sign. With
    `splits` there is a rule on each piece of the line, for functions with kinks or jumps there.

    Notes
    -----
    The line is cut into `draws` cells of equal probability and each is represented by its root mean
    square (with its sign), so the second moment is exactly one and no node lies beyond the typical
    largest draw, about ``sqrt(2 log draws)``. The 64 outermost cells on each side are kept one by one,
    the rest is the normal density. A Gauss-Hermite rule would put nodes where no neuron of the network is.
    """
    if draws == 1:
        return _frozen(np.array([-1.0, 1.0]), np.array([0.5, 0.5]))
    tail = min(draws // 2, TAIL_CELLS)
    edges = -ndtri(np.arange(tail + 1) / draws)
    upper_moment = np.zeros(tail + 1)
    finite = edges[1:]
    upper_moment[1:] = finite * np.exp(-0.5 * finite**2) / np.sqrt(2 * np.pi) + np.arange(1, tail + 1) / draws
    outer = np.sqrt(np.maximum(np.diff(upper_moment), 0.0) * draws)
    points = [-outer, outer]
    masses = [np.full(tail, 1.0 / draws)] * 2
    rest = 1.0 - 2.0 * tail / draws
    if rest > 1e-12:
        end = float(edges[-1])
        nodes, weights = _in_pieces(tuple(each / end for each in splits if abs(each) < end))
        density = weights * np.exp(-0.5 * (end * nodes) ** 2)
        middle = rest * density / density.sum() if end > 1e-8 else np.full(nodes.size, rest / nodes.size)
        points.append(end * nodes)
        masses.append(middle)
    if splits:
        return _rules_between(splits, np.concatenate(points), np.concatenate(masses), min(count, draws))
    rule = gauss_rule(np.concatenate(points), min(count, draws), np.concatenate(masses))
    nodes, weights = rule.nodes, rule.weights
    return _frozen(0.5 * (nodes - nodes[::-1]), 0.5 * (weights + weights[::-1]))


def _in_pieces(splits: tuple[float, ...]) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on the pieces of (-1, 1)."""
    nodes, weights = legendre_rule(MIDDLE_NODES)
    ends = np.array([-1.0, *sorted(splits), 1.0])
    half, middle = 0.5 * np.diff(ends)[:, None], 0.5 * (ends[1:] + ends[:-1])[:, None]
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def _rules_between(
    splits: tuple[float, ...], points: Array, masses: Array, count: int
) -> tuple[Array, Array]:
    """Gauss rules of a distribution on points, one between each two splits; about `count` nodes in all."""
    rules, piece = [], np.searchsorted(np.sort(splits), points)
    for k in np.unique(piece[masses > 0.0]):
        inside = piece == k
        share = float(masses[inside].sum())
        rule = gauss_rule(points[inside], max(LEAST_NODES, math.ceil(count * share)), masses[inside])
        rules.append((rule.nodes, share * rule.weights))
    nodes, weights = map(np.concatenate, zip(*rules, strict=True))
    return _frozen(nodes, weights / weights.sum())


@lru_cache(maxsize=64)
def gauss_hermite(count: int, splits: tuple[float, ...] = ()) -> tuple[Array, Array]:
    """Gauss quadrature of a standard normal variable: nodes and weights of shape ``(count,)``.

    With `splits` there is a rule on each piece of the line, for functions with kinks or jumps there.
    """
    if splits:
        return _rules_between(splits, *normal_panels(splits), count)
    nodes, weights = hermite_e.hermegauss(count)
    return _frozen(nodes, weights / weights.sum())


def normal_panels(splits: tuple[float, ...] = ()) -> tuple[Array, Array]:
    """Nodes and weights for a standard normal variable: Gauss-Legendre panels with edges at the splits."""
    edges = np.unique(np.concatenate([np.linspace(-REACH, REACH, PANELS + 1), splits]))
    x, w = legendre_rule(PANEL_NODES)
    half = 0.5 * np.diff(edges)[:, None]
    z = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * x).ravel()
    weights = (half * w).ravel() * np.exp(-0.5 * z**2)
    return z, weights / weights.sum()


def _frozen(nodes: Array, weights: Array) -> tuple[Array, Array]:
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


@dataclass(frozen=True, eq=False)
class ReadoutLaw:
    """Quadrature rule for the distribution of a readout weight, known by its name in a setting.

    Nodes and weights have shape ``(n_nodes,)``; the weights are positive and sum to one.
    """

    name: str
    nodes: Array
    weights: Array

    @property
    def rank(self) -> int | None:
        """Number of linearly independent powers of the weight; None when all of them are."""
        return {"rademacher": 2, "constant": 1}.get(self.name)

    def polynomials(self, alpha: Array, count: int = 5) -> Array:
        """Orthonormal polynomials of degree 0 to ``count - 1`` at `alpha`, shape ``(count, *alpha.shape)``.

        Degrees that do not exist for the distribution (a sign has no square of its own) are zero.
        """
        alpha = np.asarray(alpha, dtype=float)
        if self.name == "gaussian":
            return normalized_hermite(count - 1, alpha)
        table = np.zeros((count, *alpha.shape))
        table[0] = 1.0
        if self.name == "rademacher" and count > 1:
            table[1] = alpha
        return table


@lru_cache(maxsize=64)
def readout_law(name: str, count: int = 24, draws: int | None = None) -> ReadoutLaw:
    """Quadrature rule for the distribution of a readout weight of a name.

    A continuous distribution has `count` nodes, and is that of the weights of `draws` neurons; None is the
    limit.
    """
    if name == "gaussian":
        return ReadoutLaw(name, *(gauss_hermite(count) if draws is None else gaussian_draws(draws, count)))
    if name == "rademacher":
        return ReadoutLaw(name, np.array([-1.0, 1.0]), np.array([0.5, 0.5]))
    return ReadoutLaw(name, np.array([1.0]), np.array([1.0]))
