"""Interpolation of tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Monotone:
    """Piecewise cubic interpolation that is monotone wherever its values are.

    Parameters
    ----------
    nodes
        Two or more ascending arguments, shape ``(m,)``.
    values
        Shape ``(m, k)``: `k` functions.

    Notes
    -----
    Slopes are weighted harmonic means of those of the pieces, and 0 at a turning point. Beyond the nodes the
    outer cubics go on. It is that of ``scipy.interpolate.PchipInterpolator``.

    References
    ----------
    F. N. Fritsch and J. Butland, *SIAM J. Sci. Stat. Comput.* 5 (1984), 300-304.
    """

    def __init__(self, nodes: Array, values: Array) -> None:
        self.nodes, self.values = nodes, values
        self._widths = np.diff(nodes)[:, None]
        self._rises = np.diff(values, axis=0) / self._widths
        self._slopes = _slopes(self._widths, self._rises)

    def __call__(self, x: Array) -> Array:
        """Values at arguments of shape ``(p,)``, of shape ``(p, k)``."""
        i = np.clip(np.searchsorted(self.nodes, x, side="right") - 1, 0, self.nodes.size - 2)
        width, rise, low, high = self._widths[i], self._rises[i], self._slopes[i], self._slopes[i + 1]
        s = np.asarray(x)[:, None] - self.nodes[i][:, None]
        bend = (low + high - 2.0 * rise) / width
        return np.asarray(self.values[i] + s * (low + s * ((rise - low) / width - bend + s * bend / width)))


def _slopes(widths: Array, rises: Array) -> Array:
    """Slopes at the nodes, of pieces with these widths and mean slopes."""
    if len(rises) == 1:
        return np.repeat(rises, 2, axis=0)
    left, right = 2.0 * widths[1:] + widths[:-1], widths[1:] + 2.0 * widths[:-1]
    same = np.sign(rises[:-1]) * np.sign(rises[1:]) > 0.0
    below, above = (np.where(same, each, 1.0) for each in (rises[:-1], rises[1:]))
    inner = np.where(same, (left + right) / (left / below + right / above), 0.0)
    ends = [_end(*(each[at] for each in (widths, rises) for at in pair)) for pair in ((0, 1), (-1, -2))]
    return np.vstack([ends[0], inner, ends[1]])


def _end(width: Array, inner_width: Array, rise: Array, inner_rise: Array) -> Array:
    """Slope at an end, of the parabola through three nodes unless it would not be monotone."""
    slope = ((2.0 * width + inner_width) * rise - width * inner_rise) / (width + inner_width)
    steep = (np.sign(rise) != np.sign(inner_rise)) & (np.abs(slope) > 3.0 * np.abs(rise))
    return np.where(np.sign(slope) != np.sign(rise), 0.0, np.where(steep, 3.0 * rise, slope))
