"""The resolvent on the upper side of its branch cut: states inside the spectrum and in its gaps."""

from __future__ import annotations

from bisect import bisect_left, insort
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.density.angles import angle_of
from rmt_spikes.theory.methods.uniform.density.edges import End, edge_of
from rmt_spikes.theory.methods.uniform.density.guess import NEAR, interpolated, with_slope
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State
from rmt_spikes.theory.methods.uniform.newton import LONGEST_STEP

Array = NDArray[np.float64]
Values = NDArray[Any]

HIGHEST, ATTEMPT, LOWEST = np.array([1e2, 1e4, 1e6]), 0.02, 1e-12
"""Heights above the axis, relative to the eigenvalue: where the first guess is good (the first unless rows
differ greatly), from where the axis itself is tried, and where a solution that has not reached it counts as
real."""

SLOWEST = 0.95
"""Factor of the height closer to one than which the continuation counts as stuck."""

ENOUGH = 1e-10
"""Residual of a state inside the bulk: below the 1e-7 to which its mass is summed."""

SMALLEST_DENSITY = 1e-9
"""Relative imaginary part of a resolvent that counts as none: a millionth inside an edge it is about 1e-3."""

DOUBTFUL = 1e-6
"""The same of a state that is solved to `ENOUGH`: next to an edge, in a gap, its error may be as large."""

ROUNDING = 1e-11
"""Relative imaginary part of the wrong sign that is allowed: a tenth of `ENOUGH`."""

STARTS = 3
"""States from which a descent is tried before one from far above."""

STEPS = 20
"""Steps of Newton's method at one height: mostly 3 to 6."""

REAL = 1e-9
"""Relative imaginary part of a solution on the axis that counts as none."""

GUESSED = 8
"""Steps of Newton's method from a guess: mostly 2 to 4 are enough; where 8 are not the guess is too far."""

FAR = 0.1
"""Angle to the nearest state from which one half-way is found first where the way is too long."""

SHORT = 0.25
"""First step from a point of a gap, by its distance from the spectrum."""

FEW = 60
"""Points of a gap: on random settings it takes at most some 20 to either side."""

SAME_PLACE = 1e-12
"""Relative distance of eigenvalues whose states are the same."""


@dataclass(frozen=True, eq=False)
class CutStates:
    """Boundary values on the real axis of the resolvent of the equations of the bulk, remembered.

    Parameters
    ----------
    equations
        Equations of the bulk.
    bands, gaps
        Intervals of the spectrum and gaps as far as they are known, eigenvalues.
    ends
        Mean of the resolvent at ends of the spectrum.
    """

    equations: FixedPoint
    bands: list[tuple[float, float]] = field(default_factory=list, repr=False)
    gaps: list[tuple[float, float]] = field(default_factory=list, repr=False)
    ends: dict[float, float] = field(default_factory=dict, repr=False)
    _known: list[tuple[float, int, State]] = field(default_factory=list, repr=False)
    _heights: list[tuple[complex, State]] = field(default_factory=list, repr=False)
    _outside: dict[float, tuple[State, tuple[End, End]]] = field(default_factory=dict, repr=False)

    def at(self, z: float) -> State:
        """Solution at an eigenvalue, remembered; a gap that it lies in is remembered as well."""
        if (known := self._at_place(z)) is not None:
            return known
        if z in self._outside:
            return self._outside[z][0]
        state = self._next(z)
        if self.physical(state):
            self._remember(z, state)
        else:
            ends = self.followed(z, state)
            self._outside[z] = state, ends
            if ends[0].at < z < ends[1].at:
                self.gaps.append((ends[0].at, ends[1].at))
                for end in ends:
                    self.enter(end)
        return state

    def forget(self, bands: list[tuple[float, float]]) -> None:
        """Forget what was found outside the spectrum and turned out to be in one of some bands."""
        for z in [z for z in self._outside if any(low < z < high for low, high in bands)]:
            del self._outside[z]

    def gap(self, z: float) -> tuple[float, float]:
        """Ends of the gap around an eigenvalue outside the spectrum; NaN where the real resolvent is lost."""
        for left, right in self.gaps:
            if left < z < right:
                return left, right
        if z not in self._outside:
            state = self.from_above(z)
            self._outside[z] = state, self.followed(z, state)
        below, above = self._outside[z][1]
        return below.at, above.at

    def mean(self, z: float) -> complex:
        """Mean of the resolvent at an eigenvalue, on the upper side."""
        state, mean = self.at(z), self.equations.spectral
        return complex(
            mean(state.resolvent.real, state.omega.real, z), mean(state.resolvent.imag, state.omega.imag, z)
        )

    def enter(self, end: End) -> None:
        """Remember an end of the spectrum, and find a state inside next to it, from that on the edge."""
        if end.inside:
            self.ends[end.at] = end.mean
        for z, guess in end.inside:
            with suppress(ConvergenceError):
                state = self.equations.solve(
                    np.asarray(-complex(z)), guess, tolerance=ENOUGH, fresh=False, most=GUESSED
                )
                if self.physical(state):
                    return self._insert(z, state)

    def _next(self, z: float) -> State:
        """Solution from those nearby, over one half-way if these are far, else from far above the axis."""
        with suppress(ConvergenceError):
            return self._from_nearby(z)
        low, high = self._band(z)
        known = [at for at, _, _ in self.around(z) if low < at < high]
        angles = [abs(angle_of(low, high, at) - angle_of(low, high, z)) for at in known]
        if known and np.isfinite(high) and min(angles) > FAR:
            nearest = known[int(np.argmin(angles))]
            with suppress(ConvergenceError):
                between = (0.5 * (z**0.5 + nearest**0.5)) ** 2
                self._insert(between, self._from_nearby(between))
                return self._from_nearby(z)
        return self.from_above(z)

    def _from_nearby(self, z: float) -> State:
        """Solution from those nearby.

        Raises
        ------
        ConvergenceError
            If there is none inside the spectrum.
        """
        guess, place = self._guess(z), np.asarray(-complex(z))
        if guess is None:
            raise ConvergenceError("no state is known nearby", residual=np.inf)
        state = self.equations.solve(place, guess, tolerance=ENOUGH, fresh=False, most=GUESSED)
        if not self.physical(state, DOUBTFUL):
            state = self.equations.solve(place, state, most=STEPS)
        if not self.physical(state):
            raise ConvergenceError("the resolvent left its half-plane", residual=state.residual)
        return state

    def beside(self, z: float) -> tuple[State, float] | None:
        """Solution inside the spectrum from those nearby, remembered, and the error of its guess; or None."""
        guess = self._guess(z)
        try:
            state = self._from_nearby(z)
        except ConvergenceError:
            return None
        assert guess is not None
        ratios = [state.resolvent / guess.resolvent, state.omega / guess.omega]
        self._remember(z, state)
        return state, float(max(np.max(np.abs(ratio - 1.0)) for ratio in ratios))

    def _remember(self, z: float, state: State) -> None:
        """Remember a state inside the spectrum."""
        state = with_slope(self.equations, state)
        # The derivatives of channels are large: those of every eighth state serve the ones beside it.
        self._insert(z, state if len(self._known) % 8 == 0 else self.equations.without_derivatives(state))

    def _insert(self, z: float, state: State) -> None:
        if self._at_place(z) is None:
            state = state if state.slope is not None else with_slope(self.equations, state)
            insort(self._known, (z, len(self._known), state))

    def _at_place(self, z: float) -> State | None:
        """State inside the spectrum that is known at an eigenvalue."""
        return next((state for at, _, state in self.around(z) if abs(at - z) <= SAME_PLACE * z), None)

    def _guess(self, z: float) -> State | None:
        """Guess from the states nearby, if there are any."""
        low, high = self._band(z)
        near = [known for known in self.around(z, NEAR) if low < known[0] < high]
        return interpolated(self.equations, (low, high), [(at, state) for at, _, state in near], z)

    def from_above(self, z: float) -> State:
        """Solution on the axis by continuation from the upper half-plane, where there is only one.

        From a state above the axis that is known, or from above the nearest state inside the spectrum, or
        else from far above.
        """
        starts = [(abs(at - z), near) for at, _, near in self.around(z)]
        starts += [(at.imag, near) for at, near in self._heights if abs(at.real - z) < at.imag]
        for height, near in sorted(starts, key=itemgetter(0))[:STARTS]:
            with suppress(ConvergenceError):
                return self._down(z, self._above(z, height / z, near), height / z)
        return self._down(z, *self._far_above(z))

    def _above(self, z: float, height: float, near: State) -> State:
        """Solution at a height relative to the eigenvalue, from one nearby; remembered."""
        place = complex(z, height * z)
        state = self.equations.solve(np.asarray(-place), near, tolerance=ENOUGH, fresh=False, most=STEPS)
        if not self.physical(state, 0.0, place):
            raise ConvergenceError("the resolvent left its half-plane", residual=state.residual)
        self._heights.append((place, self.equations.without_derivatives(state)))
        return state

    def _down(self, z: float, last: State, height: float) -> State:
        """Solution on the axis from one above it.

        The height falls by a factor that is adapted; at each height the axis itself is tried. Where
        there is no spectrum the solution becomes real, and is returned once it is seen to be that of a gap,
        or its imaginary part is that of the height.
        """
        factor, before = 0.1, (1.0, last)
        while height > LOWEST:
            if height < ATTEMPT:
                with suppress(ConvergenceError):
                    state = self.equations.solve(np.asarray(-complex(z)), last, fresh=False, most=STEPS)
                    if self.physical(state):
                        return state
                    if (real := self._in_a_gap(state, z)) is not None:
                        return real
            try:
                new = self._above(z, factor * height, self._ahead(last, before, factor))
            except ConvergenceError:
                factor = factor**0.5
                if factor > SLOWEST:
                    raise
            else:
                before, last, height = (factor, last), new, factor * height
                factor = max(0.1, factor**1.5)
        return State(last.resolvent.real + 0j, last.omega.real + 0j, last.residual, last.parts)

    def _ahead(self, last: State, before: tuple[float, State], factor: float) -> State:
        """Guess of the state at a height lower by a factor, from the last two and the factor between them.

        The logarithms of the unknowns go on as that of the height.
        """
        ratio, first = before
        if ratio == 1.0:
            return last
        share = ratio * (1.0 - factor) / (1.0 - ratio)
        weights = np.array([1.0 + share, -share])
        resolvent = last.resolvent * (last.resolvent / first.resolvent) ** share
        omega = last.omega * (last.omega / first.omega) ** share
        parts = self.equations.between([last, first], [False, False], weights)
        return State(resolvent, omega, np.inf, parts)

    def _far_above(self, z: float) -> tuple[State, float]:
        """Solution far above the axis, and its height relative to the eigenvalue."""
        equations = self.equations
        failed = ConvergenceError("no point above the spectrum was found", residual=np.inf)
        for height in (1.0 + equations.mean_eigenvalue / z) * HIGHEST:
            top = complex(z, height * z)
            start = (
                np.full(equations.q_weights.size, -1.0 / top),
                np.ones(equations.a_weights.size, dtype=complex),
            )
            try:
                state = equations.solve(np.asarray(-top), start)
            except ConvergenceError as error:
                failed = error
                continue
            if self.physical(state, 0.0, top):
                self._heights.append((top, self.equations.without_derivatives(state)))
                return state, float(height)
            failed = ConvergenceError("the resolvent left its half-plane", residual=state.residual)
        raise failed

    def _in_a_gap(self, state: State, z: float) -> State | None:
        """The real state that this one is, up to rounding, if it lies in a gap; None otherwise.

        A real solution is the limit of that in the upper half-plane where ``R`` grows with ``z``, and
        ``omega / z`` falls.
        """
        pair = (state.resolvent.real + 0j, state.omega.real + 0j)
        if any(np.max(np.abs(x.imag) / np.abs(x)) > REAL for x in (state.resolvent, state.omega)):
            return None
        real = State(*pair, state.residual, self.equations.refreshed(state.parts))
        try:
            slopes = self.equations.tangent(real, -np.ones(pair[0].size))
        except np.linalg.LinAlgError:
            return None
        grows, falls = slopes[0].real > 0.0, z * slopes[1].real < pair[1].real
        return real if np.all(grows) and np.all(falls) else None

    def physical(self, state: State, least: float = SMALLEST_DENSITY, z: complex = 1.0) -> bool:
        """Whether a state belongs to the upper half-plane, or inside the spectrum to its boundary.

        Rows and columns that hardly fluctuate have next to no imaginary part of their own: the mean decides,
        and rounding is allowed for in the rest.
        """
        r, omega = state.resolvent, state.omega / z
        own = self.equations.fluctuating(r, omega)
        return bool(
            np.mean(own.imag) > least * np.mean(np.abs(own))
            and np.all(r.imag > -ROUNDING * np.abs(r))
            and np.all(omega.imag < ROUNDING * np.abs(omega))
        )

    def followed(self, z: float, state: State) -> tuple[End, End]:
        """Ends of the real resolvent around `z`, where it is `state`; NaN where it is lost.

        It is followed in steps that are short against the way to the spectrum, and must grow all the way.
        """
        r, omega = state.resolvent.real, state.omega.real
        curve = RealCurve(self.equations, (np.sign(r), np.sign(omega)))
        step = min((abs(np.log(at / z)) for at, _, _ in self.around(z)), default=LONGEST_STEP) * SHORT
        return self._end(curve, z, step, state, -1.0), self._end(curve, z, step, state, 1.0)

    def _end(self, curve: RealCurve, z: float, step: float, state: State, along: float) -> End:
        """End of the real resolvent below or above `z`."""
        below = max((at for at, _, _ in self.around(z) if at < z), default=0.0)
        above = min((at for at, _, _ in self.around(z) if at > z), default=np.inf)
        try:
            start = curve.at_eigenvalue(z, state.resolvent.real, state.omega.real, along, state.parts)
            points = curve.follow(start, step, (below, above), FEW)
            end = edge_of(curve, points)
        except ConvergenceError:
            return End(np.nan)
        grows = all(np.all(p.tangent[0] * p.log_eigenvalue_slope > 0.0) for p in points[:-1])
        return end if grows and below < end.at < above else End(np.nan)

    def _band(self, z: float) -> tuple[float, float]:
        """Interval of the spectrum that an eigenvalue lies in, as far as it is known."""
        low, high = next(((a, b) for a, b in self.bands if a < z < b), (0.0, np.inf))
        low = max((right for _, right in self.gaps if low < right <= z), default=low)
        return low, min((left for left, _ in self.gaps if z <= left < high), default=high)

    def around(self, z: float, count: int = 1) -> list[tuple[float, int, State]]:
        """States inside the spectrum that are known, up to `count` on either side."""
        place = bisect_left(self._known, (z,))
        return self._known[max(0, place - count) : place + count]

    def between(self, low: float, high: float) -> list[tuple[float, int, State]]:
        """States inside the spectrum that are known between two eigenvalues."""
        return self._known[bisect_left(self._known, (low,)) : bisect_left(self._known, (high,))]

    def in_gap(self, z: float) -> bool:
        """Whether an eigenvalue lies in a known gap."""
        return any(left < z < right for left, right in self.gaps)
