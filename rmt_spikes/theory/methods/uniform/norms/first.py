"""Samples of the first batch by their component along the learnt direction, of which each makes a part."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebpts1, chebvander
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.latent import residual_moments
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.quadrature_rules import gauss_hermite, normal_panels

Array = NDArray[np.float64]

NODES = 64
"""Chebyshev nodes of the component."""

SHARED = 3
"""Nodes of what a sample has in common with the others' part of the direction."""

FARTHEST = 10.0
"""Largest component: a normal variable exceeds it with probability 1e-23."""


class FirstSamples(NamedTuple):
    """Samples of the first batch.

    Attributes
    ----------
    q
        Component along the learnt direction, shape ``(n_q,)``.
    residual
        Residuals times the weights of the nodes: they stand for an integral over a law that has a sign.
    """

    q: Array
    residual: Array


def first_samples(setting: Setting, special: SpecialDirections) -> FirstSamples:
    """Samples of the first batch on nodes that are exact for smooth functions of the component.

    The component along the noise of the learnt direction is ``nu r + xi`` with ``nu^2 = phi / E r^2``: the
    sample's own residual, and what it has in common with the others.
    """
    batch, labels = special.batch, labels_of(setting)
    u, u_weights = normal_panels(labels.teacher.function.splits if labels.directions == 1 else ())
    given = labels.given(1.0, u)
    spread = np.sqrt(np.maximum(given.energy - given.mean**2, 0.0))
    offset = labels.mean - residual_moments(setting)[0]
    r = batch.excess + given.mean - offset + np.multiply.outer([-1.0, 1.0], spread)
    weights = np.tile(0.5 * u_weights, (2, 1))
    r *= math.sqrt(batch.energy / max(float(np.sum(weights * r**2)), 1e-300))
    xi, shares = gauss_hermite(SHARED)
    noise = math.sqrt(batch.phi / max(batch.energy, 1e-300)) * r[..., None] + xi
    q = special.frame[0, 0] * u[:, None] + special.frame[-1, 0] * noise
    q = np.clip(q / FARTHEST, -1.0, 1.0)
    nodes, scale = chebpts1(NODES), np.full(NODES, 2.0 / NODES)
    scale[0] = 1.0 / NODES
    moments = ((weights * r)[..., None] * shares).ravel() @ chebvander(q.ravel(), NODES - 1)
    return FirstSamples(FARTHEST * nodes, chebvander(nodes, NODES - 1) @ (scale * moments))
