"""Hermite coefficients of formulas in several Gaussian variables, with the error of their rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.expression_tree import VARIABLES, Node
from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.functions.quadrature import legendre
from rmt_spikes.functions.singularities import kink_arguments

FloatArray = NDArray[np.float64]
Nodes = tuple[FloatArray, FloatArray]

MOST_NODES = 2_500_000
"""Nodes of the finest rule: two seconds of work, and five variables with 18 nodes each."""

_RULES = (
    (3, 2, 4),
    (4, 2, 6),
    (5, 2, 8),
    (8, 3, 8),
    (12, 4, 10),
    (17, 5, 12),
    (24, 6, 16),
    (34, 8, 20),
    (48, 12, 20),
    (96, 20, 24),
    (192, 40, 24),
)
"""Rules, tried in turn: Gauss-Hermite nodes of a variable; of one with kinks, pieces and nodes on a piece."""

_REACH = 12.0
"""End of the pieces in standard deviations: the density is 2e-32 there."""

_SCAN, _HALVINGS = 49, 52
"""Points a variable between which kinks are looked for, and halvings that place one to rounding."""

_NARROWEST = 1e-13
"""Half of the width of a piece that is rounding of its ends."""

SETTLED = 1e-13
"""Change between two rules that is rounding, relative to the largest coefficient."""

_WORDS = 1 << 21
"""Numbers in memory at a time, 16 MB, apart from those of the outer variables."""


@dataclass(frozen=True)
class Coefficients:
    """``E[f(u) h_k(u)]`` for all multi-indices of degrees up to an order, an axis for each variable.

    Here ``h_k = prod_i He_(k_i) / sqrt(k_i!)``. `error` is the change between the two finest rules.
    """

    value: FloatArray
    error: FloatArray


def hermite_coefficients(
    root: Node, directions: int, order: int, *, power: int = 1, settled: float = SETTLED
) -> Coefficients:
    """Expand a power of a formula in products of Hermite polynomials of standard Gaussian variables.

    Rules are refined until nothing moves by more than `settled`, relative to the largest coefficient, or
    there are too many nodes. For a formula with kinks they end pieces there, one variable after the other.

    Parameters
    ----------
    root : Node
        Formula in the first `directions` of `VARIABLES`.
    order : int
        Highest degree in each variable.
    """
    parts = [_with_level(part) for node in kink_arguments(root) for part in _factors(node)]
    kinks = [[node for level, node in parts if level == variable] for variable in range(directions)]
    # What is integrated over a variable with kinks may have some in the others: two variables leave room.
    pieced = [bool(here or (parts and directions == 2)) for here in kinks]

    def values(points: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            found: FloatArray = np.broadcast_to(root.value(points), points.shape[1:]) ** power
        return found

    before, error = np.zeros(0), np.zeros(0)
    for hermite, pieces, count in _RULES:
        sizes = [
            (pieces + len(here)) * count if cut else hermite for cut, here in zip(pieced, kinks, strict=True)
        ]
        if before.size and math.prod(sizes) > MOST_NODES:
            break
        rules = [
            partial(_on_pieces, here, pieces, count) if cut else partial(_hermite, hermite)
            for cut, here in zip(pieced, kinks, strict=True)
        ]
        now = _conditional(values, rules, np.empty((0, 1)), order)[0]
        error = np.abs(now - before) if before.size else np.full(now.size, np.inf)
        before, done = now, np.all(error <= settled * np.abs(now).max())
        if done:
            break
    shape = (order + 1,) * directions
    rounding = 8 * np.finfo(float).eps * np.abs(before)
    return Coefficients(before.reshape(shape), (error + rounding).reshape(shape))


def _conditional(
    values: Callable[[FloatArray], FloatArray],
    rules: Sequence[Callable[[FloatArray], Nodes]],
    points: FloatArray,
    order: int,
) -> FloatArray:
    """Expand in the remaining variables given points in the others, of shape (variables, m).

    Each variable has its rule. The shape is (m, (order + 1) ** remaining), the first of them first.
    """
    first, *others = rules
    found = []
    width = (order + 1) ** max(1, len(others))
    # A rule is as long next to each point, but for its kinks.
    step = max(1, _WORDS // (first(points[:, :1])[0].size * width))
    for start in range(0, points.shape[1], step):
        some = points[:, start : start + step]
        z, weights = first(some)
        below = np.vstack([np.repeat(some, z.shape[1], axis=1), z.reshape(1, -1)])
        inner = _conditional(values, others, below, order) if others else values(below)
        polynomials = normalized_hermite(order, z) * weights
        sums = polynomials.transpose(1, 0, 2) @ inner.reshape(*z.shape, -1)
        found.append(sums.reshape(len(z), -1))
    return np.concatenate(found)


def _hermite(count: int, points: FloatArray) -> Nodes:
    """Gauss-Hermite nodes and weights next to each point, of shape (m, count)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    shape = (points.shape[1], count)
    return np.broadcast_to(nodes, shape), np.broadcast_to(weights / weights.sum(), shape)


def _on_pieces(kinks: list[Node], pieces: int, count: int, points: FloatArray) -> Nodes:
    """Gauss-Legendre nodes and weights on the pieces next to each point."""
    nodes, rule = legendre(count)
    edges = np.tile(np.linspace(-_REACH, _REACH, pieces + 1), (points.shape[1], 1))
    edges = np.sort(np.hstack([edges, *(_zeros(node, points) for node in kinks)]), axis=1)
    half = np.diff(edges)[:, :, None] / 2
    z = (edges[:, 1:] + edges[:, :-1])[:, :, None] / 2 + half * nodes
    # Two ends that are one but for rounding have nothing between them.
    weights = np.where(half > _NARROWEST, half, 0.0) * rule * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return z.reshape(len(z), -1), weights.reshape(len(z), -1)


def _zeros(node: Node, points: FloatArray) -> FloatArray:
    """Zeros in the next variable, of shape (m, most), filled up with the end of the pieces."""

    def signs(rows: Any, z: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            values = node.value([*points[:, rows], z])
        found: FloatArray = np.sign(np.broadcast_to(values, z.shape))
        return found

    grid = np.linspace(-_REACH, _REACH, _SCAN)
    table = signs(np.arange(points.shape[1])[:, None], np.tile(grid, (points.shape[1], 1)))
    changes = (table[:, 1:] != table[:, :-1]) & np.isfinite(table[:, 1:]) & np.isfinite(table[:, :-1])
    rows, cells = np.nonzero(changes)
    left, right, sign = grid[cells], grid[cells + 1], table[rows, cells]
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        same = signs(rows, middle) == sign
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    place = np.cumsum(changes, axis=1)[rows, cells] - 1
    zeros = np.full((points.shape[1], int(changes.sum(axis=1).max(initial=0))), _REACH)
    zeros[rows, place] = right
    return zeros


def _factors(node: Node) -> Iterator[Node]:
    """Yield what a node is 0 with: the factors of a product, for example."""
    if node.constant is not None:
        return
    inside = {
        "mul": node.arguments,
        "neg": node.arguments,
        "div": node.arguments[:1],
        "pow": node.arguments[:1],
    }
    if node.operation not in inside:
        yield node
    for argument in inside.get(node.operation, ()):
        yield from _factors(argument)


def _with_level(node: Node) -> tuple[int, Node]:
    """Number of the last variable of a formula, and the formula."""
    return max(VARIABLES.index(each.operation) for each in node.walk() if each.operation in VARIABLES), node
