"""The density of the bulk: the mean resolvent on the upper side of the real axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.interval import MASS_ERROR, Interval, mass_error
from rmt_spikes.theory.methods.one_batch.equations import Equations, State
from rmt_spikes.theory.methods.one_batch.solver import TOLERANCE, all_solved, solved, unpacked
from rmt_spikes.theory.methods.one_batch.spectrum.resolvent import from_above

Array = NDArray[np.float64]
Values = NDArray[Any]

POINTS = 64
"""Parts between which gaps are looked for; a level of one sample in a hundred is wider than one."""

FIRST = 8
"""Places that are solved from above the axis."""

EMPTY = 1e-7
"""Density, in units of its mean over the bulk, below which a place is in a gap."""

ROUNDING = 1e-8
"""Share of an imaginary part in the resolvent below which it is rounding."""

NEARER, CLOSER = 0.15, 0.05
"""Share of the distance to an edge that is left after a step towards it from inside: from afar, and from
nearer than `CLOSE`."""

CLOSE = 0.03
"""Relative distance from an edge below which the way to it is straight."""

FARTHER, SURE = 0.5, 0.03
"""The same share for the first step towards a rough lower edge, and towards the upper one, which is known."""

ALLOWED = 5e-6
"""Error of the mass of an only band: half of what a certificate allows. Quantiles are then right to 3e-5."""

BEYOND = 1.001
"""Place above the upper edge, as a multiple of it as followed from above."""

EDGE = 1e-8
"""Relative change of an edge at the end."""

STEPS = 40
"""Steps to an edge from inside: 5 to 9 where the density is a root."""

ENOUGH = 1e-7
"""Change of the unknowns at which they are taken for solved where many densities are asked for at once: it
moves quantiles by less than 1e-7. Edges and certificates have solutions to rounding."""

FAINT = 1e-5
"""Share of an imaginary part in the resolvent below which places are solved to rounding all the same: in
gaps `ENOUGH` leaves far less."""

GUESSED = 40
"""Rounds from a guess: mostly 4 to 10."""

BATCH = 32
"""Places that are solved at once: of more, the arrays are slower to reach."""

NEAR, WILD = 6, 12.0
"""Places that a guess is interpolated between, and sum of the weights above which it is between fewer."""


@dataclass(eq=False)
class Axis:
    """Solutions on the upper side of the axis, remembered.

    Parameters
    ----------
    equations
        Equations of the bulk.
    per_neuron
        ``n / N``: density of the ``N`` values is that of the mean resolvent times it.
    bands
        Intervals of the spectrum as far as they are known, eigenvalues.
    """

    equations: Equations
    per_neuron: float
    bands: list[tuple[float, float]] = field(default_factory=list)
    _place: dict[float, int] = field(default_factory=dict, init=False, repr=False)
    _unknowns: list[Values] = field(default_factory=list, init=False, repr=False)
    _density: list[float] = field(default_factory=list, init=False, repr=False)

    def density(self, z: float) -> float:
        """Density of eigenvalues at `z`, zero in a gap.

        Raises
        ------
        ConvergenceError
            If there is no solution.
        """
        return float(self.values(np.array([z]), TOLERANCE)[0])

    def densities(self, x: Array) -> Array:
        """Density of singular values at `x`, shape ``(n,)``."""
        return 2.0 * x * self.values(x**2)

    def values(self, z: Array, tolerance: float = ENOUGH) -> Array:
        """Density of eigenvalues at `z`, shape ``(n,)``, zero in gaps.

        Raises
        ------
        ConvergenceError
            If there is no solution somewhere.
        """
        found = self.attempt(z, tolerance)
        if np.any(lost := np.isnan(found)):
            raise ConvergenceError(
                "the resolvent of the samples was not found", residual=np.inf, last=float(z[lost][0])
            )
        return found

    def attempt(self, z: Array, tolerance: float = ENOUGH) -> Array:
        """The same, NaN where there is no solution."""
        new = np.array([each for each in np.unique(z) if each not in self._place], dtype=float)
        for part in np.split(new, range(BATCH, new.size, BATCH)):
            if part.size:
                self._solve(part, tolerance)
        return np.array([self._density[self._place[each]] for each in z.tolist()])

    def state(self, z: float) -> State:
        """Solution at an eigenvalue, to rounding.

        Raises
        ------
        ConvergenceError
            If there is none.
        """
        self.density(z)
        return solved(self.equations, complex(-z), unpacked(self._unknowns[self._place[z]]))

    def _solve(self, z: Array, tolerance: float) -> None:
        """Solve at new places and remember: from guesses between neighbours, or from above the axis."""
        missing = np.ones(z.size, dtype=bool)
        unknowns, density = self._start(z.size), np.zeros(z.size)
        inside = np.array(self._density) > 0.0
        if np.any(inside):
            places, known = np.array(list(self._place))[inside], np.array(self._unknowns)[inside]
            guesses = self._guesses(z, places, known)
            unknowns, settled, mean = all_solved(self.equations, -z + 0j, guesses, GUESSED, tolerance)
            faint = settled & (np.abs(mean.imag) < FAINT * np.abs(mean))
            if tolerance > TOLERANCE and np.any(faint):
                unknowns[faint], settled[faint], mean[faint] = all_solved(
                    self.equations, -z[faint] + 0j, unknowns[faint], GUESSED
                )
            density[settled] = self._densities(mean[settled])
            missing = ~(settled & (density > 0.0))
        if np.any(missing):
            unknowns[missing], settled, mean = from_above(self.equations, z[missing])
            density[missing] = np.where(settled, self._densities(mean), np.nan)
        for each, x, value in zip(z.tolist(), unknowns, density.tolist(), strict=True):
            self._place[each] = len(self._density)
            self._unknowns.append(x)
            self._density.append(value)

    def _start(self, count: int) -> Values:
        n = self.equations.step.size
        return np.empty((count, 5 * n**2 + 3 * n), dtype=complex)

    def _densities(self, value: Values) -> Array:
        """Density of eigenvalues by the mean resolvent."""
        imaginary = np.where(value.imag > ROUNDING * np.abs(value), value.imag, 0.0)
        return np.asarray(self.per_neuron / math.pi * imaginary)

    def _guesses(self, z: Array, places: Array, known: Values) -> Values:
        """Interpolation of the unknowns at each `z` between places inside the spectrum.

        In the angle of the band, in which they are smooth: beyond an edge are the complex conjugates. Where
        the places are far, the nearest one.
        """
        found: Values = known[np.argmin(np.abs(places - z[:, None]), axis=1)]
        inside = np.zeros(z.size, dtype=bool)
        for low, high in [*self.bands, (0.0, math.inf)]:
            wanted = np.flatnonzero((z > low) & (z < high) & ~inside)
            inside[wanted] = True
            near = np.flatnonzero((places > low) & (places < high))
            if wanted.size and near.size:
                found[wanted] = self._interpolated((low, high), z[wanted], places[near], known[near])
        return found

    def _interpolated(self, band: tuple[float, float], z: Array, places: Array, known: Values) -> Values:
        (low, high), n = band, self.equations.step.size
        here, angles = _angle(low, high, z), _angle(low, high, places)
        points = [angles]
        if math.isfinite(high):
            points.append(2.0 * np.pi - angles)
            if low > 0.0:
                points.append(-angles)
        nodes = np.concatenate(points)
        order = np.argsort(np.abs(nodes - here[:, None]), axis=1)[:, :NEAR]
        values, mirrored = known[order % places.size], order >= places.size
        # A negative omega is continued through its angle of -pi.
        beyond = values[mirrored].conj()
        beyond[:, :n] -= 2j * np.pi * np.round(beyond[:, :n].imag / np.pi)
        values[mirrored] = beyond
        found, left = values[:, 0].copy(), np.ones(z.size, dtype=bool)
        for count in range(order.shape[1], 1, -2):
            weights = _lagrange(nodes[order[:, :count]], here)
            tame = left & (np.sum(np.abs(weights), axis=1) < WILD)
            found[tame] = np.einsum("zk,zku->zu", weights[tame], values[tame, :count])
            left &= ~tame
        return found

    def edge(self, inside: float, outside: float, rough: float | None = None, left: float = NEARER) -> float:
        """Edge between an eigenvalue of the spectrum and one of a gap.

        The square of the density times the eigenvalue is smooth from inside and vanishes at it. The first
        step is towards a `rough` edge, and leaves a share `left` of the distance.
        """
        place, height = inside, (inside * self.density(inside)) ** 2
        low, high = next(((a, b) for a, b in self.bands if a < inside < b), (0.0, math.inf))
        guess, last = 0.5 * (inside + outside), math.inf
        if rough is not None and (rough - inside) * (rough - outside) < 0.0:
            guess = rough
        for _ in range(STEPS):
            there = place + (1.0 - left) * (guess - place)
            left = CLOSER if abs(guess - place) < CLOSE * guess else NEARER
            # Unknowns are smooth in the angle of the band that ends where the edge is expected.
            self.bands.insert(0, (guess, high) if guess < inside else (low, guess))
            value = (there * self.density(there)) ** 2
            self.bands.pop(0)
            if not value > 0.0:
                outside, guess = there, 0.5 * (place + there)
                continue
            last, guess = (
                guess,
                there + value * (there - place) / (height - value) if value < height else outside,
            )
            place, height = there, value
            if abs(guess - last) < EDGE * abs(guess):
                return guess
            if abs(guess - place) > abs(outside - place) or (guess - place) * (outside - place) < 0.0:
                guess = 0.5 * (place + outside)
            if abs(outside - place) < EDGE * place:
                return guess
        raise ConvergenceError("an edge of the bulk was not found", residual=abs(outside - place), last=guess)


def support(axis: Axis, rough: tuple[float, float], reaches_zero: bool) -> Array:
    """Edges of the singular values, shape ``(n_intervals, 2)``, given rough outer ones as eigenvalues.

    The upper one must be right to 1e-3. Gaps are looked for on the first nodes of the cosine series of the
    density.

    Raises
    ------
    ConvergenceError
        If an edge is not found.
    """
    upper, top = rough[1], math.sqrt(rough[1])
    axis.bands[:] = [(0.0, upper)]
    first_look = Interval(0.0 if reaches_zero else math.sqrt(min(rough)), top)
    z = first_look.point((np.arange(FIRST) + 0.5) * np.pi / FIRST) ** 2
    known = axis.attempt(z)
    # The way down to the axis is lost where the resolvent is large: deep in the gap above zero.
    inside = np.flatnonzero(known * 2.0 * np.sqrt(z) > EMPTY / top)
    if inside.size == 0 or np.any(np.isnan(known[inside[0] :])):
        raise ConvergenceError("the bulk was not found", residual=math.inf, last=upper)
    high, low, first = axis.edge(float(z[inside[-1]]), upper * BEYOND, upper, SURE), 0.0, int(inside[0])
    if first > 0 or not reaches_zero:
        low = axis.edge(float(z[first]), float(z[first - 1]) if first else 0.0, rough[0], FARTHER)
    axis.bands[:] = [(low, high)]
    interval = Interval(math.sqrt(low), math.sqrt(high))
    places, values = interval.point(np.arange(POINTS + 1) * np.pi / POINTS) ** 2, np.zeros(POINTS + 1)
    stride = POINTS // FIRST
    while stride:
        at = np.arange(stride, POINTS, stride)
        values[at] = axis.values(places[at])
        stride //= 2
    filled = values[1:-1] * 2.0 * np.sqrt(places[1:-1]) > EMPTY / top
    ends = [low]
    for k in np.flatnonzero(filled[1:] != filled[:-1]) + 1:
        pair = (float(places[k]), float(places[k + 1]))
        ends.append(axis.edge(*(pair if filled[k - 1] else pair[::-1])))
    ends.append(high)
    if len(ends) % 2 or not (filled[0] and filled[-1]):
        raise ConvergenceError("the bulk ends below its edge", residual=high - low, last=ends)
    axis.bands[:] = [(low, high) for low, high in np.reshape(ends, (-1, 2)).tolist()]
    return np.asarray(np.sqrt(np.array(ends)).reshape(-1, 2))


def error_of_whole(whole: float, values: Array, changes: list[float]) -> float:
    """Error of the mass of the only band, in units in which `MASS_ERROR` is what is allowed.

    Changes that are small by chance do not count where a certificate would refuse the mass.
    """
    known = abs(float(values.sum()) * np.pi / (values.size - 1) - whole)
    expected = mass_error(values, changes) if known < 2.0 * ALLOWED else math.inf
    return min(expected, known * MASS_ERROR / ALLOWED)


def _angle(low: float, high: float, z: Array) -> Array:
    """Angle of eigenvalues in an interval, between 0 and pi; the logarithm where there is no upper end."""
    if not math.isfinite(high):
        return np.asarray(np.log(z))
    share = (np.sqrt(z) - math.sqrt(low)) / (math.sqrt(high) - math.sqrt(low))
    return np.asarray(2.0 * np.arcsin(np.clip(share, 0.0, 1.0) ** 0.5))


def _lagrange(nodes: Array, x: Array) -> Array:
    """Weights of values on the nodes in their interpolation at `x`, shape ``(n_x, n_nodes)`` for both."""
    one = np.eye(nodes.shape[1])
    difference = nodes[:, :, None] - nodes[:, None] + one
    others = np.where(one > 0.0, 1.0, (x[:, None] - nodes)[:, None])
    return np.asarray(np.prod(others / difference, axis=2))
