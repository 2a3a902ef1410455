"""What is kept of the first batch: its residuals, and the inputs with the largest ones."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.simulation.network.sampling import Array, Block
from rmt_spikes.simulation.products import multiply

CANDIDATES = 32
"""Samples of the first batch that singular vectors are compared with.

In 104 networks of the headline case all values beyond the bulk belong to the ten largest labels."""


class FirstBatch(NamedTuple):
    """Samples of the first batch after the step.

    Attributes
    ----------
    residuals, teacher : ndarray of shape (n,)
        Residuals, and components of the inputs along the teacher direction.
    candidates : ndarray of shape (count,)
        Indices of the samples with the largest residuals.
    inputs : ndarray of shape (count, d)
        Their inputs.
    """

    residuals: Array
    teacher: Array
    candidates: NDArray[np.int64]
    inputs: Array

    def directions(self, beta: Array) -> Array:
        """Return unit vectors along the inputs of the candidates without their part along `beta`.

        The shape is (count, d).
        """
        direction = beta / np.linalg.norm(beta)
        rest = self.inputs - np.outer(multiply(self.inputs, direction), direction)
        norms = np.sqrt(np.einsum("id,id->i", rest, rest))
        # In one dimension nothing is left beside `beta`.
        return np.ascontiguousarray(rest / np.where(norms > 0.0, norms, 1.0)[:, None])


class Collector:
    """Collects a `FirstBatch` while blocks of samples go by."""

    def __init__(self, d: int) -> None:
        self._residuals: list[Array] = []
        self._teacher: list[Array] = []
        self._count = 0
        self._sizes = np.empty(0)
        self._candidates = np.empty(0, dtype=np.int64)
        self._inputs = np.empty((0, d))

    def add(self, block: Block, residual: Array) -> Self:
        """Take up a block of samples and their residuals."""
        self._residuals.append(residual)
        self._teacher.append(block.inputs[:, 0].copy())
        sizes = np.abs(residual)
        best = np.argsort(-sizes, kind="stable")[:CANDIDATES]
        sizes = np.concatenate([self._sizes, sizes[best]])
        candidates = np.concatenate([self._candidates, self._count + best])
        inputs = np.concatenate([self._inputs, block.inputs[best]])
        best = np.argsort(-sizes, kind="stable")[:CANDIDATES]
        self._sizes, self._candidates, self._inputs = sizes[best], candidates[best], inputs[best]
        self._count += residual.size
        return self

    def batch(self) -> FirstBatch:
        """Return what was collected."""
        residuals, teacher = (np.concatenate(parts) for parts in (self._residuals, self._teacher))
        return FirstBatch(residuals, teacher, self._candidates, self._inputs)
