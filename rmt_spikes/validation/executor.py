"""Where trials are run: in this process, in several, or on a dask cluster; the results are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from joblib import Parallel, delayed, parallel_config

from rmt_spikes.errors import CaseError

Task = TypeVar("Task")
Result = TypeVar("Result")


def work_through(
    function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int = 1, scheduler: str | None = None
) -> Iterator[Result]:
    """Apply a function to tasks and yield the results as they are finished, in any order.

    Parameters
    ----------
    function, tasks
        What to do; both can be pickled.
    jobs
        Number of local processes.
    scheduler
        Address of a dask scheduler, which then takes the place of local processes.

    Yields
    ------
    object
        Results.

    Raises
    ------
    CaseError
        If the scheduler cannot be used.
    """
    if scheduler is None and (jobs == 1 or len(tasks) < 2):
        yield from map(function, tasks)
        return
    if not tasks:
        return
    with ExitStack() as stack:
        options = {"return_as": "generator_unordered", "batch_size": 1}
        if scheduler is None:
            options["n_jobs"] = min(jobs, len(tasks))
        else:
            _connect(scheduler, stack)
        yield from Parallel(**options)(delayed(function)(task) for task in tasks)


def _connect(scheduler: str, stack: ExitStack) -> None:
    try:
        from distributed import Client
    except ImportError:
        raise CaseError(
            None, "scheduler", "needs dask, which comes with: pip install 'rmt-spikes[distributed]'"
        ) from None
    try:
        stack.enter_context(Client(scheduler, timeout=10))
    except (OSError, ValueError, TypeError) as error:
        raise CaseError(None, "scheduler", f"cannot be reached at {scheduler!r}: {error}") from None
    stack.enter_context(parallel_config(backend="dask"))
