"""Random draws: one stream of random numbers for each part of a trial.

The streams are separate so that changing one thing changes nothing else: two settings that differ in
their step size, noise, readout or activation see the same inputs, the same initial directions and the
same standard normal noise (common random numbers), and a trial does not depend on how many others run.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.simulation.network.model import Model

Array = NDArray[np.float64]

BLOCK_ROWS = 2048
"""Samples handled at a time. The arrays of a block then stay small beside the features, and the matrix
products are long enough to run at full speed."""


class Block(NamedTuple):
    """Consecutive samples of one batch: `rows` says which.

    The inputs have the shape (rows, d), the labels, of shape (rows,), are noisy, and the teacher variables,
    of shape (directions, rows), are known for random inputs.
    """

    rows: slice
    inputs: Array
    labels: Array
    variables: Array | None = None


class Streams(NamedTuple):
    """The random streams of one trial, one for each thing that is drawn."""

    first_inputs: np.random.Generator
    first_noise: np.random.Generator
    weights: np.random.Generator
    readout: np.random.Generator
    second_inputs: np.random.Generator
    second_noise: np.random.Generator
    test_inputs: np.random.Generator

    def second_batch(self, model: Model) -> tuple[np.random.Generator, np.random.Generator]:
        """Return the streams of the inputs and the noise of the ridge regression's samples."""
        if model.second_batch == "same":
            return self.first_inputs, self.first_noise
        return self.second_inputs, self.second_noise


def open_streams(seed: int, index: int) -> Streams:
    """Open the streams of trial `index` of `seed`, children of ``SeedSequence(seed, spawn_key=(index,))``."""
    children = np.random.SeedSequence(entropy=seed, spawn_key=(index,)).spawn(len(Streams._fields))
    return Streams(*(np.random.Generator(np.random.PCG64(child)) for child in children))


class Draws:
    """Everything random in one trial of a model, which its seed and its index determine."""

    def __init__(self, model: Model, seed: int, index: int) -> None:
        self._model, self._key = model, (seed, index)
        self.streams = open_streams(seed, index)

    def network(self) -> tuple[Array, Array]:
        """Draw the readout weights and the first layer."""
        model, streams = self._model, self.streams
        return draw_readout(model, streams.readout), draw_weights(model, streams.weights)

    def first_batch(self, longest: int) -> Iterator[Block]:
        """Draw the samples of the gradient step, in blocks."""
        model, streams = self._model, self.streams
        return draw_batch(model, model.n, streams.first_inputs, streams.first_noise, longest)

    def second_batch(self, longest: int) -> Iterator[Block]:
        """Draw the samples of the ridge regression, in blocks; the same at each call."""
        model, streams = self._model, open_streams(*self._key)
        return draw_batch(model, model.n_ridge, *streams.second_batch(model), longest)


def draw_weights(model: Model, stream: np.random.Generator, rows: int | None = None) -> Array:
    """Draw rows of the first layer, uniform on a sphere: so many, or all `width` of them."""
    weights = stream.standard_normal((model.width if rows is None else rows, model.d))
    weights /= (np.sqrt(np.einsum("jk,jk->j", weights, weights)) / model.row_norm)[:, None]
    return weights


def draw_readout(model: Model, stream: np.random.Generator) -> Array:
    """Draw the readout weights `alpha_j`, independent and of second moment 1 (docs/theory.md section 1).

    The second layer of the network is ``alpha / sqrt(width)``.
    """
    if model.readout == "gaussian":
        return stream.standard_normal(model.width)
    if model.readout == "rademacher":
        return stream.choice(np.array([-1.0, 1.0]), model.width)
    return np.ones(model.width)


def blocks(total: int, longest: int | None = None) -> Iterator[slice]:
    """Cut ``range(total)`` into nearly equal consecutive slices, at most `longest` (`BLOCK_ROWS`) long."""
    count = -(-total // (longest or BLOCK_ROWS))
    bounds = [total * i // count for i in range(count + 1)]
    return (slice(start, stop) for start, stop in pairwise(bounds))


def draw_batch(
    model: Model,
    size: int,
    inputs: np.random.Generator,
    noise: np.random.Generator,
    longest: int | None = None,
) -> Iterator[Block]:
    """Draw a batch of so many samples block by block, so that it never has to be held whole.

    The samples are the same whatever the length of the `longest` block, `BLOCK_ROWS` by default.
    """
    for rows in blocks(size, longest):
        count = rows.stop - rows.start
        z = inputs.standard_normal((count, model.d))
        variables = model.inputs.variables(z)
        # The noise is drawn even when it is not used: the labels of two noise levels stay comparable.
        labels = model.teacher(variables) + model.noise_std * noise.standard_normal(count)
        yield Block(rows, model.inputs.by_root(z), labels, variables)
