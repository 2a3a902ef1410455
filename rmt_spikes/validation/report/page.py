"""The pages of a report, HTML and Markdown: each HTML page is one file with everything inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rmt_spikes.plot.style import DARK, LIGHT
from rmt_spikes.validation.campaign.provenance import Run
from rmt_spikes.validation.report.bars import bar
from rmt_spikes.validation.report.drawing import Drawing
from rmt_spikes.validation.report.notation import FILTERS, printable
from rmt_spikes.validation.report.paper import SOURCE

if TYPE_CHECKING:
    from jinja2 import Environment

CLAIM_MEANINGS = {
    "gradient": "relative distance of the gradient from the rank-one matrix",
    "latent": "norm of the learnt direction, its cosine with the teacher",
    "losses": "ridge objective, training and test loss",
    "improvement": "what the step takes from each loss, in pairs on the same random numbers",
    "count": "number of singular values clear of the bulk",
    "outliers": "number of values beyond the edge of the bulk that single samples make",
    "spikes": "singular values clear of the bulk",
    "edge": "spikes next to the edge of the bulk, and the edge",
    "alignment": "which polynomials of q the left vectors of the spikes carry",
    "right_alignment": "which polynomials of the readout weights the right vectors carry",
    "feature": "the same as signed coefficients",
    "bulk": "quantiles of all singular values but the predicted spikes",
    "bulk_law": "distances between the empirical and the predicted distribution of the singular values",
    "weights": "the same of the trained first layer, and what its learnt vectors share with the teacher",
}
LEADING = (
    *("losses.objective", "losses.train", "losses.test"),
    *("spikes[0].singular_value", "spikes[1].singular_value"),
)

# Rows that agree are hidden on demand; what is folded or hidden on the screen is printed. The page allows
# this script and no other, by its digest.
SCRIPT = """
const box = document.getElementById("filter");
function filter() {
  document.body.classList.toggle("filtered", box.checked);
  const section = box.closest("section");
  for (const each of section.querySelectorAll("details")) {
    const found = each.querySelector("tr.unsettled") !== null;
    each.hidden = box.checked && !found;
    if (box.checked && found) each.open = true;
  }
  document.getElementById("none").hidden = !box.checked || section.querySelector("tr.unsettled") !== null;
}
if (box) {
  box.closest("p").hidden = false;
  box.addEventListener("change", filter);
}
addEventListener("beforeprint", () => {
  if (box) { box.checked = false; filter(); }
  for (const each of document.querySelectorAll("details")) each.open = true;
});
"""


def render_pages(
    document: Mapping[str, Any],
    drawn: Mapping[str, Sequence[Drawing]],
    overview: Drawing | None,
    run: Run,
) -> dict[str, str]:
    """Pages of a report by their path: ``report.html`` and ``report.md``.

    With several cases these are an index, and each case has pages in ``cases/``. The content is that of
    ``report.json``, with the figures of each case by its name, that of its comparisons first, and an
    overview of all cases; date and timings are for the HTML.
    """
    html, markdown = _environment(autoescape=True), _environment(autoescape=False)
    common: dict[str, Any] = {
        "report": document,
        "run": run,
        "many": len(document["cases"]) > 1,
        "claims": CLAIM_MEANINGS,
        "leading": LEADING,
        "here": [case["name"] for case in document["cases"]],
        "source": SOURCE,
        "script": SCRIPT,
        "script_hash": _base64(hashlib.sha256(SCRIPT.encode()).digest()),
    }
    pages = {}
    for case in document["cases"]:
        drawings = drawn[case["name"]]
        images = [_image(drawing) for drawing in drawings]
        # The figure of all comparisons is there, and comes first, when there are any.
        compared = any(point["rows"] for point in case["points"])
        forest, images = (images[0], images[1:]) if compared else (None, images)
        stem = f"cases/{case['name']}" if common["many"] else "report"
        pages[f"{stem}.html"] = html.get_template("case.html.j2").render(
            **common, case=case, images=images, forest=forest
        )
        pages[f"{stem}.md"] = markdown.get_template("case.md.j2").render(
            **common, case=case, drawings=drawings
        )
    if common["many"]:
        shown = None if overview is None else _image(overview)
        pages["report.html"] = html.get_template("index.html.j2").render(**common, forest=shown)
        pages["report.md"] = markdown.get_template("index.md.j2").render(**common, forest=overview)
    return pages


def _environment(autoescape: bool) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rmt_spikes.validation.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS, bar=bar)
    return environment


def _image(drawing: Drawing) -> dict[str, Any]:
    def uris(narrow: bool) -> dict[str, str]:
        svgs = {theme.name: drawing.render("svg", theme, narrow=narrow) for theme in (LIGHT, DARK)}
        return {name: f"data:image/svg+xml;base64,{_base64(svg)}" for name, svg in svgs.items()}

    return {"drawing": drawing, "wide": uris(False), "narrow": uris(True)}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
