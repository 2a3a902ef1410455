"""Activation and target of a setting: what they are expanded to, and which are refused."""

from __future__ import annotations

import math
from functools import lru_cache

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.functions.hermite import HermiteExpansion, expand
from rmt_spikes.functions.scalar import ScalarFunction, Specification, function_from

CONSTANT = 1e-14
"""Share of a second moment that is the variance of a constant: rounding."""


@lru_cache(maxsize=256)
def built(spec: Specification, field: str, center: bool) -> ScalarFunction:
    """Return a function of the setting, less its Gaussian mean where it is centred."""
    function = function_from(spec, field)
    return function.shifted(expansion_of(spec, field, False).mean) if center else function


def expansion_of(spec: Specification, field: str, center: bool) -> HermiteExpansion:
    """Expand a function of the setting; what cannot be expanded is outside the domain of its field."""
    try:
        return expand(built(spec, field, center))
    except DomainError as error:
        raise DomainError(field, error.required, spec) from None
    except ConvergenceError as error:
        raise DomainError(field, f"must be smooth enough to integrate: {error.message}", spec) from None


def check_activation(spec: Specification, center: bool, step: float) -> None:
    """Refuse constants and, with a step, activations that give it no signal, or have no derivative."""
    plain, expansion = (expansion_of(spec, "activation", centred) for centred in (False, center))
    rms = math.sqrt(expansion.second_moment)
    if not plain.second_moment > 0.0:
        raise DomainError("activation", "must have values whose square is above 0 in double precision", spec)
    if plain.second_moment - plain.mean**2 <= CONSTANT * plain.second_moment:
        raise DomainError("activation", "must not be constant", spec)
    if step == 0.0:
        return
    if abs(expansion.linear) <= max(1e-9 * rms, expansion.error[1]):
        advice = "without it the gradient step carries no linear signal; step_size = 0 needs none"
        raise DomainError("activation", "must have c_1 = E[Z f(Z)] different from 0", spec, advice)
    if not math.isfinite(expansion.derivative_second_moment):
        raise DomainError("activation", "must have a finite, square-integrable derivative", spec)
    # Stein's lemma: E Z f = E f' exactly when f has no jumps.
    if abs(expansion.derivative_mean - expansion.linear) > 1e-7 * rms:
        raise DomainError(
            "activation",
            "must be continuous",
            spec,
            "a gradient step does not see jumps; step_size = 0 may have them",
        )
