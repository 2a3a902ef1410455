"""Random settings: how often a prediction is refused or linearises norms that should not be, and its time.

The draws behind the numbers of docs/limits.md. `normal` settings are those of users: ``n`` from 100 to a
million, ``d/n`` from .03 to 30, ``width/n`` from .1 to 10, every activation and target, exponents up to .5.
`few` (10 to 150 dimensions), `many` and `corners` (at least 150) go to steps of ``3 sqrt(N)``. Times depend
on the machine, the rest does not.
"""

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

import rmt_spikes as rs

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


def survey(kind: str, count: int, seed: int, report: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Numbers of settings that were refused and that warned, and seconds, by part of a prediction."""
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"refused": 0, "warned": 0, "seconds": []})
    for _ in range(count):
        setting = normal(rng) if kind == "normal" else extreme(rng, kind)
        prediction = rs.predict(setting)
        for part in KINDS[kind][2]:
            start, row = time.perf_counter(), found[part]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", rs.AccuracyWarning)
                try:
                    getattr(prediction, part)
                except rs.RmtSpikesError as error:
                    row["refused"] += 1
                    report(f"refused: {setting!r}: {error}")
            row["warned"] += any(issubclass(each.category, rs.AccuracyWarning) for each in caught)
            row["seconds"].append(time.perf_counter() - start)
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
    arguments = parser.parse_args()
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
