"""Losses with norms as latent variables."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError, warn_of_accuracy
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP
from rmt_spikes.theory.methods.uniform.equations import State, solved
from rmt_spikes.theory.methods.uniform.norms.degrees import Corrected, DegreesOfFreedom
from rmt_spikes.theory.methods.uniform.norms.problem import NormProblem
from rmt_spikes.theory.methods.uniform.pencil.levels import FLAT
from rmt_spikes.theory.results import Losses
from rmt_spikes.theory.ridgeless import positive_ridge

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormLosses:
    """Losses of a problem with norms as latent variables.

    Parameters
    ----------
    problem, untrained
        The problem, and its bulk without a step.
    near
        A problem of as many nodes whose solution is a start.
    """

    problem: NormProblem
    untrained: BulkEquivalent
    near: NormLosses | None = None

    @cached_property
    def solution(self) -> tuple[Corrected, State]:
        """Equations with the degrees of freedom, and the state at the ridge of the setting."""
        equations, ridge = self.problem.parts[0], positive_ridge(self.problem.setting)
        profile = np.full(equations.q_weights.size, ridge)
        if self.near is not None:
            with suppress(ConvergenceError):
                start = replace(self.near.solution[1], parts=())
                return self._degrees.solve(equations, profile, start)
        return self._degrees.solve(equations, profile, solved(equations, self.untrained, ridge))

    @property
    def _degrees(self) -> DegreesOfFreedom:
        return DegreesOfFreedom(
            self.problem.parts[1], self.problem.setting.n_ridge, self.problem.setting.width
        )

    def functional(self, state: State) -> Any:
        """``T``, the quadratic form of the labels in the resolvent, real or complex as the state."""
        finite, samples = self.problem.parts[1], self.problem.samples
        source = finite.source(state.resolvent, samples.labels)
        explained = source @ finite.response(state, source)
        return samples.weights @ (state.resolvent * samples.energy) - explained

    @cached_property
    def losses(self) -> Losses[float]:
        """Losses: ``T`` and its derivatives by two profiles of the ridge."""
        equations, state = self.solution
        ridge, slopes = positive_ridge(self.problem.setting), self._degrees.slopes(equations, state)

        def slope(direction: Array) -> float:
            moved = self.problem.parts[1].moved(state, slopes.along(direction))
            return float(self.functional(moved).imag / COMPLEX_STEP)

        return Losses(
            objective=ridge * float(self.functional(state)),
            train=-ridge * slope(np.full(state.resolvent.size, ridge)),
            test=-slope(state.resolvent**-2),
        )


@dataclass(frozen=True, eq=False)
class DrawnLosses:
    """Losses averaged over first batches at both sides of the mean one.

    Parameters
    ----------
    mean, sides
        Losses of the mean batch, and of those at its sides; none where all are alike.
    """

    mean: NormLosses
    sides: tuple[NormLosses, ...]

    @cached_property
    def used(self) -> tuple[NormLosses, ...]:
        """Those that are averaged.

        Warns
        -----
        AccuracyWarning
            If the equations of a side have no solution, and the mean batch stands for all.
        """
        try:
            for side in self.sides:
                _ = side.losses
        except ConvergenceError as error:
            warn_of_accuracy(f"the scatter of the mean residual is left out of the losses: {error}")
            return (self.mean,)
        return self.sides or (self.mean,)

    @property
    def residual(self) -> float:
        """Largest residual of the states."""
        return max(each.solution[1].residual for each in self.used)

    @cached_property
    def losses(self) -> Losses[float]:
        """Means of the losses."""
        found = [each.losses for each in self.used]
        return Losses(
            objective=float(np.mean([each.objective for each in found])),
            train=float(np.mean([each.train for each in found])),
            test=float(np.mean([each.test for each in found])),
        )


def drawn_losses(problem: NormProblem, untrained: BulkEquivalent) -> DrawnLosses:
    """Losses over the mean residual of a first batch, which makes rows longer or shorter by their readout.

    By the Gauss rule of two nodes; without a coherent part of the step a mean residual does nothing.
    """
    coherent = problem.terms.mean_residual and abs(problem.rows.special.batch.curvature) > FLAT
    sides: tuple[NormLosses, ...] = ()
    if coherent:
        low, high = (replace(problem, deviations=deviations) for deviations in (-1.0, 1.0))
        first = NormLosses(low, untrained)
        sides = first, NormLosses(high, untrained, near=first)
    return DrawnLosses(NormLosses(problem, untrained), sides)


def blended(one: Losses[float], other: Losses[float], share: float) -> Losses[float]:
    """Losses between two, by the share of the other."""
    return Losses(
        objective=(1.0 - share) * one.objective + share * other.objective,
        train=(1.0 - share) * one.train + share * other.train,
        test=(1.0 - share) * one.test + share * other.test,
    )
