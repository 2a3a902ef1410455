"""Addresses of the server: the page, and what it asks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rmt_spikes import __version__
from rmt_spikes.arguments import choice, integer
from rmt_spikes.errors import DomainError
from rmt_spikes.explorer.answers import DEFAULT, FIGURES, PARTS, QUICK
from rmt_spikes.explorer.fields import checked_texts, controls, texts_of
from rmt_spikes.explorer.folder import save
from rmt_spikes.explorer.guard import Guard
from rmt_spikes.explorer.worker import PATIENCE, TOLD, RefusedError, Worker, WorkerError
from rmt_spikes.plot.profiles import MOST_SPIKES
from rmt_spikes.setting import Setting

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
BEAT = 0.5
"""Seconds between signs of life of a long answer: a browser that has left is noticed with the next one."""

QUICK_SECONDS, WHOLE_SECONDS, TRIAL_SECONDS = 20.0, 120.0, 3600.0
"""Longest times of an answer: hundreds of times the usual ones, and an hour for a trial."""

LARGEST_SEED = 2**53 - 1
"""What a number in JavaScript can hold."""

Answer = dict[str, Any]


class Explorer:
    """What the server knows: where it starts, its folder, and its three workers.

    A moving slider has a worker of its own, and so has a trial, which can be ended.

    Parameters
    ----------
    setting
        Setting that the page shows first.
    folder
        Where exports may be saved; None for nowhere.
    """

    def __init__(self, setting: Setting, folder: Path | None) -> None:
        self._texts = texts_of(setting)
        self._folder = folder
        self._quick = Worker(QUICK_SECONDS)
        self._whole = Worker(WHOLE_SECONDS, PATIENCE)
        self._trial = Worker(TRIAL_SECONDS, PATIENCE, threads=None)
        self._workers = (self._quick, self._whole, self._trial)

    def application(self, port: int, token: str) -> Guard:
        """Build the application of a server on a port, with a token."""
        pages = [
            Route("/" if name == "index.html" else f"/{name}", _file(content, kind))
            for name, (content, kind) in _files().items()
        ]
        asked: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "start": self._start,
            "preview": self._preview,
            "curve": self._curve,
            "refine": self._refine,
            "trial": self._run_trial,
            "figure": self._figure,
            "save": self._save,
        }
        answers = [Route(f"/{name}", _answering(each), methods=["POST"]) for name, each in asked.items()]
        app = Starlette(routes=[*pages, *answers], lifespan=self._lifespan)
        return Guard(app, port, token)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        # Both load the package while the browser opens the page.
        warm = [
            asyncio.create_task(each.answer("part", self._texts, "losses", method))
            for each, method in ((self._quick, QUICK), (self._whole, DEFAULT))
        ]
        try:
            yield
        finally:
            for worker in self._workers:
                worker.end()
            for task in warm:
                with suppress(RefusedError, WorkerError, asyncio.CancelledError):
                    await task

    async def _start(self, _: Request) -> Response:
        folder = None if self._folder is None else str(self._folder)
        start = {"version": __version__, "controls": controls(), "texts": self._texts, "folder": folder}
        return JSONResponse(start)

    async def _preview(self, request: Request) -> Response:
        asked = await _read(request)
        texts, spike, seed = asked.texts(), asked.spike(), asked.seed()
        return JSONResponse(await self._quick.answer("preview", texts, spike, seed))

    async def _curve(self, request: Request) -> Response:
        texts = (await _read(request)).texts()
        # It takes several times as long as a preview, which must not wait for it.
        return JSONResponse(await self._whole.answer("part", texts, "curve", QUICK))

    async def _refine(self, request: Request) -> Response:
        texts = (await _read(request)).texts()

        async def parts() -> AsyncIterator[Answer]:
            for name in PARTS:
                try:
                    yield await self._whole.answer("part", texts, name, DEFAULT)
                except (RefusedError, WorkerError) as error:
                    yield {"part": name, **_described(error)}

        return _streamed(parts())

    async def _run_trial(self, request: Request) -> Response:
        asked = await _read(request)
        texts, seed = asked.texts(), asked.seed() or 0

        async def messages() -> AsyncIterator[Answer]:
            try:
                async for kind, content in self._trial.follow("trial", texts, seed):
                    yield {"progress" if kind == TOLD else "trial": content}
            except (RefusedError, WorkerError) as error:
                yield _described(error)

        return _streamed(messages())

    async def _figure(self, request: Request) -> Response:
        return JSONResponse(await self._drawn(await _read(request)))

    async def _drawn(self, asked: Asked, name: str | None = None) -> Answer:
        seed = asked.seed()
        worker = self._whole if seed is None else self._trial
        return await worker.answer("figure", asked.texts(), name or asked.figure(), asked.spike(), seed)

    async def _save(self, request: Request) -> Response:
        """Write the setting, the lines and the figures of the page to the folder of the server."""
        if self._folder is None:
            raise DomainError("folder", "must be given to the command with --folder", "nothing")
        asked = await _read(request)
        forms = await self._quick.answer("preview", asked.texts(), asked.spike(), asked.seed())
        contents = {"setting.toml": forms["toml"], "figures.py": forms["python"]}
        missing = {}
        for name in FIGURES:
            try:
                contents[f"{name}.svg"] = (await self._drawn(asked, name))["svg"]
            except RefusedError as error:  # such as the feature of a setting without spikes
                missing[f"{name}.svg"] = f"{error.field} {error.reason}".strip()
        written = await asyncio.to_thread(save, self._folder, contents)
        return JSONResponse({"saved": str(written), "files": list(contents), "missing": missing})


class Asked:
    """What a page asks for, each part checked when it is used."""

    def __init__(self, document: Any) -> None:
        if not isinstance(document, dict):
            raise DomainError("request", "must be a table", document)
        self._document = document

    def texts(self) -> dict[str, str]:
        """Texts of the fields."""
        return checked_texts(self._document.get("texts"))

    def spike(self) -> int:
        """Number of the spike whose feature is shown."""
        return integer("spike", self._document.get("spike", 1), 1, MOST_SPIKES)

    def seed(self) -> int | None:
        """Seed of the trial, if one is shown."""
        given = self._document.get("seed")
        return None if given is None else integer("seed", given, 0, LARGEST_SEED)

    def figure(self) -> str:
        """Name of a figure."""
        return choice("figure", self._document.get("figure"), FIGURES)


async def _read(request: Request) -> Asked:
    try:
        return Asked(json.loads(await request.body()))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DomainError):
            raise
        raise DomainError("request", "must be JSON", str(error)) from None


def _described(error: Exception) -> Answer:
    """An error as the page shows it: beside a field, or by itself."""
    if isinstance(error, DomainError):
        error = RefusedError(error.field, error.reason)
    if isinstance(error, RefusedError):
        return {"field": error.field, "error": error.reason}
    return {"field": "", "error": str(error)}


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn errors of what is asked into answers."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except (DomainError, RefusedError) as error:
            return JSONResponse(_described(error), status_code=422)
        except (OSError, WorkerError) as error:
            return JSONResponse(_described(error), status_code=503)

    return endpoint


def _streamed(answers: AsyncIterator[Answer]) -> StreamingResponse:
    """Answers one a line, with empty lines where they take long."""

    async def lines() -> AsyncIterator[bytes]:
        waiting: asyncio.Future[Answer] | None = None
        try:
            while True:
                waiting = asyncio.ensure_future(anext(answers))
                while not (await asyncio.wait([waiting], timeout=BEAT))[0]:
                    yield b"\n"
                try:
                    yield json.dumps(waiting.result()).encode() + b"\n"
                except StopAsyncIteration:
                    return
        finally:
            if waiting is not None and not waiting.done():
                waiting.cancel()

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _files() -> dict[str, tuple[bytes, str]]:
    """Files of the page, read once, by name: nothing else is ever sent."""
    found = {}
    for each in resources.files("rmt_spikes.explorer").joinpath("static").iterdir():
        if (kind := KINDS.get(Path(each.name).suffix)) is not None:
            found[each.name] = each.read_bytes(), kind
    return found


def _file(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return Response(content, media_type=kind)

    return send
