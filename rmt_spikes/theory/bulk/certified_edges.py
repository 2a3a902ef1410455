"""Certified error of edges that were computed in double precision."""

from __future__ import annotations

import math

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.certified_curve import CertifiedCurve

BITS = 192
"""Working precision: edges in double precision are compared, which agree to 53 bits where all is well."""


def edge_error(linear: float, tail: float, setting: Setting, edges: NDArray[np.float64]) -> float:
    """Proved bound on the relative error of edges of the bulk; infinite for another number of intervals.

    Parameters
    ----------
    linear, tail
        ``c_1^2`` and ``c_{>1}^2``, taken as exact.
    setting
        Its sizes.
    edges
        Edges of singular values of untrained features, shape ``(n_intervals, 2)``.

    Raises
    ------
    ConvergenceError
        If two edges cannot be told apart in 192 bits.
    """
    with ctx.workprec(BITS):
        curve = CertifiedCurve.of(setting, arb(linear), arb(tail))
        certified = [edge.sqrt() for pair in curve.edges for edge in pair]
        if len(certified) != edges.size:
            return math.inf
        worst = 0.0
        for value, exact in zip(edges.ravel(), certified, strict=True):
            scale = exact if exact > 0 else arb(1)
            worst = max(worst, float(abs((arb(float(value)) - exact) / scale).upper()))
    return worst
