"""Random settings: how often a prediction is refused or linearises norms that should not be, and its time.

The draws behind the numbers of docs/limits.md. `normal` settings are those of users: ``n`` from 100 to a
million, ``d/n`` from .03 to 30, ``width/n`` from .1 to 10, every activation and target, exponents up to .5.
`few` (10 to 150 dimensions), `many` and `corners` (at least 150) go to steps of ``3 sqrt(N)``. Times depend
on the machine, the rest does not.

    python benchmarks/random_settings.py --seed 7 --out rows.jsonl --table benchmarks/random_settings.csv

A survey of `named` settings writes a line for each, goes on where it was stopped, prints failures with bounds
of their rates, and puts the lines of this seed into the table. A part that takes more than a minute of the
processor counts as failed.
"""

import argparse
import csv
import json
import signal
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

import rmt_spikes as rs
from rmt_spikes.functions.table import FORMULAS, NAMES
from rmt_spikes.theory import THEORY_VERSION

ACTIVATIONS = ("relu", "tanh", "erf", "gelu", "softplus", "sigmoid", "sin", "silu")
MORE = ("elu", "leaky_relu", "atan", "identity", {"hermite": [0.2, 1.0, 0.5, 0.2]})
TARGETS = ("identity", "abs", "tanh", "relu", "sin", {"expression": "z**2"})
READOUTS = ("gaussian", "gaussian", "rademacher", "constant")
KINDS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "normal": (3, 300, ("losses", "spikes", "bulk")),
    "few": (1, 265, ("losses",)),
    "many": (2, 300, ("losses",)),
    "corners": (4, 100, ("spikes", "bulk")),
}
"""Seed and number of settings of each kind, and the parts of a prediction that are asked for."""

PARTS = ("losses", "spikes", "bulk")

LIMIT = 60.0
"""Processor seconds after which a part counts as failed: twenty times what it may take."""


class TimeLimitError(Exception):
    """A part that is not done in time."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitError` in what takes more seconds of the processor."""

    def stop(signum: int, frame: object) -> None:
        del signum, frame
        raise TimeLimitError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def extreme(rng: np.random.Generator, kind: str) -> rs.Setting:
    """One setting, sizes and the ridge log-uniform; the order of the draws is part of the survey."""
    n, width = (round(100 * 50 ** rng.uniform()) for _ in range(2))
    d = round(10 * 15 ** rng.uniform()) if kind == "few" else max(150, round(n * 10 ** rng.uniform(-1, 1)))
    n_ridge = max(10, round(width * 10 ** rng.uniform(-1, 1)))
    coefficients = rng.uniform(-1, 1, rng.integers(2, 6))
    coefficients[1] = np.copysign(max(0.05, abs(coefficients[1])), coefficients[1])
    activation = str(rng.choice(ACTIVATIONS))
    noise_std, ridge = float(rng.uniform(0, 2)), float(10 ** rng.uniform(-6, 1))
    return rs.Setting(
        n=n,
        d=d,
        width=width,
        n_ridge=n_ridge,
        activation=activation,
        target={"hermite": coefficients.tolist()},
        noise_std=noise_std,
        ridge=ridge,
        step_size=float(rng.uniform(0, 3)) * width**0.5,
        readout=str(rng.choice(READOUTS)),
    )


def normal(rng: np.random.Generator) -> rs.Setting:
    """One setting as a user would have it."""
    n = round(100 * 1e4 ** rng.uniform())
    d, width = (max(10, round(n * 10 ** rng.uniform(*ends))) for ends in ((-1.5, 1.5), (-1.0, 1.0)))
    activations: tuple[Any, ...] = ACTIVATIONS + MORE
    targets = (*TARGETS, {"hermite": [0.0, 1.0, float(rng.uniform(-1, 1))]})
    return rs.Setting(
        n=n,
        d=d,
        width=width,
        activation=activations[rng.integers(len(activations))],
        target=targets[rng.integers(len(targets))],
        noise_std=float(rng.choice([0.0, 0.1, 0.5, 1.0])),
        ridge=float(10 ** rng.uniform(-6, 0)),
        step_exponent=float(rng.choice([0.0, 0.25, 1 / 3, 0.4, 0.5, rng.uniform(0, 0.5)])),
        readout=str(rng.choice(READOUTS)),
    )


def named(seed: int, index: int) -> dict[str, Any]:
    """Keywords of one setting with any function that a setting can name, or one of some formulas."""
    rng = np.random.default_rng([seed, index])
    n = round(100 * 1e4 ** rng.uniform())
    d, width = (max(10, round(n * 10 ** rng.uniform(*ends))) for ends in ((-1.5, 1.5), (-1.0, 1.0)))
    formulas = ({"hermite": [0.2, 1.0, 0.5, 0.2]}, {"expression": "tanh(z) + z/2"}, {"expression": "z**2"})
    coefficients = rng.uniform(-1, 1, rng.integers(2, 6)).tolist()
    choices: tuple[Any, ...] = (*NAMES, *FORMULAS, *formulas)
    activation = choices[rng.integers(len(choices))]
    choices = (*choices, {"hermite": coefficients}, {"hermite": coefficients[:2]})
    target = choices[rng.integers(len(choices))]
    return {
        "n": n,
        "d": d,
        "width": width,
        "n_ridge": n if rng.uniform() < 0.7 else max(10, round(n * 10 ** rng.uniform(-0.5, 0.5))),
        "activation": activation,
        "target": target,
        "noise_std": float(rng.choice([0.0, 0.1, 0.5, 1.0])),
        "ridge": float(10 ** rng.uniform(-6, 0)),
        "step_exponent": float(rng.choice([0.0, 0.25, 1 / 3, 0.4, 0.5, rng.uniform(0, 0.5)])),
        "readout": str(rng.choice(READOUTS)),
    }


def predicted(keywords: dict[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    """Processor seconds and the error, if any, of each part of a prediction; or why it was refused."""
    found: dict[str, Any] = {}
    try:
        prediction = rs.predict(rs.Setting(**keywords))
    except rs.DomainError as error:
        return {"refused": str(error)}
    for part in parts:
        start, error, warned = time.process_time(), None, []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with time_limit(LIMIT):
                    getattr(prediction, part)
            except rs.DomainError as refusal:
                error = f"refused: {refusal}"
            except Exception as failure:  # any other is what the survey looks for
                error = f"{type(failure).__name__}: {failure}"
            warned = [str(each.message) for each in caught]
        found[part] = [round(time.process_time() - start, 3), error, warned]
    return found


def stream(seed: int, count: int, every: int, out: Path) -> None:
    """Write a line for each setting that the file does not have; the bulk of one in `every`.

    A line that a killed run left unfinished is written again.
    """
    known = rows_of(out, seed)
    out.write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")
    with out.open("a", encoding="utf-8") as file:
        for index in range(len(known), count):
            keywords = named(seed, index)
            parts = PARTS if index % every == 0 else PARTS[:2]
            row = {"seed": seed, "index": index, "theory": THEORY_VERSION}
            file.write(json.dumps(row | predicted(keywords, parts) | {"setting": keywords}) + "\n")
            file.flush()


def rows_of(out: Path, seed: int) -> list[dict[str, Any]]:
    """Finished lines of a file, which are those of a seed."""
    if not out.exists():
        return []
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    if others := sorted({row["seed"] for row in rows} - {seed}):
        raise SystemExit(f"--out: must have no lines of other seeds than {seed}, got {others} in {out}")
    return rows


def interval(failed: int, count: int) -> tuple[float, float]:
    """95 % interval of a rate by Clopper and Pearson."""
    low = float(beta.ppf(0.025, failed, count - failed + 1)) if failed else 0.0
    return low, float(beta.ppf(0.975, failed + 1, count - failed)) if failed < count else 1.0


def counted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the table: for each part how many were tried, failed and took more than 3 s."""
    versions = "-".join(str(each) for each in sorted({row["theory"] for row in rows}))
    found = []
    for part in PARTS:
        tried = [row[part] for row in rows if part in row and not str(row[part][1]).startswith("refused")]
        if not tried:
            continue
        seconds, failed = np.array([each[0] for each in tried]), sum(each[1] is not None for each in tried)
        low, high = interval(failed, len(tried))
        median, most, nearly, worst = np.quantile(seconds, [0.5, 0.9, 0.99, 1.0])
        line = {"seed": rows[0]["seed"], "theory": versions, "settings": len(rows), "part": part}
        line |= {"predicted": len(tried), "failed": failed, "from": f"{low:.6f}", "to": f"{high:.6f}"}
        line |= {"above_3_s": int(np.sum(seconds > 3.0)), "median_s": f"{median:.2f}"}
        found.append(
            line | {"most_s": f"{most:.2f}", "nearly_all_s": f"{nearly:.2f}", "worst_s": f"{worst:.1f}"}
        )
    return found


def summary(rows: list[dict[str, Any]]) -> None:
    """Print failures with 95 % intervals, seconds, and refusals by reason."""
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update([row["refused"].split(";")[0]] if "refused" in row else [])
    print(f"{len(rows)} settings, {sum(reasons.values())} refused as a whole")
    for line in counted(rows):
        part = line["part"]
        print(
            f"{part}: {line['failed']} of {line['predicted']} failed: {float(line['from']):.2%} to at most "
            f"{float(line['to']):.2%}; above 3 s: {line['above_3_s']}; median {line['median_s']}, "
            f"90 % {line['most_s']}, 99 % {line['nearly_all_s']}, {line['worst_s']}"
        )
        for row in rows:
            if part in row and row[part][1]:
                error = str(row[part][1])
                reasons.update([f"{part}: {error}"] if error.startswith("refused") else [])
                if not error.startswith("refused"):
                    print(f"  {row['index']}: {error}: {row['setting']}")
    for reason, count in reasons.most_common():
        print(f"  refused, {count}: {reason}")


def record(table: Path, lines: list[dict[str, Any]]) -> None:
    """Put the lines of a seed into the table, in place of those it has."""
    seeds, known = {str(line["seed"]) for line in lines}, []
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            known = [row for row in csv.DictReader(file) if row["seed"] not in seeds]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*known, *lines])


def survey(kind: str, count: int, seed: int, report: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Numbers of settings that were refused and that warned, and seconds, by part of a prediction."""
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"refused": 0, "warned": 0, "seconds": []})
    for _ in range(count):
        setting = normal(rng) if kind == "normal" else extreme(rng, kind)
        prediction = rs.predict(setting)
        for part in KINDS[kind][2]:
            start, row = time.process_time(), found[part]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", rs.AccuracyWarning)
                try:
                    with time_limit(LIMIT):
                        getattr(prediction, part)
                except (rs.RmtSpikesError, TimeLimitError) as error:
                    row["refused"] += 1
                    report(f"refused: {setting!r}: {error}")
            row["warned"] += any(issubclass(each.category, rs.AccuracyWarning) for each in caught)
            row["seconds"].append(time.process_time() - start)
            if row["seconds"][-1] > 3.0:
                report(f"slow: {part} {row['seconds'][-1]:.1f} s: {setting!r}")
    return found


def main() -> None:
    """Print a line for each kind and part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, help="one kind only")
    parser.add_argument("--count", type=int, help="settings of each kind; those of docs/limits.md by default")
    parser.add_argument("--seed", type=int, help="another draw")
    parser.add_argument("--verbose", action="store_true", help="print what is refused or slow")
    parser.add_argument("--out", type=Path, help="write a line for each named setting, and print a summary")
    parser.add_argument("--table", type=Path, help="put the counts of this seed into this table")
    parser.add_argument(
        "--every", type=int, default=5, help="the bulk is predicted of one in so many of these"
    )
    arguments = parser.parse_args()
    if arguments.out:
        seed = arguments.seed or 0
        stream(seed, arguments.count or 5000, arguments.every, arguments.out)
        rows = rows_of(arguments.out, seed)
        summary(rows)
        if arguments.table:
            record(arguments.table, counted(rows))
        return
    if arguments.table:
        parser.error("--table: must come with --out, got no --out")
    for kind, (usual_seed, usual, _) in KINDS.items():
        if arguments.kind in {None, kind}:
            count = arguments.count or usual
            seed = usual_seed if arguments.seed is None else arguments.seed
            report = print if arguments.verbose else lambda _: None
            for part, row in survey(kind, count, seed, report).items():
                median, tail, worst = np.quantile(row["seconds"], [0.5, 0.9, 1.0])
                print(
                    f"{kind}, {part}: {row['refused']} of {count} refused, {row['warned']} with linearised "
                    f"norms; seconds: median {median:.2f}, 90 % below {tail:.1f}, at most {worst:.1f}"
                )


if __name__ == "__main__":
    main()
