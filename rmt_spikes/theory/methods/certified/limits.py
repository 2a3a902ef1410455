"""Losses as ``n`` grows in a regime, in balls (docs/theory.md section 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flint import arb

from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.balls import GUARD_DIGITS, from_mpf, midpoint, square
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.limits import improvement
from rmt_spikes.theory.methods.certified.latent import BallLatent
from rmt_spikes.theory.regimes import LAST_EXPONENT, regime_degree, spike_degrees
from rmt_spikes.theory.results import Losses, loss_numbers


def midpoint_losses(numbers: tuple[Any, Any, Any]) -> Losses[Any]:
    """Losses at the middles of balls."""
    return Losses(**dict(zip(("objective", "train", "test"), map(midpoint, numbers), strict=True)))


def certified_limits(variables: BallLatent, digits: int) -> dict[str, Losses[Any]] | None:
    """Losses for all features that differ in the limit; None where there is no regime."""
    setting = variables.setting
    degree = regime_degree(setting.exponent)
    if degree is None or setting.exponent > LAST_EXPONENT:
        return None
    return {
        str(features): _limit(replace(variables, corrected=features.rows_grow), degree, digits)
        for features in Features.limits()
    }


def _limit(variables: BallLatent, degree: int, digits: int) -> Losses[Any]:
    """Losses of a regime (docs/theory.md section 7)."""
    activation, target = variables.activation, variables.target
    learnt: Any = variables.learnt
    point = variables.curve.at_ridge(variables.ridge)
    linear = square(target.coefficient(1))
    value: Any = formulas.untrained_value(linear, variables.label_energy, point.mu)
    slope: Any = linear * point.mu_slope
    degrees = spike_degrees(variables.setting, degree)
    if degrees:
        grown = not learnt.drift.is_zero()
        twice_mean = 2 * activation.coefficient(2) * variables.residual[0] if grown else arb(0)
        top = max(degrees) * (1 if twice_mean.is_zero() else 2)
        polynomials = formulas.power_polynomials(
            [midpoint(activation.coefficient(j)) for j in range(top + 1)],
            degrees,
            slope=midpoint(activation.coefficient(1) * learnt.beta_norm2.sqrt()),
            twice_mean=midpoint(twice_mean),
            chi=midpoint(learnt.chi),
        )
        teacher = [midpoint(target.coefficient(j)) for j in range(degree + 1)]
        cosine, mu = midpoint(learnt.beta_cosine), midpoint(arb(0) + point.mu)
        gain, gain_slope = map(from_mpf, improvement(polynomials, teacher, cosine, mu, digits + GUARD_DIGITS))
        value, slope = value - gain, slope - gain_slope * point.mu_slope
    return midpoint_losses(loss_numbers(point, value, value - point.kappa * slope))
