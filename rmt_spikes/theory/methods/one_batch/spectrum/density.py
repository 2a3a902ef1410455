"""The density of the bulk: the mean resolvent on the upper side of the real axis."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.one_batch.equations import Equations, State
from rmt_spikes.theory.methods.one_batch.solver import solved
from rmt_spikes.theory.methods.one_batch.spectrum.resolvent import mean_resolvent, state_at

Array = NDArray[np.float64]

POINTS = 64
"""Places at which gaps are looked for; a level of one sample in a hundred is wider than their distance."""

EMPTY = 1e-7
"""Density, in units of its mean over the bulk, below which a place is in a gap."""

ROUNDING = 1e-8
"""Share of an imaginary part in the resolvent below which it is rounding."""

NEARER = 0.15
"""Share of the distance to an edge that is left after a step towards it from inside."""

BEYOND = 1.001
"""Place above the upper edge, as a multiple of it as followed from above."""

EDGE = 1e-9
"""Relative change of an edge at the end."""

STEPS = 40
"""Steps to an edge from inside: 5 to 9 where the density is a root."""

GUESSED = 40
"""Rounds from a guess: mostly 5 to 12."""

Known = tuple[float, int, State]


@dataclass(eq=False)
class Axis:
    """Solutions on the upper side of the axis, remembered.

    Parameters
    ----------
    equations
        Equations of the bulk.
    per_neuron
        ``n / N``: density of the ``N`` values is that of the mean resolvent times it.
    """

    equations: Equations
    per_neuron: float
    known: list[Known] = field(default_factory=list)

    def density(self, z: float) -> float:
        """Density of eigenvalues at `z`, zero in a gap."""
        return self.per_neuron / math.pi * self._imaginary(self.state(z), z)

    def densities(self, x: Array) -> Array:
        """Density of singular values at `x`, shape ``(n,)``."""
        return np.array([2.0 * each * self.density(each**2) for each in x])

    def _imaginary(self, state: State, z: float) -> float:
        value = mean_resolvent(self.equations, state, complex(-z))
        return float(value.imag) if value.imag > ROUNDING * abs(value) else 0.0

    def state(self, z: float) -> State:
        """Solution at an eigenvalue: from a guess between neighbours, or from above the axis.

        Raises
        ------
        ConvergenceError
            If there is none.
        """
        place = bisect_left(self.known, (z,))
        if place < len(self.known) and self.known[place][0] == z:
            return self.known[place][2]
        for guess in self._guesses(z, place):
            try:
                state = solved(self.equations, complex(-z), guess, GUESSED)
            except ConvergenceError:
                continue
            if self._imaginary(state, z) > 0.0:
                break
        else:
            state = state_at(self.equations, z)
        insort(self.known, (z, len(self.known), state))
        return state

    def _guesses(self, z: float, place: int) -> Iterator[State]:
        """Interpolation between the neighbours that are not in a gap, in the singular value."""
        near = sorted(self.known[max(0, place - 2) : place + 2], key=lambda each: abs(each[0] - z))
        inside = [each for each in near if self._imaginary(each[2], each[0]) > 0.0]
        if len(inside) > 1:
            (z_0, _, first), (z_1, _, second) = inside[:2]
            share = (math.sqrt(z) - math.sqrt(z_0)) / (math.sqrt(z_1) - math.sqrt(z_0))
            if -1.0 < share < 1.0:
                omega = first.omega * np.exp(share * np.log(second.omega / first.omega))
                yield State(omega, first.inputs + share * (second.inputs - first.inputs))
        for _, _, state in inside[:1]:
            yield state

    def edge(self, inside: float, outside: float) -> float:
        """Edge between an eigenvalue of the spectrum and one of a gap.

        The square of the density is smooth from inside and vanishes at it.
        """
        place, height = inside, self.density(inside) ** 2
        guess, last = 0.5 * (inside + outside), math.inf
        for _ in range(STEPS):
            there = place + (1.0 - NEARER) * (guess - place)
            value = self.density(there) ** 2
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


def support(axis: Axis, upper: float, reaches_zero: bool) -> Array:
    """Edges of the singular values, shape ``(n_intervals, 2)``, given the largest as an eigenvalue.

    Raises
    ------
    ConvergenceError
        If an edge is not found.
    """
    top = math.sqrt(upper)
    angle = np.pi * (np.arange(POINTS) + 0.5) / POINTS
    places = 0.5 * top * (1.0 - np.cos(angle))
    values, middle = np.zeros(POINTS), POINTS // 2
    for k in (*range(middle, POINTS), *range(middle - 1, -1, -1)):
        try:
            values[k] = axis.density(places[k] ** 2) * 2.0 * places[k]
        except ConvergenceError:
            # The way down to the axis is lost where the resolvent is large: deep in the gap above zero.
            if k >= middle or values[k + 1] > EMPTY / top:
                raise
    inside = values > EMPTY / top
    ends: list[float] = [] if not (inside[0] and reaches_zero) else [0.0]
    if inside[0] and not reaches_zero:
        ends.append(axis.edge(places[0] ** 2, 0.0))
    for k in range(POINTS - 1):
        if inside[k] != inside[k + 1]:
            pair = (places[k] ** 2, places[k + 1] ** 2)
            ends.append(axis.edge(*(pair if inside[k] else pair[::-1])))
    if len(ends) % 2 == 0:
        raise ConvergenceError("the bulk ends below its edge", residual=top - places[-1], last=ends)
    ends.append(axis.edge(places[-1] ** 2, upper * BEYOND))
    return np.asarray(np.sqrt(np.array(ends)).reshape(-1, 2))
