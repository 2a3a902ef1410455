"""Figures of comparisons: all of a case, rates in ``n``, and limits of infinite ``n``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rmt_spikes import plot
from rmt_spikes.plot.forest import FRAME_INCHES, ROW_INCHES, forest
from rmt_spikes.plot.names import in_words
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.report.drawing import Drawing, legend_above, panels
from rmt_spikes.validation.report.notation import MINUS, number
from rmt_spikes.validation.verdicts.scaling import LimitFit, Rate, RateFit, ScalingResult
from rmt_spikes.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIMIT_AXIS = f"limit of observed {MINUS} predicted, in margins"
NAMES = {
    Rate.ERROR: "error",
    Rate.ERROR_OVER_LOG: "error over log n",
    Rate.SCATTER: "scatter between networks",
}


def comparison_drawing(result: CaseResult) -> Drawing | None:
    """Differences of all points of a case in units of their margins; None without any row."""
    comparisons = [point.comparison for point in result.points if point.comparison.rows]
    rows = [row for comparison in comparisons for row in comparison.rows]
    if not rows:
        return None
    count = len({row.quantity for row in rows})

    def draw(narrow: bool) -> Figure:
        sheet, axes = panels(1, narrow, FRAME_INCHES + ROW_INCHES * count)
        plot.residuals(comparisons, ax=axes[0], legend=False)
        legend_above(sheet, axes, narrow)
        return sheet

    met = [f"{sum(row.verdict is verdict for row in rows)} {verdict}" for verdict in Verdict]
    worst = max(rows, key=lambda row: abs(row.observed - row.predicted) / row.margin)
    far = abs(worst.observed - worst.predicted) / worst.margin
    return Drawing(
        name=f"{result.case.name}-comparisons",
        title="All comparisons",
        caption="Observed minus predicted of every quantity, in units of its margin, with its interval; one "
        "marker for each point of the case. Shaded: inside the margin. The scale is linear to two margins, "
        "and logarithmic beyond.",
        alt=f"Differences in margins: {', '.join(met)}. The largest is that of {in_words(worst.quantity)}, "
        f"{number(far, 2)} margins.",
        draw=draw,
    )


def scaling_drawings(case: str, scaling: ScalingResult) -> list[Drawing]:
    """Figures of the rates and of the limits of the case of this name, where it has any."""
    rates = [_rates(case, scaling.rates)] if scaling.rates else []
    return [*rates, _limits(case, scaling.limits)] if scaling.limits else rates


def _rates(case: str, fits: Sequence[RateFit]) -> Drawing:
    kinds = [kind for kind in NAMES if any(fit.kind == kind for fit in fits)]

    def draw(narrow: bool) -> Figure:
        sheet, axes = panels(len(kinds), narrow, 3.6)
        for axis, kind in zip(axes, kinds, strict=True):
            plot.scaling([fit for fit in fits if fit.kind == kind], ax=axis, legend=False)
            axis.set_ylabel(f"{NAMES[kind]}, relative to its scale")
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


def _limits(case: str, fits: Sequence[LimitFit]) -> Drawing:
    def draw(narrow: bool) -> Figure:
        sheet, axes = panels(1, narrow, FRAME_INCHES + ROW_INCHES * len(fits))
        forest([(fit, 0, 1) for fit in fits], axes[0], False, LIMIT_AXIS)
        legend_above(sheet, axes, narrow)
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
