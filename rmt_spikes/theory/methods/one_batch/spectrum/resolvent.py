"""The mean resolvent of the samples along the real axis, and the edges of its spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.one_batch.equations import Equations, State
from rmt_spikes.theory.methods.one_batch.solver import (
    COMPLEX_STEP,
    TOLERANCE,
    all_solved,
    packed,
    shifted,
    solved,
)
from rmt_spikes.theory.methods.one_batch.tangents import Linearised

Array = NDArray[np.float64]
Values = NDArray[Any]

ROUNDS = 60
"""Rounds on the real axis: next to an edge, where more are needed, the way to it is shorter."""

FAR = 4.0
"""Distance above the axis, in units of the eigenvalue, at which the resolvent is known well enough."""

DESCENT = 0.1
"""Factor of the height above the axis from one solution to the next."""

HEIGHTS = 4
"""Heights above the axis before the axis itself."""

ON_THE_WAY = 1e-2
"""Change of the unknowns at which they are taken for solved at these heights."""

LEAP = 0.25
"""Factor of the eigenvalue from one solution to the next, far above the spectrum."""

APPROACH = 0.25
"""Share of the way to an edge that is left after a step: the next guess of the edge is off by its square."""

SLOPES = 1e-6
"""Relative residual of the slopes that a guess of the edge is made from: it is off by as much of the way."""

CLOSE = 1e-4
"""Relative distance from an edge at which its last guess is good to 1e-7."""

CLOSEST = 1e-5
"""Relative distance between a solution and a place without one, at which the edge is taken between them."""

HIGHEST = 12
"""Places that are tried, each four times as high: a step of 10 sqrt(width) raises the edge by less."""

STEPS = 60
"""Steps to an edge: mostly 10 to 20."""


def far_state(equations: Equations) -> State:
    """Solution far from the spectrum, to first order."""
    return equations.uncoupled(np.ones(equations.step.size))


def from_above(equations: Equations, z: Array) -> tuple[Values, NDArray[np.bool_], Values]:
    """Unknowns at eigenvalues, from far above the axis where there is only one solution.

    They have the shape ``(n_z, n_unknowns)``. With them comes which of them were found, and the mean
    resolvent there.
    """
    start = packed(far_state(equations))
    x, good, height = np.tile(start.astype(complex), (z.size, 1)), np.ones(z.size, dtype=bool), FAR
    value = np.zeros(z.size, dtype=complex)
    for k in range(HEIGHTS + 1):
        ridges = -z - 1j * height * z * (k < HEIGHTS)
        enough = TOLERANCE if k == HEIGHTS else ON_THE_WAY
        x[good], settled, value[good] = all_solved(equations, ridges[good], x[good], tolerance=enough)
        good[good] = settled
        height *= DESCENT
    return x, good, value


@dataclass(frozen=True)
class UpperEdge:
    """The upper edge of the spectrum.

    Attributes
    ----------
    eigenvalue
        The edge.
    amplitude
        ``c`` of the mean resolvent ``g - c sqrt(z - edge)`` next to it.
    place, state
        An eigenvalue a little above it, and the solution there.
    farther
        An eigenvalue further above it, and the solution there.
    """

    eigenvalue: float
    amplitude: float
    place: float
    state: State
    farther: tuple[float, State]


def upper_edge(equations: Equations, start: float) -> UpperEdge:
    """Upper edge of the spectrum, followed from an eigenvalue above it, or from further above.

    ``(dg/dz)^-2`` is smooth and vanishes at the edge, where the resolvent has a root.

    Raises
    ------
    ConvergenceError
        If it is not found.
    """
    points = [_above(equations, start)]
    below, guess = 0.0, 0.0
    for _ in range(STEPS):
        last = points[-1]
        there = max(guess + APPROACH * (last.z - guess), LEAP * last.z, math.sqrt(below * last.z))
        try:
            state = solved(equations, -there, last.ahead(there, guess), ROUNDS)
            found = _above_all(equations, there, state)
        except ConvergenceError:
            below = guess = there
            if last.z - below < CLOSEST * last.z:
                break
            continue
        points.append(found)
        guess = max(found.edge(last), below)
        if found.z - guess < CLOSE * found.z:
            break
    else:
        raise ConvergenceError("the upper edge was not found", residual=last.z - below, last=last.z)
    if len(points) == 1:
        points.insert(0, _above(equations, points[0].z / LEAP))
    before, last = points[-2:]
    slope = last.stiffness / (last.z - guess)
    return UpperEdge(guess, 2.0 / math.sqrt(slope), last.z, last.state, (before.z, before.state))


def _above(equations: Equations, place: float) -> _Point:
    """A place above the spectrum, this one or one further above."""
    for _ in range(HIGHEST):
        try:
            return _above_all(equations, place, solved(equations, -place, far_state(equations), ROUNDS))
        except ConvergenceError as failed:
            error, place = failed, place / LEAP
    raise error


def _above_all(equations: Equations, place: float, state: State) -> _Point:
    found = _point(equations, place, state)
    if np.any(found.values >= 0.0):
        raise ConvergenceError("a place below a part of the spectrum", residual=math.inf, last=place)
    return found


@dataclass(frozen=True)
class _Point:
    """A place above the spectrum.

    Attributes
    ----------
    z, state, by
        Eigenvalue, solution there and its derivative in the ridge.
    stiffness
        ``(dg/dz)^-2``.
    values
        ``G_vv`` of each sample: negative above the spectrum.
    spreads
        Distance from the center of a semicircle in units of its radius, of which each sample has the
        ``d(1/G_vv)/dz``.
    """

    z: float
    state: State
    by: State
    stiffness: float
    values: Array
    spreads: Array

    def ahead(self, z: float, edge: float) -> State:
        """Guess of the state at an eigenvalue nearer to an edge, at which it has a root."""
        here, there = math.sqrt(self.z - edge), math.sqrt(max(z - edge, 0.0))
        share, omega = 2.0 * here * (here - there), self.state.omega
        return State(
            omega * np.exp(share * self.by.omega / omega),
            self.state.inputs + share * self.by.inputs,
            self.state.squares + share * self.by.squares,
        )

    def edge(self, before: _Point) -> float:
        """Guess of the edge, from this point and one further above.

        Samples with a semicircle of their own have spreads that are linear in the eigenvalue, and one at its
        edge. The edge is that of the sample which has the highest.
        """
        with np.errstate(all="ignore"):
            guesses = self.z - (self.spreads - 1.0) * (before.z - self.z) / (before.spreads - self.spreads)
        return float(np.max(guesses, where=(guesses > 0.0) & (guesses < self.z), initial=0.0))


def _point(equations: Equations, z: float, state: State) -> _Point:
    by, h = Linearised(equations, state, -z).tangent((1.0, 0.0), SLOPES), 1j * COMPLEX_STEP
    found = equations.resolvent(shifted(state, by), -z + h).value
    slope = float(np.sum(equations.batch.train.weights * found.imag)) / COMPLEX_STEP
    # Of a semicircle with center c and radius r at z: sqrt(1 - r^2 / (z - c)^2), and (z - c) / r.
    root = 1.0 / (2.0 * (found.imag / COMPLEX_STEP / found.real**2) + 1.0)
    return _Point(z, state, by, slope**-2.0, found.real, 1.0 / np.sqrt(np.maximum(1.0 - root**2, 1e-300)))
