"""Angles of eigenvalues in an interval, in which the roots of the resolvent at its ends are gone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = NDArray[Any]


def angle_of(low: float, high: float, z: float) -> float:
    """Angle of an eigenvalue in an interval, between 0 and pi; its logarithm where there is none."""
    if not np.isfinite(high):
        return float(np.log(z))
    share = np.clip((np.sqrt(z) - np.sqrt(low)) / (np.sqrt(high) - np.sqrt(low)), 0.0, 1.0)
    return float(2.0 * np.arcsin(share ** (0.5 / _power(low))))


def eigenvalue_at(low: float, high: float, angle: float) -> float:
    """Eigenvalue at an angle of an interval."""
    share = math.sin(0.5 * angle) ** (2 * _power(low))
    return (math.sqrt(low) + share * (math.sqrt(high) - math.sqrt(low))) ** 2


def _power(low: float) -> int:
    """Power of the change of variable: an interval that reaches zero is finer there."""
    return 3 if low == 0.0 else 1


def lagrange(nodes: Array, x: float) -> Array:
    """Weights of values on the nodes in their interpolation at `x`."""
    difference = nodes[:, None] - nodes + np.eye(nodes.size)
    others = np.where(np.eye(nodes.size) > 0.0, 1.0, x - nodes)
    return np.asarray(np.prod(others / difference, axis=1))


def logarithm(values: Values, mirrored: bool) -> Values:
    """Logarithm, continued beyond an edge where the state is `mirrored`."""
    found = np.log(values)
    return found.conj() + 2.0j * np.pi * np.round(found.imag / np.pi) if mirrored else found
