"""Rows of the trained layer whose covariance is not a multiple of the identity."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.latent import Latent, residual_moments
from rmt_spikes.theory.methods.uniform.first_order.gradient_moments import direction_measure

Array = NDArray[np.float64]

LEVELS = 5
"""Chebyshev nodes of the semicircle: the losses move by less than 1e-4 of themselves with more."""


def anisotropy(
    setting: Setting, variables: Latent, alpha: Array, rows: Rows = Rows.LEVELS
) -> tuple[Array, Array]:
    """Relative standard deviations of a trained row along its eigenvectors, and their weights.

    They have mean square one over the levels; shapes ``(n_levels, n_a)`` and ``(n_levels,)``. The eigenvalue
    of the label-weighted sample covariance follows a semicircle, here on five Chebyshev nodes (docs/theory.md
    section 4.1). One level is enough when ``c_2 = 0``.
    """
    activation = setting.activation_expansion
    c_2 = float(activation.coefficients[2])
    curved = abs(c_2) > 1e-12 * math.sqrt(activation.second_moment)
    if variables.inflation == 0.0 or rows is Rows.ISOTROPIC or not curved:
        return np.ones((1, alpha.size)), np.ones(1)
    mean, energy = residual_moments(setting)[0], variables.residual_energy
    angle = np.pi * np.arange(1, LEVELS + 1) / (LEVELS + 1)
    h = mean + 2.0 * math.sqrt(setting.phi * energy) * np.cos(angle)
    weights = 2.0 / (LEVELS + 1) * np.sin(angle) ** 2
    along, incoherent = _variances(setting, variables, alpha)
    return np.sqrt(along(h) + incoherent) / variables.scale(alpha), weights


def direction_levels(setting: Setting, variables: Latent, alpha: Array, rows: Rows) -> tuple[Array, Array]:
    """Relative standard deviations of trained rows along the special directions, and their weights.

    Shapes ``(n_levels, n_a)`` and ``(n_levels, 2, 2)``, or ``(n_levels, 3, 3)`` at the standard output scale:
    the learnt direction, the rest of the teacher's and of the initial readout's. The weights add up to the
    identity (docs/theory.md section 4.1). At the standard output scale the directions are taken as any other.
    """
    if setting.output_scale == "standard":
        levels, weights = anisotropy(setting, variables, alpha, rows)
        return levels, weights[:, None, None] * np.eye(3)
    if variables.inflation == 0.0 or rows is Rows.ISOTROPIC:
        return np.ones((1, alpha.size)), np.eye(2)[None]
    measure = direction_measure(setting)
    coherent, incoherent = _variances(setting, variables, alpha)
    squares = coherent(measure.levels) + measure.growth[:, None] * incoherent
    return np.sqrt(squares) / variables.scale(alpha), measure.weights


def _variances(setting: Setting, variables: Latent, alpha: Array) -> tuple[Callable[[Array], Array], Array]:
    """Squared length of a row from the coherent part at its eigenvalues, and from the incoherent part."""
    activation = setting.activation_expansion
    c_2 = float(activation.coefficients[2])
    step = setting.theta * alpha
    spread = max(0.0, activation.derivative_variance - 4.0 * c_2**2)

    def coherent(h: Array) -> Array:
        return np.asarray((1.0 + 2.0 * c_2 * step * h[:, None]) ** 2)

    return coherent, setting.phi * variables.residual_energy * spread * step**2
