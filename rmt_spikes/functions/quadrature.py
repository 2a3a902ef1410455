"""Quadrature rules: adaptive on the line, and vectorised against a Gaussian weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]

_EPSILON = float(np.finfo(np.float64).eps)

_PANEL_NODES = 24
"""Exact to degree 47: a smooth integrand on a narrow panel is integrated to rounding."""

_NEAR = 12.0
"""Beyond it a Gaussian density is below 1e-31: wider panels do."""

_DEEPEST = 60
"""Halvings after which a panel is as narrow as the rounding of its ends."""

_MOST_PANELS = 4000
"""Bounds the work on an integrand that does not settle."""

_STEP = 0.4
"""First step of the trapezoidal rule in standard deviations."""

_SMOOTH_LEVELS = 13
"""Its halvings, down to a step of 1e-4: bounds the work."""

_LEGENDRE = (32, 64, 128)
"""Nodes of the rules on a piece, tried before the tanh-sinh rules, which do not need smooth ends."""

_DOUBLE_EXPONENTIAL_LEVELS = 6
"""Tanh-sinh rules, of 53 to 1639 nodes."""

_NODES_APART = 0.2
"""Distance of nodes in resolving panels: 24 nodes resolve 30 radians, equal steps go wrong beyond pi each."""

_SETTLED = 1e-9
"""One more doubling squares the relative error of these rules, so a change of this size leaves rounding."""

_CHUNK = 1 << 14
"""Points at a time, 128 kB of doubles: memory stays small at any number of elements."""

_LAST = len(_LEGENDRE) + 2
"""Rules whose spacing of nodes is checked; the later ones are tried for their error alone."""


@cache
def legendre(count: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the Gauss-Legendre rule on [-1, 1]."""
    return np.polynomial.legendre.leggauss(count)


@cache
def double_exponential(level: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the tanh-sinh rule of step ``2^-(level + 3)`` on [-1, 1]."""
    step = 0.5 ** (level + 3)
    t = step * np.arange(-round(3.2 / step), round(3.2 / step) + 1)
    inner = np.pi / 2 * np.sinh(t)
    return np.tanh(inner), step * np.pi / 2 * np.cosh(t) / np.cosh(inner) ** 2


def adaptive_integral(
    integrand: Callable[[FloatArray], FloatArray],
    splits: Sequence[float],
    reach: float,
    width: float = 0.25,
) -> tuple[FloatArray, FloatArray, float]:
    """Integrate several functions at once over ``[-reach, reach]``, halving panels until they settle.

    The integrand maps points of shape (m,) to values of shape (functions, m). The first panels end at the
    splits; they have a width up to ``|z| = 12``, and four times that beyond. A feature narrower than about a
    hundredth of it, and far from every split, may lie between the nodes and be missed.

    Returns the integrals, bounds on their errors (the change when each panel was last halved, plus the
    rounding of the sums), and the width of the narrowest panels that were needed.
    """
    inner = [split for split in splits if -reach < split < reach]
    near = np.linspace(0.0, _NEAR, math.ceil(_NEAR / width) + 1)
    far = np.linspace(_NEAR, reach, math.ceil((reach - _NEAR) / (4 * width)) + 1)
    edges = np.unique(np.concatenate([-far, -near, near, far, inner]))
    left, right = edges[:-1], edges[1:]
    coarse, size = _panels(integrand, left, right)
    total, error = np.zeros(coarse.shape[0]), np.zeros(coarse.shape[0])
    scale = size.sum(axis=1, keepdims=True)
    finest = width
    for depth in range(_DEEPEST):
        middle = (left + right) / 2
        halves, size = _panels(integrand, np.concatenate([left, middle]), np.concatenate([middle, right]))
        count = left.size
        fine = halves[:, :count] + halves[:, count:]
        rounding = 8 * _EPSILON * (size[:, :count] + size[:, count:])
        change = np.abs(fine - coarse)
        settled = np.all(change <= np.maximum(rounding, _EPSILON / 8 * scale), axis=0)
        settled |= (depth == _DEEPEST - 1) | (middle <= left) | (middle >= right)
        if 2 * np.count_nonzero(~settled) > _MOST_PANELS:
            settled[:] = True
        total += fine[:, settled].sum(axis=1)
        error += (change + rounding)[:, settled].sum(axis=1)
        if settled.all():
            break
        more = ~settled
        finest = min(finest, float((right - left)[more].min()) / 2)
        left, right = np.concatenate([left[more], middle[more]]), np.concatenate([middle[more], right[more]])
        coarse = np.concatenate([halves[:, :count][:, more], halves[:, count:][:, more]], axis=1)
    return total, error, finest


def _panels(
    integrand: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Integrate over each panel: integrals and integrals of the absolute value, (functions, panels)."""
    nodes, weights = legendre(_PANEL_NODES)
    half = (right - left) / 2
    points = ((left + right) / 2)[:, None] + half[:, None] * nodes
    values = integrand(points.ravel()).reshape(-1, *points.shape)
    return (values @ weights) * half, (np.abs(values) @ weights) * half


@cache
def _trapezoid(level: int, reach: float) -> tuple[FloatArray, FloatArray]:
    """Return the nodes that halving the step adds, and their weights for 1, Z and (Z^2 - 1)/2."""
    step = _STEP / 2**level
    count = round(reach / step)
    index = np.arange(-count, count + 1)
    z = step * (index if level == 0 else index[index % 2 != 0])
    weight = step * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return z, np.stack([weight, weight * z, weight * (z * z - 1) / 2], axis=1)


def smooth_moments(
    function: Function, mean: FloatArray, scale: FloatArray, reach: float, cut: FloatArray, finest: float
) -> FloatArray:
    """Integrate ``f(u)``, ``Z f(u)``, ``(Z^2 - 1)/2 f(u)`` and ``f(u)^2`` by the trapezoidal rule.

    Here ``u = mean + scale Z`` has shape (m,), and the result (4, m). The rule converges geometrically for
    analytic functions; the step is halved for those elements that still move. No rule settles below `cut`,
    the size of ``f(u) exp(-Z^2/4)`` at the ends of the range, ``|Z| = reach``. Sums on nodes coarser than
    `finest`, the width of the panels of 24 nodes that resolve the function, are not compared: two of them
    that miss the same feature would agree.
    """

    def level_sum(level: int, part: NDArray[np.intp]) -> FloatArray:
        z, weights = _trapezoid(level, reach)
        values = function(mean[part, None] + scale[part, None] * z)
        return np.concatenate([(values @ weights).T, ((values * values) @ weights[:, 0])[None]])

    result = np.zeros((4, mean.size))
    todo = np.arange(mean.size)
    with np.errstate(divide="ignore"):
        least = np.log2(_STEP * scale / (_NODES_APART * finest)).clip(0, _SMOOTH_LEVELS - 3)
    for level in range(_SMOOTH_LEVELS):
        added = _chunked(level_sum, level, todo, _trapezoid(level, reach)[0].size)
        before = result[:, todo]
        after = before / 2 + added if level else added
        result[:, todo] = after
        if level:
            todo = todo[(level < least[todo] + 1) | _moving(before, after, cut[todo])]
        if not todo.size:
            return result
    raise _too_many_nodes(before, after)


def piecewise_moments(
    function: Function, mean: FloatArray, scale: FloatArray, reach: float, cut: FloatArray, finest: float
) -> FloatArray:
    """Compute what `smooth_moments` does for a function with an attribute ``splits``, piece by piece."""
    splits = np.array(function.splits)  # type: ignore[attr-defined]

    def edges(part: NDArray[np.intp]) -> FloatArray:
        where = np.nan_to_num((splits - mean[part, None]) / scale[part, None], nan=0.0)
        ends = np.full((part.size, 1), reach)
        return np.concatenate([-ends, np.clip(where, -reach, reach), ends], axis=1)

    def rule_sum(level: int, part: NDArray[np.intp]) -> FloatArray:
        nodes, weights = _rule(level)
        pieces = edges(part)
        half = np.diff(pieces)[:, :, None] / 2
        z = ((pieces[:, 1:] + pieces[:, :-1]) / 2)[:, :, None] + half * nodes
        weight = np.exp(-z * z / 2)
        weight *= half * (weights / np.sqrt(2 * np.pi))
        z, weight = z.reshape(part.size, -1), weight.reshape(part.size, -1)
        values = function(mean[part, None] + scale[part, None] * z)
        weighted = values * weight
        first = weighted.sum(axis=1)
        square = np.einsum("ij,ij,ij->i", weighted, z, z)
        linear = np.einsum("ij,ij->i", weighted, z)
        return np.stack([first, linear, (square - first) / 2, np.einsum("ij,ij->i", weighted, values)])

    result = np.zeros((4, mean.size))
    todo = np.arange(mean.size)
    counts = [_rule(level)[0].size for level in range(_LAST)]
    apart = (np.diff(edges(todo)).max(axis=1) * scale)[:, None] / counts
    least = np.count_nonzero(apart > _NODES_APART * finest, axis=1)
    before = after = np.zeros(0)
    for level in range(len(_LEGENDRE) + _DOUBLE_EXPONENTIAL_LEVELS):
        now = todo[least[todo] <= level]
        if not now.size:
            continue
        before = result[:, now]
        after = _chunked(rule_sum, level, now, (splits.size + 1) * _rule(level)[0].size)
        result[:, now] = after
        settled = now[(least[now] < level) & ~_moving(before, after, cut[now])]
        todo = np.setdiff1d(todo, settled, assume_unique=True)
        if not todo.size:
            return result
    raise _too_many_nodes(before, after)


def _rule(level: int) -> tuple[FloatArray, FloatArray]:
    if level < len(_LEGENDRE):
        return legendre(_LEGENDRE[level])
    return double_exponential(level - len(_LEGENDRE))


def _too_many_nodes(before: FloatArray, after: FloatArray) -> ConvergenceError:
    residual = float(np.abs(after - before).max())
    return ConvergenceError("a Gaussian moment needs too many nodes", residual=residual)


def _moving(before: FloatArray, after: FloatArray, cut: FloatArray) -> NDArray[np.bool_]:
    """Tell which elements changed by more than what one more doubling turns into rounding."""
    size = np.abs(after[3])
    change = np.abs(after - before)
    settled = change[:3].max(axis=0) <= np.maximum(_SETTLED * np.sqrt(size), cut)
    settled &= change[3] <= np.maximum(_SETTLED * size, cut * cut)
    moving: NDArray[np.bool_] = np.isfinite(size) & ~settled
    return moving


def _chunked(
    rule: Callable[[int, NDArray[np.intp]], FloatArray], level: int, todo: NDArray[np.intp], nodes: int
) -> FloatArray:
    """Apply a rule to bounded numbers of points at a time: memory stays small at any number of elements."""
    step = max(1, _CHUNK // nodes)
    return np.concatenate([rule(level, todo[i : i + step]) for i in range(0, todo.size, step)], axis=1)
