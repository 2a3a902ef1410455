"""How few samples and neurons carry a spike, from the Hermite coefficients of its vectors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.setting import Setting
from rmt_spikes.theory.quadrature_rules import gaussian_draws, readout_law

NODES, DEGREES = 32, 5
"""Nodes of the distribution of ``q``, and degrees of the alignments."""

KEPT = 64
"""Sizes whose norms are kept."""


def concentration(setting: Setting, feature: Any, right_feature: Any) -> float:
    """Bound on the inverse participation ratios of both vectors of a spike, together.

    ``E[sqrt(n) u]^4 / n + E[sqrt(N) v]^4 / N``, by the triangle inequality over the degrees: the singular
    value is a root of sums of such terms over samples and over neurons, so that it scatters by a share of the
    root of this, and the mean of a root is below the root of the mean by a share of it.
    """
    left = _fourth_power(feature, _sample_norms(setting.n_ridge))
    right = _fourth_power(right_feature, _readout_norms(setting.readout, setting.width))
    return left / setting.n_ridge + right / setting.width


def _fourth_power(feature: Any, norms: NDArray[np.float64]) -> float:
    """Fourth moment of a vector of norm one whose components are known."""
    shares = np.array([float(each) ** 2 for each in feature])
    whole = float(np.sum(shares))
    return float(np.sqrt(shares / whole) @ norms) ** 4 if whole > 0.0 else 0.0


@lru_cache(maxsize=KEPT)
def _sample_norms(count: int) -> NDArray[np.float64]:
    """Norms in ``L^4`` of the Hermite polynomials under the distribution of a number of draws."""
    q, weights = gaussian_draws(count, NODES)
    return np.asarray((normalized_hermite(DEGREES - 1, q) ** 4 @ weights) ** 0.25)


@lru_cache(maxsize=KEPT)
def _readout_norms(name: str, count: int) -> NDArray[np.float64]:
    """The same of the polynomials of the readout weights."""
    law = readout_law(name, draws=count)
    return np.asarray((law.polynomials(law.nodes, DEGREES) ** 4 @ law.weights) ** 0.25)
