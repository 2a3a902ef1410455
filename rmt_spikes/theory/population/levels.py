"""Levels of the covariance of the inputs, and what they make of the learnt direction.

docs/theory.md section 13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.setting.covariance import Inputs
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]

MOST, CELLS = 8, 4
"""Levels that are kept as they are, and cells of more of them, with two nodes each."""

ALONE, CROWD = 0.5, (4, 0.01)
"""Share of the largest eigenvalue from which others are near it, and number and share of the dimensions that
are to be near it: fewer stand alone."""


@dataclass(frozen=True, eq=False)
class InputLevels:
    """Covariance of the inputs, of mean eigenvalue one.

    Attributes
    ----------
    eigenvalues, proportions
        Levels ``l`` and the share of the dimensions at each, shape ``(n_levels,)``.
    shares
        Share of the energy of each of the teacher's directions at each level, shape ``(n_levels,)``.
    """

    eigenvalues: Array
    proportions: Array
    shares: Array

    @property
    def isotropic(self) -> bool:
        """Whether all eigenvalues are one."""
        return bool(np.all(self.eigenvalues == 1.0))

    def power(self, exponent: float) -> float:
        """``<l^j>`` over the dimensions."""
        return float(self.proportions @ self.eigenvalues**exponent)

    def along(self, exponent: float) -> float:
        """``s_j``, ``<l^j>`` over the energy of a teacher's direction."""
        return float(self.shares @ self.eigenvalues**exponent)

    @cached_property
    def chi(self) -> Array:
        """Components of a whitened teacher's direction on the eigenspaces, of norm one."""
        return np.asarray(np.sqrt(self.shares * self.eigenvalues / self.along(1.0)))

    @cached_property
    def _ratios(self) -> tuple[float, float, float]:
        """``s_2 / s_1``, ``s_3 / s_1`` and ``<l^2>``."""
        first = self.along(1.0)
        return self.along(2.0) / first, self.along(3.0) / first, self.power(2.0)

    def beta_norm2(self, signal2: float) -> float:
        """Part of ``|beta|^2`` from a learnt signal of squared norm `signal2`."""
        return signal2 * self._ratios[0]

    def score_norm2(self, signal2: float, noise: float) -> float:
        """``beta^T Sigma beta``, the variance of ``<beta, x>``; `noise` is ``phi E r^2``."""
        return signal2 * self._ratios[1] + noise * self._ratios[2]

    def correlation(self, signal: float, score_norm2: float) -> float:
        """Correlation of ``<beta, x>`` with the learnt teacher's variable."""
        return signal * self._ratios[0] / math.sqrt(score_norm2)

    def parts(self, beta_norm2: float, correlation: float) -> tuple[float, float]:
        """Learnt signal and ``phi E r^2`` of a learnt direction of this squared norm and correlation."""
        if self.isotropic:
            return correlation * math.sqrt(beta_norm2), beta_norm2 * max(0.0, 1.0 - correlation**2)
        second, third, spread = self._ratios
        rest = second**2 - correlation**2 * (third - second * spread)
        signal2 = correlation**2 * beta_norm2 * spread / rest if rest > 0.0 else beta_norm2 / second
        signal2 = min(signal2, beta_norm2 / second)
        return math.copysign(math.sqrt(signal2), correlation), beta_norm2 - signal2 * second


ISOTROPIC = InputLevels(np.ones(1), np.ones(1), np.ones(1))
"""Inputs alike in all directions."""


def levels_of(setting: Setting) -> InputLevels:
    """Levels of the inputs of a setting; of many eigenvalues, a few that have the same moments."""
    inputs = setting.inputs
    return ISOTROPIC if inputs is None else _compressed(inputs)


@lru_cache(maxsize=64)
def _compressed(inputs: Inputs) -> InputLevels:
    order = np.argsort(inputs.eigenvalues)
    found, shares, teacher = inputs.eigenvalues[order], inputs.proportions[order], inputs.teacher[order]
    if found.size <= MOST:
        return InputLevels(found, shares, teacher)
    measure = shares * (1.0 + found**2 / (shares @ found**2)) + teacher
    cell = np.minimum((np.cumsum(measure) / measure.sum() * CELLS).astype(int), CELLS - 1)
    parts = []
    for k in np.unique(cell):
        inside = cell == k
        mass = float(shares[inside].sum())
        rule = gauss_rule(found[inside], 2, shares[inside] / mass)
        at = rule.polynomials(rule.nodes)
        energy = rule.weights * (at.T @ (rule.polynomials(found[inside]) @ teacher[inside]))
        parts.append((rule.nodes, mass * rule.weights, np.maximum(energy, 0.0)))
    nodes, weights, energies = (np.concatenate(each) for each in zip(*parts, strict=True))
    return InputLevels(nodes / (weights @ nodes), weights, energies / energies.sum())


def crowd(inputs: Inputs) -> float:
    """Number of directions that make no singular values of their own, but a part of the bulk."""
    return max(CROWD[0], CROWD[1] * float(inputs.multiplicities.sum()))


def near_largest(inputs: Inputs) -> float:
    """Number of directions with eigenvalues above half the largest."""
    return float(inputs.multiplicities[inputs.eigenvalues > ALONE * inputs.eigenvalues.max()].sum())


def stands_alone(inputs: Inputs) -> bool:
    """Whether few eigenvalues are far above all others: they make singular values of their own."""
    return near_largest(inputs) < min(crowd(inputs), float(inputs.multiplicities.sum()))
