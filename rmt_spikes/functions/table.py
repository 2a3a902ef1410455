"""Elementary functions of one real variable: value, almost-everywhere derivative and symbolic form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

# Any: a function keeps the floating type of its argument, and scalars may come for arrays.
RealArray = Any

_SQRT_2PI = math.sqrt(2 * math.pi)
_LEAK = 0.01


@dataclass(frozen=True)
class Elementary:
    """One function of one real variable.

    Parameters
    ----------
    value, slope : callable
        The function and its derivative, array to array of the same floating type.
    symbol : callable
        ``symbol(sympy, x)`` is the same function of a sympy expression ``x``.
    kink : bool
        Whether the function is not smooth where its argument is 0.
    domain : str
        Where the function is defined: ``"real"``, ``"positive"``, ``"nonnegative"`` or ``"above -1"``.
    """

    value: Callable[[RealArray], RealArray]
    slope: Callable[[RealArray], RealArray]
    symbol: Callable[[Any, Any], Any]
    kink: bool = False
    domain: str = "real"


def _step(z: RealArray) -> RealArray:
    return (z > 0).astype(z.dtype)


def _relu(z: RealArray) -> RealArray:
    return np.maximum(z, 0)


def _leaky_relu(z: RealArray) -> RealArray:
    return np.maximum(z, _LEAK * z)


def _leaky_slope(z: RealArray) -> RealArray:
    return np.maximum((z > 0).astype(z.dtype), _LEAK)


def _elu(z: RealArray) -> RealArray:
    return np.maximum(z, np.expm1(np.minimum(z, 0)))


def _elu_slope(z: RealArray) -> RealArray:
    return np.exp(np.minimum(z, 0))


def _tanh_slope(z: RealArray) -> RealArray:
    value = np.tanh(z)
    return (1 - value) * (1 + value)


def _sigmoid_slope(z: RealArray) -> RealArray:
    return special.expit(z) * special.expit(-z)


def _gelu(z: RealArray) -> RealArray:
    return z * special.ndtr(z)


def _gelu_slope(z: RealArray) -> RealArray:
    return special.ndtr(z) + z * np.exp(-z * z / 2) / _SQRT_2PI


def _silu(z: RealArray) -> RealArray:
    return z * special.expit(z)


def _silu_slope(z: RealArray) -> RealArray:
    gate = special.expit(z)
    return gate + z * gate * special.expit(-z)


def _softplus(z: RealArray) -> RealArray:
    return np.logaddexp(z, 0)


def _erf_slope(z: RealArray) -> RealArray:
    return np.exp(-z * z) * (2 / math.sqrt(math.pi))


ELEMENTARY: dict[str, Elementary] = {
    "abs": Elementary(np.abs, np.sign, lambda s, x: s.Abs(x), kink=True),
    "atan": Elementary(np.arctan, lambda z: 1 / (1 + z * z), lambda s, x: s.atan(x)),
    "cos": Elementary(np.cos, lambda z: -np.sin(z), lambda s, x: s.cos(x)),
    "cosh": Elementary(np.cosh, np.sinh, lambda s, x: s.cosh(x)),
    "elu": Elementary(
        _elu, _elu_slope, lambda s, x: s.Piecewise((x, x > 0), (s.exp(x) - 1, True)), kink=True
    ),
    "erf": Elementary(special.erf, _erf_slope, lambda s, x: s.erf(x)),
    "exp": Elementary(np.exp, np.exp, lambda s, x: s.exp(x)),
    "expm1": Elementary(np.expm1, np.exp, lambda s, x: s.exp(x) - 1),
    "gelu": Elementary(_gelu, _gelu_slope, lambda s, x: x * (1 + s.erf(x / s.sqrt(2))) / 2),
    "heaviside": Elementary(_step, np.zeros_like, lambda s, x: s.Heaviside(x, 0), kink=True),
    "identity": Elementary(np.positive, np.ones_like, lambda s, x: x),
    "leaky_relu": Elementary(
        _leaky_relu, _leaky_slope, lambda s, x: s.Max(x, x * s.Rational(1, 100)), kink=True
    ),
    "log": Elementary(np.log, lambda z: 1 / z, lambda s, x: s.log(x), domain="positive"),
    "log1p": Elementary(np.log1p, lambda z: 1 / (1 + z), lambda s, x: s.log(1 + x), domain="above -1"),
    "relu": Elementary(_relu, _step, lambda s, x: s.Max(x, 0), kink=True),
    "sigmoid": Elementary(special.expit, _sigmoid_slope, lambda s, x: 1 / (1 + s.exp(-x))),
    "sign": Elementary(np.sign, np.zeros_like, lambda s, x: s.sign(x), kink=True),
    "silu": Elementary(_silu, _silu_slope, lambda s, x: x / (1 + s.exp(-x))),
    "sin": Elementary(np.sin, np.cos, lambda s, x: s.sin(x)),
    "sinh": Elementary(np.sinh, np.cosh, lambda s, x: s.sinh(x)),
    "softplus": Elementary(_softplus, special.expit, lambda s, x: s.log(1 + s.exp(x))),
    "sqrt": Elementary(
        np.sqrt, lambda z: 0.5 / np.sqrt(z), lambda s, x: s.sqrt(x), kink=True, domain="nonnegative"
    ),
    "tanh": Elementary(np.tanh, _tanh_slope, lambda s, x: s.tanh(x)),
}
