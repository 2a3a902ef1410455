"""Quadrature of a density on an interval at whose ends it has roots, poles or cusps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MassError = Callable[[Array, list[float]], float]
"""Error of a mass, by the values on the nodes and its changes up to them."""

FIRST_NODES = 8
"""Nodes at which halving starts."""

ENOUGH_NODES = ((1e-3, 16), (0.05, 32), (np.inf, 64))
"""Masses of an interval, and nodes at which halving may stop below each: a smooth density on one interval,
whose cosine coefficients fall geometrically, needs no more. A small mass need not be known as well relative
to itself. The first changes say nothing of a large mass: nodes are too few for its density."""

MASS_ERROR = 2e-6
"""Error of the mass of an interval, as its changes let expect, at which halving stops for densities of
fixed-point equations: a fifth of what a certificate allows."""

HALVINGS = 60
"""Of an interval of angles: rounding."""


@dataclass(frozen=True)
class Interval:
    """Change of variable from an angle ``t`` in ``[0, pi]`` to an interval.

    With ``s = sin(t/2)`` and ``c = cos(t/2)``, ``x = low + (high - low) s^2`` where the density has roots at
    both ends, and ``low + (high - low) s^6`` where the interval reaches zero and the density is finite or
    diverges there. At a joint, where the density has a cusp, nodes come closer in the same way:
    ``(x - low) / (high - x) = s^(2a) / c^(2b)`` with 3 for such an end and 1 for any other.

    Attributes
    ----------
    low, high
        Ends.
    joints
        Whether the density has a cusp at either end.
    """

    low: float
    high: float
    joints: tuple[bool, bool] = (False, False)

    @property
    def power(self) -> int:
        """Power of the change of variable without joints."""
        return 3 if self.low == 0.0 else 1

    @property
    def _powers(self) -> tuple[int, int]:
        return 3 if self.joints[0] or self.low == 0.0 else 1, 3 if self.joints[1] else 1

    def steep(self, t: Array) -> NDArray[np.bool_]:
        """Whether the nearer end is a joint, or zero: nodes are closer there."""
        return np.where(t < 0.5 * np.pi, self.joints[0] or self.low == 0.0, self.joints[1])

    def point(self, t: Array) -> Array:
        """``x`` at `t`."""
        return np.asarray(self.low + (self.high - self.low) * self._share(t))

    def _share(self, t: Array) -> Array:
        sine = np.sin(0.5 * t)
        if not any(self.joints):
            return np.asarray(sine ** (2 * self.power))
        a, b = self._powers
        below, above = sine ** (2 * a), np.cos(0.5 * t) ** (2 * b)
        return np.asarray(below / (below + above))

    def slope(self, t: Array) -> Array:
        """``dx/dt`` at `t`."""
        width, sine, cosine = self.high - self.low, np.sin(0.5 * t), np.cos(0.5 * t)
        if not any(self.joints):
            return np.asarray(width * self.power * sine ** (2 * self.power - 1) * cosine)
        a, b = self._powers
        total = sine ** (2 * a) + cosine ** (2 * b)
        product = sine ** (2 * a - 1) * cosine ** (2 * b - 1)
        return np.asarray(width * product * (a * cosine**2 + b * sine**2) / total**2)

    def angle(self, x: Array) -> Array:
        """``t`` in ``[0, pi]`` at `x`, clipped to the interval."""
        share = np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)
        if not any(self.joints):
            return np.asarray(2.0 * np.arcsin(share ** (0.5 / self.power)))
        low, high = np.zeros_like(share), np.full_like(share, np.pi)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            below = self._share(middle) < share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)


def refinements(density: Callable[[Array], Array], interval: Interval) -> Iterator[tuple[Array, list[float]]]:
    """Values of ``density * dx/dt`` on finer and finer nodes of ``t``, ends included.

    With each come the changes of the mass so far, of which the last is that to these.
    """
    count = FIRST_NODES
    values, new = np.zeros(count + 1), np.arange(1, count)
    mass = np.inf
    changes: list[float] = []
    while True:
        t = new * np.pi / count
        values[new] = density(interval.point(t)) * interval.slope(t)
        previous, mass = mass, float(values.sum() * np.pi / count)
        if count == FIRST_NODES:
            previous = float(values[::2].sum() * 2.0 * np.pi / count)
        changes.append(abs(mass - previous))
        enough = enough_nodes(mass)
        if count >= enough:
            yield values, changes[enough // (4 * FIRST_NODES) :]
        values, count = np.insert(values, np.arange(1, count + 1), 0.0), 2 * count
        new = np.arange(1, count, 2)


def cosine_sums(values: Array) -> Array:
    """``v_0 + (-1)^k v_n + 2 sum_j v_j cos(pi j k / n)`` along the last axis: cosine transform of type 1."""
    return np.asarray(np.fft.rfft(np.concatenate([values, values[..., -2:0:-1]], axis=-1)).real)


def enough_nodes(mass: float) -> int:
    """Nodes at which halving may stop on an interval of this mass."""
    return next(nodes for most, nodes in ENOUGH_NODES if mass < most)


def mass_error(values: Array, changes: list[float]) -> float:
    """Error of a mass with these changes, if it goes on to converge as slowly as it did in the last three.

    A change that is small by chance says little.
    """
    del values
    last = changes[-3:]
    ratio = max(new / max(old, 1e-300) for old, new in pairwise(last))
    if ratio >= 0.5:
        return max(last)
    return max(last[-1], last[-2] * ratio) * ratio / (1.0 - ratio)


def careful_mass_error(values: Array, changes: list[float]) -> float:
    """Error of a mass by its changes, and by the cosine series of the `values` on the nodes.

    Sums over the nodes miss the coefficient of twice the highest frequency. Coefficients go on to fall in
    this octave as they did from one to the other of the last three. Mostly far too large; no change is small
    by chance.
    """
    count = values.size - 1
    sizes = np.abs(cosine_sums(values)) / count + 1e-300
    quarter, half, end = (float(sizes[3 * k // 4 : k].max()) for k in (count // 4, count // 2, count))
    first, second = min(1.0, half / quarter), min(1.0, end / half)
    missed = 2.0 * np.pi * end * second * min(1.0, second / first)
    return max(mass_error(values, changes), missed)
