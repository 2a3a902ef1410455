"""A dask cluster: the connection, what its workers may take, and tasks on them."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rmt_spikes.errors import CaseError
from rmt_spikes.execution.threads import one_blas_thread

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")

TIMEOUT_SECONDS = 10
"""Time for a scheduler to answer and for its first worker to appear: dask's own default is 30."""

SAFE_FRACTION = 0.7
"""Part of a worker's memory limit up to which nothing is spilled to disk (dask's own default)."""

BASELINE = 110e6
"""Memory of a worker that holds nothing: interpreter, numpy, scipy, dask (measured: 97 to 110 MB)."""

KEPT = "the trials that were finished are kept"


class ExecutionError(CaseError):
    """Processes or a cluster that cannot be used, or are lost.

    The key is ``"jobs"`` or ``"scheduler"``, the reason what is required or what happened; the advice holds
    for a campaign, whose store keeps finished trials.
    """

    def __init__(self, key: str, reason: str, advice: str = "") -> None:
        self.reason = reason
        super().__init__(None, key, f"{reason}; {advice}" if advice else reason)
        self.args = (key, reason, advice)


@contextmanager
def connected(scheduler: Any, version: Callable[[], object] | None = None) -> Iterator[Client]:
    """Connect to a scheduler, and leave the caller's own client as it is.

    A worker that dies is no error as long as another one can repeat its tasks.

    Parameters
    ----------
    scheduler : str or distributed.Client
        Address, for example ``tcp://host:8786``, or a client that is connected already.
    version : callable, optional
        Called here and on each worker; the workers must return what it returns here.

    Yields
    ------
    distributed.Client
        A client of a cluster with at least one worker. One that was opened here is closed at the end.

    Raises
    ------
    ExecutionError
        When dask is missing, the scheduler cannot be reached, there is no worker, a worker returns another
        version, or the cluster is lost inside the block.
    """
    try:
        from distributed import CancelledError, Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise _refusal("needs dask, which comes with: pip install 'rmt-spikes[distributed]'") from None
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if isinstance(scheduler, str):
            client = stack.enter_context(_open(scheduler))
        elif isinstance(scheduler, Client):
            client = scheduler
        else:
            raise _refusal("must be the address of a dask scheduler, or a client")
        stack.enter_context(client.as_current())
        try:
            _check_workers(client, version)
            yield client
        except KilledWorker:
            reason = "lost several workers with the same trial, perhaps for want of memory"
            raise _refusal(reason, KEPT) from None
        except (CancelledError, CommClosedError) as error:
            raise _refusal(f"lost the cluster ({type(error).__name__})", KEPT) from None


def _open(scheduler: str) -> Client:
    """Open a client.

    The client of a failed attempt is collected at once: collected while another one starts, the two would
    wait for each other without end.
    """
    from distributed import Client

    try:
        return Client(scheduler, timeout=TIMEOUT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error)
    gc.collect()
    raise _refusal(f"must be reachable ({reason})")


def run_on_cluster(
    client: Client, function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Generator[Result, None, None]:
    """Apply a function to tasks, one on each thread of a worker at a time; both can be pickled.

    Results are yielded as they are finished. When the generator is closed, the tasks that wait are cancelled.
    """
    from distributed import as_completed

    futures = [client.submit(_on_one_thread, function, task, pure=False) for task in tasks]
    try:
        for future in as_completed(futures):
            result: Result = future.result()
            future.release()
            yield result
    finally:
        client.cancel(futures)


def workers_of(client: Client) -> dict[str, dict[str, Any]]:
    """Return what the scheduler knows of its workers, by address."""
    workers: dict[str, dict[str, Any]] = client.scheduler_info(n_workers=-1)["workers"]
    return workers


def free_bytes(worker: dict[str, Any]) -> float | None:
    """Return what a worker may still take without spilling to disk, None when it has no limit."""
    if not worker["memory_limit"]:
        return None
    return max(0.0, float(SAFE_FRACTION * worker["memory_limit"] - BASELINE))


def _on_one_thread(function: Callable[[Task], Result], task: Task) -> Result:
    """Run a task on one BLAS thread: a worker has as many tasks at work as it has threads."""
    with one_blas_thread():
        return function(task)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask from logging a traceback for each attempt to reconnect: the error says it once."""
    handlers = logging.getLogger("distributed").handlers
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


def _check_workers(client: Client, version: Callable[[], object] | None) -> None:
    """Refuse a cluster without workers, or whose results would be other results."""
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_SECONDS)
    except TimeoutError:
        raise _refusal("must have at least one worker: start some with `dask worker ADDRESS`") from None
    if version is None:
        return
    try:
        versions = client.run(version)
    except ImportError as error:
        raise _refusal(f"has a worker without this package ({error})") from None
    for worker, found in versions.items():
        if found != version():
            raise _refusal(f"has the worker {worker} with another version of rmt-spikes")


def _refusal(reason: str, advice: str = "") -> ExecutionError:
    return ExecutionError("scheduler", reason, advice)
