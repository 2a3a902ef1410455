"""Coordinates of the inputs: the axes of their covariance, and the teacher's directions on some of them."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.products import multiply, project

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class InputSpace:
    """Inputs ``x = Sigma^(1/2) z`` with diagonal ``Sigma``, and orthonormal teacher directions ``b_k``.

    Networks are rotation invariant at initialisation, so each ``b_k`` may lie on one axis of each eigenspace:
    the ``k``-th of them. Without a covariance ``b_k`` is the ``k``-th axis.

    Attributes
    ----------
    scale : ndarray of shape (d,), or None
        Roots of the eigenvalues; None where all are 1.
    axes : ndarray of int, shape (directions, eigenspaces)
        Axes of each direction.
    entries, loadings : ndarray of shape (eigenspaces,)
        Entries of ``b_k`` on these axes, and of ``u_k = <b_k, x> / sqrt(s_1)`` as a function of ``z``; the
        squares of either add up to 1.
    """

    scale: Array | None
    axes: NDArray[np.int64]
    entries: Array
    loadings: Array

    @classmethod
    def plain(cls, directions: int) -> Self:
        """Coordinates without a covariance."""
        return cls(None, np.arange(directions)[:, None], np.ones(1), np.ones(1))

    @classmethod
    def of(cls, setting: Setting) -> Self:
        """Choose the coordinates of a setting."""
        inputs, numbers = setting.inputs, np.arange(setting.teacher.directions)
        if inputs is None:
            return cls.plain(numbers.size)
        used = np.flatnonzero(inputs.teacher > 0.0)
        starts = np.cumsum(inputs.multiplicities) - inputs.multiplicities
        shares, values = inputs.teacher[used], inputs.eigenvalues[used]
        return cls(
            scale=np.sqrt(np.repeat(inputs.eigenvalues, inputs.multiplicities)),
            axes=starts[used] + numbers[:, None],
            entries=np.sqrt(shares),
            loadings=np.sqrt(shares * values / inputs.signal),
        )

    def variables(self, z: Array) -> Array:
        """Teacher variables ``u_k`` of standard Gaussian rows, or components of whitened ones.

        Their shape is (directions, rows).
        """
        return np.array([z[:, axes] @ self.loadings for axes in self.axes])

    def by_root(self, rows: Array) -> Array:
        """Multiply by the root of the covariance, in place.

        Standard Gaussian rows become inputs; vectors that act on inputs become those that act on such rows.
        """
        if self.scale is not None:
            rows *= self.scale
        return rows

    def whitened(self, rows: Array) -> Array:
        """Return what `by_root` makes of vectors, which stay."""
        return rows if self.scale is None else rows * self.scale

    def learnt(self, beta: Array) -> tuple[Array, Array]:
        """Return ``beta`` scaled so that ``<beta, x>`` has variance 1, and its covariance with the inputs."""
        unit: Array = beta / np.linalg.norm(self.whitened(beta))
        return unit, self.whitened(self.whitened(unit))

    def cosine(self, beta: Array, first: Array) -> float:
        """Correlation of ``<beta, x>`` with the teacher variable ``sum_k first_k u_k``."""
        whitened = self.whitened(beta)
        components = self.variables(whitened[None])[:, 0]
        return float(first @ components) / float(np.linalg.norm(whitened))

    def direction(self, first: Array, d: int) -> Array:
        """Unit vector ``sum_k first_k b_k`` of inputs of dimension `d`."""
        return first @ self._on_axes(self.entries, d)

    def directions(self, d: int) -> Array:
        """Unit vectors that make ``u_k`` of standard Gaussian rows, of shape (directions, d)."""
        return self._on_axes(self.loadings, d)

    def _on_axes(self, entries: Array, d: int) -> Array:
        vectors = np.zeros((len(self.axes), d))
        np.put_along_axis(vectors, self.axes, entries[None], axis=1)
        return vectors


def scaled(field: str, vector: Array, inputs: Array) -> tuple[Array, Array]:
    """Scale a vector by samples whose covariance is not known, and return its covariance with the inputs.

    Its components of the samples have the mean square 1 then.
    """
    along = multiply(inputs, vector)
    size = math.sqrt(float(along @ along) / along.size)
    if not size > 0.0:
        raise DomainError(field, "must have a part along the learnt direction", Word("none"))
    return vector / size, project(inputs, along / size) / along.size
