"""Smooth functions of one variable as polynomials on pieces of the line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError

FloatArray = NDArray[np.float64]

DEGREE = 9
"""Of the polynomials: predictions that smooth activations take as long with 7 or 13."""

HALVINGS, MOST = 40, 100_000
"""Most halvings of a piece, and most pieces that are halved at once: a sine of 500 periods takes a
thousand."""


NOT_SMOOTH = "polynomials on pieces of the line do not resolve a function"


@dataclass(frozen=True, eq=False)
class Pieces:
    """Several functions as polynomials on pieces of the line.

    Attributes
    ----------
    ends
        Ends of the pieces but for the outermost, ascending.
    middles, scales
        Middle of each piece, and the inverse of half its length.
    powers
        Coefficients of powers of the place on a piece, from -1 to 1: the highest first, shape
        ``(n_functions, DEGREE + 1, n_pieces)``.
    """

    ends: FloatArray
    middles: FloatArray
    scales: FloatArray
    powers: FloatArray

    def second_derivatives(self) -> Pieces:
        """Second derivatives of the functions."""
        k = np.arange(DEGREE, 1, -1)
        powers = self.powers[:, :-2] * (k * (k - 1.0))[:, None] * self.scales**2
        return Pieces(self.ends, self.middles, self.scales, powers)

    def places(self, points: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
        """Piece of each point, and its place on it."""
        piece = np.searchsorted(self.ends, points)
        return piece, (points - self.middles.take(piece)) * self.scales.take(piece)

    def at(self, places: tuple[NDArray[np.intp], FloatArray]) -> list[FloatArray]:
        """Value of each function at places."""
        return [_horner(powers, *places) for powers in self.powers]


def _horner(powers: FloatArray, piece: NDArray[np.intp], place: FloatArray) -> FloatArray:
    found: FloatArray = powers[0].take(piece)
    for power in powers[1:]:
        found *= place
        found += power.take(piece)
    return found


def pieces(functions: Callable[[FloatArray], tuple[FloatArray, FloatArray]], ends: FloatArray) -> Pieces:
    """Functions on pieces of the line, which are halved until a polynomial stands for each function.

    Parameters
    ----------
    functions
        Values of the functions at points of any shape, along a first axis, and the sizes of coefficients
        there that do not count.
    ends
        Ends of the first pieces, ascending.

    Raises
    ------
    ConvergenceError
        If the coefficients of the last two degrees count on a piece, however short.
    """
    points, coefficients, powers = _chebyshev()
    left, right = ends[:-1], ends[1:]
    found: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for _ in range(HALVINGS):
        middle, half = 0.5 * (left + right), 0.5 * (right - left)
        values, enough = functions(middle[:, None] + half[:, None] * points)
        last = values @ coefficients[-2:].T
        done = np.all(np.abs(last) <= enough.max(axis=2, keepdims=True), axis=(0, 2))
        found.append((middle[done], half[done], values[:, done] @ powers.T))
        if done.all():
            break
        if np.count_nonzero(~done) > MOST:
            raise ConvergenceError(NOT_SMOOTH, residual=math.inf)
        left, middle, right = left[~done], middle[~done], right[~done]
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    else:
        raise ConvergenceError(NOT_SMOOTH, residual=math.inf)
    middle, half = (np.concatenate([each[k] for each in found]) for k in (0, 1))
    table = np.concatenate([each[2] for each in found], axis=1).swapaxes(1, 2)
    order = np.argsort(middle)
    middle, half = middle[order], half[order]
    return Pieces(middle[1:] - half[1:], middle, 1.0 / half, np.ascontiguousarray(table[..., order]))


@lru_cache(maxsize=1)
def _chebyshev() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Chebyshev points, and what makes coefficients and powers, highest first, of values on them."""
    points = np.asarray(chebyshev.chebpts1(DEGREE + 1), dtype=np.float64)
    coefficients = np.linalg.inv(chebyshev.chebvander(points, DEGREE))
    return points, np.asarray(coefficients), np.asarray(np.linalg.inv(np.vander(points)))
