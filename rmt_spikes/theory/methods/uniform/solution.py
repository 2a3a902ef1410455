"""The theory for every step size: bulk, spikes and losses from one resolvent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.latent import Latent, LatentGrid, latent, latent_grid
from rmt_spikes.theory.methods.base import Method, leading_sign, spike_of
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.thresholds import nearby_crossing
from rmt_spikes.theory.methods.uniform import vectors
from rmt_spikes.theory.methods.uniform.channels import Channel, Directions
from rmt_spikes.theory.methods.uniform.continuation import lower_edge
from rmt_spikes.theory.methods.uniform.density import BranchCut
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.levels import anisotropy, direction_levels
from rmt_spikes.theory.methods.uniform.outliers import Pole, UpperSpectrum, upper_spectrum
from rmt_spikes.theory.results import EDGE_TOLERANCE, Certificate, Losses, Spike, ordered

Array = NDArray[np.float64]

START_SHARES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Ridges from which the lowest edge is looked for, as shares of the edge without a step; a step may bring it
far down."""


@final
@dataclass(frozen=True, eq=False)
class Uniform(Method):
    """The method for every step size: everything is read off one resolvent.

    `rows` says how the covariance of trained rows is treated, by default as the features do; `variables` and
    `functions` are latent variables and functions to take instead of those of the setting.
    """

    name: ClassVar[str] = "uniform"
    rows: Rows | None = None
    variables: Latent | None = field(default=None, repr=False)
    functions: LatentGrid | None = field(default=None, repr=False)

    @cached_property
    def latent(self) -> Latent:
        """Latent variables."""
        return latent(self.setting, self.features, self.given) if self.variables is None else self.variables

    @cached_property
    def grid(self) -> LatentGrid:
        """Latent functions under the distributions of ``width`` neurons and ``n_ridge`` samples."""
        if self.functions is not None:
            return self.functions
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
            noise=noise,
            ratio=setting.ridge_ratio,
            channels=(Channel(grid.linear, setting.gamma, levels, weights),),
        )

    def anisotropy(self, alpha: Array) -> tuple[Array, Array]:
        """Standard deviations of trained rows along the levels of `anisotropy`, and weights of the levels."""
        return anisotropy(self.setting, self.latent, alpha, self.treatment)

    @property
    def treatment(self) -> Rows:
        """How the covariance of trained rows is treated."""
        return self.features.rows if self.rows is None else self.rows

    @cached_property
    def finite_rank(self) -> FiniteRank:
        """Finite-rank part of the features."""
        functions, extras = self._functions(self.grid)
        nodes, width = self.grid.law.nodes, self.setting.width
        coupling = np.outer(nodes, nodes) / width if self.setting.output_scale == "standard" else None
        levels, weights = direction_levels(self.setting, self.latent, nodes, self.treatment)
        directions = Directions(self.equations.channels[0], levels, weights)
        return FiniteRank(self.equations, functions, extras, width, (directions,), coupling)

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
        finite = self.finite_rank
        sizes = np.outer(finite.scales, self.grid.law.weights).ravel()
        latent_size = sizes @ (finite.functions**2 @ self.grid.q_weights)
        return upper_spectrum(self.equations, finite, latent_size + self.untrained.edges[-1, 1])

    @cached_property
    def cut(self) -> BranchCut:
        """Resolvent inside the bulk."""
        return BranchCut(self.equations)

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values."""
        high = self.upper.edge.eigenvalue
        low = 0.0
        if not self.untrained.reaches_zero:
            rows = self.untrained.rank * self.untrained.ratio < 1.0 - 1e-12
            columns = self.untrained.rank < 1.0 - 1e-12
            signs = (-1.0 if rows else 1.0, 1.0 if columns else -1.0)
            low = self._lower_edge(signs)
        untrained = self.untrained.edges.ravel()
        edges = np.sqrt(self.cut.support(low, high, 0.5 * (untrained[1:-1:2] + untrained[2::2])))
        return Bulk(
            edges=edges,
            atom_at_zero=self.untrained.atom_at_zero,
            density_inside=self.density_inside,
            direct=False,
        )

    def density_inside(self, x: Array) -> Array:
        """Density of singular values at points strictly inside the bulk, ascending, shape ``(n,)``."""
        values, _ = self.cut.resolvent(x**2)
        return np.asarray(2.0 * x * values.imag / (np.pi * self.setting.ridge_ratio))

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

    def losses(self) -> Losses[float]:
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

    def spikes(self) -> tuple[Spike[float], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        spikes = (
            spike_of(
                self,
                k,
                pole.point.eigenvalue,
                vectors.hermite_feature(self, pole),
                vectors.readout_feature(self, pole),
            )
            for k, pole in enumerate(self.upper.poles)
        )
        return tuple(spike for spike in spikes if spike.distance > 1.0)

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index` at latent variables `q` of samples (any shape)."""
        return self._signed(index, vectors.left_profile, q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index` at readout weights `alpha` of neurons (any shape)."""
        return self._signed(index, vectors.right_profile, alpha)

    def _signed(self, index: int, function: Callable[[Uniform, Pole, Array], Array], x: Array) -> Array:
        pole = self.upper.poles[index]
        values = function(self, pole, x.ravel()).reshape(x.shape)
        return np.asarray(leading_sign(vectors.hermite_feature(self, pole)) * values)

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes at which the first `count` spikes appear; ``inf`` where none does up to `largest`."""
        return np.array([self._threshold(k, largest) for k in range(count)])

    def critical_step_size(self, index: int) -> float:
        """Step size up to that of the setting at which spike `index` (from 0) appears."""
        return self._threshold(index, self.setting.step)

    def _threshold(self, index: int, largest: float) -> float:
        """Step size at which a spike appears; the closed form, exact for small steps, is the first guess."""
        guess = largest
        if self.setting.output_scale == "mean_field":
            closed = ClosedForm(self.setting, self.features, self.given)
            guess = float(closed.thresholds(index + 1, largest)[index])

        def excess(step: float) -> float:
            margins = self.with_setting(self.setting.replace(step_size=step)).upper.margins
            return -float(margins[index]) if index < margins.size else -1.0

        return nearby_crossing(excess, min(guess, largest), largest)

    def evidence(self, part: str) -> Certificate:
        """Certificate of one part: residuals of the states that it is read off."""
        if part == "losses":
            return Certificate(residual=self.state.residual)
        if part == "spikes":
            states = [self.upper.edge.state, *(pole.point.state for pole in self.upper.poles)]
            return Certificate(residual=max(state.residual for state in states))
        bulk = self.bulk
        squares = bulk.edges**2
        lower, higher = squares[squares[:, 0] > 0.0, 0], squares[:, 1]
        inside = [lower * (1.0 + EDGE_TOLERANCE), squares.mean(axis=1), higher * (1.0 - EDGE_TOLERANCE)]
        mass = bulk.mass
        values, residual = self.cut.resolvent(np.sort(np.concatenate(inside)))
        return Certificate(
            mass=mass,
            residual=residual,
            imaginary_part=float(values.imag.min() / np.pi),
            edge_error=EDGE_TOLERANCE,
        )

    def certificate(self) -> Certificate:
        """Certificate of all parts together, with the size of what the theory leaves out."""
        return replace(super().certificate(), neglected=self.neglected())

    def neglected(self) -> float | None:
        """Relative size of what the theory leaves out of the losses; None for features that leave out more.

        Three parts: what docs/theory.md section 4.1 changes, times ``theta``, for its next order; what the
        spread of the incoherent part of the gradient would change; and the share ``2 n_ridge / d^2`` of a
        part of degree two that so many samples learn in so few dimensions. Not a proved bound: the tests hold
        it against simulations.
        """
        if self.features.rows is not Rows.LEVELS:
            return None
        setting = self.setting
        second = setting.activation_expansion.coefficients[2] * setting.target_expansion.coefficients[2]
        few = min(1.0, 2.0 * setting.n_ridge / setting.d**2) if abs(second) > 1e-12 else 0.0
        if self.latent.inflation == 0.0:
            return few
        same = replace(self, variables=self.latent, functions=self.grid)
        others = [replace(same, rows=rows) for rows in Rows]
        isotropic, own, spread = (other.functional(other.state) for other in others)
        next_order = setting.theta * abs(isotropic / own - 1.0)
        return float(few + next_order + abs(spread / own - 1.0))
