"""The two-layer network: its exact first gradient step and its features (docs/theory.md section 1)."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rmt_spikes.activations import ScalarFunction
from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.sampling import Array, Batch

LARGEST_FEATURE = 1e100
"""Features above this are refused: their squares, which the Gram matrix sums, would overflow."""


class FirstStep(NamedTuple):
    """What one pass over the first batch gives.

    Attributes
    ----------
    gradient : ndarray of shape (width, d)
        The exact `G`.
    beta : ndarray of shape (d,)
        ``X^T r / n``, with the exact residual `r`.
    residual_energy : float
        Mean of ``r^2`` over the batch.
    """

    gradient: Array
    beta: Array
    residual_energy: float


def output_factor(setting: Setting) -> float:
    """Return `varsigma`, the factor in front of the network output."""
    return 1.0 / float(np.sqrt(setting.width)) if setting.output_scale == "mean_field" else 1.0


def first_step(
    activation: ScalarFunction, weights: Array, readout: Array, factor: float, batch: Iterable[Batch]
) -> FirstStep:
    """Compute the exact gradient step of the first layer (docs/theory.md section 1).

    With ``r = y - factor * sigma(X W^T) a`` it is ``G = (1/n) [(a r^T) o sigma'(W X^T)] X``, which is
    ``-1/factor`` times the gradient in `W` of the loss ``||r||^2 / (2 n)``.

    Parameters
    ----------
    activation : ScalarFunction
        The activation and its derivative.
    weights : ndarray of shape (width, d)
        First layer at initialisation.
    readout : ndarray of shape (width,)
        Second layer `a` (of order ``1/sqrt(width)``).
    factor : float
        Output factor `varsigma`.
    batch : iterable of Batch
        The first batch, in blocks.

    Returns
    -------
    FirstStep
        Gradient, `beta` and energy of the residual.
    """
    width, d = weights.shape
    gradient = np.zeros((width, d))
    beta = np.zeros(d)
    energy = 0.0
    count = 0
    for block in batch:
        preactivations = block.inputs @ weights.T
        residual = block.labels - factor * (activation(preactivations) @ readout)
        slopes = activation.derivative(preactivations)
        slopes *= residual[:, None]
        gradient += slopes.T @ block.inputs
        beta += block.inputs.T @ residual
        energy += float(residual @ residual)
        count += residual.size
    gradient *= (readout / count)[:, None]
    beta /= count
    return FirstStep(gradient, beta, energy / count)


def features(activation: ScalarFunction, weights: Array, inputs: Array, out: Array | None = None) -> Array:
    """Compute the features ``sigma(X W^T)``.

    Parameters
    ----------
    activation : ScalarFunction
        The activation.
    weights : ndarray of shape (width, d)
        First layer.
    inputs : ndarray of shape (samples, d)
        Inputs.
    out : ndarray of shape (samples, width), optional
        Where to write them.

    Returns
    -------
    ndarray of shape (samples, width)
        `out` when it is given.

    Raises
    ------
    DomainError
        When a feature is not finite or too large to be squared (field ``step_size``).
    """
    preactivations: Array = np.matmul(inputs, weights.T, out=out)
    # Overflow is reported below, with the cause, instead of as a warning from inside the activation.
    with np.errstate(over="ignore", invalid="ignore"):
        values: Array = activation(preactivations)
    largest = max(float(values.max()), -float(values.min()))
    if not largest <= LARGEST_FEATURE:
        raise DomainError(
            "step_size",
            f"must keep every feature below {LARGEST_FEATURE:g}",
            largest,
            "take a smaller step or an activation that grows more slowly",
        )
    if out is None:
        return values
    out[...] = values
    return out
