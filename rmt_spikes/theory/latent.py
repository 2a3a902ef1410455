"""The latent variables of the trained network and the functions of them that enter the theory."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.hermite import GaussianMoments, gaussian_moments
from rmt_spikes.setting import Setting
from rmt_spikes.theory import formulas
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.population.labels import LabelFunctions, labels_of
from rmt_spikes.theory.population.levels import levels_of
from rmt_spikes.theory.quadrature_rules import (
    GaussRule,
    ReadoutLaw,
    gauss_hermite,
    gauss_rule,
    gaussian_draws,
    readout_law,
)
from rmt_spikes.theory.realisation import Realisation

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Latent:
    """Deterministic limits of what the gradient step learns (docs/theory.md section 2).

    Attributes
    ----------
    beta_norm2
        ``||beta||^2`` of the learnt direction ``beta = X^T r / n``.
    beta_cosine
        ``cos(beta, beta_*)``, with its sign. Of several directions, with the learnt one; with a covariance
        of the inputs, the correlation of ``q`` with the teacher's variable.
    shift
        ``s = c_1 theta ||beta||``: the step moves neuron ``j`` by ``s alpha_j q_i`` on sample ``i``.
    inflation
        ``nu``: growth of the squared norm of a row, ``1 + nu alpha_j^2``, from the part of its gradient
        that is not along ``beta``.
    chi
        ``nu / s^2``, which depends neither on the step size nor on ``n``; spike ``k`` carries the
        heat-evolved monomial ``E (q + sqrt(chi) Z)^k``.
    drift
        ``2 c_2 E[r] theta``: growth of a row along itself, ``1 + drift alpha_j``; zero unless the labels
        have a mean.
    residual_energy
        ``E[r^2]`` of the residual that drives the step.
    initial_overlap
        Cosine of ``beta`` and ``W_0^T a``; zero at the mean-field output scale.
    """

    beta_norm2: float
    beta_cosine: float
    shift: float
    inflation: float
    chi: float
    drift: float
    residual_energy: float
    initial_overlap: float = 0.0

    def scale(self, alpha: Array) -> Array:
        """Norm ``tau_j`` of a trained row with readout weight `alpha` (any shape), apart from the shift."""
        return np.asarray(np.sqrt(formulas.row_norm2(self.drift, self.inflation, alpha)))

    def to_dict(self) -> dict[str, float]:
        """Plain dictionary of the attributes."""
        return asdict(self)


def residual_moments(setting: Setting) -> tuple[float, float]:
    """Mean ``E[r]`` and second moment ``E[r^2]`` of the residual ``r = y - f_0(x)`` that drives the step.

    Raises
    ------
    DomainError
        At the standard output scale with an activation of nonzero mean: the initial output then has a
        random constant of order one (of order ``sqrt(width)`` for a constant readout), and there is no
        deterministic limit.

    Notes
    -----
    docs/theory.md sections 2 and 8. At the mean-field scale the initial output is negligible, but for
    the constant ``c_0`` of a constant readout. At the standard scale it has the energy of the
    activation; a constant readout adds what all neurons make of the norm of the sample, ``2 c_2^2 N/d``.
    """
    activation, teacher = setting.activation_expansion, labels_of(setting)
    mean, energy = teacher.mean, teacher.energy
    if setting.theta > 0.0 and not float(activation.coefficients[1]) ** 2 > 0.0:
        came = float(activation.coefficients[1])
        raise DomainError("activation", "must have a first coefficient whose square is above 0", came)
    constant = setting.readout == "constant"
    if setting.output_scale == "standard":
        if abs(activation.mean) > 1e-9 * math.sqrt(activation.second_moment):
            raise DomainError(
                "center",
                "must be true for a prediction at the standard output scale",
                setting.center,
                "the initial output has a random constant otherwise",
            )
        initial = activation.second_moment
        if constant:
            initial += 2.0 * float(activation.coefficients[2]) ** 2 * setting.gamma
        return mean, energy + initial
    offset = activation.mean if constant else 0.0
    return formulas.residual_moments(mean, energy, offset)


def latent(
    setting: Setting, features: Features = Features.CORRECTED, given: Realisation | None = None
) -> Latent:
    """Latent variables of a setting.

    A realised first stage replaces the limits of the norm, the cosine and the energy of the residual.
    Published features have no growth of the rows apart from the shift.

    Raises
    ------
    DomainError
        At the standard output scale with an activation of nonzero mean.
    """
    activation, inputs = setting.activation_expansion, levels_of(setting)
    c_1, c_2 = float(activation.coefficients[1]), float(activation.coefficients[2])
    learnt = labels_of(setting).signal
    mean, energy = residual_moments(setting)
    standard = setting.output_scale == "standard"
    initial2 = c_1**2 if standard else 0.0
    norm2 = formulas.beta_norm2(inputs.beta_norm2(learnt**2), setting.phi, energy, initial2)
    if not norm2 > 0.0:
        raise DomainError("target", "must have labels whose square is above 0 in double precision", norm2)
    score2 = norm2 if inputs.isotropic else inputs.score_norm2(learnt**2, setting.phi * energy)
    cosine = inputs.correlation(learnt, score2)
    if given is not None:
        norm2, cosine, energy = map(float, (given.beta_norm2, given.beta_cosine, given.label_energy))
        parts = inputs.parts(norm2, cosine)
        score2 = norm2 if inputs.isotropic else inputs.score_norm2(parts[0] ** 2, parts[1])
    shift = formulas.shift(c_1, setting.theta, math.sqrt(score2))
    # Without a step the activation may have no linear part, and jumps: nothing grows.
    signal = c_1**2 * score2 > 0.0 and math.isfinite(activation.derivative_variance)
    spread, rough = inputs.power(2.0) * energy, activation.derivative_variance
    chi = formulas.chi(setting.phi, spread, rough, c_1**2 * score2) if signal else 0.0
    corrected = features.rows_grow
    return Latent(
        beta_norm2=norm2,
        beta_cosine=cosine,
        shift=shift,
        inflation=formulas.inflation(chi, shift) if corrected else 0.0,
        chi=chi if corrected else 0.0,
        drift=formulas.drift(c_2, mean * inputs.power(2.0), setting.theta) if corrected else 0.0,
        residual_energy=energy,
        initial_overlap=-c_1 / math.sqrt(norm2) if standard else 0.0,
    )


@dataclass(frozen=True, eq=False)
class LatentGrid:
    """Every function of ``(alpha, q)`` that the theory needs, on quadrature nodes.

    Attributes
    ----------
    law
        Quadrature rule for a readout weight, with ``n_a`` nodes.
    q, q_weights
        Nodes and weights of the latent variable of a sample, shape ``(n_q,)``.
    mean, linear, norm, second
        ``E sigma(u)``, ``E Z sigma(u)``, ``E (Z^2-1)/2 sigma(u)``, ``E sigma(u)^2`` at
        ``u = tau_alpha Z + s alpha q``; shape ``(n_a, n_q)``.
    labels
        Conditional moments of the labels.
    """

    law: ReadoutLaw
    q: Array
    q_weights: Array
    mean: Array
    linear: Array
    norm: Array
    second: Array
    labels: LabelFunctions


def empirical_labels(
    setting: Setting, cosine: float, rule: GaussRule, q: Array, labels: Array
) -> LabelFunctions:
    """Realised labels on the nodes of the Gauss quadrature of their own latent variables.

    The labels and their squares are replaced by their projections on the polynomials of ``q`` that the
    rule knows, so that sums of the labels times such a polynomial over the samples are exactly those
    over the nodes.
    """
    basis = rule.polynomials(q)
    nodes = rule.polynomials(rule.nodes)
    mean = (basis @ labels / q.size) @ nodes
    square = (basis @ labels**2 / q.size) @ nodes
    typical = labels_of(setting).given(cosine, rule.nodes)
    rest = square - mean**2 - np.sum(typical.linear**2, axis=0)
    return LabelFunctions(mean, typical.linear, rest, typical.square)


def readout_rule(
    setting: Setting, n_alpha: int = 24, *, finite: bool = False, given: Realisation | None = None
) -> ReadoutLaw:
    """Quadrature rule for readout weights: of those given, of ``width`` draws, or in the limit."""
    law = readout_law(setting.readout, n_alpha, setting.width if finite else None)
    if given is not None:
        rule = gauss_rule(given.alpha, n_alpha)
        law = ReadoutLaw(setting.readout, rule.nodes, rule.weights)
    return law


def activation_moments(setting: Setting, variables: Latent, alpha: Array, q: Array) -> GaussianMoments:
    """Moments of the activation at readout weights and latent values, broadcast against each other."""
    mean = variables.shift * alpha * q
    return gaussian_moments(setting.activation_function, mean, variables.scale(alpha))


def latent_grid(
    setting: Setting,
    variables: Latent,
    *,
    n_q: int = 32,
    n_alpha: int = 24,
    finite: bool = False,
    given: Realisation | None = None,
    law: ReadoutLaw | None = None,
    q_rule: tuple[Array, Array] | None = None,
    tau: Array | None = None,
) -> LatentGrid:
    """Tabulate the latent functions of a setting.

    Parameters
    ----------
    n_q, n_alpha
        Numbers of quadrature nodes.
    finite
        Take the distributions of ``width`` readout weights and of ``n_ridge`` samples, not their limits.
    given
        Realisation whose readout weights, and second batch if it has one, replace these.
    law, q_rule
        Quadratures to use instead.
    tau
        Lengths of rows to use instead, shape ``(n_a,)``.

    Returns
    -------
    LatentGrid
    """
    labels = None
    law = readout_rule(setting, n_alpha, finite=finite, given=given) if law is None else law
    if q_rule is None:
        q_rule = gaussian_draws(setting.n_ridge, n_q) if finite else gauss_hermite(n_q)
        if given is not None and given.q is not None and given.labels is not None:
            rule = gauss_rule(given.q, n_q)
            q_rule = rule.nodes, rule.weights
            labels = empirical_labels(setting, variables.beta_cosine, rule, given.q, given.labels)
    q, q_weights = q_rule
    mean = variables.shift * law.nodes[:, None] * q
    scale = variables.scale(law.nodes) if tau is None else tau
    scale = np.broadcast_to(scale[:, None], mean.shape)
    moments = gaussian_moments(setting.activation_function, mean, scale)
    if labels is None:
        teacher = labels_of(setting)
        labels = teacher.given(variables.beta_cosine, q)
        if finite:
            # The rule for finitely many draws lacks a little of the fourth moment; the label energy is kept.
            labels = replace(labels, rest=labels.rest + teacher.energy - q_weights @ labels.energy)
    return LatentGrid(law, q, q_weights, moments.first, moments.linear, moments.norm, moments.second, labels)
