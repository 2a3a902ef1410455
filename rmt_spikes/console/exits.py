"""How a command ends: a short message instead of a traceback, and an exit status."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from rmt_spikes.console.interruption import Terminated, stoppable
from rmt_spikes.errors import AccuracyWarning, ConvergenceError, RmtSpikesError
from rmt_spikes.verdict import Verdict

BAD_INPUT = 2
INTERRUPTED = 130
TERMINATED = 143
CLOSED_PIPE = 141
INTERNAL_ERROR = 70
"""EX_SOFTWARE of sysexits.h; those before are 128 and the signal, and that of a usage error."""

MESSAGE_CHARACTERS = 1500
"""Twenty lines of a terminal."""


@contextmanager
def reporting(kept: Callable[[], str] = str) -> Iterator[None]:
    """Turn errors into a short message on stderr and an exit status; `kept` says what an interrupt leaves."""
    try:
        with stoppable(), warnings_in_short():
            yield
    except ConvergenceError as error:
        fail(str(error), Verdict.INCONCLUSIVE.exit_status)
    except RmtSpikesError as error:
        fail(str(error), BAD_INPUT)
    except MemoryError:
        fail("not enough memory: take a smaller n, d, width or fewer jobs", BAD_INPUT)
    except BrokenPipeError:
        # Whoever read the output has left: nothing more can be said, not even when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(CLOSED_PIPE) from None
    except OSError as error:
        fail(f"{error.filename or 'output'}: {error.strerror or error}", BAD_INPUT)
    except Terminated:
        fail(f"terminated. {kept()}".strip(), TERMINATED)
    except KeyboardInterrupt:
        fail(f"interrupted. {kept()}".strip(), INTERRUPTED)


@contextmanager
def warnings_in_short() -> Iterator[None]:
    """Print warnings of accuracy on stderr, one a line, without a place in the code; also before an error."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AccuracyWarning)
            yield
    finally:
        for warning in caught:
            typer.echo(f"rmt-spikes: warning: {warning.message}", err=True)


def fail(message: str, status: int) -> None:
    """Print a message on stderr and end with a status."""
    if len(message) > MESSAGE_CHARACTERS:
        message = message[:MESSAGE_CHARACTERS] + " ..."
    # Control characters of a hostile file must not reach the terminal.
    message = "".join(c if c.isprintable() or c == "\n" else "?" for c in message)
    typer.echo(f"rmt-spikes: {message}", err=True)
    raise typer.Exit(status)
