"""The bulk where the levels of samples are apart: its distribution at a small angle above the real axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.interval import Interval, cosine_sums
from rmt_spikes.theory.methods.one_batch.equations import Equations
from rmt_spikes.theory.methods.one_batch.solver import all_solved, packed, residual, units_of, unpacked
from rmt_spikes.theory.methods.one_batch.spectrum.resolvent import far_state

Array = NDArray[np.float64]
Values = NDArray[np.complex128]

ANGLE = 0.1
"""Angle of the places above the axis: quantiles are off by .2 % where the bulk is known without, and by the
square of it; a third takes twice as many places."""

FLOORS = (1e-10, 1e-7)
"""Eigenvalue, in units of the upper edge, below which values are not told from each other, as some features
vary by no more than rounding: without samples whose eigenvalue is zero, and with them, whose part in the
resolvent hides the rest."""

FIRST, MOST = 64, 4096
"""Places at first and at most."""

AROUND = 8
"""Places around zero: no value is nearer to them than zero is, so that their error is 1e-12."""

ALLOWED = 5e-6
"""Error of the mass: half of what a certificate allows."""

ENOUGH = 1e-9
"""Change of the unknowns at which they are taken for solved."""

ROUNDS, PATIENT = 40, 200
"""Rounds at many places at once, and at one that was not found so."""

ROUNDING = 1e-6
"""Share of the resolvent that is lost where its part of the eigenvalues at zero is taken out."""

HEIGHTS, ON_THE_WAY = (4.0, 1.0, 0.3), 1e-2
"""Heights above the axis, in units of the eigenvalue, before the places, and the change that is enough
there."""

STEP = 0.7
"""Step, in the logarithm of the eigenvalue, towards a place that is not found at once."""

TOGETHER = 32
"""Places that are solved at once, for memory."""


@dataclass(frozen=True, eq=False)
class Levels:
    """The bulk between zero and its upper edge, read off places ``zeta = z + i eta(z)``.

    ``eta`` vanishes at the upper edge, and a quarter of a circle around zero leads from below all values to
    the first place, so that the mass is exact; an eigenvalue counts as a distribution of the relative width
    `ANGLE`. The distribution function at ``z`` is that at ``zeta``, to second order in ``eta``:
    ``Im L - eta Re L'``, with the resolvent for ``L'``. Of one eigenvalue the density is then that of Student
    with three degrees of freedom.

    Parameters
    ----------
    equations
        Equations of the bulk.
    per_neuron
        ``n / N``.
    upper
        Upper edge, an eigenvalue.
    atom
        Share of the samples whose eigenvalue is zero, as features have a lower rank.
    """

    equations: Equations
    per_neuron: float
    upper: float
    atom: float

    @property
    def floor(self) -> float:
        """Floor, in units of the upper edge."""
        return FLOORS[self.atom > 0.0]

    @property
    def interval(self) -> Interval:
        """Singular values from zero to the upper edge."""
        return Interval(0.0, math.sqrt(self.upper))

    def place(self, t: Array) -> Values:
        """``zeta`` at an angle of the interval."""
        z = self.interval.point(t) ** 2
        return np.asarray(z + 1j * ANGLE * (z + self.floor * self.upper) * (1.0 - z / self.upper))

    @cached_property
    def bulk(self) -> Bulk:
        """Distribution of the singular values; its atom at zero has those below the floor as well.

        Raises
        ------
        ConvergenceError
            If the resolvent is not found somewhere.
        """
        _, _, atom = self._found
        edges = np.array([[0.0, self.interval.high]])
        return Bulk(edges=edges, atom_at_zero=atom, density_inside=self.densities)

    def densities(self, x: Array) -> Array:
        """Density of singular values at `x`, shape ``(n,)``."""
        _, series, _ = self._found
        t = self.interval.angle(x)
        return np.asarray(np.cos(t[:, None] * np.arange(series.size)) @ series / self.interval.slope(t))

    @cached_property
    def residual(self) -> float:
        """Largest residual of the solutions that the bulk is read off."""
        unknowns, _, _ = self._found
        places = self.place(np.arange(len(unknowns)) * np.pi / len(unknowns))
        return max(
            residual(self.equations, unpacked(unknowns[part]), -places[part]) for part in _parts(len(places))
        )

    @cached_property
    def _found(self) -> tuple[Values, Array, float]:
        """Unknowns at the places, cosine series of the density and atom at zero."""
        count = FIRST
        unknowns, values = self._from_above(self.place(np.arange(count) * np.pi / count))
        below = self._below(unknowns[0])
        while True:
            series, atom = self._distribution(values, below)
            if abs(np.pi * series[0] + atom - 1.0) < ALLOWED or count >= MOST:
                return unknowns, series, atom
            ends = np.concatenate([unknowns, unknowns[-1:]])
            places = self.place((np.arange(count) + 0.5) * np.pi / count)
            between, there = self._solved(places, 0.5 * (ends[1:] + ends[:-1]))
            unknowns = np.stack([unknowns, between], axis=1).reshape(2 * count, -1)
            values, count = np.stack([values, there], axis=1).ravel(), 2 * count

    def _from_above(self, places: Values) -> tuple[Values, Values]:
        """Unknowns and mean resolvent at places, from high above them, where there is only one solution."""
        x = np.tile(packed(far_state(self.equations)).astype(complex), (places.size, 1))
        for part in _parts(places.size):
            for height in HEIGHTS:
                ridges = -places[part].real - 1j * height * abs(places[part])
                x[part], _, _ = all_solved(self.equations, ridges, x[part], ROUNDS, ON_THE_WAY)
        return self._solved(places, x)

    def _solved(self, places: Values, start: Values) -> tuple[Values, Values]:
        """Unknowns and mean resolvent at places, from guesses or along the way from others of them."""
        found, values = start.copy(), np.zeros(places.size, dtype=complex)
        good = np.zeros(places.size, dtype=bool)
        for part in _parts(places.size):
            units = units_of(unpacked(start[part]))
            found[part], good[part], values[part] = self._settled(places[part], start[part], units, ROUNDS)
        for lost in np.flatnonzero(~good)[::-1]:
            near = np.argsort(np.abs(np.log(places[good] / places[lost])))[:2]
            if near.size == 2:
                known = places[good][near], found[good][near]
                found[lost], good[lost], values[lost] = self._followed(*known, places[lost])
        if not np.all(good):
            place = float(abs(places[~good][0]))
            raise ConvergenceError(
                "the resolvent of the samples was not found", residual=math.inf, last=place
            )
        return found, values

    def _settled(
        self, places: Values, start: Values, units: Array, rounds: int
    ) -> tuple[Values, NDArray[np.bool_], Values]:
        """Unknowns at places, which of them settled, and the mean resolvent."""
        x, settled, value = all_solved(self.equations, -places, start, rounds, ENOUGH, units)
        # Other solutions of the equations are not resolvents, or have another mass at zero.
        rest = value + self.atom / places
        return x, settled & (value.imag > 0.0) & (rest.imag > -ROUNDING * abs(value)), value

    def _followed(self, known: Values, unknowns: Values, place: complex) -> tuple[Values, bool, complex]:
        """Unknowns at a place, from those of two, whether they are found, and mean resolvent."""
        way = np.log(place / known[0])
        steps = 1 + int(abs(way) / STEP)
        for there in known[0] * np.exp(way * (np.arange(steps) + 1.0) / steps):
            share = np.log(there / known[0]) / np.log(known[0] / known[1])
            units = units_of(unpacked(unknowns))
            unit, scaled = units[0] * (units[0] / units[1]) ** share.real, unknowns / units
            ahead = (scaled[0] + share * (scaled[0] - scaled[1])) * unit
            for start in (ahead, unknowns[0]):
                (x,), (good,), (value,) = self._settled(there[None], start[None], unit[None], PATIENT)
                if good:
                    break
            else:
                return x, False, value
            known, unknowns = np.array([there, known[0]]), np.stack([x, unknowns[0]])
        return x, True, value

    def _below(self, start: Values) -> float:
        """Mass of samples around zero, up to the first place."""
        nodes, weights = np.polynomial.legendre.leggauss(AROUND)
        places = abs(self.place(np.zeros(1))) * np.exp(0.25j * np.pi * (3.0 - nodes))
        _, values = self._solved(places, np.tile(start, (AROUND, 1)))
        return self.atom - float(0.25 * weights @ (values * places + self.atom).real)

    def _distribution(self, values: Values, below: float) -> tuple[Array, float]:
        """Cosine series of the density times ``dx/dt``, and the atom, of mean resolvents and mass below."""
        count = values.size
        t = np.arange(count) * np.pi / count
        z, zeta = self.interval.point(t) ** 2, self.place(t)
        rest = values + self.atom / zeta
        turn = 1.0 + 1j * ANGLE * (1.0 - self.floor - 2.0 * z / self.upper)
        slope = 2.0 * np.sqrt(z) * self.interval.slope(t) * turn
        found, moved = (
            self.per_neuron / np.pi * np.append(each, 0.0)
            for each in ((rest * slope).imag, -zeta.imag * rest.real)
        )
        found = cosine_sums(found) / count
        found[[0, -1]] *= 0.5
        # The derivative of a straight line and a sine series.
        found[0] -= moved[0] / np.pi
        sine = moved - moved[0] * (1.0 - np.arange(count + 1) / count)
        odd = np.concatenate([sine, -sine[-2:0:-1]])
        found -= np.arange(count + 1) * np.fft.rfft(odd).imag / count
        return np.asarray(found), 1.0 + self.per_neuron * (below - 1.0) + float(moved[0])


def _parts(count: int) -> list[slice]:
    """Places that are solved at once."""
    return [slice(first, first + TOGETHER) for first in range(0, count, TOGETHER)]
