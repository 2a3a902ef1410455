"""The second batch: latent variables, labels and features, held in memory or drawn anew at each reading."""

from collections.abc import Callable, Iterator

import numpy as np

from rmt_spikes.simulation.linalg.products import multiply
from rmt_spikes.simulation.memory import Plan
from rmt_spikes.simulation.network.feature_matrix import FeatureBlock, FeatureMatrix
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.sampling import Array, Block


class SecondBatch:
    """Samples of the ridge regression of one trial.

    Parameters
    ----------
    draw : callable
        Returns a new iterator over the blocks of the batch, the same each time.
    layer : FirstLayer
        First layer after the step.
    direction : ndarray of shape (d,)
        Unit vector along `beta`.
    samples : int
        Their number `n_ridge`.
    plan : Plan
        Whether the features are held, and how many samples are handled at a time.

    Attributes
    ----------
    source : FeatureMatrix
        The features.
    q, labels : ndarray of shape (n_ridge,)
        Latent variable ``<direction, x>`` and labels; complete once the source has been read.
    """

    def __init__(
        self,
        draw: Callable[[], Iterator[Block]],
        layer: FirstLayer,
        direction: Array,
        samples: int,
        plan: Plan,
    ) -> None:
        self._batch, self._layer, self._direction = draw, layer, direction
        width = len(layer.weights)
        self.q = np.empty(samples)
        self.labels = np.empty(samples)
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
            self.labels[block.rows] = block.labels
            yield FeatureBlock(block.rows, out, block.labels)
