"""Scalar formulas of the theory, each once, for floats, balls and symbols alike.

`predict` calls them on floats, with ``digits=`` on balls, `symbolic` on sympy symbols: what is derived is
what is run. Where a number needs a form that cancels less, that form stands where it is used, and
``tests/theory/test_formulas.py`` holds it to the formula here in 50 digits. Sections are of docs/theory.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


def square(x: Any) -> Any:
    """``x^2`` as a product: a ball around zero has no power."""
    return x * x


def residual_moments(mean: Any, energy: Any, offset: Any) -> tuple[Any, Any]:
    """Mean and second moment of the labels less a constant initial output (section 2)."""
    return mean - offset, energy - 2 * offset * mean + square(offset)


def beta_norm2(signal2: Any, phi: Any, energy: Any, initial2: Any = 0) -> Any:
    """``B = ||beta||^2``: signal, initial output (section 8) and noise (section 2).

    `signal2` is ``c_{*,1}^2``, `phi` is ``d/n``, `energy` is ``E r^2``, and `initial2` is ``c_1^2`` at the
    standard output scale.
    """
    return signal2 + initial2 + phi * energy


def beta_cosine2(signal2: Any, norm2: Any) -> Any:
    """``rho``: squared cosine between the learnt direction and the teacher's (section 2)."""
    return signal2 / norm2


def shift(slope: Any, theta: Any, beta_norm: Any) -> Any:
    """``s``: what the step adds to a pre-activation, per unit of ``alpha_j q_i`` (section 2)."""
    return slope * theta * beta_norm


def chi(phi: Any, energy: Any, derivative_variance: Any, slope2: Any) -> Any:
    """``nu / s^2``, in which the step size cancels (section 2).

    `phi` is ``d/n``, `energy` is ``E r^2``, `derivative_variance` is ``Var sigma'``, `slope2` is ``c_1^2 B``.
    """
    return phi * energy * derivative_variance / slope2


def inflation(spread: Any, shifted: Any) -> Any:
    """``nu``: growth of the squared norm of a row from the part of its gradient off ``beta`` (section 2)."""
    return spread * square(shifted)


def drift(curvature: Any, mean: Any, theta: Any) -> Any:
    """``2 c_2 E[r] theta``: growth of a row along itself (section 2)."""
    return 2 * curvature * mean * theta


def row_norm2(drifted: Any, inflated: Any, alpha: Any) -> Any:
    """``tau^2``: squared norm of a trained row apart from its part along ``beta`` (section 2)."""
    return square(1 + drifted * alpha) + inflated * square(alpha)


def power_polynomials(
    coefficients: Sequence[Any], degrees: Sequence[int], *, slope: Any, twice_mean: Any, chi: Any
) -> list[list[Any]]:
    """Polynomials of ``q`` that multiply powers of ``theta alpha`` in the mean feature (section 2).

    Parameters
    ----------
    coefficients
        Hermite coefficients of the activation, as many as are known.
    degrees
        Powers ``k``.
    slope, twice_mean, chi
        ``c_1 ||beta||``, ``2 c_2 E[r]`` and ``chi``; the last two are zero for published features.

    Returns
    -------
    list of list
        Monomial coefficients, constant first, each polynomial scaled to leading coefficient one.

    Notes
    -----
    ``E sigma(tau Z + s alpha q) = sum_j c_j E(s alpha q + sqrt(tau^2 - 1) Z)^j`` with
    ``tau^2 - 1 = v_1 (theta alpha) + v_2 (theta alpha)^2``. Without a mean of the labels ``v_1 = 0`` and the
    polynomials are the heat-evolved monomials ``E (q + sqrt(chi) Z)^k``.
    """
    v_1, v_2 = 2 * twice_mean, chi * slope**2 + twice_mean**2
    table = []
    for k in degrees:
        polynomial = [0 * slope] * (k + 1)
        top = 2 * k if v_1 else k
        for j in range(k, min(top, len(coefficients) - 1) + 1):
            for m in range(j - k, j // 2 + 1):
                r = m - (j - k)
                # Exact: the numerator is a multiple of the denominator, except for a power of two.
                moments = math.factorial(j) // (math.factorial(m) * math.factorial(j - 2 * m))
                spread = math.comb(m, r) * v_1 ** (m - r) * v_2**r
                ratio = coefficients[j] / coefficients[k] if j != k else 1
                polynomial[j - 2 * m] += ratio * moments * spread / 2**m * slope ** (j - 2 * m - k)
        table.append(polynomial)
    return table


def growth(degree: int, exponent: Any) -> Any:
    """Exponent of ``n`` with which spike `degree` grows relative to the bulk (section 6)."""
    return (2 * degree * exponent - (degree - 1)) / 2


def marchenko_pastur(kappa: Any, linear: Any, tail: Any, gamma: Any, sqrt: Callable[[Any], Any]) -> Any:
    """``g(kappa)``: normalised trace of the population resolvent, the root that is positive (section 5).

    `kappa` is the effective ridge, `linear` is ``c_1^2``, `tail` is ``c_{>1}^2``, and `gamma` is ``N/d``.
    """
    t = (tail + kappa) / linear
    b = 1 + t - gamma
    return (-b + sqrt(b**2 + 4 * gamma * t)) / (2 * gamma * t * linear)


def effective_ridge(g: Any, linear: Any, tail: Any, gamma: Any) -> Any:
    """``kappa(g)``, the inverse of `marchenko_pastur` (section 5)."""
    return 1 / g - tail - linear / (1 + gamma * linear * g)


def ridge(kappa: Any, g: Any, ratio: Any) -> Any:
    """``lambda``, the ridge of an effective ridge; `ratio` is ``N / n_ridge`` (section 5)."""
    return kappa * (1 - ratio * (1 - kappa * g))


def linear_share(kappa: Any, g: Any, tail: Any, gamma: Any) -> Any:
    """``mu``: share of the linear direction that is left unexplained (section 5)."""
    return 1 - gamma * (1 - (tail + kappa) * g)


def linear_share_of_trace(g: Any, linear: Any, gamma: Any) -> Any:
    """``mu`` on the curve, as a function of ``g`` alone (section 5)."""
    return 1 / (1 + gamma * linear * g)


def trace_slope(g: Any, mu: Any, linear: Any, gamma: Any) -> Any:
    """``dg/dkappa`` (section 5)."""
    return -(g**2) / (1 - gamma * (linear * g * mu) ** 2)


def linear_share_slope(mu: Any, g_slope: Any, linear: Any, gamma: Any) -> Any:
    """``dmu/dkappa`` (section 5)."""
    return -gamma * linear * mu**2 * g_slope


def ridge_slope(kappa: Any, g: Any, g_slope: Any, ratio: Any) -> Any:
    """``dlambda/dkappa`` (section 5)."""
    return 1 - ratio * (1 - kappa * g) + ratio * kappa * (g + kappa * g_slope)


def curve(g: Any, linear: Any, tail: Any, gamma: Any, ratio: Any) -> tuple[Any, Any, Any]:
    """Factors ``a``, ``b`` and ``d`` of ``z = -a b / (g d^2)``, the eigenvalue of a trace (section 5)."""
    d = 1 + gamma * linear * g
    a = (1 - tail * g) * d - linear * g
    return a, (1 - ratio) * d + ratio * a, d


def spike_strength(width: Any, shifted: Any, linear: Any, gamma: Any) -> Any:
    """``a_1``, to leading order in the shift: the learnt part and that of the untrained rows (section 5)."""
    return linear * (width * square(shifted) + gamma)


def spike_location(strength: Any, linear: Any, tail: Any, gamma: Any, ratio: Any) -> Any:
    """Eigenvalue of a latent direction of a strength, at ``g = -1/a`` (section 5)."""
    population = strength + tail + linear * strength / (strength - gamma * linear)
    return population * (1 - ratio + ratio * population / strength)


def critical_step2(edge_trace: Any, linear: Any, gamma: Any, norm2: Any) -> Any:
    """Squared step size at which spike 1 leaves the bulk, to leading order in the shift (section 6)."""
    return (-1 / (linear * edge_trace) - gamma) / (linear * norm2)


def sample_equation(
    profile: Any, ratio: Any, gamma: Any, omega: Any, m_1: Any, m_noise: Any, v_1: Any
) -> Any:
    """Right-hand side of the equation of ``1/R``, for one readout weight (section 4)."""
    return profile + ratio * omega * (m_noise**2 + m_1**2 / (1 + gamma * omega * v_1))


def neuron_equation(gamma: Any, omega: Any, v_1: Any, v_noise: Any) -> Any:
    """Right-hand side of the equation of ``1/omega``, for one readout weight (section 4)."""
    return 1 + v_noise + v_1 / (1 + gamma * omega * v_1)


def untrained_value(signal2: Any, energy: Any, mu: Any) -> Any:
    """``kappa T`` of the untrained features (section 7)."""
    return signal2 * mu + energy - signal2


def losses(ridge: Any, kappa: Any, ridge_slope: Any, value: Any, loss: Any) -> tuple[Any, Any, Any]:
    """Objective, training and test loss from ``kappa T`` and ``-kappa^2 dT/dkappa`` (sections 4 and 5)."""
    share = ridge / kappa
    test = loss / ridge_slope
    return share * value, share**2 * test, test
