"""Singular vectors of a spike at any value of the latent variables."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.theory.latent import LatentGrid, latent_grid
from rmt_spikes.theory.methods.uniform.blocks import Blocks
from rmt_spikes.theory.methods.uniform.poles.zeros import Pole
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.population.correlations import expected_correlations
from rmt_spikes.theory.quadrature_rules import ReadoutLaw
from rmt_spikes.theory.realisation import Realisation

Array = NDArray[np.float64]

POLYNOMIALS = 5
"""Number of polynomials (degrees 0 to 4) that vectors are compared with."""

TOGETHER = 64
"""Readout weights at which right vectors are computed at once: matrices are no larger than a few hundred."""


def node_profile(problem: Problem, pole: Pole) -> Array:
    """Left singular vector on the nodes of ``q``: ``E[sqrt(n_ridge) u_i | q_i = q]``, shape ``(n_q,)``."""
    mode = pole.vector @ problem.finite_rank.functions[0]
    return np.asarray(pole.point.state.resolvent * mode / math.sqrt(pole.slope))


def hermite_feature(problem: Problem, pole: Pole, count: int = POLYNOMIALS) -> Array:
    """Correlations of the left singular vector with the Hermite polynomials of ``q``, shape ``(count,)``."""
    grid = problem.grid
    table = normalized_hermite(count - 1, grid.q)
    return _correlations(table, grid.q_weights, node_profile(problem, pole))


def readout_feature(problem: Problem, pole: Pole, count: int = POLYNOMIALS) -> Array:
    """Correlations of the right singular vector with orthonormal polynomials of ``alpha``."""
    law = problem.grid.law
    return _correlations(law.polynomials(law.nodes, count), law.weights, right_node_profile(problem, pole))


def carried(
    problem: Problem, pole: Pole, given: Realisation | None
) -> tuple[Array, Array, tuple[Array, Array]]:
    """Coefficients of both vectors of a spike, and their mean squared correlations with polynomials.

    The correlations are those of few samples, and of few neurons. Of variables that are given they are those
    on the nodes, and of a readout weight without a density those of the limit.
    """
    grid, setting, law = problem.grid, problem.setting, problem.grid.law
    feature, readout = hermite_feature(problem, pole), readout_feature(problem, pole)
    left, right = feature**2, readout**2
    if given is None or given.q is None:
        table = normalized_hermite(POLYNOMIALS - 1, grid.q)
        left = expected_correlations(node_profile(problem, pole), table, grid.q_weights, setting.n_ridge)
    if given is None and law.name == "gaussian":
        table, profile = law.polynomials(law.nodes, POLYNOMIALS), right_node_profile(problem, pole)
        right = expected_correlations(profile, table, law.weights, setting.width)
    return feature, readout, (left, right)


def _correlations(table: Array, weights: Array, profile: Array) -> Array:
    """Inner products with functions brought to norm one on the nodes; zero functions give zero."""
    size = np.sqrt(table**2 @ weights)
    return np.divide(table @ (weights * profile), size, out=np.zeros(size.size), where=size > 0.0)


def right_node_profile(problem: Problem, pole: Pole) -> Array:
    """Right singular vector on the nodes of ``alpha``, shape ``(n_a,)``: ``E[sqrt(N) v_j | alpha_j]``."""
    y = None
    if problem.finite_rank.readout_coupling is not None:
        y = problem.equations.channels[0].between_neurons(pole.point.state.parts[0])
    pull = _pull(problem, pole, problem.blocks, problem.grid, y)
    return np.asarray(_scale(problem, pole) * pole.point.state.omega * pull)


def left_profile(problem: Problem, pole: Pole, q: Array) -> Array:
    """``E[sqrt(n_ridge) u_i | q_i = q]`` at `q`, shape ``(n,)``."""
    equations, state, blocks = problem.equations, pole.point.state, problem.blocks
    there = _at(problem, q)
    neurons = equations.weighted(state.resolvent, state.omega)[1]
    rows = neurons @ blocks.noise(there)
    for channel, moved, part in zip(equations.channels, blocks.channels(there), state.parts, strict=True):
        rows = rows + channel.of_samples(part, moved.functions)
    inverse = -pole.point.eigenvalue + equations.ratio * rows
    return np.asarray(pole.vector @ blocks.functions(there)[0] / inverse / math.sqrt(pole.slope))


def right_profile(problem: Problem, pole: Pole, alpha: Array) -> Array:
    """``E[sqrt(N) v_j | alpha_j = alpha]`` at `alpha`, shape ``(n,)``.

    That of a neuron of no weight beside those on the nodes. On these it is `right_node_profile`, up to what a
    pencil of fewer nodes leaves out: 6e-5 of it at most in the settings of the tests. What the neuron's own
    weight does to it in a network, of order ``v_j^2``, is left out.
    """
    values = np.empty(alpha.size)
    for first in range(0, alpha.size, TOGETHER):
        some = slice(first, first + TOGETHER)
        values[some] = _right_profile(problem, pole, alpha[some])
    return values


def _right_profile(problem: Problem, pole: Pole, alpha: Array) -> Array:
    equations, state, nodes = problem.equations, pole.point.state, problem.grid.law
    n_a = nodes.nodes.size
    both = np.append(nodes.nodes, alpha), np.append(nodes.weights, np.zeros(alpha.size))
    blocks = problem.blocks.with_law(ReadoutLaw(nodes.name, *both))
    there = latent_grid(
        problem.setting,
        problem.latent,
        law=blocks.law,
        q_rule=(problem.grid.q, problem.grid.q_weights),
        tau=blocks.tau,
    )
    samples, y, channels = equations.q_weights * state.resolvent, None, blocks.channels(there)
    inverse = 1.0 + blocks.noise(there) @ samples
    for channel, part, others in zip(equations.channels, state.parts, channels, strict=True):
        inverse = inverse + channel.of_other_neurons(part, samples, others)
    if blocks.readout_coupling is not None:
        y = equations.channels[0].to_other_neurons(state.parts[0], samples, channels[0])
    pull = _pull(problem, pole, blocks, there, y)
    return np.asarray(_scale(problem, pole) * (pull / inverse)[n_a:])


def _scale(problem: Problem, pole: Pole) -> float:
    width = problem.setting.width
    return width / math.sqrt(width * pole.point.eigenvalue * pole.slope)


def _pull(problem: Problem, pole: Pole, blocks: Blocks, grid: LatentGrid, y: Array | None) -> Array:
    """What the null vector makes of neurons on the readout weights of `blocks`, the first its own nodes.

    The first equations of ``(J + S) xi = 0``, solved for the components of these neurons: those of `xi` are
    as small as the weights of their nodes, and mostly rounding at the outer ones. `y` is the response between
    these neurons and the nodes where the readout's own direction matters.
    """
    finite, xi, n_a = problem.finite_rank, pole.vector, problem.grid.law.nodes.size
    weights = problem.equations.q_weights * pole.point.state.resolvent
    mode = np.einsum("s,vsq->vq", xi, finite.functions) * weights
    pull = np.einsum("vaq,vq->a", blocks.functions(grid)[:, : grid.law.nodes.size], mode)
    by_norm = (grid.norm * weights) @ finite.norm.T
    pull += (blocks.norm_covariance[:, :n_a] * by_norm) @ xi[:n_a]
    if y is not None and blocks.readout_coupling is not None:
        pull -= (blocks.readout_coupling[:, :n_a] * y) @ xi[:n_a]
    return np.asarray(pull)


def _at(problem: Problem, q: Array) -> LatentGrid:
    """Latent functions at other latent variables of samples."""
    return latent_grid(
        problem.setting,
        problem.latent,
        law=problem.grid.law,
        q_rule=(q, np.ones(q.size)),
        tau=problem.blocks.tau,
    )
