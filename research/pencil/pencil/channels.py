"""The part of the features that is of finite rank: its functions and its stiffness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from pencil.equations import Equations, Parts, State, Values
from pencil.labels import Labels
from pencil.rows import Rows

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FiniteRank:
    """Functions of the finite-rank part, without the factor ``sqrt(omega p)`` of their node.

    Parameters
    ----------
    equations
        The bulk.
    functions
        Functions of ``q`` that multiply each sample variable (1, ``t_k``, ``t_i t_j``), shape ``(n_variables,
        size, n_q)``, ``size`` a multiple of ``A``.
    norm
        ``sqrt(N) m_r``, shape ``(A, n_q)``, and its covariance between neurons.
    norm_covariance
        Shape ``(A, A)``.
    directions
        Blocks ``1 .. directions`` are those of ``q, t_1 .. t_r``; all others have stiffness one.
    labels
        ``E[y variable | q]``, shape ``(n_variables, n_q)``.
    tau
        Lengths of rows.
    """

    equations: Equations
    functions: Array
    norm: Array
    norm_covariance: Array
    directions: int
    labels: Array
    energy: Array
    tau: Array

    def total(self, state: State, parts: Parts) -> Values:
        """``J + S``, shape ``(size, size)``."""
        eq = self.equations
        a = state.omega.size
        root = np.sqrt(state.omega * eq.a_weights)
        weighted = eq.q_weights * state.resolvent
        count = self.functions.shape[1] // a
        flat = np.swapaxes(self.functions, 0, 1).reshape(count * a, -1)
        full = (flat * np.tile(weighted, self.functions.shape[0])) @ flat.T
        full[:a, :a] += ((self.norm * weighted) @ self.norm.T) * self.norm_covariance
        scale = np.tile(root, count)
        full = scale[:, None] * full * scale
        stiffness = np.eye(count * a, dtype=full.dtype)
        response = eq.pencil.direction_response(parts.levels)
        # In the functions of degree one the node's length is divided out on both sides.
        tau = np.tile(self.tau, self.directions)
        inner = tau[:, None] * np.linalg.inv(response) * tau
        inner = inner - np.kron(np.eye(self.directions), self.tau[:, None] * parts.k * self.tau)
        stiffness[a : a + tau.size, a : a + tau.size] = inner
        return stiffness + full

    def source(self, state: State) -> Values:
        """``E[R U y]``."""
        eq = self.equations
        root = np.sqrt(state.omega * eq.a_weights)
        weighted = eq.q_weights * state.resolvent
        value = np.einsum("vsq,vq->s", self.functions, self.labels * weighted)
        return np.tile(root, value.size // root.size) * value

    def functional(self, state: State, parts: Parts) -> Values:
        """``T``, the quadratic form of the labels in the resolvent."""
        source = self.source(state)
        explained = source @ np.linalg.solve(self.total(state, parts), source)
        return (self.equations.q_weights * state.resolvent) @ self.energy - explained


def direction_blocks(
    equations: Equations,
    moments: dict[str, Array],
    rows: Rows,
    q: Array,
    labels: Labels,
    gammas: Array,
    along_growth: Array,
    length: bool,
) -> FiniteRank:
    """Assemble the finite-rank part.

    Parameters
    ----------
    equations, moments, rows, q, labels
        Bulk; ``m_0, m_1, m_2, m_r`` on the grid; lengths of rows; nodes of ``q``; labels.
    gammas
        ``Gamma_a``, shape ``(A, 1 + r, 1 + r)`` for the pairs of directions; empty when degree two is noise.
    along_growth
        ``C_D / (d tau^2)``, shape ``(A, 1 + r, 1 + r)``: what the special directions add to the variance.
    length
        Whether there is a block of lengths.
    """
    model = equations.pencil.model
    width, d, r = model.width, model.d, model.directions
    a, n_q = moments["mean"].shape
    pairs = list(combinations_with_replacement(range(r), 2))
    names: list[tuple[int, ...]] = [(), *[(k,) for k in range(r)], *pairs]
    place = {name: i for i, name in enumerate(names)}
    blocks: list[Array] = []

    def block() -> Array:
        blocks.append(np.zeros((len(names), a, n_q)))
        return blocks[-1]

    def quadratic(target: Array, factor: Array, form: Array) -> None:
        # factor * (form_qq (q^2 - 1) + 2 form_qk q t_k + form_kk (t_k^2 - 1) + 2 form_kl t_k t_l)
        target[0] += factor * form[:, 0, 0][:, None] * (q**2 - 1.0)
        for k in range(r):
            target[place[(k,)]] += 2.0 * factor * form[:, 0, k + 1][:, None] * q
        for i, j in pairs:
            weight = math.sqrt(2.0) if i == j else 2.0
            target[place[i, j]] += weight * factor * form[:, i + 1, j + 1][:, None]

    mean = block()
    mean[0] += math.sqrt(width) * moments["mean"]
    quadratic(mean, math.sqrt(width) * moments["norm"], along_growth)
    learnt = block()
    ratio = rows.along / rows.tau
    root = math.sqrt(width / d)
    learnt[0] += root * (moments["linear"] * q + ratio[:, None] * moments["norm"])
    for k in range(r):
        block()[place[(k,)]] += root * moments["linear"]
    if length:
        block()[0] += math.sqrt(width) * moments["norm"] * np.sqrt(rows.spread)[:, None]
    if equations.gamma_two:
        size = math.sqrt(equations.gamma_two)
        for i, j in combinations_with_replacement(range(r + 1), 2):
            target = block()
            # (Gamma' s)_i (Gamma' s)_j = s' form s.
            form = gammas[:, :, i, None] * gammas[:, None, :, j]
            form = 0.5 * (form + np.swapaxes(form, 1, 2)) * (math.sqrt(0.5) if i == j else 1.0)
            factor = size * moments["second"]
            quadratic(target, factor, form)
            constant = np.trace(form, axis1=1, axis2=2)
            if i == j:
                constant = constant - math.sqrt(0.5) * rows.coherent / rows.tau**2
            target[0] += factor * constant[:, None]
    functions = np.concatenate(blocks, axis=1)
    label_rows = [labels.mean, *labels.linear, *[labels.pairs[pair] for pair in pairs]]
    return FiniteRank(
        equations=equations,
        functions=functions,
        norm=math.sqrt(width) * moments["norm"],
        norm_covariance=rows.norm_covariance,
        directions=r + 1,
        labels=np.array(label_rows),
        energy=labels.energy,
        tau=rows.tau,
    )
