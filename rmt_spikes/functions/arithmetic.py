"""Arithmetics in which a function of the table is computed: floats here, sympy here, balls in the theory."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import special


class Arithmetic(ABC):
    """Numbers of one kind and the elementary functions of them.

    Subclasses say what cannot be said in general, and what has a better form: in floats a stable one.
    """

    pi: Any
    exp: Any
    log: Any
    sin: Any
    cos: Any
    sinh: Any
    cosh: Any
    tanh: Any
    atan: Any
    erf: Any
    sqrt: Any
    abs: Any
    sign: Any
    maximum: Any
    minimum: Any
    step: Any
    """1 above 0, 0 below."""

    @abstractmethod
    def number(self, decimal: float) -> Any:
        """Return the number that a decimal of a setting spells."""

    def ratio(self, fraction: Fraction) -> Any:
        """Return a rational number."""
        return self.number(fraction.numerator) / fraction.denominator

    def full(self, x: Any, value: int) -> Any:
        """Return a constant of the shape of ``x``."""
        return self.number(value)

    @abstractmethod
    def where(self, left: Any, right: Any, rise: Any, run: Any) -> Any:
        """Return ``rise`` where ``left >= right``, else ``run``; almost everywhere is enough."""

    def power(self, base: Any, exponent: Any) -> Any:
        """Raise to a constant power, an int where it is a whole number."""
        return base**exponent

    def times(self, slope: Any, rise: Any) -> Any:
        """Multiply the outer with the inner derivative of a composition."""
        return slope * rise

    def expm1(self, x: Any) -> Any:
        """Return ``exp(x) - 1``."""
        return self.exp(x) - 1

    def log1p(self, x: Any) -> Any:
        """Return ``log(1 + x)``."""
        return self.log(1 + x)

    def logistic(self, x: Any) -> Any:
        """Return ``1 / (1 + exp(-x))``."""
        return 1 / (1 + self.exp(-x))

    def softplus(self, x: Any) -> Any:
        """Return ``log(1 + exp(x))``."""
        return self.log(1 + self.exp(x))

    def tanh_slope(self, x: Any) -> Any:
        """Return ``1 - tanh(x)^2``."""
        value = self.tanh(x)
        return (1 - value) * (1 + value)

    def normal_density(self, x: Any) -> Any:
        """Return the standard normal density."""
        return self.exp(-x * x / 2) / self.sqrt(2 * self.pi)

    def normal_cdf(self, x: Any) -> Any:
        """Return the standard normal distribution function."""
        return (1 + self.erf(x / self.sqrt(self.number(2)))) / 2

    def normal_tail(self, x: Any) -> Any:
        """Return what the standard normal distribution has above ``x``."""
        return self.normal_cdf(-x)


class Counting(ABC):
    """Functions of a degree ``k``, of which Hermite coefficients are made: a number or a symbol."""

    @abstractmethod
    def kernel(self, j: Any, k: Any) -> Any:
        """Return ``(-1)^j / k!`` times a derivative at 0, the ``j``-th, of the standard normal density.

        Minus one stands for its distribution function, minus two for the antiderivative of that.
        """

    @abstractmethod
    def parity(self, k: Any, remainder: int, there: Callable[[], Any], elsewhere: Callable[[], Any]) -> Any:
        """Return one value where ``k`` has a remainder by 2, another elsewhere."""

    @abstractmethod
    def delta(self, k: Any) -> Any:
        """Return 1 at ``k = 1``, else 0."""

    @abstractmethod
    def wave(self, k: Any) -> Any:
        """Return ``sin(pi k / 2)``."""

    @abstractmethod
    def factorial(self, k: Any) -> Any:
        """Return ``k!``."""


class Floats(Arithmetic, Counting):
    """Arrays of float32 or float64, whose type is kept; stable where rounding would show."""

    pi = math.pi
    exp, log, sin, cos, sinh, cosh, tanh = np.exp, np.log, np.sin, np.cos, np.sinh, np.cosh, np.tanh
    atan, abs, sign, maximum, minimum = np.arctan, np.abs, np.sign, np.maximum, np.minimum
    erf, logistic, normal_cdf = special.erf, special.expit, special.ndtr
    expm1: Any = np.expm1
    log1p: Any = np.log1p

    def number(self, decimal: float) -> float:
        """Return the float itself: a Python float leaves float32 what it is."""
        return decimal

    def full(self, x: Any, value: int) -> Any:
        """Return a constant of the shape and type of ``x``."""
        return np.full_like(x, value)

    def sqrt(self, x: Any) -> Any:
        """Return the square root, of a Python float a Python float."""
        return math.sqrt(x) if type(x) in (int, float) else np.sqrt(x)

    def step(self, x: Any) -> Any:
        """Return 1 above 0, else 0."""
        return (x > 0).astype(x.dtype)

    def softplus(self, x: Any) -> Any:
        """Return ``log(1 + exp(x))`` without overflow."""
        return np.logaddexp(x, 0)

    def where(self, left: Any, right: Any, rise: Any, run: Any) -> Any:
        """Return ``rise`` where ``left >= right``, else ``run``."""
        return np.where(left >= right, rise, run)

    def power(self, base: Any, exponent: Any) -> Any:
        """Raise to a power; whole exponents by repeated squaring, many times faster than ``**``."""
        if exponent < 0:
            return 1 / self.power(base, -exponent)
        if exponent == 0.5:
            return np.sqrt(base)
        if exponent != int(exponent):
            return base**exponent
        whole, result, square = int(exponent), None, base
        while whole:
            if whole % 2:
                result = square if result is None else result * square
            whole //= 2
            square = square * square if whole else square
        return np.ones_like(base) if result is None else result

    def kernel(self, j: int, k: int) -> float:
        """Compute the integers exactly: the result has the rounding of three operations at any degree."""
        if j == -1:
            return 0.5 / math.factorial(k)
        if j % 2:
            return 0.0
        half = max(j // 2, 0)
        at_zero = Fraction(math.factorial(2 * half), (-2) ** half * math.factorial(half))
        return float(at_zero / math.factorial(k)) / math.sqrt(2 * math.pi)

    def parity(self, k: int, remainder: int, there: Callable[[], Any], elsewhere: Callable[[], Any]) -> Any:
        """Return one value where ``k`` has a remainder by 2, another elsewhere."""
        return there() if k % 2 == remainder else elsewhere()

    def delta(self, k: int) -> float:
        """Return 1 at ``k = 1``, else 0."""
        return float(k == 1)

    def wave(self, k: int) -> float:
        """Return ``sin(pi k / 2)``."""
        return (0.0, 1.0, 0.0, -1.0)[k % 4]

    def factorial(self, k: float) -> float:
        """Return ``k!`` of a whole number."""
        return float(math.factorial(int(k)))


class Symbols(Arithmetic, Counting):
    """Expressions of sympy, in which decimals are the rationals that they spell."""

    def __init__(self) -> None:
        import sympy

        self.sympy = sympy
        self.pi = sympy.pi
        self.exp, self.log, self.sqrt, self.erf = sympy.exp, sympy.log, sympy.sqrt, sympy.erf
        self.sin, self.cos, self.sinh, self.cosh = sympy.sin, sympy.cos, sympy.sinh, sympy.cosh
        self.tanh, self.atan, self.abs, self.sign = sympy.tanh, sympy.atan, sympy.Abs, sympy.sign
        self.maximum, self.minimum = sympy.Max, sympy.Min

    def number(self, decimal: float) -> Any:
        """Return the rational that a decimal spells."""
        return self.sympy.Rational(repr(decimal))

    def normal_cdf(self, x: Any) -> Any:
        """Return the standard normal distribution function, its sum kept together."""
        return self.sympy.Mul(self.sympy.Rational(1, 2), 1 + self.erf(x / self.sqrt(2)), evaluate=False)

    def normal_tail(self, x: Any) -> Any:
        """Return the complementary error function."""
        return self.sympy.erfc(x / self.sqrt(2)) / 2

    def step(self, x: Any) -> Any:
        """Return 1 above 0, else 0."""
        return self.sympy.Heaviside(x, 0)

    def where(self, left: Any, right: Any, rise: Any, run: Any) -> Any:
        """Return ``rise`` where ``left >= right``, else ``run``."""
        return self.sympy.Piecewise((rise, left >= right), (run, True))

    def kernel(self, j: Any, k: Any) -> Any:
        """Write the derivative with the Gamma function, whose poles are the odd degrees: they vanish."""
        half = self.sympy.Rational(1, 2)
        return 2 ** (half * (j - 1)) / (self.factorial(k) * self.sympy.gamma(half * (1 - j)))

    def parity(self, k: Any, remainder: int, there: Callable[[], Any], elsewhere: Callable[[], Any]) -> Any:
        """Return one value where ``k`` has a remainder by 2, another elsewhere."""
        condition = self.sympy.Eq(self.sympy.Mod(k, 2), remainder)
        return self.sympy.Piecewise((there(), condition), (elsewhere(), True))

    def delta(self, k: Any) -> Any:
        """Return 1 at ``k = 1``, else 0."""
        return self.sympy.KroneckerDelta(k, 1)

    def wave(self, k: Any) -> Any:
        """Return ``sin(pi k / 2)``."""
        return self.sympy.sin(self.sympy.pi * k / 2)

    def factorial(self, k: Any) -> Any:
        """Return ``k!``."""
        return self.sympy.factorial(k)


FLOATS = Floats()
