"""Spikes: poles of the resolvent that the finite-rank part makes above the bulk, and their vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.theory.methods.one_batch.equations import Growth, Resolvent, State
from rmt_spikes.theory.methods.one_batch.finite_rank import FiniteRank
from rmt_spikes.theory.methods.one_batch.moments import moments_of
from rmt_spikes.theory.methods.one_batch.solver import COMPLEX_STEP, shifted, solved
from rmt_spikes.theory.methods.one_batch.spectrum.others import omega_of_others
from rmt_spikes.theory.methods.one_batch.spectrum.resolvent import UpperEdge
from rmt_spikes.theory.methods.one_batch.tangents import Linearised

Array = NDArray[np.float64]
Values = NDArray[Any]

REAL = 1e-7
"""Imaginary share below which an eigenvalue of a product of symmetric matrices is taken for real."""

SECANTS, SETTLED = 30, 1e-10
"""Steps to a pole, mostly 4 to 6, and the change of its logarithm at the end."""

DEGREES = 5
"""Polynomials whose shares of a vector a spike lists."""

PROFILE = 8
"""Polynomials that the profile of a left vector is expanded in."""

TOGETHER = 64
"""Readout weights whose profile is computed at once, for memory."""


@dataclass(frozen=True, eq=False)
class Pole:
    """A pole of the resolvent.

    Attributes
    ----------
    eigenvalue
        ``z``, the square of a singular value.
    state, found
        Solution there, and the resolvent of each sample.
    vector
        Null vector of ``1 + Nm Sm``, in units in which the singular vector of the features has norm one.
    """

    problem: FiniteRank
    eigenvalue: float
    state: State
    found: Resolvent
    vector: Array

    def left(self) -> Array:
        """Left singular vector, ``sqrt(n) u_i`` on the nodes of the samples, shape ``(n_r, n_x)``."""
        return np.asarray(self.found.value * (self.problem.columns(self.found) @ self.vector))

    def left_feature(self, count: int = DEGREES) -> Array:
        """Correlations of the left vector with Hermite polynomials of ``q``, shape ``(count,)``."""
        table, weights = normalized_hermite(count - 1, self._q), self.problem.equations.batch.train.weights
        return _correlations(table, weights, self.left())

    def right_feature(self, count: int = DEGREES) -> Array:
        """Correlations of the right vector with orthonormal polynomials of ``alpha``, shape ``(count,)``."""
        law = self.problem.law
        return _correlations(law.polynomials(count), law.weights, self.right())

    def right(self) -> Array:
        """Right singular vector, ``sqrt(N) v_j`` on the nodes of the readout weight."""
        weights = self.problem.law.weights
        mean = self.vector[: weights.size] / weights
        return np.asarray(-mean / math.sqrt(self.problem.setting.width * self.eigenvalue))

    def left_profile(self, q: Array) -> Array:
        """``E[sqrt(n) u_i | q_i = q]`` at `q`, by polynomials."""
        weights = self.problem.equations.batch.train.weights
        return _expanded(self._q, weights, self.left(), q, PROFILE)

    def right_profile(self, alpha: Array) -> Array:
        """``E[sqrt(N) v_j | alpha_j]`` at `alpha`: that of a neuron of no weight."""
        values, back = np.unique(alpha, return_inverse=True)
        parts = np.split(values, range(TOGETHER, values.size, TOGETHER)) if values.size else []
        found = np.concatenate([np.zeros(0), *map(self._right_at, parts)])
        return np.asarray(found[back].reshape(np.shape(alpha)))

    def _right_at(self, alpha: Array) -> Array:
        problem, equations, train = self.problem, self.problem.equations, self.problem.equations.batch.train
        (moments,) = moments_of(problem.setting, equations.batch, [train], alpha)
        on = Growth(equations.batch, problem.setting.theta * alpha)
        omega = omega_of_others(equations, on, moments, self.state, self.found)
        seen = np.einsum("rx,rxn->n", train.weights * self.left(), moments.mean)
        return np.asarray(math.sqrt(problem.setting.width / self.eigenvalue) * omega * seen)

    @property
    def _q(self) -> Array:
        return self.problem.equations.batch.train_latent


def _correlations(table: Array, weights: Array, profile: Array) -> Array:
    """Inner products with functions brought to norm one on the nodes; zero functions give zero."""
    axes = tuple(range(1, table.ndim))
    size = np.sqrt(np.sum(weights * table**2, axis=axes))
    product = np.sum(weights * table * profile, axis=axes)
    return np.asarray(np.divide(product, size, out=np.zeros(size.size), where=size > 0.0))


def _expanded(nodes: Array, weights: Array, values: Array, x: Array, count: int) -> Array:
    """Least-squares polynomial of a function on nodes with weights, at `x`."""
    basis, root = normalized_hermite(count - 1, nodes.ravel()), np.sqrt(weights.ravel())
    shares = np.linalg.lstsq((root * basis).T, root * values.ravel(), rcond=None)[0]
    return np.asarray(np.tensordot(shares, normalized_hermite(count - 1, x), axes=1))


def poles_above(problem: FiniteRank, edge: UpperEdge) -> tuple[Pole, ...]:
    """Poles above the upper edge of the bulk, largest first.

    There are as many as eigenvalues of ``-Nm Sm`` above one at the edge: each falls to zero as the eigenvalue
    ``z`` grows, about like its inverse.
    """
    values = strengths(problem, edge.state, edge.place)
    return tuple(_pole(problem, edge, k, float(value)) for k, value in enumerate(values[values > 1.0]))


def strengths(problem: FiniteRank, state: State, z: float) -> Array:
    """Real eigenvalues of ``-Nm Sm`` at an eigenvalue above the bulk, descending."""
    gram, _ = problem.overlaps(problem.equations.resolvent(state, -z), 0.0)
    values = np.linalg.eigvals(-problem.weights(state, -z, 0.0) @ gram)
    real = np.abs(values.imag) <= REAL * np.abs(values)
    return np.asarray(np.sort(values[real].real)[::-1])


def strength_at(problem: FiniteRank, edge: UpperEdge, index: int) -> float:
    """Strength of a pole at the upper edge itself, where it has a root; zero where there is none."""
    places = [(edge.place, edge.state), edge.farther]
    found = [strengths(problem, state, z) for z, state in places]
    if index >= min(each.size for each in found):
        return 0.0
    roots = [math.sqrt(z - edge.eigenvalue) for z, _ in places]
    here, there = (float(each[index]) for each in found)
    return here + (here - there) * roots[0] / (roots[1] - roots[0])


def _pole(problem: FiniteRank, edge: UpperEdge, index: int, strength: float) -> Pole:
    last, value, state = math.log(edge.place), math.log(strength), edge.state
    place, low = last + value, last
    for _ in range(SECANTS):
        state = solved(problem.equations, -math.exp(place), state)
        new = math.log(strengths(problem, state, math.exp(place))[index])
        if new == value:
            break
        step = -new * (place - last) / (new - value)
        # The strength falls from one that is above one: no pole is below a place where it is.
        low = max(low, place) if new > 0.0 else low
        last, value, place = place, new, place + step if place + step > low else 0.5 * (low + place)
        if abs(step) < SETTLED:
            z = math.exp(last)
            return Pole(problem, z, state, problem.equations.resolvent(state, -z), _vector(problem, state, z))
    raise ConvergenceError("a spike was not found", residual=abs(value), last=math.exp(place))


def _vector(problem: FiniteRank, state: State, z: float) -> Array:
    """Null vector ``a`` of ``Nm^-1 + Sm``, divided by the root of the residue ``a (Nm^-1 + Sm)' a``."""
    equations, h = problem.equations, 1j * COMPLEX_STEP
    moved = shifted(state, Linearised(equations, state, -z).tangent((1.0, 0.0)))
    gram, _ = problem.overlaps(equations.resolvent(moved, -z + h), 0.0)
    weights = problem.weights(moved, -z + h, 0.0)
    _, _, right = np.linalg.svd(np.eye(len(gram)) + weights.real @ gram.real)
    vector = right[-1]
    seen = gram.real @ vector
    # Slopes are in the ridge, which is minus the eigenvalue.
    residue = -(vector @ gram.imag @ vector - seen @ weights.imag @ seen) / COMPLEX_STEP
    if not residue > 0.0:
        raise ConvergenceError("a spike is not a singular vector", residual=float(residue))
    return np.asarray(vector / math.sqrt(residue))
