"""Guesses of the resolvent inside the spectrum, from states nearby and their slopes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.lu import lu_factors, lu_solution
from rmt_spikes.theory.methods.uniform.density.angles import angle_of, slope_at
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

Array = NDArray[np.float64]
Values = NDArray[Any]

NEAR = 3
"""States that a guess is interpolated between: more are farther away, and slopes are not exact."""


class _Node(NamedTuple):
    """A state at an angle of an interval; beyond an edge, where it is `mirrored`, the angle goes back."""

    angle: float
    mirrored: bool
    place: float
    state: State

    def speed(self, low: float, high: float) -> float:
        """Derivative of the eigenvalue in the angle."""
        found = slope_at(low, high, angle_of(low, high, self.place), self.place)
        return -found if self.mirrored else found

    def logarithms(self, speed: float) -> tuple[Values, Values]:
        """Logarithms of the unknowns and their derivatives in the angle."""
        assert self.state.slope is not None
        values = np.concatenate([self.state.resolvent, self.state.omega])
        slopes = np.concatenate([self.state.slope.resolvent, self.state.slope.omega]) / values * speed
        return logarithm(values, self.mirrored), slopes.conj() if self.mirrored else slopes


def with_slope(equations: FixedPoint, state: State) -> State:
    """The same state with its derivative in the eigenvalue, by the matrix that led to it."""
    pair, factors, parts = (state.resolvent, state.omega), state.factors, state.parts
    if factors is None:
        parts = equations.refreshed(parts)
        factors = lu_factors(equations.jacobian(pair, parts))
    # The ridge profile falls as the eigenvalue grows.
    right = np.concatenate([state.resolvent, np.zeros_like(state.omega)])
    rows, columns = np.split(np.concatenate(pair) * lu_solution(factors, right), [state.resolvent.size])
    change = equations.weighted(rows, columns)
    moved = [channel.slope(part, *change) for channel, part in zip(equations.channels, parts, strict=True)]
    return replace(state, factors=None, slope=State(rows, columns, state.residual, moved))


def interpolated(
    equations: FixedPoint, interval: tuple[float, float], near: list[tuple[float, State]], z: float
) -> State | None:
    """Guess by interpolation between states nearby, in the angle of the interval that `z` lies in.

    At an edge the resolvent has a root, which the angle removes: beyond it there are the complex conjugates.
    The logarithms of the unknowns are interpolated, less those of their power where the interval reaches
    zero, to the order whose last term is smallest. None without a state.
    """
    if not near:
        return None
    low, high = interval
    angle = partial(angle_of, low, high)
    nodes = [_Node(angle(at), False, at, state) for at, state in near]
    if np.isfinite(high):
        nodes += [node._replace(angle=2.0 * np.pi - node.angle, mirrored=True) for node in nodes]
    if low > 0.0:
        nodes += [node._replace(angle=-node.angle, mirrored=True) for node in nodes if not node.mirrored]
    here = angle(z)
    nodes = sorted(nodes, key=lambda node: abs(node.angle - here))[:NEAR]
    places = np.array([node.place for node in nodes])
    speeds = np.array([node.speed(low, high) for node in nodes])
    # A wild guess overflows; it is refused like any other that leads nowhere.
    with np.errstate(all="ignore"):
        known = np.array([node.logarithms(speed) for node, speed in zip(nodes, speeds, strict=True)])
        trend = np.log(places / z)
        if low == 0.0 and len(near) > 1:
            first, second = np.argsort(places)[:2]
            if trend[first] != trend[second]:
                power = (known[first, 0] - known[second, 0]).real / (trend[first] - trend[second])
                known[:, 0] -= np.multiply.outer(trend, power)
                known[:, 1] -= np.multiply.outer(speeds / places, power)
        terms, values = newton_terms(np.array([node.angle for node in nodes]), here), np.concatenate(known)
        last = np.argmin(np.max(np.abs(terms[1:] @ values), axis=1))
        weights = terms[: int(last) + 2].sum(axis=0)
        resolvent, omega = np.split(np.exp(weights @ values), [equations.q_weights.size])
        states = [node.state for node in nodes]
        parts = equations.between(
            [*states, *(state.slope for state in states if state.slope is not None)],
            [node.mirrored for node in nodes] * 2,
            np.concatenate([weights[::2], weights[1::2] * speeds]),
        )
    return State(resolvent, omega, np.inf, parts)


def newton_terms(nodes: Array, x: float) -> Array:
    """Weights of value and slope at each node in the terms of Newton's interpolation at `x`.

    Shape ``(2 m, 2 m)``: terms, each of one order more, by values and slopes in turn.
    """
    at, known = np.repeat(nodes, 2), np.eye(2 * nodes.size)
    differences, factor = np.repeat(known[::2], 2, axis=0), 1.0
    terms = [differences[0]]
    for order in range(1, at.size):
        width = at[order:] - at[:-order]
        steps = differences[1:] - differences[:-1]
        if order == 1:
            width[::2], steps[::2] = 1.0, known[1::2]
        differences = steps / width[:, None]
        factor *= x - at[order - 1]
        terms.append(factor * differences[0])
    return np.array(terms)


def logarithm(values: Values, mirrored: bool) -> Values:
    """Logarithm, continued beyond an edge where the state is `mirrored`."""
    found = np.log(values)
    return found.conj() + 2.0j * np.pi * np.round(found.imag / np.pi) if mirrored else found
