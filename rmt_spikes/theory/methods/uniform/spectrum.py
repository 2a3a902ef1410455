"""The spectrum of the features: its bulk, the values of single samples and the curve of the spikes."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError, warn_of_accuracy
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk, edge_scale
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.bulk.interval import MASS_ERROR
from rmt_spikes.theory.bulk.outliers import Draws, Outliers, outliers_of
from rmt_spikes.theory.latent import residual_moments
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.density.edges import End, edge_of, lower_edge, upper_edge
from rmt_spikes.theory.methods.uniform.density.missing import place_of_missing
from rmt_spikes.theory.methods.uniform.density.nodes import DENSITY_NODES, readout_nodes
from rmt_spikes.theory.methods.uniform.density.states import CutStates
from rmt_spikes.theory.methods.uniform.density.support import BranchCut
from rmt_spikes.theory.methods.uniform.density.whole import bulk_on
from rmt_spikes.theory.methods.uniform.draws.values import drawn_values
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, solved
from rmt_spikes.theory.methods.uniform.norms.problem import NormProblem
from rmt_spikes.theory.methods.uniform.outliers import Descent, UpperSpectrum
from rmt_spikes.theory.methods.uniform.pencil.batch import ResidualLaw
from rmt_spikes.theory.methods.uniform.pencil.samples import (
    LEVELS,
    Samples,
    drawn_residuals,
    middle_quantiles,
    sorted_samples,
)
from rmt_spikes.theory.methods.uniform.poles.zeros import Pole
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.methods.uniform.samples import Separated, scatter, separate
from rmt_spikes.theory.methods.uniform.vectors import hermite_feature
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.population.levels import levels_of
from rmt_spikes.theory.realisation import Realisation, first_batch_of
from rmt_spikes.theory.results import EDGE_TOLERANCE, Certificate

Array = NDArray[np.float64]

SPECTRUM = (4, 8, 6)
"""Most nodes of the pencil of spectra, by its blocks: edges and places move by less than 4e-4 with more."""

DETACHED = 1.02
"""Ratio of two edges of the bulk from which a level of the samples is taken to have left it."""

ACCEPTED = 1e-5
"""Error of the mass of a bulk with norms as latent variables that is taken: what a certificate allows."""

NEAR, OTHER_NODES = 1.3, 18
"""Ratio to the edge below which a pole must be there on another number of readout nodes, and that number."""

SURELY = 2.0
"""Ratio to the least norm of the functions of ``q`` from which a pole is a spike before it is found."""

SAME_EDGE = 1e-9
"""Relative distance of upper edges, as eigenvalues, that are the same: they are found to 1e-11."""

START_OF_LAYERS = (0.1, 0.01)
"""Shares that are tried first of a population: its couplings are large next to zero."""

START_SHARES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-11)
"""Ridges from which the lowest edge is looked for, as shares of the edge without a step; a step may bring it
far down."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrum of a problem.

    Parameters
    ----------
    problem
        The problem with all samples of the first batch in the bulk.
    untrained
        Bulk without a step, which serves as a first guess.
    on_nodes
        The same problem on a number of readout nodes; None where these are its own.
    norms
        The problem with norms as latent variables; None where they are linearised.
    given
        Realised latent variables.
    """

    problem: Problem
    untrained: BulkEquivalent
    on_nodes: Callable[[int], Problem | None]
    norms: NormProblem | None = None
    given: Realisation | None = None
    _similar: list[Separated] = field(default_factory=list, init=False, repr=False)

    def continue_from(self, other: Spectrum | None) -> None:
        """Start from the spectrum of a setting that differs little, if that is known."""
        if other is not None and "separated" in other.__dict__:
            self._similar[:] = [other.separated]

    @cached_property
    def separated(self) -> Separated:
        """The bulk without the samples that make a value of their own."""
        return self.separated_like(self._similar[0] if self._similar else None)

    def separated_like(self, similar: Separated | None) -> Separated:
        """The bulk without these samples, from that of a problem that differs little."""
        problem, blocks = self.problem, self.problem.blocks
        if isinstance(blocks, PencilBlocks):
            rank = min(blocks.pencil.nodes, SPECTRUM[blocks.pencil.blocks])
            if rank < blocks.pencil.nodes:
                problem = replace(problem, blocks=blocks.with_rank(rank))
        # Functions are the same on all nodes of the pencil.
        finite, grid = self.problem.finite_rank, problem.grid
        sizes = np.outer(finite.scales, grid.law.weights).ravel()
        top = float(np.sum(sizes @ (finite.functions**2 @ grid.q_weights).T))
        top += self.untrained.upper_edge
        if not isinstance(blocks, PencilBlocks) or problem.setting.theta == 0.0:
            return Separated(problem, Descent.of(problem, top))
        if similar is not None and not _alike(problem, similar.problem):
            similar = None
        return separate(problem, self.samples, top, similar)

    @cached_property
    def samples(self) -> Samples:
        """Samples of the first batch that is given, or of a typical one."""
        setting, blocks = self.problem.setting, self.problem.blocks
        assert isinstance(blocks, PencilBlocks)
        if (given := first_batch_of(self.given)) is not None:
            r, u = given
            return sorted_samples(blocks.special.batch, r, labels_of(setting).frame.T @ u)
        typical = middle_quantiles(labels_of(setting), self._offset, setting.n)
        return sorted_samples(blocks.special.batch, *typical)

    @property
    def _offset(self) -> float:
        """Mean of the labels less that of the residuals."""
        setting = self.problem.setting
        return labels_of(setting).mean - residual_moments(setting)[0]

    @cached_property
    def outliers(self) -> Outliers:
        """Values that single samples make beyond the bulk."""
        separated, blocks = self.separated, self.problem.blocks
        width, places = self.problem.setting.width, np.sqrt([each.eigenvalue for each in separated.points])
        if not isinstance(blocks, PencilBlocks) or self.problem.setting.theta == 0.0:
            return outliers_of(places, places, self.bulk, width)
        samples: NDArray[np.int64] | None = None
        draws: Draws = ()
        if first_batch_of(self.given) is None:
            residuals = drawn_residuals(self.problem.setting, blocks.special.batch, self._offset)
            draws = drawn_values(separated, residuals) if residuals else ()
        else:
            samples = self.samples.index[list(separated.makers)]
        return outliers_of(places, scatter(separated, self.samples), self.bulk, width, samples, draws)

    @property
    def upper(self) -> UpperSpectrum:
        """Upper edge and poles."""
        return self.separated.upper

    @cached_property
    def poles(self) -> tuple[Pole, ...]:
        """Poles above the edge, largest first.

        With a covariance of the inputs, those next to the edge come and go with the nodes of a Gaussian
        readout: only those count that stand clear of the edge on others too.
        """
        poles, edge = self.upper.poles, self.upper_edge[0]
        far = sum(pole.point.eigenvalue > (NEAR * edge) ** 2 for pole in poles)
        if far == len(poles) or levels_of(self.problem.setting).isotropic:
            return poles
        other = self.on_nodes(OTHER_NODES)
        if other is None:
            return poles
        found = Spectrum(other, self.untrained, self.on_nodes, given=self.given)
        least = sum(found.upper_edge) ** 2
        return poles[: max(far, sum(pole.point.eigenvalue > least for pole in found.upper.poles))]

    def count(self, learnt: float) -> int | None:
        """Number of spikes, without finding them; None where that is in doubt.

        The norm of the functions of ``q`` of a spike must be above `learnt`: next to the edge it is smaller
        than at the spike itself.
        """
        setting = self.problem.setting
        if "poles" in self.__dict__ or not levels_of(setting).isotropic:
            return None
        try:
            poles = self.separated.clear_poles(setting.width)
        except ConvergenceError:
            return None
        features = [hermite_feature(self.separated.problem, pole) for pole in poles or ()]
        known = poles is not None and all(np.sum(feature**2) > SURELY * learnt for feature in features)
        return len(features) if known else None

    @cached_property
    def upper_edge(self) -> tuple[float, float]:
        """Upper edge of the bulk, and the width of the fluctuations there: from the curve that ends in it."""
        scale = edge_scale(self.upper.amplitude, self.problem.setting.width)
        return math.sqrt(self.upper.edge.eigenvalue), scale

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values.

        Warns
        -----
        AccuracyWarning
            If the equations with norms as latent variables have no solution, and norms are linearised.
        """
        return self._inside[0]

    @property
    def certificate(self) -> Certificate:
        """Evidence that the bulk was solved."""
        bulk = self.bulk
        squares = bulk.edges**2
        lower, higher = squares[squares[:, 0] > 0.0, 0], squares[:, 1]
        inside = [lower * (1.0 + EDGE_TOLERANCE), squares.mean(axis=1), higher * (1.0 - EDGE_TOLERANCE)]
        mass, places = bulk.mass, np.sort(np.concatenate(inside))
        values = self.cut.imaginary(places)
        return Certificate(
            mass=mass,
            residual=self.cut.residual(places),
            imaginary_part=float(values.min() / np.pi),
            edge_error=EDGE_TOLERANCE,
        )

    @property
    def cut(self) -> BranchCut:
        """Resolvent inside the bulk."""
        return self._inside[1]

    @cached_property
    def _inside(self) -> tuple[Bulk, BranchCut]:
        if self.norms is not None:
            try:
                found = self._bulk_of(*self._with_norms(self.norms))
                if abs(found[0].mass - 1.0) < ACCEPTED:
                    return found
                error = ConvergenceError(f"the bulk has mass {found[0].mass:.9g}", residual=found[0].mass)
            except ConvergenceError as failed:
                error = failed
            warn_of_linear_norms(self.problem.setting, error)
        return self._bulk_of(*self._with_linear_norms)

    @property
    def lost_coupling(self) -> float:
        """What the readout nodes of the density leave out of the coupling beyond what they may."""
        blocks, norms = self.problem.blocks, self.norms
        if not isinstance(blocks, PencilBlocks):
            return 0.0
        tried = DENSITY_NODES[norms.nodes.component if norms else 1]
        return readout_nodes(blocks, self.problem.grid, self.untrained, tried)[1]

    def _bulk_of(self, equations: FixedPoint, high: End) -> tuple[Bulk, BranchCut]:
        """Bulk of equations whose upper edge is known.

        The whole mass is known: where it is off, the lowest edge next to that without a step was not the
        lowest one, and no band is taken to have converged by chance.
        """
        low, rank, full = End(0.0), self.untrained.rank, 1.0 - 1e-12
        if not self.untrained.reaches_zero:
            signs = (-1.0 if rank * equations.ratio < full else 1.0, 1.0 if rank < full else -1.0)
            low = End(float(self.untrained.edges[0, 0]))
            if not self._stays(high.at):
                with suppress(ConvergenceError):
                    low = lower_edge(equations, signs, self.untrained)
                    found = self._bulk_between(equations, low, high)
                    if abs(found[0].mass - 1.0) < MASS_ERROR:
                        return found
                low = self._lower_edge(equations, signs)
        return self._bulk_between(equations, low, high)

    def _bulk_between(self, equations: FixedPoint, low: End, high: End) -> tuple[Bulk, BranchCut]:
        """Bulk between its outer edges; a narrow band that went unseen is looked for by its mass."""
        found = bulk_on(CutStates(equations), low, high, self.untrained)
        if found[0].mass < 1.0 - MASS_ERROR and equations.ratio > 0.0:
            with suppress(ConvergenceError):  # the certificate then judges the mass
                place, states = place_of_missing(found[0], found[1].states), CutStates(equations)
                if low.at < place < high.at and states.physical(states.at(place)):
                    return bulk_on(states, low, high, self.untrained)
        return found

    def _with_norms(self, norms: NormProblem) -> tuple[FixedPoint, End]:
        """Equations with norms as latent variables, and the upper edge of their spectrum.

        All directions are in the bulk: those that make a spike are among the ``width`` singular values. To
        order ``1/d`` this count is chosen, not derived (docs/theory.md section 10).
        """
        if self.problem.setting.theta == 0.0:
            equations = norms.equations(0)
            return equations, upper_edge(equations, self.upper)
        return self._lowest(lambda rest: norms.equations(0, rest))

    @property
    def _with_linear_norms(self) -> tuple[FixedPoint, End]:
        """Equations that the density is read off, and the upper edge of its spectrum.

        A pencil on all of a few nodes, which keeps the resolvent in its half-plane; one with fewer nodes than
        the readout weights may leave it.
        """
        problem, blocks = self.separated.problem, self.separated.problem.blocks
        few = None
        if isinstance(blocks, PencilBlocks):
            few = self.on_nodes(readout_nodes(blocks, problem.grid, self.untrained, DENSITY_NODES[1])[0])
        if few is None:
            upper = self.upper
            return problem.equations, End.of(upper.curve, upper.edge, upper.descent.bend)
        if self.problem.setting.theta == 0.0:
            return few.equations, upper_edge(few.equations, self.upper)
        basis = few.blocks
        assert isinstance(basis, PencilBlocks)
        return self._lowest(lambda rest: replace(few, blocks=basis.with_rest(rest)).equations)

    def _lowest(self, equations_of: Callable[[ResidualLaw], FixedPoint]) -> tuple[FixedPoint, End]:
        """Equations by the samples in the bulk, and the lowest edge for some numbers of levels of these.

        A level that has left the bulk makes an edge of its own above that of the bulk.
        """
        found, known = [], self.upper.edge.eigenvalue
        for levels in (LEVELS, LEVELS - 1, LEVELS + 1):
            equations = equations_of(self.samples.rest(self.separated.removed, levels))
            found.append((equations, upper_edge(equations, self.upper)))
            if found[-1][1].at < DETACHED**2 * known:
                break
        return min(found, key=lambda each: each[1].at)

    def _stays(self, high: float) -> bool:
        """Whether the bulk is that without a step: rows of a linear network grow along what is learnt alone.

        Where its features lack rank, `_lower_edge` has no solution to begin with: couplings are singular.
        """
        return self.untrained.tail == 0.0 and abs(high / self.untrained.edges[-1, 1] - 1.0) < SAME_EDGE

    def _lower_edge(self, equations: FixedPoint, signs: tuple[float, float]) -> End:
        """Lowest edge of a bulk that does not reach zero, which a step may have brought far down.

        It is followed upwards from a solution at a positive ridge that is small against it. Below the edge
        ``R`` has a pole at the origin, and changes sign there, when the features have more rows than their
        rank; ``omega`` has a zero there when they do not have more columns.
        """
        curve = RealCurve(equations, signs)
        first = () if equations.ratio > 0.0 else START_OF_LAYERS
        for share in (*first, *START_SHARES):
            ridge = share * float(self.untrained.edges[0, 0])
            try:
                state = solved(equations, self.untrained, ridge)
                start = curve.at_eigenvalue(ridge, state.resolvent, state.omega, 1.0, state.parts)
                return edge_of(curve, curve.follow(start))
            except ConvergenceError as error:
                last = error
        raise last


def _alike(problem: Problem, other: Problem) -> bool:
    """Whether states of one problem are of use in another: the same numbers of nodes."""
    pairs = zip(problem.equations.channels, other.equations.channels, strict=False)
    return (
        problem.equations.noise.shape == other.equations.noise.shape
        and len(problem.equations.channels) == len(other.equations.channels)
        and all(type(one) is type(two) for one, two in pairs)
        and _pencil_sizes(problem) == _pencil_sizes(other)
    )


def _pencil_sizes(problem: Problem) -> tuple[int, ...]:
    blocks = problem.blocks
    if not isinstance(blocks, PencilBlocks):
        return ()
    return blocks.pencil.nodes, blocks.pencil.blocks, blocks.special.batch.eigenvalues.size


def warn_of_linear_norms(setting: Setting, error: ConvergenceError) -> None:
    """Say that norms are linearised because their equations have no solution on a few nodes."""
    text = f"norms are linearised, which is less accurate in {setting.d} dimensions: {error}"
    warn_of_accuracy(text)
