"""Lengths of the trained rows: mean, spread between neurons, and what the norm of a sample does to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch, ResidualLaw
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.traces import Polynomial, Traces

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """Terms of order ``1/d`` that are kept; dropping one is a wrong theory.

    docs/theory.md sections 9 and 10.

    Attributes
    ----------
    length
        Rows differ in length.
    own
        The incoherent part of the gradient is not blind to its own neuron.
    norm_mode
        The norm of a sample acts on each neuron by its own covariance.
    trace
        What the special directions add to the mean length.
    degree_two
        Degree two is a channel, not noise.
    latent_norms
        In few dimensions, norms and components along the learnt direction are latent variables, not
        linearised. The other three say how.
    sample_norms, components
        Norms of samples, and components of initial rows along the learnt direction, differ.
    sphere
        Rows start on a sphere: given the norm of a sample, pre-activations are not Gaussian.
    directions
        The regression sees all directions of the teacher, not only the one that the step learns.
    output
        The initial output is in the residual, also at the mean-field scale.
    degree_three
        Degree three is a channel in few dimensions, not noise.
    forms
        In few dimensions, the form of a sample in which its norm differs between neurons is a direction of
        degree two, not a variable of its own.
    mean_residual
        In few dimensions, losses are means over the mean residual of the first batch, which scatters.
    pair_growths
        In few dimensions, degree two sees that rows grow more along some directions than along others.
    """

    length: bool = True
    own: bool = True
    norm_mode: bool = True
    trace: bool = True
    degree_two: bool = True
    latent_norms: bool = True
    sample_norms: bool = True
    components: bool = True
    sphere: bool = True
    directions: bool = True
    output: bool = True
    degree_three: bool = True
    forms: bool = True
    mean_residual: bool = True
    pair_growths: bool = True


@dataclass(frozen=True, eq=False)
class RowLengths:
    """Lengths of rows at the readout nodes.

    Attributes
    ----------
    tau
        Root mean square length of a whitened row off the learnt shift, shape ``(n_a,)``.
    growth
        Growth of a row in the bulk at each level of the inputs, shape ``(n_levels, n_a)``.
    coherent
        Squared length without the incoherent part, shape ``(n_a,)``.
    spread
        Variance of the relative squared length between neurons, shape ``(n_a,)``.
    along
        Part of the length that is linear in the row's component along ``q``, shape ``(n_a,)``.
    norm_covariance
        Covariance of the norm mode of a sample between neurons, shape ``(n_a, n_a)``.
    """

    tau: Array
    growth: Array
    coherent: Array
    spread: Array
    along: Array
    norm_covariance: Array


def lost_by_output(setting: Setting, batch: FirstBatch) -> float:
    """Share of the energy of the rows along the readout that the initial output takes in the step.

    docs/theory.md section 2: ``1 - <l (1 - theta c_1^2 l)^2> - theta^2 c_1^2 phi E sigma^2 <l^2>``.
    """
    expansion, theta = setting.activation_expansion, setting.theta
    linear = theta * float(expansion.coefficients[1]) ** 2
    noise = theta * batch.phi * (expansion.second_moment - expansion.mean**2)
    return linear * ((2.0 - noise) * batch.power(2) - linear * batch.power(3))


def row_lengths(directions: SpecialDirections, terms: Terms) -> RowLengths:
    """Lengths of the rows after a step on a first batch."""
    batch = directions.batch
    law, alpha = batch.whole, batch.law.nodes
    traces = _traces(batch.phi, law, tuple(batch.eigenvalues.tolist()), tuple(batch.proportions.tolist()))
    k, front = batch.curvature, 0 if batch.whitened else 1
    coherent = Polynomial(
        {
            (front, ()): np.ones(alpha.size),
            (front, ((1, 1),)): 2.0 * k * alpha,
            (front, ((1, 1), (1, 1))): (k * alpha) ** 2,
        }
    )
    whole = coherent + Polynomial({(front, ((2, 1),)): batch.incoherent * alpha**2})
    tau2 = traces.of(whole)
    growth = directions.pencil.apart.growth
    if terms.trace:
        inside = np.trace(directions.free_growth, axis1=1, axis2=2)
        index = np.tile(np.arange(batch.eigenvalues.size), batch.directions + 1)
        tau2 = tau2 + (inside - growth[index].sum(axis=0)) / batch.d
    pair = np.full((alpha.size,) * 2, 2.0 / batch.d)
    if terms.norm_mode:
        left, right = whole.with_axes(lambda x: x[:, None]), whole.with_axes(lambda x: x[None, :])
        share = 1.0 - (batch.directions + 1) / batch.d
        pair = traces.of(left @ right) / (tau2[:, None] * tau2) * 2.0 / batch.d * share
    spread, along = np.zeros(alpha.size), np.zeros(alpha.size)
    if terms.length and terms.own:
        spread, along = _own_lengths(directions, traces)
    elif terms.length:
        spread = 2.0 / batch.d * (traces.of(whole @ whole) - traces.of(coherent) ** 2)
    spread = np.maximum(spread / tau2**2, 0.0)
    return RowLengths(np.sqrt(tau2), growth, traces.of(coherent), spread, along, pair)


@lru_cache(maxsize=16)
def _traces(
    phi: float, law: ResidualLaw, eigenvalues: tuple[float, ...], shares: tuple[float, ...]
) -> Traces:
    """Traces of a first batch: they are those of all step sizes."""
    levels, proportions = np.array(eigenvalues), np.array(shares)
    return Traces(phi, lambda e: float(law.mean(law.r**e)), lambda j: float(proportions @ levels**j))


def _own_lengths(directions: SpecialDirections, traces: Traces) -> tuple[Array, Array]:
    """Variance of the squared length, and its part linear in the component along ``q``.

    To all orders in ``theta``. With ``H`` and ``G`` for ``S H S`` and ``S G S``, the squared length of a
    row that starts at ``w_0`` is that of a quadratic form in ``w_0``, plus what each sample adds by its own
    ``z = <x, w_0>``.
    """
    batch = directions.batch
    law, slope, phi = batch.whole, batch.slope, batch.phi
    ta, r = batch.theta * batch.law.nodes, law.r
    k2, b_2, q_2 = 2.0 * slope.coefficients[2], 12.0 * slope.coefficients[4], slope.second
    energy, rough, one = batch.energy, slope.variance, np.ones(ta.size)
    second, third, fourth = batch.power(2), batch.power(3), batch.power(4)
    level = second + ta * k2 * float(law.mean(r)) * third
    h = (0.5, ((1, 0.5),))
    grown = Polynomial({(0, ()): one, h: ta * k2})
    q = grown @ Polynomial({(1, ()): one}) @ grown + Polynomial(
        {h: 2.0 * ta * b_2 * level, (0.5, ((2, 0.5),)): ta**2 * phi * second * (2.0 * k2 * b_2 + q_2)}
    )
    other = traces.of(grown @ Polynomial({(3, ()): one}) @ grown) - level**2
    spread = 2.0 * (traces.of(q @ q) - traces.of(q) ** 2)
    spread = spread + 4.0 * ta**2 * phi * energy * rough * other
    spread = spread + 2.0 * ta**4 * phi**2 * rough**2 * energy**2 * fourth
    amounts = np.stack(
        [
            2.0 * ta[:, None] * r * (level[:, None] + ta[:, None] * k2 * phi * r * second),
            ta[:, None] ** 2 * phi * second * r**2,
        ]
    )
    single = np.sum(amounts * np.tensordot(slope.gram, amounts, axes=1), axis=0)
    spread = spread + phi * single @ law.weights
    linear = np.einsum("iar,i->ar", amounts, slope.linear)
    levels, frame = directions.levels, directions.frame[:, 0]
    noise = np.sqrt(phi * batch.proportions / energy)
    on_teacher = (linear @ (law.weights[:, None] * law.u))[:, :, None] * batch.chi
    on_noise = (linear @ (law.weights * r))[:, None] * noise
    vector = np.concatenate([on_teacher.reshape(ta.size, -1), on_noise], axis=1)
    own = directions.own_growth[:, 0, 0]
    # The part along the component of the trained row, with which that of the initial one is correlated.
    seen = np.einsum("v,avw->aw", frame, directions.coherent_growth)
    along = np.sum(vector * np.sqrt(levels) * seen, axis=1) / own
    count = batch.eigenvalues.size
    spread = (
        spread + vector[:, :-count] ** 2 @ levels[:-count] + phi * linear**2 @ law.weights - along**2 * own
    )
    return spread / batch.d, along
