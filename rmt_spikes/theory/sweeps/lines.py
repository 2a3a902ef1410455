"""Losses and numbers of spikes along the step, from the predictions at a few steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.fft import dct

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.accuracy.bars import with_bars
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


def solve_line(plan: Plan, points: Sequence[Point], *, step: str, rtol: float) -> Solved:
    """Predict points that differ in the step only, whose key is `step`.

    Losses are interpolated to `rtol`, the number of spikes is filled in, and the rest is predicted.
    """
    steps, solves, error = np.full(len(points), np.nan), set[float](), 0.0
    for i, point in enumerate(points):
        # What is no setting is left to `predict_at`, which says why.
        try:
            steps[i] = plan.setting.replace(**point.values).step
        except FAILURES:
            continue
    valid = np.flatnonzero(np.isfinite(steps))
    sizes, place = np.unique(steps[valid], return_inverse=True)
    found = [Found(point, {}) for point in points]
    pending = {i: set(plan.names) for i in range(len(points))}

    if {*WITH_BARS} & {*plan.names} and sizes.size > 2 * FIRST_DEGREE + 1:
        line = interpolated(plan, points[int(valid[0])], step, sizes, rtol)
        if line is not None:
            solves |= line.steps
            error = line.error
            wanted = [name for name in WITH_BARS if name in plan.names]
            for i, k in zip(valid.tolist(), place.tolist(), strict=True):
                values = _losses_at(plan, points[i], line.values[:, k], wanted)
                warned = tuple(
                    Failure(points[i].index, dict(points[i].values), tuple(wanted), text)
                    for text in line.warned
                )
                found[i] = found[i].joined(Found(points[i], values, (), warned))
                pending[i] -= {*wanted}

    if COUNT in plan.names and not any(name.startswith("spikes") for name in plan.names):
        first = {int(k): int(i) for i, k in reversed(list(zip(valid, place, strict=True)))}
        counted: dict[int, Found] = {}

        def count(k: int) -> float:
            counted[k] = predict_at(plan, (COUNT,), points[first[k]])
            solves.add(float(sizes[k]))
            return float(counted[k].values[COUNT])

        numbers = filled(count, sizes.size)
        for i, k in zip(valid.tolist(), place.tolist(), strict=True):
            at = counted.get(k, Found(points[i], {COUNT: numbers[k]}))
            moved = [tuple(_at(points[i], each) for each in group) for group in (at.failures, at.warned)]
            found[i] = found[i].joined(Found(points[i], at.values, *moved))
            pending[i] -= {COUNT}

    for i, point in enumerate(points):
        names = [name for name in plan.names if name in pending[i]]
        if names:
            found[i] = found[i].joined(predict_at(plan, names, point))
            solves.add(float(steps[i]))
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
        coefficients = dct(values, type=1, axis=1) / degree
        coefficients[:, [0, -1]] *= 0.5
        tail = np.sum(np.abs(coefficients[:, -degree // 6 :]), axis=1)
        error = float(np.max(tail / np.min(np.abs(values), axis=1)))
        if error <= rtol:
            return chebyshev.chebval(position, coefficients.T), error
        degree *= 2
    raise ConvergenceError("the losses were not interpolated", residual=error, last=degree // 2)


def filled(value: Callable[[int], float], size: int) -> list[float]:
    """Values of a step function at ``0, ..., size - 1``: found by halving where they differ.

    Between two of equal value at most an eighth of the range apart, all are taken for equal.
    """
    known: dict[int, float] = {}

    def at(i: int) -> float:
        if i not in known:
            known[i] = value(i)
        return known[i]

    values = [np.nan] * size
    ends = sorted({round(x) for x in np.linspace(0, size - 1, SCAN + 1)}) if size else []
    parts = [*pairwise(ends)] or [(i, i) for i in ends]
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


def _at(point: Point, failure: Failure) -> Failure:
    """The same failure at another point of equal step."""
    return Failure(point.index, dict(point.values), failure.quantities, failure.reason)
