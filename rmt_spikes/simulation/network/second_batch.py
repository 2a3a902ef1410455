"""The second batch: latent variables, labels and features, held in memory or drawn anew at each reading."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rmt_spikes.simulation.network.feature_matrix import FeatureBlock, FeatureMatrix
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.sampling import BLOCK_ROWS, Array, Block
from rmt_spikes.simulation.products import multiply, multiply_transposed


@dataclass(frozen=True)
class Plan:
    """How a trial uses memory.

    Attributes
    ----------
    stored : bool
        Whether the features of the second batch are held, or computed a second time.
    block_rows : int
        Samples handled at a time.
    decomposable : bool
        Whether held features may be decomposed as a whole, which needs several times their memory.
    """

    stored: bool
    block_rows: int
    decomposable: bool = True


IN_MEMORY = Plan(stored=True, block_rows=BLOCK_ROWS)
"""Everything held, blocks of full length."""


class SecondBatch:
    """The `n_ridge` samples of the ridge regression of one trial.

    Parameters
    ----------
    draw : callable
        Returns a new iterator over the blocks of the batch, the same each time.
    layer : FirstLayer
        First layer after the step.
    direction : ndarray of shape (d,)
        What was learnt, scaled so that ``<direction, x>`` has variance 1.
    others : ndarray of shape (count, d)
        Further unit vectors.
    samples : int
        `n_ridge`.
    plan : Plan
        Whether the features are held, and how many samples are handled at a time.

    Attributes
    ----------
    source : FeatureMatrix
        The features.
    q, labels : ndarray of shape (n_ridge,)
        Latent variable ``<direction, x>`` and labels; complete once the source has been read.
    along : ndarray of shape (n_ridge, count)
        Components of the samples along the further vectors.
    """

    def __init__(
        self,
        draw: Callable[[], Iterator[Block]],
        layer: FirstLayer,
        direction: Array,
        others: Array,
        samples: int,
        plan: Plan,
    ) -> None:
        self._batch, self._layer, self._direction, self._others = draw, layer, direction, others
        width = len(layer.weights)
        self.q = np.empty(samples)
        self.labels = np.empty(samples)
        self.along = np.empty((samples, len(others)))
        if plan.stored:
            matrix = np.empty((samples, width))
            for _ in self._draw(matrix):
                pass
            del self._layer
            self.source = FeatureMatrix.held(matrix, self.labels, plan.block_rows, plan.decomposable)
        else:
            self.source = FeatureMatrix(samples, width, self._draw)

    def _draw(self, matrix: Array | None = None) -> Iterator[FeatureBlock]:
        """Draw all samples, into a matrix or into one block after the other."""
        space = matrix
        for block in self._batch():
            count = len(block.labels)
            if matrix is None and (space is None or len(space) < count):
                space = np.empty((count, len(self._layer.weights)))
            assert space is not None
            out = space[:count] if matrix is None else matrix[block.rows]
            self._layer.features(block.inputs, out)
            self.q[block.rows] = multiply(block.inputs, self._direction)
            multiply_transposed(block.inputs, self._others, self.along[block.rows])
            self.labels[block.rows] = block.labels
            yield FeatureBlock(block.rows, out, block.labels)
