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
    residuals : ndarray of shape (n,)
        Residuals.
    teacher : ndarray of shape (n,) or (directions, n), or None
        Teacher variables, of one direction or of several; None where the inputs are not random.
    candidates : ndarray of shape (count,)
        Indices of the samples with the largest residuals.
    inputs : ndarray of shape (count, d)
        Their inputs.
    """

    residuals: Array
    teacher: Array | None
    candidates: NDArray[np.int64]
    inputs: Array

    def directions(self, learnt: Array, dual: Array) -> Array:
        """Return unit vectors along the inputs of the candidates without their learnt part.

        What is left is not correlated with ``<learnt, x>``, of variance 1, whose covariance with an input is
        `dual`. The shape is (count, d).
        """
        rest = self.inputs - np.outer(multiply(self.inputs, dual), learnt)
        norms = np.sqrt(np.einsum("id,id->i", rest, rest))
        # In one dimension nothing is left.
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
        if block.variables is not None:
            self._teacher.append(block.variables)
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
        teacher = np.concatenate(self._teacher, axis=1) if self._teacher else None
        if teacher is not None and len(teacher) == 1:
            (teacher,) = teacher
        return FirstBatch(np.concatenate(self._residuals), teacher, self._candidates, self._inputs)
