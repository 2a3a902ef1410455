"""The mean resolvent of the samples along the real axis, and the edges of its spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.one_batch.equations import Equations, State
from rmt_spikes.theory.methods.one_batch.solver import COMPLEX_STEP, shifted, solved, tangent

Array = NDArray[np.float64]

ROUNDS = 60
"""Rounds on the real axis: next to an edge, where more are needed, the way to it is shorter."""

FAR = 4.0
"""Distance above the axis, in units of the eigenvalue, at which the resolvent is known well enough."""

DESCENT = 0.2
"""Factor of the height above the axis from one solution to the next."""

HEIGHTS = 6
"""Heights above the axis before the axis itself."""

LEAP = 0.5
"""Factor of the eigenvalue from one solution to the next, far above the spectrum."""

APPROACH = 0.25
"""Share of the way to an edge that is left after a step: the next guess of the edge is off by its square."""

CLOSE = 3e-4
"""Relative distance from an edge at which its last guess is good to a few 1e-7."""

CLOSEST = 1e-5
"""Relative distance between a solution and a place without one, at which the edge is taken between them."""

HIGHEST = 12
"""Places that are tried, each four times as high: a step of 10 sqrt(width) raises the edge by less."""

STEPS = 60
"""Steps to an edge: mostly 10 to 20."""


def mean_resolvent(equations: Equations, state: State, ridge: Any) -> Any:
    """``E G_vv``, the mean diagonal element of the resolvent of ``F F' / n`` at minus a ridge."""
    return np.sum(equations.batch.train.weights * equations.resolvent(state, ridge).value)


def far_state(equations: Equations) -> State:
    """Solution far from the spectrum, to first order."""
    omega = np.ones(equations.step.size)
    weight = equations.ratio * equations.law.weights * omega
    return State(omega, equations.batch.phi * np.linalg.inv(equations.stiffness(weight)))


def state_at(equations: Equations, z: float) -> State:
    """Solution at an eigenvalue from far above the axis, where there is only one.

    Raises
    ------
    ConvergenceError
        If it is lost on the way.
    """
    state, height = far_state(equations), FAR
    for _ in range(HEIGHTS):
        state = solved(equations, complex(-z, -height * z), state)
        height *= DESCENT
    return solved(equations, complex(-z), state)


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
    """

    eigenvalue: float
    amplitude: float
    place: float
    state: State


def upper_edge(equations: Equations, start: float) -> UpperEdge:
    """Upper edge of the spectrum, followed from an eigenvalue above it, or from further above.

    ``(dg/dz)^-2`` is smooth and vanishes at the edge, where the resolvent has a root.

    Raises
    ------
    ConvergenceError
        If it is not found.
    """
    place, state = _above(equations, start)
    points = [(place, _stiffness(equations, state, place))]
    below, guess = 0.0, 0.0
    for _ in range(STEPS):
        there = max(guess + APPROACH * (place - guess), LEAP * place, math.sqrt(below * place))
        try:
            found = solved(equations, -there, state, ROUNDS)
            points.append((there, _stiffness(equations, found, there)))
        except ConvergenceError:
            below = guess = there
            if place - below < CLOSEST * place:
                break
            continue
        place, state = there, found
        (z_1, h_1), (z_0, h_0) = points[-1], points[-2]
        guess = max(z_1 - h_1 * (z_1 - z_0) / (h_1 - h_0), below) if h_1 < h_0 else below
        if place - max(guess, below) < CLOSE * place:
            break
    else:
        raise ConvergenceError("the upper edge was not found", residual=place - below, last=place)
    slope = points[-1][1] / (place - guess)
    return UpperEdge(guess, 2.0 / math.sqrt(slope), place, state)


def _above(equations: Equations, place: float) -> tuple[float, State]:
    for _ in range(HIGHEST):
        try:
            return place, solved(equations, -place, far_state(equations), ROUNDS)
        except ConvergenceError as failed:
            error, place = failed, place / LEAP**2
    raise error


def _stiffness(equations: Equations, state: State, z: float) -> float:
    """``(dg/dz)^-2`` at an eigenvalue above the spectrum."""
    moved = shifted(state, tangent(equations, state, -z, (1.0, 0.0)))
    return float((mean_resolvent(equations, moved, -z + 1j * COMPLEX_STEP).imag / COMPLEX_STEP) ** -2.0)
