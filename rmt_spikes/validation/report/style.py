"""Look of the figures: palette, sizes, and files that are the same bytes for the same figure."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt_spikes.setting import Setting

WIDE_INCHES = 6.75
NARROW_INCHES = 3.6


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of a figure, from the Okabe-Ito palette; every pair also differs in marker or line style.

    Attributes
    ----------
    name
        ``light``, ``dark`` or ``paper`` (light on white).
    ink, faint, bars
        Text and axes; individual trials; histograms.
    corrected, published
        The two theories.
    background
        Behind the figure; None is transparent.
    """

    name: str
    ink: str
    faint: str
    bars: str
    corrected: str
    published: str
    background: str | None


PAPER = Theme(
    name="paper",
    ink="#1a1a1a",
    faint="#8b949e",
    bars="#c3cad2",
    corrected="#0072b2",
    published="#d55e00",
    background="#ffffff",
)
LIGHT = Theme(**{**PAPER.__dict__, "name": "light", "background": None})
DARK = Theme(
    name="dark",
    ink="#e8eaed",
    faint="#8b949e",
    bars="#535d69",
    corrected="#56b4e9",
    published="#f0a050",
    background=None,
)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure that can be drawn in any theme and in two widths.

    Attributes
    ----------
    name
        Stem of its files.
    title, caption, alt
        Heading, text below, and what it shows for those who cannot see it.
    draw
        Function of theme and whether it is for a narrow screen.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[Theme, bool], Figure]

    def render(self, file_format: str, theme: Theme = PAPER, *, narrow: bool = False) -> bytes:
        """Draw into a file.

        Parameters
        ----------
        file_format
            ``"svg"``, ``"pdf"`` or ``"png"``.
        theme
            Colours.
        narrow
            Whether to stack the panels.

        Returns
        -------
        bytes
            The file, without a date: the same for the same figure.
        """
        stream = io.BytesIO()
        undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format, {})
        with _settings(theme):
            figure = self.draw(theme, narrow)
            # Text alternatives are in the page; a title element in the file would pop up over the figure.
            figure.savefig(stream, format=file_format, metadata=undated, dpi=200)
        return stream.getvalue()


@contextmanager
def _settings(theme: Theme) -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "rmt_spikes",
                "svg.fonttype": "path",
                "pdf.fonttype": 42,
                "font.family": "STIXGeneral",
                "mathtext.fontset": "stix",
                "font.size": 9.0,
                "axes.titlesize": 9.0,
                "axes.labelsize": 9.0,
                "xtick.labelsize": 8.0,
                "ytick.labelsize": 8.0,
                "legend.fontsize": 8.0,
                "axes.linewidth": 0.6,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "xtick.minor.width": 0.4,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "legend.frameon": False,
                "figure.facecolor": theme.background or "none",
                "axes.facecolor": theme.background or "none",
                "savefig.facecolor": theme.background or "none",
                **dict.fromkeys(
                    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"),
                    theme.ink,
                ),
            }
        )
        yield


def panels(count: int, narrow: bool, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Figure with panels in a row, or stacked when narrow.

    Parameters
    ----------
    count
        Number of panels.
    narrow
        Whether to stack them.
    height
        Of one row, in inches.
    options
        For `Figure.subplots`.

    Returns
    -------
    tuple
        The figure, laid out to fit, and its axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (NARROW_INCHES, height * count) if narrow else (WIDE_INCHES, height)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    rows, columns = (count, 1) if narrow else (1, count)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


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
