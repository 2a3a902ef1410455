"""Where trials are run: in this process, in several, or on a dask cluster; the results are the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import Any, TypeVar

from joblib import Parallel, delayed

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
        If a local process dies, or the cluster cannot be used or is lost.
    """
    if not tasks:
        return
    if scheduler is None and (jobs == 1 or len(tasks) == 1):
        yield from map(function, tasks)
        return
    options: dict[str, Any] = {"return_as": "generator_unordered", "batch_size": 1}
    with ExitStack() as stack:
        if scheduler is None:
            options["n_jobs"] = min(jobs, len(tasks))
        else:
            from rmt_spikes.execution.cluster import connected

            stack.enter_context(connected(scheduler))
        results = Parallel(**options)(delayed(function)(task) for task in tasks)
        stack.callback(_cancel, results)
        try:
            # Not `yield from`: closing has to reach the workers through the stack.
            for result in results:  # noqa: UP028
                yield result
        except BrokenProcessPool:
            raise CaseError(
                None,
                "jobs",
                "a worker process died, perhaps for want of memory: the trials that were finished are kept, "
                f"and the same command continues; try it with fewer jobs than {jobs}",
            ) from None


def _cancel(results: Any) -> None:
    # When the caller stops early, joblib warns that it cancels what is running: that is the intention.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.close()
