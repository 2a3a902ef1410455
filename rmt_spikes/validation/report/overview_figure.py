"""Figure of all comparisons of several cases at a glance, by kind of quantity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rmt_spikes.plot.forest import FRAME_INCHES, ROW_INCHES, forest
from rmt_spikes.plot.names import in_words, section
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.report.drawing import Drawing, legend_above, panels
from rmt_spikes.validation.report.notation import number
from rmt_spikes.validation.verdicts.comparison import Row
from rmt_spikes.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOM = 2.5
"""Height of a group in rows of other figures: tens of comparisons are told apart in it."""

COEFFICIENTS = re.compile(r"(spike \d+: (?:share|coefficient))\b.*")


def overview_drawing(results: Sequence[CaseResult]) -> Drawing | None:
    """Differences of all comparisons in units of their margins; None without any row."""
    rows = [row for result in results for point in result.points for row in point.comparison.rows]
    if not rows:
        return None
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: section(row.quantity)):
        groups.setdefault(group(row.quantity), []).append(row)
    placed = [
        (replace(row, quantity=name), i, len(own))
        for name, own in groups.items()
        for i, row in enumerate(own)
    ]

    def draw(narrow: bool) -> Figure:
        sheet, axes = panels(1, narrow, FRAME_INCHES + ROOM * ROW_INCHES * len(groups))
        forest(placed, axes[0], False)
        legend_above(sheet, axes, narrow)
        return sheet

    met = [f"{verdict} {sum(row.verdict is verdict for row in rows)}" for verdict in Verdict]
    worst = max(rows, key=lambda row: abs(row.observed - row.predicted) / row.margin)
    far = abs(worst.observed - worst.predicted) / worst.margin
    return Drawing(
        name="comparisons",
        title="Comparisons of all cases",
        caption=f"Observed minus predicted of {len(rows)} comparisons, each in units of its margin, with its "
        "interval. Shaded: inside the margin. The scale is linear to two margins, and logarithmic beyond.",
        alt=f"Differences of {len(rows)} comparisons in margins: {', '.join(met)}. The largest is that of "
        f"{in_words(worst.quantity)}, {number(far, 2)} margins.",
        draw=draw,
    )


def group(quantity: str) -> str:
    """Name of the comparisons that one is drawn with: all quantiles, or all coefficients of a vector."""
    words = in_words(quantity)
    if words.startswith("bulk, quantile"):
        return "bulk, quantiles"
    return COEFFICIENTS.sub(r"\1s", words)
