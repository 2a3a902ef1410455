"""The matrix Dyson equation of the bulk: one resolvent per sample, coupled through fields of the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.moments import Moments, Slope
from rmt_spikes.theory.methods.one_batch.readouts import Readouts
from rmt_spikes.theory.methods.one_batch.samples import Batch

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
        Coupling of a sample to the fields of the inputs, ``(d~, -p)``: shape ``(n_r, n_x, 2 n_a)``.
    rest
        ``w~``, shape ``(n_r, n_x, n_a)``.
    """

    chi: Array
    fields: Array
    rest: Array


@dataclass(frozen=True, eq=False)
class State:
    """Solution at one ridge, or at several at once, along leading axes.

    Attributes
    ----------
    omega
        Shape ``(..., n_a)``.
    inputs
        ``Y``, shape ``(..., 3 n_a, 3 n_a)``.
    """

    omega: Values
    inputs: Values

    def at(self, places: Any) -> State:
        """Solutions at some of the ridges."""
        return State(self.omega[places], self.inputs[places])


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
        ``S``, shape ``(n_r, 3 n_a, 2 n_a)``.
    """

    value: Values
    tail: Values
    inverse: Values
    seen: Values
    sight: Array

    @property
    def own(self) -> Values:
        """``S A^-1 S'``, shape ``(n_r, 3 n_a, 3 n_a)``."""
        return np.asarray(self.sight @ self.inverse @ np.swapaxes(self.sight, -1, -2))


@dataclass(frozen=True, eq=False)
class Equations:
    """Equations of a setting on nodes.

    Parameters
    ----------
    ratio
        ``N / n``.
    step, growth
        ``theta alpha`` and ``k = theta alpha c_22``, shape ``(n_a,)``.
    variance
        ``V = Var zeta``.
    """

    batch: Batch
    ratio: float
    law: Readouts
    step: Array
    growth: Array
    variance: float
    train: Rows
    test: Rows

    def weight(self, state: State) -> Values:
        """``pi_a``: share of the neurons of a node times their ``omega``, over that of the samples."""
        return np.asarray(self.ratio * self.law.weights * state.omega)

    @cached_property
    def _sight(self) -> Array:
        """``S``: what the fields of the inputs see of those of a sample, shape ``(n_r, 3 n_a, 2 n_a)``."""
        n, r = self.step.size, self.batch.train.residual
        found = np.zeros((r.size, 3 * n, 2 * n))
        found[:, np.arange(n), np.arange(n)] = r[:, None] * self.growth
        found[:, 2 * n + np.arange(n), n + np.arange(n)] = -1.0
        return found

    @cached_property
    def _constants(self) -> tuple[Array, Array, Array, Array]:
        """Of each sample: fields and zeros, ``theta alpha r w~`` and zeros, and ``A`` without ``Y``."""
        n, r = self.step.size, self.batch.train.residual
        known, zeros = self.train.fields, np.zeros_like(self.train.rest)
        rest = self.step * r[:, None, None] * self.train.rest
        ones, levels = np.zeros((2 * n, 2 * n)), np.zeros((r.size, n, 2 * n, 2 * n))
        at = np.arange(n)
        ones[at, n + at] = ones[n + at, at] = 1.0
        levels[:, at, at, at] = (r**2)[:, None] * (self.step**2 * self.variance)
        fields, rests = (np.concatenate([each, zeros], axis=-1) for each in (known, rest))
        return fields, rests, ones, levels.reshape(r.size, n, -1).swapaxes(0, 1).reshape(n, -1)

    def resolvent(self, state: State, ridge: Any) -> Resolvent:
        """Resolvent of each sample of the batch; a ridge may have the leading axes of the state."""
        n, sight, chi = self.step.size, self._sight, self.train.chi
        seen, rest, ones, levels = self._constants
        weight, fields = self.weight(state), self.train.fields
        shape = (*state.omega.shape[:-1], *chi.shape[:2])
        pull = (fields.reshape(-1, 2 * n) @ state.inputs[..., : 2 * n, :]).reshape(*shape, 3 * n)
        coupling = rest * np.tile(weight, 2)[..., None, None, :] - pull @ sight
        a = ones + (weight @ levels).reshape(*shape[:-1], 2 * n, 2 * n)
        a -= np.swapaxes(sight, -1, -2) @ state.inputs[..., None, :, :] @ sight
        inverse = np.linalg.inv(a)
        tail = -coupling @ inverse
        whole = np.asarray(ridge)[..., None, None] + (weight @ chi.reshape(-1, n).T).reshape(shape)
        whole = whole + np.sum(coupling * tail, axis=-1) - np.sum(pull[..., : 2 * n] * fields, axis=-1)
        seen = seen + tail @ np.swapaxes(sight, -1, -2)
        return Resolvent(1.0 / whole, tail, inverse, seen, sight)

    def image(self, state: State, ridge: Any, fresh: Any = 0.0) -> State:
        """What the equations make of a state; a solution is mapped to itself.

        `fresh` is the weight of the population of fresh samples.
        """
        n, train, test = self.step.size, self.batch.train, self.batch.test
        found, r = self.resolvent(state, ridge), train.residual
        weight, shares = self.weight(state), train.weights.sum(axis=1)
        value = train.weights * found.value
        masses = value.reshape(*value.shape[:-2], -1)
        flat = found.seen.reshape(*masses.shape, 3 * n)
        z = np.swapaxes(flat * masses[..., None], -1, -2) @ flat
        z += np.sum(shares[:, None, None] * found.own, axis=-3)
        tail = found.tail[..., :n]
        head = value[..., None] * tail
        inner = np.diagonal(found.inverse, axis1=-2, axis2=-1)[..., :n]
        inverse = 1.0 + masses @ self.train.chi.reshape(-1, n)
        inverse += 2.0 * np.sum(self._constants[1][..., :n] * head, axis=(-3, -2))
        squared = np.sum(head * tail, axis=-2) + shares[:, None] * inner
        inverse += self.step**2 * self.variance * (r**2 @ squared)
        if np.any(fresh != 0.0):
            share, flat = fresh / ridge, self.test.fields.reshape(-1, 2 * n)
            z[..., : 2 * n, : 2 * n] += share * ((flat * test.weights.reshape(-1, 1)).T @ flat)
            inverse += share * np.einsum("rx,rxa->a", test.weights, self.test.chi)
        phi = self.batch.phi
        inputs = phi * np.linalg.inv(self.stiffness(weight) - z)
        inputs = 0.5 * (inputs + np.swapaxes(inputs, -1, -2))
        inverse += np.diagonal(z, axis1=-2, axis2=-1)[..., :n]
        inverse += np.sum((z[..., :n, :] @ inputs) * np.swapaxes(z[..., :n], -1, -2), axis=-1) / phi
        return State(1.0 / inverse, inputs)

    def stiffness(self, weight: Values) -> Values:
        """``D``, shape ``(3 n_a, 3 n_a)`` with the leading axes of the weight."""
        n = self.step.size
        found = np.zeros((*weight.shape[:-1], 3 * n, 3 * n), dtype=weight.dtype)
        at = np.arange(n)
        found[..., at, at] = -self.batch.phi / weight
        found[..., n : 2 * n, 2 * n :] = found[..., 2 * n :, n : 2 * n] = np.eye(n)
        return found

    def start(self) -> State:
        """Rough first guess."""
        omega = np.full(self.step.size, 0.5)
        stiffness = self.stiffness(self.ratio * self.law.weights * omega)
        return State(omega, 0.5 * self.batch.phi * np.linalg.inv(stiffness))


def equations_of(
    setting: Setting, batch: Batch, slope: Slope, law: Readouts, features: tuple[Moments, Moments]
) -> Equations:
    """Equations of a setting, from the features of the batch and of fresh samples on readout nodes."""
    train, test = features
    step = setting.theta * law.nodes
    growth, variance, phi, mean = step * slope.curvature, slope.variance, batch.phi, batch.mean

    def response(each: Moments) -> Array:
        return each.linear - growth * mean * each.slope

    def rest_of(each: Moments) -> Array:
        d, p = response(each), each.slope
        known = d**2 + 2.0 * d * p * growth * mean
        known += (p * growth) ** 2 * (phi * batch.energy + mean**2)
        known += (p * step) ** 2 * phi * batch.energy * variance
        return each.square - each.mean**2 - known

    r = batch.train.residual[:, None, None]
    own = step * phi * train.slope * r
    rows = Rows(
        chi=rest_of(train) - 2.0 * own * train.rest + own**2 * variance,
        fields=np.concatenate([response(train) - growth * phi * r * train.slope, -train.slope], axis=-1),
        rest=train.rest - own * variance,
    )
    fresh = Rows(rest_of(test), np.concatenate([response(test), -test.slope], axis=-1), test.rest)
    return Equations(batch, setting.ridge_ratio, law, step, growth, variance, rows, fresh)
