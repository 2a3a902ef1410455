"""Look of the figures: palette, sizes, and the settings of matplotlib while a function draws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rmt_spikes.arguments import choice
from rmt_spikes.errors import DomainError, Word

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MINUS = "\N{MINUS SIGN}"
SIZE_INCHES = (5.2, 3.3)
"""Of a figure of its own: one column and a half of a journal, all text of it at 8 points or more."""

SOLID = "-"
DASHED = (0, (5, 2))
"""Dashes that are told from a solid line at the size of a legend."""

DOTTED = (0, (1.2, 1.6))
"""Dots that are told from dashes at the size of a legend."""

BAND = "its error bar"
"""Label of what shows the error bar of a theory."""

INTERVAL = "95 % interval"
"""What error bars of simulations are, everywhere."""

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "rmt_spikes",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 8.5,
    **dict.fromkeys(("axes.titlesize", "axes.labelsize"), 8.5),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7.5),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    "xtick.minor.width": 0.4,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
}
"""Settings of matplotlib that every figure has: text stays text, in a font that comes with matplotlib."""


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of a figure, told apart in grey and with any colour blindness.

    Ink is for text, axes and simulations, faint for single samples, bars for histograms and bands of
    tolerances, their outline in `edges`; the other two are for theories. No background is transparent.
    """

    name: str
    ink: str
    faint: str
    bars: str
    edges: str
    corrected: str
    published: str
    background: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of matplotlib."""
        inks = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
        grounds = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
        return {**dict.fromkeys(inks, self.ink), **dict.fromkeys(grounds, self.background or "none")}


LIGHT = Theme(
    name="light",
    ink="#1a1a1a",
    faint="#8b949e",
    bars="#cfd5db",
    edges="#8b949e",
    corrected="#005a9c",
    published="#e06c10",
)
PAPER = replace(LIGHT, name="paper", background="#ffffff")
DARK = Theme(
    name="dark",
    ink="#e8eaed",
    faint="#8b949e",
    bars="#414a55",
    edges="#8b949e",
    corrected="#5cb6ea",
    published="#c05a10",
)
THEMES = {theme.name: theme for theme in (PAPER, LIGHT, DARK)}

_theme: ContextVar[Theme] = ContextVar("theme", default=PAPER)


def theme_now() -> Theme:
    """Theme in which functions draw."""
    return _theme.get()


@contextmanager
def style(theme: str | Theme = "paper") -> Iterator[None]:
    """Draw with the fonts, sizes and colours of this package, also what is not its own.

    Parameters
    ----------
    theme
        ``"paper"``: on white. ``"light"``, ``"dark"``: for light and dark pages, without a background.

    Raises
    ------
    DomainError
        For an unknown theme.

    Notes
    -----
    Functions of `rmt_spikes.plot` use this style by themselves and leave ``matplotlib.rcParams`` alone. The
    context is for the rest of a figure, and for saving with ``savefig``: `save` has it.
    """
    import matplotlib

    chosen = theme if isinstance(theme, Theme) else THEMES[choice("theme", theme, THEMES)]
    settings: Any = SETTINGS | chosen.settings
    token = _theme.set(chosen)
    try:
        with matplotlib.rc_context(settings):
            yield
    finally:
        _theme.reset(token)


@contextmanager
def drawing(ax: Axes | None, size: tuple[float, float] | None = None) -> Iterator[tuple[Axes, Theme]]:
    """Yield the axes to draw on, new ones where there are none, and the theme, in the style."""
    with style(theme_now()):
        yield _own(size or SIZE_INCHES) if ax is None else _checked(ax), theme_now()


def _own(size: tuple[float, float]) -> Axes:
    """Axes of a new figure of pyplot, which a notebook shows."""
    from matplotlib import pyplot

    _, axes = pyplot.subplots(figsize=size, layout="constrained")
    return axes


def _checked(ax: Any) -> Axes:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        advice = "make them with plt.subplots()"
        raise DomainError("ax", "must be axes of matplotlib", Word(type(ax).__name__), advice)
    return ax


def marks(axis: Axes, x: Any, y: Any, marker: str = "o", **options: Any) -> None:
    """Markers without a line, with error bars where `xerr` or `yerr` is among the options of `errorbar`."""
    axis.errorbar(x, y, **{"linestyle": "none", "marker": marker, "markersize": 3.5, **options})


def error_band(axis: Axes, theme: Theme, x: Any, low: Any, high: Any, label: str) -> None:
    """Band of the error bar of a theory, which bars of a histogram are seen through."""
    axis.fill_between(x, low, high, color=theme.corrected, alpha=0.22, linewidth=0.0, label=label)


def legend_outside(axis: Axes, columns: int = 2, *, also: Axes | None = None) -> None:
    """Put a legend above the axes, where it can cover nothing; with what is drawn on `also`."""
    handles, labels = entries(axis) if also is None else entries(axis, also)
    if handles:
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.01), "borderaxespad": 0.0}
        axis.legend(handles, labels, ncols=columns, handlelength=2.2, columnspacing=1.4, **place)


def decades(axis: Axes, which: str = "x") -> None:
    """Put numbers at 1, 2 and 5 of each decade of a logarithmic axis, as plain text."""
    from matplotlib.ticker import LogLocator, NullFormatter

    scale = getattr(axis, f"{which}axis")
    scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    scale.set_major_formatter("{x:g}")
    scale.set_minor_formatter(NullFormatter())


def entries(*axes: Axes) -> tuple[list[Any], list[str]]:
    """Handles and labels of a legend for several axes, each label once."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def require(field: str, given: Any, kind: type, what: str) -> None:
    """Refuse what is not of a class; `what` says how to get one."""
    if not isinstance(given, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise DomainError(field, f"must be {article} {kind.__name__}", Word(type(given).__name__), what)
