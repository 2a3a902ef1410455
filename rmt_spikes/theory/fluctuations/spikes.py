"""Standard deviations of spikes between networks, at order ``n^{-1/2}``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import latent, latent_grid, residual_moments
from rmt_spikes.theory.methods.base import require_mean_field
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.population.coverage import require_covered
from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gauss_rule, gaussian_draws

Array = NDArray[np.float64]

STEP = 1e-3
"""Of the one-sided differences: half of it changes standard deviations of spikes by 6e-5."""

DEGREES = 6
"""Orthonormal polynomials of each latent variable: eight change standard deviations by less than 2e-4."""

NODES = 64
"""For the first stage: twice as many change nothing in double precision."""


@dataclass(frozen=True)
class _FirstStage:
    """Perturbed first stage."""

    beta_norm2: float
    beta_cosine: float
    label_energy: float
    alpha: Array
    q: None = None
    labels: None = None


def spike_standard_deviations(setting: Setting, *, features: str = Features.CORRECTED) -> Array:
    """Standard deviation between networks of each spike's singular value, at leading order.

    Parameters
    ----------
    setting
        What is predicted, at the mean-field output scale.
    features
        ``"corrected"``, ``"isotropic"`` or ``"published"``.

    Returns
    -------
    ndarray of shape ``(n_spikes,)``
        In the order of `Prediction.spikes` before the Tracy-Widom criterion.

    Raises
    ------
    DomainError
        At the standard output scale, or for unknown features.
    ConvergenceError
        If a perturbed problem is not solved.

    Notes
    -----
    docs/theory.md section 4.2: the delta method over what a conditional prediction takes as given.
    Independent directions are the projection of ``beta`` on the teacher and the energy of the residuals
    (correlated), the norm of the rest of ``beta``, and the draws of ``alpha`` and ``q`` along
    their first six orthonormal polynomials. The randomness of the two matrices adds terms of order
    ``1/n`` to the variance of a spike far from the edge.
    """
    base = uniform(setting, features)
    centre = _spikes(base)
    total = np.zeros(centre.size)
    for other, scale in directions(base):
        values = _spikes(other)
        count = min(values.size, centre.size)
        total[:count] += ((values[:count] - centre[:count]) / STEP * scale) ** 2
    return np.sqrt(total)


def uniform(setting: Setting, features: str) -> Uniform:
    """The problem that is moved, with rows treated by the first orders of the step.

    The standard output scale is refused: its first stage has further fluctuations.
    """
    require_setting(setting)
    require_mean_field(setting, "standard deviations")
    require_covered(setting, "standard deviations")
    known = Features.of(features)
    return Uniform(setting, known, rows=known.first_orders)


def _spikes(solution: Uniform) -> Array:
    return np.sqrt([pole.point.eigenvalue for pole in solution.upper.poles])


def moved(base: Uniform, law: ReadoutLaw, q_rule: tuple[Array, Array]) -> Uniform:
    """The problem of `base` with other distributions of a readout weight and of a latent variable."""
    grid = latent_grid(base.setting, base.latent, law=law, q_rule=q_rule)
    return replace(base, variables=base.latent, functions=grid)


def directions(base: Uniform) -> Iterator[tuple[Uniform, float]]:
    """Problems moved by `STEP` along independent directions, with the standard deviation along each."""
    setting, law = base.setting, base.grid.law
    projection, energy, covariance = _first_stage_moments(setting)
    # Without noise the two may be one variable: the covariance need not be definite.
    sizes, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(sizes, 0.0))
    stages = [(projection + STEP * along, energy + STEP * up, 0.0) for along, up in root.T]
    stages.append((projection, energy, STEP * math.sqrt(2.0 / setting.d)))
    for b, e, rest in stages:
        norm2 = b**2 + setting.phi * e * (1.0 + rest)
        stage = _FirstStage(norm2, b / math.sqrt(norm2), e, law.nodes)
        yield replace(base, variables=latent(setting, base.features, stage)), 1.0
    q, q_weights = base.grid.q, base.grid.q_weights
    for weights in _moved_weights(law.nodes, law.weights):
        yield moved(base, replace(law, weights=weights), (q, q_weights)), 1.0 / math.sqrt(setting.width)
    for weights in _moved_weights(q, q_weights):
        yield moved(base, law, (q, weights)), 1.0 / math.sqrt(setting.n_ridge)


def _moved_weights(nodes: Array, weights: Array) -> Iterator[Array]:
    """Weights of a distribution moved along each of its first polynomials that is not constant."""
    table = gauss_rule(nodes, nodes.size, weights).polynomials(nodes)
    for polynomial in table[1 : DEGREES + 1]:
        yield weights * (1.0 + STEP * polynomial)


def _first_stage_moments(setting: Setting) -> tuple[float, float, Array]:
    """Means of ``r <beta_*, x>`` and ``r^2``, and the covariance of their averages over the first batch."""
    nodes, weights = gaussian_draws(setting.n, NODES)
    offset = setting.target_expansion.mean - residual_moments(setting)[0]
    signal = setting.target_function(nodes) - offset
    noise = setting.noise_std**2
    projection = float(weights @ (signal * nodes))
    energy = float(weights @ signal**2) + noise
    cross = float(weights @ (signal**3 * nodes)) + 3.0 * noise * projection - projection * energy
    first = float(weights @ ((signal**2 + noise) * nodes**2)) - projection**2
    fourth = float(weights @ (signal**4 + 6.0 * noise * signal**2)) + 3.0 * noise**2
    covariance = np.array([[first, cross], [cross, fourth - energy**2]]) / setting.n
    exact = float(setting.target_expansion.coefficients[1]), residual_moments(setting)[1]
    return *exact, covariance
