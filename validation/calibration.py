"""How often the verdicts of the declared cases would be wrong (docs/validation.md).

Runs cases, or takes their trials from a campaign that was run before, redraws them, and writes rates of false
disagreement with exact intervals, the power against an error of 3 % in each row, and a figure.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import rmt_spikes as rs

HERE = Path(__file__).resolve().parent
POWER = 0.95


def table(calibrations: list[rs.CaseCalibration]) -> str:
    """Markdown of both tables."""
    lines = [
        "# Calibration of verdicts",
        "",
        "Made by `validation/calibration.py`; docs/validation.md says what is done. Each case was redrawn "
        f"{calibrations[0].repetitions} times.",
        "",
        "## False disagreement",
        "",
        "Share of synthetic cases in which any row disagrees although the theory is right: exact, and off by",
        "its allowance in every row. In brackets the exact (Clopper-Pearson) 95 % interval.",
        "",
        "| case | rows | stated rate | exact theory | at the allowance |",
        "|---|---|---|---|---|",
    ]
    for each in calibrations:
        document = each.to_dict()
        cells = [
            f"{100 * document[kind] / each.repetitions:.2f} % "
            f"({100 * document[f'{kind}_interval'][0]:.2f} to {100 * document[f'{kind}_interval'][1]:.2f})"
            for kind in ("exact", "worst")
        ]
        lines.append(
            f"| {each.name} | {len(each.rows)} | {100 * each.family_rate:g} % | {' | '.join(cells)} |"
        )
    lines += [
        "",
        "## Power",
        "",
        "Probability that an error of 3 % of the scale of a row (one spike for a count) is called wrong at",
        "the trials of the case. *Not testable*: the allowance is above 3 %. *Agrees* is how often an",
        "exact theory is said to agree.",
        "",
        *claim_table(calibrations),
        "",
        "| case | claim | rows | power >= 95 % | not testable | least power | median power | median agrees |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in calibrations:
        for claim in dict.fromkeys(row.claim for row in each.rows):
            rows = [row for row in each.rows if row.claim == claim]
            powers = [row.power for row in rows if row.power is not None]
            enough = sum(map(is_enough, powers))
            summary = f"{min(powers):.2f} | {np.median(powers):.2f}" if powers else "- | -"
            lines.append(
                f"| {each.name} | {claim} | {len(rows)} | {enough} | {len(rows) - len(powers)} | {summary} | "
                f"{np.median([row.agrees for row in rows]):.2f} |"
            )
    return "\n".join(lines) + "\n"


def claim_table(calibrations: list[rs.CaseCalibration]) -> list[str]:
    """Markdown of the power by claim: where all rows of a case would show an error of 3 %."""
    lines = [
        "| claim | rows | power >= 95 % | not testable | cases where all rows have it |",
        "|---|---|---|---|---|",
    ]
    for claim in dict.fromkeys(row.claim for each in calibrations for row in each.rows):
        cases = {each.name: [row for row in each.rows if row.claim == claim] for each in calibrations}
        powers = [row.power for rows in cases.values() for row in rows]
        sure = [name for name, rows in cases.items() if rows and all(is_enough(row.power) for row in rows)]
        lines.append(
            f"| {claim} | {len(powers)} | {sum(map(is_enough, powers))} | {powers.count(None)} | "
            f"{', '.join(sure) or '-'} |"
        )
    return lines


def is_enough(power: float | None) -> bool:
    """Whether an error would be found with the probability that is asked for."""
    return power is not None and power >= POWER


def draw(calibrations: list[rs.CaseCalibration], path: Path) -> None:
    """Rates of false disagreement on the left, power by claim on the right."""
    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for i, each in enumerate(calibrations):
        document = each.to_dict()
        for kind, colour, marker, shift in (
            ("exact", "#0072b2", "o", -0.15),
            ("worst", "#d55e00", "s", 0.15),
        ):
            rate = 100 * document[kind] / each.repetitions
            low, high = (100 * bound for bound in document[f"{kind}_interval"])
            label = {"exact": "exact theory", "worst": "off by its allowance"}[kind] if i == 0 else None
            left.errorbar(
                rate,
                i + shift,
                xerr=[[rate - low], [high - rate]],
                fmt=marker,
                ms=3,
                color=colour,
                label=label,
            )
        left.plot([100 * each.family_rate] * 2, [i - 0.4, i + 0.4], color="black", lw=1)
    left.set_yticks(range(len(calibrations)), [each.name for each in calibrations], fontsize=7)
    left.invert_yaxis()
    left.set_xlim(0, None)
    left.set_xlabel("cases with a false disagreement (%)\nbar: stated rate; whiskers: exact 95 % interval")
    left.legend(fontsize=7, frameon=False)
    rows = [row for each in calibrations for row in each.rows]
    claims = list(dict.fromkeys(row.claim for row in rows))
    for i, claim in enumerate(claims):
        powers = np.sort([row.power for row in rows if row.claim == claim and row.power is not None])
        right.plot(powers, i + np.linspace(-0.3, 0.3, len(powers)), ".", ms=3, color="#0072b2")
    right.axvline(POWER, color="black", lw=0.8, ls="--")
    right.set_yticks(range(len(claims)), claims, fontsize=7)
    right.invert_yaxis()
    right.set_xlim(-0.02, 1.02)
    right.set_xlabel("power against an error of 3 %\none point a row; dashed: 95 %")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write calibration.json, calibration.md and calibration.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", type=Path, help="case files; all of validation/cases by default")
    parser.add_argument(
        "--campaign", type=Path, required=True, help="folder of the campaign; resumed or made"
    )
    parser.add_argument("--out", type=Path, default=HERE / "reports" / "calibration")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    cases = arguments.cases or sorted((HERE / "cases").glob("*.toml"))
    report = rs.validate(cases, out=arguments.campaign, jobs=arguments.jobs, quick=arguments.quick)
    calibrations = [rs.calibrate(result, repetitions=arguments.repetitions) for result in report.cases]
    arguments.out.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": "rmt-spikes/calibration/1",
        "quick": arguments.quick,
        "cases": [each.to_dict() for each in calibrations],
    }
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    (arguments.out / "calibration.json").write_text(text, encoding="utf-8")
    (arguments.out / "calibration.md").write_text(table(calibrations), encoding="utf-8")
    draw(calibrations, arguments.out / "calibration.svg")


if __name__ == "__main__":
    main()
