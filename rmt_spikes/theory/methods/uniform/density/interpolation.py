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
    where one interpolation and the next differ most on twice as many nodes, until they do no more; None after
    `most` of them. If one of the eigenvalues is in a gap, that one.
    """
    ends = low * states.ends.get(low, np.nan), high * states.ends.get(high, np.nan)
    if not np.all(np.isfinite(ends)):
        return None
    interval = Interval(float(np.sqrt(low)), float(np.sqrt(high)))
    angles, first = _nodes(states, low, high, parts)
    x = interval.point(angles)
    z, masses = x**2, interval.slope(angles) / (x * states.equations.spectral_ratio)
    known, values = np.zeros(z.size, dtype=bool), np.zeros(z.size, dtype=complex)
    places = [int(first[i]) for i in outwards(first.size, nearest(states, z[first], low, high))]
    before = None
    for _ in range(most):
        for i in places:
            at = float(z[i])
            mean = 0j if states.in_gap(at) else states.mean(at)
            if mean.imag <= 0.0:
                return at
            known[i], values[i] = True, z[i] * mean
        some = np.flatnonzero(known)[1::2] if before is None else known
        before = before or Rational.through(angles[some], values[some], ends)
        fit = Rational.through(angles[known], values[known], ends)
        found = fit(angles)
        change = np.where(known, 0.0, np.abs(found - before(angles)))
        size = max(np.max(change) / np.max(found.imag), np.max(masses * change))
        if size < ALIKE and np.all(found.imag > 0.0):
            return fit
        before, places = fit, _apart(change)
    return None


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
