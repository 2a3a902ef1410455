"""The resolvent on the upper side of its branch cut: the density of the bulk."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

Array = NDArray[np.float64]
Values = NDArray[Any]

HIGHEST, ATTEMPT, LOWEST = 100.0, 0.02, 1e-12
"""Heights above the axis, relative to the eigenvalue: where the first guess is good, from where the axis
itself is tried, and where a solution that has not reached it counts as real."""

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

SAME_PLACE = 1e-12
"""Relative distance of eigenvalues whose states are the same."""

DIP_STEPS = 30
"""Golden sections of a dip: they leave 5e-7 of it."""


@dataclass(frozen=True, eq=False)
class BranchCut:
    """Boundary values on the real axis of the resolvent of the equations of the bulk."""

    equations: FixedPoint
    _known: list[tuple[float, int, State]] = field(default_factory=list, repr=False)

    def resolvent(self, z: Array) -> tuple[Array, float]:
        """Mean resolvent ``E_q R`` at ``z + i0`` for ascending `z`, and the largest residual.

        Raises
        ------
        ConvergenceError
            If the equations cannot be solved on the physical branch.
        """
        values = np.zeros(z.size, dtype=complex)
        middle = z.size // 2
        seed = self._seed(float(z[middle]))
        residual = 0.0
        for order in (range(middle, z.size), range(middle - 1, -1, -1)):
            history = [(z[middle], seed)] if order.step < 0 else []
            for i in order:
                known = seed if i == middle else self._recalled(float(z[i]))
                state = known or self._step(float(z[i]), history)
                history.append((z[i], state))
                if known is None or known is seed:
                    # The channels of a state are large: those of every eighth serve the ones beside it.
                    kept = state if len(self._known) % 8 == 0 else replace(state, parts=())
                    insort(self._known, (float(z[i]), len(self._known), kept))
                values[i] = self.equations.q_weights @ state.resolvent
                residual = max(residual, state.residual)
        return values, residual

    def support(self, low: float, high: float, hints: Array) -> Array:
        """Intervals of the spectrum between its outer edges, shape ``(n_intervals, 2)``.

        Gaps are looked for on 63 points, at the `hints` and at the bottom of each dip of the density between
        these. What goes unseen shows in the mass of the bulk.
        """
        t = np.arange(1, SCAN) * np.pi / SCAN
        z = (np.sqrt(low) + (np.sqrt(high) - np.sqrt(low)) * np.sin(0.5 * t) ** (6 if low == 0.0 else 2)) ** 2
        z = np.unique(np.concatenate([z, hints[(hints > low) & (hints < high)]]))
        density = self.resolvent(z)[0].imag
        for i in np.flatnonzero((density[1:-1] < density[:-2]) & (density[1:-1] < density[2:])) + 1:
            dip, value = self._lowest(z[i - 1], z[i], z[i + 1])
            place = np.searchsorted(z, dip)
            z, density = np.insert(z, place, dip), np.insert(density, place, value)
        return np.array(self._intervals(low, high, z, density))

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
            return self._intervals(low, high, z, self.resolvent(z)[0].imag)
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

        The real resolvent is followed to both sides. Where it is lost (a component that changes sign in the
        gap), the edge is found by bisection.
        """
        state = self._from_above(z)
        r, omega = state.resolvent.real, state.omega.real
        curve = RealCurve(self.equations, (np.sign(r), np.sign(omega)))
        edges = []
        for along, occupied in ((-1.0, low), (1.0, high)):
            try:
                edge = curve.edge(
                    curve.follow(curve.at_eigenvalue(z, r, omega, along, state.parts))
                ).eigenvalue
            except ConvergenceError:
                edge = np.inf
            edges.append(edge if min(z, occupied) < edge < max(z, occupied) else self._bisect(occupied, z))
        return edges[0], edges[1]

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
        return float(self.resolvent(np.array([z]))[0][0].imag)

    def _nearest(self, z: float) -> tuple[float, State] | None:
        """Nearest eigenvalue that is known, and the state there."""
        place = bisect_left(self._known, (z,))
        near = self._known[max(0, place - 1) : place + 1]
        return min(((at, state) for at, _, state in near), key=lambda known: abs(known[0] - z), default=None)

    def _recalled(self, z: float) -> State | None:
        """Solution at an eigenvalue that is known."""
        nearest = self._nearest(z)
        return nearest[1] if nearest is not None and abs(nearest[0] - z) <= SAME_PLACE * z else None

    def _seed(self, z: float) -> State:
        """Solution from that at the nearest eigenvalue known, or from far above the axis."""
        nearest = self._nearest(z)
        return self._from_above(z) if nearest is None else self._recalled(z) or self._step(z, [nearest])

    def _step(self, z: float, history: list[tuple[float, State]]) -> State:
        """Solution next to the last ones, or from far above the axis when that fails."""
        guess = State(*_extrapolate(z, history), np.inf, history[-1][1].parts)
        try:
            state = self.equations.solve(np.asarray(-complex(z)), guess, tolerance=ENOUGH, fresh=False)
        except ConvergenceError:
            return self._from_above(z)
        return state if self._physical(state) else self._from_above(z)

    def _from_above(self, z: float) -> State:
        """Solution on the axis by continuation from the upper half-plane, where there is only one.

        The height falls by a factor that is adapted; at each height the axis itself is tried. Where
        there is no spectrum the solution becomes real, and is returned once its imaginary part is that
        of the height.
        """
        equations = self.equations
        height, factor = HIGHEST * (1.0 + equations.mean_eigenvalue / z), 0.1
        last = equations.solve(
            np.asarray(-complex(z, height * z)),
            (
                np.full(equations.q_weights.size, -1.0 / complex(z, height * z)),
                np.ones(equations.a_weights.size, dtype=complex),
            ),
        )
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


def _extrapolate(z: float, history: list[tuple[float, State]]) -> tuple[Values, Values]:
    """Guess from the last states, by extrapolating logarithms: the unknowns are powers of a small ``z``.

    In steps of the same kind (angles of an interval) for neighbours, in ``log z`` where they are far apart.
    """
    (last_z, last) = history[-1]
    if len(history) < 2 or last_z == history[-2][0]:
        return last.resolvent, last.omega
    share = np.log(z / last_z) / np.log(last_z / history[-2][0])
    neighbours = abs(np.log(z / last_z)) < 1.0 and len(history) > 2
    weights = {1: 2.0, 2: -1.0} if neighbours else {1: share}
    values = []
    for name in ("resolvent", "omega"):
        logarithm = np.zeros_like(getattr(last, name))
        for k, weight in weights.items():
            newer, older = getattr(history[-k][1], name), getattr(history[-k - 1][1], name)
            logarithm += weight * np.log(newer / older)
        # A wild guess overflows; it is refused like any other that leads nowhere.
        with np.errstate(all="ignore"):
            values.append(getattr(last, name) * np.exp(logarithm))
    return values[0], values[1]
