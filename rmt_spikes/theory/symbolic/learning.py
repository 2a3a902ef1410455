"""What the gradient step learns: the latent variables and the features they make (docs/theory.md, 2)."""

from __future__ import annotations

from typing import Any

from rmt_spikes.arguments import integer
from rmt_spikes.theory import formulas
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity

MAXIMUM_DEGREE = 12


@quantity("beta-norm2", "squared norm of the learnt direction", "2", "B")
def beta_norm2() -> Any:
    """``||beta||^2`` of ``beta = X^T y / n``."""
    return formulas.beta_norm2(symbol("c_star_1") ** 2, symbol("phi"), symbol("E_y2"))


@quantity("beta-cosine2", "squared cosine between the learnt direction and the teacher's", "2", "rho")
def beta_cosine2() -> Any:
    """``cos^2(beta, beta_*)``."""
    return formulas.beta_cosine2(symbol("c_star_1") ** 2, beta_norm2())


@quantity("shift", "shift of a pre-activation by the step, per unit of alpha_j q_i", "2", "s")
def shift() -> Any:
    """``s = c_1 theta sqrt(B)``."""
    import sympy

    return formulas.shift(symbol("c_1"), symbol("theta"), sympy.sqrt(symbol("B")))


@quantity(
    "inflation",
    "growth of the squared norm of a row, from the part of its gradient not along beta",
    "2",
    "nu",
)
def inflation() -> Any:
    """``nu``, per unit of ``alpha_j^2``."""
    return formulas.inflation(chi(), shift())


@quantity("chi", "inflation in units of the squared shift", "2", "chi")
def chi() -> Any:
    """``nu / s^2``, in which the step size cancels."""
    return formulas.chi(symbol("phi"), symbol("E_y2"), symbol("V"), symbol("c_1") ** 2 * symbol("B"))


@quantity("row-norm2", "squared norm of a trained row apart from its part along beta", "2", "tau2")
def row_norm2() -> Any:
    """``tau_j^2`` as a function of the readout weight."""
    return formulas.row_norm2(symbol("drift"), symbol("nu"), symbol("alpha"))


@quantity(
    "feature", "polynomial of q that spike {degree} carries, E (q + sqrt(chi) Z)^{degree}", "2", "p_{degree}"
)
def feature(degree: int) -> Any:
    """Heat-evolved monomial ``p_k(q) = E (q + sqrt(chi) Z)^k``, the published ``q^k`` at ``chi = 0``.

    Raises
    ------
    DomainError
        For a degree that is not from 0 to 12.
    """
    return evolved(integer("degree", degree, 0, MAXIMUM_DEGREE), symbol("q"), symbol("chi"))


def evolved(degree: int, mean: Any, variance: Any) -> Any:
    """``E (mean + sqrt(variance) Z)^degree``."""
    import sympy

    one, zero = sympy.Integer(1), sympy.Integer(0)
    (polynomial,) = formulas.power_polynomials(
        [0] * (degree + 1), [degree], slope=one, twice_mean=zero, chi=variance
    )
    return sum((c * mean**k for k, c in enumerate(polynomial)), zero)


@quantity("feature-generating", "generating function sum_k p_k(q) t^k / k!", "2", "P")
def feature_generating() -> Any:
    """``exp(t q + chi t^2 / 2)``."""
    import sympy

    t = symbol("t")
    return sympy.exp(t * symbol("q") + symbol("chi") * t**2 / 2)


@quantity(
    "growth", "exponent of n with which spike {degree} grows relative to the bulk", "6", "growth_{degree}"
)
def growth(degree: int) -> Any:
    """``k exponent - (k - 1) / 2``: spike ``k`` grows like ``n^growth`` relative to the bulk.

    It leaves the bulk in the end when this is positive.

    Raises
    ------
    DomainError
        For a degree that is not from 1 to 12.
    """
    return formulas.growth(integer("degree", degree, 1, MAXIMUM_DEGREE), symbol("exponent"))
