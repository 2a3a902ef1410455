"""A dask cluster as the place where trials are run: the only module that imports dask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

from joblib import parallel_config

from rmt_spikes.errors import CaseError
from rmt_spikes.validation.campaign.archive import code_schema

TIMEOUT_SECONDS = 10


@contextmanager
def connected(scheduler: str) -> Iterator[None]:
    """Let joblib run its tasks on the cluster of a scheduler.

    A worker that dies is no error as long as another one can run its trials again.

    Parameters
    ----------
    scheduler
        Address, for example ``tcp://host:8786``.

    Raises
    ------
    CaseError
        If dask is missing, the scheduler does not answer, there is no worker, a worker has another version of
        this package, or the cluster is lost on the way.
    """
    try:
        from distributed import CancelledError, Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise _refuse("needs dask, which comes with: pip install 'rmt-spikes[distributed]'") from None
    try:
        with _quiet(), Client(scheduler, timeout=TIMEOUT_SECONDS) as client:
            _check_workers(client, scheduler)
            with parallel_config(backend=_backend(client)):
                yield
    except KilledWorker:
        raise _refuse(
            "lost several workers with the same trial, perhaps for want of memory; the trials that were "
            "finished are kept"
        ) from None
    except (CancelledError, CommClosedError) as error:
        reason = f"lost the cluster ({type(error).__name__}); the trials that were finished are kept"
        raise _refuse(reason) from None
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, CaseError):
            raise
        raise _refuse(f"cannot be reached at {scheduler!r}: {error}") from None


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


def _check_workers(client: Any, scheduler: str) -> None:
    """Refuse a cluster whose trials would be other trials."""
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_SECONDS)
    except TimeoutError:
        raise _refuse(f"has no worker at {scheduler!r}: start some with `dask worker {scheduler}`") from None
    try:
        schemas = client.run(code_schema)
    except ImportError as error:
        raise _refuse(f"has a worker without this package ({error})") from None
    for worker, schema in schemas.items():
        if schema != code_schema():
            raise _refuse(f"has the worker {worker} with another version of rmt-spikes")


class _Failure(NamedTuple):
    error: BaseException


def _backend(client: Any) -> Any:
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """Joblib's backend, made to raise where it would wait for ever: for a task that dask gave up."""

        def effective_n_jobs(self, n_jobs: int) -> int:
            # For one thread in the whole cluster joblib would work in this process instead.
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Callable[[Any], None]) -> Future[Any]:
            def tell(future: Future[Any]) -> None:
                error = future.exception()
                if error is not None:
                    callback(_Failure(error))

            future: Future[Any] = super().submit(func, callback)
            future.add_done_callback(tell)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, _Failure):
                raise out.error
            return super().retrieve_result_callback(out)

    return Backend(client=client)


def _refuse(reason: str) -> CaseError:
    return CaseError(None, "scheduler", reason)
