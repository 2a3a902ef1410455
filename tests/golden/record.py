"""Golden numbers: what the code computed when they were written.

They guard moves and refactorings. They say nothing about correctness: for that, other tests compare with
independent values.

    python tests/golden/record.py              compare, within the tolerances below
    python tests/golden/record.py --exact      demand the same bits, as on one machine before and after a move
    python tests/golden/record.py --measure    largest difference of each quantity, in units of its scale
    python tests/golden/record.py --write      write them anew; CHANGELOG.md must then say what changed

The files name the versions of the theory and of the simulation. Numbers that change beyond the tolerances are
written only after one of their versions was raised.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from programme import PROGRAMMES, plain

import rmt_spikes as rs
from rmt_spikes.simulation import SIMULATION_VERSION

HERE = Path(__file__).parent
VERSIONS = {
    "predictions": {"theory": rs.theory.THEORY_VERSION},
    "trials": {"theory": rs.theory.THEORY_VERSION, "simulation": SIMULATION_VERSION},
}
SMALL = 1e-4  # The scale of a number is itself or this: one that vanishes up to rounding has none of its own.

# The first pattern found in "file entry quantity" counts. Beside it: the largest difference, in units of the
# largest number of the quantity, between kernels of OpenBLAS (Haswell, Zen, SkylakeX), numpy with and
# without AVX-512, and between one and two threads.
TOLERANCES = (
    (r"(certificate\.(residual|edge_error)|trials \S+ residual)$", math.inf),  # 0.8: rounding itself
    (r"trials ill-conditioned ", 2e-5),  # 1.5e-6: ridge 1e-10
    (r"trials \S*single ", 2e-6),  # 1.5e-7: single precision
    (r"given-trial both_batches", 2e-6),  # 1.2e-7: Gauss rule of the samples
    (r"both_batches", 4e-8),  # 2.1e-9: the same
    (r"trials .*test_error$", 1e-5),  # 3.6e-7: a bound on the error of the next
    (r"trials .*test$", 1e-10),  # 2.6e-12: a series that stops at a tolerance
    (r"predictions sweep.* error$", 1e-4),  # 3.1e-6: a small difference
    (r"imaginary_part$", 5e-9),  # 2.6e-10: at 1e-6 of an edge
    (r"uniform/sigmoid bulk\.quantiles\.0\.25$", 1e-7),  # 6.4e-9: at an edge, by the power 2/3 of the mass
    (r"bulk\.density$", 4e-11),  # 1.8e-12: by the square root of an edge
    (r"deviations|quantiles|distance$", 2e-10),  # 8.5e-12: small differences, bisection
    (r"", 1e-12),  # below 1e-13
)


def compute(entry: Callable[[], Any]) -> Any:
    """The numbers of an entry, as JSON has them."""
    return json.loads(json.dumps(plain(entry())))


def stored(name: str) -> tuple[dict[str, int], dict[str, Any]]:
    """Versions and entries of a file of golden numbers."""
    entries = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return entries.pop("versions"), entries


def refusals(name: str, versions: dict[str, int], old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Numbers that changed without a version that was raised."""
    if versions != VERSIONS[name]:
        return []
    return [line for key in new if key in old for line in failures(f"{name} {key}", old[key], new[key])]


def write(name: str, entries: dict[str, Any]) -> None:
    """Write a file of golden numbers, one entry a line."""
    document = shortened({"versions": VERSIONS[name], **entries})
    lines = [f"{json.dumps(key)}:{json.dumps(document[key], separators=(',', ':'))}" for key in document]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def shortened(value: Any) -> Any:
    """Numbers to 14 digits, a hundredth of the smallest tolerance."""
    if isinstance(value, dict):
        return {key: shortened(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shortened(each) for each in value]
    return float(f"{value:.14g}") if isinstance(value, float) else value


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Path of each quantity and its largest difference in units of its scale; inf if of another shape."""
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        for key in old:
            yield from differences(old[key], new[key], f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and isinstance((old or [0])[0], dict):
        yield path, 0.0 if len(old) == len(new) else math.inf
        for one, other in zip(old, new, strict=False):
            yield from differences(one, other, path)
    else:
        yield path, 0.0 if json.dumps(old) == json.dumps(new) else _distance(old, new)


def _distance(old: Any, new: Any) -> float:
    try:
        left, right = np.array(old, dtype=float), np.array(new, dtype=float)
    except (TypeError, ValueError):
        return math.inf
    known = np.isfinite(left)
    if isinstance(old, str) or left.shape != right.shape or not np.array_equal(known, np.isfinite(right)):
        return math.inf
    scale, error = (np.max(np.abs(x[known]), initial=0.0) for x in (left, left - right))
    return float(error / max(scale, SMALL))


def failures(place: str, old: Any, new: Any, exact: bool = False) -> list[str]:
    """What differs by more than is allowed."""
    found = []
    for path, size in differences(old, new):
        line = f"{place} {path}"
        allowed = next(allowed for pattern, allowed in TOLERANCES if re.search(pattern, line))
        if size > (0.0 if exact else allowed):
            found.append(f"{line}: {size:.2g}")
    return found


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for option in ("exact", "measure", "write"):
        parser.add_argument(f"--{option}", action="store_true")
    options = parser.parse_args()
    bad: list[str] = []
    worst: list[tuple[float, str]] = []
    for name, programme in PROGRAMMES.items():
        entries = {key: compute(entry) for key, entry in programme.items()}
        versions, old = stored(name)
        if options.write and not (bad := bad + refusals(name, versions, old, entries)):
            write(name, entries)
            versions, old = stored(name)
        bad += [f"{name}: written with {versions}, now {VERSIONS[name]}"] * (versions != VERSIONS[name])
        bad += [f"{name} {key}: not in both" for key in old.keys() ^ entries.keys()]
        for key in [key for key in entries if key in old]:
            bad += failures(f"{name} {key}", old[key], entries[key], options.exact)
            worst += [(size, f"{name} {key} {path}") for path, size in differences(old[key], entries[key])]
    if options.measure:
        bad += [f"{size:.2g} {path}" for size, path in sorted(worst, reverse=True) if size > 1e-13]
    print("\n".join(bad or ["no difference"]))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
