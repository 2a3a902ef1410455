"""A headless Chromium, spoken to in its own protocol through a pipe: what a page looks like to a reader.

https://chromedevtools.github.io/devtools-protocol/ ; messages are JSON, each ended by a zero byte.
"""

import base64
import io
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib.image
import numpy as np
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-renderer-backgrounding",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find() -> str:
    """Path of the browser; without one the test is skipped, but not where it must run."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = f"no Chromium: none of {', '.join(NAMES)} is installed (Debian: apt-get install chromium)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Pipes:
    """Messages to the browser and from it; all tabs share them."""

    def __init__(self, send: int, receive: BinaryIO) -> None:
        self._send, self._receive = send, receive
        self._pending = b""
        self.numbers = itertools.count(1)

    def write(self, message: dict[str, Any]) -> None:
        os.write(self._send, json.dumps(message).encode() + b"\0")

    def read(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            piece = os.read(self._receive.fileno(), 1 << 16)
            assert piece, "the browser has gone"
            self._pending += piece
        message, _, self._pending = self._pending.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


class Browser:
    """One tab."""

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes
        self._session: str | None = None
        self._target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Accessibility", "Network"):
            self._call(f"{domain}.enable")
        self.requests: list[str] = []

    def _read(self) -> dict[str, Any]:
        found = self._pipes.read()
        if found.get("method") == "Network.requestWillBeSent" and found.get("sessionId") == self._session:
            self.requests.append(found["params"]["request"]["url"])
        return found

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._pipes.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._pipes.write(message)
        while (answer := self._read()).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path | str, width: int = 1200, theme: str = "light") -> None:
        """Load a file or an address in a window of a width, for a reader who prefers light or dark."""
        window = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **window)
        self.prefer(theme)
        # An address that differs after the number sign alone would not be loaded again.
        self._navigate("about:blank")
        self.requests = []
        self._navigate(page if isinstance(page, str) else page.absolute().as_uri())
        self.run("Promise.all([...document.images].map(each => each.decode()))")

    def _navigate(self, url: str) -> None:
        self._call("Page.navigate", url=url)
        self._loaded()

    def _loaded(self) -> None:
        while True:
            found = self._read()
            if found.get("method") == "Page.loadEventFired" and found.get("sessionId") == self._session:
                return

    def prefer(self, theme: str, media: str = "") -> None:
        """Take the part of a reader who prefers light or dark; `media` is "print" for one with paper."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, expression: str) -> Any:
        """Value of a JavaScript expression, awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        event = {"key": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13, "ArrowRight": 39}[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **event)

    def write(self, text: str) -> None:
        """Type a text over what the element with the focus holds."""
        self.run("document.activeElement.select()")
        self._call("Input.insertText", text=text)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Press, move or release the mouse: "mousePressed", "mouseMoved", "mouseReleased"."""
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, scrolled into sight."""
        x, y = self.middle(selector)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Middle of an element in the window, scrolled into sight."""
        x, y = self.run(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.left + r.width / 2, r.top + r.height / 2]; }})(document.querySelector({selector!r}))"
        )
        return x, y

    def wait(self, expression: str, seconds: float = 60.0) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(expression)):
            assert time.monotonic() < end, f"not within {seconds} s: {expression}"
            time.sleep(0.05)
        return value

    def reload(self) -> None:
        """Load the page again."""
        self._call("Page.reload")
        self._loaded()

    @contextmanager
    def tab(self) -> "Iterator[Browser]":
        """Another tab of the same browser, before this one until it is closed."""
        other = Browser(self._pipes)
        try:
            yield other
        finally:
            other._call("Page.close")
            self._call("Page.bringToFront")

    def screenshot(self, *, whole: bool = False) -> np.ndarray:
        """Picture of the window, or of the whole page, as an array of bytes (height, width, channel)."""
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        picture = matplotlib.image.imread(io.BytesIO(base64.b64decode(answer["data"])), format="png")
        return np.asarray(np.rint(picture[..., :3] * 255), dtype=np.uint8)

    def pdf(self) -> bytes:
        """The page as printed on A4."""
        answer = self._call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(answer["data"])

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that a screen reader is told."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], str(node.get("name", {}).get("value", "")))
            for node in nodes
            if not node["ignored"]
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it."""
    program = find()
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads from descriptor 3 and writes to 4.
        command = 'exec "$0" "$@" 3<&"$READ_END" 4>&"$WRITE_END"'
        process = subprocess.Popen(
            ["bash", "-c", command, program, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(read_in, write_out),
            env={**os.environ, "READ_END": str(read_in), "WRITE_END": str(write_out)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_in)
        os.close(write_out)
        try:
            with os.fdopen(read_out, "rb") as receive:
                yield Browser(Pipes(write_in, receive))
        finally:
            os.close(write_in)
            process.kill()
            process.wait()
