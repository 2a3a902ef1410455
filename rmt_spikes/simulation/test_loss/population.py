"""Exact test loss: the expectation over Gaussian inputs, from correlations of the trained rows.

With ``u_i = w_i x`` Gaussian, ``E f(u_i) f(u_j)`` is a function of the norms and the correlation of two
rows: a closed form for functions that are linear on both sides of 0, Mehler's series
``sum_k b_k(t_i) b_k(t_j) corr^k`` for all others. Where the series is cut, Cauchy and Schwarz bound what is
left by ``|corr|^(K+1) tail_i tail_j``.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Array, blocks
from rmt_spikes.simulation.products import multiply, multiply_transposed
from rmt_spikes.simulation.test_loss.row_expansion import ACCURACY, RowExpansion, expand_rows
from rmt_spikes.simulation.test_loss.target_expansion import TargetExpansion, expand_target

LARGEST_ERROR = 1e-6
"""Bound on the relative error of a loss that counts as exact."""

ORDERS = (32, 64, 128, 256)
"""Lengths of the series, tried in turn; the longest holds 257 coefficients for each neuron."""

TILE = 512
"""Rows whose correlations are held at a time: 2 MB."""

_ENOUGH = 1e-10
"""Error that all tiles may leave, in units of the energy of the labels: far below `LARGEST_ERROR`."""


class Expectation(NamedTuple):
    """A number and the bound on its error."""

    value: float
    error: float

    def __add__(self, other: "Expectation") -> "Expectation":  # type: ignore[override]
        """Add a number, and the bounds."""
        return Expectation(self.value + other.value, self.error + other.error)


class Side(NamedTuple):
    """Rows of the first layer, their expansions, and their coefficients `a` in the second layer."""

    expansion: RowExpansion
    weights: Array
    coefficients: Array

    def part(self, rows: slice) -> "Side":
        """Return some of the rows."""
        return Side(self.expansion.part(rows), self.weights[rows], self.coefficients[rows])

    def size(self) -> float:
        """Bound on the root of the energy of ``a^T sigma(W x)``."""
        return float(np.abs(self.coefficients) @ np.sqrt(self.expansion.second))


def population_loss(model: Model, weights: Array, coefficients: Array) -> Expectation | None:
    """Compute ``E (y - a^T sigma(W x))^2`` over the population.

    `weights` is the first layer after the step, as it acts on standard Gaussian inputs, `coefficients` the
    fitted second layer. The result is None
    when the bound on its error exceeds `LARGEST_ERROR` times the loss, because rows are almost parallel and
    the activation is rough, or it grows too fast.
    """
    norms = np.sqrt(np.einsum("jk,jk->j", weights, weights))
    # Norms grow with the readout weight, and so do correlations: tiles of similar norms need terms alike.
    order = np.argsort(norms, kind="stable")
    a = coefficients[order]

    def energy(rows: RowExpansion, enough: float) -> Expectation:
        total = Expectation(0.0, 0.0)
        here, held = slice(0), weights[:0]
        for left, right in tiles(norms.size):
            if left != here:
                here, held = left, weights[order[left]]
            other = held if left == right else weights[order[right]]
            sides = Side(rows.part(left), held, a[left]), Side(rows.part(right), other, a[right])
            total += tile_form(*sides, same=left == right, enough=enough)
        return total

    return loss_from_energy(model, norms[order], model.inputs.variables(weights)[:, order], a, energy)


def loss_from_energy(
    model: Model,
    norms: Array,
    along: Array,
    coefficients: Array,
    energy: Callable[[RowExpansion, float], Expectation],
) -> Expectation | None:
    """Compute the loss from whatever evaluates ``E (a^T sigma(W x))^2``.

    `norms`, of shape (width,), are the norms of the rows, and `along`, of shape (directions, width), their
    components along the teacher's directions, all of them as they act on standard Gaussian inputs;
    `coefficients` is the fitted second layer. `energy` maps the expansions of the rows, and the error that
    each tile may leave, to the expectation.
    """
    labels = model.teacher.moments.second
    for terms in ORDERS:
        try:
            rows = expand_rows(model.activation, norms, terms)
            target = expand_target(model.teacher, terms)
        except ConvergenceError:
            return None
        cross = _cross(rows, target, along, coefficients, labels)
        if cross.error > LARGEST_ERROR / 4 * labels:
            continue
        network = energy(rows, _ENOUGH * labels * min(1.0, TILE / norms.size) ** 2)
        value = labels - 2 * cross.value + network.value + model.noise_std**2
        error = 2 * cross.error + network.error
        if error <= LARGEST_ERROR * value:
            return Expectation(value, error)
        if rows.corner is not None:
            return None
    return None


def tiles(rows: int) -> Iterator[tuple[slice, slice]]:
    """Yield pairs of slices that cover the lower triangle of a symmetric matrix of this size."""
    parts = list(blocks(rows, TILE))
    return ((parts[i], parts[j]) for i in range(len(parts)) for j in range(i + 1))


def tile_form(left: Side, right: Side, *, same: bool, enough: float) -> Expectation:
    """Sum ``a_i a_j E f(w_i x) f(w_j x)`` over a tile, and over its transpose when off the diagonal.

    `same` says that both sides are the same rows; the series stops where the bound on its error is `enough`.
    The bound of the result includes rounding.
    """
    correlation = np.empty((left.coefficients.size, right.coefficients.size))
    multiply_transposed(left.weights, right.weights, correlation)
    correlation /= left.expansion.norms[:, None]
    correlation /= right.expansion.norms
    np.clip(correlation, -1.0, 1.0, out=correlation)
    factor = 1.0 if same else 2.0
    rounding = ACCURACY * (left.size() * right.size())
    if left.expansion.corner is not None:
        value = _corner_form(left, right, correlation)
        return Expectation(factor * value, factor * rounding)
    value, error = _series(left, right, correlation, same, enough / factor)
    return Expectation(factor * value, factor * (error + rounding))


def _corner_form(left: Side, right: Side, correlation: Array) -> float:
    """Use ``E |u v| = (2/pi) t t' (sqrt(1 - c^2) + c arcsin c)`` of two Gaussians of correlation `c`."""
    assert left.expansion.corner is not None
    mean, half, constant = left.expansion.corner
    a, b = left.coefficients, right.coefficients
    scaled, other = a * left.expansion.norms, b * right.expansion.norms
    both = np.arcsin(correlation)
    both *= correlation
    both += np.sqrt((1.0 - correlation) * (1.0 + correlation))
    both *= half**2 * 2 / np.pi
    both += mean**2 * correlation
    absolute = half * (2 / np.pi) ** 0.5
    value = scaled @ multiply(both, other) + constant**2 * a.sum() * b.sum()
    return float(value - constant * absolute * (scaled.sum() * b.sum() + other.sum() * a.sum()))


def _series(left: Side, right: Side, correlation: Array, same: bool, enough: float) -> tuple[float, float]:
    """Sum Mehler's series; the diagonal, where it converges slowest, is known exactly."""
    value = 0.0
    a, b = left.coefficients, right.coefficients
    power = np.ones_like(correlation)
    if same:
        value += float((a * b) @ left.expansion.second)
        np.fill_diagonal(power, 0.0)
        np.fill_diagonal(correlation, 0.0)
    largest = float(np.abs(correlation).max())
    tails, other_tails = np.abs(a) @ left.expansion.tails(), np.abs(b) @ right.expansion.tails()
    scaled, other = a[:, None] * left.expansion.coefficients, b[:, None] * right.expansion.coefficients
    for k in range(scaled.shape[1]):
        value += float(scaled[:, k] @ multiply(power, other[:, k]))
        error = largest ** (k + 1) * float(tails[k] * other_tails[k])
        if error <= enough:
            break
        power *= correlation
    return value, error


def _cross(rows: RowExpansion, target: TargetExpansion, along: Array, a: Array, labels: float) -> Expectation:
    """Compute ``E y a^T f(W x)``; `labels` is ``E y^2``, and `along` the components along the directions."""
    correlation = along / rows.norms
    # Rounding may make a row longer than it is along the directions.
    size = np.sqrt(np.einsum("kj,kj->j", correlation, correlation))
    correlation /= np.maximum(size, 1.0)
    value = float(a @ target.along(correlation, rows))
    left = np.minimum(size, 1.0) ** (target.order + 1) * rows.tails()[:, target.order] * target.tail
    energy = float(np.abs(a) @ np.sqrt(rows.second))
    return Expectation(value, float(np.abs(a) @ left) + energy * (ACCURACY * labels**0.5 + target.error))
