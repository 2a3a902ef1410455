"""Access to a feature matrix by blocks of samples, whether it is held in memory or computed when needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from rmt_spikes.simulation.linalg.products import add_gram, outer_gram, project
from rmt_spikes.simulation.network.sampling import Array, blocks


class FeatureBlock(NamedTuple):
    """Consecutive rows of a feature matrix.

    Attributes
    ----------
    rows : slice
        Which samples these are.
    features : ndarray of shape (rows, width)
        Their features; valid until the next block is asked for.
    labels : ndarray of shape (rows,)
        Their labels.
    """

    rows: slice
    features: Array
    labels: Array


class FeatureMatrix(Protocol):
    """Features `F` of shape (samples, width) with their labels, read block by block."""

    samples: int
    width: int
    matrix: Array | None
    decomposable: bool

    def blocks(self) -> Iterator[FeatureBlock]:
        """Yield all rows once, in order; can be called again."""


@dataclass
class StoredFeatures:
    """Features held in memory.

    Parameters
    ----------
    matrix : ndarray of shape (samples, width)
        The features, contiguous.
    labels : ndarray of shape (samples,)
        Labels of the ridge regression.
    block_rows : int
        Rows of a block. The same number gives the same rounding as `StreamedFeatures`.
    decomposable : bool
        Whether there is memory for a singular value decomposition of the matrix.
    """

    matrix: Array | None
    labels: Array
    block_rows: int
    decomposable: bool = True

    def __post_init__(self) -> None:
        """Read off the sizes."""
        assert self.matrix is not None
        self.samples, self.width = self.matrix.shape

    def blocks(self) -> Iterator[FeatureBlock]:
        """Yield slices of the matrix."""
        assert self.matrix is not None
        for rows in blocks(self.samples, self.block_rows):
            yield FeatureBlock(rows, self.matrix[rows], self.labels[rows])


@dataclass
class StreamedFeatures:
    """Features that are computed anew each time they are read.

    Parameters
    ----------
    samples, width : int
        Shape of the matrix.
    draw : callable
        Returns a new iterator over the blocks, the same each time.
    """

    samples: int
    width: int
    draw: Callable[[], Iterator[FeatureBlock]]
    matrix: Array | None = None
    decomposable: bool = False

    def blocks(self) -> Iterator[FeatureBlock]:
        """Draw the samples and compute their features."""
        return self.draw()


def gram_matrix(source: FeatureMatrix) -> tuple[Array, Array]:
    """Compute the Gram matrix on the smaller side, and the projection of the labels on that side.

    Parameters
    ----------
    source : FeatureMatrix
        The features; stored ones when they have more columns than rows.

    Returns
    -------
    gram : ndarray of shape (size, size)
        Lower triangle of ``F^T F / samples`` when ``width <= samples``, else of ``F F^T / samples``, in
        column order.
    target : ndarray of shape (size,)
        ``F^T y / samples``, or ``y / samples``.
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
