"""Bands of the spectrum from the top down: states inside, and the real curve across the gaps."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.density.angles import angle_of, eigenvalue_at
from rmt_spikes.theory.methods.uniform.density.edges import End, edge_of
from rmt_spikes.theory.methods.uniform.density.states import FEW, CutStates
from rmt_spikes.theory.methods.uniform.equations import State
from rmt_spikes.theory.methods.uniform.newton import CurvePoint

Array = NDArray[np.float64]

FIRST, LONGEST, SHORTEST = 0.05, 0.25, 1e-5
"""Steps inside a band, in the angle between the lowest eigenvalue and the upper end of the band."""

GOOD, POOR = 0.03, 0.3
"""Errors of a guess after which the next step is longer or shorter."""

LONGER, SHORTER = 1.6, 0.4
"""Factors of the step."""

CLOSE, CLOSER = 0.35, 0.3
"""Imaginary arc length from an edge from which it is looked for, and share of the way to it that is left."""

AGREED = 0.5
"""Difference of an edge from what was expected before, as a share of the way, at which it is looked for."""

ACROSS, SHORTEST_STEP = 0.05, 1e-3
"""First and last step that is tried from an edge into the gap: arc lengths."""

MOST = 400
"""States inside a band after which its end counts as lost: on random settings it takes at most some 60."""

NARROW = 1e-8
"""Relative width of a band below which it is not followed inside, and distance of edges that are the same."""

LAST = math.pi / 64
"""Angle from zero below which a band reaches it."""


@dataclass(frozen=True, eq=False)
class Walk:
    """Way down the spectrum.

    Parameters
    ----------
    states
        Boundary values of the resolvent, of which one next to the upper edge is known.
    low
        Lower edge of the spectrum.
    """

    states: CutStates
    low: float

    def bands(self, high: float) -> list[tuple[float, float]]:
        """Bands of the spectrum below its upper edge, ascending; gaps and their ends are remembered.

        Where the way is lost below some bands, the rest is the lowest one.

        Raises
        ------
        ConvergenceError
            If it is lost in the first one.
        """
        found: list[tuple[float, float]] = []
        while True:
            try:
                gap = self._gap(high)
            except ConvergenceError:
                if not found:
                    raise
                gap = None
            if gap is None:
                return [(self.low, high), *found]
            below, above = gap
            self.states.gaps.append((below.at, above.at))
            self.states.enter(above)
            self.states.enter(below)
            found.insert(0, (above.at, high))
            high = below.at

    def _gap(self, high: float) -> tuple[End, End] | None:
        """Ends of the gap below a band, the lower first; None if the band is the lowest."""
        states, low = self.states, self.low
        inside = states.between(low, high * (1.0 - NARROW))
        if not inside:
            raise ConvergenceError("no state below an edge is known", residual=math.inf)
        z, _, state = inside[-1]
        lowest = min((at for at, _, _ in states.between(low, z)), default=low)
        before: tuple[float, State] | None = None
        step, expected, tried = FIRST, math.inf, math.nan
        for _ in range(MOST):
            place = angle_of(low, high, z) - step
            target = eigenvalue_at(low, high, place) if place > 0.0 else low
            if before is not None and (ahead := _edge_ahead((z, state), before)) is not None:
                at, arc = ahead
                if arc < CLOSE and abs(at - expected) < AGREED * (z - at) and z != tried:
                    if at < lowest:
                        return None
                    tried = z
                    with suppress(ConvergenceError):
                        curve, edge, bend = self._edge((z, state), before)
                        if edge.eigenvalue < low * (1.0 + NARROW):
                            return None
                        return self._across(curve, edge), End.of(curve, edge, bend)
                target, expected = max(target, at + CLOSER * (z - at)), at
            if target <= lowest or (low == 0.0 and place < LAST):
                return None
            if step < SHORTEST:
                break
            new = states.beside(target)
            if new is None:
                step = SHORTER * min(step, angle_of(low, high, z) - angle_of(low, high, target))
                continue
            before, (z, state, error) = (z, state), (target, *new)
            step *= LONGER if error < GOOD else SHORTER if error > POOR else 1.0
            step = min(step, LONGEST)
        raise ConvergenceError("the lower end of a band was not found", residual=step, last=z)

    def _edge(
        self, last: tuple[float, State], before: tuple[float, State]
    ) -> tuple[RealCurve, CurvePoint, float]:
        """Edge just below two states, with its curve and its bend."""
        (z, state), (above, earlier) = last, before
        ahead = _edge_ahead(last, before)
        assert ahead is not None
        share = (ahead[0] - z) / (z - above)
        logs = [np.log(np.concatenate([x.resolvent, x.omega])) for x in (state, earlier)]
        real = logs[0].real + share * (logs[0].real - logs[1].real)
        angles = _to_axis(logs[0].imag)
        sizes = [_arc(state, x) ** 2 for x in logs]
        bend = -2.0 * math.log(above / z) / (sizes[1] - sizes[0])
        equations, n_q = self.states.equations, state.resolvent.size
        signs = np.where(np.cos(logs[0].imag) > 0.0, 1.0, -1.0)
        curve = RealCurve(equations, (signs[:n_q], signs[n_q:]))
        direction = np.append(angles / math.sqrt(sizes[0]), 0.0)
        position = np.append(real, math.log(ahead[0]))
        values = signs * np.exp(real)
        start = CurvePoint(
            position, direction, State(values[:n_q], values[n_q:], math.inf, state.parts), ahead[0]
        )
        rough, bend = curve.turn(start, bend)
        found = curve.turned(rough, bend)
        if not ahead[0] - (z - ahead[0]) < found.eigenvalue < z:
            raise ConvergenceError("another edge was found", residual=math.inf, last=found)
        return curve, found, bend

    def _across(self, curve: RealCurve, edge: CurvePoint) -> End:
        """Upper end of the band below the gap under an edge: resolvents fall on the way down."""
        falls = curve.equations.spectral(*edge.tangent, edge.eigenvalue) < 0.0
        start = edge if falls else replace(edge, direction=-edge.direction)
        known = self.states.between(self.low, edge.eigenvalue * (1.0 - NARROW))
        lowest = max((at for at, _, _ in known), default=self.low)
        step = ACROSS
        while step > SHORTEST_STEP:
            with suppress(ConvergenceError):
                first = curve.advance(start, step)
                if first.log_eigenvalue_slope < 0.0:
                    points = curve.follow(first, step, (lowest, edge.eigenvalue), FEW)
                    end = edge_of(curve, points)
                    grows = all(np.all(p.tangent[0] * p.log_eigenvalue_slope > 0.0) for p in points[:-1])
                    if grows and lowest < end.at < edge.eigenvalue:
                        return end
            step *= SHORTER
        raise ConvergenceError("a gap of the bulk was not crossed", residual=math.inf, last=edge)


def _to_axis(angles: Array) -> Array:
    """Angles from the real axis."""
    return np.asarray(angles - np.pi * np.round(angles / np.pi))


def _arc(state: State, log: NDArray[np.complex128]) -> float:
    """Imaginary arc length from the real axis."""
    squares, n_q = _to_axis(log.imag) ** 2, state.resolvent.size
    return math.sqrt(float(squares[:n_q].mean() + squares[n_q:].mean()))


def _edge_ahead(last: tuple[float, State], before: tuple[float, State]) -> tuple[float, float] | None:
    """Edge below two states, roughly, and the arc length to it; None where they do not come closer to one."""
    sizes = [_arc(x, np.log(np.concatenate([x.resolvent, x.omega]))) for _, x in (last, before)]
    if not sizes[0] < sizes[1]:
        return None
    # The square of the arc length is linear in the eigenvalue next to an edge.
    share = sizes[0] ** 2 / (sizes[1] ** 2 - sizes[0] ** 2)
    return last[0] - share * (before[0] - last[0]), sizes[0]
