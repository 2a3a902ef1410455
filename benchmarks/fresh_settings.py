"""Settings as users have them, drawn after the error bars were calibrated, and what simulation sees of them.

    python benchmarks/fresh_settings.py --jobs 2      write validation/reference/fresh_settings.json

They are the first 80 of the `normal` draws of random_settings.py with this seed whose sizes a simulation of
seconds can have. On two cores it takes 5 minutes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from random_settings import normal

import rmt_spikes as rs

REFERENCE = Path(__file__).resolve().parents[1] / "validation" / "reference"
SEED, COUNT, TRIALS, LARGEST = 20261127, 80, 24, 1500


def drawn() -> list[rs.Setting]:
    """Return the settings."""
    rng, found = np.random.default_rng(SEED), list[rs.Setting]()
    while len(found) < COUNT:
        setting = normal(rng)
        if max(setting.n, setting.d, setting.width) <= LARGEST:
            found.append(setting)
    return found


def seen(setting: rs.Setting, seed: int, jobs: int) -> dict[str, list[float]]:
    """Means and standard errors by the names of quantities."""
    document: dict[str, Any] = rs.simulate(setting, trials=TRIALS, seed=seed, jobs=jobs).to_dict()
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
        found = {"trials": TRIALS, "seed": i, "mean_se": seen(setting, i, jobs)}
        cases[f"fresh-{i}"] = {"setting": setting.to_dict(), **found}
        print(f"{i + 1} of {COUNT}", flush=True)
    about = "Settings of benchmarks/fresh_settings.py: means and standard errors of a simulation."
    text = json.dumps({"about": about, "cases": cases}, separators=(",", ":"))
    (REFERENCE / "fresh_settings.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
