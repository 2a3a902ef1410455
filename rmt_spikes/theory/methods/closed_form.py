"""Spikes and losses when the bulk is that of the untrained features.

With an untrained bulk, the latent part of the features enters through one positive operator on functions
of a sample: ``T = (1/kappa) <y, (1 + g A)^{-1} y>``. Its eigenvalues ``a_k`` and the scalar curve of
`BulkEquivalent` give everything: a spike is a pole ``1 + g a_k = 0``, its vectors the residue
(docs/theory.md section 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.setting import Setting
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.distribution import Bulk, edge_scale, singular_value_bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent, ResolventPoint
from rmt_spikes.theory.latent import Latent, LatentGrid, activation_moments, latent, latent_grid
from rmt_spikes.theory.methods.base import Method, leading_sign, require_mean_field, spike_of
from rmt_spikes.theory.methods.thresholds import Scan
from rmt_spikes.theory.population.coverage import require_plain
from rmt_spikes.theory.results import Certificate, Losses, Spike, losses_at, ordered
from rmt_spikes.theory.ridgeless import positive_ridge

Array = NDArray[np.float64]

NO_STRENGTH = 1e-300
"""Stands for a mode that is not there: its logarithm is finite and far below every threshold."""


@dataclass(frozen=True, eq=False)
class LatentModes:
    """Singular value decomposition of the latent part of the features, on quadrature nodes.

    Attributes
    ----------
    strengths
        ``a_k``, squared singular values, descending.
    right
        Neuron side, shape ``(n_modes, n_a + 1)``: square root of weight times function of ``alpha``,
        then the coordinate along ``W_0 beta``.
    left
        Sample side, shape ``(n_modes, 2 n_q)``: square root of weight times function of ``q``, then the
        part that multiplies the norm of the sample (``sqrt(d/2) (||x||^2/d - 1)``).
    """

    strengths: Array
    right: Array
    left: Array


def latent_modes(setting: Setting, grid: LatentGrid) -> LatentModes:
    """Decompose the latent part of the features of a setting, at the mean-field output scale."""
    slope = float(setting.activation_expansion.coefficients[1])
    root_a, root_q = np.sqrt(grid.law.weights), np.sqrt(grid.q_weights)
    neurons = math.sqrt(setting.width) * root_a[:, None]
    n_a, n_q = grid.mean.shape
    matrix = np.zeros((n_a + 1, 2 * n_q))
    matrix[:n_a, :n_q] = neurons * grid.mean * root_q
    matrix[:n_a, n_q:] = neurons * math.sqrt(2.0 / setting.d) * grid.norm * root_q
    matrix[n_a, :n_q] = math.sqrt(setting.gamma) * slope * grid.q * root_q
    right, singular, left = np.linalg.svd(matrix, full_matrices=False)
    return LatentModes(singular**2, right.T, left)


@dataclass(frozen=True, eq=False)
class Pole:
    """A pole of the resolvent above the bulk.

    Attributes
    ----------
    eigenvalue
        ``z``, of ``F F^T / n_ridge``.
    strength
        ``a_k`` of its mode.
    left, right
        Modes of norm one on the nodes, as in `LatentModes`.
    left_overlap, right_overlap
        Share (not squared) of the singular vectors that the modes explain: square roots of residues.
    """

    eigenvalue: float
    strength: float
    left: Array
    right: Array
    left_overlap: float
    right_overlap: float


@dataclass(frozen=True, eq=False)
class UntrainedBulk(Method):
    """A method with the bulk of the untrained features, and the spikes that the latent part makes of it."""

    loses_digits: ClassVar[bool] = False

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what no method covers, and the standard output scale.

        Readout and learnt direction are not independent there.
        """
        require_mean_field(self.setting, "the closed form", "use the uniform method")
        require_plain(self.setting, "the closed form")
        super().refuse_what_is_not_covered()

    @cached_property
    def latent(self) -> Latent:
        """Latent variables."""
        return latent(self.setting, self.features, self.given)

    @cached_property
    def grid(self) -> LatentGrid:
        """Latent functions under the distributions of ``width`` neurons and ``n_ridge`` samples."""
        return latent_grid(self.setting, self.latent, finite=True, given=self.given)

    @cached_property
    def equivalent(self) -> BulkEquivalent:
        """Resolvent of the bulk."""
        return BulkEquivalent.of(self.setting)

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values without a step."""
        return singular_value_bulk(self.equivalent)

    def upper_edge(self) -> tuple[float, float]:
        """Upper edge of the bulk, and the width of the fluctuations of the largest singular value there."""
        scale = edge_scale(self.equivalent.edge_amplitude, self.setting.width)
        return math.sqrt(self.equivalent.upper_edge), scale

    @cached_property
    def modes(self) -> LatentModes:
        """Eigenvalues and eigenfunctions of the latent part."""
        return latent_modes(self.setting, self.grid)

    @property
    def critical_strength(self) -> float:
        """Strength ``a`` above which a mode leaves the bulk."""
        return -1.0 / self.equivalent.edge_trace

    @cached_property
    def poles(self) -> list[Pole]:
        """Poles above the bulk, largest first."""
        poles = []
        for strength, right, left in zip(
            self.modes.strengths, self.modes.right, self.modes.left, strict=True
        ):
            if strength <= self.critical_strength:
                break
            g = -1.0 / strength
            point = self.equivalent.point(self.equivalent.kappa(g), g)
            z = -point.ridge
            slope = -strength * point.g_slope / point.ridge_slope
            left_overlap = math.sqrt(-1.0 / (point.kappa * slope))
            right_overlap = math.sqrt(point.kappa * g / (z * slope))
            poles.append(Pole(z, float(strength), left, right, left_overlap, right_overlap))
        return poles

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index` at latent variables `q` of samples (any shape)."""
        pole = self.poles[index]
        law, setting = self.grid.law, self.setting
        moments = activation_moments(setting, self.latent, law.nodes, q[..., None])
        slope = float(setting.activation_expansion.coefficients[1])
        rows = math.sqrt(setting.width) * moments.first * np.sqrt(law.weights)
        mode = rows @ pole.right[:-1] + math.sqrt(setting.gamma) * slope * q * pole.right[-1]
        sign = leading_sign(self.hermite_feature(pole))
        return np.asarray(sign * (mode * pole.left_overlap / math.sqrt(pole.strength)))

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index` at readout weights `alpha` of neurons (any shape)."""
        pole = self.poles[index]
        setting, q = self.setting, self.grid.q
        moments = activation_moments(setting, self.latent, alpha[..., None], q)
        root = math.sqrt(setting.width) * np.sqrt(self.grid.q_weights)
        mode = (moments.first * root) @ pole.left[: q.size]
        mode += math.sqrt(2.0 / setting.d) * (moments.norm * root) @ pole.left[q.size :]
        sign = leading_sign(self.hermite_feature(pole))
        return np.asarray(sign * (mode * pole.right_overlap / math.sqrt(pole.strength)))

    def spikes(self) -> tuple[Spike[float], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        spikes = (
            spike_of(self, k, pole.eigenvalue, self.hermite_feature(pole), self.readout_feature(pole))
            for k, pole in enumerate(self.poles)
        )
        return tuple(spike for spike in spikes if spike.distance > 1.0)

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes at which the first `count` spikes appear; ``inf`` where none does up to `largest`."""
        scan = self.scan(largest)
        return np.array([scan.crossing(k) for k in range(count)])

    def scan(self, largest: float) -> Scan:
        """`excess` by the step size up to `largest`."""
        return Scan(self.excess, largest)

    def excess(self, step: float) -> Array:
        """Logarithms of the strengths over the critical one at a step size."""
        strengths = self.with_setting(self.setting.replace(step_size=step)).modes.strengths
        return np.asarray(np.log(np.maximum(strengths, NO_STRENGTH) / self.critical_strength))

    def evidence(self, part: str) -> Certificate:
        """Certificate of one part: the equations of the curve, written out anew."""
        return curve_evidence(self.equivalent, self.setting, self.bulk if part == "bulk" else None)

    def hermite_feature(self, pole: Pole, count: int = 5) -> Array:
        """Coefficients of the left singular vector in normalised Hermite polynomials of ``q``."""
        q, weights = self.grid.q, self.grid.q_weights
        mode = np.sqrt(weights) * pole.left[: q.size]
        return np.asarray(normalized_hermite(count - 1, q) @ mode * pole.left_overlap)

    def readout_feature(self, pole: Pole, count: int = 5) -> Array:
        """Coefficients of the right singular vector in orthonormal polynomials of ``alpha``."""
        law = self.grid.law
        mode = np.sqrt(law.weights) * pole.right[:-1]
        return np.asarray(law.polynomials(law.nodes, count) @ mode * pole.right_overlap)


@final
@dataclass(frozen=True, eq=False)
class ClosedForm(UntrainedBulk):
    """The method with the bulk of the untrained features at finite ``n``: good while the shift is small."""

    name: ClassVar[str] = "closed_form"

    def functional(self, point: ResolventPoint) -> tuple[float, float]:
        """``kappa T`` and ``-kappa^2 dT/dkappa``, both sums of positive terms."""
        labels = self.grid.labels
        weights = self.grid.q_weights
        amplitudes = self.modes.left[:, : weights.size] @ (np.sqrt(weights) * labels.mean)
        coefficients = amplitudes**2
        (along,) = labels.linear
        mean = float(weights @ along)
        linear = mean**2
        unseen = np.sqrt(weights) * labels.mean - amplitudes @ self.modes.left[:, : weights.size]
        # The modes that see a function of q also have a part along the norm of the sample.
        side = amplitudes @ self.modes.left[:, weights.size :]
        rest = unseen @ unseen + side @ side + weights @ ((along - mean) ** 2 + labels.rest)
        strengths, mu, excess = self.modes.strengths, point.mu, point.excess
        damping = 1.0 / (1.0 + point.g * strengths)
        value = coefficients @ damping + mu * linear + rest
        loss = coefficients @ ((1.0 + excess * point.g * strengths) * damping**2)
        loss += mu * (mu + (1.0 - mu) * excess) * linear + rest
        return float(value), float(loss)

    def losses(self) -> Losses[float]:
        """Losses at the ridge of the setting."""
        point = self.equivalent.at_ridge(positive_ridge(self.setting))
        return ordered(losses_at(point, *self.functional(point)), self.setting.label_energy)


def curve_evidence(equivalent: BulkEquivalent, setting: Setting, bulk: Bulk | None) -> Certificate:
    """Certificate of the untrained bulk, or without one of the resolvent at the ridge alone.

    The defining equations are written out anew.
    """
    point = equivalent.at_ridge(positive_ridge(setting))
    at_ridge = abs(equivalent.kappa(point.g) - point.kappa) * point.g
    if bulk is None:
        return Certificate(residual=at_ridge)
    # Ball arithmetic is loaded when it is asked for.
    from rmt_spikes.theory.bulk.certified_edges import edge_error

    middles = bulk.edges.mean(axis=1) ** 2
    kappa, g = equivalent.boundary_value(middles)
    population = formulas.effective_ridge(g, equivalent.linear, equivalent.tail, equivalent.gamma) - kappa
    sample = middles + formulas.ridge(kappa, g, equivalent.ratio)
    residuals = [float(np.max(np.abs(population * g))), float(np.max(np.abs(sample) / middles)), at_ridge]
    return Certificate(
        mass=bulk.mass,
        residual=max(residuals),
        imaginary_part=float(equivalent.eigenvalue_density(middles).min()),
        edge_error=edge_error(equivalent.linear, equivalent.tail, setting, bulk.edges),
    )
