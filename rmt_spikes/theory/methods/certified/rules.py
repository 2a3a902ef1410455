"""Gauss quadrature of finitely many Gaussian draws, in balls (docs/theory.md section 4)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from flint import arb, ctx, fmpq
from scipy.linalg import eigh_tridiagonal

from rmt_spikes.theory.methods.certified.expansion import normal_density
from rmt_spikes.theory.quadrature_rules import TAIL_CELLS


@dataclass(frozen=True, eq=False)
class BallRule:
    """Nodes and weights of a quadrature, ascending, symmetric where the distribution is."""

    nodes: list[arb]
    weights: list[arb]


def symmetric_law(draws: int, middle_nodes: int) -> list[tuple[arb, arb]]:
    """The distribution of `draws` Gaussian variables, its positive half as points with masses.

    That of `quadrature_rules.gaussian_draws`: `draws` cells of equal probability, the 64 outermost on each
    side represented by their root mean square, the normal density between them.
    """
    if draws == 1:
        return [(arb(1), arb(1) / 2)]
    tail = min(draws // 2, TAIL_CELLS)
    root = arb(2).sqrt()
    shares = [arb(fmpq(2 * k, draws)) for k in range(1, tail + 1)]
    edges = [root * share.erfcinv() if share < 1 else arb(0) for share in shares]
    moments = [arb(0), *(e * normal_density(e) + fmpq(k, draws) for k, e in enumerate(edges, 1))]
    mass = arb(fmpq(1, draws))
    points = [(((high - low) * draws).sqrt(), mass) for low, high in itertools.pairwise(moments)]
    if 2 * tail < draws:
        end = edges[-1]
        for k in range(middle_nodes):
            x, weight = arb.legendre_p_root(2 * middle_nodes, k, weight=True)
            points.append((end * x, end * weight * normal_density(end * x)))
    return points


@lru_cache(maxsize=64)
def gaussian_draws(draws: int, count: int, bits: int) -> BallRule:
    """Gauss quadrature of the distribution of `draws` independent standard normal variables.

    The number of nodes is even, and smaller than `count` when the distribution has fewer points; `bits` is
    their precision, and part of the key of the cache. The recurrence of the orthogonal polynomials comes from
    Stieltjes' procedure with extra bits for its growth of errors, the nodes from Newton's method on it.
    """
    with ctx.workprec(2 * bits + 4 * count):
        half = symmetric_law(draws, count // 2 + bits // 6 + 40)
        if 2 * len(half) <= count:
            return _mirrored(half)
        off = [beta.sqrt() for beta in _recurrence(half, count)]
        neighbours = np.array([float(b) for b in off[:-1]])
        guesses = eigh_tridiagonal(np.zeros(count), neighbours, eigvals_only=True)
        return _mirrored([_node(arb(float(x)), off, count, bits) for x in guesses[count // 2 :]])


def _mirrored(half: list[tuple[arb, arb]]) -> BallRule:
    pairs = sorted(((x.mid(), w.mid()) for x, w in half), key=lambda pair: float(pair[0]))
    both = [(-x, w) for x, w in reversed(pairs)] + pairs
    return BallRule([x for x, _ in both], [w for _, w in both])


def _recurrence(half: list[tuple[arb, arb]], count: int) -> list[arb]:
    """Squared off-diagonal entries of the Jacobi matrix: ``beta_1, beta_2, ...``."""
    before, now = [arb(0)] * len(half), [arb(1)] * len(half)
    squares: list[arb] = []
    norm, beta = sum((2 * w for _, w in half), arb(0)), arb(0)
    for _ in range(count):
        before, now = now, [x * p - beta * b for (x, _), p, b in zip(half, now, before, strict=True)]
        new = sum((2 * w * p * p for (_, w), p in zip(half, now, strict=True)), arb(0))
        norm, beta = new, new / norm
        squares.append(beta)
    return squares


def _node(x: arb, off: list[arb], count: int, bits: int) -> tuple[arb, arb]:
    """Zero of the orthonormal polynomial of degree `count` next to a guess, and its Christoffel number."""
    for _ in range(2 + (2 * bits // 40).bit_length()):
        value, slope, _ = _orthonormal(x, off, count)
        x = (x - value / slope).mid()
    _, _, total = _orthonormal(x, off, count)
    return x, 1 / total


def _orthonormal(x: arb, off: list[arb], count: int) -> tuple[arb, arb, arb]:
    """Polynomial of degree `count`, its slope, and the sum of squares of those below."""
    before, now, total = arb(0), arb(1), arb(0)
    slope_before, slope = arb(0), arb(0)
    for last, following in itertools.pairwise([arb(0), *off[:count]]):
        total += now * now
        slope_before, slope = slope, (now + x * slope - last * slope_before) / following
        before, now = now, (x * now - last * before) / following
    return now, slope, total
