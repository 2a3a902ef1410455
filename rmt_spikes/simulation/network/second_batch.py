"""The second batch: latent variables, labels and features, held in memory or drawn anew at each reading."""

from collections.abc import Iterator

import numpy as np

from rmt_spikes.simulation.linalg.products import Precision, multiply, operand
from rmt_spikes.simulation.memory import Plan
from rmt_spikes.simulation.network.feature_matrix import FeatureBlock, FeatureMatrix
from rmt_spikes.simulation.network.layer import features
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Array, draw_batch, open_streams


class SecondBatch:
    """Samples of the ridge regression of one trial.

    Parameters
    ----------
    model : Model
        Gives sizes, activation and target.
    weights : ndarray of shape (width, d)
        First layer after the step.
    direction : ndarray of shape (d,)
        Unit vector along `beta`.
    stream : tuple of int
        Seed and number of the trial.
    precision : {"double", "single"}
        Floating type of the product with the inputs.
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
        model: Model,
        weights: Array,
        direction: Array,
        stream: tuple[int, int],
        precision: Precision,
        plan: Plan,
    ) -> None:
        self._model, self._direction, self._stream = model, direction, stream
        self._layer, self._precision, self._rows = operand(weights, precision), precision, plan.block_rows
        self.q = np.empty(model.n_ridge)
        self.labels = np.empty(model.n_ridge)
        if plan.stored:
            matrix = np.empty((model.n_ridge, model.width))
            for _ in self._draw(matrix):
                pass
            del self._layer
            self.source = FeatureMatrix.held(matrix, self.labels, plan.block_rows, plan.decomposable)
        else:
            self.source = FeatureMatrix(model.n_ridge, model.width, self._draw)

    def _draw(self, matrix: Array | None = None) -> Iterator[FeatureBlock]:
        """Draw all samples, into a matrix or into one block after the other."""
        model, streams = self._model, open_streams(*self._stream)
        space = matrix
        batch = draw_batch(model, model.n_ridge, streams.second_inputs, streams.second_noise, self._rows)
        for block in batch:
            count = len(block.labels)
            if matrix is None and (space is None or len(space) < count):
                space = np.empty((count, model.width))
            assert space is not None
            out = space[:count] if matrix is None else matrix[block.rows]
            features(model.activation, self._layer, block.inputs, out, self._precision)
            self.q[block.rows] = multiply(block.inputs, self._direction)
            self.labels[block.rows] = block.labels
            yield FeatureBlock(block.rows, out, block.labels)
