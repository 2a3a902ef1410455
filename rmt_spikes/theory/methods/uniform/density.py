"""The resolvent on the upper side of its branch cut: the density of the bulk."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.interval import MASS_ERROR, Interval, mass_error, refinements
from rmt_spikes.theory.methods.uniform.continuation import LONGEST_STEP, RealCurve
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

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

ROUNDING = 1e-11
"""Relative imaginary part of the wrong sign that is allowed: a tenth of `ENOUGH`."""

SCAN, AGAIN = 64, 9
"""Parts of the whole support between which gaps are looked for, and points of each interval: what they miss
shows in the mass. The first are nodes of the cosine series of the density."""

NEAR = 6
"""States that a guess is interpolated between."""

GUESSED = 10
"""Steps of Newton's method from a guess: mostly 2 or 3 are enough, and where 10 are not there is a gap."""

SHORT = 0.25
"""First step from a point of a gap, by its distance from the spectrum."""

SAME_PLACE = 1e-12
"""Relative distance of eigenvalues whose states are the same."""

SLOW, FINEST = 128, 512
"""Nodes of a band after which gaps are looked for between those, and on which they are looked for at most."""

CUTS = 3
"""Of a band one after another: settings of users need at most two."""

DEEP = 0.98
"""Share of the density at both neighbours below which a dip is a joint: rounding makes none."""

DIP_STEPS = 30
"""Golden sections of a dip: they leave 5e-7 of it."""


@dataclass(frozen=True, eq=False)
class BranchCut:
    """Boundary values on the real axis of the resolvent of the equations of the bulk."""

    equations: FixedPoint
    _known: list[tuple[float, int, State]] = field(default_factory=list, repr=False)
    _bands: list[tuple[float, float]] = field(default_factory=list, repr=False)
    _gaps: list[tuple[float, float]] = field(default_factory=list, repr=False)

    def imaginary(self, z: Array) -> tuple[Array, float]:
        """Imaginary part of the mean resolvent ``E_q R`` at ``z + i0``, and the largest residual.

        The eigenvalues `z` are ascending. In a gap that is known nothing is solved.

        Raises
        ------
        ConvergenceError
            If the equations cannot be solved on the physical branch.
        """
        values = np.zeros(z.size)
        middle = z.size // 2
        residual = 0.0
        for i in (*range(middle, z.size), *range(middle - 1, -1, -1)):
            if not self._in_gap(float(z[i])):
                state = self._state(float(z[i]))
                values[i] = self.equations.q_weights @ state.resolvent.imag
                residual = max(residual, state.residual)
        return values, residual

    def support(self, low: float, high: float, hints: Array) -> tuple[Array, tuple[float, ...]]:
        """Intervals of the spectrum between its outer edges, shape ``(n_intervals, 2)``, and joints.

        Edges are eigenvalues, joints singular values next to a cusp of the density. Gaps are looked for on 63
        points, at the `hints` and at the bottom of each dip of the density between
        these. What goes unseen shows in the mass of the bulk.
        """
        self._bands[:] = [(low, high)]
        t = np.arange(1, SCAN) * np.pi / SCAN
        z = (np.sqrt(low) + (np.sqrt(high) - np.sqrt(low)) * np.sin(0.5 * t) ** (6 if low == 0.0 else 2)) ** 2
        z = np.unique(np.concatenate([z, hints[(hints > low) & (hints < high)]]))
        density = self.imaginary(z)[0]
        for i in np.flatnonzero((density[1:-1] < density[:-2]) & (density[1:-1] < density[2:])) + 1:
            dip, value = self._lowest(z[i - 1], z[i], z[i + 1])
            place = np.searchsorted(z, dip)
            z, density = np.insert(z, place, dip), np.insert(density, place, value)
        rough = self._bands[:] = self._intervals(low, high, z, density)
        parts = [self._split(*band) for band in rough]
        self._bands[:] = [band for bands, _ in parts for band in bands]
        return np.array(self._bands), tuple(joint for _, joints in parts for joint in joints)

    def density(self, x: Array) -> Array:
        """Density of singular values at ascending points, shape ``(n,)``."""
        return np.asarray(2.0 * x * self.imaginary(x**2)[0] / (np.pi * self.equations.ratio))

    def _split(
        self, low: float, high: float, joints: tuple[bool, bool] = (False, False), cuts: int = CUTS
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """Bands within one in which gaps may have gone unseen, and its joints: its mass converges slowly.

        A joint is the bottom of a dip, next to a cusp. Parts are cut again at most `cuts` times.
        """
        interval = Interval(float(np.sqrt(low)), float(np.sqrt(high)), joints)
        for values, changes in refinements(self.density, interval):
            if mass_error(changes) < MASS_ERROR or values.size > FINEST or cuts == 0:
                break
            if values.size <= SLOW:
                continue
            x = interval.point(np.arange(1, values.size - 1) * np.pi / (values.size - 1))
            found = self.density(x)
            for i in np.flatnonzero((found[1:-1] < found[:-2]) & (found[1:-1] < found[2:])) + 1:
                dip, value = self._lowest(x[i - 1] ** 2, x[i] ** 2, x[i + 1] ** 2)
                ends = (dip, dip)
                if value <= 0.0:
                    ends = self._gap_edges(dip, float(x[i - 1] ** 2), float(x[i + 1] ** 2))
                elif (
                    value
                    > DEEP * min(found[i - 1], found[i + 1]) / (2.0 * x[i]) * np.pi * self.equations.ratio
                ):
                    continue
                cusp = value > 0.0
                below = self._split(low, ends[0], (joints[0], cusp), cuts - 1)
                above = self._split(ends[1], high, (cusp, joints[1]), cuts - 1)
                if not cusp:
                    return below[0] + above[0], below[1] + above[1]
                bands = [*below[0][:-1], (below[0][-1][0], above[0][0][1]), *above[0][1:]]
                return bands, [*below[1], float(np.sqrt(dip)), *above[1]]
        return [(low, high)], []

    def _intervals(self, low: float, high: float, z: Array, density: Array) -> list[tuple[float, float]]:
        """Intervals of the spectrum from `low` to `high`, given the density on points between these.

        An interval with fewer than nine points is looked through again on nine points of its own.
        """
        empty = np.flatnonzero(density <= 0.0)
        if empty.size == 0:
            if z.size >= AGAIN:
                return [(low, high)]
            angle = (np.arange(AGAIN) + 0.5) * np.pi / AGAIN
            z = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
            return self._intervals(low, high, z, self.imaginary(z)[0])
        first = empty[0]
        last = first + int(np.argmin(np.append(density[first:] <= 0.0, False))) - 1
        occupied = (z[first - 1] if first > 0 else low, z[last + 1] if last + 1 < z.size else high)
        left, right = self._gap_edges(float(z[(first + last) // 2]), *occupied)
        if not low < left < right < high:
            raise ConvergenceError(
                "a gap of the bulk was not found", residual=right - left, last=(left, right)
            )
        below, above = z < left, z > right
        return [
            *self._intervals(low, left, z[below], density[below]),
            *self._intervals(right, high, z[above], density[above]),
        ]

    def _gap_edges(self, z: float, low: float, high: float) -> tuple[float, float]:
        """Edges of the gap around `z`, between two eigenvalues of the spectrum.

        Where the real resolvent is lost (a component that changes sign in the gap), the edge is found by
        bisection.
        """
        known = next((gap for gap in self._gaps if gap[0] < z < gap[1]), None)
        left, right = known or self._followed(z, self._from_above(z))
        return (
            left if low < left < z else self._bisect(low, z),
            right if z < right < high else self._bisect(high, z),
        )

    def _followed(self, z: float, state: State) -> tuple[float, float]:
        """Ends of the real resolvent around `z`, where it is `state`; NaN where it is lost.

        It is followed in steps that are short against the way to the spectrum, and must grow all the way.
        """
        r, omega = state.resolvent.real, state.omega.real
        curve = RealCurve(self.equations, (np.sign(r), np.sign(omega)))
        step = min((abs(np.log(at / z)) for at, _, _ in self._around(z)), default=LONGEST_STEP) * SHORT
        ends = []
        for along in (-1.0, 1.0):
            try:
                points = curve.follow(curve.at_eigenvalue(z, r, omega, along, state.parts), step)
                end = curve.edge(points).eigenvalue
                grows = all(np.all(p.tangent[0] * p.log_eigenvalue_slope > 0.0) for p in points[:-1])
                passed = any(min(z, end) < at < max(z, end) for at, _, _ in self._known)
                ends.append(end if grows and not passed else np.nan)
            except ConvergenceError:
                ends.append(np.nan)
        return ends[0], ends[1]

    def _band(self, z: float) -> tuple[float, float]:
        """Interval of the spectrum that an eigenvalue lies in, as far as it is known."""
        low, high = next(((a, b) for a, b in self._bands if a < z < b), (0.0, np.inf))
        low = max((right for _, right in self._gaps if low < right <= z), default=low)
        return low, min((left for left, _ in self._gaps if z <= left < high), default=high)

    def _around(self, z: float, count: int = 1) -> list[tuple[float, int, State]]:
        """States inside the spectrum that are known, up to `count` on either side."""
        place = bisect_left(self._known, (z,))
        return self._known[max(0, place - count) : place + count]

    def _in_gap(self, z: float) -> bool:
        return any(left < z < right for left, right in self._gaps)

    def _bisect(self, inside: float, outside: float) -> float:
        """Edge between an eigenvalue of the spectrum and one of a gap, to ``1e-9``."""
        while abs(outside - inside) > 1e-9 * outside:
            middle = 0.5 * (inside + outside)
            if self._physical(self._from_above(middle)):
                inside = middle
            else:
                outside = middle
        return inside

    def _lowest(self, low: float, middle: float, high: float) -> tuple[float, float]:
        """Bottom of a dip of the density, by golden sections; stops at once in a gap."""
        golden = 0.5 * (3.0 - 5.0**0.5)
        value = self._density(middle)
        for _ in range(DIP_STEPS):
            if value <= 0.0:
                break
            right = high - middle > middle - low
            trial = middle + golden * ((high if right else low) - middle)
            trial_value = self._density(trial)
            if trial_value < value:
                low, high = (middle, high) if right else (low, middle)
                middle, value = trial, trial_value
            else:
                low, high = (low, trial) if right else (trial, high)
        return middle, value

    def _density(self, z: float) -> float:
        return float(self.imaginary(np.array([z]))[0][0])

    def _state(self, z: float) -> State:
        """Solution at an eigenvalue, remembered; a gap that it lies in is remembered as well."""
        for at, _, state in self._around(z):
            if abs(at - z) <= SAME_PLACE * z:
                return state
        state = self._next(z)
        if self._physical(state):
            # The derivatives of channels are large: those of every eighth state serve the ones beside it.
            kept = state if len(self._known) % 8 == 0 else self.equations.without_derivatives(state)
            insort(self._known, (z, len(self._known), kept))
        else:
            left, right = self._followed(z, state)
            if left < z < right:
                self._gaps.append((left, right))
        return state

    def _next(self, z: float) -> State:
        """Solution from those nearby, or from far above the axis where that fails."""
        guess = self._guess(z)
        if guess is not None:
            try:
                state = self.equations.solve(
                    np.asarray(-complex(z)), guess, tolerance=ENOUGH, fresh=False, most=GUESSED
                )
                if self._physical(state):
                    return state
            except ConvergenceError:
                pass
        return self._from_above(z)

    def _guess(self, z: float) -> State | None:
        """Guess by interpolation between the states nearby, in the angle of the interval that `z` lies in.

        At an edge the resolvent has a root, which the angle removes: beyond it there are the complex
        conjugates. The logarithms of the unknowns are interpolated, less those of their power where the
        interval reaches zero.
        """
        low, high = self._band(z)
        near = [known for known in self._around(z, NEAR) if low < known[0] < high]
        if not near:
            return None
        angle = partial(_angle, low, high)
        points = [(angle(at), False, at, state) for at, _, state in near]
        if np.isfinite(high):
            points += [(2.0 * np.pi - u, True, at, state) for u, _, at, state in points]
        if low > 0.0:
            points += [(-u, True, at, state) for u, mirrored, at, state in points if not mirrored]
        here = angle(z)
        points = sorted(points, key=lambda point: abs(point[0] - here))[:NEAR]
        nodes, mirrored, places, states = map(list, zip(*points, strict=True))
        weights = _lagrange(np.array(nodes), here)
        trend = np.log(np.array(places) / z)
        unknowns = []
        # A wild guess overflows; it is refused like any other that leads nowhere.
        with np.errstate(all="ignore"):
            for name in ("resolvent", "omega"):
                values = np.array(
                    [_logarithm(getattr(x, name), m) for x, m in zip(states, mirrored, strict=True)]
                )
                power = np.zeros(values.shape[1])
                if low == 0.0 and len(near) > 1:
                    first, second = np.argsort(places)[:2]
                    if trend[first] != trend[second]:
                        power = (values[first] - values[second]).real / (trend[first] - trend[second])
                unknowns.append(np.exp(weights @ (values - np.multiply.outer(trend, power))))
            parts = self.equations.between(states, mirrored, weights)
        return State(unknowns[0], unknowns[1], np.inf, parts)

    def _from_above(self, z: float) -> State:
        """Solution on the axis by continuation from the upper half-plane, where there is only one.

        The height falls by a factor that is adapted; at each height the axis itself is tried. Where
        there is no spectrum the solution becomes real, and is returned once its imaginary part is that
        of the height.
        """
        equations, factor = self.equations, 0.1
        for height in (1.0 + equations.mean_eigenvalue / z) * HIGHEST:
            top = complex(z, height * z)
            start = (
                np.full(equations.q_weights.size, -1.0 / top),
                np.ones(equations.a_weights.size, dtype=complex),
            )
            try:
                last = equations.solve(np.asarray(-top), start)
                break
            except ConvergenceError as error:
                failed = error
        else:
            raise failed
        while height > LOWEST:
            try:
                state = equations.solve(np.asarray(-complex(z, factor * height * z)), last, fresh=False)
                if not self._physical(state, 0.0, complex(z, factor * height * z)):
                    raise ConvergenceError("the resolvent left its half-plane", residual=state.residual)
            except ConvergenceError:
                factor = factor**0.5
                if factor > SLOWEST:
                    raise
                continue
            last, height, factor = state, factor * height, max(0.1, factor**1.5)
            if height < ATTEMPT:
                try:
                    state = equations.solve(np.asarray(-complex(z)), last, fresh=False)
                except ConvergenceError:
                    continue
                if self._physical(state):
                    return state
        return State(last.resolvent.real + 0j, last.omega.real + 0j, last.residual, last.parts)

    def _physical(self, state: State, least: float = SMALLEST_DENSITY, z: complex = 1.0) -> bool:
        """Whether a state belongs to the upper half-plane, or inside the spectrum to its boundary.

        Rows and columns that hardly fluctuate have next to no imaginary part of their own: the mean decides,
        and rounding is allowed for in the rest.
        """
        r, omega = state.resolvent, state.omega / z
        return bool(
            np.mean(r.imag) > least * np.mean(np.abs(r))
            and np.all(r.imag > -ROUNDING * np.abs(r))
            and np.all(omega.imag < ROUNDING * np.abs(omega))
        )


def _angle(low: float, high: float, z: float) -> float:
    """Angle of an eigenvalue in an interval, between 0 and pi; its logarithm where there is none."""
    if not np.isfinite(high):
        return float(np.log(z))
    share, power = (np.sqrt(z) - np.sqrt(low)) / (np.sqrt(high) - np.sqrt(low)), 3 if low == 0.0 else 1
    return float(2.0 * np.arcsin(share ** (0.5 / power)))


def _lagrange(nodes: Array, x: float) -> Array:
    """Weights of values on the nodes in their interpolation at `x`."""
    difference = nodes[:, None] - nodes + np.eye(nodes.size)
    others = np.where(np.eye(nodes.size) > 0.0, 1.0, x - nodes)
    return np.asarray(np.prod(others / difference, axis=1))


def _logarithm(values: Values, mirrored: bool) -> Values:
    """Logarithm, continued beyond an edge where the state is `mirrored`."""
    found = np.log(values)
    return found.conj() + 2.0j * np.pi * np.round(found.imag / np.pi) if mirrored else found
