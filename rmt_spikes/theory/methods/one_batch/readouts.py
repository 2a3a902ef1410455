"""Quadrature rules for a readout weight on each half line: functions of it may have a kink at zero."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gauss_rule, readout_law

Array = NDArray[np.float64]

REACH = 12.0
"""Standard deviations up to which the normal density is kept: beyond, it is below 1e-31."""

POINTS = 400
"""Of the density that a rule is made from: twice as many change no node in double precision."""

BEND = 0.2
"""Share of the shift by which the coordinate bends. Up to theta = 3, six nodes a side are then within 4e-4 of
ten, with ReLU and tanh; a fifth or five times as much takes eight to ten nodes, none at all more than ten."""


@dataclass(frozen=True, eq=False)
class Readouts:
    """Nodes and weights for a distribution of a readout weight, shape ``(n_a,)``.

    On each half line they are those of a Gauss rule in ``t = |alpha| / (1 + bend |alpha|)``: features
    saturate or grow like a power at large weights, and are smooth in ``t`` in both cases.
    """

    law: ReadoutLaw
    nodes: Array
    weights: Array
    bend: float = 0.0

    def polynomials(self, count: int) -> Array:
        """Orthonormal polynomials of the distribution on the nodes, shape ``(count, n_a)``."""
        return self.law.polynomials(self.nodes, count)

    def from_other(self, other: Readouts) -> Array:
        """Matrix that interpolates functions from the nodes of another rule, shape ``(n_a, n_other)``.

        It interpolates by polynomials in ``t`` on each half line.
        """
        matrix = np.zeros((self.nodes.size, other.nodes.size))
        for side in (-1.0, 1.0):
            here, there = np.flatnonzero(side * self.nodes > 0.0), np.flatnonzero(side * other.nodes > 0.0)
            t, known = (_coordinate(np.abs(x), self.bend) for x in (self.nodes[here], other.nodes[there]))
            apart = known[:, None] - known + np.eye(known.size)
            for k in range(known.size):
                others = np.delete(np.arange(known.size), k)
                matrix[here, there[k]] = np.prod((t[:, None] - known[others]) / apart[k, others], axis=1)
        return matrix


def readouts(name: str, per_side: int, shift: float) -> Readouts:
    """Rule for the distribution of a name; a Gaussian one has `per_side` nodes on each half line.

    `shift` is the standard deviation of what the step adds to a pre-activation at ``alpha = 1``.
    """
    law = readout_law(name)
    if law.rank is not None:
        return Readouts(law, law.nodes, law.weights)
    points, masses = _legendre(POINTS)
    points, bend = 0.5 * REACH * (points + 1.0), BEND * shift
    rule = gauss_rule(_coordinate(points, bend), per_side, masses * np.exp(-0.5 * points**2))
    nodes, weights = rule.nodes / (1.0 - bend * rule.nodes), 0.5 * rule.weights / rule.weights.sum()
    return Readouts(law, np.append(-nodes[::-1], nodes), np.append(weights[::-1], weights), bend)


@lru_cache(maxsize=1)
def _legendre(count: int) -> tuple[Array, Array]:
    return legendre.leggauss(count)


def _coordinate(alpha: Array, bend: float) -> Array:
    return np.asarray(alpha / (1.0 + bend * alpha))
