"""Random settings: how often losses are refused, or linearise norms that should not be, and what they cost.

The draws behind the numbers of docs/limits.md ("Few dimensions", "Extreme corners"): `few` has 10 to 150
dimensions, `many` at least 150. Times depend on the machine, the rest does not.
"""

import argparse
import time
import warnings
from typing import Any

import numpy as np

import rmt_spikes as rs

ACTIVATIONS = ("relu", "tanh", "erf", "gelu", "softplus", "sigmoid", "sin", "silu")
READOUTS = ("gaussian", "gaussian", "rademacher", "constant")
KINDS = {"few": (1, 265), "many": (2, 300)}
"""Seed and number of settings of each kind."""


def drawn(rng: np.random.Generator, kind: str) -> rs.Setting:
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


def survey(kind: str, count: int) -> dict[str, Any]:
    """Numbers of settings that were refused and that warned, and seconds."""
    rng = np.random.default_rng(KINDS[kind][0])
    refused, warned, seconds = 0, 0, []
    for _ in range(count):
        setting, start = drawn(rng, kind), time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", rs.AccuracyWarning)
            try:
                rs.predict_losses(setting)
            except rs.RmtSpikesError as error:
                refused += 1
                print(f"refused: {setting!r}: {error}")
        warned += any(issubclass(each.category, rs.AccuracyWarning) for each in caught)
        seconds.append(time.perf_counter() - start)
    return {"refused": refused, "warned": warned, "seconds": np.array(seconds)}


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, help="settings of each kind; those of docs/limits.md by default")
    arguments = parser.parse_args()
    for kind, (_, usual) in KINDS.items():
        count = arguments.count or usual
        found = survey(kind, count)
        median, tail, worst = np.quantile(found["seconds"], [0.5, 0.9, 1.0])
        print(
            f"{kind}: {found['refused']} of {count} refused, {found['warned']} with linearised norms; "
            f"seconds: median {median:.2f}, 90 % below {tail:.1f}, at most {worst:.0f}"
        )


if __name__ == "__main__":
    main()
