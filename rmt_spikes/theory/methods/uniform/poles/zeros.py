"""Zeros of the margins of the finite-rank part on the curve above the bulk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.equations import CurvePoint
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank

Array = NDArray[np.float64]

CLOSE = 1e-12
"""Last step along the curve to a pole: the error of its vectors, and far more than that of the eigenvalue."""

FLAT = 1e-5
"""Margin below which its slope is no longer computed: steps with the last one still gain three digits."""

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


@dataclass(frozen=True, eq=False)
class Side:
    """A point of a curve with the finite-rank part of its equations."""

    point: CurvePoint
    finite: FiniteRank


def pole_at(finite_rank: FiniteRank, point: CurvePoint, vector: Array) -> Pole:
    """Pole from a null vector of ``J + S``, or from one that is nearly so."""
    slope = float(vector @ finite_rank.pull(point.state, point.tangent, vector))
    slope /= point.eigenvalue * point.log_eigenvalue_slope
    if not slope > 0.0:
        raise ConvergenceError("a pole has a residue of the wrong sign", residual=abs(slope), last=point)
    return Pole(point, vector, slope)


def pole_nearby(
    curve: RealCurve, finite_rank: FiniteRank, bracket: tuple[Side, Side], k: int, lowest: float
) -> Pole:
    """Zero of margin `k` on a curve, by Newton's method on the point and inverse iteration together.

    Parameters
    ----------
    curve, finite_rank
        The equations and their finite-rank part.
    bracket
        Two points of this curve, or of similar equations, between which the margin changes its sign.
    k
        Number of the margin.
    lowest
        Least eigenvalue at which the pole may be.

    Raises
    ------
    ConvergenceError
        If it is not found, or another pole is.
    """
    high, low = bracket
    # Below the pole its margin stands apart, above it may be lost among those of no pole.
    margin, vector = low.finite.lowest(low.point.state, k)
    above, below = max(SMALL, 1.0 - high.finite.margin_along(high.point.state, vector)), 1.0 - margin
    if not above < 1.0 < below:
        raise ConvergenceError("a margin does not change its sign", residual=margin, last=low.point)
    # One less a margin falls like a power of the eigenvalue.
    start, slope = curve.guess(high.point, low.point, math.log(above) / math.log(above / below)), 0.0

    def step_at(point: CurvePoint) -> float:
        nonlocal vector, slope
        if not lowest <= point.eigenvalue:
            raise ConvergenceError("a pole was not found", residual=math.inf, last=point)
        try:
            margin, vector = finite_rank.next_margin(point.state, vector)
        except np.linalg.LinAlgError:
            return 0.0
        if slope == 0.0 or abs(margin) > FLAT:
            slope = float(vector @ finite_rank.pull(point.state, point.tangent, vector))
        return -margin / slope if slope != 0.0 else math.inf

    point = curve.seek(start, step_at, CLOSE)
    if finite_rank.count(point.state, vector) != k:
        raise ConvergenceError("another pole was found", residual=0.0, last=point)
    return pole_at(finite_rank, point, vector)


def pole_by_margin(
    curve: RealCurve, finite_rank: FiniteRank, bracket: tuple[CurvePoint, CurvePoint], k: int
) -> Pole:
    """Zero of margin `k` by bracketing."""
    point = curve.zero(*bracket, lambda point: float(finite_rank.margins(point.state)[k]))
    return pole_at(finite_rank, point, finite_rank.spectrum(point.state)[1][:, k])
