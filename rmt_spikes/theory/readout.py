"""The law of the readout weights: quadrature nodes and orthonormal polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.theory.quadrature_rules import gauss_hermite, gaussian_draws

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReadoutLaw:
    """A discrete law that stands for the law of one readout weight.

    Parameters
    ----------
    name
        ``"gaussian"``, ``"rademacher"`` or ``"constant"``.
    nodes, weights
        Arrays of shape ``(n_nodes,)``; the weights are positive and sum to one.
    """

    name: str
    nodes: Array
    weights: Array

    @property
    def rank(self) -> int | None:
        """Number of linearly independent powers of the weight; None when all of them are."""
        return {"rademacher": 2, "constant": 1}.get(self.name)

    def polynomials(self, alpha: Array, count: int = 5) -> Array:
        """Orthonormal polynomials of the law at `alpha`.

        Parameters
        ----------
        alpha
            Readout weights, any shape.
        count
            Number of polynomials, of degree 0 to ``count - 1``.

        Returns
        -------
        ndarray of shape ``(count, *alpha.shape)``
            Degrees that do not exist for the law (a sign has no square of its own) are zero.
        """
        alpha = np.asarray(alpha, dtype=float)
        if self.name == "gaussian":
            return normalized_hermite(count - 1, alpha)
        table = np.zeros((count, *alpha.shape))
        table[0] = 1.0
        if self.name == "rademacher" and count > 1:
            table[1] = alpha
        return table


@lru_cache(maxsize=64)
def readout_law(name: str, count: int = 24, draws: int | None = None) -> ReadoutLaw:
    """Quadrature of a readout law.

    Parameters
    ----------
    name
        ``"gaussian"``, ``"rademacher"`` or ``"constant"``.
    count
        Number of nodes for a continuous law.
    draws
        Number of neurons whose readout weights are drawn; None for the limiting law.

    Returns
    -------
    ReadoutLaw
    """
    if name == "gaussian":
        return ReadoutLaw(name, *(gauss_hermite(count) if draws is None else gaussian_draws(draws, count)))
    if name == "rademacher":
        return ReadoutLaw(name, np.array([-1.0, 1.0]), np.array([0.5, 0.5]))
    return ReadoutLaw(name, np.array([1.0]), np.array([1.0]))
