"""Predictions of the committed campaigns by the theory that is here, where no simulation is needed again.

Replaces the predictions and verdicts of `validation/reports/results.csv`. Rows stay as they are, with the
version of the theory that made them in the column `theory`, where the trials are needed: predictions given a
trial, and counts, distances and edges, whose observation depends on what is predicted. `make validate` makes
all rows anew.
"""

import importlib
import itertools
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

import rmt_spikes as rs
from rmt_spikes.theory import THEORY_VERSION
from rmt_spikes.validation import Case, Verdict
from rmt_spikes.validation.cases.case import is_at
from rmt_spikes.validation.verdicts.compare import CONFIDENCE
from rmt_spikes.validation.verdicts.comparison import matches
from rmt_spikes.validation.verdicts.quantities import Quantity, quantities
from rmt_spikes.validation.verdicts.statistics import excess_p_value, holm, is_inside, t_interval

sys.path.append(str(Path(__file__).resolve().parents[2] / "validation"))
results = importlib.import_module("results")
REPORTS = Path(__file__).resolve().parents[2] / "validation" / "reports"
VECTORS = 5
"""Singular vectors that the trials of a campaign have."""

KEPT = ("bulk.edge", "bulk_law.*", "spike_count")
"""Quantities whose observation depends on the prediction."""


@cache
def predicted(case: str, point: int) -> dict[str, Quantity]:
    """Quantities of a point by their paths, for networks and not given a trial."""
    declared = Case.built_in(case)
    setting = declared.points()[point].setting
    options = {"method": declared.method, "features": declared.features}
    prediction = rs.predict(setting, **options)
    untrained = rs.predict(setting.replace(step_size=0.0), **options)
    listed = [each for claim in declared.claims for each in quantities(prediction, claim, VECTORS, untrained)]
    return {quantity.path: quantity for quantity in listed}


def renewed(row: Mapping[str, str]) -> dict[str, str]:
    """A row with the prediction of the theory that is here, where that needs no trial."""
    if row["given"] != "none" or matches(row["quantity"], KEPT):
        return dict(row)
    quantity = predicted(row["case"], int(row["point"])).get(row["quantity"])
    if quantity is None:
        return dict(row)
    factor = 1.0
    if np.isclose(quantity.scale, abs(quantity.predicted)) and float(row["predicted"]) != 0.0:
        factor = abs(quantity.predicted / float(row["predicted"]))
    sizes = {name: repr(factor * float(row[name])) for name in ("allowance", "margin")}
    return {**row, **sizes, "predicted": repr(float(quantity.predicted)), "theory": str(THEORY_VERSION)}


def judged(case: Case, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Rows of one repetition of a case with their verdicts, as a campaign gives them."""
    difference = np.array([float(row["observed"]) - float(row["predicted"]) for row in rows])
    se, allowance, margin = (np.array([float(row[c]) for row in rows]) for c in ("se", "allowance", "margin"))
    trials = np.array([int(row["trials"]) for row in rows])
    # NaN where it was not recorded.
    skewness = np.array([float(row["skewness"] or "nan") for row in rows])
    rate = case.family_rate if case.scaling is None else case.family_rate / 2.0
    far = holm(excess_p_value(difference, se, allowance, trials, skewness), rate)
    intervals = t_interval(difference, se, trials, CONFIDENCE, skewness)
    near = is_inside(intervals, margin)
    points = case.points()
    found = []
    for row, too_far, inside, interval in zip(rows, far, near, intervals, strict=True):
        verdict = Verdict.DISAGREES if too_far else Verdict.AGREES if inside else Verdict.INCONCLUSIVE
        place = int(row["point"])
        reasons = [
            f"{known.reason} ({known.link})"
            for known in case.exceptions
            if is_at(points[place], known.at) and matches(row["quantity"], known.quantities)
            if is_inside(interval, known.size * predicted(case.name, place)[row["quantity"]].scale)
        ]
        reason = reasons[0] if reasons and verdict is not Verdict.AGREES else ""
        found.append({**row, "verdict": str(verdict), "exception": reason})
    return found


def main() -> None:
    """Renew the tables; cases of the campaigns whose folders are named come from these."""
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder)
        if len(sys.argv) > 1:
            results.collect(list(map(Path, sys.argv[1:])), new, figures=False)
        tables = {"results": results.RESULTS, "controls": results.CONTROLS, "scaling": results.FITS}
        for name, columns in tables.items():
            rows = [{"theory": "1", "skewness": "", **row} for row in results.read(REPORTS / f"{name}.csv")]
            fresh = results.read(new / f"{name}.csv") if len(sys.argv) > 1 else []
            if name == "results":
                again = {(row["repetition"], row["case"]) for row in fresh}
            groups: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
            for row in rows:
                place = row["repetition"], row["case"]
                groups[place] += [] if place in again else [row]
            for row in fresh:
                groups[row["repetition"], row["case"]].append(row)
            if name == "results":
                for (_, case), group in groups.items():
                    group[:] = judged(Case.built_in(case), list(map(renewed, group)))
            results.write(REPORTS / f"{name}.csv", columns, itertools.chain(*groups.values()))


if __name__ == "__main__":
    main()
