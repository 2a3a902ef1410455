"""The finite-rank part on pairs of a readout weight and an initial component."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.equations import State
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank, Values

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormFiniteRank(FiniteRank):
    """The finite-rank part whose means are explicit functions of the rows along the learnt direction.

    Parameters
    ----------
    w
        Component at the nodes of neurons, shape ``(n,)``.
    along
        Root mean square of it after the step, at the nodes of the readout weight, shape ``(n_a,)``.
    rest
        Share of the dimensions that the channel of degree one has.
    """

    w: Array = field(kw_only=True)
    along: Array = field(kw_only=True)
    rest: float = field(kw_only=True)

    def stiffness(self, state: State) -> Values:
        """``J``: the first power of ``w`` has the stiffness of the learnt direction."""
        matrix = self.trivial(state)
        part, n, count = self.parts(state)[0], self.w.size, self.directions.count
        full = self.known(state).inverse - np.kron(np.eye(count), part.k)
        full = self._real(state, full).reshape(count, n, count, n)
        root, gamma = self._real(state, part.root), self.directions.channel.gamma * self.rest
        for k in range(1, count):
            for m in range(1, count):
                block = full[k, :, m] / (gamma * root[:, None] * root)
                matrix[k * n : (k + 1) * n, m * n : (m + 1) * n] = block
        if not np.any(self.w):
            return matrix
        constant, first = self._powers(root)
        own = self.along[:, None] * (constant.T @ full[0, :, 0] @ constant) * self.along - np.eye(
            self.along.size
        )
        matrix[:n, :n] += first @ own @ first.T / (self.scales[0] * root[:, None] * root)
        for k in range(1, count):
            mixed = first @ (self.along[:, None] * (constant.T @ full[0, :, k]))
            mixed = mixed / (math.sqrt(self.scales[0] * gamma) * root[:, None] * root)
            matrix[:n, k * n : (k + 1) * n] = mixed
            matrix[k * n : (k + 1) * n, :n] = mixed.T
        return matrix

    def _powers(self, root: Values) -> tuple[Values, Values]:
        """Unit vectors of one and of ``w`` at each readout weight, shape ``(n, n_a)``."""
        select = np.kron(np.eye(self.along.size), np.ones((self.w.size // self.along.size, 1)))
        both = [root[:, None] * select, (root * self.w)[:, None] * select]
        one, first = (x / np.sqrt(np.sum(x**2, axis=0)) for x in both)
        return one, first
