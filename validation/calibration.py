"""How often the verdicts of the declared cases would be wrong (docs/validation.md).

Runs cases, or takes their trials from a campaign that was run before, redraws them, and writes rates of false
disagreement with exact intervals, the power against an error of 3 % in each row, and a figure.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from results import POWER, REPORTS, Table, read, write

import rmt_spikes as rs

KINDS = {
    "exact": ("exact theory", -0.15, {"color": "#0072b2", "fmt": "o"}),
    "worst": ("off by its allowance", 0.15, {"color": "#d55e00", "fmt": "s"}),
}
"""Label, place and style of the rates of false disagreement."""

RATES = tuple(f"{kind}{end}" for kind in KINDS for end in ("", "_low", "_high"))
CASES = ("case", "family_rate", "repetitions", *RATES)
POWERS = ("case", "point", "quantity", "claim", "trials", "allowance", "error", "scatter", "agrees", "power")


def case_row(document: dict[str, Any]) -> dict[str, Any]:
    """Rates of a case, as a row of its table."""
    row = {**document, "case": document["name"]}
    for kind in KINDS:
        row[f"{kind}_low"], row[f"{kind}_high"] = document[f"{kind}_interval"]
    return row


def power_rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Power of each row of a case; points are counted in their order."""
    points: dict[str, int] = {}
    return [
        {**row, "case": document["name"], "point": points.setdefault(str(row["values"]), len(points))}
        for row in document["rows"]
    ]


def draw(cases: Table, powers: Table, path: Path) -> None:
    """Rates of false disagreement on the left, power by claim on the right."""
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    place = np.arange(len(cases))
    for kind, (name, shift, style) in KINDS.items():
        rate = np.array([100 * int(each[kind]) / int(each["repetitions"]) for each in cases])
        low, high = (
            np.array([100 * float(each[f"{kind}_{end}"]) for each in cases]) for end in ("low", "high")
        )
        left.errorbar(rate, place + shift, xerr=[rate - low, high - rate], ms=3, label=name, **style)
    stated = [100 * float(each["family_rate"]) for each in cases]
    left.vlines(stated, place - 0.4, place + 0.4, color="black", lw=1)
    left.set_yticks(range(len(cases)), [each["case"] for each in cases], fontsize=7)
    left.invert_yaxis()
    left.set_xlim(0, None)
    left.set_xlabel("cases with a false disagreement (%)\nbar: stated rate; whiskers: exact 95 % interval")
    left.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    claims = list(dict.fromkeys(row["claim"] for row in powers))
    for i, claim in enumerate(claims):
        found = np.sort([float(row["power"]) for row in powers if row["claim"] == claim and row["power"]])
        right.plot(found, i + np.linspace(-0.3, 0.3, len(found)), ".", ms=3, color="#0072b2", rasterized=True)
    right.axvline(POWER, color="black", lw=0.8, ls="--")
    right.set_yticks(range(len(claims)), claims, fontsize=7)
    right.invert_yaxis()
    right.set_xlim(-0.02, 1.02)
    right.set_xlabel("power against an error of 3 %\none point a row; dashed: 95 %")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    # The same bytes for the same numbers; text as text.
    with rc_context({"svg.hashsalt": "rmt_spikes", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None}, dpi=200)
    path.write_text(compact(path.read_text(encoding="utf-8")), encoding="utf-8")


def compact(svg: str) -> str:
    """A figure without metadata and line breaks, with coordinates to a hundredth of a point: half as long."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: DejaVu Sans, sans-serif", svg)
    svg = re.sub(r"-?[0-9]+\.[0-9]{3,}", lambda number: f"{float(number[0]):.2f}", svg)
    svg = re.sub(r"\s+", " ", svg)
    return re.sub(r"> <|\s+(?=[\"/]>)", lambda gap: gap[0].replace(" ", ""), svg) + "\n"


def main() -> None:
    """Write calibration.csv, power.csv and calibration.svg; rows of cases that are not named stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="names or files of cases; all built-in ones by default")
    parser.add_argument(
        "--campaign", type=Path, required=True, help="folder of the campaign; resumed or made"
    )
    parser.add_argument("--out", type=Path, default=REPORTS)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    cases = arguments.cases or rs.built_in_cases()
    report = rs.validate(cases, out=arguments.campaign, jobs=arguments.jobs, quick=arguments.quick)
    calibrations = [rs.calibrate(result, repetitions=arguments.repetitions) for result in report.cases]
    arguments.out.mkdir(parents=True, exist_ok=True)
    documents = [each.to_dict() for each in calibrations]
    new: list[tuple[str, Sequence[str], list[dict[str, Any]]]] = [
        ("calibration", CASES, list(map(case_row, documents))),
        ("power", POWERS, [row for each in documents for row in power_rows(each)]),
    ]
    for name, columns, rows in new:
        path, named = arguments.out / f"{name}.csv", {row["case"] for row in rows}
        kept = [row for row in (read(path) if path.exists() else []) if row["case"] not in named]
        write(path, columns, sorted(kept + rows, key=lambda row: str(row["case"])))
    tables = [read(arguments.out / f"{name}.csv") for name in ("calibration", "power")]
    draw(*tables, arguments.out / "calibration.svg")


if __name__ == "__main__":
    main()
