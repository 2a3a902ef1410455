"""The theory for every step size: bulk, spikes and losses from one resolvent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.latent import Latent, LatentGrid, latent, latent_grid, readout_rule, residual_moments
from rmt_spikes.theory.methods.base import Method, leading_sign, spike_of
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.thresholds import modelled_crossing, nearby_crossing
from rmt_spikes.theory.methods.uniform import vectors
from rmt_spikes.theory.methods.uniform.blocks import Blocks, LevelBlocks, PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import lower_edge
from rmt_spikes.theory.methods.uniform.density import BranchCut
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State
from rmt_spikes.theory.methods.uniform.finite_rank import COMPLEX_STEP, FiniteRank
from rmt_spikes.theory.methods.uniform.outliers import Pole, UpperSpectrum, upper_edge, upper_spectrum
from rmt_spikes.theory.methods.uniform.pencil.levels import lost_coupling
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.methods.uniform.samples import (
    LEVELS,
    Samples,
    Separated,
    drawn_residuals,
    drawn_values,
    middle_quantiles,
    scatter,
    separate,
    sorted_samples,
)
from rmt_spikes.theory.realisation import first_batch_of
from rmt_spikes.theory.results import (
    EDGE_TOLERANCE,
    Certificate,
    Draws,
    Losses,
    Outliers,
    Spike,
    ordered,
    outliers_of,
)

Array = NDArray[np.float64]
Values = NDArray[Any]

RANKS, LOST = ((4,), (12, 16, 20), (6, 8, 10, 12, 16, 20)), (1.0, 5e-4, 0.07)
"""Numbers of nodes of the pencil that are tried, and the largest coupling that they may leave out, without a step,
with one block of the pencil and with two: losses then move by less than 7e-5 of themselves, and are as smooth in the
step size."""

SPECTRUM = 8
"""Most nodes of spectra of pencils of two blocks, whose cost grows like the sixth power."""

DENSITY_NODES = (8, 8, 8)
"""Readout nodes of the density without a step, with one block of the pencil and with two: edges move by less than 2e-4
with more."""

LEARNT = 0.01
"""Squared norm of the functions of ``q`` below which a pole belongs to single samples, not to the learnt direction."""

START_SHARES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Ridges from which the lowest edge is looked for, as shares of the edge without a step; a step may bring it
far down."""


@final
@dataclass(frozen=True, eq=False)
class Uniform(Method):
    """The method for every step size: everything is read off one resolvent.

    Parameters
    ----------
    rows
        How the covariance of trained rows is treated; by default as the features say.
    terms
        Terms of order ``1/d`` that the pencil keeps.
    variables, functions
        Latent variables and latent functions to take instead of those of the setting.
    """

    name: ClassVar[str] = "uniform"
    rows: Rows | None = None
    terms: Terms = field(default_factory=Terms)
    variables: Latent | None = field(default=None, repr=False)
    functions: LatentGrid | None = field(default=None, repr=False)

    @cached_property
    def latent(self) -> Latent:
        """Latent variables."""
        return latent(self.setting, self.features, self.given) if self.variables is None else self.variables

    @cached_property
    def blocks(self) -> Blocks:
        """Description of the trained rows, on the readout nodes."""
        law = readout_rule(self.setting, finite=True, given=self.given)
        if self.functions is not None:
            law = self.functions.law
        if self.treatment is Rows.PENCIL:
            return self._with_rank(PencilBlocks(self.setting, self.latent, law, self.terms))
        return LevelBlocks(self.setting, self.latent, law, self.treatment)

    def _with_rank(self, blocks: PencilBlocks) -> PencilBlocks:
        """Description with as few nodes of the pencil as lose nothing that shows, at a rough coupling."""
        point = self.untrained.at_ridge(self.setting.ridge)
        law, grid = blocks.law, self._grid(blocks)
        h = grid.linear / blocks.tau[:, None] * np.sqrt(point.kappa * point.g * law.weights)[:, None]
        k = self.setting.gamma / point.kappa * (h * grid.q_weights) @ h.T
        count = blocks.pencil.blocks
        for rank in RANKS[count]:
            if rank < law.nodes.size:
                other = blocks.with_rank(rank)
                if lost_coupling(other.pencil, k) < LOST[count]:
                    return other
        return blocks

    @cached_property
    def problem(self) -> Problem:
        """Equations with all samples of the first batch in the bulk, which the losses are read off."""
        grid = self.functions if self.functions is not None else self._grid(self.blocks)
        return Problem(self.setting, self.latent, self.blocks, grid)

    @property
    def grid(self) -> LatentGrid:
        """Latent functions under the distributions of ``width`` neurons and ``n_ridge`` samples."""
        return self.problem.grid

    @property
    def equations(self) -> FixedPoint:
        """Equations that the losses are read off."""
        return self.problem.equations

    @property
    def finite_rank(self) -> FiniteRank:
        """Finite-rank part that the losses are read off."""
        return self.problem.finite_rank

    def _grid(self, blocks: Blocks) -> LatentGrid:
        return latent_grid(
            self.setting, self.latent, finite=True, given=self.given, law=blocks.law, tau=blocks.tau
        )

    @property
    def treatment(self) -> Rows:
        """How the covariance of trained rows is treated."""
        rows = self.features.rows if self.rows is None else self.rows
        # The initial output of the standard scale has not been worked out beyond the first orders.
        standard = self.setting.output_scale == "standard"
        return Rows.LEVELS if rows is Rows.PENCIL and standard else rows

    @cached_property
    def labels(self) -> Array:
        """Components of the labels along the sample variables, shape ``(n_variables, n_q)``."""
        return self.blocks.labels(self.grid.labels)

    @cached_property
    def separated(self) -> Separated:
        """The bulk without the samples that make a value of their own."""
        problem = self.problem
        if isinstance(self.blocks, PencilBlocks) and self.blocks.pencil.blocks == 2:
            rank = min(self.blocks.pencil.nodes, SPECTRUM)
            problem = replace(problem, blocks=self.blocks.with_rank(rank))
        finite, grid = problem.finite_rank, problem.grid
        sizes = np.outer(finite.scales, grid.law.weights).ravel()
        top = float(np.sum(sizes @ (finite.functions**2 @ grid.q_weights).T)) + float(
            self.untrained.edges[-1, 1]
        )
        if not isinstance(self.blocks, PencilBlocks) or self.setting.theta == 0.0:
            return Separated(problem, upper_spectrum(problem.equations, finite, top))
        return separate(problem, self.samples, top)

    @cached_property
    def samples(self) -> Samples:
        """Samples of the first batch that is given, or of a typical one."""
        setting, blocks = self.setting, self.blocks
        assert isinstance(blocks, PencilBlocks)
        if (given := first_batch_of(self.given)) is not None:
            return sorted_samples(blocks.special.batch, *given)
        r, u = middle_quantiles(setting.target_function, setting.noise_std, self._offset, setting.n)
        return sorted_samples(blocks.special.batch, r, u)

    @property
    def _offset(self) -> float:
        """Mean of the labels less that of the residuals."""
        return float(self.setting.target_expansion.mean) - residual_moments(self.setting)[0]

    def outliers(self) -> Outliers:
        """Values that single samples make beyond the bulk."""
        separated, blocks = self.separated, self.blocks
        if not isinstance(blocks, PencilBlocks) or self.setting.theta == 0.0:
            return super().outliers()
        places = np.sqrt([point.eigenvalue for point in separated.points])
        samples: NDArray[np.int64] | None = None
        draws: Draws = ()
        if first_batch_of(self.given) is None:
            residuals = drawn_residuals(self.setting, blocks.special.batch, self._offset)
            draws = drawn_values(separated, residuals)
        else:
            samples = self.samples.index[list(separated.makers)]
        deviations = scatter(separated, self.samples)
        return outliers_of(places, deviations, self.bulk, self.setting.width, samples, draws)

    @cached_property
    def untrained(self) -> BulkEquivalent:
        """Bulk without a step, which serves as a first guess."""
        return BulkEquivalent.of(self.setting)

    @cached_property
    def state(self) -> State:
        """Solution at the ridge of the setting."""
        return self.at_ridge(self.setting.ridge)

    @property
    def upper(self) -> UpperSpectrum:
        """Upper edge and poles."""
        return self.separated.upper

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values."""
        problem, high = self.inside
        low, cut, ratio = 0.0, self.cut, self.setting.ridge_ratio
        if not self.untrained.reaches_zero:
            rows = self.untrained.rank * self.untrained.ratio < 1.0 - 1e-12
            columns = self.untrained.rank < 1.0 - 1e-12
            signs = (-1.0 if rows else 1.0, 1.0 if columns else -1.0)
            low = self._lower_edge(problem.equations, signs)
        untrained = self.untrained.edges.ravel()
        return Bulk(
            edges=np.sqrt(cut.support(low, high, 0.5 * (untrained[1:-1:2] + untrained[2::2]))),
            atom_at_zero=self.untrained.atom_at_zero,
            density_inside=partial(_density, cut, ratio),
            direct=False,
        )

    @cached_property
    def inside(self) -> tuple[Problem, float]:
        """Problem that the density is read off, and the upper edge of its spectrum, squared.

        A pencil on all of a few nodes, which keeps the resolvent in its half-plane; one with fewer nodes than the
        readout weights may leave it.
        """
        problem, blocks = self.separated.problem, self.separated.problem.blocks
        if not isinstance(blocks, PencilBlocks):
            return problem, self.upper.edge.eigenvalue
        count = DENSITY_NODES[blocks.pencil.blocks]
        law = readout_rule(self.setting, count, finite=True, given=self.given)
        if self.functions is not None or law.nodes.size == blocks.law.nodes.size == blocks.pencil.nodes:
            return problem, self.upper.edge.eigenvalue
        few = PencilBlocks(self.setting, self.latent, law, self.terms)
        grid, top = self._grid(few), self.upper.points[0].eigenvalue
        if self.setting.theta == 0.0:
            problem = Problem(self.setting, self.latent, few, grid)
            return problem, upper_edge(problem.equations, top)
        found = []
        for levels in (LEVELS, LEVELS - 1, LEVELS + 1):
            rest = few.with_rest(self.samples.rest(self.separated.makers, levels))
            problem = Problem(self.setting, self.latent, rest, grid)
            found.append((problem, upper_edge(problem.equations, top)))
        # A level that has left the bulk makes an edge of its own above that of the bulk.
        return min(found, key=itemgetter(1))

    @cached_property
    def cut(self) -> BranchCut:
        """Resolvent inside the bulk."""
        return BranchCut(self.inside[0].equations)

    def _lower_edge(self, equations: FixedPoint, signs: tuple[float, float]) -> float:
        """Lowest edge of a bulk that does not reach zero, which a step may have brought far down."""
        for share in START_SHARES:
            ridge = share * float(self.untrained.edges[0, 0])
            try:
                state = self._solve(equations, ridge)
                return lower_edge(equations, state, ridge, signs).eigenvalue
            except ConvergenceError as error:
                last = error
        raise last

    def at_ridge(self, ridge: float) -> State:
        """Solve the equations at a positive ridge."""
        return self._solve(self.equations, ridge)

    def _solve(self, equations: FixedPoint, ridge: float) -> State:
        point = self.untrained.at_ridge(ridge)
        start = (
            np.full(equations.q_weights.size, 1.0 / point.kappa),
            np.full(equations.a_weights.size, point.kappa * point.g),
        )
        return equations.solve(np.asarray(ridge), start, positive=True)

    def functional(self, state: State) -> Values:
        """``T``, the quadratic form of the labels in the resolvent."""
        labels = self.grid.labels
        energy = labels.mean**2 + labels.linear**2 + labels.rest
        source = self.finite_rank.source(state.resolvent, self.labels)
        explained = source @ self.finite_rank.response(state, source)
        return np.asarray(self.grid.q_weights @ (state.resolvent * energy) - explained)

    def functional_slope(self, state: State, direction: Array) -> float:
        """Derivative of ``T`` when the ridge profile moves along `direction`."""
        moved = self.finite_rank.moved(state, self.equations.tangent(state, direction))
        return float(self.functional(moved).imag / COMPLEX_STEP)

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
        losses = Losses(objective=ridge * float(self.functional(state)), train=-(ridge**2) * slope, test=test)
        return ordered(losses, self.setting.label_energy)

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
        rest = grid.labels.mean**2 + grid.labels.linear**2 + grid.labels.rest - np.sum(labels**2, axis=0)
        return float(grid.q_weights @ (np.sum(error, axis=0) + rest))

    def spikes(self) -> tuple[Spike[float], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        spikes = (
            spike_of(
                self,
                k,
                pole.point.eigenvalue,
                vectors.hermite_feature(self.separated.problem, pole),
                vectors.readout_feature(self.separated.problem, pole),
            )
            for k, pole in enumerate(self.upper.poles)
        )
        return tuple(spike for spike in spikes if spike.distance > 1.0 and np.sum(spike.alignment) > LEARNT)

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index` at latent variables `q` of samples (any shape)."""
        return self._signed(index, vectors.left_profile, q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index` at readout weights `alpha` of neurons (any shape)."""
        return self._signed(index, vectors.right_profile, alpha)

    def _signed(self, index: int, function: Callable[[Problem, Pole, Array], Array], x: Array) -> Array:
        pole = self.upper.poles[index]
        values = function(self.separated.problem, pole, x.ravel()).reshape(x.shape)
        return np.asarray(leading_sign(vectors.hermite_feature(self.separated.problem, pole)) * values)

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

        def excess(method: Uniform, step: float) -> float:
            margins = method.with_setting(self.setting.replace(step_size=step)).upper.margins
            return -float(margins[index]) if index < margins.size else -1.0

        own = partial(excess, self)
        if self.treatment is not Rows.PENCIL:
            return nearby_crossing(own, min(guess, largest), largest)
        cheap = replace(self, rows=Rows.LEVELS, variables=None, functions=None)
        return modelled_crossing(own, partial(excess, cheap), min(guess, largest), largest)

    def with_setting(self, setting: Setting) -> Self:
        """The same method for another setting."""
        return replace(self, setting=setting, variables=None, functions=None)

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
        if self.features.rows is not Rows.PENCIL:
            return None
        setting = self.setting
        second = setting.activation_expansion.coefficients[2] * setting.target_expansion.coefficients[2]
        few = min(1.0, 2.0 * setting.n_ridge / setting.d**2) if abs(second) > 1e-12 else 0.0
        if self.latent.inflation == 0.0:
            return few
        same = replace(self, variables=self.latent)
        others = [replace(same, rows=rows) for rows in (Rows.ISOTROPIC, Rows.LEVELS, Rows.SPREAD)]
        isotropic, own, spread = (float(other.functional(other.state)) for other in others)
        next_order = setting.theta * abs(isotropic / own - 1.0)
        return float(few + next_order + abs(spread / own - 1.0))


def _density(cut: BranchCut, ratio: float, x: Array) -> Array:
    """Density of singular values at points strictly inside the bulk, ascending, shape ``(n,)``."""
    values, _ = cut.resolvent(x**2)
    return np.asarray(2.0 * x * values.imag / (np.pi * ratio))
