"""Upper edge of a bulk, fitted to its largest singular values without any theory."""

from typing import NamedTuple

import numpy as np

from rmt_spikes.errors import DomainError
from rmt_spikes.simulation.network.sampling import Array

SHARE = 0.1
"""Share of the spectrum that the fit uses: beyond it a quadratic no longer describes the bulk."""

FEWEST = 30
"""Values that the fit uses at least: the edge of a 300 x 200 Gaussian matrix then scatters by 1.2 units, with
12 by 2.3."""

MOST_SPIKES = 8
"""Values above the bulk that are looked for in features that have not been trained."""

SPIKE = 5.0
"""Distance above the fitted edge, in its unit, from which a value is none of the bulk: four units of the
Tracy-Widom distribution, beyond which there is 1e-4 of it, and one for the error of the edge."""

OFFSET = 0.75
"""The k-th value lies near ``-(3 pi (k - 3/4) / 2)^(2/3)`` units for real matrices; at k = 1 this is -1.12,
the mean of the Tracy-Widom distribution -1.21."""


class Edge(NamedTuple):
    """Upper edge of the singular values of a bulk, and the width of the Tracy-Widom fluctuations there."""

    edge: float
    scale: float

    def distance(self, singular_value: float) -> float:
        """Distance of a singular value from the edge, in units of the fluctuations there."""
        return (singular_value - self.edge) / self.scale


def fitted_edge(singular_values: Array) -> Edge:
    """Fit the edge of a bulk to its largest singular values, leaving out those above it.

    Next to an edge where the density vanishes like a square root, the eigenvalues follow the mean places of
    the Airy process, in a unit that is fitted as well; a quadratic term allows for the curvature of the bulk.

    Parameters
    ----------
    singular_values : ndarray of shape (count,)
        Descending.

    Raises
    ------
    DomainError
        When there are too few values, or they have no such edge (field ``untrained``).
    """
    squares = singular_values[singular_values > 0.0] ** 2
    count = max(FEWEST, int(SHARE * squares.size))
    if squares.size < count + MOST_SPIKES:
        required = f"must have at least {count + MOST_SPIKES} singular values above 0 for an edge"
        raise DomainError("untrained", required, int(squares.size))
    places = (1.5 * np.pi * (np.arange(1, count + 1) - OFFSET)) ** (2.0 / 3.0)
    design = np.stack([np.ones(count), -places, places**2], axis=1)

    def fit(first: int) -> tuple[float, float]:
        edge, scale, _ = np.linalg.lstsq(design, squares[first : first + count], rcond=None)[0].tolist()
        return edge, scale

    # From inside: a spike among the fitted values would hide itself.
    first = MOST_SPIKES
    edge, scale = fit(first)
    while first and squares[first - 1] < edge + SPIKE * scale:
        first -= 1
        edge, scale = fit(first)
    if not (edge > 0.0 and scale > 0.0):
        raise DomainError("untrained", "must have a bulk with an upper edge", singular_values)
    root = float(np.sqrt(edge))
    return Edge(root, scale / (2.0 * root))
