"""Directions of a teacher that come as arrays."""

from typing import Any, NamedTuple, Self

import numpy as np

from rmt_spikes.arguments import real_array
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.network.inputs import Array, scaled

ORTHONORMAL = 1e-4
"""Cosine of two directions that is rounding, of single precision as well."""


class ShownTeacher(NamedTuple):
    """Directions of a teacher.

    Attributes
    ----------
    toward : ndarray of shape (d,)
        Unit vector of the direction that a step learns, that along ``E[y u]``.
    scale : float
        What makes ``<toward, x>`` of variance 1.
    rows : ndarray of shape (directions, d), or None
        All directions, scaled so that ``<row, x>`` has variance 1; None if they are not known.
    """

    toward: Array
    scale: float
    rows: Array | None

    @classmethod
    def of(cls, given: Any, d: int | str, setting: Setting | None, inputs: Array | None) -> Self:
        """Check what was given; `inputs` are samples where components have another variance than 1."""
        count = 1 if setting is None else setting.teacher.directions
        rows = None
        if np.ndim(given) > 1:
            rows = real_array("teacher", given, (count, d))
            rows = np.array([unit_vector("teacher", row, d) for row in rows])
            if np.max(np.abs(rows @ rows.T - np.eye(count))) > ORTHONORMAL:
                raise DomainError("teacher", "must have orthogonal directions", Word("others"))
            toward = rows[0] if count == 1 or setting is None else setting.teacher.first @ rows
        else:
            toward = unit_vector("teacher", given, d)
            rows = toward[None] if count == 1 else None
        if inputs is None:
            return cls(toward, 1.0, rows)
        if rows is not None:
            rows = np.array([scaled("inputs", row, inputs)[0] for row in rows])
        return cls(toward, float(np.linalg.norm(scaled("inputs", toward, inputs)[0])), rows)


def unit_vector(field: str, given: Any, d: int | str) -> Array:
    """Check a vector that is not zero, and scale it to length 1."""
    vector = real_array(field, given, (d,))
    norm = float(np.linalg.norm(vector))
    if norm == 0.0:
        raise DomainError(field, "must not be zero", Word("zeros"))
    return vector / norm
