"""Singular values made by single samples of the first batch, and the bulk that they leave."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.distribution import edge_scale
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP
from rmt_spikes.theory.methods.uniform.newton import CurvePoint
from rmt_spikes.theory.methods.uniform.outliers import Descent, UpperSpectrum, amplitude
from rmt_spikes.theory.methods.uniform.pencil.channel import PencilChannel
from rmt_spikes.theory.methods.uniform.pencil.samples import Samples
from rmt_spikes.theory.methods.uniform.poles.zeros import Pole, pole_at
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.methods.uniform.singles.places import margins_at, margins_of, place

Array = NDArray[np.float64]

ATTEMPTS, DETACHED = ((0, 5), (0, 6), (0, 4), (1, 5), (0, 3), (2, 4), (0, 2)), 3
"""Further samples that are taken out of the bulk, and nodes of the rest, that are tried in turn; edges of
levels that have detached from the others after which the lowest of them is taken."""

MORE = 2
"""Samples that may leave the bulk beside those that have left a similar one."""

DOUBT = (0.8, 1.2)
"""Distances from the edge, in its fluctuations, between which it is in doubt whether a pole is clear of it:
their width is known to a few per cent from two points next to the edge."""

SEPARATION = 1.002
"""Ratio to the edge of the others above which a sample's value has left the bulk."""

UNCLEAR = 0.5
"""Share of the change of a margin from the edge to there below which its sign is not clear to first order."""

STRETCH = 1e-4
"""Relative length by which a sample is made longer: the derivative is good to 1e-4."""

ROUNDS = 8
"""Of counting the samples that leave: on the reference settings 4 are enough."""


@dataclass(frozen=True, eq=False)
class Separated:
    """The bulk without the samples that have left it, and their values.

    Attributes
    ----------
    problem
        The bulk's equations.
    descent
        The way down to its edge.
    effective
        Effective residuals of all samples, shape ``(n,)``.
    beyond
        Numbers of the samples that make a value of their own.
    removed
        Numbers of the samples that are not in the bulk.
    usual
        Whether the bulk is that of all others, with the usual number of levels.
    """

    problem: Problem
    descent: Descent
    effective: Array = field(default_factory=lambda: np.zeros(0))
    beyond: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    usual: bool = False

    def beyond_edge(self, edge: CurvePoint) -> tuple[int, ...]:
        """Numbers of the samples with a value above a point of the curve at the edge, of those that may."""
        numbers = np.arange(min(max(self.removed, default=-1) + 1 + MORE, self.effective.size))
        margins = margins_at(self.problem, edge, self.effective[numbers])
        return tuple(numbers[margins <= 0.0].tolist())

    @cached_property
    def upper(self) -> UpperSpectrum:
        """Edge of the bulk, and the poles of the finite-rank part."""
        return self.descent.completed()

    def clear_poles(self, width: int) -> list[Pole] | None:
        """Rough poles that stand clear of the fluctuations of the edge, all at one point next to it.

        None where it is in doubt which ones do.

        Raises
        ------
        ConvergenceError
            If the edge or the point is not found.
        """
        edge, bend = self.descent.rough, self.descent.bend
        place = math.sqrt(edge.eigenvalue)
        scale = edge_scale(amplitude(self.descent.curve.equations, edge, bend), width)
        finite, (near, far) = self.problem.finite_rank, (1.0 + share * scale / place for share in DOUBT)
        point = self.descent.beyond(far)
        values, vectors = finite.spectrum(point.state)
        count = int(np.sum(values < 0.0))
        if np.sum(finite.margins(edge.state) < 0.0) != count:
            nearer = self.descent.beyond(near)
            if np.sum(finite.margins(nearer.state) < 0.0) != count:
                return None
        return [pole_at(finite, point, vectors[:, k]) for k in range(count)]

    @property
    def followed(self) -> Descent:
        """The way down, with the points above the edge that are known by now."""
        upper = self.__dict__.get("upper")
        if upper is None or "points" not in upper.__dict__:
            return self.descent
        return replace(self.descent, above=upper.points[:-1])

    @cached_property
    def values(self) -> dict[int, CurvePoint]:
        """Points of the resolvent at the values of samples by the numbers of these, largest first."""
        points, found = list(self.upper.points), {}
        for i in self.beyond:
            point = place(self.problem, self.upper.curve, points, float(self.effective[i]))
            if point is not None:
                found[i] = point
                points.append(point)
                points.sort(key=lambda each: -each.eigenvalue)
        return dict(sorted(found.items(), key=lambda item: -item[1].eigenvalue))

    @property
    def points(self) -> tuple[CurvePoint, ...]:
        """Points of the resolvent at the values of samples, largest first."""
        return tuple(self.values.values())

    @property
    def makers(self) -> tuple[int, ...]:
        """Numbers of the samples that make these values."""
        return tuple(self.values)


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
    effective = samples.effective
    most, seen, descent = samples.separated(blocks.special.batch.phi), set[tuple[int, ...]](), None
    removed, others = most, most[:0]
    if similar is not None:
        most, descent = most[: max(similar.removed, default=-1) + 1 + MORE], similar.followed
        removed = tuple(i for i in most if i in similar.removed)
        others = tuple(i for i in most if i not in removed)
    while True:
        rest, descent, usual = _descent(problem, samples, removed, top, descent)
        if np.any(margins_at(rest, descent.rough, effective[list(others)]) <= 0.0):
            # More have left than of the similar problem: none that may have is in the bulk at first.
            removed, others = most, ()
            continue
        others = ()
        beyond = _apart(rest, descent, removed, effective)
        seen.add(removed)
        if beyond in seen or len(seen) > ROUNDS:
            return Separated(rest, descent, effective, beyond, removed, usual)
        removed = beyond


def _apart(problem: Problem, descent: Descent, numbers: tuple[int, ...], effective: Array) -> tuple[int, ...]:
    """Which of some samples have a value beyond the edge by `SEPARATION`.

    To first order along the curve from the edge where that is clear, and else from the point there.
    """
    edge, residuals = descent.rough, effective[list(numbers)]
    if residuals.size == 0:
        return ()
    step = -math.sqrt(2.0 * (SEPARATION**2 - 1.0) / descent.bend)
    equations, part = problem.equations, edge.state.parts[0]
    channel, m = equations.channels[0], part.detail.levels.m
    assert isinstance(channel, PencilChannel)
    ahead = m + step * channel.green_slope(part, *equations.weighted(*edge.tangent))
    near, far = (margins_of(problem, x, residuals) for x in (m, ahead))
    if np.any(np.abs(far) < UNCLEAR * np.abs(far - near)):
        far = margins_at(problem, descent.beyond(SEPARATION), residuals)
    return tuple(i for i, value in zip(numbers, far, strict=True) if value <= 0.0)


def _descent(
    problem: Problem, samples: Samples, removed: tuple[int, ...], top: float, similar: Descent | None
) -> tuple[Problem, Descent, bool]:
    """The problem of the samples left, the way down to its edge, and whether it is the first that is tried.

    A level that has detached from the others makes an edge of its own, above that of the bulk, or the way
    ends above the edge: other numbers of levels, or further samples out, are then tried, and the lowest edge
    counts.
    """
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    tried: list[tuple[float, Problem, Descent, bool]] = []
    lost = ConvergenceError("an edge of the bulk was not found", residual=math.inf)
    for more, levels in ATTEMPTS:
        others = [i for i in range(len(removed) + more) if i not in removed][:more]
        rest = replace(problem, blocks=blocks.with_rest(samples.rest((*removed, *others), levels)))
        try:
            descent = Descent.of(rest, top, similar)
            edge = descent.rough
        except ConvergenceError as error:
            lost = error
            continue
        if not has_detached(rest, edge):
            return rest, descent, (more, levels) == ATTEMPTS[0]
        tried.append((edge.eigenvalue, rest, descent, (more, levels) == ATTEMPTS[0]))
        if len(tried) == DETACHED:
            break
    if not tried:
        raise lost
    return min(tried, key=itemgetter(0))[1:]


def has_detached(problem: Problem, edge: CurvePoint) -> bool:
    """Whether a level has a value above the bulk of the other ones."""
    blocks, k = problem.blocks, edge.state.parts[0].k
    assert isinstance(blocks, PencilBlocks)
    r = blocks.special.batch.residuals.r
    root = np.sqrt([_growth(problem, float(each), without=node) for node, each in enumerate(r)])
    try:
        np.linalg.cholesky(np.eye(k.shape[0]) + root[:, :, None] * k * root[:, None, :])
    except np.linalg.LinAlgError:
        return True
    return False


def scatter(separated: Separated, samples: Samples) -> Array:
    """Standard deviations of the values of samples between networks, shape ``(n_points,)``.

    They come from the norm of the sample, the draws of the neurons and those of the second batch. Inputs of a
    covariance count as so many isotropic ones as have norms that fluctuate as much.
    """
    values = zip(separated.makers, separated.points, strict=True)
    problem, effective = separated.problem, samples.effective
    return np.array([scatter_at(problem, point, float(effective[i])) for i, point in values])


def scatter_at(problem: Problem, point: CurvePoint, r: float) -> float:
    """Standard deviation of the value at a point of a sample with an effective residual `r`."""
    setting = problem.setting
    equations, state, part = problem.equations, point.state, point.state.parts[0]

    def stretched(k: Array, factor: float) -> tuple[float, Array, Array]:
        """Largest eigenvalue of ``-s K s`` for a longer sample, its vector, and ``s``."""
        root = np.sqrt(_growth(problem, factor * r))
        values, vectors = np.linalg.eigh(-root[:, None] * k * root)
        return float(values[-1]), vectors[:, -1], root

    value, vector, root = stretched(part.k, 1.0)
    by_length = (stretched(part.k, 1.0 + STRETCH)[0] / value - 1.0) / STRETCH
    mode = (part.root * root * vector) @ equations.channels[0].functions
    y = equations.q_weights * np.abs(state.resolvent) * mode**2
    y = y / y.sum()
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    variance = 2.0 / setting.d * blocks.special.batch.power(2) * by_length**2 - 1.0 / setting.width
    variance += float(np.sum(3.0 * vector**4 / (setting.width * equations.a_weights)))
    variance += float(np.sum(2.0 * y**2 / (problem.n_ridge * equations.q_weights)))
    moved = problem.finite_rank.moved(state, point.tangent).parts[0].k.imag / COMPLEX_STEP
    by_place = -(root * vector) @ moved @ (root * vector) / value / point.log_eigenvalue_slope
    return 0.5 * math.sqrt(point.eigenvalue * max(variance, 0.0)) / abs(float(by_place))


def _growth(problem: Problem, r: float, without: int | None = None) -> Array:
    """Second moment of rows along a sample with residual `r`, shape ``(n_a,)``.

    Beside it are all levels of the bulk, or all `without` one.
    """
    blocks = problem.blocks
    assert isinstance(blocks, PencilBlocks)
    batch, alpha = blocks.special.batch, blocks.law.nodes
    rest = batch.residuals
    others, weights = rest.r, rest.weights
    if without is not None:
        kept = np.arange(others.size) != without
        others, weights = others[kept], weights[kept]
    size = batch.power(2)
    h = size * (batch.phi * r + float(weights @ (r * others / (r - others))))
    own = batch.incoherent * alpha**2 * batch.phi * size * r**2
    return np.asarray((1.0 + batch.curvature * alpha * h) ** 2 + own)
