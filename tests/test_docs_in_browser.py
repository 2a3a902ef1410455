"""Style and script of the documentation, on a page made for that: `make docs` builds the real ones."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from browser import Browser, browser

STATIC = Path(__file__).resolve().parents[1] / "docs" / "_static"
HEADS = ("regime", "what is off", "by how much", "how to notice")
PAGE = """<!doctype html><html lang="en"><head><title>Page</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="{static}/pages.css">{script}
<style>.table-wrapper {{ overflow-x: auto; }} body {{ margin: 0; }}</style></head><body>
<aside class="sidebar-drawer"><p class="caption" role="heading">Theory</p></aside><main><article><h1>Page</h1>
<div class="table-wrapper"><table class="docutils"><thead><tr>{heads}</tr></thead>
<tbody><tr>{cells}</tr></tbody></table></div>
<div class="highlight-python"><div class="highlight"><pre>{code}</pre></div></div>
</article></main></body></html>"""
AXE = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
# Right end of what a reader reaches only by scrolling sideways.
RIGHT = """
Math.max(...[...document.querySelectorAll("td, pre")].map(
  e => e.getBoundingClientRect().left + Math.max(e.scrollWidth, e.getBoundingClientRect().width)))
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def page(folder: Path, script: str) -> Path:
    path = folder / "page.html"
    cells = "".join(f"<td><p>{'words ' * 6}{name.replace(' ', '_') * 3}</p></td>" for name in HEADS)
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    code = "setting.replace(" + ", ".join(f"key_{k}={k}" for k in range(20)) + ")"
    text = PAGE.format(static=STATIC.as_uri(), script=script, heads=heads, cells=cells, code=code)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_is_cut_on_a_phone(chromium: Browser, tmp_path: Path) -> None:
    """A wide table becomes cards, code wraps; without the script the table is cut."""
    script = f'<script src="{STATIC.as_uri()}/pages.js"></script>'
    chromium.open(page(tmp_path, script), 390)
    assert chromium.run(RIGHT) <= 390
    before = "[...document.querySelectorAll('td')].map(e => getComputedStyle(e, '::before').content)"
    assert chromium.run(before) == [f'"{head}: "' for head in HEADS]
    chromium.open(tmp_path / "page.html", 1200)
    assert chromium.run(before) == ["none"] * len(HEADS)
    chromium.open(page(tmp_path, ""), 390)
    assert chromium.run(RIGHT) > 390


def test_the_script_mends_what_axe_finds(chromium: Browser, tmp_path: Path) -> None:
    violations = "axe.run().then(r => r.violations.map(v => v.id))"
    found = []
    for script in (f'<script src="{STATIC.as_uri()}/pages.js"></script>', ""):
        chromium.open(page(tmp_path, script), 390)
        chromium.run(f"{AXE}; 0")
        found.append(chromium.run(violations))
    assert "aria-required-attr" in found[1]
    assert "aria-required-attr" not in found[0]
