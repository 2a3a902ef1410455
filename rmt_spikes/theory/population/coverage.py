"""Which settings a part of the theory covers, and why it does not cover others."""

from __future__ import annotations

import math

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.population.levels import crowd, levels_of, near_largest, stands_alone


def is_plain(setting: Setting) -> bool:
    """Whether the teacher has one direction and inputs are alike in all."""
    return labels_of(setting).directions == 1 and levels_of(setting).isotropic


def is_published(setting: Setting) -> bool:
    """Whether the published theory is about such settings: plain ones, and a fresh second batch."""
    return setting.second_batch in Features.PUBLISHED.batches and is_plain(setting)


def require_batch(setting: Setting, purpose: str, batch: str = "fresh") -> None:
    """Refuse, with a `DomainError`, another second batch.

    Theories of one are wrong for the other: features depend on the noise of the labels they are fitted to
    where it is that of the gradient step.
    """
    if setting.second_batch != batch:
        raise DomainError("second_batch", f"must be {batch!r} for {purpose}", setting.second_batch)


def require_crowd(setting: Setting, purpose: str) -> None:
    """Refuse inputs of which few directions stand alone, with a `DomainError`.

    These would make singular values of their own, which are those of no neuron and no sample.
    """
    if setting.inputs is not None and stands_alone(setting.inputs):
        least = math.ceil(crowd(setting.inputs))
        near = round(near_largest(setting.inputs))
        required = (
            f"must have at least {least} directions with eigenvalues above half the largest for {purpose}, "
            f"of which it has {near}: fewer make singular values of their own, which are not predicted"
        )
        raise DomainError("covariance", required, setting.covariance, "simulate it")


def require_small_output(setting: Setting, purpose: str) -> None:
    """Refuse an initial output with more energy than the labels, with a `DomainError`.

    Little is learnt of the labels then: the step undoes the output.
    """
    expansion, energy = setting.activation_expansion, labels_of(setting).energy
    output = (expansion.second_moment - expansion.mean**2) / setting.width
    if setting.theta > 0.0 and setting.output_scale == "mean_field" and output > energy:
        required = (
            f"must be below {math.sqrt(energy / output):.3g} times its size for {purpose} with a step: the "
            f"initial output has the energy {output:.3g}, and the labels {energy:.3g}"
        )
        raise DomainError("activation", required, setting.activation, "simulate it")


def require_plain(
    setting: Setting, purpose: str, instead: str = "a fresh batch and the method 'uniform'"
) -> None:
    """Refuse a teacher with several directions, and a covariance of the inputs, with a `DomainError`.

    For parts of the theory that were worked out for one direction in inputs alike in all. `instead` is what
    goes with them.
    """
    if labels_of(setting).directions > 1:
        required = f"must have one direction for {purpose}"
        raise DomainError("target", required, setting.target, f"several go with {instead}")
    require_isotropic(setting, purpose, f"it goes with {instead}")


def require_isotropic(setting: Setting, purpose: str, advice: str = "simulate it") -> None:
    """Refuse a covariance of the inputs, with a `DomainError`."""
    if not levels_of(setting).isotropic:
        raise DomainError("covariance", f"must be the identity for {purpose}", setting.covariance, advice)


def without_pencil(setting: Setting, features: Features) -> tuple[str, str]:
    """Why the rows of a setting have no pencil, as what is asked for, and what has one."""
    if setting.output_scale == "standard":
        return "the standard output scale", "output_scale = 'mean_field'"
    return f"the features {str(features)!r}", "the features 'corrected'"


def require_covered(setting: Setting, purpose: str) -> None:
    """Refuse what only the method for every step size covers."""
    require_batch(setting, purpose)
    require_plain(setting, purpose)
