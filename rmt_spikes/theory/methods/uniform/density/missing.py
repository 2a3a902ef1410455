"""A band that went unseen: by what the resolvent above the spectrum has beside the others, or in the gaps."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.methods.uniform.density.states import CutStates

ABOVE, NODES = 4.0, 2048
"""Ratio to the upper edge of the eigenvalue at which they are compared, and nodes on each band."""

APART = 1e-6
"""Relative distance of ends of a gap that are two."""


def place_of_missing(bulk: Bulk, states: CutStates) -> float:
    """Mean eigenvalue of what a bulk lacks of its mass.

    Above the spectrum ``-z R`` is the mean of ``1 / (1 - x / z)`` over its eigenvalues ``x``, and the missing
    ones are ``m / (1 - x / z)`` of it.
    """
    z = ABOVE * float(bulk.edges[-1, 1]) ** 2
    ratio, missing = states.equations.ratio, 1.0 - bulk.mass
    known = 1.0 - ratio * (1.0 - bulk.atom_at_zero)
    angles = (np.arange(NODES) + 0.5) * np.pi / NODES
    for low, high in bulk.edges:
        x = low + (high - low) * np.sin(0.5 * angles) ** 2
        weights = bulk.density(x) * np.sin(angles) * 0.5 * (high - low) * np.pi / NODES
        known += ratio * float(np.sum(weights / (1.0 - x**2 / z)))
    state = states.from_above(z)
    whole = -z * states.equations.spectral(state.resolvent.real, state.omega.real, z)
    return z * (1.0 - ratio * missing / (whole - known))


def place_in_a_gap(bulk: Bulk, states: CutStates) -> float:
    """Eigenvalue of a band in a gap that the real resolvent was followed across; NaN where none is seen.

    From the middle of the gap it ends at the band.
    """
    squares = bulk.edges**2
    for below, above in zip(squares[:-1, 1].tolist(), squares[1:, 0].tolist(), strict=True):
        middle = math.sqrt(below * above)
        with suppress(ConvergenceError):
            state = states.from_above(middle)
            if states.physical(state):
                return middle
            left, right = states.followed(middle, state)
            new = [left] if left.at > below * (1.0 + APART) else []
            new += [right] if right.at < above * (1.0 - APART) else []
            for place in (at for end in new for at, _ in end.inside):
                if states.physical(states.from_above(place)):
                    return place
    return math.nan
