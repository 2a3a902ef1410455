"""Who may ask: the page itself, in a browser on this machine, with the token of this run."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

from starlette.responses import PlainTextResponse

MOST_BYTES = 1 << 16
"""Of the body of a request: the texts of a page take some hundred."""

HEADERS = {
    # Nothing from elsewhere is loaded or sent, and no other page shows this one in a frame.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer."""

OPEN = ("GET", "HEAD")
"""Methods that need no token: they give the empty page, which has nothing to hide."""


class Guard:
    """ASGI application before another one: it refuses whatever is not from the page of this server.

    Parameters
    ----------
    app
        Application that answers what is let through.
    port
        Port of the server on 127.0.0.1.
    token
        Secret of this run, in the header ``Authorization: Bearer ...`` of whatever is not a plain ``GET``.

    Notes
    -----
    A page from elsewhere whose name has been made to mean 127.0.0.1 (DNS rebinding) sends its own name as
    ``Host``; one that sends requests across sends its own ``Origin``; neither knows the token.
    """

    def __init__(self, app: Any, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._secret = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
                ]
            await send(message)

        refused = self._refusal(scope["method"], list(scope["headers"]))
        app = self._app if refused is None else PlainTextResponse(*refused)
        await app(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, int] | None:
        """Text and status of a refusal; None for what is let through."""
        given: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            given.setdefault(name.lower(), []).append(value)
        hosts = [each.decode("latin-1") for each in given.get(b"host", [])]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "This server answers to 127.0.0.1 only.\n", 403
        origins = {each.decode("latin-1") for each in given.get(b"origin", [])}
        sites = set(given.get(b"sec-fetch-site", []))
        if not origins <= self._origins:
            return "This server answers to its own page only.\n", 403
        if method in OPEN:
            return None
        if not sites <= {b"same-origin"}:
            return "This server answers to its own page only.\n", 403
        if not hmac.compare_digest(b"".join(given.get(b"authorization", [])), self._secret):
            return "The token is wrong: open the address that the command printed.\n", 403
        length = b"".join(given.get(b"content-length", []))
        if not length.isdigit() or int(length) > MOST_BYTES:
            return "The request must have a known length of at most 64 kB.\n", 413
        return None
