"""The HTML page of a report: one file with every image inside, and how its numbers are written."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rmt_spikes.validation.results import CaseResult
from rmt_spikes.validation.statistics import CONFIDENCE
from rmt_spikes.validation.style import DARK, LIGHT, Drawing

NEGLIGIBLE = 1e-12
CLAIM_MEANINGS = {
    "gradient": "relative distance of the gradient from the rank-one matrix",
    "latent": "norm of the learnt direction, its cosine with the teacher",
    "losses": "ridge objective, training and test loss",
    "improvement": "what the step takes from each loss, in pairs on the same random numbers",
    "count": "number of singular values clear of the bulk",
    "spikes": "singular values clear of the bulk",
    "edge": "spikes next to the edge of the bulk, and the edge",
    "alignment": "which polynomials of q the left vectors of the spikes carry",
    "right_alignment": "which polynomials of the readout weights the right vectors carry",
    "feature": "the same as signed coefficients",
    "bulk": "quantiles of all singular values",
    "bulk_law": "distances between the empirical and the predicted law of the singular values",
}


def render_html(
    document: dict[str, Any], results: Sequence[CaseResult], drawn: dict[str, list[Drawing]]
) -> str:
    """Page of a report: one file, every image inside.

    Parameters
    ----------
    document
        Content of ``report.json``.
    results, drawn
        Results of the cases, and their figures by the name of the case.

    Returns
    -------
    str
        HTML.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rmt_spikes.validation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, measured=measured, show=show, label=label)
    images = {
        name: [
            {
                "drawing": each,
                "wide": {theme.name: _data_uri(each.render("svg", theme)) for theme in (LIGHT, DARK)},
                "narrow": {
                    theme.name: _data_uri(each.render("svg", theme, narrow=True)) for theme in (LIGHT, DARK)
                },
            }
            for each in group
        ]
        for name, group in drawn.items()
    }
    page = environment.get_template("report.html.j2")
    return page.render(
        report=document, results=results, images=images, claims=CLAIM_MEANINGS, confidence=CONFIDENCE
    )


def number(value: float | None, digits: int = 4) -> str:
    """Text of a number for a table, with a dash for one that is missing."""
    if value is None:
        return "–"  # noqa: RUF001 (an en dash is the sign of an empty cell)
    if abs(value) < NEGLIGIBLE:
        return "0"
    text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
    return text.replace("-", "\N{MINUS SIGN}")


def measured(row: Mapping[str, Any]) -> str:
    """Observed mean of a row with its standard error, both to two digits of the error."""
    if not row["se"]:
        return number(row["observed"])
    digits = max(0, 1 - math.floor(math.log10(row["se"])))
    return f"{row['observed']:.{digits}f} ± {row['se']:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def show(value: Any) -> str:
    """Text of a value of a setting, as in its file."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {show(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(show(item) for item in value)}]"
    return str(value)


def label(values: Mapping[str, Any]) -> str:
    """Swept keys and their values, in words."""
    return ", ".join(f"{key.replace('_', ' ')} {show(value)}" for key, value in values.items()) or "all"


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
