"""The distribution of the singular values of the bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.theory.bulk.equivalent import KEPT, BulkEquivalent
from rmt_spikes.theory.bulk.hard_edge import SHOWN, HardEdge
from rmt_spikes.theory.bulk.interval import (
    MASS_ERROR,
    Interval,
    MassError,
    cosine_sums,
    mass_error,
    refinements,
)
from rmt_spikes.values import Value

Array = NDArray[np.float64]

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Probabilities whose quantiles a prediction lists: quartiles and the usual tails."""

MASS_TOLERANCE = 1e-10
"""Change of the mass of an interval at which halving stops for densities of closed forms."""

NEAR = 0.01
"""Distance of a branch point from the real angles below which the support is cut there: coefficients of a
cosine series fall by a factor of ``exp(-distance)`` each, and with a cut 200 take the place of thousands."""

FLAT = 1e-3
"""Slope of a change of variable, in lengths of its interval, below which the density itself is taken."""

MAXIMUM_NODES = 4096
"""Where halving stops in any case: what is then missing shows in the mass, which the certificate checks."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Bulk(Value):
    """Limiting distribution of the ``width`` singular values of ``F / sqrt(n_ridge)``, spikes apart.

    Parameters
    ----------
    edges
        Intervals of the support, shape ``(n_intervals, 2)``, ascending.
    atom_at_zero
        Mass at zero, positive when the features have fewer rows (or rank) than columns.
    density_inside
        Density at points strictly inside the support, ascending, shape ``(n,)``.
    direct
        Whether `density_inside` is cheap enough to answer every question; otherwise its cosine series does.
    error
        Relative error bar of the quantiles at the levels of `QUANTILES` (docs/accuracy.md); None where it is
        not estimated.
    joints
        Singular values inside the support, next to cusps of the density; it has a series on either side of
        each.
    mass_error
        What tells the error of a mass where `density_inside` is not cheap.
    most_nodes
        Nodes of the density in an interval at most; what is then missing shows in the mass.

    Notes
    -----
    The density vanishes like a square root at an edge. With ``x = low + (high - low) (1 - cos t)/2`` it
    becomes a smooth periodic function of ``t``, so its cosine series converges geometrically and
    integrates term by term.
    """

    edges: Array
    atom_at_zero: float
    density_inside: Callable[[Array], Array] = field(repr=False, compare=False)
    direct: bool = field(default=True, repr=False, compare=False)
    error: float | None = None
    joints: tuple[float, ...] = field(default=(), repr=False, compare=False)
    mass_error: MassError = field(default=mass_error, repr=False, compare=False)
    most_nodes: int = field(default=MAXIMUM_NODES, repr=False, compare=False)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.edges.tobytes(), self.atom_at_zero))

    def density(self, x: ArrayLike) -> Array:
        """Density at `x` (any shape), zero outside the support; its integral is ``1 - atom_at_zero``.

        NaN where `x` is. Where the support reaches zero, what is found there is the limit.
        """
        x = np.asarray(x, dtype=float)
        values = np.where(np.isnan(x), np.nan, 0.0)
        for k, interval in enumerate(self._intervals):
            ends = (interval.low == 0.0, interval.joints[1])
            inside = (x > interval.low) & (x < interval.high)
            inside |= (ends[0] & (x == interval.low)) | (ends[1] & (x == interval.high))
            if not np.any(inside):
                continue
            points, back = np.unique(x[inside], return_inverse=True)
            density = self.density_inside
            if interval.low == 0.0:
                density = HardEdge(density, SHOWN * interval.high)
            if self.direct:
                found = density(points)
            else:
                series, t = self._series[k], interval.angle(points)
                total = np.cos(t[:, None] * np.arange(series.size)) @ series
                slope = interval.slope(t)
                # Next to a joint or to zero the series is a small number over a small one.
                near = (slope < FLAT * (interval.high - interval.low)) & interval.steep(t)
                found = np.maximum(total, 0.0) / np.where(near, 1.0, slope)
                if np.any(near):
                    found[near] = density(points[near])
            values[inside] = found[back]
        return values

    @cached_property
    def _series(self) -> list[Array]:
        return [self._cosine_series(interval) for interval in self._intervals]

    @cached_property
    def _intervals(self) -> list[Interval]:
        """Intervals of the support, cut at the joints."""
        found = []
        for low, high in self.edges.tolist():
            ends = [low, *(joint for joint in self.joints if low < joint < high), high]
            cuts = [False] + [True] * (len(ends) - 2) + [False]
            found += [
                Interval(a, b, joints) for (a, b), joints in zip(pairwise(ends), pairwise(cuts), strict=True)
            ]
        return found

    def _cosine_series(self, interval: Interval) -> Array:
        """Coefficients of ``density * dx/dt = sum_k a_k cos(k t)`` on one interval.

        The nodes are halved until the mass stays: those of one round are used again in the next.
        """
        for values, changes in refinements(self.density_inside, interval):
            done = (
                changes[-1] < MASS_TOLERANCE if self.direct else self.mass_error(values, changes) < MASS_ERROR
            )
            if done or values.size > self.most_nodes:
                coefficients = cosine_sums(values) / (values.size - 1)
                coefficients[[0, -1]] *= 0.5
                return coefficients
        raise AssertionError("refinements go on for ever")

    @cached_property
    def masses(self) -> Array:
        """Mass of each interval of the support, shape ``(n_intervals,)``."""
        masses = [np.pi * series[0] for series in self._series]
        lows = [interval.low for interval in self._intervals]
        return np.array(
            [sum(m for m, at in zip(masses, lows, strict=True) if a <= at < b) for a, b in self.edges]
        )

    @property
    def mass(self) -> float:
        """Total mass with the atom, one up to numerical error."""
        return float(self.masses.sum() + self.atom_at_zero)

    def cdf(self, x: ArrayLike) -> Array:
        """Distribution function at `x` (any shape), atom included; NaN where `x` is.

        Clipped to one: the mass may exceed it by the tolerance of the certificate.
        """
        x = np.asarray(x, dtype=float)
        total = np.where(x >= 0.0, self.atom_at_zero, 0.0)
        for interval, series in zip(self._intervals, self._series, strict=True):
            t = interval.angle(x)
            k = np.arange(1, series.size)
            total = total + series[0] * t + np.sin(t[..., None] * k) @ (series[1:] / k)
        return np.minimum(total, 1.0)

    def edge_scale(self, count: int) -> float:
        """Width of the fluctuations of the largest of `count` singular values at the upper edge.

        Parameters
        ----------
        count
            Number of singular values, the atom at zero included.

        Notes
        -----
        ``(pi A count)^(-2/3)`` where the density is ``A sqrt(edge - x)`` next to the edge: in this unit the
        largest singular value of a bulk without spikes follows the Tracy-Widom law.
        """
        interval, series = self._intervals[-1], self._series[-1]
        low, high = interval.low, interval.high
        k = np.arange(series.size)
        # The density times dx/dt is A (high - low)^(3/2) power^(3/2) / 4 (pi - t)^2 next to the edge.
        curvature = float(-(series * k**2) @ np.cos(np.pi * k))
        power = 1 if any(interval.joints) else interval.power
        return edge_scale(2.0 * curvature / (power * (high - low)) ** 1.5, count)

    def quantile(self, p: ArrayLike) -> Array:
        """Smallest `x` whose distribution function reaches `p` (any shape).

        Raises
        ------
        DomainError
            For a probability outside ``[0, 1]``.
        """
        p = np.asarray(p, dtype=float)
        if not np.all((p >= 0.0) & (p <= 1.0)):
            raise DomainError("p", "must be in [0, 1]", p)
        starts = self.atom_at_zero + np.concatenate([[0.0], np.cumsum(self.masses)[:-1]])
        # Masses are fractions of the sizes next to a gap: their error must not decide on which side of it.
        slack = MASS_TOLERANCE if self.direct else MASS_ERROR
        index = np.clip(np.searchsorted(starts, p - slack, side="left") - 1, 0, len(starts) - 1)
        low, high = self.edges[index, 0], self.edges[index, 1]
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = self.cdf(middle) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where(p <= self.atom_at_zero, 0.0, 0.5 * (low + high))

    def to_dict(self) -> dict[str, Any]:
        """Edges, atom and quantiles, JSON-ready."""
        return {
            "edges": self.edges.tolist(),
            "atom_at_zero": self.atom_at_zero,
            "error": self.error,
            "quantiles": dict(zip(map(str, QUANTILES), self.quantile(QUANTILES).tolist(), strict=True)),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], density: Callable[[Array], Array]) -> Self:
        """Return what `to_dict` wrote, with a `density` that computes it again."""
        return cls(
            edges=np.array(document["edges"]),
            atom_at_zero=document["atom_at_zero"],
            error=document["error"],
            density_inside=density,
        )

    def scaled(self, factor: float) -> Self:
        """Distribution of a multiple of the singular values."""
        if factor == 1.0:
            return self
        return replace(
            self,
            edges=factor * self.edges,
            joints=tuple(factor * x for x in self.joints),
            density_inside=partial(_scaled, self.density_inside, factor),
        )


@lru_cache(maxsize=KEPT)
def singular_value_bulk(equivalent: BulkEquivalent) -> Bulk:
    """Distribution of the singular values from that of the eigenvalues, ``x = sqrt(z)``."""
    edges = np.sqrt(equivalent.edges)
    return Bulk(
        edges=edges,
        atom_at_zero=equivalent.atom_at_zero,
        density_inside=partial(_density, equivalent),
        joints=tuple(_joints(edges, np.sqrt(equivalent.branch_points))),
    )


def _joints(edges: Array, branch_points: NDArray[np.complex128]) -> Iterator[float]:
    """Singular values inside the support next to a branch point that would make a cosine series long."""
    for low, high in edges.tolist():
        angles = 2.0 * np.arcsin(np.sqrt((branch_points - low) / (high - low)))
        near = (np.abs(angles.imag) < NEAR) & (branch_points.real > low) & (branch_points.real < high)
        yield from branch_points.real[near].tolist()


def _scaled(density: Callable[[Array], Array], factor: float, x: Array) -> Array:
    return np.asarray(density(x / factor) / factor)


def _density(equivalent: BulkEquivalent, x: Array) -> Array:
    return np.asarray(2.0 * x * equivalent.eigenvalue_density(x**2))


def edge_scale(amplitude: float, count: int) -> float:
    """Width of the fluctuations of the largest of `count` values below an edge, ``A sqrt(edge - x)``."""
    return float((np.pi * amplitude * count) ** (-2.0 / 3.0)) if amplitude > 0.0 else np.inf
