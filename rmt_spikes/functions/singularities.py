"""Real zeros of a function given by its values and its derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], Any]

# exp(-z^2/2) times anything that fits a double is 0 beyond this point.
REACH = 38.0
_FAR = 1e4
# Bounds the work on a formula that is made to oscillate.
_MOST_CELLS = 200


@cache
def scan_points() -> FloatArray:
    """Return where functions are looked at: every 0.01 up to 40, then 1 % apart up to 10^4."""
    fine = np.linspace(-40.0, 40.0, 8001)
    coarse = np.geomspace(40.0, _FAR, 560)[1:]
    points = np.concatenate([-coarse[::-1], fine, coarse])
    points.flags.writeable = False
    return points


def sample(function: Function, points: FloatArray) -> FloatArray:
    """Evaluate a function that may return a scalar for a constant.

    Parameters
    ----------
    function : callable
        The function.
    points : ndarray of shape (m,)
        Points.

    Returns
    -------
    ndarray of shape (m,)
        Values.
    """
    return np.broadcast_to(np.asarray(function(points), dtype=np.float64), points.shape)


def find_zeros(value: Function, slope: Function) -> FloatArray:
    """Find the real zeros of a function, simple ones and those where it only touches 0.

    Parameters
    ----------
    value, slope : callable
        The function and its derivative, vectorised.

    Returns
    -------
    ndarray of shape (m,)
        Zeros in ``[-10^4, 10^4]``, sorted; of an interval of zeros, its ends. When there are many hundreds,
        those nearest to 0. A pair of zeros between two neighbours of `scan_points` is found by the turning
        point between them, unless there are two turning points as well.
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
    """Find where the derivative of a function changes sign.

    Parameters
    ----------
    value, slope : callable
        The function and its derivative, vectorised.

    Returns
    -------
    ndarray of shape (m,)
        Turning points in ``[-10^4, 10^4]``, sorted; when there are many hundreds, those where the function is
        smallest.
    """
    points = scan_points()
    return distinct(_boundaries(slope, points, sample(slope, points), rank=np.abs(sample(value, points))))


def distinct(points: Iterable[float]) -> FloatArray:
    """Sort points, and keep one of those that differ by rounding only.

    Parameters
    ----------
    points : iterable of float
        Points.

    Returns
    -------
    ndarray of shape (m,)
        Points more than 1e-11 apart, relative to their size when that is above 1.
    """
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
