"""The theory of one batch for the gradient step and the ridge regression, at every step size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar, cast, final

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError, warn_of_accuracy
from rmt_spikes.theory.bulk.distribution import Bulk, edge_scale
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.bulk.interval import mass_error
from rmt_spikes.theory.bulk.weights import Weights
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import Latent, latent
from rmt_spikes.theory.methods.base import Method, leading_sign, require_mean_field, spike_of
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.one_batch.equations import State
from rmt_spikes.theory.methods.one_batch.finite_rank import FiniteRank
from rmt_spikes.theory.methods.one_batch.problem import FINE, ROUGH, Kept, problem_of, spectral_problem
from rmt_spikes.theory.methods.one_batch.solver import COMPLEX_STEP, residual, shifted, solved
from rmt_spikes.theory.methods.one_batch.spectrum.density import Axis, error_of_whole, support
from rmt_spikes.theory.methods.one_batch.spectrum.levels import Levels
from rmt_spikes.theory.methods.one_batch.spectrum.poles import Pole, poles_above, strength_at
from rmt_spikes.theory.methods.one_batch.spectrum.resolvent import UpperEdge, upper_edge
from rmt_spikes.theory.methods.one_batch.tangents import Linearised
from rmt_spikes.theory.methods.ridges import FACTOR, solved_at
from rmt_spikes.theory.methods.thresholds import close_crossing
from rmt_spikes.theory.methods.uniform.layer.weights import trained_weights
from rmt_spikes.theory.population.coverage import require_plain
from rmt_spikes.theory.results import EDGE_TOLERANCE, Certificate, Losses, Spike, ordered
from rmt_spikes.theory.ridgeless import refuse_without_ridge

Array = NDArray[np.float64]

ABOVE = 64.0
"""Place above the spectrum that its edge is looked for from, in units of the edge without a step, at small
steps. Up to theta = 3 the edge itself is below ten units."""

BESIDE, PRECISION = 0.5, 1e-8
"""First step, in its logarithm, from where the spike of a fresh batch appears; and the relative error of the
step where that of the same batch does."""

LARGE = 10.0
"""First ridge on the way down to one that is not solved at once, in mean squares of features."""

MOST_NODES = 1024
"""Nodes of the density on the axis, at most: with four times as many, 6 of 29 drawn bulks whose mass is not
found are found, and take longer than by their levels."""

BEFORE = 6.0
"""Place from where the edge is looked for, in units of that at the nearest step before."""

KEPT = {
    Features.NO_SELF_TERM: Kept(own=(0.0, 0.0)),
    Features.MEAN_SELF_TERM: Kept(own=(1.0, 0.0)),
    Features.FIRST_POWER: Kept(powers=False),
    Features.NO_NEURON_MODES: Kept(modes=False),
    Features.FIXED_NORMS: Kept(norms=False),
    Features.DEGREE_TWO_AS_NOISE: Kept(squares=False),
}
"""What theories that leave something out keep."""


@final
@dataclass(frozen=True, eq=False)
class OneBatch(Method):
    """The method of a ridge regression on the samples of the gradient step (docs/theory.md section 14)."""

    name: ClassVar[str] = "one_batch"
    takes_given: ClassVar[bool] = False
    given_advice: ClassVar[str] = "a fresh batch and the method 'uniform' allow it"
    second_batch: ClassVar[str] = "same"

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what no method covers, the standard output scale, and no ridge."""
        super().refuse_what_is_not_covered()
        purpose = f"the method {self.name!r}"
        require_plain(self.setting, purpose)
        refuse_without_ridge(self.setting, "a ridge regression on the samples of the gradient step")
        require_mean_field(self.setting, purpose, "it has not been worked out")

    def limits(self) -> None:
        """None: the losses as ``n`` grows are those of a fresh batch."""

    @cached_property
    def latent(self) -> Latent:
        """Latent variables of the step."""
        return latent(self.setting)

    def weights(self) -> Weights:
        """Spectrum of the trained first layer, which does not depend on the second batch."""
        return trained_weights(self.setting, self.latent, self.features, None)

    @property
    def kept(self) -> Kept:
        """What the theory keeps."""
        return KEPT.get(self.features, Kept())

    @cached_property
    def problem(self) -> FiniteRank:
        """Equations that the losses are read off."""
        return problem_of(self.setting, self.kept)

    @cached_property
    def state(self) -> State:
        """Solution at the ridge of the setting."""
        solve: Callable[[float, State | None], State] = partial(solved, self.problem.equations)
        ridge = self.setting.ridge
        return solved_at(solve, ridge, max(FACTOR * ridge, LARGE * self.problem.equations.mean_square))

    def losses(self) -> Losses[float]:
        """Losses at the ridge of the setting.

        The objective is ``lambda T``; the others are derivatives of ``T`` in the ridge and in the weight of
        fresh samples.

        Raises
        ------
        ConvergenceError
            If they are not in their order.
        """
        ridge = self.setting.ridge
        value = float(self.problem.value(self.state, ridge))
        train = -(ridge**2) * self._slope(1.0, 0.0)
        test = (
            train / self._gain**2
            if self.features is Features.LEAVE_ONE_OUT
            else ridge * self._slope(0.0, 1.0)
        )
        return ordered(Losses(objective=ridge * value, train=train, test=test), self.setting.label_energy)

    @cached_property
    def _linearised(self) -> Linearised:
        return Linearised(self.problem.equations, self.state, self.setting.ridge)

    def _slope(self, ridge: float, fresh: float) -> float:
        """Derivative of ``T`` along a direction of ridge and weight of fresh samples."""
        h, at = 1j * COMPLEX_STEP, self.setting.ridge
        moved = shifted(self.state, self._linearised.tangent((ridge, fresh)))
        return float(self.problem.value(moved, at + h * ridge, h * fresh).imag / COMPLEX_STEP)

    @property
    def _gain(self) -> float:
        """Mean share of a sample's error that is left after it is fitted, which leaving it out undoes."""
        found = self.problem.equations.resolvent(self.state, self.setting.ridge)
        return self.setting.ridge * float(np.sum(self.problem.equations.batch.train.weights * found.value))

    @cached_property
    def spectral(self) -> FiniteRank:
        """Equations that the spectrum is read off."""
        return spectral_problem(self.setting, self.kept)

    @cached_property
    def edge(self) -> UpperEdge:
        """Upper edge of the bulk, followed from above."""
        return upper_edge(self.spectral.equations, self._above(self.setting.theta))

    def _above(self, theta: float) -> float:
        return ABOVE * (1.0 + theta**2) * float(self.untrained.edges[-1, 1])

    @cached_property
    def untrained(self) -> BulkEquivalent:
        """Bulk without a step."""
        return BulkEquivalent.of(self.setting)

    @cached_property
    def axis(self) -> Axis:
        """Resolvent inside the bulk."""
        return Axis(self.spectral.equations, 1.0 / self.setting.ridge_ratio)

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values, read off the axis or `levels`.

        Raises
        ------
        ConvergenceError
            If neither is found.

        Warns
        -----
        AccuracyWarning
            If it is read off `levels`: the density is smoothed.
        """
        if self.bands is not None:
            return self.bands[0]
        warn_of_accuracy("levels of samples are apart: the density of the bulk is smoothed by 5 %")
        return self.levels.bulk

    @cached_property
    def bands(self) -> tuple[Bulk, Certificate] | None:
        """Bulk by the density on the axis, and its certificate; None where that fails.

        Samples whose features vary little over neurons have levels of their own there: on the nodes they are
        narrow bands, which the density is not known in.
        """
        try:
            bulk = self._on_the_axis()
            certificate = self._certificate(bulk)
            certificate.check()
        except ConvergenceError:
            return None
        return bulk, certificate

    @cached_property
    def levels(self) -> Levels:
        """Bulk by the resolvent at a small angle above the axis: on finer nodes, if weights do not differ."""
        equations = self.spectral.equations
        if np.ptp(np.abs(equations.law.nodes)) == 0.0:
            equations = spectral_problem(self.setting, self.kept, FINE).equations
        per_neuron = 1.0 / self.setting.ridge_ratio
        rank = (1.0 - self.untrained.atom_at_zero) / per_neuron
        edge = upper_edge(equations, self._above(self.setting.theta))
        return Levels(equations, per_neuron, edge.eigenvalue, max(0.0, 1.0 - rank))

    def _on_the_axis(self) -> Bulk:
        untrained = self.untrained
        rough = (float(untrained.edges[0, 0]), self.edge.eigenvalue)
        edges = support(self.axis, rough, untrained.reaches_zero)
        # Of a single band the mass is known.
        own = partial(error_of_whole, 1.0 - untrained.atom_at_zero)
        return Bulk(
            edges=edges,
            atom_at_zero=untrained.atom_at_zero,
            density_inside=self.axis.densities,
            direct=False,
            mass_error=own if len(edges) == 1 else mass_error,
            most_nodes=MOST_NODES,
        )

    def upper_edge(self) -> tuple[float, float]:
        """Upper edge of the bulk, and the width of the fluctuations of the largest singular value there."""
        edge = math.sqrt(self.edge.eigenvalue)
        amplitude = self.edge.amplitude / (math.pi * self.setting.ridge_ratio) * (2.0 * edge) ** 1.5
        return edge, edge_scale(amplitude, self.setting.width)

    @cached_property
    def poles(self) -> tuple[Pole, ...]:
        """Poles of the resolvent above the bulk, largest first."""
        return poles_above(self.spectral, self.edge)

    def spikes(self) -> tuple[Spike[float], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        spikes = (
            spike_of(self, k, pole.eigenvalue, pole.left_feature(), pole.right_feature())
            for k, pole in enumerate(self.poles)
        )
        return tuple(spike for spike in spikes if spike.distance > 1.0)

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index` at latent variables `q` of samples (any shape)."""
        pole = self.poles[index]
        return leading_sign(pole.left_feature()) * pole.left_profile(q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index` at readout weights `alpha` of neurons (any shape)."""
        pole = self.poles[index]
        return leading_sign(pole.left_feature()) * pole.right_profile(alpha)

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes at which the first `count` spikes appear; ``inf`` where none does up to `largest`.

        They are those of equations on a few nodes.
        """
        fresh = ClosedForm(self.setting.replace(second_batch="fresh"))
        guesses = np.minimum(fresh.thresholds(count, largest), largest)
        crossings, known = [], cast(dict[float, tuple[FiniteRank, UpperEdge]], {})
        for k, guess in enumerate(guesses.tolist()):
            excess = partial(self._excess, k, known)
            crossings.append(close_crossing(excess, guess, largest, BESIDE, PRECISION))
        return np.array(crossings)

    @cached_property
    def _appearances(self) -> Array:
        """Step sizes at which the spikes appear, which share the equations at most steps."""
        return self.thresholds(len(self.poles), self.setting.step)

    def critical_step_size(self, index: int) -> float:
        """Step size up to that of the setting at which spike `index` (from 0) appears."""
        return float(self._appearances[index])

    def _excess(self, index: int, known: dict[float, tuple[FiniteRank, UpperEdge]], step: float) -> float:
        """Logarithm of the strength of a spike over that at which it leaves the bulk.

        `known` are equations and edges at the steps before, to which this one is added.
        """
        if step not in known:
            setting = self.setting.replace(step_size=step)
            problem = spectral_problem(setting, self.kept, ROUGH)
            near = min(known, key=lambda other: abs(other - step), default=None)
            above = [] if near is None else [BEFORE * known[near][1].eigenvalue]
            edge = upper_edge(problem.equations, min([self._above(setting.theta), *above]))
            known[step] = problem, edge
        problem, edge = known[step]
        found = strength_at(problem, edge, index)
        return math.log(found) if found > 0.0 else -math.inf

    def evidence(self, part: str) -> Certificate:
        """Certificate of one part: residuals of the states that it is read off."""
        if part == "losses":
            return Certificate(residual=residual(self.problem.equations, self.state, self.setting.ridge))
        equations = self.spectral.equations
        if part == "spikes":
            states = [
                (self.edge.place, self.edge.state),
                *((each.eigenvalue, each.state) for each in self.poles),
            ]
            return Certificate(residual=max(residual(equations, state, -z) for z, state in states))
        if self.bands is None:
            return Certificate(mass=self.bulk.mass, residual=self.levels.residual)
        return self.bands[1]

    def _certificate(self, bulk: Bulk) -> Certificate:
        """Certificate of a bulk on the axis."""
        equations, squares, axis = self.spectral.equations, bulk.edges**2, self.axis
        lower, higher = squares[squares[:, 0] > 0.0, 0], squares[:, 1]
        inside = [*lower * (1.0 + EDGE_TOLERANCE), *squares.mean(axis=1), *higher * (1.0 - EDGE_TOLERANCE)]
        return Certificate(
            mass=bulk.mass,
            residual=max(residual(equations, axis.state(z), complex(-z)) for z in inside),
            imaginary_part=float(axis.values(np.array(inside)).min()),
            edge_error=EDGE_TOLERANCE,
        )
