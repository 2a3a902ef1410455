"""What the workers of a cluster do for one trial: each function takes and returns tiles.

A tile belongs to consecutive neurons, a block to consecutive samples. Random streams travel with the blocks,
so that the draws are those of a trial in one process.
"""

from copy import deepcopy
from itertools import product
from typing import NamedTuple

import numpy as np

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.simulation.linalg.alignment import POLYNOMIALS
from rmt_spikes.simulation.network.inputs import InputSpace
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Array, Block, blocks, draw_batch, draw_weights
from rmt_spikes.simulation.products import add_product
from rmt_spikes.simulation.test_loss.estimate import wrong_signs
from rmt_spikes.simulation.test_loss.population import TILE, Expectation, Side, tile_form, tiles
from rmt_spikes.simulation.test_loss.row_expansion import RowExpansion

Generators = tuple[np.random.Generator, ...]


class Drawn(NamedTuple):
    """A block of samples, and the streams behind it."""

    block: Block
    streams: Generators


def draw_rows(model: Model, count: int, stream: np.random.Generator) -> tuple[Array, np.random.Generator]:
    """Draw the next rows of the first layer; return them with the stream behind them."""
    # A copy: what a cluster holds must not change under its hands.
    stream = deepcopy(stream)
    return draw_weights(model, stream, count), stream


def draw_block(model: Model, count: int, streams: Generators) -> Drawn:
    """Draw the next samples of a batch, inputs and noise."""
    streams = deepcopy(streams)
    (block,) = draw_batch(model, count, streams[0], streams[1], count)
    return Drawn(block, streams)


def project(weights: Array, drawn: Drawn) -> Array:
    """Compute preactivations, of shape (samples, neurons)."""
    result: Array = drawn.block.inputs @ weights.T
    return result


def output_part(activation: ScalarFunction, preactivations: Array, readout: Array) -> Array:
    """Compute what a tile of neurons adds to the output of the network."""
    result: Array = activation(preactivations) @ readout
    return result


def residual_block(drawn: Drawn, parts: list[Array], factor: float) -> Array:
    """Subtract the output of the network from the labels."""
    result: Array = drawn.block.labels - factor * np.sum(parts, axis=0)
    return result


def first_sums(sums: Array | None, drawn: Drawn, residual: Array) -> Array:
    """Add a block to ``X^T r`` and ``r^T r``, kept as one vector of length ``d + 1``."""
    added = np.append(drawn.block.inputs.T @ residual, residual @ residual)
    return added if sums is None else sums + added


def add_gradient(
    gradient: Array | None, activation: ScalarFunction, preactivations: Array, drawn: Drawn, residual: Array
) -> Array:
    """Add a block to the gradient of a tile of neurons, before the factor of each neuron."""
    slopes = activation.derivative(preactivations) * residual[:, None]
    shape = (slopes.shape[1], drawn.block.inputs.shape[1])
    result = np.zeros(shape) if gradient is None else gradient.copy()
    add_product(slopes, drawn.block.inputs, result)
    return result


def step_rows(weights: Array, gradient: Array, factors: Array) -> Array:
    """Take the gradient step of a tile of neurons."""
    result = factors[:, None] * gradient
    result += weights
    return result


def feature_block(activation: ScalarFunction, weights: Array, drawn: Drawn) -> Array:
    """Compute the features of a block of samples for a tile of neurons."""
    return FirstLayer(activation, weights).features(drawn.block.inputs)


def score_part(activation: ScalarFunction, weights: Array, drawn: Drawn, coefficients: Array) -> Array:
    """Compute what a tile of neurons adds to the fitted values of a block."""
    return feature_block(activation, weights, drawn) @ coefficients


def count_wrong(drawn: Drawn, parts: list[Array]) -> int:
    """Number of samples of a block whose label has not the sign of the fitted value."""
    labels = drawn.block.labels
    return round(wrong_signs(labels, labels - np.sum(parts, axis=0)) * labels.size)


def latent_block(drawn: Drawn, direction: Array) -> Array:
    """Latent variables and labels of a block, shape (2, samples)."""
    return np.stack([drawn.block.inputs @ direction, drawn.block.labels])


def add_gram_tile(tile: Array | None, left: Array, right: Array) -> Array:
    """Add a block to a tile of the Gram matrix."""
    product: Array = left.T @ right
    if tile is not None:
        product += tile
    return product


def multiply_tiles(places: list[tuple[slice, slice]], tiles: list[Array], columns: Array) -> Array:
    """Multiply by some tiles of a symmetric matrix, given by those on and below its diagonal."""
    result = np.zeros_like(columns)
    for (rows, others), tile in zip(places, tiles, strict=True):
        result[rows] += tile @ columns[others]
        if rows != others:
            result[others] += tile.T @ columns[rows]
    return result


def add_projection(sums: Array | None, block: Array, latent: Array) -> Array:
    """Add a block to ``F^T`` times the labels and the Hermite polynomials of `q`, of a tile of neurons."""
    columns = np.concatenate([latent[1:], normalized_hermite(POLYNOMIALS - 1, latent[0])])
    product: Array = block.T @ columns.T
    return product if sums is None else sums + product


def whitened(weights: Array, inputs: InputSpace) -> Array:
    """Rows as they act on standard Gaussian inputs."""
    return inputs.whitened(weights)


def row_summary(weights: Array, inputs: InputSpace) -> Array:
    """Norms of whitened rows and their components along the teacher directions, one row each."""
    return np.vstack([np.sqrt(np.einsum("jk,jk->j", weights, weights)), inputs.variables(weights)])


def lend(weights: Array) -> Array:
    """Return a tile itself: what other workers copy has a key of its own, and goes when that goes."""
    return weights


def energy_tile(
    left: RowExpansion,
    right: RowExpansion,
    left_weights: Array,
    right_weights: Array,
    left_coefficients: Array,
    right_coefficients: Array,
    same: bool,
    enough: float,
) -> Expectation:
    """Sum ``a_i a_j E f(w_i x) f(w_j x)`` over a tile of a cluster, in the tiles of one process."""
    rows = Side(left, left_weights, left_coefficients)
    columns = Side(right, right_weights, right_coefficients)
    if same:
        pairs = list(tiles(left.norms.size))
    else:
        pairs = list(product(blocks(left.norms.size, TILE), blocks(right.norms.size, TILE)))
    total = Expectation(0.0, 0.0)
    for one, other in pairs:
        total += tile_form(rows.part(one), columns.part(other), same=same and one == other, enough=enough)
    return total
