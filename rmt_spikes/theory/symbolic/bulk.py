"""The bulk of the untrained features (docs/theory.md sections 5 and 7)."""

from __future__ import annotations

from typing import Any

from rmt_spikes.arguments import integer
from rmt_spikes.theory import formulas
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity


def _population() -> tuple[Any, Any, Any]:
    """Symbols of the linear and the other variance of a feature, and of ``N / d``."""
    return symbol("c_1") ** 2, symbol("c_tail2"), symbol("gamma")


@quantity("marchenko-pastur", "normalised trace g(kappa) of the population resolvent", "5", "g")
def marchenko_pastur() -> Any:
    """``g`` at a positive effective ridge, the root that is positive there."""
    import sympy

    return formulas.marchenko_pastur(symbol("kappa"), *_population(), sympy.sqrt)


@quantity("effective-ridge", "effective ridge as a rational function of g", "5", "kappa")
def effective_ridge() -> Any:
    """Inverse of `marchenko_pastur`."""
    return formulas.effective_ridge(symbol("g"), *_population())


@quantity("ridge", "ridge lambda that belongs to an effective ridge kappa", "5", "lambda_")
def ridge() -> Any:
    """``lambda``; at ``lambda = -z`` the resolvent at an eigenvalue ``z``."""
    return formulas.ridge(symbol("kappa"), symbol("g"), symbol("ratio"))


@quantity("mu", "factor by which the linear direction is left unexplained", "5", "mu")
def mu() -> Any:
    """``mu`` in terms of ``kappa`` and ``g``; it equals ``1 / (1 + gamma c_1^2 g)``."""
    return formulas.linear_share(symbol("kappa"), symbol("g"), symbol("c_tail2"), symbol("gamma"))


@quantity("trace-slope", "derivative of g in the effective ridge", "5", "g_slope")
def trace_slope() -> Any:
    """``dg/dkappa`` in terms of ``g`` and ``mu``."""
    return formulas.trace_slope(symbol("g"), symbol("mu"), symbol("c_1") ** 2, symbol("gamma"))


@quantity("mu-slope", "derivative of mu in the effective ridge", "5", "mu_slope")
def linear_share_slope() -> Any:
    """``dmu/dkappa`` in terms of ``mu`` and ``dg/dkappa``."""
    return formulas.linear_share_slope(symbol("mu"), symbol("g_slope"), symbol("c_1") ** 2, symbol("gamma"))


@quantity("kappa-slope", "derivative of the effective ridge in the ridge", "5", "kappa_slope")
def effective_ridge_slope() -> Any:
    """``dkappa/dlambda`` in terms of ``kappa``, ``g`` and ``dg/dkappa``."""
    return 1 / formulas.ridge_slope(symbol("kappa"), symbol("g"), symbol("g_slope"), symbol("ratio"))


@quantity(
    "bulk", "polynomial in g that vanishes at an eigenvalue z; edges are roots of its discriminant", "5", "0"
)
def bulk_polynomial() -> Any:
    """Quartic in ``g``, linear in ``z``, of the eigenvalue distribution of ``F F^T / n_ridge``."""
    import sympy

    g, z = symbol("g"), symbol("z")
    a, b, d = formulas.curve(g, *_population(), symbol("ratio"))
    return sympy.collect(sympy.expand(z * g * d**2 + a * b), g)


@quantity("published-equation", "equation {number} of the published theory for m_1 and m_2", "7", "0")
def published_equation(number: int) -> Any:
    """What vanishes in equation 1 or 2 for ``m_1`` and ``m_2``, for as many samples in both batches.

    Raises
    ------
    DomainError
        For another number.
    """
    number = integer("number", number, 1, 2)
    first, second = symbol("m_1"), symbol("m_2")
    phi, psi, slope = symbol("phi"), symbol("psi"), symbol("c_1") ** 2
    common = slope * first * second * (symbol("lambda_") * psi * first / phi - 1)
    if number == 1:
        return phi * (first - second) * (symbol("c_tail2") * first + slope * second) + common
    return phi / psi * (slope * first * second + phi * (second - first)) + common
