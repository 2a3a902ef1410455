"""Hermite coefficients in closed form (docs/theory.md section 1).

``c_k = E[f(Z) He_k(Z)] / k!`` is the ``k``-th Taylor coefficient of ``E f(Z + t)``, because
``exp(t z - t^2/2)`` generates the ``He_k``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rmt_spikes.arguments import choice, integer
from rmt_spikes.errors import DomainError
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity

MAXIMUM_ORDER = 40
_LEAK = (1, 100)


@quantity("smoothed", "E f(Z + t) of {activation}, whose Taylor coefficients are c_k", "1", "F")
def smoothed(activation: str) -> Any:
    """Mean of an activation under a Gaussian of mean ``t`` and variance one.

    Parameters
    ----------
    activation
        One of relu, leaky_relu, abs, elu, identity, erf, sign, gelu, sin, cos.

    Returns
    -------
    sympy.Expr
        ``E f(Z + t)``.

    Raises
    ------
    DomainError
        For another activation.
    """
    return _SMOOTHED[choice("activation", activation, tuple(_SMOOTHED))](symbol("t"))


@quantity("hermite", "Hermite coefficients c_k of {activation}, c_k = E[f(Z) He_k(Z)] / k!", "1", "c_k")
def hermite(activation: str) -> Any:
    """Hermite coefficient of any degree.

    Parameters
    ----------
    activation
        One of relu, leaky_relu, abs, identity, erf, sign, gelu, sin, cos.

    Returns
    -------
    sympy.Expr
        ``c_k`` as an expression of ``k``.

    Raises
    ------
    DomainError
        For another activation.
    """
    return _GENERAL[choice("activation", activation, tuple(_GENERAL))](symbol("k"))


def hermite_coefficients(function: Any, order: int) -> tuple[Any, ...]:
    """Exact Hermite coefficients of one function.

    Parameters
    ----------
    function
        Name known to `smoothed`, or a sympy expression in ``Symbol("z", real=True)``: a sum of polynomials
        times exponentials of quadratic polynomials (a polynomial times a Gaussian, for one).
    order
        Highest degree, at most 40.

    Returns
    -------
    tuple of sympy.Expr
        ``c_0, ..., c_order``.

    Raises
    ------
    DomainError
        For another function, or one that is not square-integrable under the Gaussian.

    Examples
    --------
    >>> import sympy
    >>> z = sympy.Symbol("z", real=True)
    >>> hermite_coefficients(z**2 * sympy.exp(-z**2 / 2), 2)[1]
    0
    """
    import sympy

    order = integer("order", order, 0, MAXIMUM_ORDER)
    t = symbol("t")
    mean = smoothed(function) if isinstance(function, str) else _gaussian_mean(sympy.expand(function), t)
    coefficients = []
    for k in range(order + 1):
        coefficients.append(sympy.expand(mean.subs(t, 0) / sympy.factorial(k)))
        mean = sympy.diff(mean, t)
    return tuple(coefficients)


def _gaussian_mean(function: Any, t: Any) -> Any:
    """``E f(Z + t)`` of a sum of polynomials times exponentials of quadratics: complete the square."""
    import sympy

    z = sympy.Symbol("z", real=True)
    total = sympy.Integer(0)
    for term in sympy.Add.make_args(function):
        factors = sympy.Mul.make_args(term)
        exponent = sympy.expand(sympy.Add(*(f.args[0] for f in factors if isinstance(f, sympy.exp))))
        rest = sympy.Mul(*(f for f in factors if not isinstance(f, sympy.exp)))
        if not (rest.is_polynomial(z) and exponent.is_polynomial(z) and sympy.degree(exponent, z) <= 2):
            raise DomainError(
                "function", "must be polynomials times exponentials of quadratics in z", str(term)
            )
        scale = -2 * exponent.coeff(z, 2)
        if (2 * scale + 1).is_positive is not True:
            raise DomainError("function", "must be square-integrable under the Gaussian", str(term))
        tilt, level = exponent.coeff(z, 1), exponent.coeff(z, 0)
        variance = 1 / (1 + scale)
        centre = (t + tilt) * variance
        moments = sum(
            coefficient * _gaussian_moment(power, centre, variance)
            for (power,), coefficient in sympy.Poly(rest, z).terms()
        )
        total += sympy.sqrt(variance) * sympy.exp(level + ((t + tilt) * centre - t**2) / 2) * moments
    return total


def _gaussian_moment(power: int, centre: Any, variance: Any) -> Any:
    """``E (centre + sqrt(variance) Z)^power``."""
    import sympy

    return sum(
        sympy.binomial(power, 2 * m) * sympy.factorial2(2 * m - 1) * variance**m * centre ** (power - 2 * m)
        for m in range(power // 2 + 1)
    )


def _mean_relu(t: Any) -> Any:
    import sympy

    return t * (1 + sympy.erf(t / sympy.sqrt(2))) / 2 + sympy.exp(-(t**2) / 2) / sympy.sqrt(2 * sympy.pi)


def _mean_elu(t: Any) -> Any:
    import sympy

    root = sympy.sqrt(2)
    below = sympy.exp(t + sympy.Rational(1, 2)) * sympy.erfc((t + 1) / root) / 2 - sympy.erfc(t / root) / 2
    return _mean_relu(t) + below


def _mean_gelu(t: Any) -> Any:
    import sympy

    return t * (1 + sympy.erf(t / 2)) / 2 + sympy.exp(-(t**2) / 4) / (2 * sympy.sqrt(sympy.pi))


def _mean_erf(scale: int) -> Callable[[Any], Any]:
    def mean(t: Any) -> Any:
        import sympy

        return sympy.erf(t / sympy.sqrt(scale))

    return mean


def _mean_wave(name: str) -> Callable[[Any], Any]:
    def mean(t: Any) -> Any:
        import sympy

        return sympy.exp(-sympy.Rational(1, 2)) * getattr(sympy, name)(t)

    return mean


def _leaky(relu: Callable[[Any], Any], identity: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def mean(x: Any) -> Any:
        import sympy

        leak = sympy.Rational(*_LEAK)
        return (1 - leak) * relu(x) + leak * identity(x)

    return mean


def _relu(k: Any) -> Any:
    import sympy

    # Two integrations by parts leave He_{k-2}(0) times the Gaussian density at 0. Written with the Gamma
    # function the same expression covers k = 0 and 1; its poles are the odd degrees, which vanish.
    half = sympy.Rational(1, 2)
    return 2 ** (half * (k - 3)) / (sympy.factorial(k) * sympy.gamma(half * (3 - k)))


def _identity(k: Any) -> Any:
    import sympy

    return sympy.KroneckerDelta(k, 1)


def _erf(scale: int) -> Callable[[Any], Any]:
    def coefficient(k: Any) -> Any:
        import sympy

        j = (k - 1) / 2
        odd = 2 * (-1) ** j / (sympy.sqrt(sympy.pi) * sympy.sqrt(scale) ** k * sympy.factorial(j) * k)
        return sympy.Piecewise((0, sympy.Eq(sympy.Mod(k, 2), 0)), (odd, True))

    return coefficient


def _gelu(k: Any) -> Any:
    import sympy

    m = k / 2
    even = (-1) ** (m - 1) * (k + 1) / (2 * sympy.sqrt(sympy.pi) * 4**m * sympy.factorial(m) * (k - 1))
    odd = sympy.KroneckerDelta(k, 1) / 2
    return sympy.Piecewise((odd, sympy.Eq(sympy.Mod(k, 2), 1)), (even, True))


def _wave(name: str) -> Callable[[Any], Any]:
    def coefficient(k: Any) -> Any:
        import sympy

        angle = getattr(sympy, name)(sympy.pi * k / 2)
        return sympy.exp(-sympy.Rational(1, 2)) * angle / sympy.factorial(k)

    return coefficient


_SMOOTHED: dict[str, Callable[[Any], Any]] = {
    "relu": _mean_relu,
    "leaky_relu": _leaky(_mean_relu, lambda t: t),
    "abs": lambda t: _mean_relu(t) + _mean_relu(-t),
    "elu": _mean_elu,
    "identity": lambda t: t,
    "erf": _mean_erf(3),
    "sign": _mean_erf(2),
    "gelu": _mean_gelu,
    "sin": _mean_wave("sin"),
    "cos": _mean_wave("cos"),
}

_GENERAL: dict[str, Callable[[Any], Any]] = {
    "relu": _relu,
    "leaky_relu": _leaky(_relu, _identity),
    "abs": lambda k: (1 + (-1) ** k) * _relu(k),
    "identity": _identity,
    "erf": _erf(3),
    "sign": _erf(2),
    "gelu": _gelu,
    "sin": _wave("sin"),
    "cos": _wave("cos"),
}
