"""Interruption of a command: by Ctrl-C, or by SIGTERM along the same way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """SIGTERM has come: whatever an interrupt tidies up is tidied up."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM interrupt, and let an interrupt prevail over the errors that it causes elsewhere.

    Workers share the terminal: Ctrl-C ends them as well, and what waits for them may raise an error about
    that before the interrupt has reached the top.
    """

    def terminate(*_: object) -> None:
        # Once is enough: a second signal would cut the tidying short.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    # Handlers belong to the main thread, and one that is there already has its reasons.
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except BaseException as error:
        stop = _interrupt_behind(error)
        if stop is None or stop is error:
            raise
        raise stop from None
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt during which, or because of which, an error came up."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        here = waiting.pop()
        if isinstance(here, KeyboardInterrupt):
            return here
        if here is not None and id(here) not in seen:
            seen.add(id(here))
            waiting += [here.__cause__, here.__context__]
    return None
