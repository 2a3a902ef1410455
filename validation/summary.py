"""Whether the verdicts of the committed campaigns change with other random numbers.

Reads the reports of `make validate` and writes `reports/README.md`.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).resolve().parent / "reports"
REPETITIONS = ("repetition-0", "repetition-1", "repetition-2")


def rows_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    """All comparisons of a case."""
    return [row for point in case["points"] for row in point["rows"]]


def cell(case: dict[str, Any]) -> str:
    """Verdict of a case, and what it rests on."""
    verdicts = Counter(row["verdict"] for row in rows_of(case))
    documented = sum(row["verdict"] == "disagrees" and row["finding"] is not None for row in rows_of(case))
    counts = f"{verdicts['agrees']} agree"
    if documented:
        counts += f", {documented} documented"
    if other := verdicts["disagrees"] - documented:
        counts += f", **{other} disagree**"
    if verdicts["inconclusive"]:
        counts += f", {verdicts['inconclusive']} inconclusive"
    return f"{case['verdict']} ({counts})"


def table(reports: dict[str, dict[str, Any]]) -> str:
    """Markdown of the page."""
    cases = {name: {case["name"]: case for case in report["cases"]} for name, report in reports.items()}
    first = next(iter(cases.values()))
    controls = [
        control for each in cases.values() for case in each.values() for control in case["negative_controls"]
    ]
    rejected = sum(control["rejected"] for control in controls)
    changed = [name for name in first if len({each[name]["verdict"] for each in cases.values()}) > 1]
    lines = [
        "# Committed campaigns",
        "",
        "All cases in full, three times with other random numbers, by `make validate`; this page is by",
        "`validation/summary.py`. How often they are wrong: [calibration](calibration/calibration.md).",
        "",
        f"- Wrong theories rejected: {rejected} of {len(controls)}.",
        f"- Cases whose verdict changes with the random numbers: {', '.join(changed) or 'none'}.",
        "- Numbers in brackets are comparisons of a predicted with a simulated number; *documented* are",
        "  disagreements that the case declares, with a reason and the place where it is described.",
        "",
        "| case | " + " | ".join(f"[{name}]({name}/report.md)" for name in reports) + " |",
        "|---" * (1 + len(reports)) + "|",
    ]
    lines += [
        f"| {name} | " + " | ".join(cell(each[name]) for each in cases.values()) + " |" for name in first
    ]
    lines += ["", "## Documented disagreements", ""]
    seen: dict[str, set[str]] = {}
    for each in cases.values():
        for case in each.values():
            for row in rows_of(case):
                if row["verdict"] == "disagrees" and row["finding"] is not None:
                    seen.setdefault(f"{case['name']}: {row['finding']}", set()).add(f"`{row['quantity']}`")
    lines += [f"- {what}: {', '.join(sorted(quantities))}" for what, quantities in seen.items()] or ["None."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=Path, default=REPORTS)
    folder = parser.parse_args().reports
    reports = {
        name: json.loads((folder / name / "report.json").read_text(encoding="utf-8")) for name in REPETITIONS
    }
    (folder / "README.md").write_text(table(reports), encoding="utf-8")


if __name__ == "__main__":
    main()
