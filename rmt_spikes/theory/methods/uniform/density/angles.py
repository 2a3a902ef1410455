"""Angles of eigenvalues in an interval, in which the roots of the resolvent at its ends are gone."""

from __future__ import annotations

import math

import numpy as np


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


def slope_at(low: float, high: float, angle: float, z: float) -> float:
    """Derivative of the eigenvalue `z` at an angle of an interval; in its logarithm where there is none."""
    if not np.isfinite(high):
        return z
    power, half = _power(low), 0.5 * angle
    slope = power * math.sin(half) ** (2 * power - 1) * math.cos(half)
    return 2.0 * math.sqrt(z) * slope * (math.sqrt(high) - math.sqrt(low))


def _power(low: float) -> int:
    """Power of the change of variable: an interval that reaches zero is finer there."""
    return 3 if low == 0.0 else 1
