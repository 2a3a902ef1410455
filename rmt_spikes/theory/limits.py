"""Losses as ``n`` grows in one regime of the step exponent: spikes become free directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import integer
from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
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


def hermite_rows(polynomials: Sequence[Sequence[float]], size: int) -> mpmath.matrix:
    """Coefficients in normalised Hermite polynomials, one row a polynomial, in mpmath numbers."""
    rows = mpmath.zeros(len(polynomials), size)
    for i, polynomial in enumerate(polynomials):
        for power, coefficient in enumerate(polynomial):
            for m in range(power // 2 + 1):
                j = power - 2 * m
                factor = mpmath.factorial(power) / (
                    mpmath.factorial(m) * mpmath.factorial(j) * mpmath.mpf(2) ** m
                )
                rows[i, j] += coefficient * factor * mpmath.sqrt(mpmath.factorial(j))
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
        gain, gain_slope = map(
            float,
            improvement(
                latent_polynomials(setting, degrees, theory),
                [float(c) for c in target[: degree + 1]],
                variables.beta_cosine,
                point.mu,
            ),
        )
        value, loss = value - gain, loss - gain + point.kappa * gain_slope * point.mu_slope
    return in_the_limit(losses_at(point, value, loss), setting)


def improvement(
    polynomials: Sequence[Sequence[Any]], target: Sequence[Any], cosine: Any, mu: Any, digits: int = 15
) -> tuple[mpmath.mpf, mpmath.mpf]:
    """``b^T Gamma^{-1} b`` of section 7 and its derivative in ``mu``, to a number of digits."""
    size = max(len(polynomial) for polynomial in polynomials)
    with mpmath.workdps(15 + digits + 2 * size):
        rows = hermite_rows(polynomials, size)
        signal = mpmath.matrix(
            [
                (target[j] if j < len(target) else 0.0)
                * mpmath.sqrt(mpmath.factorial(j))
                * mpmath.mpf(cosine) ** j
                for j in range(size)
            ]
        )
        gram, inner = rows * rows.T, rows * signal
        first = rows[:, 1] if size > 1 else mpmath.zeros(rows.rows, 1)
        first_signal = signal[1] if size > 1 else mpmath.mpf(0)
        gram += (mpmath.mpf(mu) - 1) * first * first.T
        inner += (mpmath.mpf(mu) - 1) * first * first_signal
        solution = mpmath.lu_solve(gram, inner)
        value = (inner.T * solution)[0]
        along = (first.T * solution)[0]
        return value, 2 * first_signal * along - along**2
