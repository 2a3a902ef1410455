"""Poles of the finite-rank part above the bulk: spikes, and the features that they carry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from pencil.channels import FiniteRank
from pencil.continuation import CurvePoint, UpperCurve
from pencil.equations import State
from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.theory.quadrature_rules import gauss_hermite

Array = NDArray[np.float64]

TOUCHING = 1e-3


@dataclass(frozen=True, eq=False)
class Pole:
    """A spike.

    Attributes
    ----------
    singular_value
        Its place.
    vector, slope
        Null vector of ``J + S`` and its quadratic form in the derivative in ``z``.
    point
        The curve there.
    """

    singular_value: float
    vector: Array
    slope: float
    point: CurvePoint


@dataclass(frozen=True, eq=False)
class UpperSpectrum:
    """What lies above the bulk."""

    finite_rank: FiniteRank
    top: float

    @cached_property
    def curve(self) -> UpperCurve:
        """Resolvent above the bulk."""
        return UpperCurve(self.finite_rank.equations)

    @cached_property
    def points(self) -> list[CurvePoint]:
        """Points from above all poles to the edge."""
        z = 2.0 * self.top
        for _ in range(12):
            try:
                point = self.curve.start(z, self.finite_rank.equations.pencil.start())
                if self.margins(point)[0] > 0.0:
                    return self.curve.follow(point)
            except Exception as error:  # noqa: BLE001
                last = error
            z *= 3.0
        raise last

    @property
    def edge(self) -> float:
        """Upper edge of the bulk, as a singular value."""
        return float(np.sqrt(self.points[-1].z))

    def margins(self, point: CurvePoint) -> Array:
        """Eigenvalues of ``J + S``, ascending."""
        return np.linalg.eigvalsh(self.finite_rank.total(point.state, point.parts))

    @cached_property
    def poles(self) -> list[Pole]:
        """Spikes, largest first."""
        while self.margins(self.points[0])[0] < 0.0:
            self.points.insert(0, self.curve.move(self.points[0], self.points[0].level - 0.5))
        margins = [self.margins(point) for point in self.points]
        found = []
        for k in range(int(np.sum(margins[-1] < -1e-9))):
            i = next(i for i in range(len(margins)) if margins[i][k] < 0.0)
            low, high = self.points[i - 1], self.points[i]
            memory = {low.level: low, high.level: high}

            def value(level: float, k: int = k, memory: dict[float, CurvePoint] = memory) -> float:
                if level not in memory:
                    near = min(memory, key=lambda known: abs(known - level))
                    memory[level] = self.curve.move(memory[near], level)
                return float(self.margins(memory[level])[k])

            level = brentq(value, low.level, high.level, xtol=1e-9, rtol=1e-9)
            point = memory.get(level) or self.curve.move(high, level)
            vector = np.linalg.eigh(self.finite_rank.total(point.state, point.parts))[1][:, k]
            pole = self._pole(point, vector)
            # A pole that touches the edge has an infinite slope: its vectors are spread over the bulk.
            if pole.singular_value > (1.0 + TOUCHING) * self.edge and pole.slope > 0.0:
                found.append(pole)
        return sorted(found, key=lambda pole: -pole.singular_value)

    def _pole(self, point: CurvePoint, vector: Array) -> Pole:
        n_q, a = point.state.resolvent.size, point.state.omega.size
        h = 1e-30j
        moved = State(
            point.state.resolvent * (1.0 + h * point.slope[:n_q]),
            point.state.omega * (1.0 + h * point.slope[n_q : n_q + a]),
            point.state.nu + h * point.slope[n_q + a :].reshape(point.state.nu.shape),
        )
        eq = self.finite_rank.equations
        total = self.finite_rank.total(moved, eq.matrices(moved))
        slope = float((vector @ total @ vector).imag / 1e-30) / (point.z * point.log_z_slope)
        return Pole(float(np.sqrt(point.z)), vector, slope, point)

    def alignments(self, pole: Pole, count: int = 5) -> Array:
        """Squared correlations of the left vector with ``He_k(q)``, ``k = 0 .. count - 1``."""
        eq, state = self.finite_rank.equations, pole.point.state
        q, weights = gauss_hermite(state.resolvent.size)
        root = np.sqrt(state.omega * eq.a_weights)
        size = pole.vector.size // root.size
        profile = (np.tile(root, size) * pole.vector) @ self.finite_rank.functions[0]
        profile = state.resolvent * profile / np.sqrt(pole.slope)
        return np.asarray((normalized_hermite(count - 1, q) @ (weights * profile)) ** 2)
