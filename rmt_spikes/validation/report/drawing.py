"""A figure of a report: drawn in any theme, wide or narrow, with its caption and its description."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmt_spikes.plot.files import encode
from rmt_spikes.plot.style import PAPER, Theme, entries, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt_spikes.setting import Setting
    from rmt_spikes.simulation import Observation

WIDE_INCHES, NARROW_INCHES = 6.75, 3.6
"""Widths of two columns and of one in a journal, and of a page on a screen and on a telephone."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure; its name is the stem of its files. `draw` makes it, with stacked panels when told so."""

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[bool], Figure]

    def figure(self, theme: Theme = PAPER, *, narrow: bool = False) -> Figure:
        """Draw the figure, whatever the settings of matplotlib are."""
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            with style(theme):
                return self.draw(narrow)

    def render(self, file_format: str, theme: Theme = PAPER, *, narrow: bool = False) -> bytes:
        """Content of an undated file, ``"svg"``, ``"pdf"`` or ``"png"``."""
        figure = self.figure(theme, narrow=narrow)
        with style(theme):
            # Text alternatives are in the page; a title element in the file would pop up over the figure.
            return encode(figure, file_format)


def panels(count: int, narrow: bool, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Figure with panels in a row, or stacked when narrow; `height` is that of a row, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (NARROW_INCHES, height * count) if narrow else (WIDE_INCHES, height)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    rows, columns = (count, 1) if narrow else (1, count)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def legend_above(figure: Figure, axes: Iterable[Axes], narrow: bool) -> None:
    """Put one legend for all panels above them, where it can cover nothing."""
    handles, labels = entries(*axes)
    columns = 1 if narrow else min(4, len(labels))
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, handlelength=2.2, columnspacing=1.4
    )


def sizes(setting: Setting) -> str:
    """Sizes of a setting, for a caption."""
    return f"n = {setting.n}, d = {setting.d}, N = {setting.width}"


def networks(observation: Observation) -> str:
    """Number of simulated networks, for a caption."""
    count = len(observation.trials)
    return f"{count} network{'' if count == 1 else 's'}"
