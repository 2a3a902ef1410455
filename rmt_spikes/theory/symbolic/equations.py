"""Latent variables, features, resolvent, bulk and spikes in symbols, in the order of docs/theory.md."""

from __future__ import annotations

from typing import Any

from rmt_spikes.arguments import integer
from rmt_spikes.theory import formulas
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity

MAXIMUM_DEGREE = 12
"""Highest degree of a feature or a spike, that of `improvement`."""


def _population() -> tuple[Any, Any, Any]:
    """Symbols of the linear and the other variance of a feature, and of ``N / d``."""
    return symbol("c_1") ** 2, symbol("c_tail2"), symbol("gamma")


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


@quantity("sample-equation", "inverse of the diagonal of the resolvent, one readout weight", "4", "1/R")
def sample_equation() -> Any:
    """``1 / R(q)``."""
    names = ("L", "ratio", "gamma", "omega", "m_linear", "m_noise", "v_linear")
    return formulas.sample_equation(*map(symbol, names))


@quantity("neuron-equation", "inverse of the neuron's counterpart of R, one readout weight", "4", "1/omega")
def neuron_equation() -> Any:
    """``1 / omega``."""
    return formulas.neuron_equation(*map(symbol, ("gamma", "omega", "v_linear", "v_noise")))


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


@quantity("spike-strength", "strength of spike 1, to leading order in the shift", "5", "a")
def spike_strength() -> Any:
    """``a_1 = c_1^2 (N s^2 + gamma)``: the learnt part, and that of the untrained rows."""
    return formulas.spike_strength(symbol("width"), symbol("s"), symbol("c_1") ** 2, symbol("gamma"))


@quantity("spike-location", "eigenvalue of F F^T / n_ridge of a latent direction of strength a", "5", "z")
def spike_location() -> Any:
    """``z`` at ``g = -1/a``; a spike when ``a > -1/g_edge``."""
    slope2 = symbol("c_1") ** 2
    return formulas.spike_location(symbol("a"), slope2, symbol("c_tail2"), symbol("gamma"), symbol("ratio"))


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


@quantity(
    "critical-step", "step size at which spike 1 leaves the bulk, to leading order in the shift", "6", "eta_1"
)
def critical_step() -> Any:
    """Step at which ``a_1 = -1/g_edge``; without a step a spike exists where the root is imaginary."""
    import sympy

    slope2 = symbol("c_1") ** 2
    return sympy.sqrt(formulas.critical_step2(symbol("g_edge"), slope2, symbol("gamma"), symbol("B")))


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
