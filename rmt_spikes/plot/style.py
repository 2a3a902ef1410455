"""Look of the figures: palette, sizes, marks, and files that are the same bytes for the same figure."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt_spikes.setting import Setting

WIDE_INCHES, NARROW_INCHES = 6.75, 3.6
"""Widths of two columns and of one in a journal, and of a page on a screen and on a telephone."""

DASHED = (0, (5, 2))
"""Dashes that are told from a solid line at the size of a legend."""

RASTER_DPI = 200
"""Of PNG files and of clouds of dots: finer than a screen, and still small."""

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "rmt_spikes",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9.0,
    **dict.fromkeys(("axes.titlesize", "axes.labelsize"), 9.0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 8.0),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    "xtick.minor.width": 0.4,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
}
"""Settings of matplotlib that every figure has: identifiers that repeat, and fonts that journals accept."""


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of a figure, from the Okabe-Ito palette; every pair also differs in marker or line style.

    Ink is for text and axes, faint for individual trials, bars for histograms; no background is transparent.
    """

    name: str
    ink: str
    faint: str = "#8b949e"
    bars: str
    corrected: str
    published: str
    background: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of matplotlib."""
        inks = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
        grounds = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
        return {**dict.fromkeys(inks, self.ink), **dict.fromkeys(grounds, self.background or "none")}


LIGHT = Theme(name="light", ink="#1a1a1a", bars="#c3cad2", corrected="#0072b2", published="#d55e00")
PAPER = replace(LIGHT, name="paper", background="#ffffff")
DARK = Theme(name="dark", ink="#e8eaed", bars="#535d69", corrected="#56b4e9", published="#f0a050")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that can be drawn in any theme, wide or narrow; its name is the stem of its files."""

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Theme, bool], Figure]

    def render(self, file_format: str, theme: Theme = PAPER, *, narrow: bool = False) -> bytes:
        """Content of an undated file, ``"svg"``, ``"pdf"`` or ``"png"``; panels are stacked when `narrow`."""
        import matplotlib

        stream = io.BytesIO()
        undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format, {})
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            settings: Any = SETTINGS | theme.settings
            matplotlib.rcParams.update(settings)
            figure = self.draw(theme, narrow)
            # Text alternatives are in the page; a title element in the file would pop up over the figure.
            figure.savefig(stream, format=file_format, metadata=undated, dpi=RASTER_DPI)
        return stream.getvalue()


def panels(count: int, narrow: bool, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Figure with panels in a row, or stacked when narrow; `height` is that of a row, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (NARROW_INCHES, height * count) if narrow else (WIDE_INCHES, height)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    rows, columns = (count, 1) if narrow else (1, count)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def marks(axis: Axes, x: Any, y: Any, marker: str = "o", **options: Any) -> None:
    """Markers without a line, with error bars where `xerr` or `yerr` is among the options of `errorbar`."""
    axis.errorbar(x, y, **{"linestyle": "none", "marker": marker, "markersize": 3.5, **options})


def legend_above(figure: Figure, axes: Axes, narrow: bool) -> None:
    """Put one legend for all panels above them, where it can cover nothing."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if narrow else len(labels)
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, handlelength=2.2, columnspacing=1.4
    )


def sizes(setting: Setting) -> str:
    """Sizes of a setting, for a caption."""
    return f"n = {setting.n}, d = {setting.d}, N = {setting.width}"
