"""Expectations over several Gaussian variables, with the error of the rule that was used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.expression_tree import VARIABLES, Node
from rmt_spikes.functions.quadrature import legendre
from rmt_spikes.functions.singularities import kink_arguments

FloatArray = NDArray[np.float64]
Nodes = tuple[FloatArray, FloatArray]
Functions = Callable[[FloatArray, FloatArray], FloatArray]

MOST_NODES = 1_500_000
"""Nodes of the finest rule: a second of work, and five variables with 17 nodes each."""

_RULES = (
    (3, 2, 4),
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

_SETTLED = 1e-13
"""Change between two rules that is rounding, relative to the root of the second moment."""

_CHUNK = 1 << 17
"""Nodes at a time, 1 MB for each variable."""


@dataclass(frozen=True)
class Expectation:
    """Expectations of several functions, and the change of each between the two finest rules."""

    value: FloatArray
    error: FloatArray


def expectation(root: Node, directions: int, functions: Functions, count: int = 1) -> Expectation:
    """Compute expectations of functions of standard Gaussian variables and of a formula in them.

    Rules are refined until nothing moves, or there are too many nodes. For a formula with kinks they end
    pieces there, one variable after the other.

    Parameters
    ----------
    root : Node
        Formula in the first `directions` of `VARIABLES`.
    functions : callable
        Maps variables, of shape (directions, m), and values of the formula, of shape (m,), to values of shape
        (k, m).
    count : int
        Of their order; parts are shorter for many functions.
    """
    parts = [_with_level(part) for node in kink_arguments(root) for part in _factors(node)]
    kinks = [[node for level, node in parts if level == variable] for variable in range(directions)]
    rules = (_nodes(kinks, *rule, max(1, _CHUNK // count)) for rule in _RULES)
    before = _sum(root, next(rules), functions)
    error: FloatArray = np.full(1, np.inf)
    for rule in rules:
        now = _sum(root, rule, functions)
        if now is None or before is None:
            break
        error = np.abs(now - before) + 8 * np.finfo(float).eps * np.abs(now)
        before, settled = now, np.all(np.abs(now - before) <= _SETTLED * np.abs(now).max())
        if settled:
            break
    assert before is not None
    return Expectation(before, np.broadcast_to(error, before.shape))


def _sum(root: Node, rule: Iterator[Nodes], functions: Functions) -> FloatArray | None:
    """Sum over the nodes of a rule; None where there are too many of them."""
    total: Any = 0.0
    count = 0
    for points, weights in rule:
        count += weights.size
        if count > MOST_NODES:
            return None
        with np.errstate(all="ignore"):
            values = np.broadcast_to(root.value(points), weights.shape)
            total = total + functions(points, values) @ weights
    return np.asarray(total)


def _nodes(kinks: list[list[Node]], hermite: int, pieces: int, count: int, most: int) -> Iterator[Nodes]:
    """Rule for one variable after the other, in parts: where there are kinks, on pieces that end at them."""
    parts: Iterator[Nodes] = iter([(np.empty((0, 1)), np.ones(1))])
    for here in kinks:
        rule = partial(_on_pieces, here, pieces, count) if here else partial(_hermite, hermite)
        parts = _extended(parts, rule, max(1, most // ((pieces + len(here)) * count if here else hermite)))
    return parts


def _extended(parts: Iterator[Nodes], rule: Callable[[FloatArray], Nodes], step: int) -> Iterator[Nodes]:
    """Add a variable to the nodes of a rule, to `step` of them at a time."""
    for points, weights in parts:
        for start in range(0, weights.size, step):
            some = points[:, start : start + step]
            z, more = rule(some)
            new = (weights[start : start + step, None] * more).ravel()
            kept = new > 0.0
            yield np.vstack([np.repeat(some, z.shape[1], axis=1), z.reshape(1, -1)])[:, kept], new[kept]


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
