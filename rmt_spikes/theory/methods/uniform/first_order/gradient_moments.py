"""How the gradient acts on the two directions that the latent variables of a sample single out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.latent import residual_moments
from rmt_spikes.theory.quadrature_rules import gauss_hermite, gaussian_draws

Array = NDArray[np.float64]

ORDER = 2
"""Matrix moments of the measure that are exact; the semicircle continues them."""

BLOCKS = 3
"""Of the Jacobi matrix: five change the losses of a ReLU network by 7e-4 at step exponent 0.4 and by 2e-3 at
0.5."""

NODES = 64
"""For the teacher's variable: twice as many change nothing in double precision."""

NOISE_NODES = 8
"""For the label noise: exact up to degree 15, and moments have degree 4 in it."""


@dataclass(frozen=True, eq=False)
class DirectionMeasure:
    """Spectral measure of ``H = X^T diag(r) X / n`` at the learnt direction and the rest of the teacher.

    Eigenvalues are `levels`, shape ``(n_levels,)``. Their `weights` between the two directions, ``(n_levels,
    2, 2)``, are positive, of rank one, and add up to the identity. `growth` is ``X^T diag(r^2) X / n`` in
    units of ``E r^2`` at the levels: with the weights it adds up to the quadratic form of that matrix at the
    directions.
    """

    levels: Array
    weights: Array
    growth: Array


def direction_measure(setting: Setting) -> DirectionMeasure:
    """Spectral measure at the normalised ``(beta, rest of the teacher)``, at the mean-field output scale.

    The first two matrix moments are exact; the block Jacobi matrix is continued by that of the semicircle of
    the bulk (docs/theory.md section 4.1). Without a curvature ``c_2`` of the activation the levels do not
    matter, and there are only the two of `growth`.
    """
    u, r, weights = _residuals(setting)

    def mean(values: Array) -> float:
        return float(np.sum(weights * values))

    phi = setting.phi
    moments = _moments(u, r, weights, phi)
    norm2, overlap = moments[0][1, 1], moments[0][0, 1]
    cosine = overlap / math.sqrt(norm2)
    sine = math.sqrt(max(1.0 - cosine**2, 1e-12))
    # Rows: the learnt direction, and the teacher's without it, in terms of the teacher's and beta.
    basis = np.array([[0.0, 1.0 / math.sqrt(norm2)], [1.0 / sine, -cosine / (sine * math.sqrt(norm2))]])
    _, first, second = (basis @ moment @ basis.T for moment in moments)
    energy = mean(r**2)
    seen = overlap * u + phi * r
    square = np.array(
        [
            [mean(r**2 * u**2), mean(r**2 * u * seen)],
            [mean(r**2 * u * seen), mean(r**2 * (seen**2 + phi * energy))],
        ]
    )
    growth = basis @ square @ basis.T / energy
    if abs(setting.activation_expansion.coefficients[2]) < 1e-12:
        values, vectors = np.linalg.eigh(growth)
        return DirectionMeasure(np.full(2, mean(r)), np.einsum("ik,jk->kij", vectors, vectors), values)
    jacobi = np.kron(np.eye(BLOCKS), mean(r) * np.eye(2))
    jacobi[:2, :2] = first
    values, vectors = np.linalg.eigh(second - first @ first)
    links = [(vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T]
    links += [math.sqrt(phi * energy) * np.eye(2)] * (BLOCKS - 2)
    for k, link in enumerate(links):
        at, then = slice(2 * k, 2 * k + 2), slice(2 * k + 2, 2 * k + 4)
        jacobi[at, then], jacobi[then, at] = link, link
    levels, vectors = np.linalg.eigh(jacobi)
    masses = np.einsum("ik,jk->kij", vectors[:2], vectors[:2])
    return DirectionMeasure(levels, masses, _spread(masses, growth))


def _spread(masses: Array, form: Array) -> Array:
    """Nonnegative values at the levels that add up to a quadratic form: one plus a form on each direction."""
    sizes = np.trace(masses, axis1=1, axis2=2)
    rows = np.stack([masses[:, 0, 0], masses[:, 1, 1], 2.0 * masses[:, 0, 1]], axis=1)
    # Entries (0, 0), (1, 1), (0, 1) of the sum over levels of mass times tr(B mass) / tr(mass).
    entries = np.stack([masses[:, 0, 0], masses[:, 1, 1], masses[:, 0, 1]], axis=1)
    wanted = np.array([form[0, 0] - 1.0, form[1, 1] - 1.0, form[0, 1]])
    matrix = entries.T @ (rows / sizes[:, None])
    b = np.linalg.lstsq(matrix, wanted, rcond=1e-8)[0]
    return np.asarray(np.maximum(1.0 + rows @ b / sizes, 0.0))


def _residuals(setting: Setting) -> tuple[Array, Array, Array]:
    """Teacher's variable, residual of the first batch, and weights on a grid of the two."""
    u, u_weights = gaussian_draws(setting.n, NODES)
    noise, noise_weights = gauss_hermite(NOISE_NODES)
    offset = setting.target_expansion.mean - residual_moments(setting)[0]
    r = (setting.target_function(u) - offset)[:, None] + setting.noise_std * noise
    return np.broadcast_to(u[:, None], r.shape), r, np.outer(u_weights, noise_weights)


def _moments(u: Array, r: Array, weights: Array, phi: float) -> list[Array]:
    """``D^T H^k D`` for ``k = 0..ORDER``, ``D = (beta_*, beta)``, from the resolvent in powers of ``1/z``.

    With ``m`` the trace of the resolvent and ``w = r / (1 + phi r m)``, leaving one sample out gives
    ``m = 1 / (E w - z)``, ``beta_*^T Q beta_* = 1 / (E[w u^2] - z)``, ``beta_*^T Q beta = E[w u]`` times
    that, and ``beta^T Q beta = phi m E[r w] + E[w u]^2 beta_*^T Q beta_*``.
    """
    size = ORDER + 3

    def times(a: Array, b: Array) -> Array:
        return np.convolve(a, b)[:size]

    def average(trace: Array, values: Array | float) -> Array:
        total, power = np.zeros(size), np.eye(size)[0]
        for k in range(size):
            total += (-phi) ** k * float(np.sum(weights * values * r ** (k + 1))) * power
            power = times(power, trace)
        return total

    def resolvent(series: Array) -> Array:
        # -1/z / (1 - series/z), a geometric series.
        shifted = np.concatenate([[0.0], series[:-1]])
        total, power = np.zeros(size), np.eye(size)[0]
        for _ in range(size):
            total, power = total + power, times(power, shifted)
        return -np.concatenate([[0.0], total[:-1]])

    trace = np.zeros(size)
    for _ in range(size):
        trace = resolvent(average(trace, 1.0))
    teacher = resolvent(average(trace, u**2))
    projection = average(trace, u)
    mixed = times(projection, teacher)
    learnt = phi * times(trace, average(trace, r)) + times(projection, mixed)
    return [-np.array([[teacher[k], mixed[k]], [mixed[k], learnt[k]]]) for k in range(1, ORDER + 2)]
