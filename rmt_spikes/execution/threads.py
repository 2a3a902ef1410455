"""A limit on the threads of BLAS that several threads of one process can hold at the same time."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits

_lock = Lock()
_holders = 0
_limits: threadpool_limits | None = None


@contextmanager
def one_blas_thread() -> Generator[None, None, None]:
    """Keep BLAS to one thread inside.

    The setting belongs to the process: the first to enter stores what it was, the last to leave restores it.
    """
    global _holders, _limits
    with _lock:
        if _holders == 0:
            _limits = threadpool_limits(limits=1)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0 and _limits is not None:
                _limits.restore_original_limits()
                _limits = None
