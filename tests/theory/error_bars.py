"""Error bars against real errors: reference simulations, own and fresh settings, committed campaigns.

    python tests/theory/error_bars.py --predict   predict all settings anew (a quarter of an hour)
    python tests/theory/error_bars.py --fit       coefficients of the half that calibrates
    python tests/theory/error_bars.py --fresh     predict and read the fresh settings anew
    python tests/theory/error_bars.py --true      coverage of true differences, with intervals
    python tests/theory/error_bars.py             error bars and the page, from the predictions in the table

`reports/error_bars.csv` has a row for each loss, singular value and quantile, of which the first of a
setting names it, `reports/left_out.csv` for each setting. A setting calibrates or tests by a hash of its
name; those of benchmarks/fresh_settings.py were drawn when all was fixed, and test it alone.
`reports/error_bars.md` is written from the tables.
"""

import argparse
import csv
import hashlib
import json
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from bar_coverage import coverage_interval, miss, summary, true_coverage
from numpy.typing import NDArray
from scipy.optimize import linprog

import rmt_spikes as rs
from rmt_spikes.theory.accuracy import bars
from rmt_spikes.theory.accuracy.left_out import LEFT_OUT
from rmt_spikes.validation import Case

Array = NDArray[np.float64]
Means = dict[str, tuple[float, float]]

HERE = Path(__file__).resolve().parents[2] / "validation"
REFERENCE, REPORTS = HERE / "reference", HERE / "reports"
OWN = sum(not each.apart for each in LEFT_OUT)
"""What the uniform method leaves out; the rest is left out by other methods."""

SIZES = (*(each.name for each in LEFT_OUT[:OWN]), "vectors", "edge")
GIVEN = 2
"""The last ones have coefficients that are not fitted."""

OF_NUMBERS = ("always", "proportions", "few_entries", "vectors", "edge")
"""Sizes that differ between numbers of a setting; the others are in proportion to the first."""

OF_SETTINGS = tuple(name for name in SIZES if name not in OF_NUMBERS)
COLUMNS = ("setting", "quantity", "predicted", "observed", "se", *OF_NUMBERS)
LOSSES = ("objective", "train", "test")
KINDS = ("losses", "spikes", "bulk")
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Of the quantiles that the simulations have."""

FRESH = "fresh"
"""Settings that were drawn when contributions and coefficients were fixed."""

SMALL = ("random-", "near-")
"""Settings that were drawn to be small and hard, or next to interpolation."""

DRAWN = (*SMALL, "user-", FRESH)
"""All that were drawn at random."""

SHARES = {"losses": 0.95, "spikes": 0.97, "bulk": 0.92}
"""Of the half that calibrates, what error bars cover: enough for the other half."""

ROUNDS, LEAST = {"losses": 1, "spikes": 8, "bulk": 1}, 0.002
"""Rounds of the regression, each relative to the error bars of the one before, and the least of them: two
spikes of sparse activations, off by half of themselves, would decide alone."""


def half(name: str) -> str:
    """Half of a setting, or that it is a fresh one."""
    if name.startswith(FRESH):
        return FRESH
    even = hashlib.sha256(name.encode()).digest()[0] % 2 == 0
    return "calibrates" if even else "tests"


def kind(quantity: str) -> str:
    """Kind of number of a quantity."""
    return quantity.split(".")[0].split("[")[0]


def simulations() -> Iterator[tuple[str, rs.Setting, Means]]:
    """Settings by name, with means and standard errors by quantity."""
    for file in ("simulations", "few_dimensions"):
        cases = json.loads((REFERENCE / f"{file}.json").read_text(encoding="utf-8"))["cases"]
        for name, case in cases.items():
            setting, seen = rs.Setting(**case["setting"]), case["mean_se"]
            found = {f"losses.{loss}": tuple(seen[loss]) for loss in LOSSES}
            places = zip(*seen["singular_values"], strict=True)
            found |= {f"spikes[{k}].singular_value": place for k, place in enumerate(places)}
            if "quantiles" in seen:
                share = min(1.0, setting.n_ridge / setting.width)
                for level, place in zip(LEVELS, zip(*seen["quantiles"], strict=True), strict=True):
                    found[f"bulk.quantiles[{1.0 - share + share * level!r}]"] = place
            yield name, setting, found
    for path in sorted((REFERENCE / "observations").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        yield path.stem, rs.Setting(**document["setting"]), means(document)
    for name, case in drawn().items():
        pairs = {quantity: tuple(pair) for quantity, pair in case["mean_se"].items()}
        yield name, rs.Setting(**case["setting"]), pairs
    yield from campaigns()


def drawn() -> dict[str, Any]:
    """Drawn settings, fresh ones among them, by name."""
    texts = [
        (REFERENCE / f"{file}.json").read_text(encoding="utf-8")
        for file in ("drawn_settings", "fresh_settings")
    ]
    return {name: case for text in texts for name, case in json.loads(text)["cases"].items()}


def means(document: dict[str, Any]) -> Means:
    """Means and standard errors of the JSON document of an observation."""
    found = {f"losses.{loss}": leaf for loss, leaf in document["losses"].items()}
    for k, spike in enumerate(document["spikes"]):
        found[f"spikes[{k}].singular_value"] = spike["singular_value"]
    found |= {f"bulk.quantiles[{level}]": leaf for level, leaf in document["bulk"]["quantiles"].items()}
    return {quantity: (leaf["mean"], leaf["se"]) for quantity, leaf in found.items()}


def of_bulk(prediction: rs.Prediction, seen: Means) -> Means:
    """The same with quantiles at the levels that they have in the bulk alone, without the predicted spikes.

    Those of `simulate` are of all singular values: position ``level * (width - 1)`` of `numpy.quantile`. A
    quantile that is interpolated with a spike is left out.
    """
    width, found = prediction.setting.width, {}
    bulk = width - len(prediction.spikes)
    for quantity, pair in seen.items():
        if kind(quantity) != "bulk":
            found[quantity] = pair
            continue
        level = (float(quantity.partition("[")[2].rstrip("]")) * (width - 1) + 0.5) / bulk
        if level <= 1.0 - 0.5 / bulk:
            found[f"bulk.quantiles[{level:.6g}]"] = pair
    return found


def campaigns() -> Iterator[tuple[str, rs.Setting, Means]]:
    """Points of the committed campaigns; their repetitions together."""
    found: dict[tuple[str, int], dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with (REPORTS / "results.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            quantity = row["quantity"]
            known = quantity.startswith(("losses.", "bulk.quantiles")) or quantity.endswith("singular_value")
            if known and row["given"] == "none" and float(row["se"] or 0.0) > 0.0:
                place = found[row["case"], int(row["point"])]
                place[quantity].append((float(row["observed"]), float(row["se"])))
    for (name, point), quantities in found.items():
        case = Case.built_in(name)
        if case.method in (None, "uniform") and case.features == "corrected":
            setting = case.points()[point].setting
            yield f"{name}/{point}", setting, {q: together(values) for q, values in quantities.items()}


def together(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean of several means with standard errors."""
    weights = np.array([se**-2.0 for _, se in values])
    mean = weights @ np.array([value for value, _ in values]) / weights.sum()
    return float(mean), float(weights.sum() ** -0.5)


def rows_of(name: str, setting: rs.Setting, seen: Means) -> Iterator[dict[str, Any]]:
    """Rows of a setting: predictions, and how large what is left out is there; a part that fails has none."""
    prediction = rs.predict(setting)
    if name.startswith(DRAWN):
        seen = of_bulk(prediction, seen)
    for quantity, (observed, se) in seen.items():
        try:
            value = value_of(prediction, quantity)
        except (rs.ConvergenceError, IndexError):
            continue
        if value > 0.0:
            numbers = {"predicted": value, "observed": observed, "se": se}
            sizes = dict(zip(SIZES, sizes_of(prediction, quantity), strict=True))
            yield {"setting": name, "quantity": quantity, **numbers, **sizes}


def value_of(prediction: rs.Prediction, quantity: str) -> float:
    """Number of a prediction by its name."""
    place = quantity.partition("[")[2].partition("]")[0]
    match kind(quantity):
        case "losses":
            return float(getattr(prediction.losses, quantity.split(".")[1]))
        case "spikes":
            return float(prediction.spikes[int(place)].singular_value)
    return float(prediction.bulk.quantile(float(place)))


def sizes_of(prediction: rs.Prediction, quantity: str) -> list[float]:
    """Sizes of what is left out, as far as the number shows them; the last two are those of a spike alone."""
    method, left_out = prediction.solution, LEFT_OUT[:OWN]
    sizes, own = [each.size(method) for each in left_out], [0.0, 0.0]
    if kind(quantity) == "losses":
        name = quantity.split(".")[1]
        factor = bars.of_train(prediction.losses) if name == "train" else 1.0
        sizes = [
            factor * size if each.of_losses is None else each.of_losses(method)[name]
            for each, size in zip(left_out, sizes, strict=True)
        ]
    if kind(quantity) == "spikes":
        spike = prediction.spikes[int(quantity.partition("[")[2].partition("]")[0])]
        own = [bars.of_vectors(method, spike), bars.of_edge(method, spike) / spike.singular_value]
    return [*sizes, *own]


def coefficients(of: str) -> list[float]:
    """Coefficients of a kind of number in the package."""
    spikes = [bars.VECTOR_SHARE, bars.EDGE_SHARE] if of == "spikes" else [0.0, 0.0]
    return [*(getattr(each, of) for each in LEFT_OUT[:OWN]), *spikes]


def bar(row: dict[str, Any]) -> float:
    """Error bar of a row, from its sizes."""
    sizes = [float(row[name]) for name in SIZES]
    return float(row["predicted"]) * float(np.dot(coefficients(kind(row["quantity"])), sizes))


def fitted(rows: Sequence[dict[str, Any]], of: str) -> Array:
    """Coefficients for which a share of the half that calibrates lies within error bar and standard error.

    Quantile regression with coefficients that are not negative; those of vectors and of the edge are given.
    """
    some = [row for row in rows if half(row["setting"]) == "calibrates" and kind(row["quantity"]) == of]
    x = np.array([[float(row[name]) for name in SIZES] for row in some])
    y = np.array([max(0.0, miss(row) - float(row["se"])) / float(row["predicted"]) for row in some])
    given = coefficients(of)[-GIVEN:]
    own, x = x[:, -GIVEN:] @ given, x[:, :-GIVEN]
    y, (n, k), one, scale = np.maximum(0.0, y - own), x.shape, np.eye(len(some)), np.ones(len(some))
    cost = np.concatenate([np.zeros(k), np.full(n, SHARES[of]), np.full(n, 1.0 - SHARES[of])])
    for _ in range(ROUNDS[of]):
        scaled = x / scale[:, None]
        unit = np.where(np.any(scaled > 0.0, axis=0), scaled.mean(axis=0), 1.0)
        equal = np.hstack([scaled / unit, one, -one])
        found = linprog(cost, A_eq=equal, b_eq=y / scale, bounds=[(0.0, None)] * (k + 2 * n)).x[:k] / unit
        scale = LEAST + own + x @ found
    return np.array([*found, *given])


def stratum(row: dict[str, Any]) -> str:
    """Kind of setting, by what is left out most there."""
    if float(row["initial_output"]) > 0.0:
        return "standard scale"
    if float(row["higher_degrees"]) > 1.0 / 40.0**2:
        return "few dimensions"
    return "few large features" if float(row["few_entries"]) > 0.04 else "others"


def is_drawn(row: dict[str, Any]) -> bool:
    """Whether the setting of a row was drawn at random, small and hard."""
    return str(row["setting"]).startswith(SMALL)


def page(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown of the page, from the table."""
    lines = [
        "# Error bars against real errors",
        "",
        "Written by `tests/theory/error_bars.py` from [error_bars.csv](error_bars.csv): every loss, singular",
        "value of a spike and quantile of the reference simulations, our own settings, drawn settings and",
        "the committed campaigns. A hash of the name of a setting says whether it calibrates or tests.",
        "*Fresh* settings were drawn when contributions and coefficients were fixed: no choice saw them.",
        "*Covered*: share of rows whose difference is at most the error bar and one standard error (in",
        "brackets: two). *True*: estimated share of rows whose true difference, without the noise of the",
        "simulation, is within the error bar. *Median*: of the error bar as a share of its number. *Rank*:",
        "Spearman's correlation of the error bar with the real error beyond one standard error (in brackets:",
        "with the whole difference). *A fifth*: *covered* of a fifth of the error bar, a wrong one.",
        "",
        "| numbers | half | rows | covered | true | median | rank | a fifth |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for of in ("all", *KINDS):
        for name in ("calibrates", "tests", FRESH):
            some = [
                row for row in rows if half(row["setting"]) == name and of in ("all", kind(row["quantity"]))
            ]
            lines.append(f"| {of} | {name} {cells(some)}")
    lines += [
        "",
        "The half that tests without the drawn settings, which are small, and by kind of setting:",
        "",
        *lines[12:14],
    ]
    tests = [row for row in rows if half(row["setting"]) == "tests"]
    lines.append(f"| all but drawn | tests {cells([row for row in tests if not is_drawn(row)])}")
    groups = sorted({stratum(row) for row in rows})
    for group in groups:
        some = [row for row in rows if half(row["setting"]) == "tests" and stratum(row) == group]
        lines.append(f"| {group} | tests {cells(some)}")
    return "\n".join(lines) + "\n"


def cells(rows: Sequence[dict[str, Any]]) -> str:
    """Cells of a line of the page."""
    found, fifth = summary(rows), summary(rows, 5.0)
    return (
        f"| {len(rows)} | {found['covered']:.1%} ({found['within two']:.1%}) | {true_coverage(rows):.1%} "
        f"| {found['median']:.2%} "
        f"| {found['rank']:.2f} ({found['rank of all']:.2f}) | {fifth['covered']:.1%} |"
    )


def read() -> list[dict[str, Any]]:
    """Rows of the tables, with the error bars of the package."""
    with (REPORTS / "left_out.csv").open(encoding="utf-8", newline="") as file:
        settings = {row["setting"]: row for row in csv.DictReader(file)}
    with (REPORTS / "error_bars.csv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    name = ""
    for row in rows:
        row["setting"] = name = row["setting"] or name
        own, shown = settings[name], float(row["always"])
        row |= {size: shown * float(own[size]) for size in OF_SETTINGS}
        row["error"] = bar(row)
    return rows


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Write the tables and the page."""
    settings = {row["setting"]: row for row in rows}
    lines = [
        {"setting": name} | {size: f"{float(row[size]) / float(row['always']):.4g}" for size in OF_SETTINGS}
        for name, row in settings.items()
    ]
    digits = dict.fromkeys(OF_NUMBERS, 4) | {"predicted": 6, "observed": 5, "se": 3}
    rounded = [
        {**row, **{name: f"{float(row[name]):.{count}g}" for name, count in digits.items()}} for row in rows
    ]
    for last, row in reversed(list(pairwise(rounded))):
        row["setting"] = "" if row["setting"] == last["setting"] else row["setting"]
    _write("left_out.csv", ("setting", *OF_SETTINGS), lines)
    _write("error_bars.csv", COLUMNS, rounded)
    (REPORTS / "error_bars.md").write_text(page(read()), encoding="utf-8")


def _write(name: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with (REPORTS / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--predict", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--true", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = [] if options.predict else read()
    if options.fresh:
        rows = [row for row in rows if half(row["setting"]) != FRESH]
    if options.predict or options.fresh:
        warnings.simplefilter("ignore", rs.AccuracyWarning)
        for name, setting, seen in simulations():
            if options.predict or half(name) == FRESH:
                rows += rows_of(name, setting, seen)
    if options.true:
        for of in KINDS:
            for name in ("tests", FRESH):
                some = [row for row in rows if half(row["setting"]) == name and kind(row["quantity"]) == of]
                low, high = coverage_interval(some)
                print(f"{of} {name}: {true_coverage(some):.1%} ({low:.1%} to {high:.1%})")
        return
    if options.fit:
        for of in KINDS:
            found = zip(SIZES, fitted(rows, of), strict=True)
            print(of, ", ".join(f"{name} {value:.4g}" for name, value in found))
        return
    write(rows)


if __name__ == "__main__":
    main()
