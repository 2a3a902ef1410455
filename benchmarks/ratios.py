"""Speed as ratios to the eigenvalues of one 1000 x 1000 symmetric matrix, measured in the same run.

Each quantity is timed in turn with the reference, so that a machine whose speed drifts moves both. The
table shows the median ratio, its quartiles, and the ratio aimed at.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rmt_spikes as rs
from rmt_spikes.theory.bulk.distribution import singular_value_bulk
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.one_batch.solution import OneBatch
from rmt_spikes.theory.methods.uniform.solution import Uniform

SETTING = rs.Setting(
    n=3000, d=1500, width=2000, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
    noise_std=0.5, step_exponent=0.4, ridge=0.01,
)  # fmt: skip
ONE_BATCH = rs.Setting(
    n=1200, d=600, width=800, activation="relu", target={"hermite": [0, 1, 0.5**0.5]}, noise_std=0.5,
    ridge=0.05, step_size=0.86 * 800**0.5, second_batch="same",
)  # fmt: skip
POINTS = np.linspace(0.05, 1.45, 1000)
RTOL = 1e-4


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def uniform_spike_table() -> object:
    """Location and alignments of all spikes, with their distance from the edge."""
    return Uniform(SETTING).spikes()


def one_batch(**keys: object) -> object:
    """Losses and spikes with one batch for the step and the regression."""
    solution = OneBatch(ONE_BATCH.replace(**keys))
    return solution.losses(), solution.spikes()


def steps(count: int, *names: str) -> object:
    """Sweep over step sizes from 1 to ``sqrt(n)``."""
    return rs.sweep(SETTING, {"step_exponent": np.linspace(0.0, 0.5, count)}, names, rtol=RTOL)


def squares() -> object:
    """Sweep of 400 settings over the step and the input dimension."""
    axes = {"step_exponent": np.linspace(0.0, 0.5, 20), "d": np.linspace(600, 2500, 20).round()}
    return rs.sweep(SETTING, axes, ["losses.test", "spike_count"], rtol=RTOL)


def quantities() -> dict[str, tuple[Callable[[], object], float]]:
    """What is timed, with the ratio aimed at."""
    return {
        "losses, uniform": (lambda: rs.predict_losses(SETTING), 0.4),
        "all spikes with alignments, uniform": (uniform_spike_table, 1.0),
        "density on 1000 points, uniform": (lambda: Uniform(SETTING).bulk.density(POINTS), 2.0),
        "losses, closed form": (lambda: rs.predict_losses(SETTING, method="closed_form"), 0.03),
        "density on 1000 points, closed form": (
            lambda: singular_value_bulk(ClosedForm(SETTING).equivalent).density(POINTS),
            0.2,
        ),
        "critical step sizes, uniform": (lambda: rs.critical_step_sizes(SETTING), 3.0),
        "losses and spikes, one batch, two-valued": (lambda: one_batch(readout="rademacher"), 2.9),
        "the same, Gaussian": (one_batch, 17.0),
        "the same, softplus": (lambda: one_batch(activation="softplus"), 17.0),
        "everything, uniform": (lambda: rs.predict(SETTING).to_dict(), 1.5),
    }


def ratios(function: Callable[[], object], reference: Callable[[], object], rounds: int) -> list[float]:
    """Ratios of the two times, taken in turn after one warm-up."""
    function()
    return [seconds(function) / seconds(reference) for _ in range(rounds)]


def cold(runs: int = 3) -> float:
    """Seconds of CPU of the command in a new process, the least of some runs: imports, prediction, tables.

    Modules are compiled once, before, as where the package was used before.
    """
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "setting.toml"
        lines = [
            f"{key} = {json.dumps(value)}" for key, value in SETTING.to_dict().items() if key != "target"
        ]
        path.write_text(
            "\n".join([*lines, "target = { hermite = [0, 1, 0.7071067811865476] }"]), encoding="utf-8"
        )
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        command = [sys.executable, "-m", "rmt_spikes.cli", "predict", str(path)]
        for _ in range(runs + 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                command,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent[1:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    matrix = np.random.default_rng(0).standard_normal((1000, 1000))
    matrix += matrix.T

    def reference() -> object:
        return np.linalg.eigvalsh(matrix)

    reference()
    own = 1e3 * statistics.median(seconds(reference) for _ in range(9))
    print(f"reference: eigvalsh of 1000 x 1000, {own:.1f} ms")
    print(f"{'quantity':<40}{'median':>9}{'quartiles':>19}{'aim':>8}")
    for name, (function, aim) in quantities().items():
        values = ratios(function, reference, rounds)
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"{name:<40}{middle:>9.3f}{f'{low:.3f} to {high:.3f}':>19}{aim:>8g}")
    print(f"{'rmt-spikes predict, cold, seconds of CPU':<40}{cold():>9.2f}{'':>19}{0.8:>8g}")
    single = [seconds(lambda: rs.predict_losses(SETTING)) for _ in range(rounds)]
    sweep = seconds(lambda: steps(200, "losses.test")) / statistics.median(single)
    print(f"{'sweep of 200 steps, in single solutions':<40}{sweep:>9.1f}{'':>19}{25:>8g}")
    sweeps: dict[str, Callable[[], object]] = {
        "400 steps, losses and spike count": lambda: steps(400, "losses.test", "spike_count"),
        "20 steps x 20 dimensions, the same": squares,
    }
    for name, function in sweeps.items():
        ratio = seconds(function) / (0.5 * (seconds(reference) + seconds(reference)))
        print(f"{name:<40}{ratio:>9.1f}{'':>19}{60:>8g}")


if __name__ == "__main__":
    main()
