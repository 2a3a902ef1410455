"""Classification errors where labels are signs (docs/theory.md section 12)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.methods.uniform.equations import State
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.population.labels import Labels, labels_of
from rmt_spikes.theory.quadrature_rules import gauss_hermite
from rmt_spikes.theory.results import SignError
from rmt_spikes.theory.ridgeless import positive_ridge

Array = NDArray[np.float64]
Slope = Callable[[State, Array], float]

NODES = 96
"""Of the learnt variable: half of them move errors by less than 1e-4 at ``d/n = 0.02``, where labels are
steep in it. What is smooth is interpolated to them."""

FLAT = 1e-12
"""Least variance of a score, as a share of the energy of a label."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of samples given the latent variables: normal, with a mean and a variance.

    Parameters
    ----------
    problem, state
        What the losses are read off.
    latent
        Latent variables.
    labels
        Components of the labels along the sample variables, shape ``(n_variables, n_q)``.
    """

    problem: Problem
    state: State
    latent: Latent
    labels: Array

    @property
    def means(self) -> Array:
        """Components of the mean score along the sample variables, shape ``(n_variables, n_q)``."""
        finite = self.problem.finite_rank
        response = finite.response(self.state, finite.source(self.state.resolvent, self.labels))
        return np.asarray(response @ finite.functions)

    def squared_error(self, slope: Slope, test: float) -> Array:
        """Squared error on a fresh sample at the nodes of ``q``, shape ``(n_q,)``, of mean `test`.

        `slope` is the derivative of ``T`` at a state when the profile of the ridge moves along a direction.
        """
        profiles = np.diag(self.state.resolvent**-2)
        local = np.array([-slope(self.state, profile) for profile in profiles])
        return np.asarray(local / self.problem.grid.q_weights + (test - float(local.sum())))

    def sign_error(self, slope: Slope, test: float) -> SignError:
        """Classification errors of samples that were fitted, and of fresh ones."""
        grid, teacher, means = self.problem.grid, labels_of(self.problem.setting), self.means
        explained = (
            grid.labels.energy - np.sum(self.labels**2, axis=0) + np.sum((self.labels - means) ** 2, axis=0)
        )
        variance = np.maximum(self.squared_error(slope, test) - explained, FLAT * teacher.energy)
        share = positive_ridge(self.problem.setting) * self.state.resolvent
        from scipy.interpolate import PchipInterpolator

        q, weights = gauss_hermite(NODES)
        # Of a fitted sample the score is its label, but for a share of what it would be without it.
        smooth = np.vstack([means, np.sqrt(variance), (1.0 - share) / share])
        smooth = PchipInterpolator(grid.q, smooth.T)(np.clip(q, grid.q[0], grid.q[-1])).T
        found = [self._at(teacher, value, parts) for value, parts in zip(q, smooth.T, strict=True)]
        train, test = weights @ np.array(found)
        return SignError(train=float(train), test=float(test))

    def _at(self, teacher: Labels, q: float, smooth: Array) -> tuple[float, float]:
        """Errors at one ``q``."""
        means, deviation, own = smooth[:-2], smooth[-2], smooth[-1]
        cosine = self.latent.beta_cosine
        sine = math.sqrt(max(0.0, 1.0 - cosine**2))
        t, weights = teacher.points_given(cosine, sine, q)
        y = teacher(teacher.variables(cosine, sine, q, t))
        towards = y * (means @ teacher.basis(t)[: means.size])
        return float(weights @ ndtr(-(towards + own) / deviation)), float(
            weights @ ndtr(-towards / deviation)
        )
