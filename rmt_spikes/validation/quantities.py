"""Quantities that can be compared: where they stand in a prediction, and how a trial shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rmt_spikes.simulation import Trial
    from rmt_spikes.theory import Prediction

ALIGNED_DEGREES = 3
CLEAR_WIDTHS = 4.0

JUMP = 5.0
ROUNDING = 1e-9


@dataclass(frozen=True)
class Quantity:
    """A predicted number, and how to read it off a trial.

    Attributes
    ----------
    path
        Path in the JSON of a prediction.
    claim
        Group that it belongs to.
    predicted
        Prediction.
    scale
        What tolerances are multiplied with: the size of the prediction, or 1 for a correlation.
    observe
        Its value in a trial.
    """

    path: str
    claim: str
    predicted: float
    scale: float
    observe: Callable[[Trial], float]


def quantities(prediction: Prediction, claim: str, recorded: int) -> list[Quantity]:
    """Quantities of a claim.

    Parameters
    ----------
    prediction
        Theory.
    claim
        ``latent``, ``losses``, ``spikes``, ``alignment`` or ``bulk``.
    recorded
        Number of singular vectors that the trials have.

    Returns
    -------
    list of Quantity
    """

    def relative(path: str, predicted: float, observe: Callable[[Trial], float]) -> Quantity:
        return Quantity(path, claim, predicted, abs(predicted), observe)

    def absolute(path: str, predicted: float, observe: Callable[[Trial], float]) -> Quantity:
        return Quantity(path, claim, predicted, 1.0, observe)

    if claim == "latent":
        norm2, cosine = prediction.latent.beta_norm2, prediction.latent.beta_cosine
        # Tolerances are for the norm; its square moves twice as much.
        return [
            Quantity("latent.beta_norm2", claim, norm2, 2.0 * norm2, lambda trial: trial.beta_norm2),
            Quantity("latent.beta_cosine", claim, cosine, 1.0, lambda trial: trial.beta_cosine),
        ]
    if claim == "losses":
        return [
            relative(f"losses.{name}", value, lambda trial, name=name: float(getattr(trial, name)))  # type: ignore[misc]
            for name, value in prediction.losses.to_dict().items()
        ]
    if claim == "spikes":
        return [
            relative(
                f"spikes[{k}].singular_value",
                spike.singular_value,
                lambda trial, k=k: float(trial.singular_values[k]),  # type: ignore[misc]
            )
            for k, spike in enumerate(prediction.spikes[:recorded])
        ]
    if claim == "alignment":
        return _alignments(prediction, recorded, absolute)
    return _quantiles(prediction)


def _quantiles(prediction: Prediction) -> list[Quantity]:
    """Quantiles of the singular values, but for levels where their law jumps from zero.

    Within a few ``1/width`` of the jump an empirical quantile interpolates across it. Where zero is predicted
    the tolerance is for rounding, in units of the edge.
    """
    bulk, width = prediction.bulk, prediction.setting.width
    rounding = ROUNDING * float(bulk.edges[-1, 1])
    return [
        Quantity(
            f"bulk.quantiles[{level}]",
            "bulk",
            value,
            max(abs(value), rounding),
            partial(_empirical_quantile, float(level)),
        )
        for level, value in bulk.to_dict()["quantiles"].items()
        if bulk.atom_at_zero == 0.0 or abs(float(level) - bulk.atom_at_zero) > JUMP / width
    ]


def _empirical_quantile(level: float, trial: Trial) -> float:
    return float(np.quantile(trial.singular_values, level, method="hazen"))


def _alignments(prediction: Prediction, recorded: int, absolute: Callable[..., Quantity]) -> list[Quantity]:
    edge = float(prediction.bulk.edges[-1, 1])
    rows = []
    for k, spike in enumerate(prediction.spikes[:recorded]):
        if is_clear(spike.singular_value, edge, prediction.setting.width):
            rows += [
                absolute(
                    f"spikes[{k}].alignment[{degree}]",
                    float(spike.alignment[degree]),
                    lambda trial, k=k, degree=degree: float(trial.alignment[k, degree]),
                )
                for degree in range(ALIGNED_DEGREES)
            ]
    return rows


def is_clear(singular_value: float, edge: float, width: int) -> bool:
    """Whether a spike is far enough from the bulk edge for its vectors to follow the limiting law.

    The transition is smeared over a relative width ``width^(-2/3)`` of the edge; clear is four above it.
    """
    smeared: float = width ** (-2.0 / 3.0)
    return singular_value > edge * (1.0 + CLEAR_WIDTHS * smeared)
