"""Singular vectors of a spike at any value of the latent variables."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import GaussianMoments, gaussian_moments, normalized_hermite
from rmt_spikes.setting import Setting
from rmt_spikes.theory.latent import Latent, LatentGrid
from rmt_spikes.theory.methods.uniform.equations import FixedPoint
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.outliers import Pole

Array = NDArray[np.float64]


class Solved(Protocol):
    """What the vectors are read off: a setting, its latent variables and functions, and its equations."""

    @property
    def setting(self) -> Setting: ...  # noqa: D102

    @property
    def latent(self) -> Latent: ...  # noqa: D102

    @property
    def grid(self) -> LatentGrid: ...  # noqa: D102

    @property
    def equations(self) -> FixedPoint: ...  # noqa: D102

    @property
    def finite_rank(self) -> FiniteRank: ...  # noqa: D102

    @property
    def initial_components(self) -> tuple[float, float]: ...  # noqa: D102

    def anisotropy(self, alpha: Array) -> tuple[Array, Array]: ...  # noqa: D102


def node_profile(solution: Solved, pole: Pole) -> Array:
    """Left singular vector on the nodes of ``q``: ``E[sqrt(n_ridge) u_i | q_i = q]``, shape ``(n_q,)``."""
    mode = pole.vector @ solution.finite_rank.functions
    return np.asarray(pole.point.state.resolvent * mode / math.sqrt(pole.slope))


def hermite_feature(solution: Solved, pole: Pole, count: int = 5) -> Array:
    """Correlations of the left singular vector with the Hermite polynomials of ``q``, shape ``(count,)``."""
    grid = solution.grid
    table = normalized_hermite(count - 1, grid.q)
    return _correlations(table, grid.q_weights, node_profile(solution, pole))


def readout_feature(solution: Solved, pole: Pole, count: int = 5) -> Array:
    """Correlations of the right singular vector with orthonormal polynomials of ``alpha``."""
    law = solution.grid.law
    return _correlations(law.polynomials(law.nodes, count), law.weights, right_node_profile(solution, pole))


def _correlations(table: Array, weights: Array, profile: Array) -> Array:
    """Inner products with functions brought to norm one on the nodes; zero functions give zero."""
    size = np.sqrt(table**2 @ weights)
    return np.divide(table @ (weights * profile), size, out=np.zeros(size.size), where=size > 0.0)


def right_node_profile(solution: Solved, pole: Pole) -> Array:
    """Right singular vector on the nodes of ``alpha``, shape ``(n_a,)``: ``E[sqrt(N) v_j | alpha_j]``."""
    weights = solution.equations.a_weights
    scale = math.sqrt(solution.setting.width * pole.point.eigenvalue * pole.slope)
    return np.asarray(-pole.vector[: weights.size] / (weights * scale))


def left_profile(solution: Solved, pole: Pole, q: Array) -> Array:
    """``E[sqrt(n_ridge) u_i | q_i = q]`` at `q`, shape ``(n,)``."""
    setting, variables, law = solution.setting, solution.latent, solution.grid.law
    equations, state = solution.equations, pole.point.state
    moments, noise = _moments(solution, law.nodes[:, None], np.broadcast_to(q, (law.nodes.size, q.size)))
    samples, neurons = equations.weighted(state.resolvent, state.omega)
    (channel,) = equations.channels
    rows = neurons @ noise + channel.of_samples(channel.response(samples, neurons), moments.linear)
    inverse = -pole.point.eigenvalue + equations.ratio * rows
    own = variables.initial_overlap / math.sqrt(setting.width) * law.nodes[:, None] * moments.linear * q
    functions = np.concatenate([moments.first + own, moments.linear * q])
    return np.asarray(pole.vector[: functions.shape[0]] @ functions / inverse / math.sqrt(pole.slope))


def right_profile(solution: Solved, pole: Pole, alpha: Array) -> Array:
    """``E[sqrt(N) v_j | alpha_j = alpha]`` at `alpha`, shape ``(n,)``."""
    setting, variables, grid = solution.setting, solution.latent, solution.grid
    equations, state, finite = solution.equations, pole.point.state, solution.finite_rank
    moments, noise = _moments(solution, alpha[:, None], np.broadcast_to(grid.q, (alpha.size, grid.q.size)))
    weighted, omegas = equations.weighted(state.resolvent, state.omega)
    (channel,) = equations.channels
    part = channel.response(weighted, omegas)
    y, own = channel.of_new_neurons(part, weighted, moments.linear, solution.anisotropy(alpha)[0])
    omega = 1.0 / (1.0 + noise @ weighted + own)
    neurons = pole.vector[: equations.a_weights.size]
    functions = [moments.first, math.sqrt(2.0 / setting.d) * moments.norm]
    modes = [pole.vector @ finite.functions, pole.vector @ finite.extras[1]]
    total = np.zeros(alpha.size)
    if finite.coupling is not None:
        overlap = variables.initial_overlap
        direct = alpha[:, None] * moments.linear / math.sqrt(setting.width)
        functions[0] = functions[0] + overlap * direct * grid.q
        functions += [share * direct for share in solution.initial_components]
        modes += [pole.vector @ finite.extras[0], pole.vector @ finite.extras[2]]
        total -= alpha * (y @ (grid.law.nodes * neurons)) / setting.width
    for function, mode in zip(functions, modes, strict=True):
        total += function @ (weighted * mode)
    return np.asarray(omega * total * math.sqrt(setting.width / (pole.point.eigenvalue * pole.slope)))


def _moments(solution: Solved, alpha: Array, q: Array) -> tuple[GaussianMoments, Array]:
    """Moments of a feature at broadcast ``alpha`` and ``q``, and the variance of its non-linear part."""
    mean = solution.latent.shift * alpha * q
    scale = np.broadcast_to(solution.latent.scale(alpha), mean.shape)
    moments = gaussian_moments(solution.setting.activation_function, mean, scale)
    return moments, np.maximum(moments.second - moments.first**2 - moments.linear**2, 0.0)
