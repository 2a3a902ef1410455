"""Wrong theories: changes to a prediction that the comparison has to reject, or it would prove nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory import Features, Prediction, limit_losses, predict
from rmt_spikes.theory.bulk.outliers import outliers_of
from rmt_spikes.theory.bulk.weights import weights_of
from rmt_spikes.theory.methods import Limit
from rmt_spikes.theory.population.labels import labels_of

FACTORIAL_POLYNOMIALS = {2: "(z**2 - 1)", 3: "(z**3 - 3*z)"}
"""Hermite polynomials whose factorial is forgotten: that of degree one is one, higher ones hardly show."""

TARGET_DEGREES = 9
"""Degrees of a target that are kept without its linear part; the energy of the rest is noise as well."""


def _unchanged(thing: Any) -> Any:
    return thing


@dataclass(frozen=True, kw_only=True)
class WrongTheory:
    """A mistake that a theory could contain: in the setting, method or features, or made afterwards."""

    meaning: str
    setting: Callable[[Setting], Setting] = _unchanged
    method: str | None = None
    features: Features | None = None
    prediction: Callable[[Prediction], Prediction] = _unchanged

    @property
    def features_alone(self) -> Features | None:
        """Features of a theory that differs in nothing else: it can be conditioned on a trial as well."""
        alone = self.method is None and _unchanged is self.setting and _unchanged is self.prediction
        return self.features if alone else None


def predict_wrongly(theory: WrongTheory, setting: Setting, **options: Any) -> Prediction:
    """Predict with a mistake; `DomainError` where it cannot be made with the setting."""
    mistakes = {"method": theory.method, "features": theory.features}
    options |= {key: value for key, value in mistakes.items() if value is not None}
    return theory.prediction(predict(theory.setting(setting), **options))


def _without_factorial(setting: Setting) -> Setting:
    """Coefficients ``E[sigma He_k]`` for ``E[sigma He_k] / k!``, in degrees 2 and 3; the rest is kept."""
    name = setting.activation
    if not isinstance(name, str):
        raise DomainError("activation", "must be a name for the control missing_factorial", name)
    coefficients = setting.activation_expansion.coefficients
    terms = [
        f"({(math.factorial(k) - 1) * float(coefficients[k])!r}) * {polynomial}"
        for k, polynomial in FACTORIAL_POLYNOMIALS.items()
    ]
    return setting.replace(activation={"expression": " + ".join([f"{name}(z)", *terms])})


def _exchanged(setting: Setting) -> Setting:
    """Samples and neurons exchanged, at the same ``theta``: ``phi`` is taken for ``psi`` and back."""
    n, width = setting.width, setting.n
    return setting.replace(
        n=n, width=width, n_ridge=n, step_size=setting.theta * math.sqrt(width) * setting.row_norm**2
    )


def _without_linear_direction(setting: Setting) -> Setting:
    """The linear part of the teacher taken for noise."""
    coefficients = setting.target_expansion.coefficients[:TARGET_DEGREES].tolist()
    coefficients[1] = 0.0
    kept = sum(math.factorial(k) * c * c for k, c in enumerate(coefficients))
    noise = math.sqrt(max(0.0, setting.label_energy - kept))
    return setting.replace(target={"hermite": coefficients}, noise_std=noise)


def _first_direction(setting: Setting) -> Setting:
    """What the teacher is along its learnt direction; the energy of the rest is noise."""
    labels = labels_of(setting)
    if labels.directions == 1:
        required = "must have several directions for the control first_direction"
        raise DomainError("target", required, setting.target)
    coefficients = labels.coefficients(TARGET_DEGREES).tolist()
    kept = sum(math.factorial(k) * c * c for k, c in enumerate(coefficients))
    noise = math.sqrt(max(0.0, labels.energy - kept))
    return setting.replace(target={"hermite": coefficients}, noise_std=noise)


def _isotropic(setting: Setting) -> Setting:
    """Inputs without their covariance."""
    if setting.inputs is None:
        required = "must not be the identity for the control isotropic_inputs"
        raise DomainError("covariance", required, setting.covariance)
    return setting.replace(covariance=None)


def _one_fewer(prediction: Prediction) -> Prediction:
    """The last spike missing, from the spectrum and, in the limit of a regime, from the losses."""
    if not prediction.spikes:
        raise DomainError("negative_controls", "one_spike_fewer needs a spike", 0)
    losses, degree = prediction.losses, prediction.regime.degree
    if isinstance(prediction.solution, Limit) and degree:
        losses = limit_losses(prediction.setting, prediction.features.limit, degree=degree - 1)
    return prediction.replace(spikes=prediction.spikes[:-1], losses=losses)


def _without_samples(prediction: Prediction) -> Prediction:
    """No values of single samples: all that is beyond the edge is learnt."""
    if not prediction.outliers.expected_beyond_edge:
        raise DomainError("negative_controls", "no_values_of_samples needs such a value", 0)
    bulk, width = prediction.bulk, prediction.setting.width
    return prediction.replace(outliers=outliers_of(np.zeros(0), np.zeros(0), bulk, width))


def _rank_one(setting: Setting) -> Setting:
    """The activation without all that its gradient adds to a matrix of rank one: its linear part alone."""
    return setting.replace(activation={"hermite": [0.0, float(setting.activation_expansion.coefficients[1])]})


def _without_samples_in_weights(prediction: Prediction) -> Prediction:
    """The trained layer as its learnt values and its bulk alone."""
    layer, setting = prediction.weights, prediction.setting
    if "sample" not in layer.origin:
        required = "no_samples_in_weights needs a value of the trained layer that a sample makes"
        raise DomainError("negative_controls", required, 0)
    values = zip(layer.singular_values.tolist(), layer.right_alignment.tolist(), layer.origin, strict=True)
    learnt = {value: share for value, share, origin in values if origin == "learnt"}
    none = outliers_of(np.zeros(0), np.zeros(0), layer.bulk, setting.width)
    changed = weights_of(learnt, none, layer.bulk, min(setting.width, setting.d), 1.0)
    return prediction.replace(weights=changed)


def _other_ridge(setting: Setting) -> Setting:
    """The penalty weighed by neurons instead of samples."""
    return setting.replace(ridge=setting.ridge * setting.n_ridge / setting.width)


WRONG_THEORIES: Mapping[str, WrongTheory] = {
    "missing_factorial": WrongTheory(
        meaning="Hermite coefficients of the activation lack their 1/k!", setting=_without_factorial
    ),
    "exchanged_proportions": WrongTheory(
        meaning="d/n and d/N are exchanged: samples are taken for neurons", setting=_exchanged
    ),
    "no_inflation": WrongTheory(
        meaning="rows do not grow apart from the spikes: spike k carries the bare monomial, as published",
        features=Features.PUBLISHED,
    ),
    "no_linear_direction": WrongTheory(
        meaning="the linear part of the teacher cannot be learnt: it is taken for noise",
        setting=_without_linear_direction,
    ),
    "one_spike_fewer": WrongTheory(meaning="the last spike is missing", prediction=_one_fewer),
    "no_values_of_samples": WrongTheory(
        meaning="single samples make no values beyond the bulk", prediction=_without_samples
    ),
    "rank_one_gradient": WrongTheory(
        meaning="the gradient has rank one: the activation is linear to the step", setting=_rank_one
    ),
    "no_samples_in_weights": WrongTheory(
        meaning="single samples make no values of the trained layer", prediction=_without_samples_in_weights
    ),
    "first_direction": WrongTheory(
        meaning="the teacher has its learnt direction alone, and what it makes of the others is noise",
        setting=_first_direction,
    ),
    "isotropic_inputs": WrongTheory(meaning="inputs are alike in all directions", setting=_isotropic),
    "ridge_not_normalised": WrongTheory(
        meaning="the ridge is weighed by the number of neurons, not of samples", setting=_other_ridge
    ),
}
