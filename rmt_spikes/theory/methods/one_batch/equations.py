"""The matrix Dyson equation of the bulk: one resolvent per sample, coupled through fields of the inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.moments import Moments
from rmt_spikes.theory.methods.one_batch.readouts import Readouts
from rmt_spikes.theory.methods.one_batch.samples import Batch, Samples

Array = NDArray[np.float64]
Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """What the rows of the bulk consist of, with own parts moved so that full kernels can be used.

    Attributes
    ----------
    chi
        Variance of a feature beyond the inputs' part: ``chi~`` (batch) or ``chi_0`` (fresh), shape
        ``(n_r, n_x, n_a)``.
    fields
        Coupling of a sample to the fields ``gamma`` and ``m`` of the inputs, ``sqrt(rho) (-p, d~)``: shape
        ``(n_r, n_x, 2 n_a)``.
    squares
        Coupling to those of the functions of degree two, ``sqrt(2) rho h~_2``, shape ``(n_r, n_x, n_a)``.
    rest
        ``w~``, shape ``(n_r, n_x, n_a)``.
    """

    chi: Array
    fields: Array
    squares: Array
    rest: Array


@dataclass(frozen=True, eq=False)
class State:
    """Solution at one ridge, or at several at once, along leading axes.

    Attributes
    ----------
    omega
        Shape ``(..., n_a)``.
    inputs
        ``Y``, on the fields ``gamma``, ``m`` and ``g``, shape ``(..., 3 n_a, 3 n_a)``.
    squares
        ``Y_2``, that of the functions of degree two, shape ``(..., n_a, n_a)``.
    """

    omega: Values
    inputs: Values
    squares: Values

    def at(self, places: Any) -> State:
        """Solutions at some of the ridges."""
        return State(self.omega[places], self.inputs[places], self.squares[places])


@dataclass(frozen=True, eq=False)
class Resolvent:
    """The resolvent of each sample, with the leading axes of the state.

    With the fields ``(v; y; eta)`` of a sample it is ``G_vv h h' + [0, 0; 0, A^-1]``, ``h = (1, x)``.

    Attributes
    ----------
    value
        ``G_vv``, shape ``(n_r, n_x)``.
    tail
        ``x``, shape ``(n_r, n_x, 2 n_a)``.
    inverse
        ``A^-1``, shape ``(n_r, 2 n_a, 2 n_a)``.
    seen
        ``S h``, what the fields of the inputs see of it, shape ``(n_r, n_x, 3 n_a)``.
    sight
        What the fields ``m`` and ``g`` see of ``y`` and ``eta``, their only neighbours: the elements of ``S``
        apart from its first column, shape ``(n_r, 2 n_a)``.
    """

    value: Values
    tail: Values
    inverse: Values
    seen: Values
    sight: Array

    @property
    def own(self) -> Values:
        """``S A^-1 S'`` on the fields ``m`` and ``g``, shape ``(n_r, 2 n_a, 2 n_a)``."""
        return np.asarray(self.sight[:, :, None] * self.inverse * self.sight[:, None, :])


def seeing(count: int) -> slice:
    """Places of the fields ``m`` and ``g`` among all those of the inputs."""
    return slice(count, 3 * count)


@dataclass(frozen=True, eq=False)
class Equations:
    """Equations of a setting on nodes.

    Parameters
    ----------
    ratio
        ``N / n``.
    step
        ``theta alpha``, shape ``(n_a,)``.
    """

    batch: Batch
    ratio: float
    law: Readouts
    step: Array
    train: Rows
    test: Rows

    def weight(self, state: State) -> Values:
        """``pi_a``: share of the neurons of a node times their ``omega``, over that of the samples."""
        return np.asarray(self.ratio * self.law.weights * state.omega)

    @cached_property
    def sight(self) -> Array:
        """Elements of ``S``, shape ``(n_r, 2 n_a)``."""
        growth = self.batch.turn[:, None] * self.step
        ends = np.concatenate([growth, -np.ones_like(growth)], axis=1)
        return np.asarray(np.sqrt(self.batch.train.size)[:, None] * ends)

    @cached_property
    def shared_sight(self) -> Array:
        """Products of elements of ``S``, times the shares of the samples, shape ``(n_r, 2 n_a, 2 n_a)``."""
        shares, sight = self.batch.train.weights.sum(axis=1), self.sight
        return np.asarray(shares[:, None, None] * sight[:, :, None] * sight[:, None, :])

    @cached_property
    def constants(self) -> tuple[Array, Array, Array]:
        """Of each sample: ``theta alpha r w~`` and zeros, and ``A`` without ``Y``."""
        n, r = self.step.size, self.batch.train.residual
        rest = self.step * r[:, None, None] * self.train.rest
        ones, levels = np.zeros((2 * n, 2 * n)), np.zeros((r.size, n, 2 * n, 2 * n))
        at = np.arange(n)
        ones[at, n + at] = ones[n + at, at] = 1.0
        levels[:, at, at, at] = self.batch.stir[:, None] * self.step**2
        rests = np.concatenate([rest, np.zeros_like(rest)], axis=-1)
        return rests, ones, levels.reshape(r.size, n, -1).swapaxes(0, 1).reshape(n, -1)

    @cached_property
    def fresh(self) -> tuple[Array, Array, Array]:
        """What a unit of fresh samples adds to ``Z``, to that of degree two, and to ``1 / omega``."""
        n, rows, weights = self.step.size, self.test, self.batch.test.weights.reshape(-1, 1)
        flat, few = rows.fields.reshape(-1, 2 * n), rows.squares.reshape(-1, n)
        own = np.einsum("rx,rxa->a", self.batch.test.weights, rows.chi)
        return (flat * weights).T @ flat, (few * weights).T @ few, own

    def resolvent(self, state: State, ridge: Any) -> Resolvent:
        """Resolvent of each sample of the batch; a ridge may have the leading axes of the state."""
        n, sight, chi = self.step.size, self.sight, self.train.chi
        rest, ones, levels = self.constants
        weight, fields, places = self.weight(state), self.train.fields, seeing(n)
        shape = (*state.omega.shape[:-1], *chi.shape[:2])
        pull = (fields.reshape(-1, 2 * n) @ state.inputs[..., : 2 * n, :]).reshape(*shape, 3 * n)
        coupling = rest * np.tile(weight, 2)[..., None, None, :] - pull[..., places] * sight[:, None]
        a = ones + (weight @ levels).reshape(*shape[:-1], 2 * n, 2 * n)
        a -= state.inputs[..., None, places, places] * (sight[:, :, None] * sight[:, None])
        inverse = np.linalg.inv(a)
        tail = -coupling @ inverse
        whole = np.asarray(ridge)[..., None, None] + (weight @ chi.reshape(-1, n).T).reshape(shape)
        whole = whole + dot(coupling, tail) - dot(pull[..., : 2 * n], fields)
        squares = self.train.squares
        through = (squares.reshape(-1, n) @ state.squares).reshape(*shape, n)
        whole = whole - dot(through, squares)
        seen = np.empty((*shape, 3 * n), dtype=tail.dtype)
        np.multiply(tail, sight[:, None], out=seen[..., places])
        seen[..., :n] = fields[..., :n]
        seen[..., n : 2 * n] += fields[..., n:]
        return Resolvent(1.0 / whole, tail, inverse, seen, sight)

    def image(self, state: State, ridge: Any, fresh: Any = 0.0) -> State:
        """What the equations make of a state; a solution is mapped to itself.

        `fresh` is the weight of the population of fresh samples.
        """
        return self.mapped(state, self.resolvent(state, ridge), ridge, fresh)

    def mean(self, found: Resolvent) -> Values:
        """``E G_vv``, with the leading axes of the state."""
        return np.asarray(np.sum(self.batch.train.weights * found.value, axis=(-2, -1)))

    def mapped(self, state: State, found: Resolvent, ridge: Any, fresh: Any = 0.0) -> State:
        """Image of a state by the resolvent of each sample that belongs to it."""
        n, train = self.step.size, self.batch.train
        weight, shares = self.weight(state), train.weights.sum(axis=1)
        value = train.weights * found.value
        masses = value.reshape(*value.shape[:-2], -1)
        flat = found.seen.reshape(*masses.shape, 3 * n)
        z = np.swapaxes(flat * masses[..., None], -1, -2) @ flat
        places = seeing(n)
        z[..., places, places] += np.einsum("rab,...rab->...ab", self.shared_sight, found.inverse)
        tail = found.tail[..., :n]
        head = value[..., None] * tail
        inner = np.diagonal(found.inverse, axis1=-2, axis2=-1)[..., :n]
        inverse = 1.0 + masses @ self.train.chi.reshape(-1, n)
        inverse += 2.0 * np.einsum("rxa,...rxa->...a", self.constants[0][..., :n], head)
        squared = np.einsum("...xa,...xa->...a", head, tail) + shares[:, None] * inner
        inverse += self.step**2 * (self.batch.stir @ squared)
        few = self.train.squares.reshape(-1, n)
        z_2 = np.swapaxes(few * masses[..., None], -1, -2) @ few
        if np.any(fresh != 0.0):
            share, (more, more_2, further) = fresh / ridge, self.fresh
            z[..., : 2 * n, : 2 * n] += share * more
            z_2 += share * more_2
            inverse += share * further
        phi = self.batch.phi
        inputs = phi * np.linalg.inv(self.stiffness(weight) - z)
        inputs = 0.5 * (inputs + np.swapaxes(inputs, -1, -2))
        inverse += np.diagonal(z, axis1=-2, axis2=-1)[..., n : 2 * n]
        inverse += dot(z[..., n : 2 * n, :] @ inputs, np.swapaxes(z[..., n : 2 * n], -1, -2)) / phi
        # There may be infinitely many functions of degree two.
        stiff = np.eye(n) / weight[..., None] + z_2 / self.batch.squares
        squares = -np.linalg.inv(0.5 * (stiff + np.swapaxes(stiff, -1, -2)))
        inverse += np.diagonal(z_2, axis1=-2, axis2=-1)
        inverse += np.einsum("...ab,...bc,...ca->...a", z_2, squares, z_2) / self.batch.squares
        return State(1.0 / inverse, inputs, squares)

    def stiffness(self, weight: Values) -> Values:
        """``D``, shape ``(3 n_a, 3 n_a)`` with the leading axes of the weight."""
        n = self.step.size
        found = np.zeros((*weight.shape[:-1], 3 * n, 3 * n), dtype=weight.dtype)
        at = np.arange(n)
        found[..., n + at, n + at] = -self.batch.phi / weight
        found[..., at, 2 * n + at] = found[..., 2 * n + at, at] = 1.0
        return found

    @cached_property
    def mean_square(self) -> float:
        """Mean square of a feature, its mean and what is not linear in the inputs of degree two apart."""
        chi, fields = self.train.chi, self.train.fields[..., self.step.size :]
        return float(np.einsum("rx,rxa,a->", self.batch.train.weights, chi + fields**2, self.law.weights))

    def start(self, ridge: Any) -> State:
        """Rough first guess: features without a direction, ``1/omega = 1 + s/(ridge + omega s N/n)``."""
        level, half = float(np.real(ridge)) / self.mean_square, 0.0
        if level > 0.0:
            half = 0.5 * (level + 1.0 - self.ratio)
            half = level / (half + math.sqrt(half**2 + level * self.ratio))
        omega = np.full(self.step.size, half if half > 0.0 else 0.5)
        return self.uncoupled(omega, 0.5)

    def uncoupled(self, omega: Array, factor: float = 1.0) -> State:
        """State whose fields of the inputs see no sample, times a factor."""
        weight = self.ratio * self.law.weights * omega
        inputs = factor * self.batch.phi * np.linalg.inv(self.stiffness(weight))
        return State(omega, inputs, -factor * np.diag(weight))


def dot(a: Values, b: Values) -> Values:
    """Inner products along the last axis."""
    return np.asarray(np.einsum("...a,...a->...", a, b))


@dataclass(frozen=True, eq=False)
class Growth:
    """What the step multiplies features with, on readout nodes.

    Attributes
    ----------
    batch
        Batch.
    step
        ``theta alpha``, shape ``(n_a,)``.
    """

    batch: Batch
    step: Array

    def response(self, each: Moments, samples: Samples) -> Array:
        """``d``: mean derivative of a feature in the sample's own pre-activation, less that of others."""
        ratio = self.batch.forms(samples).ratio[..., None]
        return np.asarray(each.linear - self.step * ratio * each.slope)

    def squares(self, each: Moments, samples: Samples) -> Array:
        """``sqrt(2) rho h_2``, part of degree two in the sample's own pre-activation."""
        kept = math.sqrt(2.0) * math.isfinite(self.batch.squares)
        return np.asarray(kept * samples.size[:, None, None] * each.bent)

    def _rest(self, each: Moments, samples: Samples) -> Array:
        """``chi_0``."""
        forms, d, turned = self.batch.forms(samples), self.response(each, samples), self.step * each.slope
        size, turn, noise = (
            value[..., None] for value in (forms.size, forms.turn, forms.turned + forms.stir)
        )
        squares = self.squares(each, samples)
        known = squares**2 + size * d**2 + 2.0 * turn * d * turned + noise * turned**2
        return np.asarray(each.square - each.mean**2 - known)

    def batch_rows(self, train: Moments) -> Rows:
        """Rows of the batch."""
        batch = self.batch
        pull, variance = (
            batch.phi * batch.train.size[:, None, None],
            batch.slopes.variance[:, None, None],
        )
        own = self.step * pull * train.slope * batch.train.residual[:, None, None]
        response = (
            self.response(train, batch.train) - self.step * pull * batch.turn[:, None, None] * train.slope
        )
        return Rows(
            chi=self._rest(train, batch.train) - 2.0 * own * train.rest + own**2 * variance,
            fields=_scaled(batch.train, response, train.slope),
            squares=self.squares(train, batch.train),
            rest=train.rest - own * variance,
        )

    def fresh_rows(self, test: Moments) -> Rows:
        """Rows of fresh samples."""
        fields = _scaled(self.batch.test, self.response(test, self.batch.test), test.slope)
        squares = self.squares(test, self.batch.test)
        return Rows(self._rest(test, self.batch.test), fields, squares, test.rest)


def _scaled(samples: Samples, response: Array, slope: Array) -> Array:
    """Coupling to the fields of the inputs, whose components along a sample have the scale of its norm."""
    fields = np.concatenate([-slope, response], axis=-1)
    return np.asarray(np.sqrt(samples.size)[:, None, None] * fields)


def equations_of(
    setting: Setting, batch: Batch, law: Readouts, features: tuple[Moments, Moments]
) -> Equations:
    """Equations of a setting, from the features of the batch and of fresh samples on readout nodes."""
    train, test = features
    on = Growth(batch, setting.theta * law.nodes)
    return Equations(batch, setting.ridge_ratio, law, on.step, on.batch_rows(train), on.fresh_rows(test))
