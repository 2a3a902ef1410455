"""Poles of the finite-rank part above the bulk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.finite_rank import FiniteRank
from rmt_spikes.theory.fixed_point import FixedPoint
from rmt_spikes.theory.real_curve import CurvePoint, RealCurve

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pole:
    """A zero of the finite-rank kernel above the bulk.

    Attributes
    ----------
    point
        Where it is.
    vector
        ``E^{1/2} xi`` with ``xi`` the null vector of ``1 + E^{1/2} S E^{1/2}``, on the two blocks of nodes.
    slope
        Derivative in ``z`` of the eigenvalue that vanishes, positive.
    """

    point: CurvePoint
    vector: Array
    slope: float


@dataclass(frozen=True, eq=False)
class UpperSpectrum:
    """What lies above the bulk.

    Attributes
    ----------
    edge
        Upper edge of the bulk.
    poles
        Largest first.
    margins
        Eigenvalues of ``1 + E^{1/2} S E^{1/2}`` at the edge, ascending; those below zero are poles above
        the edge.
    """

    edge: CurvePoint
    poles: tuple[Pole, ...]
    margins: Array


def upper_spectrum(equations: FixedPoint, finite_rank: FiniteRank, top: float) -> UpperSpectrum:
    """Follow the resolvent from far above the spectrum down to the edge.

    Parameters
    ----------
    equations, finite_rank
        The two parts of the features.
    top
        Rough size of the largest eigenvalue.

    Raises
    ------
    ConvergenceError
        If the curve is lost.
    """
    curve = RealCurve(equations, (-1.0, 1.0))
    points = curve.follow(_far(curve, finite_rank, 4.0 * top))
    edge = curve.edge(points)
    points[-1] = edge
    spectra = [finite_rank.margins(point.state) for point in points]
    poles = []
    for k in range(int(np.sum(spectra[-1] < 0.0))):
        first = next(i for i, values in enumerate(spectra) if values[k] < 0.0)

        def eigenvalue(point: CurvePoint, k: int = k) -> float:
            return float(finite_rank.margins(point.state)[k])

        point = curve.zero(points[first - 1], points[first], eigenvalue)
        vector = finite_rank.spectrum(point.state)[1][:, k]
        slope = finite_rank.slope(point.state, point.tangent, vector)
        poles.append(Pole(point, vector, slope / (point.eigenvalue * point.log_eigenvalue_slope)))
    return UpperSpectrum(edge, tuple(sorted(poles, key=lambda pole: -pole.point.eigenvalue)), spectra[-1])


def _far(curve: RealCurve, finite_rank: FiniteRank, z: float) -> CurvePoint:
    """Point above every pole."""
    equations = curve.equations
    for _ in range(20):
        resolvent = np.full(equations.q_weights.size, -1.0 / z)
        try:
            point = curve.at_eigenvalue(z, resolvent, np.ones(equations.a_weights.size), -1.0)
        except ConvergenceError:
            z *= 4.0
            continue
        if finite_rank.margins(point.state)[0] > 0.0:
            return point
        z *= 4.0
    raise ConvergenceError("no point above the spectrum was found", residual=math.inf, last=z)
