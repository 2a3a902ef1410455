"""Losses as ``n`` grows in one regime of the step exponent: spikes become free directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import integer
from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import latent, residual_moments
from rmt_spikes.theory.population.coverage import is_plain, require_covered
from rmt_spikes.theory.regimes import LAST_EXPONENT, MAXIMUM_DEGREE, regime_degree, spike_degrees
from rmt_spikes.theory.results import Losses, losses_at
from rmt_spikes.theory.ridgeless import in_the_limit, positive_ridge, require_finite_losses

Array = NDArray[np.float64]


def limits_of(setting: Setting) -> dict[str, Losses[float]] | None:
    """Losses as ``n`` grows for all features that differ there.

    None where there is no regime, for several directions of the teacher, and for a covariance of the inputs.
    """
    known = regime_degree(setting.exponent) is not None and setting.exponent <= LAST_EXPONENT
    if not known or not is_plain(setting):
        return None
    return {str(features): limit_losses(setting, features) for features in Features.limits()}


def checked_degree(setting: Setting, degree: int | None = None) -> int:
    """Degree of a regime, by default that of the step exponent.

    Raises
    ------
    DomainError
        If it is not from 0 to 50.
    """
    given = None if degree is None else integer("degree", degree, 0, MAXIMUM_DEGREE)
    degree = regime_degree(setting.exponent) if given is None else given
    if degree is None or degree > MAXIMUM_DEGREE:
        raise DomainError(
            "step_exponent",
            "must be below 0.49 for the limit of a regime",
            setting.exponent,
            "a step size has no exponent at n = 1" if math.isnan(setting.exponent) else "use another method",
        )
    return degree


def latent_polynomials(
    setting: Setting, degrees: Sequence[int], features: Features = Features.CORRECTED
) -> list[list[float]]:
    """`formulas.power_polynomials` of a setting: for published features the bare monomials."""
    activation = setting.activation_expansion
    variables = latent(setting, features)
    corrected, mean = features.rows_grow, residual_moments(setting)[0]
    return formulas.power_polynomials(
        [float(c) for c in activation.coefficients],
        degrees,
        slope=float(activation.coefficients[1]) * math.sqrt(variables.beta_norm2),
        twice_mean=2.0 * float(activation.coefficients[2]) * mean if corrected else 0.0,
        chi=variables.chi,
    )


def hermite_rows(polynomials: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Coefficients in Hermite polynomials, which are not normalised, one row a polynomial; in any numbers."""
    rows = []
    for polynomial in polynomials:
        row = [0 * polynomial[0]] * max(map(len, polynomials))
        for power, coefficient in enumerate(polynomial):
            for m in range(power // 2 + 1):
                j = power - 2 * m
                row[j] += coefficient * math.factorial(power) / (math.factorial(m) * math.factorial(j) * 2**m)
        rows.append(row)
    return rows


def limit_losses(
    setting: Setting, features: str = Features.CORRECTED, *, degree: int | None = None
) -> Losses[float]:
    """Losses in the limit ``n -> infinity`` of a regime.

    Parameters
    ----------
    setting
        Its proportions, noise, ridge, activation and target; the step size only through its regime.
    features
        ``"corrected"`` or ``"published"``.
    degree
        ``l``; by default that of the step exponent.

    Returns
    -------
    Losses

    Raises
    ------
    DomainError
        For a degree that is not from 0 to 50, which all are from step exponent 0.49 on, or no degree where
        the setting has no step exponent (a step size at ``n = 1``).

    Notes
    -----
    docs/theory.md section 7. The Gram matrix of the features is solved in extended precision: monomials of
    degree ``l`` lose about ``l`` digits.
    """
    require_setting(setting)
    theory = Features.of(features)
    if theory.limit is not theory:
        raise DomainError("features", f"must be {' or '.join(Features.limits())}", features)
    require_covered(setting, "the limit of a regime")
    require_finite_losses(setting)
    degree = checked_degree(setting, degree)
    point = BulkEquivalent.of(setting).at_ridge(positive_ridge(setting))
    target = setting.target_expansion.coefficients
    variables = latent(setting, theory)
    linear = float(target[1]) ** 2
    value = formulas.untrained_value(linear, setting.label_energy, point.mu)
    # -kappa^2 d/dkappa of value / kappa, with what the linear direction adds as a sum of positive terms.
    loss = linear * point.mu * (point.mu + (1.0 - point.mu) * point.excess) + setting.label_energy - linear
    degrees = spike_degrees(setting, degree)
    if degrees:
        polynomials = latent_polynomials(setting, degrees, theory)
        gain, gain_slope = _in_doubles(
            polynomials, [float(c) for c in target[: degree + 1]], variables.beta_cosine, point.mu
        )
        value, loss = value - gain, loss - gain + point.kappa * gain_slope * point.mu_slope
    return in_the_limit(losses_at(point, value, loss), setting)


def improvement(
    polynomials: Sequence[Sequence[Any]], target: Sequence[Any], cosine: Any, mu: Any
) -> tuple[Any, Any]:
    """``b^T Gamma^{-1} b`` of section 7 and its derivative in ``mu``, in any numbers, which lose digits."""
    rows = hermite_rows(polynomials)
    size = len(rows[0])
    # Squared norms of Hermite polynomials; that of degree one is smaller by the factor mu.
    norms = [math.factorial(j) * (mu if j == 1 else 1) for j in range(size)]
    # 0**0 is no decimal number.
    powers = [1, *(cosine**j for j in range(1, size))]
    signal = [target[j] * powers[j] if j < len(target) else 0 * mu for j in range(size)]
    gram = [[_inner(norms, one, other) for other in rows] for one in rows]
    inner = [_inner(norms, row, signal) for row in rows]
    solution = _solved(gram, inner)
    along = sum((row[1] * x for row, x in zip(rows, solution, strict=True)), 0 * mu) if size > 1 else 0 * mu
    value = sum((b * x for b, x in zip(inner, solution, strict=True)), 0 * mu)
    return value, 2 * (signal[1] if size > 1 else 0 * mu) * along - along**2


def lost_digits(polynomials: Sequence[Sequence[Any]]) -> int:
    """Digits that `improvement` may lose, and some to spare."""
    return 15 + 2 * max(map(len, polynomials))


def _in_doubles(
    polynomials: Sequence[Sequence[float]], target: Sequence[float], cosine: float, mu: float
) -> tuple[float, float]:
    """`improvement` to double precision."""
    with localcontext(prec=15 + lost_digits(polynomials)):
        exact = [[Decimal(float(c)) for c in row] for row in (*polynomials, target, (cosine, mu))]
        value, slope = improvement(exact[:-2], exact[-2], *exact[-1])
    return float(value), float(slope)


def _inner(norms: Sequence[Any], one: Sequence[Any], other: Sequence[Any]) -> Any:
    return sum((n * x * y for n, x, y in zip(norms, one, other, strict=True)), 0 * norms[0])


def _solved(matrix: Sequence[Sequence[Any]], right: Sequence[Any]) -> list[Any]:
    """Solution of linear equations whose matrix is positive definite, in any numbers."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i, row in enumerate(rows):
        row[i:] = [x / row[i] for x in row[i:]]
        for other in rows[:i] + rows[i + 1 :]:
            other[i:] = [x - other[i] * y for x, y in zip(other[i:], row[i:], strict=True)]
    return [row[-1] for row in rows]
