"""Sphinx extension: a build fails when a page or a style sheet would load anything from the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Attributes by which a browser loads something by itself. A link that a reader follows (`a href`) is not one.
LOADING = {"src", "srcset", "data", "poster", "background"}
# Relations of a `link` to another page, which is not loaded.
POINTERS = {"canonical", "index", "next", "prev", "search"}
REMOTE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
CSS_URL = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", re.IGNORECASE)


class _Loads(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        values = {name: value or "" for name, value in attrs}
        loaded = tag == "link" and not POINTERS & set(values.get("rel", "").split())
        for name, value in values.items():
            if name == "srcset":
                self.found += [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]
            elif name in LOADING or (name.endswith("href") and (tag in {"image", "use"} or loaded)):
                self.found.append(value)
        self.found += css_urls(values.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += css_urls(data)


def css_urls(css: str) -> list[str]:
    """What a style sheet loads."""
    return [url or imported for url, imported in CSS_URL.findall(css)]


def remote_loads(text: str, kind: str) -> list[str]:
    """Addresses on the network that a page (`kind` ``".html"``) or a style sheet (``".css"``) loads."""
    if kind == ".css":
        found = css_urls(text)
    else:
        parser = _Loads()
        parser.feed(text)
        found = parser.found
    return [url for url in found if REMOTE.match(url.strip())]


def _check(app: Sphinx, exception: Exception | None) -> None:
    from sphinx.errors import ExtensionError

    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    violations = [
        f"{path.relative_to(out)}: {url}"
        for path in sorted(out.rglob("*"))
        if path.suffix in {".html", ".css"}
        for url in remote_loads(path.read_text(encoding="utf-8"), path.suffix)
    ]
    if violations:
        raise ExtensionError(
            "pages must be readable offline, these load from the network: " + "; ".join(violations)
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
