"""The entry points: predict everything about a setting, its losses, or the steps at which spikes appear."""

from __future__ import annotations

import math
from typing import overload

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import integer
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory.accuracy.bars import losses_of, warn_if_large
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.methods import CONTINUOUS, look_up, method_for
from rmt_spikes.theory.prediction import PrecisePrediction, Prediction
from rmt_spikes.theory.realisation import Realisation
from rmt_spikes.theory.results import Losses

Array = NDArray[np.float64]

LARGEST_STEP = 3.0
"""Largest step at which a spike is looked for, in ``sqrt(width) row_norm**2``: as far as simulations went."""


@overload
def predict(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    given: Realisation | None = None,
    digits: None = None,
) -> Prediction: ...


@overload
def predict(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    given: Realisation | None = None,
    digits: int,
) -> PrecisePrediction: ...


def predict(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    given: Realisation | None = None,
    digits: int | None = None,
) -> Prediction | PrecisePrediction:
    """Predict the spectrum, the spikes and the losses of a setting.

    Parameters
    ----------
    setting
        What is predicted.
    method
        ``"uniform"`` (default): one resolvent for every step size. ``"closed_form"`` (default with
        `digits`): bulk of the untrained features, latent part kept to all orders, finite ``n``; good while
        the shift ``s`` is small. ``"limit"``: the losses are those of ``n -> infinity`` in the regime of the
        step exponent; bulk and spikes as in the closed form. ``"one_batch"`` (default, and the only one, with
        ``second_batch="same"``): closed equations for a ridge regression on the samples of the step.
    features
        ``"corrected"``: spike ``k`` carries the heat-evolved monomial. ``"published"``: the bare monomial,
        without the growth of the rows. ``"isotropic"``: corrected, but for rows that grow in all directions
        alike, which matters for large steps and in the uniform method only. The others of `theory.Features`
        leave out one ingredient each.
    given
        Realised latent variables, such as ``observation.latent``. They replace the limits: the norm and
        cosine of the learnt direction, the energy of the residual and the readout weights, and, where
        present, the latent variables and labels of the second batch. Not for ``"limit"``, nor with `digits`.
    digits
        Number of significant digits, 16 to 300: the closed form in higher precision, as `mpmath` numbers
        with enclosures (docs/precision.md). None for double precision.

    Returns
    -------
    Prediction, or PrecisePrediction when `digits` are asked for
        The two have the same attributes.

    Raises
    ------
    DomainError
        For an unknown method or features, or digits of another method than the closed form.

    The parts of a prediction are computed when they are asked for. They warn with an `AccuracyWarning` where
    an error bar exceeds 5 % of its number, and raise

    DomainError
        For a setting that the method does not cover.
    ConvergenceError
        If a part fails its own certificate.

    Notes
    -----
    docs/theory.md sections 2 to 7.
    """
    solution = method_for(setting, method, features, given, digits)
    return Prediction(solution) if digits is None else PrecisePrediction(solution)


def predict_losses(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    given: Realisation | None = None,
) -> Losses[float]:
    """Predict the losses alone.

    Parameters
    ----------
    setting, method, features, given
        As in `predict`.

    Returns
    -------
    Losses

    Warns
    -----
    AccuracyWarning
        If an error bar exceeds 5 % of its loss.

    Raises
    ------
    DomainError
        As in `predict`.
    ConvergenceError
        If the equations are not solved to ``1e-8``.
    """
    solution = method_for(setting, method, features, given)
    losses = losses_of(solution)
    warn_if_large(solution, "losses", losses)
    return losses


def critical_step_sizes(
    setting: Setting, count: int = 3, *, method: str | None = None, features: str = Features.CORRECTED
) -> Array:
    """Step sizes at which the first spikes leave the bulk.

    Parameters
    ----------
    setting
        What is predicted; its own step size is not used.
    count
        Number of spikes.
    method
        ``"uniform"`` (default), ``"closed_form"``, or ``"one_batch"`` for the same batch (its default).
    features
        As in `predict`.

    Returns
    -------
    ndarray of shape ``(count,)``
        In units of `step_size`; 0 for a spike that exists without a step, ``inf`` for one that does not
        appear up to a step of ``3 sqrt(width)``, times ``row_norm ** 2``.

    Raises
    ------
    DomainError
        For a `count` that is not a positive integer, or an unknown method or features.
    """
    require_setting(setting)
    count = integer("count", count, 1)
    solution = look_up(method, CONTINUOUS, setting.second_batch)(setting, Features.of(features))
    solution.refuse_what_is_not_covered()
    return solution.thresholds(count, LARGEST_STEP * math.sqrt(setting.width) * setting.row_norm**2)
