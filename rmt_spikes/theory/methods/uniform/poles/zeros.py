"""Zeros of the margins of the finite-rank part on the curve above the bulk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.newton import EXACT, CurvePoint

Array = NDArray[np.float64]

CLOSE = 1e-10
"""Last step along the curve to a pole: the error of its vectors, and far more than that of the eigenvalue."""

BESIDE = 1e-3
"""Residual of a point beside the curve from which a margin is computed there."""

SMALL = 1e-3
"""One less a margin below which that is lost among those of no pole."""


@dataclass(frozen=True, eq=False)
class Pole:
    """A zero of the finite-rank kernel above the bulk.

    `vector` is a null vector of ``J + S`` of any norm, and `slope` its quadratic form in the derivative in
    ``z``, positive.
    """

    point: CurvePoint
    vector: Array
    slope: float


def pole_at(finite_rank: FiniteRank, point: CurvePoint, vector: Array, along: float | None = None) -> Pole:
    """Pole from a null vector of ``J + S``, or from one that is nearly so.

    `along` is the derivative of its quadratic form along the curve, if it is known.
    """
    slope = finite_rank.form_slope(point.state, point.tangent, vector) if along is None else along
    slope /= point.eigenvalue * point.log_eigenvalue_slope
    if not slope > 0.0:
        raise ConvergenceError("a pole has a residue of the wrong sign", residual=abs(slope), last=point)
    return Pole(point, vector, slope)


def between(
    curve: RealCurve, bracket: tuple[CurvePoint, CurvePoint], margins: tuple[float, float]
) -> CurvePoint:
    """Guess of the zero of a margin between two points of the curve, or of similar equations.

    Raises
    ------
    ConvergenceError
        If it does not change its sign.
    """
    above, below = max(SMALL, 1.0 - margins[0]), 1.0 - margins[1]
    if not above < 1.0 < below:
        raise ConvergenceError("a margin does not change its sign", residual=margins[1], last=bracket[1])
    # One less a margin falls like a power of the eigenvalue.
    return curve.guess(*bracket, math.log(above) / math.log(above / below))


def pole_nearby(
    curve: RealCurve,
    finite_rank: FiniteRank,
    start: tuple[CurvePoint, Array],
    k: int,
    lowest: float,
    *,
    single: bool = False,
) -> Pole:
    """Zero of margin `k` on a curve, by Newton's method on the point and inverse iteration together.

    Parameters
    ----------
    curve, finite_rank
        The equations and their finite-rank part.
    start
        A point nearby, which need not be on the curve, and its vector, roughly.
    k
        Number of the margin.
    lowest
        Least eigenvalue at which the pole may be.
    single
        Whether it is refused where a margin may change its sign more than once.

    Raises
    ------
    ConvergenceError
        If it is not found, or another pole is.
    """
    (last, vector), slope = start, 0.0

    def step_at(point: CurvePoint, back: Array) -> float:
        nonlocal vector, last, slope
        if not lowest <= point.eigenvalue:
            raise ConvergenceError("a pole was not found", residual=math.inf, last=point)
        last = point
        margin, vector = finite_rank.next_margin(point.state, vector)
        gradient = finite_rank.form_gradient(point.state, vector)
        slope, shift = (
            float(gradient[0] @ along[0] + gradient[1] @ along[1])
            for along in (point.tangent, point.along(back))
        )
        return -(margin + shift) / slope if slope != 0.0 else math.inf

    point = curve.seek(start[0], step_at, CLOSE, EXACT, lost=BESIDE)
    # The last point that was looked at is as near as the vector.
    if finite_rank.count_above(last.state, vector) != k:
        raise ConvergenceError("another pole was found", residual=0.0, last=point)
    if single and finite_rank.resonances(last.state).size:
        raise ConvergenceError("a margin may change its sign more than once", residual=math.inf)
    return pole_at(finite_rank, point, vector, slope or None)


def pole_between(
    curve: RealCurve, finite_rank: FiniteRank, bracket: tuple[CurvePoint, CurvePoint], k: int
) -> Pole:
    """The same from a bracket on the curve."""
    high, low = bracket
    # Below the pole its margin stands apart, above it may be lost among those of no pole.
    margins, vectors = finite_rank.lowest(low.state, k + 1)
    vector = vectors[:, k]
    start = between(curve, bracket, (finite_rank.margin_along(high.state, vector), float(margins[k])))
    return pole_nearby(curve, finite_rank, (start, vector), k, low.eigenvalue)


def pole_by_margin(
    curve: RealCurve, finite_rank: FiniteRank, bracket: tuple[CurvePoint, CurvePoint], k: int
) -> Pole:
    """Zero of margin `k` by bracketing."""
    point = curve.zero(*bracket, lambda point: float(finite_rank.margins(point.state)[k]))
    return pole_at(finite_rank, point, finite_rank.spectrum(point.state)[1][:, k])
