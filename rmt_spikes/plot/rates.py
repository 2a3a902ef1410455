"""Figures of a case over a list of sizes: rates in ``n``, and limits of infinite ``n``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt_spikes.plot.style import Drawing, Theme, marks, panels
from rmt_spikes.validation.report.notation import number
from rmt_spikes.validation.verdicts.scaling import LimitFit, Rate, RateFit, ScalingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^v<>PX*"
NAMES = {Rate.ERROR: "error", Rate.SCATTER: "scatter between networks"}


def scaling_drawings(case: str, scaling: ScalingResult) -> list[Drawing]:
    """Figures of the rates and of the limits of the case of this name, where it has any."""
    rates = [_rates(case, scaling.rates)] if scaling.rates else []
    return [*rates, _limits(case, scaling.limits)] if scaling.limits else rates


def _rates(case: str, fits: Sequence[RateFit]) -> Drawing:
    from matplotlib.ticker import LogLocator

    kinds = [kind for kind in NAMES if any(fit.kind == kind for fit in fits)]

    def draw(theme: Theme, narrow: bool) -> Figure:
        sheet, axes = panels(len(kinds), narrow, 3.4)
        for axis, kind in zip(axes, kinds, strict=True):
            shown = [fit for fit in fits if fit.kind == kind]
            for marker, fit in zip(cycle(MARKERS), shown, strict=False):
                _rate(axis, theme, fit, marker)
            axis.set(xscale="log", yscale="log", xlabel="samples $n$")
            axis.set_ylabel(f"{NAMES[kind]}, relative to its scale")
            axis.set_xticks(sorted({size for fit in shown for size in fit.n}))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.minorticks_off()
            columns = 1 if narrow or len(kinds) > 1 else 2
            axis.legend(loc="upper left", bbox_to_anchor=(0.0, -0.2), ncols=columns)
        return sheet

    said = [
        f"{fit.kind} of {fit.quantity}: slope {number(fit.slope, 3)}, expected {number(fit.expected, 3)}"
        for fit in fits
    ]
    return Drawing(
        name=f"{case}-rates",
        title="Rates",
        caption="Markers: error of the theory and scatter between networks at each size, with one standard "
        "error. Lines: power laws of the theoretical slope through the geometric mean of the markers. The "
        "legend gives the slopes that were fitted.",
        alt=f"Logarithmic plot against the number of samples. {'; '.join(said)}.",
        draw=draw,
    )


def _rate(axis: Axes, theme: Theme, fit: RateFit, marker: str) -> None:
    n, values = np.array(fit.n, dtype=float), np.array(fit.values)
    label = f"{fit.quantity}, slope {number(fit.slope, 2)}"
    open_marker: dict[str, Any] = {"markersize": 4.0, "markerfacecolor": "none", "elinewidth": 0.8}
    marks(axis, n, values, marker, yerr=fit.value_ses, color=theme.ink, label=label, **open_marker)
    positive = values > 0.0
    if positive.any():
        level = np.exp(np.mean(np.log(values[positive]) - fit.expected * np.log(n[positive])))
        axis.plot(n, level * n**fit.expected, color=theme.corrected, linewidth=0.9, zorder=0)


def _limits(case: str, fits: Sequence[LimitFit]) -> Drawing:
    def draw(theme: Theme, narrow: bool) -> Figure:
        sheet, (axis,) = panels(1, narrow, 0.9 + 0.24 * len(fits))
        places = np.arange(len(fits))[::-1]
        middle = np.array([fit.limit / fit.margin for fit in fits])
        half = [0.5 * (fit.interval[1] - fit.interval[0]) / fit.margin for fit in fits]
        axis.axvspan(-1.0, 1.0, color=theme.bars, alpha=0.4, linewidth=0.0)
        axis.axvline(0.0, color=theme.corrected, linewidth=0.9)
        marks(axis, middle, places, xerr=half, color=theme.ink, capsize=2.0)
        axis.set_yticks(places, [fit.quantity for fit in fits])
        axis.set_ylim(-0.6, len(fits) - 0.4)
        axis.set_xlabel("limit of observed $-$ predicted, in margins")
        return sheet

    said = [f"{fit.quantity}: {number(fit.limit / fit.margin, 2)}" for fit in fits]
    return Drawing(
        name=f"{case}-limits",
        title="Limits",
        caption="Difference between simulation and theory extrapolated to infinite n, with its interval, in "
        "units of the equivalence margin. Shaded: inside the margin.",
        alt=f"Differences extrapolated to infinite n, in margins. {'; '.join(said)}.",
        draw=draw,
    )
