"""Hermite coefficients in closed form (docs/theory.md section 1).

``c_k = E[f(Z) He_k(Z)] / k!`` is the ``k``-th Taylor coefficient of ``E f(Z + t)``, because
``exp(t z - t^2/2)`` generates the ``He_k``.
"""

from __future__ import annotations

from typing import Any

from rmt_spikes.arguments import choice, integer
from rmt_spikes.errors import DomainError
from rmt_spikes.functions.arithmetic import Symbols
from rmt_spikes.functions.table import NAMES, TABLE
from rmt_spikes.theory.symbolic.equations import evolved
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity

MAXIMUM_ORDER = 40
"""Degrees beyond it take minutes: derivatives of products grow."""

SMOOTHED = tuple(name for name in NAMES if TABLE[name].mean is not None)
"""Activations whose mean under a Gaussian has a closed form."""

WITH_COEFFICIENTS = tuple(name for name in NAMES if TABLE[name].coefficient is not None)
"""Activations whose Hermite coefficients have a closed form for all degrees."""


@quantity("smoothed", "E f(Z + t) of {activation}, whose Taylor coefficients are c_k", "1", "F")
def smoothed(activation: str) -> Any:
    """``E f(Z + t)``: mean of an activation under a Gaussian of mean ``t`` and variance one.

    Parameters
    ----------
    activation
        One of relu, leaky_relu, abs, elu, identity, erf, sign, gelu, sin, cos.

    Raises
    ------
    DomainError
        For another activation.
    """
    import sympy

    mean: Any = TABLE[choice("activation", activation, SMOOTHED)].mean
    return mean(Symbols(), symbol("t"), sympy.Integer(1))


@quantity("hermite", "Hermite coefficients c_k of {activation}, c_k = E[f(Z) He_k(Z)] / k!", "1", "c_k")
def hermite(activation: str) -> Any:
    """Hermite coefficient ``c_k`` of any degree, as an expression of ``k``.

    Parameters
    ----------
    activation
        One of relu, leaky_relu, abs, identity, erf, sign, gelu, sin, cos.

    Raises
    ------
    DomainError
        For another activation.
    """
    coefficient: Any = TABLE[choice("activation", activation, WITH_COEFFICIENTS)].coefficient
    return coefficient(Symbols(), symbol("k"))


def hermite_coefficients(function: Any, order: int) -> tuple[Any, ...]:
    """Exact Hermite coefficients ``c_0, ..., c_order`` of one function.

    Parameters
    ----------
    function
        Name known to `smoothed`, or a sympy expression in ``Symbol("z", real=True)``: a sum of polynomials
        times exponentials of quadratic polynomials (a polynomial times a Gaussian, for one).
    order
        Highest degree, at most 40.

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
            rule = "must be polynomials times exponentials of quadratics in z"
            raise DomainError("function", rule, str(term))
        scale = -2 * exponent.coeff(z, 2)
        if (2 * scale + 1).is_positive is not True:
            raise DomainError("function", "must be square-integrable under the Gaussian", str(term))
        tilt, level = exponent.coeff(z, 1), exponent.coeff(z, 0)
        variance = 1 / (1 + scale)
        centre = (t + tilt) * variance
        moments = sum(
            coefficient * evolved(power, centre, variance)
            for (power,), coefficient in sympy.Poly(rest, z).terms()
        )
        total += sympy.sqrt(variance) * sympy.exp(level + ((t + tilt) * centre - t**2) / 2) * moments
    return total
