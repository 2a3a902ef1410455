"""The mean resolvent on a band by rational interpolation: it is analytic on a circle around the cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Rational:
    """Rational function of ``exp(i t)`` through values at angles ``t`` of a band.

    In the angle the roots at both edges are gone, and beyond them there are the complex conjugates. What is
    near the band on other sheets of the resolvent, such as levels of the samples, makes a series in cosines
    fall slowly; a rational function has its poles there.

    Attributes
    ----------
    nodes, values, weights
        Of the barycentric form, shape ``(m,)``.
    """

    nodes: Complex
    values: Complex
    weights: Complex

    @classmethod
    def through(cls, angles: Array, values: Complex, ends: tuple[float, float]) -> Self:
        """Rational function through values at ascending angles inside, and the real ones at the ends."""
        around = np.concatenate([[0.0], angles, [np.pi], -angles[::-1]])
        known = np.concatenate([ends[:1], values, ends[1:], values[::-1].conj()])
        w = np.exp(1j * around)
        nodes, others = w[::2], w[1::2]
        loewner = (known[1::2, None] - known[::2]) / (others[:, None] - nodes)
        weights = np.linalg.svd(loewner)[2][-1].conj()
        return cls(nodes, known[::2], weights)

    def __call__(self, angles: Array) -> Complex:
        """Values at angles."""
        difference = np.exp(1j * angles)[:, None] - self.nodes
        at = difference == 0.0
        shares = self.weights / np.where(at, 1.0, difference)
        # At a node there is its value alone.
        shares = np.where(at.any(axis=1)[:, None], at, shares)
        return np.asarray((shares @ self.values) / shares.sum(axis=1))
