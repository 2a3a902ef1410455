"""Interpolation that rises and falls with its values only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def monotone_interpolation(nodes: Array, values: Array, x: Array) -> Array:
    """Piecewise cubic through `values` on ascending nodes, at `x` between the first and the last of them.

    The slopes at the nodes are weighted harmonic means of those of the chords: F. N. Fritsch and J. Butland,
    SIAM J. Sci. Stat. Comput. 5, 300 (1984).

    Parameters
    ----------
    nodes
        Shape ``(m,)``, ``m >= 2``.
    values
        Shape ``(m, k)``.
    x
        Shape ``(n,)``.

    Returns
    -------
    Array of shape ``(n, k)``
    """
    h = np.diff(nodes)[:, None]
    chords = np.diff(values, axis=0) / h
    slopes = np.empty_like(values)
    if len(nodes) == 2:
        slopes[:] = chords
    else:
        before, after = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (before + after) / (before / chords[:-1] + after / chords[1:])
        slopes[1:-1] = np.where(chords[:-1] * chords[1:] > 0.0, means, 0.0)
        slopes[0] = _end(h[0], h[1], chords[0], chords[1])
        slopes[-1] = _end(h[-1], h[-2], chords[-1], chords[-2])
    k = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    t, width = ((x - nodes[k]) / h[k, 0])[:, None], h[k]
    return np.asarray(
        (1.0 + 2.0 * t) * (1.0 - t) ** 2 * values[k]
        + t**2 * (3.0 - 2.0 * t) * values[k + 1]
        + width * t * (1.0 - t) * ((1.0 - t) * slopes[k] - t * slopes[k + 1])
    )


def _end(h: Array, next_h: Array, chord: Array, next_chord: Array) -> Array:
    """Slope at an end from the parabola through three nodes, limited so that nothing overshoots."""
    slope = ((2.0 * h + next_h) * chord - h * next_chord) / (h + next_h)
    turns = (np.sign(chord) != np.sign(next_chord)) & (np.abs(slope) > 3.0 * np.abs(chord))
    slope = np.where(turns, 3.0 * chord, slope)
    return np.where(np.sign(slope) != np.sign(chord), 0.0, slope)
