"""Running the server of the page on this machine, until it is interrupted."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import uvicorn

from rmt_spikes.console.interruption import Terminated
from rmt_spikes.errors import DomainError
from rmt_spikes.explorer.application import Explorer
from rmt_spikes.explorer.fields import texts_of
from rmt_spikes.setting import Setting

ADDRESS = "127.0.0.1"
"""The machine itself: nothing else in the network reaches it."""

TOKEN_BYTES = 32
"""Of the token: it cannot be guessed."""

GRACE = 1
"""Seconds that running answers have when the server ends."""

START = {
    "n": 900,
    "d": 450,
    "width": 600,
    "activation": "relu",
    "target": {"hermite": [0, 1, 0.7]},
    "ridge": 0.01,
    "step_exponent": 0.4,
}
"""Setting of a page that was given none: two spikes, and the second feature is no monomial."""


def serve(setting: Setting | None, *, port: int, folder: Path | None, ready: Callable[[str], object]) -> None:
    """Serve the page until an interrupt.

    Parameters
    ----------
    setting
        Setting that the page shows first; `START` when None.
    port
        Port on 127.0.0.1; 0 for one that is free.
    folder
        Folder that exports may be written to; None for none.
    ready
        Called with the address once it answers.

    Raises
    ------
    DomainError
        If the port is taken, or the folder does not exist.
    """
    if folder is not None and not folder.is_dir():
        raise DomainError("--folder", "must be a folder that exists", str(folder))
    listening = _listen(port)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(TOKEN_BYTES)
    first = Setting(**START) if setting is None else setting
    explorer = Explorer(first, folder and folder.resolve())
    # After the number sign: a browser sends this part of an address to nobody.
    address = f"http://{ADDRESS}:{port}/#{urlencode({'token': token, **texts_of(first)})}"
    config = uvicorn.Config(
        explorer.application(port, token),
        log_level="error",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config, lambda: ready(address))
    try:
        server.run(sockets=[listening])
    except Terminated:
        raise
    except KeyboardInterrupt:
        # The ordinary end.
        return
    finally:
        listening.close()


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio sends small answers at once: without it each waits 40 ms for company.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.bind((ADDRESS, port))
    except OSError as error:
        listening.close()
        raise DomainError("--port", f"must be free ({error.strerror})", port) from None
    return listening
