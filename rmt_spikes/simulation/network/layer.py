"""The two-layer network: its exact first gradient step and its features (docs/theory.md section 1)."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator, svds

from rmt_spikes.arguments import LARGEST_ENTRY
from rmt_spikes.errors import DomainError
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.simulation.network.first_batch import Collector, FirstBatch
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Array, Block, blocks
from rmt_spikes.simulation.products import (
    Precision,
    add_product,
    multiply_transposed,
    operand,
    project,
)

PIECE = 1 << 16
"""Numbers that a function is applied to at a time: half a megabyte, so that temporaries stay in the cache."""

KINK_MARGIN = 1e-5
"""Distance from a kink within which a preactivation in single precision is computed again: 100 roundings."""

RANK_ONE_TOLERANCE = 1e-4
"""Relative accuracy of the distance from rank one: ARPACK stops there, and trials scatter by more."""


class FirstStep(NamedTuple):
    """What one pass over the first batch gives.

    `gradient`, of shape (width, d), is the exact `G`; `beta`, of shape (d,), is ``X^T r / n`` with the exact
    residual `r`, and `residual_energy` the mean of ``r^2`` over the `batch`.
    """

    gradient: Array
    beta: Array
    residual_energy: float
    batch: FirstBatch


class Trained(NamedTuple):
    """What is known of the gradient step once its gradient is gone: `FirstStep`, and its `rank_one_error`."""

    beta: Array
    residual_energy: float
    batch: FirstBatch
    rank_one_error: float | None


class FirstLayer:
    """The first layer of the network, rows `weights` of shape (width, d), and its activation.

    `precision` is that of the products with the inputs.
    """

    def __init__(self, activation: ScalarFunction, weights: Array, precision: Precision = "double") -> None:
        self._activation, self.weights, self._precision = activation, weights, precision
        self._operand = operand(weights, precision)

    def first_step(self, readout: Array, factor: float, batch: Iterable[Block]) -> FirstStep:
        """Compute the exact gradient step over a batch (docs/theory.md section 1).

        With ``r = y - factor * sigma(X W^T) a`` it is ``G = (1/n) [(a r^T) o sigma'(W X^T)] X``, which is
        ``-1/factor`` times the gradient in `W` of the loss ``||r||^2 / (2 n)``. `readout` is the second layer
        `a` (of order ``1/sqrt(width)``), `factor` the output factor `varsigma`.
        """
        width, d = self.weights.shape
        layer, activation = self._operand, self._activation
        gradient = np.zeros((width, d))
        beta = np.zeros(d)
        energy = 0.0
        count = 0
        collector = Collector(d)
        space = np.empty((0, width), layer.dtype)
        for block in batch:
            inputs = operand(block.inputs, self._precision)
            if len(space) < len(inputs):
                space = np.empty((len(inputs), width), layer.dtype)
            preactivations = multiply_transposed(inputs, layer, space[: len(inputs)])
            if self._precision == "single":
                _repair(preactivations, activation.kinks, block.inputs, self.weights)
            residual = np.empty(len(inputs))
            for part in pieces(preactivations):
                rows = preactivations[part]
                exact = rows.astype(np.float64, copy=False)
                residual[part] = block.labels[part] - factor * np.einsum(
                    "ij,j->i", activation(exact), readout
                )
                slopes = activation.derivative(exact)
                np.multiply(slopes, residual[part, None], out=rows, casting="same_kind")
            add_product(preactivations, inputs, gradient)
            beta += project(block.inputs, residual)
            energy += float(residual @ residual)
            count += residual.size
            collector.add(block, residual)
        gradient *= (readout / count)[:, None]
        beta /= count
        return FirstStep(gradient, beta, energy / count, collector.batch())

    def train(
        self, model: Model, readout: Array, batch: Iterable[Block], gradient_error: bool = False
    ) -> Trained:
        """Take the gradient step, which changes the weights in place; perhaps measure its rank-one error."""
        step = self.first_step(readout, model.output_factor, batch)
        gradient = step.gradient
        error = rank_one_error(gradient, model.slope, readout, step.beta) if gradient_error else None
        gradient *= model.step
        self.weights += gradient
        self._operand = operand(self.weights, self._precision)
        return Trained(step.beta, step.residual_energy, step.batch, error)

    def features(self, inputs: Array, out: Array | None = None) -> Array:
        """Compute the features ``sigma(X W^T)`` in double precision, of shape (samples, width).

        They are written into `out` if it is given.

        Raises
        ------
        DomainError
            When a feature is not finite or too large for a spectrum (field ``step_size``).
        """
        if out is None:
            out = np.empty((len(inputs), len(self.weights)))
        given = operand(inputs, self._precision)
        space = out if self._precision == "double" else np.empty(out.shape, given.dtype)
        preactivations = multiply_transposed(given, self._operand, space)
        largest = 0.0
        for part in pieces(out):
            # Overflow is reported below, with the cause, instead of as a warning from inside the activation.
            with np.errstate(over="ignore", invalid="ignore"):
                values = self._activation(preactivations[part].astype(np.float64, copy=False))
            largest = np.maximum(largest, max(float(values.max()), -float(values.min())))
            out[part] = values
        if not largest <= LARGEST_ENTRY:
            raise DomainError(
                "step_size",
                f"must keep every feature below {LARGEST_ENTRY:g}",
                float(largest),
                "take a smaller step or an activation that grows more slowly",
            )
        return out


def _repair(preactivations: Array, kinks: tuple[float, ...], inputs: Array, weights: Array) -> None:
    """Recompute in double precision what rounding may have put on the wrong side of a kink.

    The derivative jumps there: each sample on the wrong side would turn the row of a neuron by ``1/sqrt(n)``.
    """
    for kink in kinks:
        for part in pieces(preactivations):
            rows = preactivations[part]
            samples, neurons = np.nonzero(np.abs(rows - np.float32(kink)) < KINK_MARGIN * (1.0 + abs(kink)))
            exact = np.einsum("ik,ik->i", inputs[part][samples], weights[neurons])
            beyond = np.where(exact > kink, np.float32(np.inf), np.float32(-np.inf))
            # The nearest number in single precision may be the kink itself, or on its other side.
            near = exact.astype(np.float32)
            wrong = np.sign(near - np.float64(kink)) != np.sign(exact - kink)
            near[wrong] = np.nextafter(np.float32(kink), beyond[wrong])
            rows[samples, neurons] = near


def pieces(matrix: Array) -> Iterator[slice]:
    """Cut the rows of a matrix into pieces small enough for the cache, so that functions are applied fast."""
    return blocks(len(matrix), max(1, PIECE // matrix.shape[1]))


def rank_one_error(gradient: Array, coefficient: float, readout: Array, beta: Array) -> float:
    """Return ``||G - c_1 a beta^T|| / ||c_1 a beta^T||`` in operator norm, to a relative 1e-4.

    This is how far the exact `gradient`, which is not copied, is from the rank-one matrix of the theorem
    (docs/theory.md section 2). `coefficient` is ``c_1`` of the activation, `readout` the second layer `a`.
    """
    column = coefficient * readout
    if min(gradient.shape) < 3:
        norm = float(np.linalg.norm(gradient - np.outer(column, beta), 2))
    else:
        operator = LinearOperator(
            gradient.shape,
            matvec=lambda x: gradient @ x.ravel() - column * (beta @ x.ravel()),
            rmatvec=lambda x: gradient.T @ x.ravel() - beta * (column @ x.ravel()),
            dtype=np.float64,
        )
        # A fixed start makes the result reproducible; ARPACK draws a random one otherwise.
        start = np.ones(min(gradient.shape))
        norm = float(svds(operator, k=1, tol=RANK_ONE_TOLERANCE, v0=start, return_singular_vectors=False)[0])
    return norm / float(np.linalg.norm(column) * np.linalg.norm(beta))
