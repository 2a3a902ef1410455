"""Cost model of one trial spread over a dask cluster (docs/large.md), against measured runs; extrapolation.

The runs are on local clusters of workers with one thread each, started by the script. Seconds an operation,
a task and a trial are fitted to the runs; operations, tasks, bytes and memory are predictions. Memory is read
from /proc: Linux alone.
"""

import argparse
import re
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from distributed import Client, LocalCluster
from scipy.optimize import nnls

import rmt_spikes as rs
from rmt_spikes.execution.cluster import workers_of
from rmt_spikes.simulation.distributed import trial
from rmt_spikes.simulation.distributed.tiling import Tiling, worker_bytes
from rmt_spikes.simulation.linalg.decomposition import ACCURACY, rounding_error

PRODUCTS = 150
"""Products with the Gram matrix that Lanczos iterations and conjugate gradients take, about."""


@dataclass(frozen=True)
class Cost:
    """Of one trial: operations in all, bytes between workers in all, peak bytes on each worker, tasks."""

    operations: float
    moved: float
    memory: float
    tasks: float


def cost(setting: rs.Setting, workers: int, per_worker: int, block_rows: int) -> Cost:
    """Predict the cost of a spread trial."""
    n, m, d, width = setting.n, setting.n_ridge, setting.d, setting.width
    tiling = Tiling(setting, [str(i) for i in range(workers)], per_worker, block_rows)
    tiles = len(tiling.neurons)
    blocks = -(-n // block_rows), -(-m // block_rows)
    gram_tiles = tiles * (tiles + 1) / 2
    # Of the off-diagonal part only the lower triangle, of the diagonal tiles both.
    half = (1 + 1 / tiles) / 2
    operations = (4 * n + 2 * m) * d * width + 2 * half * (m + d) * width**2 + 2 * PRODUCTS * width**2
    # Tiles of neurons that a worker lacks for its tiles of the Gram matrix: each is fetched once for every
    # sample, and once for the test loss.
    fetched = sum(foreign is not None for groups in tiling.groups().values() for foreign in groups)
    rows = 8 * width * fetched / tiles
    # Blocks of samples go to every worker but their own. Each product with the Gram matrix brings home one
    # vector from every worker.
    moved = 8 * (n + m) * d * (workers - 1) + rows * (m + d) + 8 * PRODUCTS * width * workers
    first, second = blocks[0] * (3 * tiles + 4), blocks[1] * (gram_tiles + 2 * tiles + 3)
    tasks = first + second + 5 * tiles + gram_tiles + fetched + PRODUCTS * workers
    return Cost(operations, moved, worker_bytes(setting, workers, per_worker, block_rows), tasks)


def headline(n: int, ridge: float = 0.01) -> rs.Setting:
    """The setting of section 9 of the theory at another size."""
    return rs.Setting(
        n=n, d=n // 2, width=2 * n // 3, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
        noise_std=0.5, step_exponent=0.4, ridge=ridge,
    )  # fmt: skip


def flat(d: int, width: int, n: int, n_ridge: int) -> rs.Setting:
    """A setting whose memory is all first layer, or all Gram matrix."""
    return rs.Setting(
        n=n, n_ridge=n_ridge, d=d, width=width, activation="relu", target={"hermite": [0, 1, 0.7]},
        noise_std=0.5, step_size=1.0, ridge=0.05,
    )  # fmt: skip


def forget_peak() -> float:
    """Reset the peak of the resident memory of a worker, on the worker; return what is resident."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(field: str) -> float:
    """Resident bytes of a worker, on the worker: now (``VmRSS``) or at their peak (``VmHWM``)."""
    (kilobytes,) = re.findall(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
    return 1024.0 * int(kilobytes)


def worker_sent(dask_worker: Any) -> float:
    """Bytes that a worker has sent to others so far."""
    return float(dask_worker.transfer_outgoing_bytes_total)


def measure(
    setting: rs.Setting, workers: int, per_worker: int, block_rows: int
) -> tuple[float, float, float]:
    """Run one trial on a new cluster; seconds, bytes moved, largest growth of the memory of a worker."""
    options = {"threads_per_worker": 1, "memory_limit": "2GB", "dashboard_address": ":0"}
    request: dict[str, Any] = {"trials": 1, "top": 3, "spectrum": "top", "spread": True}

    def plan(client: Client, wanted: rs.Setting) -> Tiling:
        return Tiling(wanted, sorted(workers_of(client)), per_worker, block_rows)

    with (
        LocalCluster(n_workers=workers, **options) as cluster,
        Client(cluster) as client,
        mock.patch.object(trial, "plan_tiling", plan),
    ):
        rs.simulate(headline(60), scheduler=client, **request)
        sent = sum(client.run(worker_sent).values())
        before = client.run(forget_peak)
        start = time.perf_counter()
        rs.simulate(setting, scheduler=client, **request)
        seconds = time.perf_counter() - start
        moved = sum(client.run(worker_sent).values()) - sent
        peaks = client.run(partial(resident, "VmHWM"))
        return seconds, moved, max(peaks[worker] - before[worker] for worker in peaks)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--tiles", type=int, nargs="+", default=[1, 2, 4], help="tiles of neurons on a worker"
    )
    arguments = parser.parse_args()
    runs = [(headline(n), 1, 1024) for n in (600, 1200, 1800)]
    for k in arguments.tiles:
        shapes = [flat(6000, 1200, 300, 300), flat(100, 3000, 300, 1500)]
        runs += [(headline(900), k, 128), *((shape, k, 64) for shape in shapes)]
    print(f"{'':>53}{'MB moved':^20}{'peak MB on a worker':^20}")
    print(
        f"{'n':>6}{'n_ridge':>8}{'d':>6}{'width':>6}{'tiles':>6}{'seconds':>8}{'GFlop':>7}{'tasks':>6}",
        end="",
    )
    print(f"{'model':>10}{'measured':>10}" * 2)
    rows = []
    for setting, k, block_rows in runs:
        seconds, moved, peak = measure(setting, arguments.workers, k, block_rows)
        predicted = cost(setting, arguments.workers, k, block_rows)
        rows.append((seconds, predicted))
        print(
            f"{setting.n:>6}{setting.n_ridge:>8}{setting.d:>6}{setting.width:>6}{k:>6}{seconds:>8.1f}", end=""
        )
        print(f"{predicted.operations / 1e9:>7.1f}{predicted.tasks:>6.0f}", end="")
        print(f"{predicted.moved / 1e6:>10.1f}{moved / 1e6:>10.1f}", end="")
        print(f"{predicted.memory / 1e6:>10.1f}{peak / 1e6:>10.1f}", flush=True)
    design = np.array([[each.operations / 1e9, each.tasks / 1e3, 1.0] for _, each in rows])
    times = np.array([seconds for seconds, _ in rows])
    fitted = nnls(design, times)[0]
    misfit = np.abs(design @ fitted / times - 1).max()
    print(
        f"fitted: {fitted[0]:.3f} s for 10^9 operations on all workers, {fitted[1]:.2f} ms a task, "
        f"{fitted[2]:.1f} s a trial; off by {misfit:.0%} at most"
    )
    extrapolate(fitted[1] / 1e3)


def extrapolate(task_seconds: float) -> None:
    """Print the cost of a million samples on hosts of 2 TFlop/s and 10 Gbit/s each, and the least ridge."""
    setting = headline(1_000_000, ridge=0.1)
    largest = rs.predict(setting).spikes[0].singular_value
    least = rounding_error(largest**2, setting.width) / ACCURACY
    print(f"\nn = n_ridge = 10^6, d = 500,000, width = 666,666; largest singular value {largest:.1f},")
    print(f"as predicted: a ridge below {least:.3f} would be refused; ridge {setting.ridge}")
    print(f"hosts of 2 TFlop/s and 10 Gbit/s, {task_seconds * 1e3:.2f} ms a task")
    print(f"{'':>40}{'':>20}{'days of':^33}")
    print(
        f"{'hosts':>6}{'tiles':>6}{'block':>6}{'GB a host':>11}{'EFlop':>8}{'TB moved':>10}{'tasks':>10}",
        end="",
    )
    print(f"{'work':>8}{'transfer':>10}{'tasks':>9}")
    for hosts in (16, 64, 256):
        for per_worker, block_rows in ((2, 1024), (1, 1024), (1, 4096)):
            each = cost(setting, hosts, per_worker, block_rows)
            work = each.operations / (hosts * 2e12) / 86400
            transfer = each.moved / (hosts * 1.25e9) / 86400
            print(
                f"{hosts:>6}{per_worker:>6}{block_rows:>6}{each.memory / 1e9:>11.0f}"
                f"{each.operations / 1e18:>8.2f}{each.moved / 1e12:>10.0f}{each.tasks:>10.1e}"
                f"{work:>8.2f}{transfer:>10.2f}{each.tasks * task_seconds / 86400:>9.2f}"
            )


if __name__ == "__main__":
    main()
