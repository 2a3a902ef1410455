"""Edges of the spectrum at the ends of followed curves, and states next to them inside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.equations import CurvePoint, FixedPoint, State
from rmt_spikes.theory.methods.uniform.newton import LONGEST_STEP, LOOSE
from rmt_spikes.theory.methods.uniform.outliers import CLEAR, SHORT, UpperSpectrum

ASIDE = 2.0
"""Farthest that an edge may be from the last two points of a curve, in their distance from each other."""

INSIDE = 0.1
"""Imaginary arc length from an edge to a state inside the spectrum, which is then found in three steps."""

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
        An eigenvalue next to it inside the spectrum, and a guess of the state there.
    """

    at: float
    inside: tuple[float, State] | None = None

    @classmethod
    def of(cls, curve: RealCurve, edge: CurvePoint, bend: float) -> End:
        """End at an edge; `bend` is the second derivative of ``log z`` in the arc length, roughly.

        The curve is analytic in its arc length, which is imaginary inside the spectrum.
        """
        n_q = edge.state.resolvent.size
        turned = np.exp(1j * INSIDE * edge.direction[:-1])
        resolvent, omega = edge.state.resolvent * turned[:n_q], edge.state.omega * turned[n_q:]
        if np.mean(curve.equations.fluctuating(resolvent, omega).imag) < 0.0:
            resolvent, omega = resolvent.conj(), omega.conj()
        z = edge.eigenvalue * math.exp(-0.5 * bend * INSIDE**2)
        return cls(edge.eigenvalue, (z, State(resolvent, omega, math.inf, edge.state.parts)))


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
    lost = ConvergenceError("an edge of the bulk was not found", residual=math.inf)
    for point in _above(known):
        if point.eigenvalue > CLEAR * known.edge.eigenvalue:
            others, state = known.curve.equations, point.state
            omega = np.full(equations.a_weights.size, float(others.a_weights @ state.omega))
            resolvent = state.resolvent
            if resolvent.size != equations.q_weights.size:
                resolvent = np.full(equations.q_weights.size, float(others.q_weights @ resolvent))
            try:
                start = curve.at_eigenvalue(point.eigenvalue, resolvent, omega, -1.0)
                return edge_of(curve, curve.follow(start, SHORT))
            except ConvergenceError as error:
                lost = error
    raise lost


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
