"""Interpolation of the mean resolvent on a band, from as few eigenvalues as tell the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.bulk.interval import Interval
from rmt_spikes.theory.methods.uniform.density.rational import Rational
from rmt_spikes.theory.methods.uniform.density.states import CutStates

Array = NDArray[np.float64]

STRIDE, AT_ONCE = 4, 4
"""Of twice the nodes of a scan those that are solved at first, and how many more are before each further
interpolation."""

ALIKE = 1e-7
"""Change of the mean resolvent from one interpolation to the next, by its largest imaginary part, and of the
mass, at which the next is taken: its own error is far smaller, and quantiles move by less than that."""


def interpolation(
    states: CutStates, low: float, high: float, parts: int, most: int
) -> Rational | float | None:
    """Mean resolvent on a band by rational interpolation, where some nodes of a scan tell the rest.

    Eigenvalues are solved on every second node of the scan, or next to it where a state is known, and then
    where one interpolation and the next differ most on twice as many nodes, and between those that are known,
    until they do no more; None after `most` of them. If one of the eigenvalues is in a gap, that one.
    """
    ends = low * states.ends.get(low, np.nan), high * states.ends.get(high, np.nan)
    if not np.all(np.isfinite(ends)):
        return None
    interval = Interval(float(np.sqrt(low)), float(np.sqrt(high)))
    angles, first = _nodes(states, low, high, parts)
    start = nearest(states, interval.point(angles[first]) ** 2, low, high)
    asked = angles[[first[i] for i in outwards(first.size, start)]]
    known: dict[float, complex] = {}
    before = None
    for _ in range(most):
        for angle, z in zip(asked.tolist(), (interval.point(asked) ** 2).tolist(), strict=True):
            mean = 0j if states.in_gap(z) else states.mean(z)
            if mean.imag <= 0.0:
                return float(z)
            known[angle] = z * mean
        nodes = np.array(sorted(known))
        values = np.array([known[angle] for angle in nodes.tolist()])
        before = before or Rational.through(nodes[1::2], values[1::2], ends)
        fit = Rational.through(nodes, values, ends)
        angles = _with_middles(angles, nodes)
        found, x = fit(angles), interval.point(angles)
        change = np.where(np.isin(angles, nodes), 0.0, np.abs(found - before(angles)))
        mass = np.max(interval.slope(angles) / (x * states.equations.spectral_ratio) * change)
        if max(np.max(change) / np.max(found.imag), mass) < ALIKE and np.all(found.imag > 0.0):
            return fit
        before, asked = fit, angles[_apart(change)]
    return None


def _with_middles(angles: Array, nodes: Array) -> Array:
    """Angles, and those half-way between neighbours that are both among the nodes, or an end and one."""
    around, ends = np.concatenate([[0.0], angles, [np.pi]]), np.array([True])
    both = np.concatenate([ends, np.isin(angles, nodes), ends])
    pairs = np.flatnonzero(both[1:] & both[:-1])
    return np.sort(np.concatenate([angles, 0.5 * (around[pairs] + around[pairs + 1])]))


def _nodes(states: CutStates, low: float, high: float, parts: int) -> tuple[Array, NDArray[np.intp]]:
    """Angles of twice the nodes of a scan, and places of those that are solved at first.

    Around each of these the node next to a known state nearby is taken, and moved there.
    """
    angles = np.arange(1, 2 * parts) * np.pi / (2 * parts)
    first = np.arange(STRIDE - 1, angles.size, STRIDE)
    interval = Interval(float(np.sqrt(low)), float(np.sqrt(high)))
    seen = interval.angle(np.sqrt([at for at, _, _ in states.between(low, high)]))
    nodes = np.rint(seen * (2 * parts) / np.pi).astype(int) - 1
    for k, place in enumerate(first):
        near = np.flatnonzero(np.abs(nodes - place) < STRIDE // 2)
        if near.size:
            closest = near[np.argmin(np.abs(seen[near] - angles[place]))]
            first[k], angles[nodes[closest]] = nodes[closest], seen[closest]
    return angles, first


def nearest(states: CutStates, z: Array, low: float, high: float) -> int | None:
    """Place of the eigenvalue that is nearest to a state known in their band; None without one."""
    known = [at for at, _, _ in states.between(low, high)]
    if not (known and z.size):
        return None
    return int(np.argmin(np.min(np.abs(np.log(np.divide.outer(z, known))), axis=1)))


def _apart(difference: Array) -> list[int]:
    """Places of the largest values, no two of them neighbours."""
    chosen: list[int] = []
    for i in np.argsort(-difference).tolist():
        if difference[i] > 0.0 and len(chosen) < AT_ONCE and all(abs(i - j) > 1 for j in chosen):
            chosen.append(i)
    return chosen


def outwards(size: int, start: int | None = None) -> tuple[int, ...]:
    """Places of points in the order in which they are solved: from the start or the middle up, then down."""
    first = size // 2 if start is None else start
    return (*range(first, size), *range(first - 1, -1, -1))
