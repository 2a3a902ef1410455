"""Functions that a setting can name or call: one row a function, in every arithmetic.

A new function is a new row, or a formula of rows. Everything else follows from it: values and slopes in
floats and balls, the symbolic form, kinks, and, where the row has them, Hermite coefficients and Gaussian
means in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]

LEAK = Fraction(1, 100)
"""Slope of the leaky rectifier below 0, the usual one."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One function of one real variable.

    In an arithmetic ``a``, ``value(a, x)`` is the function and ``slope(a, x)`` its derivative, which exists
    almost everywhere; ``mean(a, m, t)`` is ``E f(m + t Z)`` and ``coefficient(a, k)`` is
    ``E[f(Z) He_k(Z)] / k!``, where they have closed forms. `kink` says whether it is not smooth where its
    argument is 0, `domain` where it is defined: ``"real"``, ``"positive"``, ``"nonnegative"`` or
    ``"above -1"``. `corner` has the slopes below and above 0 of a function that is linear on both sides.
    """

    value: Callable[[Any, Any], Any]
    slope: Callable[[Any, Any], Any]
    kink: bool = False
    domain: str = "real"
    mean: Callable[[Any, Any, Any], Any] | None = None
    coefficient: Callable[[Any, Any], Any] | None = None
    corner: tuple[Fraction, Fraction] | None = None


def _corner(
    value: Callable[[Any, Any], Any], slope: Callable[[Any, Any], Any], *slopes: Fraction | int
) -> Row:
    """Row of a function that is linear on both sides of 0: a line and a multiple of the rectifier."""
    left, right = map(Fraction, slopes)

    def mean(a: Any, m: Any, t: Any) -> Any:
        return a.ratio(left) * m + a.ratio(right - left) * _mean_relu(a, m, t)

    def coefficient(a: Any, k: Any) -> Any:
        return a.ratio(left) * a.delta(k) + a.ratio(right - left) * a.kernel(k - 2, k)

    kink, corner = left != right, (left, right)
    return Row(value=value, slope=slope, kink=kink, mean=mean, coefficient=coefficient, corner=corner)


def _mean_relu(a: Any, m: Any, t: Any) -> Any:
    return m * a.normal_cdf(m / t) + t * a.normal_density(m / t)


def _mean_elu(a: Any, m: Any, t: Any) -> Any:
    below = a.exp(m + t * t / 2) * a.normal_tail((m + t * t) / t) - a.normal_tail(m / t)
    return _mean_relu(a, m, t) + below


def _mean_gelu(a: Any, m: Any, t: Any) -> Any:
    width = a.sqrt(1 + t * t)
    return m * a.normal_cdf(m / width) + t * t / width * a.normal_density(m / width)


def _sign_coefficient(a: Any, k: Any, scale: int) -> Any:
    """Coefficient of the function with ``E f(Z + t) = erf(t / sqrt(scale))``."""

    def odd() -> Any:
        j = (k - 1) / 2
        return 2 * (-1) ** j / (a.sqrt(a.pi) * a.sqrt(scale**k) * a.factorial(j) * k)

    return a.parity(k, 0, lambda: 0, odd)


def _gelu_coefficient(a: Any, k: Any) -> Any:
    def even() -> Any:
        m = k / 2
        return (-1) ** (m - 1) * (k + 1) / (2 * a.sqrt(a.pi) * 4**m * a.factorial(m) * (k - 1))

    return a.parity(k, 1, lambda: a.delta(k) / 2, even)


def _silu_slope(a: Any, x: Any) -> Any:
    gate = a.logistic(x)
    return gate + x * gate * a.logistic(-x)


_NAMED: dict[str, Row] = {
    "relu": _corner(lambda a, x: a.maximum(x, a.number(0)), lambda a, x: a.step(x), 0, 1),
    "tanh": Row(value=lambda a, x: a.tanh(x), slope=lambda a, x: a.tanh_slope(x)),
    "erf": Row(
        value=lambda a, x: a.erf(x),
        slope=lambda a, x: a.exp(-x * x) * (2 / a.sqrt(a.pi)),
        mean=lambda a, m, t: a.erf(m / a.sqrt(1 + 2 * t * t)),
        coefficient=lambda a, k: _sign_coefficient(a, k, 3),
    ),
    "gelu": Row(
        value=lambda a, x: x * a.normal_cdf(x),
        slope=lambda a, x: a.normal_cdf(x) + x * a.exp(-x * x / 2) / a.sqrt(2 * a.pi),
        mean=_mean_gelu,
        coefficient=_gelu_coefficient,
    ),
    "softplus": Row(value=lambda a, x: a.softplus(x), slope=lambda a, x: a.logistic(x)),
    "sigmoid": Row(value=lambda a, x: a.logistic(x), slope=lambda a, x: a.logistic(x) * a.logistic(-x)),
    "sin": Row(
        value=lambda a, x: a.sin(x),
        slope=lambda a, x: a.cos(x),
        mean=lambda a, m, t: a.exp(-t * t / 2) * a.sin(m),
        coefficient=lambda a, k: a.wave(k) / a.factorial(k) * a.exp(-a.ratio(Fraction(1, 2))),
    ),
    "silu": Row(value=lambda a, x: x * a.logistic(x), slope=_silu_slope),
    "leaky_relu": _corner(
        lambda a, x: a.maximum(x, a.ratio(LEAK) * x),
        lambda a, x: a.ratio(LEAK) + a.ratio(1 - LEAK) * a.step(x),
        LEAK,
        1,
    ),
    "elu": Row(
        value=lambda a, x: a.maximum(x, a.number(0)) + a.expm1(a.minimum(x, a.number(0))),
        slope=lambda a, x: a.exp(a.minimum(x, a.number(0))),
        kink=True,
        mean=_mean_elu,
    ),
    "atan": Row(value=lambda a, x: a.atan(x), slope=lambda a, x: 1 / (1 + x * x)),
    "cos": Row(
        value=lambda a, x: a.cos(x),
        slope=lambda a, x: -a.sin(x),
        mean=lambda a, m, t: a.exp(-t * t / 2) * a.cos(m),
        coefficient=lambda a, k: a.wave(k + 1) / a.factorial(k) * a.exp(-a.ratio(Fraction(1, 2))),
    ),
    "abs": _corner(lambda a, x: a.abs(x), lambda a, x: a.sign(x), -1, 1),
    "sign": Row(
        value=lambda a, x: a.sign(x),
        slope=lambda a, x: a.full(x, 0),
        kink=True,
        mean=lambda a, m, t: a.erf(m / t / a.sqrt(a.number(2))),
        coefficient=lambda a, k: _sign_coefficient(a, k, 2),
    ),
    "identity": _corner(lambda a, x: +x, lambda a, x: a.full(x, 1), 1, 1),
}

TABLE: dict[str, Row] = _NAMED | {
    "cosh": Row(value=lambda a, x: a.cosh(x), slope=lambda a, x: a.sinh(x)),
    "exp": Row(
        value=lambda a, x: a.exp(x),
        slope=lambda a, x: a.exp(x),
        mean=lambda a, m, t: a.exp(m + t * t / 2),
        coefficient=lambda a, k: 1 / a.factorial(k) * a.exp(a.ratio(Fraction(1, 2))),
    ),
    "expm1": Row(value=lambda a, x: a.expm1(x), slope=lambda a, x: a.exp(x)),
    "heaviside": Row(
        value=lambda a, x: a.step(x),
        slope=lambda a, x: a.full(x, 0),
        kink=True,
        mean=lambda a, m, t: a.normal_cdf(m / t),
        coefficient=lambda a, k: a.kernel(k - 1, k),
    ),
    "log": Row(value=lambda a, x: a.log(x), slope=lambda a, x: 1 / x, domain="positive"),
    "log1p": Row(value=lambda a, x: a.log1p(x), slope=lambda a, x: 1 / (1 + x), domain="above -1"),
    "sinh": Row(value=lambda a, x: a.sinh(x), slope=lambda a, x: a.cosh(x)),
    "sqrt": Row(
        value=lambda a, x: a.sqrt(x), slope=lambda a, x: 1 / (2 * a.sqrt(x)), kink=True, domain="nonnegative"
    ),
}
"""Rows by name; formulas may call every function but the identity."""

NAMES = tuple(_NAMED)
"""Functions that a setting may name, in the order in which messages list them."""

FORMULAS = {
    "swish": "silu(z)",
    "mish": "z*tanh(softplus(z))",
    "selu": "1.0507009873554805*(max(z, 0) + 1.6732632423543773*expm1(min(z, 0)))",
    "hardtanh": "clip(z, -1, 1)",
    "relu6": "clip(z, 0, 6)",
    "softsign": "z/(1 + abs(z))",
    "step": "heaviside(z)",
}
"""Further functions that a setting may name, by a formula of the rows. The numbers of `selu` are those of
Klambauer et al. (2017), equation 14."""


def corner_moments(left: float, right: float, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Gaussian moments of ``left * u`` for ``u < 0`` and ``right * u`` for ``u > 0``, ``u = mean + scale Z``.

    Means and scales have shape (m,), the moments (4, m): those of `ScalarFunction.moments_exact`.
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
