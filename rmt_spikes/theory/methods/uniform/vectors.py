"""Singular vectors of a spike at any value of the latent variables."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.theory.latent import LatentGrid, latent_grid
from rmt_spikes.theory.methods.uniform.outliers import Pole
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]


def node_profile(problem: Problem, pole: Pole) -> Array:
    """Left singular vector on the nodes of ``q``: ``E[sqrt(n_ridge) u_i | q_i = q]``, shape ``(n_q,)``."""
    mode = pole.vector @ problem.finite_rank.functions[0]
    return np.asarray(pole.point.state.resolvent * mode / math.sqrt(pole.slope))


def hermite_feature(problem: Problem, pole: Pole, count: int = 5) -> Array:
    """Correlations of the left singular vector with the Hermite polynomials of ``q``, shape ``(count,)``."""
    grid = problem.grid
    table = normalized_hermite(count - 1, grid.q)
    return _correlations(table, grid.q_weights, node_profile(problem, pole))


def readout_feature(problem: Problem, pole: Pole, count: int = 5) -> Array:
    """Correlations of the right singular vector with orthonormal polynomials of ``alpha``."""
    law = problem.grid.law
    return _correlations(law.polynomials(law.nodes, count), law.weights, right_node_profile(problem, pole))


def _correlations(table: Array, weights: Array, profile: Array) -> Array:
    """Inner products with functions brought to norm one on the nodes; zero functions give zero."""
    size = np.sqrt(table**2 @ weights)
    return np.divide(table @ (weights * profile), size, out=np.zeros(size.size), where=size > 0.0)


def right_node_profile(problem: Problem, pole: Pole) -> Array:
    """Right singular vector on the nodes of ``alpha``, shape ``(n_a,)``: ``E[sqrt(N) v_j | alpha_j]``."""
    weights = problem.equations.a_weights
    scale = math.sqrt(problem.setting.width * pole.point.eigenvalue * pole.slope)
    return np.asarray(-pole.vector[: weights.size] / (weights * scale))


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

    A ratio of two smooth functions, each interpolated by the polynomials of the nodes.
    """
    omega, law = pole.point.state.omega, problem.grid.law
    basis = gauss_rule(law.nodes, law.nodes.size, law.weights)
    known = np.stack([right_node_profile(problem, pole) / omega, 1.0 / omega])
    numerator, denominator = (known * law.weights) @ basis.polynomials(law.nodes).T @ basis.polynomials(alpha)
    return np.asarray(numerator / denominator)


def _at(problem: Problem, q: Array) -> LatentGrid:
    """Latent functions at other latent variables of samples."""
    return latent_grid(
        problem.setting,
        problem.latent,
        law=problem.grid.law,
        q_rule=(q, np.ones(q.size)),
        tau=problem.blocks.tau,
    )
