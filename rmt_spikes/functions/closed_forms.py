"""Closed forms of Hermite coefficients and Gaussian moments (docs/theory.md sections 1-3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]


def corner_moments(left: float, right: float, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Compute the Gaussian moments of ``left * u`` for ``u < 0`` and ``right * u`` for ``u > 0``.

    Parameters
    ----------
    left, right : float
        Slopes.
    mean, scale : ndarray of shape (m,)
        ``u = mean + scale Z``, ``scale >= 0``.

    Returns
    -------
    ndarray of shape (4, m)
        ``E f(u)``, ``E Z f(u)``, ``E (Z^2 - 1)/2 f(u)`` and ``E f(u)^2``.

    Examples
    --------
    >>> moments = corner_moments(0.0, 1.0, np.zeros(1), np.ones(1))
    >>> bool(np.allclose(moments[:, 0] * [np.sqrt(2 * np.pi), 2, np.sqrt(8 * np.pi), 2], 1))
    True
    """
    # Scale 0 is a limit: above, on or below the corner the ratio is infinite, 0, or minus infinity.
    with np.errstate(over="ignore"):
        ratio = mean / np.where(scale == 0, np.finfo(float).tiny, scale)
    ratio = np.clip(ratio, -1e8, 1e8)
    above, below = ndtr(ratio), ndtr(-ratio)
    density = scale * np.exp(-ratio * ratio / 2) / math.sqrt(2 * math.pi)
    square, cross = mean * mean + scale * scale, mean * density
    # A difference of nearly equal numbers in the far tail, where rounding could make it negative.
    upper, lower = np.maximum(square * above + cross, 0.0), np.maximum(square * below - cross, 0.0)
    return np.stack(
        [
            right * (mean * above + density) + left * (mean * below - density),
            scale * (right * above + left * below),
            (right - left) * density / 2,
            right * right * upper + left * left * lower,
        ]
    )


def _hermite_at_zero(k: int) -> int:
    """Return ``He_k(0)``."""
    return 0 if k % 2 else (-1) ** (k // 2) * math.factorial(k) // (2 ** (k // 2) * math.factorial(k // 2))


def _over(numerator: int, denominator: int) -> float:
    """Divide integers that may be too large for a float."""
    return float(Fraction(numerator, denominator))


def _relu(k: int) -> float:
    # relu'' is the delta function: E relu He_k = E relu'' He_{k-2} for k >= 2.
    if k == 1:
        return 0.5
    value = 1.0 if k == 0 else _over(_hermite_at_zero(k - 2), math.factorial(k))
    return value / math.sqrt(2 * math.pi)


def _heaviside(k: int) -> float:
    return _over(_hermite_at_zero(k - 1), math.factorial(k)) / math.sqrt(2 * math.pi) if k else 0.5


def _erf(k: int) -> float:
    # E[exp(-Z^2) exp(tZ - t^2/2)] = exp(-t^2/3) / sqrt(3) generates E[erf' He_{k-1}].
    j, odd = divmod(k, 2)
    return 2 / math.sqrt(3 * math.pi) * _over((-1) ** j, 3**j * math.factorial(j) * k) if odd else 0.0


def _gelu(k: int) -> float:
    # gelu'' = (2 - z^2) phi(z), and exp(-t^2/4) (3/2 - t^2/4) / (2 sqrt(pi)) generates E[gelu'' He_{k-2}].
    if k % 2:
        return 0.5 if k == 1 else 0.0
    if k == 0:
        return 1 / (2 * math.sqrt(math.pi))
    j = k // 2 - 1
    ratio = _over((-1) ** j * (2 * j + 3), 2 * 4**j * math.factorial(j) * (2 * j + 1) * (2 * j + 2))
    return ratio / (2 * math.sqrt(math.pi))


def _sin(k: int) -> float:
    return _over((-1) ** (k // 2), math.factorial(k)) * math.exp(-0.5) if k % 2 else 0.0


def _cos(k: int) -> float:
    return 0.0 if k % 2 else _over((-1) ** (k // 2), math.factorial(k)) * math.exp(-0.5)


def _exp(k: int) -> float:
    return _over(1, math.factorial(k)) * math.exp(0.5)


def _identity(k: int) -> float:
    return float(k == 1)


HERMITE: dict[str, Callable[[int], float]] = {
    "abs": lambda k: 0.0 if k == 1 else 2 * _relu(k),
    "cos": _cos,
    "erf": _erf,
    "exp": _exp,
    "gelu": _gelu,
    "heaviside": _heaviside,
    "identity": _identity,
    "leaky_relu": lambda k: 0.99 * _relu(k) + 0.01 * _identity(k),
    "relu": _relu,
    "sign": lambda k: 2 * _heaviside(k) if k else 0.0,
    "sin": _sin,
}
"""Coefficients ``c_k = E[f(Z) He_k(Z)] / k!`` as functions of ``k``, by the name of ``f``."""

CORNERS: dict[str, tuple[float, float]] = {
    "abs": (-1.0, 1.0),
    "identity": (1.0, 1.0),
    "leaky_relu": (0.01, 1.0),
    "relu": (0.0, 1.0),
}
"""Slopes on both sides of 0 of the functions that are linear there."""
