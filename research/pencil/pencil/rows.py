"""Lengths of the trained rows: mean, spread between neurons, and what the norm of a sample does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pencil.levels import Pencil
from pencil.model import Model, trapezoid
from pencil.words import Polynomial, Traces

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """Which terms of order ``1/d`` are kept (theory2.md section 11).

    Attributes
    ----------
    length
        (B): rows differ in length. ``"none"``, ``"first"`` (first order in theta where (C) enters) or
        ``"all"`` (all orders).
    own
        (C): the incoherent part is not blind to its own neuron.
    norm_mode
        Covariance ``tr C_a C_b`` of the norm mode of a sample, instead of one mode alike for all neurons.
    trace
        Special directions grow otherwise than the bulk: their part in ``tau^2`` and in the mean.
    degree_two
        Degree two as a channel.
    """

    length: str = "all"
    own: bool = True
    norm_mode: bool = True
    trace: bool = True
    degree_two: bool = True


@dataclass(frozen=True, eq=False)
class Rows:
    """Lengths of rows at the readout nodes.

    Attributes
    ----------
    tau
        Root mean square length of a whitened row off the learnt shift, shape ``(A,)``.
    growth
        ``c_a(l)``, growth in the bulk, shape ``(n_l, A)``.
    coherent
        ``tr B_a / d``, without the incoherent part, shape ``(A,)``.
    spread
        ``v_a``: variance of the relative squared length, shape ``(A,)``.
    along
        Coefficient of ``m_r / tau`` that joins ``m_1 q``: the part of the length linear in the learnt component,
        shape ``(A,)``.
    norm_covariance
        Covariance of the norm mode of a sample between neurons, shape ``(A, A)``.
    """

    tau: Array
    growth: Array
    coherent: Array
    spread: Array
    along: Array
    norm_covariance: Array


def row_polynomials(model: Model, linear: Any) -> tuple[Polynomial, Polynomial]:
    """``B_a`` (coherent) and ``C_a`` as sums of words, `linear` the coefficient of ``Sigma H Sigma``."""
    a = model.law.nodes
    k, t2 = model.curvature, model.incoherent
    coherent = Polynomial(
        {
            (1, ()): np.ones(a.size),
            (1, ((1, 1),)): linear * a,
            (1, ((1, 1), (1, 1))): (k * a) ** 2,
        }
    )
    return coherent, coherent + Polynomial({(1, ((2, 1),)): t2 * a**2})


def rows_of(pencil: Pencil, terms: Terms) -> Rows:
    """Lengths of the rows of a model."""
    model, law = pencil.model, pencil.whole
    traces = Traces(model.phi, lambda e: float(law.mean(law.r**e)), model.power)
    alpha, k = model.law.nodes, model.curvature
    coherent, whole = row_polynomials(model, 2.0 * k)
    tau2 = traces.of(whole)
    pencil = pencil.free
    start, direction_growth = pencil.uncoupled
    growth = np.diagonal(start.x, axis1=1, axis2=2).copy()
    tau2 = np.asarray(tau2, dtype=float)
    if terms.trace:
        x = direction_growth.reshape(alpha.size, -1, alpha.size, pencil.direction_levels.size)
        inside = np.einsum("avav->a", x)
        index = np.tile(np.arange(model.eigenvalues.size), model.directions + 1)
        tau2 = tau2 + (inside - growth[index].sum(axis=0)) / model.d
    tau = np.sqrt(tau2)
    if terms.norm_mode:
        left = whole.transposed_axes(lambda x: x[:, None])
        right = whole.transposed_axes(lambda x: x[None, :])
        pair = traces.of(left @ right) / (tau2[:, None] * tau2)
        pair = pair * 2.0 / model.d * (1.0 - (model.directions + 1) / model.d)
    else:
        pair = np.full((alpha.size,) * 2, 2.0 / model.d)
    spread, along = np.zeros(alpha.size), np.zeros(alpha.size)
    if terms.length != "none":
        if terms.length == "all" and terms.own:
            spread, along = _all_orders(pencil, traces)
        else:
            spread, along = _first_order(pencil, traces, terms)
        spread = spread / tau2**2
    return Rows(tau, growth, np.asarray(traces.of(coherent)), np.maximum(spread, 0.0), along, pair)


def _first_order(pencil: Pencil, traces: Traces, terms: Terms) -> tuple[Array, Array]:
    model, c = pencil.model, pencil.model.activation.c
    alpha, theta, second = model.law.nodes, model.theta, model.power(2)
    linear = 2.0 * model.curvature
    if terms.own:
        linear += 24.0 * c[4] * theta * second
    coherent, whole = row_polynomials(model, linear)
    spread = 2.0 / model.d * (traces.of(whole @ whole) - traces.of(coherent) ** 2)
    along = np.zeros(alpha.size)
    if terms.own:
        rest = model.activation.z_slope_rest - model.activation.rough_variance
        spread = spread + 4.0 * (theta * alpha) ** 2 * pencil.energy / model.n * second**2 * rest
        frame, _, norm2 = pencil.frame
        growth = float(frame[:, 0] ** 2 @ pencil.direction_levels)
        along = 12.0 * c[3] * theta * alpha * np.sqrt(norm2) * second / growth
    return spread, along


def _all_orders(pencil: Pencil, traces: Traces) -> tuple[Array, Array]:
    """``v_a tau_a^4`` and the part of the length linear in the learnt component, to all orders in theta.

    Any covariance of the inputs: ``H`` and ``G`` stand for ``S H S`` and ``S G S`` here, and the squared length is
    ``w' Sigma w``. ``x' Sigma (1 + k a H) w_0`` is ``kappa(r) <x, w_0>`` plus an independent part.
    """
    model, law, activation = pencil.model, pencil.whole, pencil.model.activation
    phi, c = model.phi, activation.c
    ta, r = model.theta * model.law.nodes, law.r
    k2, b_2, q_2 = 2.0 * c[2], 12.0 * c[4], activation.rough_second
    mean, energy = float(law.mean(r)), pencil.energy
    rough2, one = activation.rough_variance, np.ones(ta.size)
    second, third, fourth = model.power(2), model.power(3), model.power(4)
    level = second + ta * k2 * mean * third
    sigma = Polynomial({(1, ()): one})
    h = (0.5, ((1, 0.5),))
    grown = Polynomial({(0, ()): one, h: ta * k2})
    q = grown @ sigma @ grown + Polynomial(
        {
            h: 2.0 * ta * b_2 * level,
            (0.5, ((2, 0.5),)): ta**2 * phi * second * (2.0 * k2 * b_2 + q_2),
        }
    )
    cubed = Polynomial({(3, ()): one})
    other = traces.of(grown @ cubed @ grown) - level**2
    spread = 2.0 * (traces.of(q @ q) - traces.of(q) ** 2)
    spread = spread + 4.0 * ta**2 * phi * energy * rough2 * other
    spread = spread + 2.0 * ta**4 * phi**2 * rough2**2 * energy**2 * fourth
    # What one sample adds, split by degrees in z.
    z, weights = trapezoid(activation.function.splits)
    rho = activation.rough(z)
    parts = np.stack([z * rho, rho**2])
    low = np.stack([np.ones(z.size), z, (z**2 - 1.0) / np.sqrt(2.0)])
    projections = (low * weights) @ parts.T
    gram = (parts * weights) @ parts.T - projections.T @ projections
    amounts = np.stack(
        [
            2.0 * ta[:, None] * r * (level[:, None] + ta[:, None] * k2 * phi * r * second),
            ta[:, None] ** 2 * phi * second * r**2,
        ]
    )
    variance = np.einsum("iar,ij,jar->ar", amounts, gram, amounts, optimize=True)
    spread = spread + phi * variance @ law.weights
    # The part linear in the row, and how much of it is along q.
    linear = np.einsum("iar,i->ar", amounts, projections[1])
    levels, frame = pencil.direction_levels, pencil.frame[0][:, 0]
    chi, noise = model.chi, np.sqrt(phi * model.proportions / energy)
    on_teacher = linear @ (law.weights[:, None] * law.u)
    on_noise = linear @ (law.weights * r)
    vector = np.concatenate(
        [(on_teacher[:, :, None] * chi).reshape(ta.size, -1), on_noise[:, None] * noise], axis=1
    )
    growth = float(levels @ frame**2)
    along = vector @ (levels * frame) / growth
    teacher = vector[:, : -model.eigenvalues.size] ** 2 @ levels[: -model.eigenvalues.size]
    spread = spread + teacher + phi * (linear**2) @ law.weights - along**2 * growth
    return spread / model.d, along
