"""Requests to an ASGI application without a server, and workers without processes: cheap, and as strict."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from rmt_spikes.explorer.answers import TASKS
from rmt_spikes.explorer.worker import ANSWERED, REFUSED, TOLD, RefusedError, answered

PORT, TOKEN = 4321, "the-token-of-this-run"
GOOD = {
    "host": f"127.0.0.1:{PORT}",
    "origin": f"http://127.0.0.1:{PORT}",
    "sec-fetch-site": "same-origin",
    "authorization": f"Bearer {TOKEN}",
}


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.split(b"\n") if line]


def request(app: Any, method: str, path: str, headers: Any, body: bytes = b"") -> Response:
    """Answer of an application to one request; with its length, unless a header says another."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if not any(name == "content-length" for name, _ in pairs):
        pairs.append(("content-length", str(len(body))))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
        "client": ("127.0.0.1", 9),
        "server": ("127.0.0.1", PORT),
    }
    messages: list[Any] = []

    async def run() -> None:
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            messages.append(message)

        await app(scope, receive, send)

    asyncio.run(run())
    first, *rest = messages
    sent = {name.decode(): value.decode() for name, value in first["headers"]}
    return Response(first["status"], sent, b"".join(each.get("body", b"") for each in rest))


class HereWorker:
    """Does in this process what a worker does in its own."""

    def __init__(self, seconds: float, nice: int = 0, threads: int | None = 1) -> None:
        pass

    async def answer(self, task: str, *arguments: Any) -> dict[str, Any]:
        kind, content = answered(lambda: TASKS[task](*arguments))
        if kind == REFUSED:
            raise RefusedError(*content)
        assert kind == ANSWERED, content
        return content

    async def follow(self, task: str, *arguments: Any) -> AsyncIterator[Any]:
        told: list[Any] = []
        content = await self.answer(task, *arguments, told.append)
        for each in told:
            yield TOLD, each
        yield ANSWERED, content

    def end(self) -> None:
        pass
