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
from rmt_spikes.theory.quadrature_rules import gaussian_draws

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
    spread = rows is Rows.SPREAD
    if variables.inflation == 0.0 or rows is Rows.ISOTROPIC or not (curved or spread):
        return np.ones((1, alpha.size)), np.ones(1)
    mean, energy = residual_moments(setting)[0], variables.residual_energy
    angle = np.pi * np.arange(1, LEVELS + 1) / (LEVELS + 1)
    h = mean + 2.0 * math.sqrt(setting.phi * energy) * np.cos(angle)
    weights = 2.0 / (LEVELS + 1) * np.sin(angle) ** 2
    along, incoherent = _variances(setting, variables, alpha)
    coherent = along(h)
    if not spread:
        return np.sqrt(coherent + incoherent) / variables.scale(alpha), weights
    width = min(1.0, label_spread(setting))
    pair = [coherent + (1.0 + sign * width) * incoherent for sign in (-1.0, 1.0)]
    return np.sqrt(np.concatenate(pair)) / variables.scale(alpha), np.concatenate([weights, weights]) / 2


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


def label_spread(setting: Setting) -> float:
    """Relative standard deviation of the spectrum of ``X^T diag(r^2) X / n``: ``sqrt(phi E r^4) / E r^2``.

    The moments are those of ``n`` draws; the readout's offset and the initial output are left out.
    """
    nodes, weights = gaussian_draws(setting.n, 64)
    values = setting.target_function(nodes)
    noise = setting.noise_std**2
    second = weights @ values**2 + noise
    fourth = weights @ values**4 + 6.0 * noise * (weights @ values**2) + 3.0 * noise**2
    return float(math.sqrt(setting.phi * fourth) / second) if second > 0.0 else 0.0
