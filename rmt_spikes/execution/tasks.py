"""Tasks in this process, in several, or on a dask cluster: the results are the same."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from rmt_spikes.execution.cluster import KEPT, ExecutionError, Result, Task, connected, run_on_cluster

ORPHANED = 0.5
"""Seconds after which a local process looks whether it still has a parent."""


def work_through(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int = 1,
    scheduler: Any = None,
    version: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """Apply a function to tasks and yield the results as they are finished, in any order.

    When the generator is closed, the tasks that wait are cancelled.

    Parameters
    ----------
    function : callable
        What to do; it can be pickled.
    tasks : sequence
        Its arguments; they can be pickled.
    jobs : int
        Number of local processes. They share the processors: BLAS takes its part of them in each.
    scheduler : str or distributed.Client, optional
        A dask cluster, which then takes the place of local processes.
    version : callable, optional
        As for `connected`.

    Raises
    ------
    ExecutionError
        If a local process dies, or the cluster cannot be used or is lost.
    """
    if not tasks:
        return
    if scheduler is not None:
        with connected(scheduler, version) as client:
            yield from run_on_cluster(client, function, tasks)
    elif jobs == 1 or len(tasks) == 1:
        yield from map(function, tasks)
    else:
        yield from _run_in_processes(function, tasks, min(jobs, len(tasks)))


def _run_in_processes(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Generator[Result, None, None]:
    from joblib import Parallel, delayed

    parallel = Parallel(
        n_jobs=jobs,
        return_as="generator_unordered",
        batch_size=1,
        initializer=_end_with_parent,
        initargs=(os.getpid(),),
    )
    results = parallel(delayed(function)(task) for task in tasks)
    try:
        # Not `yield from`: closing has to reach the workers through the block below.
        for result in results:  # noqa: UP028
            yield result
    except BrokenProcessPool:
        advice = f"{KEPT}, and the same command continues; try it with fewer jobs than {jobs}"
        raise ExecutionError("jobs", "a worker process died, perhaps for want of memory", advice) from None
    finally:
        # When the caller stops early, joblib warns that it cancels what is running: that is the intention.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.close()


def _end_with_parent(parent: int) -> None:
    """End this process soon after its parent, which may have been killed and then tells nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHANED)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
