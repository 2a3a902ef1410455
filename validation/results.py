"""Tables of the committed campaigns, and the page that sums them up.

Reads the reports of `make validate` in `validation/campaigns/` and writes `validation/reports/`:
`results.csv` (every comparison), `controls.csv` (every wrong theory), `scaling.csv` (every fit over sizes)
and some figures. `report.md` is written from these tables and those of `validation/calibration.py` alone.
"""

import argparse
import csv
import json
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rmt_spikes.theory import THEORY_VERSION

HERE = Path(__file__).resolve().parent
CAMPAIGNS, REPORTS = HERE / "campaigns", HERE / "reports"
FIGURES = ("headline-spectrum", "headline-losses", "headline-features", "loss-figure-losses")
POWER = 0.95
"""Probability with which an error of 3 % should be found: as rarely missed as a 95 % interval misses."""

RESULTS = (
    *("case", "point", "repetition", "quantity", "given", "predicted", "observed", "se", "allowance"),
    *("margin", "trials", "skewness", "verdict", "exception", "theory"),
)
CONTROLS = ("case", "repetition", "control", "meaning", "rejected")
FITS = (
    *("case", "repetition", "quantity", "kind", "expected", "slope", "limit", "se", "allowance", "margin"),
    *("verdict", "exponent", "coefficient", "coefficient_se"),
)

DIGITS = {"predicted": 8, "observed": 8, "se": 5, "allowance": 5, "margin": 5, "scatter": 4, "skewness": 4}
DIGITS |= {"slope": 6, "limit": 6, "exponent": 6, "coefficient": 6, "coefficient_se": 6}
"""Of columns; the others have ten."""

Table = list[dict[str, str]]
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+(e[+-][0-9]+)?")


def write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a table; numbers have ten digits, or those of `DIGITS`; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: shortened(name, value) for name, value in row.items()} for row in rows)


def shortened(name: str, value: Any) -> Any:
    """A number of a column as a table has it, and what is none as it is."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = float(value)
    return f"{value:.{DIGITS.get(name, 10)}g}" if isinstance(value, float) else value


def read(path: Path) -> Table:
    """Rows of a table, all cells as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def collect(campaigns: Sequence[Path], out: Path, *, figures: bool = True) -> None:
    """Write the tables of campaigns, each of which knows its repetition."""
    results: list[dict[str, Any]] = []
    controls: list[dict[str, Any]] = []
    fits: list[dict[str, Any]] = []
    for folder in campaigns:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        repetition = repetition_of(report)
        for case in report["cases"]:
            place = {"case": case["name"], "repetition": repetition}
            for i, point in enumerate(case["points"]):
                for row in point["rows"]:
                    more = {"point": i, "exception": row["exception"], "theory": THEORY_VERSION}
                    results.append({**row, **place, **more})
            for control in case["negative_controls"]:
                controls.append({**control, **place, "control": control["name"]})
            scaling = case["scaling"] or {"rates": [], "limits": []}
            fits += [{**fit, **place} for fit in scaling["rates"]]
            fits += [{"kind": "limit", **fit, **place} for fit in scaling["limits"]]
    out.mkdir(parents=True, exist_ok=True)
    write(out / "results.csv", RESULTS, results)
    write(out / "controls.csv", CONTROLS, controls)
    write(out / "scaling.csv", FITS, fits)
    for name in FIGURES if figures else ():
        shutil.copyfile(campaigns[0] / "figures" / f"{name}.svg", out / f"{name}.svg")


def repetition_of(report: Mapping[str, Any]) -> int:
    """Repetition of a campaign, from the command in its report."""
    words = shlex.split(report["provenance"]["command"])
    return int(words[words.index("--repetition") + 1]) if "--repetition" in words else 0


def numbers(rows: Table) -> str:
    """How many rows came out how."""
    known = Counter(row["verdict"] for row in rows if row["exception"])
    parts = []
    for word, count in Counter(row["verdict"] for row in rows).items():
        of_these = f" ({known[word]} known)" if known[word] else ""
        parts.append(f"{word} {count}{of_these}")
    return ", ".join(sorted(parts))


def verdict(rows: Table, fits: Table | None = None, controls: Table | None = None) -> str:
    """Verdict on rows, fits over sizes and wrong theories together, in the words of a report."""
    known = {(row["case"], row["exception"]) for row in rows if row["exception"]}
    parts = {row["verdict"] for row in (*rows, *(fits or [])) if not row.get("exception")}
    if "disagrees" in parts:
        return "disagrees"
    if parts - {"agrees"} or any(control["rejected"] != "True" for control in controls or []):
        return "inconclusive"
    return f"agrees with {len(known)} known exception{'s' * (len(known) > 1)}" if known else "agrees"


def grouped(rows: Table, *columns: str) -> dict[tuple[str, ...], Table]:
    """Rows by the values of some columns, in their order."""
    groups: dict[tuple[str, ...], Table] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def page(folder: Path) -> str:
    """Markdown of the page, from the tables of a folder."""
    results, controls, fits = (read(folder / f"{name}.csv") for name in ("results", "controls", "scaling"))
    rejected = sum(row["rejected"] == "True" for row in controls)
    repetitions = list(dict.fromkeys(row["repetition"] for row in results))
    lines = [
        "# Committed campaigns",
        "",
        "All built-in cases in full, with other random numbers in each repetition, by `make validate`. This",
        "page is written from [results.csv](results.csv) (every comparison), [controls.csv](controls.csv)",
        "(every wrong theory) and [scaling.csv](scaling.csv) (every fit over sizes), by",
        "`validation/results.py`.",
        "`rmt-spikes validate NAME` makes the full report of a case.",
        "",
        f"**Verdict: {verdict(results, fits, controls)}**",
        "",
        *exception_lines(results),
        f"- Comparisons: {numbers(results)}.",
        *older_lines(results),
        *skewness_lines(results),
        f"- Wrong theories rejected: {rejected} of {len(controls)}.",
        f"- Fits over sizes: {Counter(row['verdict'] for row in fits)['agrees']} of {len(fits)} agree.",
        "",
        "| case | " + " | ".join(f"repetition {k}" for k in repetitions) + " |",
        "|---" * (1 + len(repetitions)) + "|",
    ]
    cells, fitted, tried = (grouped(each, "case", "repetition") for each in (results, fits, controls))

    def cell(case: str, k: str) -> str:
        rows = cells[case, k]
        return f"{verdict(rows, fitted.get((case, k), []), tried.get((case, k), []))} ({len(rows)} rows)"

    for (case,) in grouped(results, "case"):
        lines.append(f"| {case} | " + " | ".join(cell(case, k) for k in repetitions) + " |")
    for name in FIGURES:
        lines += ["", f"![{name.replace('-', ' ')}, repetition 0]({name}.svg)"]
    return "\n".join([*lines, "", *calibration_lines(folder)]) + "\n"


def exception_lines(results: Table) -> list[str]:
    """Markdown of the known exceptions that were seen, each once."""
    exceptions = grouped([row for row in results if row["exception"]], "case", "exception")
    lines = ["Known exceptions:", ""] if exceptions else ["Known exceptions: none.", ""]
    for (case, reason), rows in exceptions.items():
        differences = sorted(float(row["observed"]) - float(row["predicted"]) for row in rows)
        names = ", ".join(sorted({f"`{row['quantity']}`" for row in rows}))
        seen = ", ".join(dict.fromkeys(row["repetition"] for row in rows))
        size = f"observed less predicted {differences[0]:+.2g} to {differences[-1]:+.2g}"
        lines.append(f"- {case}: {names}: {size} in repetitions {seen}. {reason}.")
    return [*lines, ""] if exceptions else lines


def older_lines(results: Table) -> list[str]:
    """Markdown of what was predicted by an older theory."""
    older = [row for row in results if row["theory"] != str(THEORY_VERSION)]
    if not older:
        return []
    given = sum(row["given"] != "none" for row in older)
    versions = " and ".join(sorted({row["theory"] for row in older}, key=int))
    return [
        f"- Predicted by theory version {versions} (column `theory`), as their trials are needed again:",
        f"  {given} rows given a trial, and {len(older) - given} counts, edges and distances. The others are",
        f"  predictions of theory version {THEORY_VERSION}, for simulations that were there before it",
        f"  (`tests/validation/renew.py`). Wrong theories and fits over sizes are by version {versions}.",
    ]


def skewness_lines(results: Table) -> list[str]:
    """Markdown of what is judged without the skewness of the trials."""
    without = sum(not row["skewness"] for row in results)
    if not without:
        return []
    return [
        f"- Judged by Student's t alone: {without} rows, for which the skewness of the trials was not",
        "  recorded (column `skewness`).",
    ]


def calibration_lines(folder: Path) -> list[str]:
    """Markdown of the calibration: false disagreement by case, power by claim."""
    cases, powers = read(folder / "calibration.csv"), read(folder / "power.csv")
    lines = [
        "## Calibration",
        "",
        "By `validation/calibration.py` ([docs](../../docs/validation.md)), in",
        "[calibration.csv](calibration.csv) and [power.csv](power.csv): each case was redrawn",
        f"{cases[0]['repetitions']} times. Share of synthetic cases in which any row disagrees although the",
        "theory is right: exact, and off by its allowance in every row. In brackets the exact",
        "(Clopper-Pearson) 95 % interval.",
        "",
        "| case | stated rate | exact theory | at the allowance |",
        "|---|---|---|---|",
    ]
    for case in cases:
        total = int(case["repetitions"])
        rates = [
            f"{100 * int(case[kind]) / total:.2f} % ({100 * float(case[f'{kind}_low']):.2f} to "
            f"{100 * float(case[f'{kind}_high']):.2f})"
            for kind in ("exact", "worst")
        ]
        lines.append(f"| {case['case']} | {100 * float(case['family_rate']):g} % | {' | '.join(rates)} |")
    lines += [
        "",
        "Power: probability that an error of 3 % of the scale of a row (one spike for a count) is called",
        "wrong at the trials of the case. *Not testable*: the allowance is above 3 %.",
        "",
        "| claim | rows | power >= 95 % | not testable | cases where all rows have it |",
        "|---|---|---|---|---|",
    ]
    for (claim,), rows in grouped(powers, "claim").items():
        known = [float(row["power"]) for row in rows if row["power"]]
        sure = [
            case
            for (case,), own in grouped(rows, "case").items()
            if all(row["power"] and float(row["power"]) >= POWER for row in own)
        ]
        enough = sum(power >= POWER for power in known)
        lines.append(
            f"| {claim} | {len(rows)} | {enough} | {len(rows) - len(known)} | {', '.join(sure) or '-'} |"
        )
    return [*lines, "", "![Rates of false disagreement, and power by claim](calibration.svg)"]


def main() -> None:
    """Write the tables of campaigns, if there are any, and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="*", type=Path, help="folders of `rmt-spikes validate --out`")
    parser.add_argument("--out", type=Path, default=REPORTS)
    arguments = parser.parse_args()
    if arguments.campaigns:
        collect(arguments.campaigns, arguments.out)
    (arguments.out / "report.md").write_text(page(arguments.out), encoding="utf-8")


if __name__ == "__main__":
    main()
