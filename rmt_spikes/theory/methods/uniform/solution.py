"""The theory for every step size: bulk, spikes and losses from one resolvent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.bulk.outliers import Outliers
from rmt_spikes.theory.bulk.weights import Weights
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.latent import Latent, LatentGrid, latent, latent_grid, readout_rule
from rmt_spikes.theory.methods.base import Method, leading_sign, spike_of
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.uniform import vectors
from rmt_spikes.theory.methods.uniform.appearance.steps import Appearance
from rmt_spikes.theory.methods.uniform.blocks import Blocks, LevelBlocks, PencilBlocks
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State, from_untrained, solved
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank
from rmt_spikes.theory.methods.uniform.layer.weights import trained_weights
from rmt_spikes.theory.methods.uniform.norms.losses import DrawnLosses, blended, drawn_losses
from rmt_spikes.theory.methods.uniform.norms.problem import bulk_problem, loss_problem
from rmt_spikes.theory.methods.uniform.norms.share import share_of_norms
from rmt_spikes.theory.methods.uniform.outliers import UpperSpectrum
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.poles.zeros import Pole
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.methods.uniform.scores.signs import Scores
from rmt_spikes.theory.methods.uniform.spectrum import Spectrum, warn_of_linear_norms
from rmt_spikes.theory.population.coverage import is_plain, require_plain, without_pencil
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.population.levels import levels_of
from rmt_spikes.theory.quadrature_rules import ReadoutLaw
from rmt_spikes.theory.results import Certificate, Losses, Spike, ordered
from rmt_spikes.theory.ridgeless import positive_ridge

Array = NDArray[np.float64]

LEARNT = 0.01
"""Squared norm of the functions of ``q`` below which a pole belongs to single samples."""


@final
@dataclass(frozen=True, eq=False)
class Uniform(Method):
    """The method for every step size: everything is read off one resolvent.

    Parameters
    ----------
    rows
        How the covariance of trained rows is treated; by default as the features say.
    terms
        Terms of order ``1/d`` that the pencil keeps, by default as the features say.
    variables, functions
        Latent variables and latent functions to take instead of those of the setting.
    """

    name: ClassVar[str] = "uniform"
    rows: Rows | None = None
    terms: Terms | None = None
    variables: Latent | None = field(default=None, repr=False)
    functions: LatentGrid | None = field(default=None, repr=False)

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what no method covers, and what only the pencil does where there is none."""
        super().refuse_what_is_not_covered()
        if self.treatment is not Rows.PENCIL:
            require_plain(self.setting, *without_pencil(self.setting, self.features))

    @cached_property
    def latent(self) -> Latent:
        """Latent variables."""
        return latent(self.setting, self.features, self.given) if self.variables is None else self.variables

    @property
    def _rule(self) -> ReadoutLaw:
        """Readout nodes."""
        if self.functions is not None:
            return self.functions.law
        return readout_rule(self.setting, finite=True, given=self.given)

    @cached_property
    def _whole(self) -> Blocks:
        """Description of the trained rows, on all readout nodes."""
        if self.treatment is Rows.PENCIL:
            return PencilBlocks(self.setting, self.latent, self._rule, self.kept)
        return LevelBlocks(self.setting, self.latent, self._rule, self.treatment)

    @cached_property
    def blocks(self) -> Blocks:
        """The same with as few nodes of a pencil as lose nothing that shows, at a rough coupling."""
        blocks = self._whole
        if not isinstance(blocks, PencilBlocks):
            return blocks
        point = self.untrained.at_ridge(positive_ridge(self.setting))
        return blocks.with_few_nodes(self._own_grid, (point.kappa, point.g), self.latent.inflation)

    @cached_property
    def reduced(self) -> Problem:
        """Equations with as few nodes of the pencil as lose nothing at a rough coupling."""
        return Problem(self.setting, self.latent, self.blocks, self._own_grid)

    @cached_property
    def solution(self) -> tuple[Problem, State]:
        """Equations that the losses are read off, and their state.

        All samples of the first batch are in the bulk. Where a pencil of few nodes has no solution, as for
        neurons with far larger readout weights than the rest, it is that of all nodes.
        """
        problem, ridge = self.reduced, positive_ridge(self.setting)
        with suppress(ConvergenceError):
            return problem, from_untrained(problem.equations, self.untrained, ridge)
        if isinstance(self.blocks, PencilBlocks) and self.blocks.pencil.reduced:
            problem = replace(problem, blocks=self._whole)
        return problem, solved(problem.equations, self.untrained, ridge)

    @property
    def problem(self) -> Problem:
        """Equations that the losses are read off."""
        return self.solution[0]

    @property
    def grid(self) -> LatentGrid:
        """Latent functions under the distributions of ``width`` neurons and ``n_ridge`` samples."""
        return self.reduced.grid

    @property
    def equations(self) -> FixedPoint:
        """Equations that the losses are read off."""
        return self.problem.equations

    @property
    def finite_rank(self) -> FiniteRank:
        """Finite-rank part that the losses are read off."""
        return self.problem.finite_rank

    @cached_property
    def _own_grid(self) -> LatentGrid:
        return self.functions if self.functions is not None else self._grid(self._whole)

    def _grid(self, blocks: Blocks) -> LatentGrid:
        given, tau = self.given, blocks.tau
        return latent_grid(self.setting, self.latent, finite=True, given=given, law=blocks.law, tau=tau)

    @property
    def treatment(self) -> Rows:
        """How the covariance of trained rows is treated."""
        rows = self.features.rows if self.rows is None else self.rows
        # The initial output of the standard scale has not been worked out beyond the first orders.
        standard = self.setting.output_scale == "standard"
        return Rows.LEVELS if rows is Rows.PENCIL and standard else rows

    @property
    def kept(self) -> Terms:
        """Terms of order ``1/d`` that are kept."""
        return self.terms or Terms(**dict.fromkeys(self.features.dropped, False))

    @cached_property
    def labels(self) -> Array:
        """Components of the labels along the sample variables, shape ``(n_variables, n_q)``."""
        return self.blocks.labels(self.grid.labels)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Bulk, its edges and the values of single samples."""
        blocks, norms = self._whole, None
        if isinstance(blocks, PencilBlocks) and self._keeps_norms:
            norms = bulk_problem(blocks, self._own_grid, self.untrained, self.given)
        return Spectrum(self.reduced, self.untrained, self._on_nodes, norms, self.given)

    def continue_from(self, other: Self) -> None:  # noqa: D102
        self.spectrum.continue_from(other.__dict__.get("spectrum"))

    def _on_nodes(self, count: int) -> Problem | None:
        """The problem on a number of readout nodes; None where these are its own."""
        blocks = self.blocks
        assert isinstance(blocks, PencilBlocks)
        law = readout_rule(self.setting, count, finite=True, given=self.given)
        if self.functions is not None or law.nodes.size == blocks.law.nodes.size == blocks.pencil.nodes:
            return None
        few = PencilBlocks(self.setting, self.latent, law, self.kept)
        return Problem(self.setting, self.latent, few, self._grid(few))

    @property
    def upper(self) -> UpperSpectrum:
        """Upper edge and poles."""
        return self.spectrum.upper

    def upper_edge(self) -> tuple[float, float]:
        """Upper edge of the bulk, and the width of the fluctuations of the largest singular value there."""
        return self.spectrum.upper_edge

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values."""
        return self.spectrum.bulk

    def outliers(self) -> Outliers:
        """Values that single samples make beyond the bulk."""
        return self.spectrum.outliers

    def weights(self) -> Weights:
        """Spectrum of the trained first layer."""
        return trained_weights(self.setting, self.latent, self.features, self.given)

    @cached_property
    def untrained(self) -> BulkEquivalent:
        """Bulk without a step, which serves as a first guess."""
        return BulkEquivalent.of(self.setting)

    @cached_property
    def state(self) -> State:
        """Solution at the ridge of the setting."""
        return self.solution[1]

    def at_ridge(self, ridge: float) -> State:
        """Solve the equations at a positive ridge."""
        return solved(self.equations, self.untrained, ridge)

    def functional(self, state: State) -> float:
        """``T``, the quadratic form of the labels in the resolvent."""
        source = self.finite_rank.source(state.resolvent, self.labels)
        total = (self.grid.q_weights * self.grid.labels.energy) @ state.resolvent
        return float(total - source @ self.finite_rank.response(state, source))

    def functional_slope(self, state: State, direction: Array) -> float:
        """Derivative of ``T`` when the ridge profile moves along `direction`."""
        finite, tangent = self.finite_rank, self.equations.tangent(state, direction)
        known = finite.response(state, finite.source(state.resolvent, self.labels))
        slope = (self.grid.q_weights * self.grid.labels.energy) @ tangent[0]
        slope -= 2.0 * known @ finite.source(tangent[0], self.labels)
        return float(slope + finite.form_slope(state, tangent, known))

    def losses(self) -> Losses[float]:
        """Losses at the ridge of the setting: value and two derivatives of ``T``.

        Raises
        ------
        ConvergenceError
            If they are not in their order.
        """
        share = self.share_of_norms
        mixed = self.norm_losses.losses if share == 1.0 else self._first_losses()
        if 0.0 < share < 1.0:
            mixed = blended(mixed, self.norm_losses.losses, share)
        return self._with_sign_error(ordered(mixed, labels_of(self.setting).energy))

    def _with_sign_error(self, losses: Losses[float]) -> Losses[float]:
        """Losses with classification errors, for fresh samples of labels that are signs."""
        own = self.given is not None and self.given.q is not None
        if own or self.treatment is not Rows.PENCIL or not labels_of(self.setting).are_signs:
            return losses
        scores = Scores(self.problem, self.state, self.latent, self.labels)
        return replace(losses, sign_error=scores.sign_error(self.functional_slope, losses.test))

    @cached_property
    def share_of_norms(self) -> float:
        """Share of the losses that is computed with norms as latent variables.

        Warns
        -----
        AccuracyWarning
            If their equations have no solution on a few nodes, and norms are linearised.
        """
        share = share_of_norms(self.setting) if self._keeps_norms and is_plain(self.setting) else 0.0
        if share > 0.0:
            try:
                ordered(self.norm_losses.losses, labels_of(self.setting).energy)
            except ConvergenceError as error:
                warn_of_linear_norms(self.setting, error)
                return 0.0
        return share

    @property
    def _keeps_norms(self) -> bool:
        """Whether norms may be latent variables.

        A given second batch has norms of its own. Without the channel of degree two norms are noise. A
        covariance was not worked out, nor several directions in the losses.
        """
        known = self.variables is not None or self.functions is not None
        known = known or (self.given is not None and self.given.q is not None)
        kept = self.treatment is Rows.PENCIL and self.kept.latent_norms and self.kept.degree_two
        return kept and not known and levels_of(self.setting).isotropic

    @cached_property
    def norm_losses(self) -> DrawnLosses:
        """Losses with norms as latent variables."""
        assert isinstance(self._whole, PencilBlocks)
        problem = loss_problem(self._whole, self._own_grid, self.untrained, self.given)
        return drawn_losses(problem, self.untrained)

    def _first_losses(self) -> Losses[float]:
        ridge, state = positive_ridge(self.setting), self.state
        slope = self.functional_slope(state, np.full(state.resolvent.size, ridge))
        test = -self.functional_slope(state, state.resolvent**-2)
        if self.given is not None and self.given.q is not None:
            test += self.own_error(self._fresh_grid()) - self.own_error(self.grid)
        return Losses(objective=ridge * self.functional(state), train=-ridge * slope, test=test)

    def _fresh_grid(self) -> LatentGrid:
        """Latent functions of a fresh sample, with the realised neurons."""
        return latent_grid(self.setting, self.latent, finite=True, law=self.grid.law, tau=self.blocks.tau)

    def own_error(self, grid: LatentGrid) -> float:
        """Squared error on the samples of `grid` of what the latent variables predict.

        The derivative that gives the test loss counts it for the samples that were trained on, left out one
        at a time. When these are given, those of fresh samples take their place.
        """
        finite, labels = self.finite_rank, self.blocks.labels(grid.labels)
        response = finite.response(self.state, finite.source(self.state.resolvent, self.labels))
        error = (labels - response @ self.blocks.functions(grid)) ** 2
        rest = grid.labels.energy - np.sum(labels**2, axis=0)
        return float(grid.q_weights @ (np.sum(error, axis=0) + rest))

    def spikes(self) -> tuple[Spike[float], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        of, spikes = self.spectrum.separated.problem, []
        for k, pole in enumerate(self.spectrum.poles):
            spikes.append(spike_of(self, k, pole.point.eigenvalue, *vectors.carried(of, pole, self.given)))
        return tuple(spike for spike in spikes if spike.distance > 1.0 and np.sum(spike.feature**2) > LEARNT)

    def spike_count(self) -> int:  # noqa: D102
        found = self.spectrum.count(LEARNT)
        return super().spike_count() if found is None else found

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index` at latent variables `q` of samples (any shape)."""
        return self._signed(index, vectors.left_profile, q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index` at readout weights `alpha` of neurons (any shape)."""
        return self._signed(index, vectors.right_profile, alpha)

    def _signed(self, index: int, function: Callable[[Problem, Pole, Array], Array], x: Array) -> Array:
        problem, pole = self.spectrum.separated.problem, self.upper.poles[index]
        values = function(problem, pole, x.ravel()).reshape(x.shape)
        return np.asarray(leading_sign(vectors.hermite_feature(problem, pole)) * values)

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes at which the first `count` spikes appear; ``inf`` where none does up to `largest`."""
        return np.array(list(map(self._appearance(largest).crossing, range(count))))

    def critical_step_size(self, index: int) -> float:
        """Step size up to that of the setting at which spike `index` (from 0) appears."""
        return self._own_appearance.crossing(index)

    @cached_property
    def _own_appearance(self) -> Appearance:
        return self._appearance(self.setting.step)

    def _appearance(self, largest: float) -> Appearance:
        closed = ClosedForm(self.setting, self.features, self.given)
        return Appearance(self._spectrum_of, self._spectrum_at, closed, largest)

    def _spectrum_of(self, step: float) -> Spectrum:
        return self._at_step(step).spectrum

    def _at_step(self, step: float) -> Self:
        return self.with_setting(self.setting.replace(step_size=step))

    def _spectrum_at(self, step: float, rank: int | None) -> Spectrum:
        """Spectrum at a step size on a known number of nodes of the pencil."""
        moved = self._at_step(step)
        assert isinstance(moved._whole, PencilBlocks)
        problem = Problem(moved.setting, moved.latent, moved._whole.with_rank(rank), moved._own_grid)
        return Spectrum(problem, moved.untrained, moved._on_nodes, given=self.given)

    def with_setting(self, setting: Setting) -> Self:
        """The same method for another setting."""
        return replace(self, setting=setting, variables=None, functions=None)

    def evidence(self, part: str) -> Certificate:
        """Certificate of one part: residuals of the states that it is read off."""
        if part == "losses":
            share = self.share_of_norms
            residuals = [self.norm_losses.residual] if share else []
            residuals += [self.state.residual] if share < 1.0 else []
            return Certificate(residual=max(residuals))
        if part == "spikes":
            states = [self.upper.edge.state, *(pole.point.state for pole in self.upper.poles)]
            return Certificate(residual=max(state.residual for state in states))
        return self.spectrum.certificate
