"""Laws of the labels: the residuals of the first batch, and labels given the learnt direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from pencil.model import Model, trapezoid
from rmt_spikes.theory.quadrature_rules import gauss_hermite

Array = NDArray[np.float64]

CELLS = 10


@dataclass(frozen=True, eq=False)
class ResidualLaw:
    """Law of the residual ``r`` of the first step together with the teacher's variables ``u_k``.

    Attributes
    ----------
    r, weights
        Nodes, shape ``(n_r,)``.
    u, uu
        ``E[u_k | r]`` and ``E[u_k u_k' | r]`` at the nodes, shapes ``(n_r, k)`` and ``(n_r, k, k)``.
    """

    r: Array
    weights: Array
    u: Array
    uu: Array

    def mean(self, values: Array) -> Array:
        """Expectation of values on the nodes (first axis)."""
        return np.tensordot(self.weights, values, axes=(0, 0))


def residual_law(model: Model, cells: int = CELLS) -> ResidualLaw:
    """Law of the residual: cells of its quantiles, each with the two-point Gauss rule of its own law.

    The moments of ``r`` to degree three in each cell are exact, and so are ``E[u]``, ``E[u r]``,
    ``E[u u']`` and ``E[u u' r]``.
    """
    return compress(*residual_points(model), cells)


def residual_points(model: Model) -> tuple[Array, Array, Array]:
    """Residuals ``r``, weights and teacher's variables on a fine grid."""
    u, weights = teacher_grid(model)
    noise, noise_weights = gauss_hermite(12) if model.noise_std > 0 else (np.zeros(1), np.ones(1))
    r = (model.target(u)[:, None] + model.noise_std * noise).ravel()
    w = (weights[:, None] * noise_weights).ravel()
    u = np.repeat(u, noise.size, axis=1)
    keep = w > 1e-18
    return r[keep], w[keep], u[:, keep]


def middle_quantiles(model: Model) -> tuple[Array, Array]:
    """``n`` middle quantiles of the residual and ``E[u | r]`` in their cells, shapes ``(n,)`` and ``(k, n)``."""
    r, w, u = residual_points(model)
    order = np.argsort(r, kind="stable")
    r, w, u = r[order], w[order], u[:, order]
    mass = np.concatenate([[0.0], np.cumsum(w)]) / w.sum()
    middle = 0.5 * (mass[1:] + mass[:-1])
    grid = (np.arange(model.n) + 0.5) / model.n
    edges = np.arange(model.n + 1) / model.n
    sums = np.concatenate([np.zeros((u.shape[0], 1)), np.cumsum(w * u, axis=1)], axis=1) / w.sum()
    means = np.array([np.diff(np.interp(edges, mass, row)) for row in sums]) * model.n
    return np.interp(grid, middle, r), means


def compress(r: Array, w: Array, u: Array, cells: int = CELLS) -> ResidualLaw:
    """Law of weighted points: cells, each with the two-point Gauss rule of its own law.

    The weights need not add up to one, and keep their sum.
    """
    order = np.argsort(r, kind="stable")
    r, w, u = r[order], w[order], u[:, order]
    # Cells of equal share of mass + energy + fourth moment, so that the tails get theirs.
    energy = max(float(w @ r**2), 1e-300)
    measure = w * (1.0 + r**2 / energy + r**4 / max(float(w @ r**4), 1e-300))
    cell = np.minimum((np.cumsum(measure) / measure.sum() * cells).astype(int), cells - 1)
    nodes, masses, firsts, seconds = [], [], [], []
    for index in range(cells):
        inside = cell == index
        if not inside.any():
            continue
        m, x, v = w[inside], r[inside], u[:, inside]
        total = m.sum()
        center = m @ x / total
        y = x - center
        second = m @ y**2 / total
        if second < 1e-24 * max(1.0, center**2):
            rule, shares = np.array([center]), np.array([1.0])
            basis = np.ones((1, x.size))
            at = np.ones((1, 1))
        else:
            third = m @ y**3 / total
            skew = third / second
            root = math.sqrt(skew**2 / 4.0 + second)
            rule = np.array([skew / 2.0 - root, skew / 2.0 + root])
            shares = np.array([rule[1], -rule[0]]) / (rule[1] - rule[0])
            basis = np.stack([np.ones(x.size), y / math.sqrt(second)])
            at = np.stack([np.ones(2), rule / math.sqrt(second)])
            rule = rule + center
        nodes.append(rule)
        masses.append(total * shares)
        firsts.append((at.T @ (basis @ (m * v).T)) / total)
        pair = np.einsum("bi,i,ki,li->bkl", basis, m, v, v) / total
        seconds.append(np.tensordot(at.T, pair, axes=(1, 0)))
    mass = np.concatenate(masses)
    return ResidualLaw(np.concatenate(nodes), mass, np.concatenate(firsts), np.concatenate(seconds))


def teacher_grid(model: Model) -> tuple[Array, Array]:
    """Nodes ``(n_directions, n_nodes)`` and weights of the teacher's variables under the normal law."""
    if model.directions == 1:
        u, weights = trapezoid(model.target_splits)
        return u[None], weights
    x, w = gauss_hermite({2: 48, 3: 22}.get(model.directions, 10))
    grid = np.stack(np.meshgrid(*[x] * model.directions, indexing="ij")).reshape(model.directions, -1)
    weights = w
    for _ in range(model.directions - 1):
        weights = np.multiply.outer(weights, w)
    return grid, weights.ravel()


@dataclass(frozen=True, eq=False)
class Labels:
    """Moments of a label given ``q``, on its nodes.

    Attributes
    ----------
    mean
        ``E[y | q]``, shape ``(n_q,)``.
    linear
        ``E[y t_k | q]``, shape ``(n_t, n_q)``.
    pairs
        ``E[y T_ij | q]`` for ``i <= j`` with the orthonormal ``T_ij = t_i t_j`` or ``He_2(t_i)/sqrt 2``.
    energy
        ``E[y^2 | q]``.
    """

    mean: Array
    linear: Array
    pairs: dict[tuple[int, int], Array]
    energy: Array


def conditional_labels(model: Model, mix: Array, q: Array) -> Labels:
    """Labels given ``q`` when the teacher's variables are ``u = mix @ (q, t_1, .., t_r)``.

    Parameters
    ----------
    mix
        Shape ``(r, 1 + r)``, orthonormal rows.
    q
        Nodes.
    """
    r = model.directions
    if r == 1:
        if model.target_splits:
            reach, points = 9.0, 6001
            t = np.linspace(-reach, reach, points)[None] + 1e-9
            weights = np.exp(-0.5 * t[0] ** 2)
            weights = weights / weights.sum()
        else:
            x, weights = gauss_hermite(64)
            t = x[None]
    else:
        x, w = gauss_hermite({2: 40, 3: 22}.get(r, 10))
        t = np.stack(np.meshgrid(*[x] * r, indexing="ij")).reshape(r, -1)
        weights = w
        for _ in range(r - 1):
            weights = np.multiply.outer(weights, w)
        weights = weights.ravel()
    y = np.empty((q.size, t.shape[1]))
    for i, value in enumerate(q):
        y[i] = model.target(mix[:, :1] * value + mix[:, 1:] @ t)
    weighted = y * weights
    pairs = {}
    for i, j in combinations_with_replacement(range(r), 2):
        feature = (t[i] ** 2 - 1.0) / math.sqrt(2.0) if i == j else t[i] * t[j]
        pairs[i, j] = weighted @ feature
    energy = np.sum(weighted * y, axis=1) + model.noise_std**2
    return Labels(weighted.sum(axis=1), (weighted @ t.T).T, pairs, energy)
