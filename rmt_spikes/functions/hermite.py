"""Hermite expansions and Gaussian moments of functions of one real variable (docs/theory.md 1-3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt_spikes.arguments import instance
from rmt_spikes.errors import ConvergenceError, DomainError, Word, shorten
from rmt_spikes.functions.quadrature import adaptive_integral, piecewise_moments, smooth_moments
from rmt_spikes.functions.scalar import ScalarFunction, ShiftedFunction
from rmt_spikes.functions.singularities import REACH

FloatArray = NDArray[np.float64]

MAX_ORDER = 64
"""Highest coefficient: every node of a quadrature costs as many polynomials."""

_EPSILON = float(np.finfo(np.float64).eps)

_RANGES = (9.6, 13.2, 18.8, 26.8, 37.2)
"""Half-widths of the range of Z, tried in turn until what is beyond does not count."""

_BEYOND = 1e-17
"""Share of ``E f^2`` beyond the range that does not count: below rounding."""

_DECAY = 1e-15
"""Fall of ``f^2`` times the density by the end of the range: to rounding, or the rest is not known."""

_LEAST = 1e-50
"""Least root mean square of a function that is not 0: fourth powers of it are still numbers."""


def normalized_hermite(order: int, x: ArrayLike) -> FloatArray:
    """Orthonormal polynomials ``He_k(x) / sqrt(k!)``, ``k = 0..order``: shape ``(order + 1, *x.shape)``."""
    x = np.asarray(x, dtype=np.float64)
    table = np.empty((order + 1, *x.shape))
    table[0] = 1.0
    if order:
        table[1] = x
    for k in range(1, order):
        table[k + 1] = (x * table[k] - np.sqrt(k) * table[k - 1]) / np.sqrt(k + 1)
    return table


@dataclass(frozen=True, kw_only=True, eq=False)
class HermiteExpansion:
    """Expansion ``f = sum_k c_k He_k`` under the standard Gaussian (docs/theory.md section 1).

    `coefficients` holds ``c_k = E[f(Z) He_k(Z)] / k!``, shape (order + 1,), and `error` bounds on their
    absolute errors. The moments are ``E f(Z)^2``, ``E f'(Z)^2`` (``inf`` when it is not finite) and
    ``E f'(Z)``, which is ``c_1`` for a continuous function.
    """

    coefficients: FloatArray
    error: FloatArray
    second_moment: float
    derivative_second_moment: float
    derivative_mean: float

    @property
    def mean(self) -> float:
        """``c_0 = E f(Z)``."""
        return float(self.coefficients[0])

    @property
    def linear(self) -> float:
        """``c_1 = E Z f(Z)``."""
        return float(self.coefficients[1])

    @property
    def tail(self) -> float:
        """``c_{>1}^2 = E f^2 - c_0^2 - c_1^2``, and 0 where that is below rounding."""
        tail = self.second_moment - self.mean**2 - self.linear**2
        return tail if tail > 1e-13 * self.second_moment else 0.0

    @property
    def derivative_variance(self) -> float:
        """``Var f'(Z)``, and 0 where that is below rounding."""
        variance = self.derivative_second_moment - self.linear**2
        return variance if variance > 1e-13 * self.derivative_second_moment else 0.0


@lru_cache(maxsize=256)
def expand(function: ScalarFunction, order: int = MAX_ORDER) -> HermiteExpansion:
    """Expand a function in Hermite polynomials up to a degree of at most 64, in read-only arrays.

    The coefficients come in closed form where the function has one, otherwise from adaptive quadrature that
    splits at the kinks. The bound on their error includes what lies beyond ``|z| = 38``.

    Raises
    ------
    DomainError
        For an order that is not from 0 to 64, and a function that is so small that its square is none.
    ConvergenceError
        If the coefficients are not found.
    """
    if not 0 <= order <= MAX_ORDER:
        raise DomainError("order", f"must be from 0 to {MAX_ORDER}", order)
    beyond = _check_decay(function)
    second, slope_mean, slope_second = _moments(function)
    coefficients, error = _coefficients(function, order)
    if second < _LEAST**2 and np.any(coefficients):
        required = f"must have a root mean square of at least {_LEAST:g}"
        raise DomainError("function", required, Word(_shown(function)))
    factorial = _root_factorial(order)
    error = error + beyond / factorial
    norm, slack = np.linalg.norm(coefficients * factorial), np.linalg.norm(error * factorial)
    if not norm <= (1 + 1e-10) * math.sqrt(second) + slack:
        message = f"the Hermite coefficients of {_shown(function)} violate Parseval"
        raise ConvergenceError(message, residual=float(norm) ** 2 - second)
    coefficients.flags.writeable = False
    error.flags.writeable = False
    return HermiteExpansion(
        coefficients=coefficients,
        error=error,
        second_moment=second,
        derivative_second_moment=slope_second,
        derivative_mean=slope_mean,
    )


def _shown(function: ScalarFunction) -> str:
    return shorten(Word(function.name), 60)


def _root_factorial(order: int) -> FloatArray:
    """Return ``sqrt(k!)`` for ``k = 0..order``."""
    factorial: FloatArray = np.cumprod(np.sqrt(np.concatenate([[1.0], np.arange(1.0, order + 1)])))
    return factorial


def _coefficients(function: ScalarFunction, order: int) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients and a bound on their errors."""
    exact = function.hermite_exact(order)
    if exact is not None:
        error = 8 * _EPSILON * np.abs(exact)
        if isinstance(function, ShiftedFunction):
            error[0] += 8 * _EPSILON * abs(function.constant)
        return exact, error
    if isinstance(function, ShiftedFunction):
        # The same rounding in both, so that a centred function has the mean 0 exactly.
        coefficients, error = (part.copy() for part in _coefficients(function.base, order))
        coefficients[0] -= function.constant
        error[0] += 2 * _EPSILON * abs(function.constant)
        return coefficients, error

    def integrand(z: FloatArray) -> FloatArray:
        root = np.exp(-z * z / 4) / (2 * np.pi) ** 0.25
        weighted: FloatArray = root * root * function(z)
        return normalized_hermite(order, z) * weighted

    total, error, _ = adaptive_integral(integrand, function.splits, REACH)
    return total / _root_factorial(order), error / _root_factorial(order)


def _check_decay(function: ScalarFunction) -> float:
    """Refuse what is not square-integrable; return a bound on the norm of what lies beyond the range."""
    z = np.linspace(-REACH, REACH, 3801)
    with np.errstate(all="ignore"):
        value = function(z)
        energy = 2 * np.log(np.abs(value)) - z * z / 2
    if not np.all(np.isfinite(value)):
        where = z[~np.isfinite(value)]
        required = f"must be finite, but is not at z = {where[np.argmin(np.abs(where))]:.4g}"
        raise DomainError("function", required, Word(function.name))
    top, edge = float(np.max(energy)), float(np.max(energy[np.abs(z) > REACH - 0.5]))
    if edge > top + math.log(_DECAY):
        raise DomainError(
            "function",
            "must be square-integrable under the Gaussian: f(z)^2 exp(-z^2/2) must fall below 1e-15 of its "
            "maximum before |z| = 38",
            Word(function.name),
        )
    return math.exp(edge / 2)


def _moments(function: ScalarFunction) -> tuple[float, float, float]:
    """Return ``E f^2``, ``E f'`` and ``E f'^2``; the last two are infinite when they do not settle."""

    def square(z: FloatArray) -> FloatArray:
        weighted: FloatArray = function(z)[None] * np.exp(-z * z / 4)
        return weighted * weighted / math.sqrt(2 * np.pi)

    def slope(z: FloatArray) -> FloatArray:
        root = np.exp(-z * z / 4)
        weighted = function.derivative(z) * root
        return np.stack([weighted * root, weighted * weighted]) / math.sqrt(2 * np.pi)

    (second,), (error,), _ = adaptive_integral(square, function.splits, REACH)
    if not error <= 1e-8 * second:
        raise ConvergenceError(f"E f(Z)^2 of {_shown(function)} did not settle", residual=float(error))
    with np.errstate(all="ignore"):
        slopes, errors, _ = adaptive_integral(slope, function.splits, REACH)
    if not (np.isfinite(slopes[1]) and errors[1] <= 1e-8 * slopes[1]):
        return float(second), math.inf, math.inf
    return float(second), float(slopes[0]), float(slopes[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianMoments:
    """Moments ``E f(u)``, ``E Z f(u)``, ``E (Z^2 - 1)/2 f(u)`` and ``E f(u)^2`` of ``u = mean + scale Z``.

    Their shape is that of the means and scales (docs/theory.md section 3).
    """

    first: FloatArray
    linear: FloatArray
    norm: FloatArray
    second: FloatArray

    @property
    def residual(self) -> FloatArray:
        """``E f(u)^2 - (E f(u))^2 - (E Z f(u))^2``, clipped at 0 from below."""
        return np.maximum(self.second - self.first**2 - self.linear**2, 0.0)


def gaussian_moments(function: ScalarFunction, mean: ArrayLike, scale: ArrayLike) -> GaussianMoments:
    """Moments of a function of a Gaussian variable ``u = mean + scale Z``.

    Parameters
    ----------
    function : ScalarFunction
        ``f``, such as `Setting.activation_function`.
    mean, scale : array_like
        Of the variable, ``scale >= 0``; they are broadcast against each other.

    Returns
    -------
    GaussianMoments
        ``first``, ``linear``, ``norm`` and ``second``: ``E f(u)``, ``E Z f(u)``, ``E (Z^2 - 1)/2 f(u)`` and
        ``E f(u)^2``, accurate to 1e-13 of ``sqrt(E f(u)^2)`` (of ``E f(u)^2`` for `second`), as long as that
        is not below 1e-15 of the values of ``f`` within 10 standard deviations, and the rounding of ``u``
        does not show in ``f(u)``.

    Raises
    ------
    DomainError
        For a scale below zero, for what is not finite, and for what is no function or no number.
    """
    instance("function", function, ScalarFunction, "such as setting.activation_function")
    try:
        means, scales = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(scale, np.float64))
    except (TypeError, ValueError):
        required = "must be numbers, or arrays of shapes that go together"
        raise DomainError("mean, scale", required, (mean, scale)) from None
    if not (np.all(np.isfinite(means)) and np.all(scales >= 0) and np.all(np.isfinite(scales))):
        raise DomainError("scale", "must be finite and >= 0, with a finite mean", scale)
    flat_mean, flat_scale = means.ravel(), scales.ravel()
    result = function.moments_exact(flat_mean, flat_scale)
    if result is None:
        with np.errstate(all="ignore"):
            result = _integrated(function, flat_mean, flat_scale)
    first, linear, norm, second = (part.reshape(means.shape) for part in result)
    return GaussianMoments(first=first, linear=linear, norm=norm, second=second)


def _integrated(function: ScalarFunction, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Integrate over ranges of Z that widen, each element by itself, until what is beyond does not count."""
    result = np.zeros((4, mean.size))
    if not mean.size:
        return result
    todo = np.arange(mean.size)
    rule = piecewise_moments if function.splits else smooth_moments
    finest = _finest(function)
    for reach in _RANGES:
        center, width = mean[todo], scale[todo]
        # Two points on each side: a function that oscillates may happen to vanish at one of them.
        ends = np.abs([function(center + at * reach * width) for at in (-1.0, -0.97, 0.97, 1.0)])
        cut = np.max(ends, axis=0) * math.exp(-reach * reach / 4)
        result[:, todo] = rule(function, center, width, reach, cut, finest)
        todo = todo[~(cut * cut <= _BEYOND * result[3, todo])]
        if not todo.size:
            break
    failed = np.asarray(~np.isfinite(result).all(axis=0))
    failed[todo] = True
    if failed.any():
        worst = float(np.max(scale[failed]))
        message = f"E f(u)^2 of {_shown(function)} is not finite, or f grows too fast, at scale {worst:.4g}"
        raise ConvergenceError(message, residual=math.inf)
    return result


@lru_cache(maxsize=256)
def _finest(function: ScalarFunction) -> float:
    """Return the width of the panels that resolve a function, starting from 4."""

    def square(z: FloatArray) -> FloatArray:
        weighted: FloatArray = function(z)[None] * np.exp(-z * z / 4)
        return weighted * weighted

    return adaptive_integral(square, function.splits, REACH, width=4.0)[2]
