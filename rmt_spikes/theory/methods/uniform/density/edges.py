"""Edges of the spectrum at the ends of followed curves, and states next to them inside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State
from rmt_spikes.theory.methods.uniform.newton import LONGEST_STEP, LOOSE, CurvePoint
from rmt_spikes.theory.methods.uniform.outliers import CLEAR, SHORT, UpperSpectrum

Array = NDArray[np.float64]

ASIDE = 2.0
"""Farthest that an edge may be from the last two points of a curve, in their distance from each other."""

INSIDE = (0.1, 0.03, 0.01, 0.003)
"""Imaginary arc lengths from an edge to a state inside the spectrum: mostly it is found in three steps at the
first, where the curve bends sharply only at the others."""

BESIDE = 0.1
"""Distance of an edge, in ``log z``, from that of similar equations at which it is looked for first."""

BEYOND = (0.2, 0.5)
"""Relative distances from the edge of eigenvalues where that of similar equations is looked for first."""


@dataclass(frozen=True, eq=False)
class End:
    """End of an interval of the spectrum.

    Attributes
    ----------
    at
        Its eigenvalue; NaN where it was lost.
    inside
        Eigenvalues next to it inside the spectrum, the farthest first, and guesses of the states there.
    mean
        Mean of the resolvent at the end.
    """

    at: float
    inside: tuple[tuple[float, State], ...] = ()
    mean: float = math.nan

    @classmethod
    def of(cls, curve: RealCurve, edge: CurvePoint, bend: float) -> End:
        """End at an edge; `bend` is the second derivative of ``log z`` in the arc length, roughly.

        The curve is analytic in its arc length, which is imaginary inside the spectrum.
        """
        mean = curve.equations.spectral(edge.state.resolvent, edge.state.omega, edge.eigenvalue)
        return cls(edge.eigenvalue, tuple(_beside(curve, edge, bend, arc) for arc in INSIDE), mean)


def _beside(curve: RealCurve, edge: CurvePoint, bend: float, arc: float) -> tuple[float, State]:
    """Eigenvalue at an imaginary arc length from an edge, and a guess of the state there."""
    n_q = edge.state.resolvent.size
    turned = np.exp(1j * arc * edge.direction[:-1])
    resolvent, omega = edge.state.resolvent * turned[:n_q], edge.state.omega * turned[n_q:]
    if np.mean(curve.equations.fluctuating(resolvent, omega).imag) < 0.0:
        resolvent, omega = resolvent.conj(), omega.conj()
    z = edge.eigenvalue * math.exp(-0.5 * bend * arc**2)
    return z, State(resolvent, omega, math.inf, edge.state.parts)


def edge_of(curve: RealCurve, points: list[CurvePoint]) -> End:
    """Edge at the end of a followed curve, by secants from its last points, else in a bracket.

    Raises
    ------
    ConvergenceError
        If it is not found.
    """
    last, end = points[-2:]
    chord = _distance(curve, last, end)
    bend = (end.log_eigenvalue_slope - last.log_eigenvalue_slope) / chord
    with suppress(ConvergenceError):
        rough, bend = curve.rough_edge(points)
        found = curve.turned(rough, bend)
        if max(_distance(curve, found, point) for point in (last, end)) < ASIDE * chord:
            return End.of(curve, found, bend)
    return End.of(curve, curve.edge(points), bend)


def upper_edge(equations: FixedPoint, known: UpperSpectrum) -> End:
    """Upper edge of the bulk of equations on other nodes than those of a known spectrum.

    Raises
    ------
    ConvergenceError
        If the curve is lost.
    """
    curve = RealCurve(equations, (-1.0, 1.0), above=True)
    with suppress(ConvergenceError):
        start = _carried(known.edge, known.curve.equations, equations)
        edge = curve.turned(start, known.descent.bend)
        if abs(edge.position[-1] - known.edge.position[-1]) < BESIDE:
            return End.of(curve, edge, known.descent.bend)
    lost = ConvergenceError("an edge of the bulk was not found", residual=math.inf)
    for point in _above(known):
        if point.eigenvalue > CLEAR * known.edge.eigenvalue:
            state = _carried(point, known.curve.equations, equations).state
            try:
                start = curve.at_eigenvalue(point.eigenvalue, state.resolvent, state.omega, -1.0)
                return edge_of(curve, curve.follow(start, SHORT))
            except ConvergenceError as error:
                lost = error
    raise lost


def lower_edge(equations: FixedPoint, signs: tuple[float, float], untrained: BulkEquivalent) -> End:
    """Lowest edge of a bulk, from that of rows without a step; whether it is the lowest the mass will show.

    Raises
    ------
    ConvergenceError
        If there is none nearby.
    """
    places = untrained.location(untrained.critical_points)
    edge = float(untrained.edges[0, 0])
    g = float(untrained.critical_points[np.argmin(np.abs(places - edge))])
    point = untrained.point(untrained.kappa(g), g)
    sizes = equations.q_weights.size, equations.a_weights.size
    pair = 1.0 / point.kappa if equations.ratio > 0.0 else -1.0 / edge, point.kappa * point.g
    if not all(value * sign > 0.0 for value, sign in zip(pair, signs, strict=True)):
        raise ConvergenceError("the edge without a step is on another curve", residual=math.inf)
    curve = RealCurve(equations, signs)
    resolvent, omega = map(np.full, sizes, pair)
    position = np.log(np.abs(np.concatenate([resolvent, omega, [edge]])))
    direction = np.concatenate([np.full(sizes[0], -1.0), np.full(sizes[1], point.excess), [0.0]])
    direction /= math.sqrt(curve.inner(direction, direction))
    start = CurvePoint(position, direction, State(resolvent, omega, math.inf), edge)
    rough, bend = curve.turn(start, -1.0)
    found = curve.turned(rough, bend)
    return End.of(curve, found, bend)


def _carried(point: CurvePoint, others: FixedPoint, equations: FixedPoint) -> CurvePoint:
    """Guess of a point of the curve of equations from one of others, by the quantiles of their nodes."""
    n_q = point.state.resolvent.size

    def carried(values: Array) -> Array:
        rows = np.interp(_levels(equations.q_weights), _levels(others.q_weights), values[:n_q])
        columns = np.interp(_levels(equations.a_weights), _levels(others.a_weights), values[n_q:-1])
        return np.concatenate([rows, columns, values[-1:]])

    position = carried(point.position)
    size, sign = equations.q_weights.size, np.sign(point.state.resolvent[0])
    state = State(sign * np.exp(position[:size]), np.exp(position[size:-1]), math.inf)
    return CurvePoint(position, carried(point.direction), state, point.eigenvalue)


def _levels(weights: Array) -> Array:
    """Share below the middle of each node."""
    return np.asarray(np.cumsum(weights) - 0.5 * weights)


def _above(known: UpperSpectrum) -> Iterator[CurvePoint]:
    """Points above a known edge: next to it, and those on the way down, lowest first."""
    descent = known.descent
    for share in BEYOND:
        # The eigenvalue grows like a square next to its edge.
        step = math.sqrt(2.0 * share / descent.bend) if descent.bend > 0.0 else math.inf
        if step < LONGEST_STEP:
            with suppress(ConvergenceError):
                yield descent.curve.advance(descent.rough, -step, LOOSE)
    yield from known.points[::-1]


def _distance(curve: RealCurve, one: CurvePoint, other: CurvePoint) -> float:
    way = one.position - other.position
    return math.sqrt(curve.inner(way, way))
