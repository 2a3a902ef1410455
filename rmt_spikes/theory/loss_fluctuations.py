"""Standard deviations of the losses between networks, at order ``n^{-1/2}``."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.fluctuations import STEP, directions, moved, require_mean_field
from rmt_spikes.theory.gauss_rules import gauss_hermite
from rmt_spikes.theory.latent import latent_grid
from rmt_spikes.theory.uniform import Uniform

Array = NDArray[np.float64]

TEACHER_NODES = 16
NOISE_NODES = 6
ROW_NODES = 5
RIDGE_STEP = 0.05


class _Influence(NamedTuple):
    """What a sample or a neuron changes in ``T``: on nodes of its law, and of what is random given that."""

    values: Array
    law: Array
    inner: Array
    draws: int

    def variance(self, values: Array) -> float:
        """Variance of the mean of the draws, given the first variable."""
        mean = np.sum(self.inner * values, axis=(1, 2))
        square = np.sum(self.inner * values**2, axis=(1, 2))
        return float(self.law @ (square - mean**2)) / self.draws


def loss_standard_deviations(setting: Setting, *, features: str = "corrected") -> dict[str, float]:
    """Standard deviations between networks of the ridge objective and of the training loss.

    Parameters
    ----------
    setting
        What is predicted, at the mean-field output scale.
    features
        ``"corrected"``, ``"isotropic"`` or ``"published"``.

    Returns
    -------
    dict
        ``objective`` and ``train``. The test loss is not among them: its scatter is not a function of the
        resolvent of the training features alone.

    Raises
    ------
    DomainError
        At the standard output scale.
    ConvergenceError
        If a perturbed problem is not solved.

    Notes
    -----
    docs/theory.md section 4.2. Four independent parts: the first stage and the laws of ``alpha`` and ``q``
    (delta method); what a sample changes beyond its ``q``, ``R (y - p)^2`` with ``p`` the predicted label;
    what a neuron changes beyond its ``alpha``; and the pairs of samples, ``2 v^2 (tr Q^2 / n - R^2) / n``
    with ``v`` the unexplained variance.
    """
    require_mean_field(setting)
    base = Uniform(setting, features)
    variances = _of_laws(base) + _of_draws(base)
    return dict(zip(("objective", "train"), np.sqrt(variances).tolist(), strict=True))


def _of_laws(base: Uniform) -> Array:
    """Variances from the first stage and from the laws of ``alpha`` and ``q``, shape ``(2,)``."""
    grid = base.grid
    rule = grid.q, grid.q_weights
    # The moved laws have the labels of their nodes: so must what they are compared with.
    same = moved(base, base.latent, latent_grid(base.setting, base.latent, law=grid.law, q_rule=rule))
    centres = {True: _losses(same), False: _losses(base)}
    total = np.zeros(2)
    for other, scale in directions(base):
        centre = centres[other.latent is base.latent]
        total += ((_losses(other) - centre) / STEP * scale) ** 2
    return total


def _losses(solution: Uniform) -> Array:
    losses = solution.losses()
    return np.array([losses.objective, losses.train])


def _of_draws(base: Uniform) -> Array:
    """Variances from samples and neurons given their laws, and from pairs of samples, shape ``(2,)``."""
    setting, ridge = base.setting, base.setting.ridge
    at = [_at_ridge(base, ridge * (1.0 + step)) for step in (-RIDGE_STEP, 0.0, RIDGE_STEP)]
    width = RIDGE_STEP * ridge
    total = np.zeros(2)
    for below, here, above in zip(*(part.influences for part in at), strict=True):
        slope = (above.values - below.values) / (2.0 * width)
        total += [here.variance(here.values), ridge**2 * here.variance(slope)]
    weights = base.grid.q_weights
    resolvent, change, unexplained = at[1].resolvent, at[1].slope, at[1].unexplained
    third = (at[2].slope - 2.0 * change + at[0].slope) / width**2
    pairs = np.array([-weights @ change, -(ridge**2) * (weights @ third) / 6.0])
    pairs -= [weights @ resolvent**2, ridge**2 * (weights @ change**2)]
    total += 2.0 * unexplained**2 / setting.n_ridge * np.maximum(pairs, 0.0)
    return np.asarray(ridge**2 * total)


class _AtRidge(NamedTuple):
    resolvent: Array
    slope: Array
    unexplained: float
    influences: tuple[_Influence, _Influence]


def _at_ridge(base: Uniform, ridge: float) -> _AtRidge:
    setting, grid, finite = base.setting, base.grid, base.finite_rank
    state = base.at_ridge(ridge)
    response = finite.response(state, finite.source(state.resolvent, grid.labels.mean, base.extra_labels))
    t, t_weights = gauss_hermite(TEACHER_NODES)
    noise, noise_weights = gauss_hermite(NOISE_NODES)
    cosine = base.latent.beta_cosine
    teacher = cosine * grid.q[:, None] + math.sqrt(max(0.0, 1.0 - cosine**2)) * t
    predicted = (response @ finite.functions)[:, None] + (response @ finite.extras[0])[:, None] * t
    error = (setting.target_function(teacher) - predicted)[:, :, None] + setting.noise_std * noise
    inner = np.outer(t_weights, noise_weights)
    samples = _Influence(state.resolvent[:, None, None] * error**2, grid.q_weights, inner, setting.n_ridge)
    z, z_weights = gauss_hermite(ROW_NODES)
    size = grid.law.weights * np.sqrt(state.omega)
    mean, learnt, rest = response.reshape(3, -1) / size
    gamma = math.sqrt(setting.gamma)
    row = (mean / math.sqrt(setting.width))[:, None, None] + (learnt / gamma)[:, None, None] * z[:, None]
    row = row + (rest / gamma)[:, None, None] * z
    neurons = _Influence(row**2, grid.law.weights, np.outer(z_weights, z_weights), setting.width)
    slope = base.equations.tangent(state, np.ones_like(state.resolvent))[0]
    unexplained = float(grid.q_weights @ np.sum(inner * error**2, axis=(1, 2)))
    return _AtRidge(state.resolvent, slope, unexplained, (samples, neurons))
