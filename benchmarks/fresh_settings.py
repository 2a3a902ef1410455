"""Settings as users have them, drawn after the error bars were calibrated, and what simulation sees of them.

    python benchmarks/fresh_settings.py --jobs 2      write validation/reference/fresh_settings.json

They are the first 80 of the `normal` draws of random_settings.py with this seed whose sizes a simulation of
seconds can have. Each has 24 trials, and as many more as bring the standard error of each loss to half of
its error bar, or as take some seconds: `trials_of`. It takes ten minutes of one core.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from random_settings import normal

import rmt_spikes as rs

SAME = ("center", "output_scale", "second_batch", "row_norm")
"""Keys that no draw changes."""

SPIKES = 3
"""Singular values that are kept: as many as are predicted of any."""

REFERENCE = Path(__file__).resolve().parents[1] / "validation" / "reference"
SEED, COUNT, TRIALS, LARGEST = 20261129, 80, 24, 700
SHARE, MOST, WORK = 0.5, 200, 2.3e8
"""Standard error over error bar that is aimed at, most trials where they are cheap, and the product of sizes
at which they cost twice as much."""


def drawn() -> list[rs.Setting]:
    """Return the settings."""
    rng, found = np.random.default_rng(SEED), list[rs.Setting]()
    while len(found) < COUNT:
        setting = normal(rng)
        if max(setting.n, setting.d, setting.width) <= LARGEST:
            found.append(setting)
    return found


def simulated(setting: rs.Setting, trials: int, seed: int, jobs: int) -> dict[str, Any]:
    """Document of a simulation."""
    found: dict[str, Any] = rs.simulate(setting, trials=trials, seed=seed, jobs=jobs).to_dict()
    return found


def trials_of(setting: rs.Setting, document: dict[str, Any]) -> int:
    """Number of trials of a setting, by the scatter of the first of them alone, not by their differences."""
    bars = rs.predict_losses(setting).error
    assert bars is not None, "an error bar of every fresh setting"
    ratio = max(
        document["losses"][loss]["se"] / getattr(bars, loss) for loss in ("objective", "train", "test")
    )
    size = setting.n * setting.width * (min(setting.n, setting.width) + 2 * setting.d)
    return max(TRIALS, min(math.ceil(TRIALS * (ratio / SHARE) ** 2), int(MOST / (1.0 + size / WORK))))


def seen(document: dict[str, Any]) -> dict[str, list[float]]:
    """Means and standard errors by the names of quantities."""
    leaves = {f"losses.{loss}": document["losses"][loss] for loss in ("objective", "train", "test")}
    for k, spike in enumerate(document["spikes"][:SPIKES]):
        leaves[f"spikes[{k}].singular_value"] = spike["singular_value"]
    leaves |= {f"bulk.quantiles[{level}]": leaf for level, leaf in document["bulk"]["quantiles"].items()}
    return {name: [float(f"{leaf['mean']:.5g}"), float(f"{leaf['se']:.3g}")] for name, leaf in leaves.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    jobs = parser.parse_args().jobs
    cases = {}
    for i, setting in enumerate(drawn()):
        document = simulated(setting, TRIALS, i, jobs)
        if (trials := trials_of(setting, document)) > TRIALS:
            document = simulated(setting, trials, i, jobs)
        found = {"trials": trials, "seed": i, "mean_se": seen(document)}
        keywords = {key: value for key, value in setting.to_dict().items() if key not in SAME}
        cases[f"fresh-{i}"] = {"setting": keywords, **found}
        print(f"{i + 1} of {COUNT}", flush=True)
    about = "Settings of benchmarks/fresh_settings.py: means and standard errors of a simulation."
    text = json.dumps({"about": about, "cases": cases}, separators=(",", ":"))
    (REFERENCE / "fresh_settings.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
