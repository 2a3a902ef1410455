"""Figure of one quantity over two keys of a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import choice
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.curves import LOG_RANGE, axis_name
from rmt_spikes.plot.names import in_words
from rmt_spikes.plot.style import MINUS, Theme, decades, drawing, require
from rmt_spikes.theory import SweepTable
from rmt_spikes.theory.methods import look_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

COLOURS = "cividis"
"""A colour map whose lightness rises evenly, made for colour-blind readers: it survives a copier."""

COUNT = "spike_count"
DEFAULT_METHOD = look_up(None).name
"""Method that a figure does not name."""
CONTOURS = 6
"""Lines of equal value: enough to read a slope off, few enough to be labelled."""


def phase_diagram(
    table: SweepTable,
    quantity: str | None = None,
    *,
    reference: SweepTable | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity over two keys of a setting.

    Parameters
    ----------
    table
        Result of `sweep` over two keys.
    quantity
        One of its quantities; the first when None.
    reference
        Result of `sweep` over the same keys, or over one of them: drawn is the gain over it, in per cent.
        With ``step_size=0`` it is what the step gains.
    ax
        Axes to draw on; those of a new figure when None.

    Returns
    -------
    matplotlib.axes.Axes
        With the first key along the horizontal axis, and a bar of the colours on the right. Points that could
        not be predicted are hatched.

    Raises
    ------
    DomainError
        For anything else than a sweep over two keys of numbers, and an unknown quantity.
    """
    require("table", table, SweepTable, "make one with sweep(setting, {key: values, other_key: values})")
    axes = table.axes
    if len(axes) != 2 or not all(isinstance(each, np.ndarray) and each.size > 1 for each in axes.values()):
        came = Word(" and ".join(f"{len(each)} of {key}" for key, each in axes.items()))
        raise DomainError("table", "must be a sweep over two keys, two numbers each at least", came)
    name = table.quantities[0] if quantity is None else choice("quantity", quantity, table.quantities)
    values = np.asarray(table[name], dtype=float)
    if reference is not None:
        values = 100.0 * (1.0 - values / _along(reference, name, axes))
    with drawing(ax) as (axis, theme):
        (first, x), (second, y) = axes.items()
        axis.set_facecolor(theme.bars)
        label = in_words(name) if reference is None else f"gain in {in_words(name)}, per cent"
        label += "" if table.method == DEFAULT_METHOD else f" ({table.method.replace('_', ' ')})"
        draw = _steps if name == COUNT and reference is None else _levels
        draw(axis, theme, x, y, values, label)
        axis.set(xlabel=axis_name(first), ylabel=axis_name(second))
        for which, along in (("x", x), ("y", y)):
            if _is_wide(along):
                axis.set(**{f"{which}scale": "log"})
                decades(axis, which)
        for spine in axis.spines.values():
            spine.set_visible(True)
    return axis


def _along(reference: Any, name: str, axes: Any) -> Array:
    """Values of a reference, in the shape of a table with these axes."""
    require("reference", reference, SweepTable, "make one with sweep(setting, {key: values})")
    known = [key for key in axes if key in reference.axes]
    same = all(np.array_equal(reference.axes[key], axes[key]) for key in known)
    if list(reference.axes) != known or not same:
        required = f"must be over {' and '.join(axes)}, or one of them, with the same values"
        raise DomainError("reference", required, Word(" and ".join(reference.axes)))
    values = np.asarray(reference[name], dtype=float)
    return values.reshape([len(along) if key in known else 1 for key, along in axes.items()])


def _is_wide(values: Array) -> bool:
    return bool(values.min() > 0.0 and values.max() >= LOG_RANGE * values.min())


def _mesh(axis: Axes, x: Array, y: Array, values: Array, **options: Any) -> Any:
    shown = np.ma.masked_invalid(values.T)
    return axis.pcolormesh(x, y, shown, shading="nearest", rasterized=True, **options)


def _steps(axis: Axes, theme: Theme, x: Array, y: Array, counts: Array, label: str) -> None:
    """Counts in steps of colour, with lines between them."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    low, high = int(np.nanmin(counts)), int(np.nanmax(counts))
    edges = np.arange(low, high + 2) - 0.5
    colours = colormaps[COLOURS].resampled(max(high - low + 1, 2))
    mesh = _mesh(axis, x, y, counts, cmap=colours, norm=BoundaryNorm(edges, colours.N))
    if high > low:
        axis.contour(x, y, counts.T, levels=edges[1:-1], colors=theme.background or "white", linewidths=0.8)
    bar = axis.figure.colorbar(mesh, ax=axis, ticks=range(low, high + 1))
    bar.set_label(label)


def _levels(axis: Axes, theme: Theme, x: Array, y: Array, values: Array, label: str) -> None:
    """Values in even colours, with labelled lines."""
    from matplotlib.ticker import MaxNLocator

    mesh = _mesh(axis, x, y, values, cmap=COLOURS)
    levels = MaxNLocator(CONTOURS).tick_values(float(np.nanmin(values)), float(np.nanmax(values)))
    lines = axis.contour(x, y, values.T, levels=levels, colors="white", linewidths=0.8)
    axis.clabel(lines, fmt=lambda value: f"{value:g}".replace("-", MINUS), fontsize=7)
    axis.figure.colorbar(mesh, ax=axis).set_label(label)
