"""Access to a feature matrix by blocks of samples, whether it is held in memory or computed when needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from rmt_spikes.simulation.network.sampling import Array, blocks
from rmt_spikes.simulation.products import add_gram, outer_gram, project


class FeatureBlock(NamedTuple):
    """Consecutive rows of a feature matrix, with their labels; `rows` says which samples these are.

    `features`, of shape (rows, width), are valid until the next block is asked for.
    """

    rows: slice
    features: Array
    labels: Array


@dataclass(frozen=True)
class FeatureMatrix:
    """Features `F` of shape (samples, width) with their labels, read block by block.

    Attributes
    ----------
    blocks : callable
        Returns a new iterator over all rows in order, the same rows each time.
    matrix : ndarray of shape (samples, width), optional
        The features, contiguous, when they are held in memory; otherwise each reading computes them.
    decomposable : bool
        Whether there is memory for a singular value decomposition of the matrix.
    """

    samples: int
    width: int
    blocks: Callable[[], Iterator[FeatureBlock]]
    matrix: Array | None = None
    decomposable: bool = False

    @classmethod
    def held(cls, matrix: Array, labels: Array, block_rows: int, decomposable: bool = True) -> Self:
        """Read a matrix in memory in blocks; the same `block_rows` gives the same rounding as a stream."""

        def read() -> Iterator[FeatureBlock]:
            for rows in blocks(len(matrix), block_rows):
                yield FeatureBlock(rows, matrix[rows], labels[rows])

        samples, width = matrix.shape
        return cls(samples, width, read, matrix, decomposable)


def gram_matrix(source: FeatureMatrix) -> tuple[Array, Array]:
    """Compute the Gram matrix on the smaller side, and the projection of the labels on that side.

    The first is the lower triangle of ``F^T F / samples``, in column order, the second ``F^T y / samples``;
    of stored features with more columns than rows, they are ``F F^T / samples`` and ``y / samples``.
    """
    if source.width > source.samples:
        assert source.matrix is not None
        labels = np.concatenate([block.labels for block in source.blocks()])
        gram = outer_gram(source.matrix)
    else:
        gram = np.zeros((source.width, source.width), order="F")
        labels = np.zeros(source.width)
        for block in source.blocks():
            add_gram(block.features, gram)
            labels += project(block.features, block.labels)
    gram /= source.samples
    return gram, labels / source.samples
