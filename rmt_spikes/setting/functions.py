"""Activation and target of a setting: what they are expanded to, and which are refused."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from rmt_spikes.errors import ConvergenceError, DomainError, Word
from rmt_spikes.functions.hermite import HermiteExpansion, expand
from rmt_spikes.functions.scalar import ScalarFunction, Specification, function_from
from rmt_spikes.functions.teacher import LARGEST_ERROR, Teacher, target_from
from rmt_spikes.setting.covariance import Inputs

CONSTANT = 1e-14
"""Share of a second moment that is the variance of a constant: rounding."""

LEAST_NOISE = 1e-50
"""Least label noise without a target: fourth powers of it are still numbers."""


@lru_cache(maxsize=256)
def teacher_of(spec: Specification) -> Teacher:
    """Target of the setting as a function of its directions."""
    return Teacher(target_from(spec))


@lru_cache(maxsize=256)
def built(spec: Specification, field: str, center: bool, scale: float = 1.0) -> ScalarFunction:
    """Return a function of the setting at ``scale z``, less its Gaussian mean where it is centred."""
    function = (target_from if field == "target" else function_from)(spec, field)
    if not isinstance(function, ScalarFunction):
        raise DomainError(field, "must be a function of one direction", spec)
    function = function.scaled(scale)
    return function.shifted(expansion_of(spec, field, False, scale).mean) if center else function


def expansion_of(spec: Specification, field: str, center: bool, scale: float = 1.0) -> HermiteExpansion:
    """Expand a function of the setting; what cannot be expanded is outside the domain of its field."""
    try:
        return expand(built(spec, field, center, scale))
    except DomainError as error:
        raise DomainError(field, error.required, spec) from None
    except ConvergenceError as error:
        raise DomainError(field, f"must be smooth enough to integrate: {error.message}", spec) from None


def check_activation(spec: Specification, center: bool, step: float, scale: float) -> None:
    """Refuse constants and, with a step, activations that give it no signal, or have no derivative."""
    plain = expansion_of(spec, "activation", False, scale)
    if not plain.second_moment > 0.0:
        raise DomainError("activation", "must have values whose square is above 0 in double precision", spec)
    if plain.second_moment - plain.mean**2 <= CONSTANT * plain.second_moment:
        raise DomainError("activation", "must not be constant", spec)
    # What is left of a constant is rounding.
    expansion = expansion_of(spec, "activation", center, scale)
    if step == 0.0:
        return
    rms = math.sqrt(expansion.second_moment)
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


def check_target(spec: Specification, d: int, step: float, noise: float, inputs: Inputs | None) -> None:
    """Refuse 0 without noise, more directions than there is room for, and several that teach a step nothing.

    A single direction may teach a step nothing: the theory has that case.
    """
    teacher = teacher_of(spec)
    if teacher.directions == 1:
        if expansion_of(spec, "target", False).second_moment == 0.0 and noise < LEAST_NOISE:
            least = f"below {LEAST_NOISE:g}" if noise else "0"
            raise DomainError("target", f"must not be 0 everywhere when noise_std is {least}", spec)
        return
    room = d if inputs is None else int(inputs.multiplicities[inputs.teacher > 0.0].min())
    if teacher.directions > room:
        where = "d" if inputs is None else "the dimension of each eigenspace that the teacher lies in"
        came = Word(f"{teacher.directions} in {room}")
        raise DomainError("target", f"must have at most as many directions as {where}", came)
    moments = teacher.moments
    if not moments.error <= LARGEST_ERROR * max(moments.second, 1e-300):
        came = Word(f"moments with an error of {moments.error:.1g}")
        raise DomainError("target", f"must be integrable to a relative {LARGEST_ERROR:g}", came)
    strength = float(np.linalg.norm(moments.linear))
    if step > 0.0 and strength <= max(1e-9 * math.sqrt(moments.second), moments.error):
        advice = "one step learns nothing of it, for E[y z_k] = 0 for all k; step_size = 0 may have it"
        raise DomainError("target", "must be correlated with one of its directions", spec, advice)
