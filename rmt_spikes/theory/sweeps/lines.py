"""Losses and numbers of spikes along the step, from the predictions at a few steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.accuracy.bars import with_bars
from rmt_spikes.theory.bulk.interval import cosine_sums
from rmt_spikes.theory.prediction import Prediction
from rmt_spikes.theory.results import LOSSES as NAMES
from rmt_spikes.theory.results import Losses
from rmt_spikes.theory.sweeps.names import COUNT
from rmt_spikes.theory.sweeps.points import FAILURES, Found, Plan, Point, Solved, inaccuracies, predict_at
from rmt_spikes.theory.sweeps.table import Failure

Array = NDArray[np.float64]

LOSSES = tuple(f"losses.{name}" for name in NAMES)
"""Quantities that are interpolated."""

WITH_BARS = (*LOSSES, *(f"losses.error.{name}" for name in NAMES))
"""These and their error bars, which follow from them."""

FIRST_DEGREE = 10
"""Degree of the first interpolation: its last coefficients say whether another is needed."""

LARGEST_DEGREE = 160
"""Degree of the last one: sweeps from 0.01 to 60 at a ridge of 1e-3 take degree 40 for six digits."""

SCAN = 8
"""Parts of a line at whose ends spikes are counted at least: nearer than that, no spike comes and goes."""

REMEMBERED = 24
"""Last predictions that the next one may start from: a few megabytes each."""


@dataclass(frozen=True, eq=False)
class _Steps:
    """Points that differ in the step only.

    Attributes
    ----------
    steps
        Step of each point; NaN of what is no setting.
    valid
        Numbers of the others.
    sizes, place
        Their ascending steps without repetitions, and the place of each among these.
    """

    points: Sequence[Point]
    steps: Array
    valid: NDArray[np.intp]
    sizes: Array
    place: NDArray[np.intp]

    @classmethod
    def of(cls, plan: Plan, points: Sequence[Point]) -> _Steps:
        """Sort points by their step."""
        steps = np.full(len(points), np.nan)
        for i, point in enumerate(points):
            # What is no setting is left to `predict_at`, which says why.
            try:
                steps[i] = plan.setting.replace(**point.values).step
            except FAILURES:
                continue
        valid = np.flatnonzero(np.isfinite(steps))
        sizes, place = np.unique(steps[valid], return_inverse=True)
        return cls(points, steps, valid, sizes, place)

    @cached_property
    def first(self) -> dict[int, Point]:
        """The first point at each place."""
        pairs = reversed(list(zip(self.valid.tolist(), self.place.tolist(), strict=True)))
        return {k: self.points[i] for i, k in pairs}


@dataclass(frozen=True, eq=False)
class _Counts:
    """Numbers of spikes by place, and those that were predicted."""

    numbers: Sequence[float]
    predicted: Mapping[int, Found]


def solve_lines(plan: Plan, lines: Sequence[Sequence[Point]], *, step: str, rtol: float) -> Solved:
    """Predict lines of points that differ in the step only, whose key is `step`; neighbours differ little.

    Losses are interpolated to `rtol`, the number of spikes is filled in, and the rest is predicted.
    """
    laid = [_Steps.of(plan, points) for points in lines]
    counts: Sequence[_Counts | None] = [None] * len(laid)
    if COUNT in plan.names and not any(name.startswith("spikes") for name in plan.names):
        alike = all(np.array_equal(each.place, laid[0].place) for each in laid)
        groups = [laid] if alike else [[each] for each in laid]
        counts = [each for group in groups for each in _counted(plan, group)]
    solved = [_solve_line(plan, each, known, step, rtol) for each, known in zip(laid, counts, strict=True)]
    return Solved(
        tuple(found for each in solved for found in each.found),
        max(each.error for each in solved),
        sum(each.solves for each in solved),
    )


def _counted(plan: Plan, lines: Sequence[_Steps]) -> list[_Counts]:
    """Numbers of spikes on lines of the same places."""
    predicted: list[dict[int, Found]] = [{} for _ in lines]
    known: dict[tuple[int, int], Prediction] = {}

    def count(row: int, k: int) -> float:
        found = predict_at(plan, (COUNT,), lines[row].first[k], known, (row, k))
        predicted[row][k] = found
        for oldest in [*known][:-REMEMBERED]:
            del known[oldest]
        return float(found.values[COUNT])

    numbers = table_filled(count, len(lines), lines[0].sizes.size)
    return [_Counts(*each) for each in zip(numbers, predicted, strict=True)]


def _solve_line(plan: Plan, line: _Steps, counts: _Counts | None, step: str, rtol: float) -> Solved:
    points, valid, sizes = line.points, line.valid.tolist(), line.sizes
    solves, error, place = set[float](), 0.0, line.place.tolist()
    found = [Found(point, {}) for point in points]
    pending = {i: set(plan.names) for i in range(len(points))}

    if {*WITH_BARS} & {*plan.names} and sizes.size > 2 * FIRST_DEGREE + 1:
        losses = interpolated(plan, points[valid[0]], step, sizes, rtol)
        if losses is not None:
            solves |= losses.steps
            error = losses.error
            wanted = [name for name in WITH_BARS if name in plan.names]
            for i, k in zip(valid, place, strict=True):
                values = _losses_at(plan, points[i], losses.values[:, k], wanted)
                warned = tuple(
                    Failure(points[i].index, dict(points[i].values), tuple(wanted), text)
                    for text in losses.warned
                )
                found[i] = found[i].joined(Found(points[i], values, (), warned))
                pending[i] -= {*wanted}

    if counts is not None:
        solves |= {float(sizes[k]) for k in counts.predicted}
        for i, k in zip(valid, place, strict=True):
            at = counts.predicted.get(k, Found(points[i], {COUNT: counts.numbers[k]}))
            moved = [tuple(_at(points[i], each) for each in group) for group in (at.failures, at.warned)]
            found[i] = found[i].joined(Found(points[i], at.values, *moved))
            pending[i] -= {COUNT}

    for i, point in enumerate(points):
        names = [name for name in plan.names if name in pending[i]]
        if names:
            found[i] = found[i].joined(predict_at(plan, names, point))
            solves.add(float(line.steps[i]))
    return Solved(tuple(found), error, len(solves))


def _losses_at(plan: Plan, point: Point, values: Array, wanted: Sequence[str]) -> dict[str, float]:
    """Interpolated losses at a point by name, and their error bars where these are wanted."""
    losses = Losses(**dict(zip(NAMES, values.tolist(), strict=True)))
    if not {*wanted} <= {*LOSSES}:
        losses = with_bars(plan.predict(point.values).solution, losses)
    read = {f"losses.{name}": getattr(losses, name) for name in NAMES}
    read |= {f"losses.error.{name}": getattr(losses.error, name, np.nan) for name in NAMES}
    return {name: read[name] for name in wanted}


@dataclass(frozen=True)
class Line:
    """Losses along the step, shape ``(3, n_steps)``, with the steps that were predicted."""

    values: Array
    error: float
    steps: set[float]
    warned: tuple[str, ...]


def interpolated(plan: Plan, point: Point, step: str, sizes: Array, rtol: float) -> Line | None:
    """Losses at ascending `sizes` of the step of a point; None where interpolation does not reach `rtol`."""
    others = {key: value for key, value in point.values.items() if key != step}
    texts: dict[str, None] = {}
    solved: set[float] = set()

    def solve(values: Array) -> Array:
        table = []
        for value in values.tolist():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                losses = plan.predict({**others, "step_size": value}).losses
            texts.update(dict.fromkeys(inaccuracies(caught)))
            solved.add(value)
            table.append([losses.objective, losses.train, losses.test])
        return np.array(table).T

    try:
        one = plan.predict({**others, "step_size": 1.0})
        unit = abs(one.latent.shift) * np.sqrt(one.setting.width)
        values, error = along(solve, float(unit), sizes, rtol)
    except FAILURES:
        return None
    return Line(values, error, solved, tuple(texts))


def along(solve: Callable[[Array], Array], unit: float, steps: Array, rtol: float) -> tuple[Array, float]:
    """Functions of the step at ascending `steps`, and the estimate of their relative error.

    They are interpolated in ``asinh(unit * step)``. The points of one round serve in the next.

    Raises
    ------
    ConvergenceError
        If 161 solutions do not give the accuracy.
    """
    low, high = np.arcsinh(unit * steps[[0, -1]])
    position = (2.0 * np.arcsinh(unit * steps) - low - high) / (high - low)
    degree, values = FIRST_DEGREE, np.empty((3, 0))
    while degree <= LARGEST_DEGREE:
        points = np.cos(np.pi * np.arange(degree + 1) / degree)
        at = np.clip(np.sinh(0.5 * (low + high + (high - low) * points)) / unit, *steps[[0, -1]])
        new = np.arange(degree + 1) if values.size == 0 else np.arange(1, degree, 2)
        table = np.empty((3, degree + 1))
        table[:, new] = solve(at[new])
        if values.size:
            table[:, ::2] = values
        values = table
        coefficients = cosine_sums(values) / degree
        coefficients[:, [0, -1]] *= 0.5
        tail = np.sum(np.abs(coefficients[:, -degree // 6 :]), axis=1)
        error = float(np.max(tail / np.min(np.abs(values), axis=1)))
        if error <= rtol:
            return chebyshev.chebval(position, coefficients.T), error
        degree *= 2
    raise ConvergenceError("the losses were not interpolated", residual=error, last=degree // 2)


def filled(
    value: Callable[[int], float], size: int, agreed: Mapping[int, float] | None = None
) -> list[float]:
    """Values of a step function at ``0, ..., size - 1``: found by halving where they differ.

    Between two of equal value at most an eighth of the range apart, all are taken for equal; so are all that
    are `agreed` on.
    """
    known = dict(agreed or {})

    def at(i: int) -> float:
        if i not in known:
            known[i] = value(i)
        return known[i]

    values = [known.get(i, np.nan) for i in range(size)]
    ends = sorted({round(x) for x in np.linspace(0, size - 1, SCAN + 1)}) if size else []
    parts = [*pairwise(ends)] or [(i, i) for i in ends]
    if agreed:
        # What is not agreed on, with a point that is on either side.
        inside = [i for i in range(size) if i not in agreed]
        starts = [i for i in inside if i - 1 not in inside]
        stops = [i for i in inside if i + 1 not in inside]
        pairs = [(max(i - 1, 0), min(j + 1, size - 1)) for i, j in zip(starts, stops, strict=True)]
        middles = [(i + j) // 2 for i, j in pairs]
        parts = [part for (i, j), k in zip(pairs, middles, strict=True) for part in ((i, k), (k, j))]
    while parts:
        low, high = parts.pop()
        if at(low) == at(high):
            values[low : high + 1] = [at(low)] * (high + 1 - low)
        elif high - low > 1:
            middle = (low + high) // 2
            parts += [(low, middle), (middle, high)]
        else:
            values[low], values[high] = at(low), at(high)
    return values


def table_filled(value: Callable[[int, int], float], rows: int, size: int) -> list[list[float]]:
    """Values of a step function of two numbers, ``rows`` times ``size``.

    The first and the last row are `filled`; of one between two that are known, all values that agree there
    are taken.
    """
    table = {row: filled(partial(value, row), size) for row in sorted({0, rows - 1})}
    parts = [(0, rows - 1)]
    while parts:
        low, high = parts.pop()
        middle = (low + high) // 2
        if middle > low:
            ends = zip(table[low], table[high], strict=True)
            agreed = {k: one for k, (one, other) in enumerate(ends) if one == other}
            table[middle] = filled(partial(value, middle), size, agreed)
            parts += [(middle, high), (low, middle)]
    return [table[row] for row in range(rows)]


def _at(point: Point, failure: Failure) -> Failure:
    """The same failure at another point of equal step."""
    return Failure(point.index, dict(point.values), failure.quantities, failure.reason)
