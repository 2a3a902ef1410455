"""Zeros of a function; where a formula is defined, where it has kinks, and where it has narrow details."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.expression_tree import Node
from rmt_spikes.functions.quadrature import legendre
from rmt_spikes.functions.table import TABLE

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], Any]

REACH = 38.0
"""End of what a Gaussian variable reaches: ``exp(-z^2/2)`` is 1e-314 there, below normal doubles."""

_FAR = 1e4
"""Last point looked at, for arguments of a large scale."""

_MOST_CELLS = 200
"""Bounds the work on a formula that is made to oscillate."""

MAX_KINKS = 64
"""Each kink splits every integral: bounds the work."""

_MOST_CENTERS = 64
"""Points around which narrow details are looked for: bounds the work."""

_NARROWEST = 40
"""Halvings of an interval: a width of ``2^-39`` is 1e-12, near the rounding of ``z``."""

_NODES, _WEIGHTS = legendre(24)


@cache
def scan_points() -> FloatArray:
    """Return where functions are looked at: every 0.01 up to 40, then 1 % apart up to 10^4."""
    fine = np.linspace(-40.0, 40.0, 8001)
    coarse = np.geomspace(40.0, _FAR, 560)[1:]
    points = np.concatenate([-coarse[::-1], fine, coarse])
    points.flags.writeable = False
    return points


def sample(function: Function, points: FloatArray) -> FloatArray:
    """Evaluate a function that may return a scalar for a constant; the shape is that of the points."""
    return np.broadcast_to(np.asarray(function(points), dtype=np.float64), points.shape)


def find_zeros(value: Function, slope: Function) -> FloatArray:
    """Find the zeros of a function with a given slope in ``[-10^4, 10^4]``, those that touch 0 included.

    Of an interval of zeros come its ends; of many hundreds of zeros those nearest to 0. A pair between two
    neighbours of `scan_points` is found by the turning point between them, unless that is not the only one.
    """
    points = scan_points()
    values = sample(value, points)
    turning = find_turning_points(value, slope)
    at_turn = sample(value, turning)
    finite = np.where(np.isfinite(values), np.abs(values), 0.0)
    around = np.searchsorted(points, turning)[:, None] + np.array([-50, -5, -1, 0, 4, 49])
    size = finite[np.clip(around, 0, points.size - 1)].max(axis=1, initial=0.0)
    touching = np.abs(at_turn) <= 1e-13 * size
    # With the turning points among the points, a short excursion below 0 shows as two changes of sign.
    points = np.concatenate([points, turning])
    values = np.concatenate([values, np.where(touching, 0.0, at_turn)])
    order = np.argsort(points, kind="stable")
    crossings = _boundaries(value, points[order], values[order], rank=np.abs(points[order]))
    return distinct([*crossings, *turning[touching]])


def find_turning_points(value: Function, slope: Function) -> FloatArray:
    """Find where a function turns in ``[-10^4, 10^4]``: of many hundreds, where it is smallest."""
    points = scan_points()
    return distinct(_boundaries(slope, points, sample(slope, points), rank=np.abs(sample(value, points))))


def distinct(points: Iterable[float]) -> FloatArray:
    """Sort points, and drop those within 1e-11 of another one, relative to a size above 1."""
    kept: list[float] = []
    for point in sorted(float(point) + 0.0 for point in points):
        if not kept or point - kept[-1] > 1e-11 * max(1.0, abs(point)):
            kept.append(point)
    return np.array(kept)


def _boundaries(function: Function, points: FloatArray, values: FloatArray, rank: FloatArray) -> FloatArray:
    """Bisect every cell whose ends have different signs, all cells at once, those of lowest rank first."""
    signs = np.sign(values)
    cells = np.flatnonzero((signs[:-1] != signs[1:]) & np.isfinite(values[:-1]) & np.isfinite(values[1:]))
    if cells.size > _MOST_CELLS:
        cells = np.sort(cells[np.argsort(rank[cells], kind="stable")[:_MOST_CELLS]])
    left, right, sign = points[cells], points[cells + 1], signs[cells]
    for _ in range(60):
        middle = (left + right) / 2
        same = np.sign(sample(function, middle)) == sign
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    # Bisection never moves an end onto the other side, so a zero at an end of a cell is returned exactly.
    return np.where(signs[cells + 1] == 0, right, left)


def check_domain(root: Node, field: str, text: str) -> None:
    """Refuse poles, values that are not real and overflow, on ``|z| <= 38``, with a `DomainError`."""
    points = scan_points()
    near = points[np.abs(points) <= REACH]
    for node, need in conditions(root):
        if node.constant is not None:
            continue
        zeros = _zeros(node)
        zeros = zeros[np.abs(zeros) <= REACH]
        if need != "nonnegative" and zeros.size:
            where = zeros[np.argmin(np.abs(zeros))] + 0.0
            raise DomainError(field, f"expression must be finite, but has a pole at z = {where:.6g}", text)
        between = np.sort(np.concatenate([near, (zeros[1:] + zeros[:-1]) / 2]))
        negative = between[sample(node.value, between) < 0]
        if need != "nonzero" and negative.size:
            where = negative[np.argmin(np.abs(negative))]
            raise DomainError(field, f"expression must be real, but is not at z = {where:.6g}", text)
    bad = near[~np.isfinite(sample(root.value, near))]
    if bad.size:
        where = bad[np.argmin(np.abs(bad))]
        advice = "it must not overflow for |z| <= 38"
        raise DomainError(field, f"expression must be finite, but is not at z = {where:.6g}", text, advice)


def kink_arguments(root: Node) -> Iterator[Node]:
    """Yield what stands inside abs, max, sqrt and their like: a formula is not smooth where one is 0."""
    for node in root.walk():
        if node.constant is not None or not node.arguments:
            continue
        if node.operation in ("max", "min"):
            yield Node("sub", node.arguments)
        elif (node.operation in TABLE and TABLE[node.operation].kink) or (
            node.operation == "pow" and node.exponent % 1
        ):
            yield node.arguments[0]


def find_kinks(root: Node, field: str, text: str) -> tuple[float, ...]:
    """Find where a formula is not smooth, the zeros inside abs, max, sqrt and their like, nearest to 0."""
    kinks = distinct(zero for node in kink_arguments(root) for zero in _zeros(node)).tolist()
    if sum(abs(kink) <= REACH for kink in kinks) > MAX_KINKS:
        raise DomainError(field, f"expression must have at most {MAX_KINKS} kinks for |z| <= 38", text)
    return tuple(sorted(sorted(kinks, key=abs)[:MAX_KINKS]))


def find_details(root: Node, kinks: tuple[float, ...]) -> tuple[float, ...]:
    """Find the ends of short intervals around narrow features, such as that of ``tanh(1e6*z)``; mostly none.

    What is narrow in a formula stands where the argument of a function, a denominator or a base is 0 or
    turns. There, and at the kinks, the formula is looked at on intervals of width ``2^-2, 2^-3, ...``: where
    halving such an interval changes the integral over it, the intervals down to that width are needed.
    """
    found: list[float] = list(kinks)
    for node in root.walk():
        if node.constant is None and node.operation in (*TABLE, "div", "pow"):
            argument = node.arguments[-1 if node.operation == "div" else 0]
            if argument.constant is None and argument.operation != "z":
                found.extend([*_zeros(argument), *find_turning_points(argument.value, argument.slope)])
            elif argument.operation == "z":
                found.append(0.0)
    near = [center for center in distinct(found) if abs(center) <= REACH]
    centers = np.array(sorted(near, key=abs)[:_MOST_CENTERS])
    widths = 0.5 ** np.arange(2, _NARROWEST)
    details: set[float] = set()
    for side in (-1.0, 1.0):
        ends = centers[:, None] + side * widths
        whole = _integral(root, centers[:, None], ends)
        middle = (centers[:, None] + ends) / 2
        halves = _integral(root, centers[:, None], middle) + _integral(root, middle, ends)
        size = np.abs(sample(root.value, np.hstack([centers[:, None], ends])))
        scale = size.max(axis=1)
        unresolved = np.abs(whole - halves) > 1e-11 * widths * scale[:, None]
        for row, center in enumerate(centers):
            # Towards a kink such as that of sqrt every width is unresolved: adaptive quadrature sees it.
            narrow = np.flatnonzero(unresolved[row])
            if 0 < narrow.size < widths.size:
                details.add(float(center))
                details.update(ends[row, : narrow[-1] + 2].tolist())
    return tuple(sorted(details))


def _integral(root: Node, left: FloatArray, right: FloatArray) -> FloatArray:
    half = (right - left) / 2
    points = ((left + right) / 2)[..., None] + half[..., None] * _NODES
    values: FloatArray = sample(root.value, points) @ _WEIGHTS * np.abs(half)
    return values


def conditions(root: Node) -> Iterator[tuple[Node, str]]:
    """Yield each subtree whose sign matters, with what it must be."""
    for node in root.walk():
        if node.constant is not None or not node.arguments:
            continue
        first = node.arguments[0]
        if node.operation == "div":
            yield node.arguments[1], "nonzero"
        elif node.operation == "pow":
            if node.exponent < 0:
                yield first, "positive" if node.exponent % 1 else "nonzero"
            elif node.exponent % 1:
                yield first, "nonnegative"
        elif node.operation == "log1p":
            yield Node("add", (first, Node("number", constant=1.0))), "positive"
        elif node.operation in TABLE and TABLE[node.operation].domain != "real":
            yield first, TABLE[node.operation].domain


def _zeros(node: Node) -> FloatArray:
    return find_zeros(node.value, node.slope)
