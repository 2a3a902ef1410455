"""Singular values made by single samples of the first batch, and the bulk that they leave."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.continuation import CurvePoint
from rmt_spikes.theory.methods.uniform.finite_rank import COMPLEX_STEP
from rmt_spikes.theory.methods.uniform.outliers import Descent, UpperSpectrum
from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch, ResidualLaw, residual_points
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]

LEVELS = 5
"""Nodes of the residuals left in the bulk: its edge is the same for 4 to 8 of them to 1 %."""

ATTEMPTS = ((0, 5), (0, 6), (0, 4), (1, 5), (0, 3), (2, 4), (0, 2))
"""Further samples that are taken out of the bulk, and nodes of the rest, that are tried in turn."""

SEPARATION = 1.002
"""Ratio to the edge of the others above which a sample's value has left the bulk."""

ROUGH = 1e-4
"""Share of a chord to which edges are found that only count samples."""

MORE = 2
"""Samples that may leave the bulk beside those that have left a similar one."""

MOST = 400
"""Samples that may leave the bulk."""

STRETCH = 1e-4
"""Relative length by which a sample is made longer: the derivative is good to 1e-4."""

ROUNDS = 8
"""Of counting the samples that leave: on the reference settings 4 are enough."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Residuals of a first batch, from the largest effective one down.

    Attributes
    ----------
    r, u
        Residuals, shape ``(n,)``, and teacher's variables, shape ``(k, n)``.
    effective
        Residual with which a sample acts off the latent directions, ``r sqrt(1 - q^2 / d)``, shape ``(n,)``.
    """

    r: Array
    u: Array
    effective: Array

    def rest(self, removed: int, levels: int = LEVELS) -> ResidualLaw:
        """Distribution of the samples left when the first ones are removed, each of weight ``1/n``."""
        r, u = self.effective[removed:], self.u[:, removed:]
        rule = gauss_rule(r, levels)
        share = r.size / self.r.size
        basis, at = rule.polynomials(r) / r.size, rule.polynomials(rule.nodes)
        pairs = np.einsum("bi,ki,li->bkl", basis, u, u)
        return ResidualLaw(
            rule.nodes, share * rule.weights, at.T @ (basis @ u.T), np.tensordot(at.T, pairs, axes=1)
        )

    def separated(self, phi: float) -> int:
        """Number of samples that make an outlier of ``X^T diag(r) X / n`` beside all smaller ones."""
        r = self.effective
        for i in range(min(MOST, r.size - LEVELS)):
            gap = r[i] - r[i + 1 :]
            with np.errstate(divide="ignore", invalid="ignore"):
                if not np.sum((r[i + 1 :] / gap) ** 2) < phi * r.size:
                    return i
        return min(MOST, r.size - LEVELS)


def sorted_samples(batch: FirstBatch, r: Array, u: Array) -> Samples:
    """Samples with given residuals and teacher's variables."""
    learnt, energy = u @ r / r.size, float(np.mean(r**2))
    norm2 = float(learnt @ learnt) + batch.phi * energy
    q2 = ((batch.phi * r + learnt @ u) ** 2 + batch.phi * energy) / norm2
    effective = r * np.sqrt(np.maximum(1.0 - q2 / batch.d, 0.0))
    order = np.argsort(-np.abs(effective), kind="stable")
    return Samples(r[order], u[:, order], effective[order])


@lru_cache(maxsize=16)
def middle_quantiles(target: ScalarFunction, noise_std: float, offset: float, n: int) -> tuple[Array, Array]:
    """Middle quantiles of the residual of `n` samples, and means of the teacher's variable in their cells."""
    r, weights, u = residual_points(target, noise_std, offset)
    order = np.argsort(r, kind="stable")
    r, weights, u = r[order], weights[order], u[:, order]
    total = weights.sum()
    mass = np.concatenate([[0.0], np.cumsum(weights)]) / total
    cells = np.arange(n + 1) / n
    sums = np.concatenate([np.zeros((u.shape[0], 1)), np.cumsum(weights * u, axis=1)], axis=1) / total
    means = np.array([np.diff(np.interp(cells, mass, row)) for row in sums]) * n
    return np.interp((np.arange(n) + 0.5) / n, 0.5 * (mass[1:] + mass[:-1]), r), means


@dataclass(frozen=True, eq=False)
class Separated:
    """The bulk without the samples that have left it, and their values.

    Attributes
    ----------
    problem
        The bulk's equations.
    descent
        The way down to its edge.
    beyond
        Effective residuals of the samples that make a value of their own.
    removed
        Number of samples that are not in the bulk.
    """

    problem: Problem
    descent: Descent
    beyond: Array
    removed: int

    @cached_property
    def upper(self) -> UpperSpectrum:
        """Edge of the bulk, and the poles of the finite-rank part."""
        return self.descent.completed()

    @cached_property
    def points(self) -> tuple[CurvePoint, ...]:
        """Points of the resolvent at the values of samples, in their order."""
        return tuple(_places(self.problem, self.upper, self.beyond))


def separate(problem: Problem, samples: Samples, top: float, similar: Separated | None = None) -> Separated:
    """Let samples leave the bulk as long as each makes a value of its own.

    Parameters
    ----------
    problem
        The problem with all samples in the bulk.
    samples
        The first batch.
    top
        Rough size of the largest eigenvalue.
    similar
        What was found for a problem that differs little.

    Raises
    ------
    ConvergenceError
        If a curve is lost.
    """
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    removed, seen, descent = samples.separated(blocks.special.batch.phi), set[int](), None
    if similar is not None:
        removed, descent = min(removed, similar.removed + MORE), similar.descent
    while True:
        rest, descent = _descent(problem, samples, removed, top, descent)
        first = samples.effective[:removed]
        beyond = first[_margins(rest, descent.edge(ROUGH), first) <= 0.0]
        if beyond.size in {removed, *seen}:
            beyond = first[_margins(rest, descent.beyond(SEPARATION, ROUGH), first) <= 0.0]
        seen.add(removed)
        if beyond.size in seen or len(seen) > ROUNDS:
            return Separated(rest, descent, beyond, removed)
        removed = beyond.size


def _descent(
    problem: Problem, samples: Samples, removed: int, top: float, similar: Descent | None
) -> tuple[Problem, Descent]:
    """The problem of the samples left, and the way down to its edge.

    Where a level of these leaves the bulk, the curve ends above the edge: then with other levels, or with one
    more sample out.
    """
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    lost: ConvergenceError | None = None
    for more, levels in ATTEMPTS:
        rest = replace(problem, blocks=blocks.with_rest(samples.rest(removed + more, levels)))
        try:
            descent = Descent.of(rest.equations, rest.finite_rank, top, similar)
            descent.edge(ROUGH)
        except ConvergenceError as error:
            lost = error
        else:
            return rest, descent
    assert lost is not None
    raise lost


def scatter(separated: Separated, samples: Samples) -> Array:
    """Standard deviations of the values of samples between networks, shape ``(n_points,)``.

    For isotropic inputs. They come from the norm of the sample, the draws of the neurons and those of the
    second batch.
    """
    return np.array([_scatter(separated, samples, i) for i in range(len(separated.points))])


def _scatter(separated: Separated, samples: Samples, i: int) -> float:
    problem, point, setting = separated.problem, separated.points[i], separated.problem.setting
    equations, state, part = problem.equations, point.state, point.state.parts[0]
    rest = samples.effective[separated.removed :]

    def stretched(k: Array, factor: float) -> tuple[float, Array, Array]:
        """Largest eigenvalue of ``-s K s`` for a longer sample, its vector, and ``s``."""
        root = np.sqrt(_growth(problem, factor * float(samples.effective[i]), rest, samples.r.size))
        values, vectors = np.linalg.eigh(-root[:, None] * k * root)
        return float(values[-1]), vectors[:, -1], root

    value, vector, root = stretched(part.k, 1.0)
    by_length = (stretched(part.k, 1.0 + STRETCH)[0] / value - 1.0) / STRETCH
    mode = (part.root * root * vector) @ equations.channels[0].functions
    y = equations.q_weights * np.abs(state.resolvent) * mode**2
    y = y / y.sum()
    variance = 2.0 / setting.d * by_length**2 - 1.0 / setting.width
    variance += float(np.sum(3.0 * vector**4 / (setting.width * equations.a_weights)))
    variance += float(np.sum(2.0 * y**2 / (setting.n_ridge * equations.q_weights)))
    moved = problem.finite_rank.moved(state, point.tangent).parts[0].k.imag / COMPLEX_STEP
    by_place = -(root * vector) @ moved @ (root * vector) / value / point.log_eigenvalue_slope
    return 0.5 * math.sqrt(point.eigenvalue * max(variance, 0.0)) / abs(float(by_place))


def _growth(problem: Problem, r: float, rest: Array, n: int) -> Array:
    """Second moment of rows along a sample with residual `r` beside the others, shape ``(n_a,)``."""
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    batch, alpha = blocks.special.batch, blocks.law.nodes
    h = batch.phi * r + float(np.sum(r * rest / (r - rest))) / n
    return np.asarray(
        (1.0 + batch.curvature * alpha * h) ** 2 + batch.incoherent * alpha**2 * batch.phi * r**2
    )


def _margins(problem: Problem, point: CurvePoint, r: Array) -> Array:
    """``det(1 + phi M T(r))`` of samples with residuals `r`: zero at a sample's value, negative below it."""
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    m = point.state.parts[0].detail.levels.m
    letters = blocks.pencil.letters_of(r)
    return np.asarray(np.linalg.det(np.eye(m.shape[0]) + blocks.special.batch.phi * m @ letters))


def _places(problem: Problem, upper: UpperSpectrum, r: Array) -> Iterator[CurvePoint]:
    """Points of the curve at the values of samples, where their margins are zero."""
    points = list(upper.points)
    for each in r:

        def margin(point: CurvePoint, each: Array = each[None]) -> float:
            return float(_margins(problem, point, each)[0])

        i = next(i for i, point in enumerate(points) if margin(point) <= 0.0)
        if i == 0:
            raise ConvergenceError("a sample's value lies above the curve", residual=math.inf)
        place = upper.curve.zero(points[i - 1], points[i], margin)
        points.insert(i, place)
        yield place
