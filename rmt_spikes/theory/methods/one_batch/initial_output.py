"""The initial output in the residual of the step, which goes along with the features of its neurons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting

Array = NDArray[np.float64]

NODES = 200
"""Of the Marchenko-Pastur distribution: the weight of Chebyshev's rule makes it exact to rounding."""


def marchenko_pastur(phi: float) -> tuple[Array, Array, float]:
    """Nodes and weights of the eigenvalues of ``X'X/n`` apart from zero, and the share that is zero."""
    low, high = (1.0 - math.sqrt(phi)) ** 2, (1.0 + math.sqrt(phi)) ** 2
    angle = np.pi * (np.arange(NODES) + 0.5) / NODES
    nodes = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
    weights = 0.5 * (high - low) ** 2 * np.sin(angle) ** 2 / (4.0 * NODES * phi * nodes)
    return nodes, weights, max(0.0, 1.0 - 1.0 / phi)


def excess(setting: Setting, omega: Any, ridge: Any, fresh: Any) -> Any:
    """``Delta``: norm of the initial output's part of the features after the step, less that before.

    `omega` is its mean over neurons, `fresh` the weight of fresh samples. Small steps; docs/theory.md.
    """
    expansion, phi, theta = setting.activation_expansion, setting.phi, setting.theta
    c = float(expansion.coefficients[1])
    tail = float(expansion.second_moment) - float(expansion.mean) ** 2 - c**2
    spread = float(expansion.derivative_variance)
    g, p, zero = marchenko_pastur(phi)
    g, p = np.append(g, 0.0), np.append(p, zero)
    pull = setting.ridge_ratio * omega
    q, q_0 = 1.0 / (ridge + pull * (c**2 * g / phi + tail)), 1.0 / (ridge + pull * tail)

    def norm(step: float) -> Any:
        b, b_0 = 1.0 - step * (c**2 * g + phi * spread), 1.0 - step * phi * spread
        own = np.sum(p * q * b**2 * (c**2 * g + phi * tail)) + (1.0 - phi) * tail * b_0**2 * q_0
        r = pull * c**2 * q * b / phi
        shift = (c - step * c**3 * g - r * c * g) ** 2 + phi * tail * g * (step * c**2 + r) ** 2
        return own + fresh / ridge * (np.sum(p * shift) + tail)

    return norm(theta) - norm(0.0)
