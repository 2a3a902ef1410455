"""Standard deviations of the losses between networks, at order ``n^{-1/2}``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.fluctuations.spikes import STEP, directions, moved, uniform
from rmt_spikes.theory.latent import latent_grid
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.quadrature_rules import gauss_hermite
from rmt_spikes.theory.ridgeless import fits_all, positive_ridge, require_finite_losses

Array = NDArray[np.float64]

LOSSES = ("objective", "train", "test")
TEACHER_NODES = 16
"""For the rest of the teacher's variable: twice as many change standard deviations by less than 1e-11."""

NOISE_NODES = 6
"""For the label noise: exact up to degree 11, and squared errors have degree 4 in it."""

ROW_NODES = 5
"""For a row's components: exact up to degree 9, and variances of its square have degree 4."""

PERTURBATION = 0.05
"""Of a ridge or penalty, relative: half of it changes standard deviations by 0.3 %, a double one by 1.3 %."""


class _Influence(NamedTuple):
    """What a sample or a neuron changes in ``T``: on nodes of its latent variable, and of the rest."""

    values: Array
    law: Array
    inner: Array
    draws: int

    def variance(self, values: Array) -> float:
        """Variance of the mean of the draws, given the first variable."""
        mean = np.sum(self.inner * values, axis=(1, 2))
        square = np.sum(self.inner * values**2, axis=(1, 2))
        return float(self.law @ (square - mean**2)) / self.draws


def loss_standard_deviations(setting: Setting, *, features: str = Features.CORRECTED) -> dict[str, float]:
    """Standard deviations of the three losses between networks.

    Parameters
    ----------
    setting
        What is predicted, at the mean-field output scale.
    features
        ``"corrected"``, ``"isotropic"`` or ``"published"``.

    Returns
    -------
    dict
        ``objective``, ``train`` and ``test``; the last is that of the expectation over fresh samples.

    Raises
    ------
    DomainError
        At the standard output scale, for unknown features, or without a ridge where the test loss diverges.
    ConvergenceError
        If a perturbed problem is not solved.

    Notes
    -----
    docs/theory.md section 4.2. Independent parts: the first stage and the draws of ``alpha`` and ``q``
    (delta method); what a sample changes beyond its ``q``, and pairs of samples; what a neuron changes
    beyond its ``alpha``, and pairs of neurons. Pairs of a sample and a neuron are left out.
    """
    base = uniform(setting, features)
    require_finite_losses(setting)
    moves = _perturbations(base)
    variances = _of_laws(base) + _of_samples(base, moves) + _of_neurons(base, moves)
    if fits_all(setting):
        variances[:2] = 0.0
    return dict(zip(LOSSES, np.sqrt(variances).tolist(), strict=True))


def _of_laws(base: Uniform) -> Array:
    """Variances from the first stage and from the distributions of ``alpha`` and ``q``, shape ``(3,)``."""
    grid = base.grid
    rule = grid.q, grid.q_weights
    # The moved distributions have the labels of their nodes: so must what they are compared with.
    same = moved(base, grid.law, rule)
    centres = {True: _losses(same, rule), False: _losses(base, rule)}
    total = np.zeros(len(LOSSES))
    for other, scale in directions(base):
        centre = centres[other.latent is base.latent]
        total += ((_losses(other, rule) - centre) / STEP * scale) ** 2
    return total


def _losses(solution: Uniform, rule: tuple[Array, Array]) -> Array:
    """Losses, the test loss on fresh samples whose ``q`` is that of a quadrature rule."""
    losses = solution.losses()
    test = losses.test
    if solution.grid.q_weights is not rule[1]:
        fresh = latent_grid(solution.setting, solution.latent, law=solution.grid.law, q_rule=rule)
        test += solution.own_error(fresh) - solution.own_error(solution.grid)
    return np.array([losses.objective, losses.train, test])


class _Perturbations(NamedTuple):
    """Problems at three ridges and at two penalties, in steps of `width` and `penalty`."""

    ridges: tuple[_Perturbed, _Perturbed, _Perturbed]
    penalties: tuple[_Perturbed, _Perturbed]
    width: float
    penalty: float


def _perturbations(base: Uniform) -> _Perturbations:
    ridge, here = positive_ridge(base.setting), base.state.resolvent
    own = np.full(here.size, ridge)
    # With fewer samples than neurons the effective ridge hardly moves with a tiny ridge: it sets the step.
    point = base.untrained.at_ridge(ridge)
    width, penalty = PERTURBATION * point.kappa * point.ridge_slope, PERTURBATION * float(here.min())
    below, centre, above = (_perturbed(base, own + sign * width, 0.0) for sign in (-1.0, 0.0, 1.0))
    low, high = (_perturbed(base, own, sign * penalty) for sign in (-1.0, 1.0))
    return _Perturbations((below, centre, above), (low, high), width, penalty)


def _of_samples(base: Uniform, moves: _Perturbations) -> Array:
    """Variances from samples given their ``q``, and from pairs of samples, shape ``(3,)``."""
    pairs = 2.0 * moves.ridges[1].unexplained ** 2 / base.setting.n_ridge
    return _of_influence(base, moves, 0) + pairs * _sample_pairs(base, moves.ridges, moves.width)


def _of_neurons(base: Uniform, moves: _Perturbations) -> Array:
    """Variances from neurons given their ``alpha``, and from pairs of neurons, shape ``(3,)``."""
    return _of_influence(base, moves, 1) + 2.0 / base.setting.width * _neuron_pairs(base, moves)


def _of_influence(base: Uniform, moves: _Perturbations, k: int) -> Array:
    """Variances from single samples (`k` = 0) or neurons (1), given `alpha` or `q`, shape ``(3,)``."""
    ridge, centre = positive_ridge(base.setting), moves.ridges[1].influences[k]
    slope = _slope([part.influences[k] for part in moves.ridges], moves.width)
    penalised = _slope([part.influences[k] for part in moves.penalties], moves.penalty)
    return np.array(
        [
            ridge**2 * centre.variance(centre.values),
            ridge**4 * centre.variance(slope),
            centre.variance(penalised),
        ]
    )


def _slope(parts: Sequence[_Influence], step: float) -> Array:
    """Central difference of what one draw changes."""
    return np.asarray((parts[-1].values - parts[0].values) / (2.0 * step))


def _neuron_pairs(base: Uniform, moves: _Perturbations) -> Array:
    """Mean square over pairs of neurons of what joins them in each loss, shape ``(3,)``.

    ``K = (c_1^2 W W^T + c_{>1}^2 + kappa)^{-1}`` joins them between the components of their rows along
    the directions of the latent variables, whose size is that of the influences: ``A = v / g``. The bulk is
    taken as the untrained one.
    """
    bulk, ridge, ridges = base.untrained, positive_ridge(base.setting), moves.ridges
    weights = base.grid.q_weights
    g, g_1, g_2, g_3 = bulk.trace_derivatives(1.0 / float(weights @ ridges[1].resolvent))
    # (1/N) tr K_1 K_2 = -(g_1 - g_2)/(kappa_1 - kappa_2), less the diagonal, and its derivatives.
    pair, pair_1, pair_12 = -g_1 - g**2, -g_2 / 2.0 - g * g_1, -g_3 / 6.0 - g_1**2

    def size(part: _Perturbed) -> tuple[float, float]:
        kappa = 1.0 / float(weights @ part.resolvent)
        return part.row_variance / bulk.trace(kappa), kappa

    def mixed(below: _Perturbed, above: _Perturbed, step: float) -> float:
        (a_low, k_low), (a_high, k_high) = size(below), size(above)
        slope, rate = (a_high - a_low) / (2.0 * step), (k_high - k_low) / (2.0 * step)
        total = slope**2 * pair + 2.0 * own * slope * rate * pair_1 + own**2 * rate**2 * pair_12
        return float(total)

    own = size(ridges[1])[0]
    values = [
        ridge**2 * own**2 * pair,
        ridge**4 * mixed(ridges[0], ridges[-1], moves.width),
        mixed(*moves.penalties, moves.penalty),
    ]
    return np.asarray(np.maximum(values, 0.0))


def _sample_pairs(base: Uniform, ridges: Sequence[_Perturbed], width: float) -> Array:
    """Mean square over pairs of samples of what joins them in each loss, shape ``(3,)``.

    For the test loss the two resolvents of ``(1/n) tr Q_1 Q_2`` have penalties of their own; the bulk is
    taken as that of one population covariance, whose transform is read off the mean resolvent.
    """
    from scipy.interpolate import KroghInterpolator

    ridge, weights = positive_ridge(base.setting), base.grid.q_weights
    below, here, above = ridges
    third = (above.slope - 2.0 * here.slope + below.slope) / width**2
    objective = ridge**2 * (-weights @ here.slope - weights @ here.resolvent**2)
    train = ridge**4 * (-(weights @ third) / 6.0 - weights @ here.slope**2)
    # With one population covariance 1 - lambda R is a function of kappa = 1/R: its values and slopes.
    places, values = [], []
    for step, part in zip((-width, 0.0, width), ridges, strict=True):
        r, slope = float(weights @ part.resolvent), float(weights @ part.slope)
        at = ridge + step
        places += [-math.log(r)] * 2
        values += [1.0 - at * r, (r + at * slope) * r / slope]
    psi = KroghInterpolator(np.array(places), np.array(values)).derivatives(places[2], 4)
    test = _test_pairs(ridge * float(weights @ here.resolvent), psi)
    return np.asarray(np.maximum([float(objective), float(train), test], 0.0))


def _test_pairs(rho: float, psi: Array) -> float:
    """Mean square over pairs of samples of the derivative of ``lambda Q`` in a penalty on the test error.

    `rho` is ``lambda R``; `psi` has the value and three derivatives of ``1 - lambda R`` in ``log kappa``.

    For penalties ``mu_1``, ``mu_2`` let ``rho_i = r_i + mu_i`` with ``r_i = 1/(1 + T(rho_i))`` and
    ``D = -(T(rho_1) - T(rho_2))/(rho_1 - rho_2)``. The mean product over pairs is
    ``(r_1 r_2)^2 D / (1 - r_1 r_2 D)``, and this is its derivative in both penalties where they vanish.
    """
    # T = psi(log(lambda / rho)) / rho, differentiated in log rho.
    first, second, third = (
        -(psi[0] + psi[1]),
        psi[0] + 2.0 * psi[1] + psi[2],
        -(psi[0] + 3.0 * psi[1] + 3.0 * psi[2] + psi[3]),
    )
    d = -first / rho**2
    d_1 = -(second - first) / (2.0 * rho**3)
    d_12 = -(third - 3.0 * second + 2.0 * first) / (6.0 * rho**4)
    r_1 = rho**2 * d / (1.0 - rho**2 * d)
    d_1, d_12 = (1.0 + r_1) * d_1, (1.0 + r_1) ** 2 * d_12
    squares = np.array([rho**2, 2.0 * rho * r_1])
    top = squares[0] ** 2 * d
    top_1 = squares[0] * (squares[1] * d + squares[0] * d_1)
    top_12 = squares[1] ** 2 * d + 2.0 * squares[0] * squares[1] * d_1 + squares[0] ** 2 * d_12
    rest = 1.0 - rho**2 * d
    rest_1 = -rho * (r_1 * d + rho * d_1)
    rest_12 = -(r_1**2 * d + 2.0 * rho * r_1 * d_1 + rho**2 * d_12)
    mixed = top_12 / rest - 2.0 * top_1 * rest_1 / rest**2
    return float(mixed - top * rest_12 / rest**2 + 2.0 * top * rest_1**2 / rest**3)


class _Perturbed(NamedTuple):
    """The problem at another ridge, or with a penalty on the test error."""

    resolvent: Array
    slope: Array
    unexplained: float
    row_variance: float
    influences: tuple[_Influence, _Influence]


def _perturbed(base: Uniform, profile: Array, penalty: float) -> _Perturbed:
    """Resolvent and influences at ``L = profile + penalty R^{-2}`` with ``R`` that of the setting.

    To first order the penalty adds fresh samples of vanishing weight, whose own share is taken out again
    of what one sample sees.
    """
    setting, grid, finite = base.setting, base.grid, base.finite_rank
    shift = penalty * base.state.resolvent**-2
    state = base.equations.solve(profile + shift, base.state, positive=True)
    if not np.min(state.omega) > 0.0:
        raise ConvergenceError("a perturbed resolvent is not positive", residual=state.residual, last=state)
    seen = 1.0 / (1.0 / state.resolvent - shift)
    response = finite.response(state, finite.source(state.resolvent, base.labels))
    t, t_weights = gauss_hermite(TEACHER_NODES)
    noise, noise_weights = gauss_hermite(NOISE_NODES)
    cosine = base.latent.beta_cosine
    teacher = cosine * grid.q[:, None] + math.sqrt(max(0.0, 1.0 - cosine**2)) * t
    predicted = (response @ finite.functions[0])[:, None] + (response @ finite.functions[1])[:, None] * t
    error = (setting.target_function(teacher) - predicted)[:, :, None] + setting.noise_std * noise
    inner = np.outer(t_weights, noise_weights)
    samples = _Influence(seen[:, None, None] * error**2, grid.q_weights, inner, setting.n_ridge)
    z, z_weights = gauss_hermite(ROW_NODES)
    size = grid.law.weights * np.sqrt(state.omega)
    mean, learnt, rest = response.reshape(3, -1) / size
    gamma = math.sqrt(setting.gamma)
    row = (mean / math.sqrt(setting.width))[:, None, None] + (learnt / gamma)[:, None, None] * z[:, None]
    row = row + (rest / gamma)[:, None, None] * z
    neurons = _Influence(row**2, grid.law.weights, np.outer(z_weights, z_weights), setting.width)
    slope = base.equations.tangent(state, np.ones_like(state.resolvent))[0]
    unexplained = float(grid.q_weights @ np.sum(inner * error**2, axis=(1, 2)))
    row_variance = float(grid.law.weights @ (learnt**2 + rest**2)) / setting.gamma
    return _Perturbed(state.resolvent, slope, unexplained, row_variance, (samples, neurons))
