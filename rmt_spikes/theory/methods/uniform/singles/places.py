"""Where single samples of the first batch make a value beyond the bulk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.newton import CurvePoint, Value
from rmt_spikes.theory.methods.uniform.poles.zeros import SMALL
from rmt_spikes.theory.methods.uniform.problem import Problem

Array = NDArray[np.float64]

REAL = 1e-6
"""Relative imaginary part of an eigenvalue that counts as none: two that meet are split by a root of
rounding."""


def margin(problem: Problem, point: CurvePoint, r: float) -> float:
    """Margin of a sample with residual `r` at a point of the curve, which is zero at its value."""
    return float(margins_at(problem, point, np.array([r]))[0])


def margins_at(problem: Problem, point: CurvePoint, r: Array) -> Array:
    """Margins of samples with residuals `r` at a point of the curve."""
    return margins_of(problem, point.state.parts[0].detail.levels.m, r)


def margins_of(problem: Problem, m: Array, r: Array) -> Array:
    """Least eigenvalues of ``1 + phi M T(r)``.

    Far below a large value a second eigenvalue may be negative, and the determinant positive again.
    """
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    letters = blocks.pencil.letters_of(r)
    return np.asarray(
        1.0 + np.min(np.linalg.eigvals(blocks.special.batch.phi * m @ letters).real, axis=-1, initial=np.inf)
    )


def size_at(problem: Problem, point: CurvePoint, sign: float, least: float) -> float:
    """Size of the residual, of a sign and above a `least` one, whose sample has its value at a point.

    ``T(r)`` is quadratic in ``r``: sizes are eigenvalues of a pencil.

    Raises
    ------
    ConvergenceError
        If there is none.
    """
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    m = blocks.special.batch.phi * point.state.parts[0].detail.levels.m
    ahead, back = m @ blocks.pencil.letters_of(np.array([sign, -sign]))
    size, linear, square = m.shape[0], 0.5 * (ahead - back), 0.5 * (ahead + back)
    companion = np.block([[-linear, -square], [np.eye(size), np.zeros((size, size))]])
    inverse = np.linalg.eigvals(companion)
    real = inverse.real[np.abs(inverse.imag) < REAL * np.abs(inverse)]
    # The size at an edge is found again to rounding.
    fitting = real[(real > 0.0) & (real * least < 1.0 + REAL)]
    if not fitting.size:
        raise ConvergenceError("no sample has its value at a point of the curve", residual=math.inf)
    return float(1.0 / np.max(fitting))


def place(problem: Problem, curve: RealCurve, points: Sequence[CurvePoint], r: float) -> CurvePoint | None:
    """Point of the curve at the value of a sample, where ``det(1 + phi M T(r))`` is zero first.

    `points` lead down to the edge.
    """
    own = partial(margin, problem, r=r)
    if own(points[-1]) > 0.0:
        return None
    i = next(i for i, point in enumerate(points) if own(point) <= 0.0)
    if i == 0:
        raise ConvergenceError("a sample's value lies above the curve", residual=math.inf)
    bracket = points[i - 1], points[i]
    with suppress(ConvergenceError):
        return _place_between(curve, bracket, own)
    return curve.zero(*bracket, own)


def _place_between(curve: RealCurve, bracket: tuple[CurvePoint, CurvePoint], value: Value) -> CurvePoint:
    """Zero of a margin by secants on the curve.

    Raises
    ------
    ConvergenceError
        If they leave the bracket.
    """
    # One less a margin falls like a power of the eigenvalue.
    above, below = (max(SMALL, 1.0 - value(point)) for point in bracket)
    fall, chord = math.log(above / below), bracket[1].position - bracket[0].position
    start = curve.guess(*bracket, math.log(above) / fall)

    def inside(point: CurvePoint) -> float:
        if not bracket[1].eigenvalue <= point.eigenvalue <= bracket[0].eigenvalue:
            raise ConvergenceError("a sample's value was not found", residual=math.inf, last=point)
        return value(point)

    return curve.zero_nearby(start, inside, fall / math.sqrt(curve.inner(chord, chord)))
