"""Cost model of one trial spread over a dask cluster (docs/large.md), against measured runs; extrapolation.

The runs are on local clusters of two workers with one thread each, started by the script. Rates (operations a
second, seconds a task) are fitted to the runs; operations, bytes and memory are predictions.
"""

import argparse
import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import rmt_spikes as rs
from rmt_spikes.simulation.tiling import Tiling, plan_tiling, worker_bytes

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
    tiles = min(workers * per_worker, width)
    blocks = -(-n // block_rows), -(-m // block_rows)
    gram_tiles = tiles * (tiles + 1) / 2
    # Of the off-diagonal part only the lower triangle, of the diagonal tiles both.
    half = (1 + 1 / tiles) / 2
    operations = (4 * n + 2 * m) * d * width + 2 * half * (m + d) * width**2 + 2 * PRODUCTS * width**2
    # Blocks of samples go to every worker but their own. Tiles of the Gram matrix, and of the test loss, lack
    # a side that lives elsewhere, which a worker fetches once: half of all, by the parity that decides where
    # a tile goes, or all when a worker has tiles of both parities.
    rows = 8 * width * (workers - 1) * (1.0 if tiles > workers and workers % 2 else 0.5)
    # Each product with the Gram matrix brings home one vector from every worker.
    moved = 8 * (n + m) * d * (workers - 1) + rows * m + rows * d + 8 * PRODUCTS * width * workers
    tasks = blocks[0] * (3 * tiles + 4) + blocks[1] * (gram_tiles + 2 * tiles + 3) + gram_tiles
    return Cost(operations, moved, worker_bytes(setting, workers, per_worker, block_rows), tasks)


def headline(n: int) -> rs.Setting:
    """The setting of section 9 of the theory at another size."""
    return rs.Setting(
        n=n, d=n // 2, width=2 * n // 3, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
        noise_std=0.5, step_exponent=0.4, ridge=0.01,
    )  # fmt: skip


def worker_peak() -> float:
    """Peak resident bytes of a worker, on the worker."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def worker_sent(dask_worker: Any) -> float:
    """Bytes that a worker has sent to others so far."""
    return float(dask_worker.transfer_outgoing_bytes_total)


def measure(setting: rs.Setting, workers: int) -> tuple[Tiling, float, float, float]:
    """Run one trial on a new cluster; tiling, seconds, bytes moved, largest peak above an idle worker."""
    options = {"threads_per_worker": 1, "memory_limit": "2GB", "dashboard_address": ":0"}
    request: dict[str, Any] = {"trials": 1, "top": 3, "spectrum": "top", "spread": True}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
        small = headline(60)
        rs.simulate(small, scheduler=client, **request)
        idle = max(client.run(worker_peak).values())
        sent = sum(client.run(worker_sent).values())
        tiling = plan_tiling(client, setting)
        start = time.perf_counter()
        rs.simulate(setting, scheduler=client, **request)
        seconds = time.perf_counter() - start
        moved = sum(client.run(worker_sent).values()) - sent
        return tiling, seconds, moved, max(client.run(worker_peak).values()) - idle


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[600, 1200, 1800])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{'':>23}{'MB moved':^22}{'peak MB on a worker':^24}")
    print(f"{'n':>6}{'seconds':>9}{'GFlop':>8}" + f"{'model':>12}{'measured':>10}" * 2)
    rows = []
    for n in arguments.sizes:
        setting = headline(n)
        tiling, seconds, moved, peak = measure(setting, arguments.workers)
        per_worker = len(tiling.neurons) // arguments.workers
        predicted = cost(setting, arguments.workers, per_worker, tiling.block_rows)
        rows.append((seconds, predicted))
        print(f"{n:>6}{seconds:>9.1f}{predicted.operations / 1e9:>8.1f}", end="")
        print(f"{predicted.moved / 1e6:>12.1f}{moved / 1e6:>10.1f}", end="")
        print(f"{predicted.memory / 1e6:>12.1f}{peak / 1e6:>10.1f}")
    design = np.array([[each.operations, 1.0] for _, each in rows])
    rate, overhead = np.linalg.lstsq(design, np.array([seconds for seconds, _ in rows]), rcond=None)[0]
    print(f"fitted: {1 / rate / 1e9:.1f} GFlop/s on all workers, {overhead:.1f} s for products and tasks")
    extrapolate()


def extrapolate() -> None:
    """Print the cost of a million samples on hosts of 2 TFlop/s and 10 Gbit/s each."""
    print("\nn = n_ridge = 10^6, d = 500,000, width = 666,666; hosts of 2 TFlop/s and 10 Gbit/s")
    print(f"{'hosts':>6}{'GB a host':>12}{'EFlop':>8}{'TB moved':>10}{'days of work':>14}{'of transfer':>13}")
    setting = headline(1_000_000)
    for hosts in (16, 64, 256):
        each = cost(setting, hosts, 2, 1024)
        work = each.operations / (hosts * 2e12) / 86400
        transfer = each.moved / (hosts * 1.25e9) / 86400
        print(
            f"{hosts:>6}{each.memory / 1e9:>12.0f}{each.operations / 1e18:>8.2f}{each.moved / 1e12:>10.0f}"
            f"{work:>14.2f}{transfer:>13.2f}"
        )


if __name__ == "__main__":
    main()
