"""Arithmetics in which a function of the table is computed: floats here, sympy here, balls in the theory."""
# The class describes its operations once, for all arithmetics.
# ruff: noqa: D102

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import special


class Arithmetic(ABC):
    """Numbers of one kind, and elementary functions of them, named as in numpy.

    A subclass says what cannot be said in general, and what has a better form: in floats a stable one.
    `number` is what a decimal of a setting spells, `full` a constant of the shape of an array, and `step` is
    1 above 0, else 0. ``where(left, right, rise, run)`` is `rise` where ``left >= right``, else `run`. The
    exponent of `power` is constant, an int where it is a whole number. `times` multiplies the outer by the
    inner derivative of a composition. The last three methods are those of the standard normal distribution.
    """

    pi: Any
    exp: Any
    log: Any
    sqrt: Any
    tanh: Any
    erf: Any
    number: Any
    maximum: Any
    minimum: Any
    where: Any

    def ratio(self, fraction: Fraction) -> Any:
        return self.number(fraction.numerator) / fraction.denominator

    def full(self, x: Any, value: int) -> Any:
        return self.number(value)

    def power(self, base: Any, exponent: Any) -> Any:
        return base**exponent

    def times(self, slope: Any, rise: Any) -> Any:
        return slope * rise

    def expm1(self, x: Any) -> Any:
        return self.exp(x) - 1

    def log1p(self, x: Any) -> Any:
        return self.log(1 + x)

    def logistic(self, x: Any) -> Any:
        return 1 / (1 + self.exp(-x))

    def softplus(self, x: Any) -> Any:
        return self.log(1 + self.exp(x))

    def tanh_slope(self, x: Any) -> Any:
        value = self.tanh(x)
        return (1 - value) * (1 + value)

    def normal_density(self, x: Any) -> Any:
        return self.exp(-x * x / 2) / self.sqrt(2 * self.pi)

    def normal_cdf(self, x: Any) -> Any:
        return (1 + self.erf(x / self.sqrt(self.number(2)))) / 2

    def normal_tail(self, x: Any) -> Any:
        return self.normal_cdf(-x)


class Floats(Arithmetic):
    """Arrays of float32 or float64, whose type is kept.

    Of a whole number ``k``, `delta` is 1 at ``k = 1`` and else 0, and `wave` is ``sin(pi k / 2)``; `parity`
    is one value where ``k`` has a remainder by 2, another elsewhere. ``kernel(j, k)`` is ``(-1)^j / k!``
    times the ``j``-th derivative at 0 of the standard normal density; -1 stands for its distribution
    function, -2 for the antiderivative of that.
    """

    pi = math.pi
    exp, log, sin, cos, sinh, cosh, tanh = np.exp, np.log, np.sin, np.cos, np.sinh, np.cosh, np.tanh
    atan, abs, sign, maximum, minimum = np.arctan, np.abs, np.sign, np.maximum, np.minimum
    erf, logistic, normal_cdf = special.erf, special.expit, special.ndtr
    where = staticmethod(lambda left, right, rise, run: np.where(left >= right, rise, run))
    step = staticmethod(lambda x: (x > 0).astype(x.dtype))
    # A Python float leaves float32 what it is.
    number = staticmethod(lambda decimal: decimal)
    sqrt = staticmethod(lambda x: math.sqrt(x) if type(x) in (int, float) else np.sqrt(x))
    factorial = staticmethod(lambda k: float(math.factorial(int(k))))
    delta = staticmethod(lambda k: float(k == 1))
    wave = staticmethod(lambda k: (0.0, 1.0, 0.0, -1.0)[k % 4])
    expm1: Any = np.expm1
    log1p: Any = np.log1p

    def full(self, x: Any, value: int) -> Any:
        return np.full_like(x, value)

    def softplus(self, x: Any) -> Any:
        return np.logaddexp(x, 0)

    def power(self, base: Any, exponent: Any) -> Any:
        if exponent < 0:
            return 1 / self.power(base, -exponent)
        if exponent == 0.5:
            return np.sqrt(base)
        if exponent != int(exponent):
            return base**exponent
        # Repeated squaring is many times faster than ``**``.
        whole, result, square = int(exponent), None, base
        while whole:
            if whole % 2:
                result = square if result is None else result * square
            whole //= 2
            square = square * square if whole else square
        return np.ones_like(base) if result is None else result

    def kernel(self, j: int, k: int) -> float:
        if j == -1:
            return 0.5 / math.factorial(k)
        if j % 2:
            return 0.0
        # Exact integers: the result has the rounding of three operations at any degree.
        half = max(j // 2, 0)
        at_zero = Fraction(math.factorial(2 * half), (-2) ** half * math.factorial(half))
        return float(at_zero / math.factorial(k)) / math.sqrt(2 * math.pi)

    def parity(self, k: int, remainder: int, there: Callable[[], Any], elsewhere: Callable[[], Any]) -> Any:
        return there() if k % 2 == remainder else elsewhere()


class Symbols(Arithmetic):
    """Expressions of sympy, in which decimals are the rationals that they spell; ``k`` may be a symbol."""

    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        self.pi, self.half = sympy.pi, sympy.Rational(1, 2)
        self.exp, self.log, self.sqrt, self.erf = sympy.exp, sympy.log, sympy.sqrt, sympy.erf
        self.sin, self.cos, self.sinh, self.cosh = sympy.sin, sympy.cos, sympy.sinh, sympy.cosh
        self.tanh, self.atan, self.abs, self.sign = sympy.tanh, sympy.atan, sympy.Abs, sympy.sign
        self.maximum, self.minimum, self.factorial = sympy.Max, sympy.Min, sympy.factorial
        self.number = lambda decimal: sympy.Rational(repr(decimal))
        self.step = lambda x: sympy.Heaviside(x, 0)
        self.where = lambda left, right, rise, run: sympy.Piecewise((rise, left >= right), (run, True))
        self.delta = lambda k: sympy.KroneckerDelta(k, 1)
        self.wave = lambda k: sympy.sin(sympy.pi * k / 2)

    def normal_cdf(self, x: Any) -> Any:
        # Not distributed over the sum: a factor keeps it together.
        return self.sympy.Mul(self.half, 1 + self.erf(x / self.sqrt(2)), evaluate=False)

    def normal_tail(self, x: Any) -> Any:
        return self.sympy.erfc(x / self.sqrt(2)) / 2

    def kernel(self, j: Any, k: Any) -> Any:
        # The poles of the Gamma function are the odd degrees: they vanish.
        gamma = self.sympy.gamma(self.half * (1 - j))
        return 2 ** (self.half * (j - 1)) / (self.factorial(k) * gamma)

    def parity(self, k: Any, remainder: int, there: Callable[[], Any], elsewhere: Callable[[], Any]) -> Any:
        condition = self.sympy.Eq(self.sympy.Mod(k, 2), remainder)
        return self.sympy.Piecewise((there(), condition), (elsewhere(), True))


FLOATS = Floats()
