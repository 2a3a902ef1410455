"""Figure of differences between theory and simulation, in units of what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.names import in_words, section
from rmt_spikes.plot.style import MINUS, Theme, drawing, legend_outside
from rmt_spikes.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR = 2.0
"""Differences up to so many margins are on a linear scale: those that decide; larger ones are compressed."""

ROW_INCHES, FRAME_INCHES = 0.19, 0.95
"""Height of a row of a figure of its own, and of its axis and legend."""

NAMES_INCHES, DIGIT_INCHES = 0.9, 0.075
"""Width of the names beside the axis beyond what a subplot leaves for them, and of a digit of its numbers."""

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

SPREAD = 0.7
"""Share of a row over which several comparisons of one quantity are spread."""

SHAPES = {Verdict.AGREES: "o", Verdict.INCONCLUSIVE: "s", Verdict.DISAGREES: "X"}


class Compared(Protocol):
    """A quantity that was compared: a row of a comparison, or a limit that was extrapolated."""

    @property
    def quantity(self) -> str: ...  # noqa: D102

    @property
    def interval(self) -> tuple[float, float] | None: ...  # noqa: D102

    @property
    def margin(self) -> float: ...  # noqa: D102

    @property
    def verdict(self) -> Verdict: ...  # noqa: D102


class HasRows(Protocol):
    """A comparison."""

    @property
    def rows(self) -> Sequence[Compared]: ...  # noqa: D102


def residuals(
    comparison: HasRows | Iterable[HasRows],
    *,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw observed minus predicted of every quantity, in units of its margin.

    Parameters
    ----------
    comparison
        Result of `compare`, or several: then a row has all comparisons of a quantity, in their order.
    ax
        Axes to draw on; those of a new figure when None.
    legend
        Whether there is a legend above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        With one row a quantity. The scale is linear to two margins and logarithmic beyond; the shaded range
        is what is allowed. The shape of a marker is its verdict.

    Raises
    ------
    DomainError
        For anything else, and for comparisons of single trials, which have no intervals.
    """
    several = [comparison] if hasattr(comparison, "rows") else comparison
    try:
        groups = [list(each.rows) for each in several]
    except (AttributeError, TypeError):
        advice = "make one with compare(prediction, observation)"
        came = Word(type(comparison).__name__)
        raise DomainError("comparison", "must be a Comparison, or several", came, advice) from None
    if not any(groups):
        raise DomainError("comparison", "must have rows", Word("none"))
    return forest([(row, i, len(groups)) for i, rows in enumerate(groups) for row in rows], ax, legend)


def forest(
    placed: Sequence[tuple[Compared, int, int]],
    ax: Axes | None,
    legend: bool,
    xlabel: str = f"(observed {MINUS} predicted) / margin",
) -> Axes:
    """Draw what was compared, each with the number of its comparison and the number of comparisons."""
    quantities = sorted(dict.fromkeys(row.quantity for row, _, _ in placed), key=section)
    reach = max(2.0, *(abs(x) for row, _, _ in placed for x in _in_margins(row)))
    size = None if ax is not None else (6.2, FRAME_INCHES + ROW_INCHES * len(quantities))
    with drawing(ax, size) as (axis, theme):
        axis.axvspan(-1.0, 1.0, color=theme.bars, linewidth=0.0, zorder=0, label="within the margin")
        axis.axvline(0.0, color=theme.corrected, linewidth=1.2, zorder=1)
        for verdict, marker in SHAPES.items():
            _marks(axis, theme, placed, quantities, verdict, marker)
        axis.set_xscale("symlog", linthresh=LINEAR, linscale=LINEAR)
        axis.set_xlim(-1.15 * reach, 1.15 * reach)
        _number(axis, 1.15 * reach)
        axis.set_xticks([], minor=True)
        axis.set_yticks(range(len(quantities)), [in_words(quantity) for quantity in quantities])
        axis.set_ylim(len(quantities) - 0.4, -0.6)
        axis.set_xlabel(xlabel)
        axis.tick_params(axis="y", length=0.0)
        if legend:
            legend_outside(axis, columns=4)
    return axis


def _number(axis: Axes, reach: float) -> None:
    """Ticks up to `reach` margins; numbers at those that have room, the outermost before those inside."""
    powers = 10.0 ** np.arange(1, np.floor(np.log10(reach)) + 1)
    # Below the first power of ten there is room for two more.
    beyond = [2.0, *([5.0] if reach >= 5.0 else []), *powers.tolist()]
    figure: Any = axis.figure
    inches = max(1.5, float(axis.get_position().width * figure.get_size_inches()[0]) - NAMES_INCHES)
    scale = 0.5 * inches / _place(reach)
    said: dict[float, str] = {}
    for tick in (0.0, 1.0, *reversed(powers.tolist()), 2.0, 5.0):
        text = f"{tick:g}" if tick < 1e4 else "10" + str(round(np.log10(tick))).translate(RAISED)
        least = DIGIT_INCHES * (1 + len(text))
        places = [(abs(_place(tick) - _place(other)), len(word)) for other, word in said.items()]
        if all(scale * gap >= 0.5 * (least + DIGIT_INCHES * (1 + wide)) for gap, wide in places):
            said[tick] = text
    ticks = [*(-tick for tick in reversed(beyond)), -1.0, 0.0, 1.0, *beyond]
    axis.set_xticks(ticks, [MINUS * (t < 0.0 and abs(t) in said) + said.get(abs(t), "") for t in ticks])


def _place(margins: float) -> float:
    """Place on the axis, in decades from zero."""
    return margins if margins <= LINEAR else LINEAR + float(np.log10(margins / LINEAR))


def _in_margins(row: Compared) -> tuple[float, float]:
    """Interval of a row in units of its margin."""
    if row.interval is None:
        advice = "simulate with trials=8 or more"
        raise DomainError("comparison", "must have intervals", Word("one of a single trial"), advice)
    return row.interval[0] / row.margin, row.interval[1] / row.margin


def _marks(
    axis: Axes,
    theme: Theme,
    placed: Sequence[tuple[Compared, int, int]],
    quantities: Sequence[str],
    verdict: Verdict,
    marker: str,
) -> None:
    """Rows of one verdict."""
    here = [(row, i, count) for row, i, count in placed if row.verdict is verdict]
    if not here:
        return
    low, high = np.array([_in_margins(row) for row, _, _ in here]).T
    rows = [quantities.index(row.quantity) + SPREAD * ((i + 0.5) / n - 0.5) for row, i, n in here]
    many = max(count for _, _, count in here) > 1
    look: dict[str, Any] = {"color": theme.ink, "markersize": 3.0 if many else 4.5, "markeredgewidth": 0.8}
    look |= {"elinewidth": 0.5 if many else 0.9, "label": str(verdict)}
    if verdict is Verdict.INCONCLUSIVE:
        look["markerfacecolor"] = theme.background or "none"
    if verdict is Verdict.DISAGREES:
        look |= {"color": theme.published, "markersize": 4.5 if many else 6.5, "markeredgewidth": 0.0}
    half = 0.5 * (high - low)
    axis.errorbar(0.5 * (low + high), rows, xerr=half, linestyle="none", marker=marker, **look)
