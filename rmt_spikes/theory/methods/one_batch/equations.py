"""The matrix Dyson equation of the bulk: one resolvent per sample, coupled through fields of the inputs."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Solution at one ridge: ``omega``, shape ``(n_a,)``, and ``Y``, shape ``(3 n_a, 3 n_a)``."""

    omega: Values
    inputs: Values


@dataclass(frozen=True, eq=False)
class Resolvent:
    """The resolvent of each sample.

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
    own
        ``S A^-1 S'``, shape ``(n_r, 3 n_a, 3 n_a)``.
    """

    value: Values
    tail: Values
    inverse: Values
    seen: Values
    own: Values


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

    def resolvent(self, state: State, ridge: Any) -> Resolvent:
        """Resolvent of each sample of the batch."""
        n, r = self.step.size, self.batch.train.residual
        weight = self.weight(state)
        fields, inputs = self.train.fields, state.inputs
        kr = r[:, None] * self.growth
        pull = fields @ inputs[: 2 * n]
        coupling = np.concatenate(
            [
                (weight * self.step) * (r[:, None, None] * self.train.rest) - kr[:, None] * pull[..., :n],
                pull[..., 2 * n :],
            ],
            axis=-1,
        )
        a = np.empty((r.size, 2 * n, 2 * n), dtype=pull.dtype)
        one = np.eye(n)
        a[:, :n, :n] = -kr[:, :, None] * kr[:, None] * inputs[:n, :n]
        a[:, :n, :n] += (r**2)[:, None, None] * (weight * self.step**2 * self.variance * one)
        a[:, :n, n:] = one + kr[:, :, None] * inputs[:n, 2 * n :]
        a[:, n:, :n] = a[:, :n, n:].swapaxes(1, 2)
        a[:, n:, n:] = -inputs[2 * n :, 2 * n :]
        inverse = np.linalg.inv(a)
        tail = -coupling @ inverse
        own_value = ridge + self.train.chi @ weight
        whole = own_value - np.sum(pull[..., : 2 * n] * fields, axis=-1) + np.sum(coupling * tail, axis=-1)
        seen = np.concatenate([fields, -tail[..., n:]], axis=-1)
        seen[..., :n] += kr[:, None] * tail[..., :n]
        own = np.zeros((r.size, 3 * n, 3 * n), dtype=pull.dtype)
        own[:, :n, :n] = kr[:, :, None] * kr[:, None] * inverse[:, :n, :n]
        own[:, :n, 2 * n :] = -kr[:, :, None] * inverse[:, :n, n:]
        own[:, 2 * n :, :n] = own[:, :n, 2 * n :].swapaxes(1, 2)
        own[:, 2 * n :, 2 * n :] = inverse[:, n:, n:]
        return Resolvent(1.0 / whole, tail, inverse, seen, own)

    def image(self, state: State, ridge: Any, fresh: Any = 0.0) -> State:
        """What the equations make of a state; a solution is mapped to itself.

        `fresh` is the weight of the population of fresh samples.
        """
        n, train, test = self.step.size, self.batch.train, self.batch.test
        found, r = self.resolvent(state, ridge), train.residual
        weight = self.weight(state)
        value = train.weights * found.value
        flat = found.seen.reshape(-1, 3 * n)
        z = (flat * value.reshape(-1, 1)).T @ flat
        z += np.einsum("r,rij->ij", train.weights.sum(axis=1), found.own)
        head = value[..., None] * found.tail[..., :n]
        inner = np.einsum("rii->ri", found.inverse[:, :n, :n])
        inverse = 1.0 + np.einsum("rx,rxa->a", value, self.train.chi)
        inverse += 2.0 * self.step * np.einsum("r,rxa,rxa->a", r, self.train.rest, head)
        squared = np.einsum("rxa,rxa->ra", head, found.tail[..., :n])
        squared += train.weights.sum(axis=1)[:, None] * inner
        inverse += self.step**2 * self.variance * (r**2 @ squared)
        if np.any(fresh != 0.0):
            share, flat = fresh / ridge, self.test.fields.reshape(-1, 2 * n)
            z[: 2 * n, : 2 * n] += share * ((flat * test.weights.reshape(-1, 1)).T @ flat)
            inverse += share * np.einsum("rx,rxa->a", test.weights, self.test.chi)
        phi = self.batch.phi
        inputs = phi * np.linalg.inv(self.stiffness(weight) - z)
        inputs = 0.5 * (inputs + inputs.T)
        inverse += np.diagonal(z + z @ inputs @ z / phi)[:n]
        return State(1.0 / inverse, inputs)

    def stiffness(self, weight: Values) -> Values:
        """``D``, shape ``(3 n_a, 3 n_a)``."""
        n = self.step.size
        found = np.zeros((3 * n, 3 * n), dtype=weight.dtype)
        found[:n, :n] = np.diag(-self.batch.phi / weight)
        found[n : 2 * n, 2 * n :] = found[2 * n :, n : 2 * n] = np.eye(n)
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
