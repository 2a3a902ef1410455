"""The density of the bulk: intervals of its support, gaps and joints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.hard_edge import SHOWN, SUMMED, HardEdge
from rmt_spikes.theory.bulk.interval import (
    MASS_ERROR,
    Interval,
    MassError,
    enough_nodes,
    mass_error,
    refinements,
)
from rmt_spikes.theory.methods.uniform.density.interpolation import interpolation, nearest, outwards
from rmt_spikes.theory.methods.uniform.density.rational import Rational
from rmt_spikes.theory.methods.uniform.density.states import CutStates
from rmt_spikes.theory.methods.uniform.density.walk import Walk

Array = NDArray[np.float64]

SCANS, AGAIN = (32, 64), 9
"""Parts of an interval between which gaps are looked for, of the whole support the last, and points on which
spectrum is: what they miss shows in the mass. The first are nodes of the cosine series of the density."""

NARROW = 1e-8
"""Relative width of an interval below which it is an error of its ends."""

SLOW, FINEST = 128, 512
"""Nodes of a band after which gaps are looked for between those, and on which they are looked for at most."""

FITS = (6, 20)
"""Interpolations of a band at most, before the last scan and in it: mostly the second is enough."""

CUTS = 3
"""Of a band one after another: settings of users need at most two."""

DEEP = 0.98
"""Share of the density at both neighbours below which a dip is a joint: rounding makes none."""

DIP_STEPS, FLAT = 30, 1.001
"""Golden sections of a dip: they leave 5e-7 of it. Ratio of the density at their ends to that between them
below which it is smooth."""


@dataclass(frozen=True, eq=False)
class BranchCut:
    """Density and support of the bulk, from boundary values of its resolvent.

    Parameters
    ----------
    states
        Boundary values.
    mass_error
        What tells the error of the mass of a band.
    interpolates
        Whether the density may be interpolated between nodes of a band.
    """

    states: CutStates
    mass_error: MassError = mass_error
    interpolates: bool = True
    known: dict[tuple[float, float], Rational] = field(default_factory=dict, init=False, repr=False)
    walked: set[tuple[float, float]] = field(default_factory=set, init=False, repr=False)

    def imaginary(self, z: Array) -> Array:
        """Imaginary part of the mean resolvent ``E_q R`` at ``z + i0``.

        The eigenvalues `z` are ascending. In a gap that is known nothing is solved.

        Raises
        ------
        ConvergenceError
            If the equations cannot be solved on the physical branch.
        """
        values = np.zeros(z.size)
        for i in outwards(z.size):
            if not self.states.in_gap(float(z[i])):
                state = self.states.at(float(z[i]))
                values[i] = self.states.equations.spectral(
                    state.resolvent.imag, state.omega.imag, float(z[i])
                )
        return values

    def residual(self, z: Array) -> float:
        """Largest residual of the equations at eigenvalues in the spectrum."""
        states, equations = self.states, self.states.equations
        return max(equations.residual(np.asarray(-complex(at)), states.at(at)) for at in z.tolist())

    def support(self, low: float, high: float, hints: Array) -> tuple[Array, tuple[float, ...]]:
        """Intervals of the spectrum between its outer edges, shape ``(n_intervals, 2)``, and joints.

        Edges are eigenvalues, joints singular values next to a cusp of the density. Gaps are looked for on up
        to 63 points of each interval, at the `hints` and at the bottom of each dip of the density between
        these. What goes unseen shows in the mass of the bulk.
        """
        self.states.bands[:] = [(low, high)]
        rough = self.states.bands[:] = self._bands(low, high, hints, SCANS[-1:])
        parts = [self._split(*band) for band in rough]
        self.states.bands[:] = [band for bands, _ in parts for band in bands]
        return np.array(self.states.bands), tuple(joint for _, joints in parts for joint in joints)

    def density(self, x: Array) -> Array:
        """Density of singular values at ascending points, shape ``(n,)``."""
        low, high = self.states.bands[0][0], self.states.bands[-1][1]
        if low == 0.0:
            return HardEdge(self._density_at, self._start * float(np.sqrt(high)))(x)
        return self._density_at(x)

    @property
    def _start(self) -> float:
        """Share of the upper end below which a density that reaches zero is continued to it.

        Of a population the couplings grow like the inverse of an eigenvalue, and lose as many digits.
        """
        return SUMMED if self.states.equations.ratio > 0.0 else SHOWN

    def _density_at(self, x: Array) -> Array:
        z, values = x**2, np.zeros(x.size)
        left = np.ones(x.size, dtype=bool)
        for (low, high), fit in self.known.items():
            if any(low < below and above < high for below, above in self.states.gaps):
                continue  # the gap was found after the interpolation across it
            inside = (z > low) & (z < high)
            angles = Interval(float(np.sqrt(low)), float(np.sqrt(high))).angle(x[inside])
            values[inside] = fit(angles).imag / z[inside]
            left &= ~inside
        values[left] = self.imaginary(z[left])
        return np.asarray(2.0 * x * values / (np.pi * self.states.equations.spectral_ratio))

    def _interpolate(self, low: float, high: float, parts: int) -> float | None:
        """Interpolate the mean resolvent on a band; returns an eigenvalue in a gap, if one was met."""
        if not self.interpolates:
            return None
        found = interpolation(self.states, low, high, parts, FITS[parts == SCANS[-1]])
        if isinstance(found, Rational):
            self.known[low, high] = found
        return found if isinstance(found, float) else None

    def _split(
        self, low: float, high: float, joints: tuple[bool, bool] = (False, False), cuts: int = CUTS
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """Bands within one in which gaps may have gone unseen, and its joints: its mass converges slowly.

        A joint is the bottom of a dip, next to a cusp. Parts are cut again at most `cuts` times.
        """
        if (low, high) not in self.known and (empty := self._interpolate(low, high, SCANS[0])) is not None:
            return self._around_gap(low, high, empty, joints, cuts)
        interval = Interval(float(np.sqrt(low)), float(np.sqrt(high)), joints)
        for values, changes in refinements(self.density, interval):
            x = interval.point(np.arange(values.size) * np.pi / (values.size - 1))
            holes = np.flatnonzero(values[1:-1] <= 0.0) + 1
            if holes.size:
                if parts := self._walked(low, high):
                    return self._split_bands(parts, joints, cuts)
                return self._around_gap(low, high, float(x[holes[0]] ** 2), joints, cuts)
            if self.mass_error(values, changes) < MASS_ERROR or values.size > FINEST or cuts == 0:
                break
            if values.size <= SLOW:
                continue
            found = self.density(x[1:-1]) / x[1:-1]
            for i in np.flatnonzero((found[1:-1] < found[:-2]) & (found[1:-1] < found[2:])) + 1:
                dip, value = self._lowest(*(x[i : i + 3] ** 2))
                if value <= 0.0:
                    return self._around_gap(low, high, dip, joints, cuts)
                if value <= DEEP * 0.5 * np.pi * self.states.equations.spectral_ratio * min(
                    found[i - 1], found[i + 1]
                ):
                    below = self._split(low, dip, (joints[0], True), cuts - 1)
                    above = self._split(dip, high, (True, joints[1]), cuts - 1)
                    bands = [*below[0][:-1], (below[0][-1][0], above[0][0][1]), *above[0][1:]]
                    return bands, [*below[1], float(np.sqrt(dip)), *above[1]]
        return [(low, high)], []

    def _around_gap(
        self, low: float, high: float, z: float, joints: tuple[bool, bool], cuts: int
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """Bands and joints below and above a gap at `z`; on one side there may be no spectrum."""
        left, right = self._gap_edges(z, *self._occupied_around(low, high, z))
        if right - left < NARROW * high:  # the certificate judges the mass without it
            return [(low, high)], []
        self._drop(left, right)
        return self._split_bands([(low, left), (right, high)], joints, cuts)

    def _drop(self, left: float, right: float) -> None:
        """Drop interpolations across a gap, which were made before it was found."""
        for low, high in [band for band in self.known if band[0] < left and right < band[1]]:
            del self.known[low, high]

    def _split_bands(
        self, parts: list[tuple[float, float]], joints: tuple[bool, bool], cuts: int
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """Bands and joints of parts between gaps, of which the outer ends may be joints."""
        bands: list[tuple[float, float]] = []
        found: list[float] = []
        for i, part in enumerate(parts):
            if self._occupied(*part):
                ends = (joints[0] and i == 0, joints[1] and i == len(parts) - 1)
                more = self._split(*part, ends, cuts)
                bands, found = bands + more[0], found + more[1]
        return bands, found

    def _occupied(self, low: float, high: float) -> bool:
        """Whether there is spectrum in an interval that is wider than rounding."""
        if not high - low > NARROW * high:
            return False
        return bool(self.states.between(low, high) or np.any(self.imaginary(_looked_at(low, high)) > 0.0))

    def _bands(
        self, low: float, high: float, hints: Array, scans: tuple[int, ...] = SCANS
    ) -> list[tuple[float, float]]:
        """Intervals of the spectrum from `low` to `high`, each looked through on points of its own.

        They are the nodes of its cosine series, as many as its mass needs, the `hints`, and the bottom of
        each dip of the density between all these.
        """
        interval = Interval(float(np.sqrt(low)), float(np.sqrt(high)))
        for parts in scans:
            t = np.arange(1, parts) * np.pi / parts
            x = interval.point(t)
            z = np.unique(np.concatenate([x**2, hints[(hints > low) & (hints < high)]]))
            if low == 0.0 and self.states.equations.ratio == 0.0:
                z = z[z > self._start**2 * high]
            if (empty := self._interpolate(low, high, parts)) is not None:
                return self._beside(low, high, empty, hints)
            if (low, high) in self.known:
                density = self.density(np.sqrt(z))
                break
            density = np.zeros(z.size)
            for i in outwards(z.size, nearest(self.states, z, low, high)):
                density[i] = self._density(z[i])
                if density[i] <= 0.0:
                    return self._beside(low, high, float(z[i]), hints)
            mass = float(self.density(x) @ interval.slope(t)) * np.pi / parts
            if parts >= enough_nodes(mass):
                break
        for k in np.flatnonzero((density[1:-1] < density[:-2]) & (density[1:-1] < density[2:])) + 1:
            dip, value = self._lowest(*z[k - 1 : k + 2])
            if value <= 0.0:
                return self._beside(low, high, dip, hints)
        return [(low, high)]

    def _beside(self, low: float, high: float, z: float, hints: Array) -> list[tuple[float, float]]:
        """Intervals of the spectrum from `low` to `high` on either side of a gap at `z`."""
        if found := self._walked(low, high):
            return [part for band in found for part in self._bands(*band, hints)]
        left, right = self._gap_edges(z, *self._occupied_around(low, high, z))
        sides = [(a, b) for a, b in ((low, left), (right, high)) if b - a > NARROW * high]
        if not low < left < right < high * (1.0 + NARROW) or not sides:
            raise ConvergenceError(
                "a gap of the bulk was not found", residual=right - left, last=(left, right)
            )
        self._drop(left, right)
        return [part for side in sides for part in self._bands(*side, hints)]

    def _walked(self, low: float, high: float) -> list[tuple[float, float]]:
        """Bands from the top down; none where they are lost, were found before, or may be all but one.

        One gap is found without; where there is another one, there may be many.
        """
        bands: list[tuple[float, float]] = []
        if (low, high) not in self.states.bands and (low, high) not in self.walked:
            self.walked.add((low, high))
            with suppress(ConvergenceError):
                bands = Walk(self.states, low).bands(high)
                self.walked.update(bands)
                self.states.forget(bands)
        return bands

    def _occupied_around(self, low: float, high: float, z: float) -> tuple[float, float]:
        """Nearest eigenvalues below and above one that are known to be in the spectrum, else the ends."""
        below = max((at for at, _, _ in self.states.between(low, z)), default=low)
        return below, min((at for at, _, _ in self.states.between(z, high)), default=high)

    def _gap_edges(self, z: float, low: float, high: float) -> tuple[float, float]:
        """Edges of the gap around `z`, between two eigenvalues of the spectrum.

        Where the real resolvent is lost (a component that changes sign in the gap), the edge is found by
        bisection.
        """
        left, right = self.states.gap(z)
        return (
            left if low < left < z else self._bisect(low, z),
            right if z < right < high else self._bisect(high, z),
        )

    def _bisect(self, inside: float, outside: float) -> float:
        """Edge between an eigenvalue of the spectrum and one of a gap, to ``1e-9``."""
        while abs(outside - inside) > 1e-9 * outside:
            middle = 0.5 * (inside + outside)
            if self.states.physical(self.states.from_above(middle)):
                inside = middle
            else:
                outside = middle
        return inside

    def _lowest(self, low: float, middle: float, high: float) -> tuple[float, float]:
        """Bottom of a dip of the density, by golden sections; stops in a gap, and where it is flat."""
        golden = 0.5 * (3.0 - 5.0**0.5)
        below, value, above = (self._density(z) for z in (low, middle, high))
        for _ in range(DIP_STEPS):
            if value <= 0.0 or max(below, above) < FLAT * value:
                break
            right = high - middle > middle - low
            trial = middle + golden * ((high if right else low) - middle)
            trial_value = self._density(trial)
            if trial_value < value:
                if right:
                    low, below = middle, value
                else:
                    high, above = middle, value
                middle, value = trial, trial_value
            elif right:
                high, above = trial, trial_value
            else:
                low, below = trial, trial_value
        return middle, value

    def _density(self, z: float) -> float:
        return float(self.imaginary(np.array([z]))[0])


def _looked_at(low: float, high: float) -> Array:
    """Points of an interval on which it is looked through."""
    angle = (np.arange(AGAIN) + 0.5) * np.pi / AGAIN
    return np.asarray(0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle))
