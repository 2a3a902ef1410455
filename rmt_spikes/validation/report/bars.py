"""Small bars of a table: a difference, its interval, what is allowed and the margin, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

HALF_WIDTH, HALF_MARGIN, HEIGHT = 66.0, 40.0, 18.0
"""Of the bar and of the margin in it, in pixels: differences up to 1.65 margins are at their place."""


def bar(row: Mapping[str, Any]) -> Markup:
    """Bar of a row; the numbers are in the table, so that a screen reader passes it over."""

    def place(value: float) -> float:
        at = HALF_WIDTH + HALF_MARGIN * value / row["margin"] if row["margin"] else HALF_WIDTH
        return round(min(max(at, 0.0), 2.0 * HALF_WIDTH), 1)

    def band(kind: str, value: float, inset: float) -> str:
        low, high = place(-value), place(value)
        height = HEIGHT - 2.0 * inset
        return f'<rect class="{kind}" x="{low}" y="{inset}" width="{high - low:.1f}" height="{height}"/>'

    difference, middle = row["observed"] - row["predicted"], 0.5 * HEIGHT
    parts = [band("margin", row["margin"], 1.0), band("allowance", row["allowance"], 1.0)]
    parts.append(f'<path class="zero" d="M{HALF_WIDTH} 0V{HEIGHT}"/>')
    if row["interval"] is not None:
        low, high = map(place, row["interval"])
        parts.append(f'<path class="interval" d="M{low} {middle}H{high}"/>')
    at, end = place(difference), 2.0 * HALF_WIDTH
    if 0.0 < at < end:
        parts.append(f'<circle class="mark" cx="{at}" cy="{middle}" r="3"/>')
    else:
        # Beyond the bar: an arrow at its end.
        tip, back = (4.0, 10.0) if at == 0.0 else (end - 4.0, end - 10.0)
        parts.append(f'<path class="mark" d="M{back} {middle - 5}L{tip} {middle}L{back} {middle + 5}Z"/>')
    size = f'width="{end:.0f}" height="{HEIGHT:.0f}" viewBox="0 0 {end:.0f} {HEIGHT:.0f}"'
    return Markup(f'<svg class="bar" {size} aria-hidden="true" focusable="false">{"".join(parts)}</svg>')
