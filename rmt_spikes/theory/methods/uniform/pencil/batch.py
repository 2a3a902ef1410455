"""The first batch: the distribution of its residuals, and moments of the slope of the activation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import expand
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.setting import Setting
from rmt_spikes.theory.latent import Latent, residual_moments
from rmt_spikes.theory.population.labels import Labels, labels_of
from rmt_spikes.theory.population.levels import levels_of
from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gauss_hermite, normal_panels

Array = NDArray[np.float64]

CELLS = 10
"""Cells of the residual's distribution, two nodes each: 60 cells change losses by less than 1e-5."""

NOISE_NODES = 12
"""For the label noise: exact up to degree 23."""

FEW_NOISE_NODES, MANY = 6, 50_000
"""Those with as many points of the teacher: exact up to degree 11."""

NEGLIGIBLE = 1e-18
"""Weight of a node of the residual that is left out: the sixth moment moves by less than 1e-12."""


@dataclass(frozen=True, eq=False)
class SlopeMoments:
    """Gaussian moments of the derivative of an activation.

    ``rho(z) = sigma'(z) - c_1 - 2 c_2 z`` is what of the slope is not linear.

    Attributes
    ----------
    coefficients
        Hermite coefficients ``c_0, ..., c_4`` of the activation.
    variance
        ``E rho^2``.
    second
        ``E[rho^2 He_2] / 2``.
    linear
        ``E[z^2 rho]`` and ``E[z rho^2]``, shape ``(2,)``.
    gram
        Covariances of ``z rho`` and ``rho^2`` beyond degree two, shape ``(2, 2)``.
    """

    coefficients: Array
    variance: float
    second: float
    linear: Array
    gram: Array


@lru_cache(maxsize=32)
def slope_moments(activation: ScalarFunction) -> SlopeMoments:
    """Moments of the slope of an activation."""
    c = expand(activation).coefficients[:5]
    z, weights = normal_panels(activation.splits)
    rho = activation.derivative(z) - c[1] - 2.0 * c[2] * z
    parts = np.stack([z * rho, rho**2])
    low = np.stack([np.ones(z.size), z, (z**2 - 1.0) / math.sqrt(2.0)])
    projections = (low * weights) @ parts.T
    return SlopeMoments(
        coefficients=c,
        variance=float(weights @ rho**2),
        second=0.5 * float(weights @ (rho**2 * (z**2 - 1.0))),
        linear=projections[1],
        gram=(parts * weights) @ parts.T - projections.T @ projections,
    )


@dataclass(frozen=True, eq=False)
class ResidualLaw:
    """Distribution of the residual ``r`` of the first step together with the teacher's variables ``u_k``.

    Attributes
    ----------
    r, weights
        Nodes, shape ``(n_r,)``. The weights add up to the share of the samples that are meant.
    u, uu
        ``E[u_k | r]`` and ``E[u_k u_l | r]`` at the nodes, shapes ``(n_r, k)`` and ``(n_r, k, k)``.
    """

    r: Array
    weights: Array
    u: Array
    uu: Array

    def mean(self, values: Array) -> Array:
        """Expectation of values on the nodes (first axis)."""
        return np.asarray((self.weights @ values.reshape(self.r.size, -1)).reshape(values.shape[1:]))

    def scaled(self, factor: float) -> ResidualLaw:
        """The distribution of a multiple of the residual."""
        return ResidualLaw(factor * self.r, self.weights, self.u, self.uu)


@lru_cache(maxsize=64)
def residual_points(teacher: Labels, offset: float) -> tuple[Array, Array, Array]:
    """Residuals, weights and the teacher's variables in its frame, shape ``(k, n)``, on a fine grid."""
    u, u_weights = teacher.points
    count = NOISE_NODES if u_weights.size < MANY else FEW_NOISE_NODES
    noise, noise_weights = gauss_hermite(count) if teacher.noise_std > 0.0 else (np.zeros(1), np.ones(1))
    r = ((teacher(u) - offset)[:, None] + teacher.noise_std * noise).ravel()
    weights = np.outer(u_weights, noise_weights).ravel()
    keep = weights > NEGLIGIBLE
    return r[keep], weights[keep], np.repeat(teacher.frame.T @ u, noise.size, axis=1)[:, keep]


def compressed(r: Array, weights: Array, u: Array, cells: int = CELLS) -> ResidualLaw:
    """Distribution of weighted points in cells, each with the two-point Gauss rule of its own.

    The moments of ``r`` to degree three in each cell are exact, and so are ``E u``, ``E[u r]``, ``E[u u^T]``
    and ``E[u u^T r]``. Cells have equal shares of the mass, the second and the fourth moment together, so
    that the tails get theirs.
    """
    order = np.argsort(r, kind="stable")
    r, weights, u = r[order], weights[order], u[:, order]
    energy, fourth = max(float(weights @ r**2), 1e-300), max(float(weights @ r**4), 1e-300)
    measure = weights * (1.0 + r**2 / energy + r**4 / fourth)
    cell = np.minimum((np.cumsum(measure) / measure.sum() * cells).astype(int), cells - 1)
    parts = [
        _two_points(r[cell == k], weights[cell == k], u[:, cell == k])
        for k in range(cells)
        if np.any(cell == k)
    ]
    return ResidualLaw(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _two_points(r: Array, weights: Array, u: Array) -> tuple[Array, Array, Array, Array]:
    """Nodes, weights and conditional moments of one cell."""
    total = weights.sum()
    center = weights @ r / total
    y = r - center
    second = weights @ y**2 / total
    if second < 1e-24 * max(1.0, center**2):
        nodes, shares = np.zeros(1), np.ones(1)
        basis, at = np.ones((1, r.size)), np.ones((1, 1))
    else:
        skew = (weights @ y**3 / total) / second
        root = math.sqrt(skew**2 / 4.0 + second)
        nodes = np.array([skew / 2.0 - root, skew / 2.0 + root])
        shares = np.array([nodes[1], -nodes[0]]) / (2.0 * root)
        basis = np.stack([np.ones(r.size), y / math.sqrt(second)])
        at = np.stack([np.ones(2), nodes / math.sqrt(second)])
    first = at.T @ (basis @ (weights * u).T) / total
    pairs = np.einsum("bi,i,ki,li->bkl", basis, weights, u, u) / total
    return nodes + center, total * shares, first, np.tensordot(at.T, pairs, axes=(1, 0))


@dataclass(frozen=True, eq=False)
class FirstBatch:
    """What a gradient step on the first batch makes of the rows of the first layer.

    Parameters
    ----------
    n, d
        Numbers of samples and of dimensions.
    theta
        ``eta / sqrt(N)``.
    slope
        Moments of the slope of the activation.
    law
        Quadrature rule for the readout weights.
    residuals
        Residuals of the samples that form the bulk.
    whole
        Residuals of all samples.
    learnt
        ``E[r u_k]`` in the teacher's frame, shape ``(k,)``: only the first is not zero.
    noise_energy
        Squared length of the rest of the learnt direction: ``phi E r^2``.
    eigenvalues, proportions, chi
        Levels of the covariance of the inputs, with the share of each, and the component of a whitened
        teacher's direction on each eigenspace, of norm one: shape ``(n_levels,)``.
    teacher
        Components of the teacher's direction on the eigenspaces, as it is seen, of norm one.
    whitened
        Whether rows are seen by isotropic inputs, whatever those of the batch were: as they are.
    excess
        What the mean residual of the samples is beyond its expectation.
    """

    n: int
    d: int
    theta: float
    slope: SlopeMoments
    law: ReadoutLaw
    residuals: ResidualLaw
    whole: ResidualLaw
    learnt: Array
    noise_energy: float
    eigenvalues: Array
    proportions: Array
    chi: Array
    teacher: Array
    whitened: bool = False
    excess: float = 0.0

    def drawn(self, deviations: float) -> FirstBatch:
        """The batch when the mean of its residuals is so many standard deviations off its expectation.

        Over batches at plus and minus one the energy of the residuals is that of the distribution.
        """
        mean, share = float(self.whole.mean(self.whole.r)), deviations / math.sqrt(self.n)
        excess = share * math.sqrt(max(self.energy - mean**2, 0.0))

        def moved(law: ResidualLaw) -> ResidualLaw:
            return replace(law, r=mean + excess + math.sqrt(1.0 - share**2) * (law.r - mean))

        return replace(self, residuals=moved(self.residuals), whole=moved(self.whole), excess=excess)

    @cached_property
    def seen(self) -> Array:
        """Levels of the covariance of the inputs that see the rows, shape ``(n_levels,)``."""
        return np.ones_like(self.eigenvalues) if self.whitened else self.eigenvalues

    @cached_property
    def sight(self) -> Array:
        """Factors of what the batch adds to a row, as it is seen: ``sqrt(l)`` times the root of `seen`."""
        return np.sqrt(self.eigenvalues * self.seen) if self.whitened else self.eigenvalues

    @property
    def phi(self) -> float:
        """``d / n``."""
        return self.d / self.n

    @property
    def curvature(self) -> float:
        """``k = 2 c_2 theta``."""
        return 2.0 * float(self.slope.coefficients[2]) * self.theta

    @property
    def incoherent(self) -> float:
        """``t^2 = theta^2 phi E rho^2``."""
        return self.theta**2 * self.phi * self.slope.variance

    @property
    def directions(self) -> int:
        """Number of the teacher's directions."""
        return int(self.learnt.size)

    @cached_property
    def energy(self) -> float:
        """``E r^2``."""
        return float(self.whole.mean(self.whole.r**2))

    def power(self, exponent: float) -> float:
        """``<l^j>`` over the levels of the inputs."""
        return float(self.proportions @ self.eigenvalues**exponent)


def first_batch(
    setting: Setting, variables: Latent, law: ReadoutLaw, *, whitened: bool = False
) -> FirstBatch:
    """First batch of a setting.

    Parameters
    ----------
    setting, variables
        What is predicted, and its latent variables: they may be realised ones.
    law
        Quadrature rule for the readout weights.
    whitened
        Whether isotropic inputs see the rows.
    """
    teacher, inputs = labels_of(setting), levels_of(setting)
    residuals = _residuals(teacher, teacher.mean - residual_moments(setting)[0])
    energy = float(residuals.mean(residuals.r**2))
    residuals = residuals.scaled(math.sqrt(variables.residual_energy / energy) if energy > 0.0 else 1.0)
    signal, noise_energy = inputs.parts(variables.beta_norm2, variables.beta_cosine)
    return FirstBatch(
        n=setting.n,
        d=setting.d,
        theta=setting.theta,
        slope=slope_moments(setting.activation_function),
        law=law,
        residuals=residuals,
        whole=residuals,
        learnt=np.array([signal] + [0.0] * (teacher.directions - 1)),
        noise_energy=noise_energy,
        eigenvalues=inputs.eigenvalues,
        proportions=inputs.proportions,
        chi=inputs.chi,
        teacher=np.sqrt(inputs.shares) if whitened else inputs.chi,
        whitened=whitened,
    )


@lru_cache(maxsize=64)
def _residuals(teacher: Labels, offset: float) -> ResidualLaw:
    return compressed(*residual_points(teacher, offset))
