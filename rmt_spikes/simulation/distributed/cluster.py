"""Trials on a dask cluster: one on each thread of a worker, or each on all workers."""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rmt_spikes.errors import DomainError
from rmt_spikes.execution.threads import one_blas_thread
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.memory import check_memory, format_bytes
from rmt_spikes.simulation.trial import Trial, run_trial

if TYPE_CHECKING:
    from distributed import Client

SAFE_FRACTION = 0.7
"""Part of a worker's memory limit up to which nothing is spilled to disk (dask's own default)."""

BASELINE = 110e6
"""Memory of a worker that holds nothing: interpreter, numpy, scipy, dask (measured: 97 to 110 MB)."""

CONNECT_SECONDS = 10


@contextmanager
def open_client(scheduler: Any) -> "Iterator[Client]":
    """Connect to a scheduler, and leave the caller's own client as it is.

    Parameters
    ----------
    scheduler : str or distributed.Client
        Address, or a client that is connected already.

    Yields
    ------
    distributed.Client
        A client; one that was opened here is closed at the end.

    Raises
    ------
    DomainError
        When dask is not installed, or the scheduler cannot be reached (field ``scheduler``).
    """
    try:
        from distributed import Client
    except ImportError:
        raise DomainError(
            "scheduler", "needs dask", scheduler, "it comes with: pip install 'rmt-spikes[distributed]'"
        ) from None
    if isinstance(scheduler, Client):
        with scheduler.as_current():
            yield scheduler
        return
    if not isinstance(scheduler, str):
        raise DomainError("scheduler", "must be the address of a dask scheduler, or a client", scheduler)
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise DomainError("scheduler", f"must be reachable ({error})", scheduler) from None
    with client, client.as_current():
        yield client


def workers_of(client: "Client") -> dict[str, dict[str, Any]]:
    """Return what the scheduler knows of its workers.

    Parameters
    ----------
    client : distributed.Client
        A connected client.

    Returns
    -------
    dict
        Descriptions by address.

    Raises
    ------
    DomainError
        When there are none (field ``scheduler``).
    """
    workers: dict[str, dict[str, Any]] = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise DomainError("scheduler", "must have at least one worker", 0)
    return workers


def free_bytes(worker: dict[str, Any]) -> float | None:
    """Return what a worker may still take without spilling to disk, None when it has no limit."""
    if not worker["memory_limit"]:
        return None
    return float(SAFE_FRACTION * worker["memory_limit"] - BASELINE)


def run_trials(
    client: "Client", setting: Setting, seed: int, trials: int, options: dict[str, Any], memory: float | None
) -> Generator[Trial, None, None]:
    """Run whole trials on the workers, one on each thread at a time.

    Parameters
    ----------
    client : distributed.Client
        A connected client.
    setting : Setting
        What to simulate.
    seed, trials : int
        Seed, and number of trials.
    options : dict
        Arguments of `run_trial`, all but its plan.
    memory : float, optional
        Bytes that each worker may take; by default what its own limit leaves.

    Yields
    ------
    Trial
        Trials as they finish. When the generator is closed, those that wait are cancelled.

    Raises
    ------
    DomainError
        When a trial does not fit a worker, or `memory` exceeds what one may take.
    """
    from distributed import as_completed

    workers = workers_of(client).values()
    known = [(free, worker["nthreads"]) for worker in workers if (free := free_bytes(worker)) is not None]
    least = min((max(free, 0.0) for free, _ in known), default=math.inf)
    if memory is not None and memory > least:
        raise DomainError(
            "memory",
            f"must not exceed the {format_bytes(least)} that the smallest worker may take: "
            f"{SAFE_FRACTION:.0%} of its limit, less what it takes itself",
            memory,
        )
    if memory is None:
        share = min((max(free, 0.0) / threads for free, threads in known), default=None)
    else:
        share = memory / max(worker["nthreads"] for worker in workers)
    plan = check_memory(
        setting,
        trials=1,
        jobs=1,
        test_samples=options["test_samples"],
        kept_vectors=0,
        memory=share,
        precision=options["precision"],
        top=options["top"],
        density=options["spectrum"] == "density",
        local=False,
        limit_name="the memory of a worker's thread" if memory is None else "the memory allowed a thread",
    )
    futures = [
        client.submit(_one, setting, seed, index, options | {"plan": plan}, pure=False)
        for index in range(trials)
    ]
    try:
        for future in as_completed(futures):
            trial = future.result()
            future.release()
            yield trial
    finally:
        client.cancel(futures)


def _one(setting: Setting, seed: int, index: int, options: dict[str, Any]) -> Trial:
    """Run a trial on one thread: the worker has as many trials at work as it has threads."""
    with one_blas_thread():
        return run_trial(setting, seed, index, **options)


def run_spread_trials(
    client: "Client", setting: Setting, seed: int, trials: int, options: dict[str, Any]
) -> Generator[Trial, None, None]:
    """Run trials one after the other, each on all workers.

    Parameters
    ----------
    client, setting, seed, trials
        As for `run_trials`.
    options : dict
        Arguments of `run_spread_trial`.

    Yields
    ------
    Trial
        Trials in order.
    """
    from rmt_spikes.simulation.distributed.spread import run_spread_trial

    for index in range(trials):
        yield run_spread_trial(client, setting, seed, index, **options)
