"""Time and peak memory of one trial against its size, with the fitted exponents; and two large trials.

Each trial runs in a process of its own, whose peak resident memory the operating system counts.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SETTING: dict[str, Any] = {
    "activation": "relu",
    "target": {"hermite": [0, 1, 0.5**0.5]},
    "noise_std": 0.5,
    "step_exponent": 0.4,
    "ridge": 0.01,
}
SIZES = (750, 1060, 1500, 2120, 3000)
TALL: dict[str, Any] = {"n": 3000, "d": 500, "width": 1000, "n_ridge": 200_000}
LARGE: dict[str, Any] = {"n": 12_000, "d": 6000, "width": 8000}
HERE = Path(__file__).resolve()


def measure(sizes: dict[str, Any], **options: Any) -> dict[str, float]:
    """Run one trial in a new process; return seconds, peak bytes, and what the trial says of itself."""
    request = json.dumps([sizes, options])
    run = subprocess.run(
        [sys.executable, HERE, "--child", request], capture_output=True, text=True, check=True
    )
    result: dict[str, float] = json.loads(run.stdout)
    return result


def child(request: str) -> None:
    """What the new process does; a small trial loads the libraries first."""
    import rmt_spikes as rs

    sizes, options = json.loads(request)
    rs.simulate(rs.Setting(**SETTING, n=60, d=30, width=40), trials=1, **options)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start, processor = time.perf_counter(), time.process_time()
    trial = rs.simulate(rs.Setting(**SETTING, **sizes), trials=1, **options).trials[0]
    report = {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - processor,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "before": before,
        "residual": trial.residual,
        "objective": trial.objective,
        "test": trial.test,
        "test_error": trial.test_error,
        "spikes": trial.singular_values[:3].tolist(),
    }
    if trial.density is not None:
        report["density_error"] = float(trial.density[:, 2].max() / trial.density[:, 1].max())
    print(json.dumps(report))


def exponent(sizes: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of log value against log size, with its standard error."""
    slopes, covariance = np.polyfit(np.log(sizes), np.log(values), 1, cov=True)
    return float(slopes[0]), float(covariance[0, 0] ** 0.5)


def scaling(rounds: int, figure: Path) -> None:
    """Measure the sizes on one thread, to whose time other programs do not add; fit the exponents."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    sizes = np.array(SIZES, dtype=float)
    runs = [
        [measure({"n": n, "d": n // 2, "width": 2 * n // 3}, memory=4e9) for _ in range(rounds)]
        for n in SIZES
    ]
    seconds = np.array([min(run["processor"] for run in each) for each in runs])
    memory = np.array([min(run["peak"] - run["before"] for run in each) for each in runs])
    for n, time_taken, taken in zip(SIZES, seconds, memory, strict=True):
        print(f"n = {n:5d}: {time_taken:7.3f} processor seconds, {taken / 1e6:7.0f} MB above the libraries")
    slopes = {}
    for name, values, expected in (("time", seconds, 3), ("memory", memory, 2)):
        # Small trials are dominated by what does not grow like the leading order.
        slopes[name] = exponent(sizes[1:], values[1:])
        slope, error = slopes[name]
        print(f"exponent of {name} in n: {slope:.2f} ({error:.2f}); leading order {expected}")
    draw(sizes, seconds, memory, slopes, figure)


def draw(
    sizes: np.ndarray,
    seconds: np.ndarray,
    memory: np.ndarray,
    slopes: dict[str, tuple[float, float]],
    path: Path,
) -> None:
    """Two panels with the fitted lines."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    shown, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    panels = (
        ("time", seconds, "processor seconds, least of the rounds"),
        ("memory", memory / 1e6, "MB above the libraries"),
    )
    for ax, (name, values, label) in zip(axes, panels, strict=True):
        slope, error = slopes[name]
        middle = np.exp(np.log(values[1:]).mean() - slope * np.log(sizes[1:]).mean())
        ax.loglog(sizes, values, "o", color="#1b6ca8", label="measured")
        ax.loglog(
            sizes[1:],
            middle * sizes[1:] ** slope,
            "-",
            color="#555",
            label=f"$n^{{{slope:.2f}\\pm{error:.2f}}}$",
        )
        ax.set(xlabel="$n$  ($d = n/2$, width $2n/3$)", ylabel=label, title=f"One trial: {name}")
        ax.set_xticks(sizes, [f"{int(n)}" for n in sizes])
        ax.minorticks_off()
        ax.legend()
    shown.savefig(path, metadata={"Date": None})
    print(f"figure: {path}")


def show(name: str, sizes: dict[str, Any], **options: Any) -> None:
    """Print one large trial."""
    report = measure(sizes, **options)
    print(f"{name} {sizes} {options}")
    print(f"  {report['seconds']:.0f} s, {report['peak'] / 1e9:.2f} GB resident")
    print(f"  residual {report['residual']:.1e}")
    print(
        f"  objective {report['objective']:.6f}, test {report['test']:.6f} (bound {report['test_error']:.0e})"
    )
    print(f"  largest singular values {', '.join(f'{value:.6f}' for value in report['spikes'])}")
    if "density_error" in report:
        print(f"  density: largest error {report['density_error']:.1%} of its maximum")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--figure", type=Path, default=HERE.parent / "scaling.svg")
    parser.add_argument("--tall", action="store_true", help="200,000 samples under 500 MB of arrays")
    parser.add_argument("--large", action="store_true", help="n = 12,000, width 8,000: several minutes")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
    elif arguments.tall:
        show("tall", TALL, memory=5e8)
    elif arguments.large:
        show("large", LARGE, memory=6e9, spectrum="density", top=3)
    else:
        scaling(arguments.rounds, arguments.figure)


if __name__ == "__main__":
    main()
