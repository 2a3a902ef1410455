"""Settings as users have them, drawn after the error bars were calibrated, and what simulation sees of them.

    python benchmarks/fresh_settings.py --jobs 2      write validation/reference/fresh_settings.json

They are the first 80 of the `normal` draws of random_settings.py with this seed whose sizes a simulation of
seconds can have. Each has 24 trials, and as many more as bring the standard error of each loss to a third of
its error bar, or as take half a minute: `trials_of`. It takes 20 minutes of one core.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from random_settings import normal

import rmt_spikes as rs

REFERENCE = Path(__file__).resolve().parents[1] / "validation" / "reference"
SEED, COUNT, TRIALS, LARGEST = 20261127, 80, 24, 1500
SHARE, MOST, WORK = 1.0 / 3.0, 1600, 2.3e8
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


def trials_of(setting: rs.Setting, seed: int, jobs: int) -> int:
    """Number of trials of a setting, by the scatter of the first of them alone, not by their differences."""
    document: dict[str, Any] = rs.simulate(setting, trials=TRIALS, seed=seed, jobs=jobs).to_dict()
    bars = rs.predict_losses(setting).error
    assert bars is not None, "an error bar of every fresh setting"
    ratio = max(
        document["losses"][loss]["se"] / getattr(bars, loss) for loss in ("objective", "train", "test")
    )
    size = setting.n * setting.width * (min(setting.n, setting.width) + 2 * setting.d)
    return max(TRIALS, min(math.ceil(TRIALS * (ratio / SHARE) ** 2), int(MOST / (1.0 + size / WORK))))


def seen(setting: rs.Setting, trials: int, seed: int, jobs: int) -> dict[str, list[float]]:
    """Means and standard errors by the names of quantities."""
    document: dict[str, Any] = rs.simulate(setting, trials=trials, seed=seed, jobs=jobs).to_dict()
    leaves = {f"losses.{loss}": leaf for loss, leaf in document["losses"].items()}
    for k, spike in enumerate(document["spikes"]):
        leaves[f"spikes[{k}].singular_value"] = spike["singular_value"]
    leaves |= {f"bulk.quantiles[{level}]": leaf for level, leaf in document["bulk"]["quantiles"].items()}
    return {name: [float(f"{leaf['mean']:.6g}"), float(f"{leaf['se']:.4g}")] for name, leaf in leaves.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1)
    jobs = parser.parse_args().jobs
    cases = {}
    for i, setting in enumerate(drawn()):
        trials = trials_of(setting, i, jobs)
        found = {"trials": trials, "seed": i, "mean_se": seen(setting, trials, i, jobs)}
        cases[f"fresh-{i}"] = {"setting": setting.to_dict(), **found}
        print(f"{i + 1} of {COUNT}", flush=True)
    about = "Settings of benchmarks/fresh_settings.py: means and standard errors of a simulation."
    text = json.dumps({"about": about, "cases": cases}, separators=(",", ":"))
    (REFERENCE / "fresh_settings.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
