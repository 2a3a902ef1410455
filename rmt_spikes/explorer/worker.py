"""A worker process: it answers one question at a time, and can be ended while it does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from rmt_spikes.errors import CaseError, DomainError, RmtSpikesError

Message = tuple[str, Any]
"""What a worker says: its kind and its content."""

TOLD, ANSWERED, REFUSED, FAILED = "told", "answered", "refused", "failed"

WITH_PROGRESS = ("trial",)
"""Tasks that say how far they are."""

PATIENCE = 10
"""Niceness of work that may wait: a slider comes first."""


class WorkerError(Exception):
    """The worker ended before it answered; the text says why."""


class RefusedError(Exception):
    """The question has an error in it; `field` is the field of the page that it is about."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(field, reason)


class Worker:
    """A process that is started when it is first asked, and again when it has ended.

    Parameters
    ----------
    seconds
        Longest time of an answer: then the process is ended.
    nice
        By how much its priority is lower.
    threads
        Threads of BLAS; None leaves their number to the library.
    """

    def __init__(self, seconds: float, nice: int = 0, threads: int | None = 1) -> None:
        self._seconds = seconds
        self._options = nice, threads
        self._lock = asyncio.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    async def answer(self, task: str, *arguments: Any) -> dict[str, Any]:
        """Answer a question; who no longer waits lets it be answered all the same.

        Raises
        ------
        RefusedError
            For an error of the package.
        WorkerError
            If the process ends, or takes too long.
        """
        await self._lock.acquire()
        exchange = asyncio.ensure_future(self._last(task, arguments))
        exchange.add_done_callback(self._free)
        return await asyncio.shield(exchange)

    async def follow(self, task: str, *arguments: Any) -> AsyncIterator[Message]:
        """Yield what a long task tells, and then its answer; who no longer waits ends the process.

        Raises
        ------
        RefusedError, WorkerError
            As `answer`.
        """
        async with self._lock:
            async for message in self._exchange(task, arguments):
                yield message

    def end(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _free(self, exchange: asyncio.Future[dict[str, Any]]) -> None:
        self._lock.release()
        if not exchange.cancelled():
            # An error that nobody waits for any more has been seen.
            exchange.exception()

    async def _last(self, task: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async for kind, content in self._exchange(task, arguments):
            if kind == ANSWERED:
                found = content
        return found

    async def _exchange(self, task: str, arguments: tuple[Any, ...]) -> AsyncIterator[Message]:
        complete = False
        try:
            connection = self._running()
            await asyncio.to_thread(connection.send, (task, arguments))
            while not complete:
                async with asyncio.timeout(self._seconds):
                    kind, content = await asyncio.to_thread(connection.recv)
                complete = kind != TOLD
                if kind == REFUSED:
                    raise RefusedError(*content)
                if kind == FAILED:
                    raise WorkerError(content)
                yield kind, content
        except TimeoutError:
            raise WorkerError(f"no answer within {self._seconds:.0f} s") from None
        except (EOFError, OSError):
            raise WorkerError(
                "the process that computes has ended; the next question starts another"
            ) from None
        finally:
            if not complete:
                self.end()

    def _running(self) -> Connection:
        if self._process is None or self._connection is None or not self._process.is_alive():
            context = get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs, *self._options), daemon=True)
            self._process.start()
            theirs.close()
        return self._connection


def _work(connection: Connection, nice: int, threads: int | None) -> None:
    """Answer questions until nobody asks."""
    # Ctrl-C is for the server, which then closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    from threadpoolctl import threadpool_limits

    from rmt_spikes.explorer.answers import TASKS

    threadpool_limits(limits=threads)
    with suppress(EOFError, OSError):
        while True:
            task, arguments = connection.recv()
            tell = (lambda told: connection.send((TOLD, told)),) if task in WITH_PROGRESS else ()
            connection.send(answered(partial(TASKS[task], *arguments, *tell)))


def answered(compute: Callable[[], Any]) -> Message:
    """What a worker says when it has done something: its answer, or why there is none."""
    try:
        return ANSWERED, compute()
    except (BrokenPipeError, EOFError):
        raise
    except DomainError as error:
        return REFUSED, (error.field, error.reason)
    except CaseError as error:
        return REFUSED, (error.key, error.message)
    except RmtSpikesError as error:
        return REFUSED, ("", str(error))
    except MemoryError:
        return REFUSED, ("", "not enough memory: take smaller sizes")
    except Exception as error:
        return FAILED, f"an error of the program: {type(error).__name__}: {error}"
