"""The theory for every step size: bulk, spikes and losses from one resolvent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.latent import Latent, LatentGrid, Realisation, latent, latent_grid
from rmt_spikes.theory.methods.uniform.channels import FiniteRank
from rmt_spikes.theory.methods.uniform.continuation import lower_edge
from rmt_spikes.theory.methods.uniform.density import BranchCut
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State
from rmt_spikes.theory.methods.uniform.levels import anisotropy, direction_levels
from rmt_spikes.theory.methods.uniform.outliers import UpperSpectrum, upper_spectrum
from rmt_spikes.theory.results import Losses, ordered

Array = NDArray[np.float64]

START_SHARES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


@dataclass(frozen=True, eq=False)
class Uniform:
    """The theory of one setting at any step size.

    Parameters
    ----------
    setting
        What is predicted.
    features
        ``"corrected"``, ``"isotropic"`` or ``"published"``; ``"spread"`` serves to size what is neglected.
    given
        Realised latent variables that replace their limits.
    """

    setting: Setting
    features: str = "corrected"
    given: Realisation | None = None

    @cached_property
    def latent(self) -> Latent:
        """Latent variables."""
        return latent(self.setting, self.features, self.given)

    @cached_property
    def grid(self) -> LatentGrid:
        """Latent functions under the laws of ``width`` neurons and ``n_ridge`` samples."""
        return latent_grid(self.setting, self.latent, finite=True, given=self.given)

    @cached_property
    def equations(self) -> FixedPoint:
        """Equations of the bulk."""
        grid, setting = self.grid, self.setting
        levels, weights = self.anisotropy(grid.law.nodes)
        noise = np.maximum(grid.second - grid.mean**2 - grid.linear**2, 0.0)
        return FixedPoint(
            q_weights=grid.q_weights,
            a_weights=grid.law.weights,
            linear=grid.linear,
            noise=noise,
            gamma=setting.gamma,
            ratio=setting.ridge_ratio,
            levels=levels,
            level_weights=weights,
        )

    def anisotropy(self, alpha: Array) -> tuple[Array, Array]:
        """Standard deviations of trained rows along the levels of `anisotropy`, and weights of the levels."""
        return anisotropy(self.setting, self.latent, alpha, self.features)

    @cached_property
    def finite_rank(self) -> FiniteRank:
        """Finite-rank part of the features."""
        functions, extras = self._functions(self.grid)
        nodes, width = self.grid.law.nodes, self.setting.width
        coupling = np.outer(nodes, nodes) / width if self.setting.output_scale == "standard" else None
        levels, weights = direction_levels(self.setting, self.latent, nodes, self.features)
        return FiniteRank(self.equations, functions, extras, width, levels, weights, coupling)

    def _functions(self, grid: LatentGrid) -> tuple[Array, Array]:
        """Latent functions on a grid: those of ``q``, and those that multiply further sample variables."""
        setting, overlap = self.setting, self.latent.initial_overlap
        nothing = np.zeros_like(grid.mean)
        mean = grid.mean
        norm = math.sqrt(2.0 / setting.d) * grid.norm
        if setting.output_scale == "mean_field":
            extras: list[tuple[Array, ...]] = [(nothing, nothing, grid.linear), (norm, nothing, nothing)]
            functions = np.concatenate([mean, grid.linear * grid.q, nothing])
        else:
            own = grid.law.nodes[:, None] * grid.linear / math.sqrt(setting.width)
            along_teacher, along_rest = self.initial_components
            extras = [
                (along_teacher * own, nothing, grid.linear, nothing),
                (norm, nothing, nothing, nothing),
                (along_rest * own, nothing, nothing, grid.linear),
            ]
            functions = np.concatenate(
                [mean + overlap * own * grid.q, grid.linear * grid.q, nothing, nothing]
            )
        return functions, np.array([np.concatenate(extra) for extra in extras])

    @property
    def initial_components(self) -> tuple[float, float]:
        """Components of the initial readout's direction along ``t`` and beyond ``q`` and ``t``.

        Readout and teacher are orthogonal: what they share along ``beta`` they undo off it.
        """
        cosine, overlap = self.latent.beta_cosine, self.latent.initial_overlap
        sine = math.sqrt(max(1.0 - cosine**2, 1e-300))
        rest = math.sqrt(max(1.0 - overlap**2, 0.0))
        along_teacher = max(-rest, min(rest, -cosine * overlap / sine))
        return along_teacher, math.sqrt(rest**2 - along_teacher**2)

    @cached_property
    def extra_labels(self) -> Array:
        """Components of the labels along the extra sample variables, shape ``(n_extras, n_q)``."""
        labels = np.zeros((len(self.finite_rank.extras), self.grid.q.size))
        labels[0] = self.grid.labels.linear
        return labels

    @cached_property
    def untrained(self) -> BulkEquivalent:
        """Bulk without a step, which serves as a first guess."""
        return BulkEquivalent.of(self.setting)

    @cached_property
    def state(self) -> State:
        """Solution at the ridge of the setting."""
        return self.at_ridge(self.setting.ridge)

    @cached_property
    def upper(self) -> UpperSpectrum:
        """Upper edge and poles."""
        weights = self.grid.law.weights
        gamma = self.setting.gamma
        sizes = np.concatenate(
            [self.setting.width * weights, *[gamma * weights] * self.finite_rank.directions]
        )
        latent_size = sizes @ (self.finite_rank.functions**2 @ self.grid.q_weights)
        return upper_spectrum(self.equations, self.finite_rank, latent_size + self.untrained.edges[-1, 1])

    @cached_property
    def cut(self) -> BranchCut:
        """Resolvent inside the bulk."""
        return BranchCut(self.equations)

    @cached_property
    def bulk(self) -> Bulk:
        """Law of the singular values."""
        high = self.upper.edge.eigenvalue
        low = 0.0
        if not self.untrained.reaches_zero:
            rows = self.untrained.rank * self.untrained.ratio < 1.0 - 1e-12
            columns = self.untrained.rank < 1.0 - 1e-12
            signs = (-1.0 if rows else 1.0, 1.0 if columns else -1.0)
            low = self._lower_edge(signs)
        untrained = self.untrained.edges.ravel()
        edges = np.sqrt(self.cut.support(low, high, 0.5 * (untrained[1:-1:2] + untrained[2::2])))

        def density(x: Array) -> Array:
            values, _ = self.cut.resolvent(x**2)
            return np.asarray(2.0 * x * values.imag / (np.pi * self.setting.ridge_ratio))

        return Bulk(
            edges=edges, atom_at_zero=self.untrained.atom_at_zero, density_inside=density, direct=False
        )

    def _lower_edge(self, signs: tuple[float, float]) -> float:
        """Lowest edge of a bulk that does not reach zero, which a step may have brought far down."""
        for share in START_SHARES:
            ridge = share * float(self.untrained.edges[0, 0])
            try:
                return lower_edge(self.equations, self.at_ridge(ridge), ridge, signs).eigenvalue
            except ConvergenceError as error:
                last = error
        raise last

    def at_ridge(self, ridge: float) -> State:
        """Solve the equations at a positive ridge."""
        point = self.untrained.at_ridge(ridge)
        start = (
            np.full(self.grid.q.size, 1.0 / point.kappa),
            np.full(self.grid.law.nodes.size, point.kappa * point.g),
        )
        return self.equations.solve(np.asarray(ridge), start, positive=True)

    def functional(self, state: State) -> float:
        """``T``, the quadratic form of the labels in the resolvent."""
        labels, weights = self.grid.labels, self.grid.q_weights
        energy = labels.mean**2 + labels.linear**2 + labels.rest
        source = self.finite_rank.source(state.resolvent, labels.mean, self.extra_labels)
        explained = source @ self.finite_rank.response(state, source)
        return float(weights @ (state.resolvent * energy) - explained)

    def functional_slope(self, state: State, direction: Array) -> float:
        """Derivative of ``T`` when the ridge profile moves along `direction`."""
        labels, finite = self.grid.labels, self.finite_rank
        tangent = self.equations.tangent(state, direction)
        energy = labels.mean**2 + labels.linear**2 + labels.rest
        response = finite.response(state, finite.source(state.resolvent, labels.mean, self.extra_labels))
        explained = 2.0 * finite.source(tangent[0], labels.mean, self.extra_labels) @ response
        explained -= finite.slope(state, tangent, response)
        return float(self.grid.q_weights @ (tangent[0] * energy) - explained)

    def losses(self) -> Losses:
        """Losses at the ridge of the setting: value and two derivatives of ``T``.

        Raises
        ------
        ConvergenceError
            If they are not in their order.
        """
        ridge, state = self.setting.ridge, self.state
        slope = self.functional_slope(state, np.ones_like(state.resolvent))
        test = -self.functional_slope(state, state.resolvent**-2)
        if self.given is not None and self.given.q is not None:
            test += self.own_error(self._fresh_grid()) - self.own_error(self.grid)
        losses = Losses(objective=ridge * self.functional(state), train=-(ridge**2) * slope, test=test)
        return ordered(losses, self.setting.label_energy)

    def _fresh_grid(self) -> LatentGrid:
        """Latent functions of a fresh sample, with the realised neurons."""
        fresh = latent_grid(self.setting, self.latent, finite=True)
        return latent_grid(self.setting, self.latent, law=self.grid.law, q_rule=(fresh.q, fresh.q_weights))

    def own_error(self, grid: LatentGrid) -> float:
        """Squared error on the samples of `grid` of what the latent variables predict.

        The derivative that gives the test loss counts it for the samples that were trained on, left out one
        at a time. When these are given, those of fresh samples take their place.
        """
        trained, state = self.grid.labels, self.state
        finite, labels = self.finite_rank, grid.labels
        response = finite.response(state, finite.source(state.resolvent, trained.mean, self.extra_labels))
        functions, extras = self._functions(grid)
        latent_part, linear_part = response @ functions, response @ extras[0]
        error = (labels.mean - latent_part) ** 2 + (labels.linear - linear_part) ** 2 + labels.rest
        return float(grid.q_weights @ error)


def neglected(solution: Uniform) -> float | None:
    """Relative size of what the theory leaves out of the losses.

    Three parts: what docs/theory.md section 4.1 changes, times ``theta``, for its next order; what the
    spread of the incoherent part of the gradient would change; and the share ``2 n_ridge / d^2`` of a part of
    degree two that so many samples learn in so few dimensions. Not a proved bound: the tests hold it
    against simulations. None for features other than ``"corrected"``, which leave out more.
    """
    if solution.features != "corrected":
        return None
    setting = solution.setting
    second = setting.activation_expansion.coefficients[2] * setting.target_expansion.coefficients[2]
    few = min(1.0, 2.0 * setting.n_ridge / setting.d**2) if abs(second) > 1e-12 else 0.0
    if solution.latent.inflation == 0.0:
        return few
    objective = {}
    for features in ("isotropic", solution.features, "spread"):
        other = Uniform(solution.setting, features, solution.given)
        for name in ("latent", "grid", "untrained"):
            other.__dict__[name] = getattr(solution, name)
        objective[features] = other.functional(other.state)
    own = objective[solution.features]
    next_order = setting.theta * abs(objective["isotropic"] / own - 1.0)
    return float(few + next_order + abs(objective["spread"] / own - 1.0))
