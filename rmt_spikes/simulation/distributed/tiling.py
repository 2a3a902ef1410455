"""How one trial is cut for the workers of a dask cluster, and what it takes on each (docs/large.md)."""

from typing import TYPE_CHECKING

import numpy as np

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.execution.cluster import SAFE_FRACTION, free_bytes, workers_of
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.test_loss.population import TILE

if TYPE_CHECKING:
    from distributed import Client

FEWEST_BLOCKS = 16
"""Blocks longer than 1024 samples are taken when there are at least as many of them."""


class Tiling:
    """How neurons and samples are cut, and which worker has what.

    Each of the `workers`, given by their addresses, has `per_worker` tiles of neurons; a block has
    `block_rows` samples.
    """

    def __init__(self, setting: Setting, workers: list[str], per_worker: int, block_rows: int) -> None:
        self.workers = workers
        count = min(len(workers) * per_worker, setting.width)
        bounds = [setting.width * j // count for j in range(count + 1)]
        self.neurons = [slice(bounds[j], bounds[j + 1]) for j in range(count)]
        self.block_rows = block_rows

    def home(self, tile: int) -> str:
        """Worker of a tile of neurons."""
        return self.workers[tile % len(self.workers)]

    def gram_home(self, left: int, right: int) -> str:
        """Worker of a tile of the Gram matrix: one of the two that have its neurons, both in turn."""
        return self.home(left if (left + right) % 2 == 0 else right)

    def groups(self) -> dict[str, dict[int | None, list[tuple[int, int]]]]:
        """Tiles of the Gram matrix of each worker, by the tile of neurons that lives elsewhere, if one does.

        The number of groups that lack a tile is the number of tiles of neurons that move when every worker
        fetches what it lacks once.
        """
        found: dict[str, dict[int | None, list[tuple[int, int]]]] = {}
        for j in range(len(self.neurons)):
            for k in range(j + 1):
                home = self.gram_home(j, k)
                foreign = next((side for side in (j, k) if self.home(side) != home), None)
                found.setdefault(home, {}).setdefault(foreign, []).append((j, k))
        return found


def worker_bytes(setting: Setting, workers: int, per_worker: int, block_rows: int) -> int:
    """Bound the peak memory of the arrays on one worker, in bytes (docs/large.md).

    Each of so many workers has `per_worker` tiles of neurons, and samples come in blocks of `block_rows`.
    What is replaced, a gradient or a tile of the Gram matrix, is counted twice: the old one goes when the
    scheduler says so.
    """
    width, d = setting.width, setting.d
    share = width / workers
    tile = share / per_worker
    rows = min(block_rows, max(setting.n, setting.n_ridge))
    samples = 2 * rows * (d + width + share)
    first = 3 * share * d
    second = share * d + share * (width + 2 * tile)
    part = min(tile, TILE)
    test = share * d + tile * d + 2 * part * d + 4 * part**2
    return int(8 * (max(first, second, test) + samples))


def plan_tiling(client: "Client", setting: Setting) -> Tiling:
    """Choose the tiles and blocks with the fewest tasks that fit the smallest worker.

    Raises
    ------
    DomainError
        When none that is small enough fits (field ``scheduler``).
    """
    known = workers_of(client)
    limits = [each for each in map(free_bytes, known.values()) if each is not None]
    free = min(limits, default=np.inf)
    longest = max(1024, max(setting.n, setting.n_ridge) // FEWEST_BLOCKS)
    sizes = [rows for rows in (4096, 2048, 1024, 512, 256, 128, 64) if rows <= longest]
    choices = [(k, rows) for rows in sizes for k in (1, 2, 4, 8)]
    needed = {choice: worker_bytes(setting, len(known), *choice) for choice in choices}
    fitting = [choice for choice in choices if needed[choice] <= free]
    if fitting:
        # The number of tasks goes like the number of blocks times that of the tiles of the Gram matrix.
        per_worker, rows = min(fitting, key=lambda choice: choice[0] ** 2 / choice[1])
        return Tiling(setting, sorted(known), per_worker, rows)
    least = min(needed.values())
    raise DomainError(
        "scheduler",
        f"must have workers with {least / 1e6:.0f} MB free below {SAFE_FRACTION:.0%} of their memory limit",
        Word(f"{free / 1e6:.0f} MB on the smallest of {len(known)}"),
        "take more workers, or workers with more memory",
    )
