"""Pages of a report as a reader sees them: in headless Chromium, in two widths, light, dark and printed."""

import re
from collections.abc import Iterator
from importlib import resources
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, browser
from small_case import CASE, PLAIN
from usual import only

from rmt_spikes.validation import Case, Report, validate

WIDTHS = (1200, 390)
THEMES = ("light", "dark")
VIEWS = only([(1200, "light"), (390, "dark")], product(WIDTHS, THEMES))
LEAST_CONTRAST = 4.5
"""Of text and its background, as WCAG 2.2 asks for at level AA."""

# Lowest contrast of all visible text, with the text it belongs to.
CONTRAST = """
(() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let worst = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || e.tagName === "SCRIPT" || !e.getClientRects().length) continue;
    const [a, b] = [luminance(channels(getComputedStyle(e).color)), luminance(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, text.slice(0, 60)];
  }
  return worst;
})()
"""
SHOWN = "[...document.images].filter(e => e.getClientRects().length)"
FIGURES = f"""
{SHOWN}.map(e => {{
  const r = e.getBoundingClientRect();
  return [r.left + scrollX, r.top + scrollY, r.width, r.height, e.naturalWidth];
}})
"""
# Tables that are wider than the page.
CUT = """
[...document.querySelectorAll("table")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.caption.innerText)
"""
SKIP = "document.querySelector('.skip').getBoundingClientRect()"
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def pages(small_report: tuple[Path, Report], hostile_report: tuple[Path, Report]) -> list[Path]:
    return [small_report[1].html, *sorted(hostile_report[0].rglob("*.html"))]


def faults(chromium: Browser, page: Path, width: int, theme: str) -> list[str]:
    """What is wrong with a page as it is shown."""
    chromium.open(page, width, theme=theme)
    found = []
    if (overflow := chromium.run(OVERFLOW)) > 0:
        found.append(f"wider than the window by {overflow} pixels")
    ratio, text = chromium.run(CONTRAST)
    if ratio < LEAST_CONTRAST:
        found.append(f"contrast of {ratio:.2f}: {text}")
    picture = chromium.screenshot(whole=True)
    background = picture[-1, -1].mean()
    if (background < 60) != (theme == "dark"):
        found.append(f"background of {background:.0f} in a {theme} page")
    found += bad_figures(chromium, picture, 0.7 * min(width, 800))
    elsewhere = [url for url in chromium.requests if not url.startswith(("data:", page.absolute().as_uri()))]
    found += [f"asks for {url}" for url in elsewhere]
    return found


def bad_figures(chromium: Browser, picture: np.ndarray, least: float) -> list[str]:
    """Figures that are missing, too small, or without contrast to the page that they are on."""
    found = []
    shown = chromium.run(FIGURES)
    if len(shown) != chromium.run("document.querySelectorAll('figure').length"):
        found.append("figure missing")
    for left, top, wide, high, natural in shown:
        inside = picture[int(top) : int(top + high), int(left) : int(left + wide)]
        # Axes and text differ from the page by as much as ink can; curves and bars alone do not.
        ink = float(np.ptp(inside.mean(axis=2))) if inside.size else 0.0
        if natural == 0 or wide < least or high < 90 or ink < 180:
            found.append(f"figure of {wide:.0f} x {high:.0f} pixels with contrasts up to {ink:.0f}")
    return found


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_pages_look_right(chromium: Browser, pages: list[Path], width: int, theme: str) -> None:
    for page in pages:
        assert faults(chromium, page, width, theme) == [], page


def test_a_figure_has_its_own_file_for_each_reader(
    chromium: Browser, small_report: tuple[Path, Report]
) -> None:
    shown = set()
    for width, theme in product(WIDTHS, THEMES):
        chromium.open(small_report[1].html, width, theme=theme)
        shown.add(tuple(chromium.run(f"{SHOWN}.map(e => e.src)")))
    assert len(shown) == 4


AXE = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """
axe.run().then(r => r.violations.map(v => v.id + ": " + v.nodes[0].html.slice(0, 80)))
"""


def violations(chromium: Browser, page: Path, width: int, theme: str) -> list[str]:
    """What axe-core finds, with all that is folded open."""
    chromium.open(page, width, theme=theme)
    chromium.run("document.querySelectorAll('details').forEach(e => e.open = true)")
    chromium.run(f"{AXE}; 0")
    found: list[str] = chromium.run(VIOLATIONS)
    return found


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_axe_finds_nothing(chromium: Browser, pages: list[Path], width: int, theme: str) -> None:
    for page in pages:
        assert violations(chromium, page, width, theme) == [], page


def test_axe_sees_a_bad_page(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(BAD.replace('alt=""', "").replace(' lang="en"', "") + "<p>pale</p>", encoding="utf-8")
    found = {each.partition(":")[0] for each in violations(chromium, page, 1200, "light")}
    assert {"color-contrast", "html-has-lang", "image-alt"} <= found


# For each table with verdicts that can be seen: where its verdicts are, however far it is scrolled.
VERDICTS = """
[...document.querySelectorAll("table")]
  .filter(t => t.querySelector("td.verdict") && t.getClientRects().length)
  .flatMap(t => [0, 60, 1e5].map(x => {
    t.parentElement.scrollLeft = x;
    const r = t.querySelector("td.verdict").getBoundingClientRect();
    return [r.left, r.right, r.width];
  }))
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_verdicts_stay_in_sight(chromium: Browser, pages: list[Path], width: int) -> None:
    seen = 0
    for page in pages:
        chromium.open(page, width)
        chromium.run("document.querySelectorAll('details').forEach(e => e.open = true)")
        for left, right, wide in chromium.run(VERDICTS):
            seen += 1
            assert 0 <= left < right <= width + 1
            # At least half of a narrow screen is left for the numbers.
            assert wide < 0.5 * width
    assert seen > 20
    style = "document.head.appendChild(document.createElement('style'))"
    chromium.run(f"{style}.textContent = '.verdict {{ position: static }}'")
    if width == min(WIDTHS):
        assert any(right > width + 1 for _, right, _ in chromium.run(VERDICTS))


ROWS = "[...document.querySelectorAll('section[aria-labelledby=comparisons] tbody tr')]"
VISIBLE = "filter(e => e.getClientRects().length)"


def test_tables_show_only_what_does_not_agree(chromium: Browser, small_report: tuple[Path, Report]) -> None:
    """Rows that agree are hidden, points where all agree as well; all of them are printed."""
    rows = [row for point in small_report[1].cases[0].points for row in point.comparison.rows]
    open_rows = sum(row.verdict != "agrees" for row in rows)
    assert 0 < open_rows < len(rows)
    chromium.open(small_report[1].html)
    chromium.run("document.querySelectorAll('details').forEach(e => e.open = true)")
    points = chromium.run(f"{ROWS}.{VISIBLE}.length") - len(rows)
    assert chromium.run("document.querySelector('.filter').getClientRects().length") == 1
    chromium.run("document.getElementById('filter').click()")
    assert chromium.run(f"{ROWS}.{VISIBLE}.every(e => e.className === 'unsettled')")
    assert 0 <= chromium.run(f"{ROWS}.{VISIBLE}.length") - open_rows <= points
    chromium.pdf()
    assert chromium.run(f"{ROWS}.{VISIBLE}.length") == len(rows) + points


def test_an_empty_table_says_that_everything_agrees(chromium: Browser, tmp_path: Path) -> None:
    tolerant = {"coefficient": 0.9, "exponent": 0.0, "margin": 0.9, "reason": "agrees whatever it is"}
    good = {**CASE, **PLAIN, "claims": ["losses"], "tolerances": {"losses": tolerant}, "trials": 12}
    report = validate(Case(**good), out=tmp_path)
    assert report.verdict == "agrees"
    chromium.open(report.html)
    none = "document.getElementById('none').getClientRects().length"
    assert chromium.run(none) == 0
    chromium.run("document.getElementById('filter').click()")
    assert chromium.run(none) == 1
    assert chromium.run(f"{ROWS}.{VISIBLE}.length") == 0


BAD = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>t</title>
<style>body { background: #fff; color: #999; } div { width: 2000px; }</style>
<div>pale</div><figure></figure>
<img alt="" src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E">
"""


def test_a_bad_page_is_seen(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(BAD, encoding="utf-8")
    found = faults(chromium, page, 390, "dark")
    kinds = [each.split(" of ")[0].split(" by ")[0] for each in found]
    assert kinds == ["wider than the window", "contrast", "background", "figure"]


def test_text_of_files_does_nothing(chromium: Browser, hostile_report: tuple[Path, Report]) -> None:
    for page in hostile_report[0].rglob("*.html"):
        chromium.open(page)
        assert chromium.run("typeof window.broken") == "undefined"
        assert chromium.run("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
        assert chromium.run("document.querySelectorAll('a[href^=\"javascript\"]').length") == 0
        # The policy of the page would stop a script even if one were let in.
        chromium.run("document.body.appendChild(document.createElement('script')).text = 'window.broken = 3'")
        assert chromium.run("typeof window.broken") == "undefined"


def test_pages_can_be_used_with_the_keyboard(chromium: Browser, small_report: tuple[Path, Report]) -> None:
    chromium.open(small_report[1].html)
    focus = "[document.activeElement.className || document.activeElement.tagName, document.activeElement.id]"
    chromium.press("Tab")
    assert chromium.run(focus) == ["skip", ""]
    left, top, wide = chromium.run(f"(({{left, top, width}}) => [left, top, width])({SKIP})")
    assert min(left, top) >= 0
    assert wide > 50
    chromium.press("Enter")
    assert chromium.run(focus) == ["MAIN", "main"]
    reached = {}
    for _ in range(12):
        chromium.press("Tab")
        outline = chromium.run("getComputedStyle(document.activeElement).outlineStyle")
        reached[chromium.run(focus)[0]] = outline
    reached.pop("BODY", None)
    # Scrolled regions and folded tables are reached, and each shows that it has the focus.
    assert {"scroll", "SUMMARY"} <= reached.keys()
    assert set(reached.values()) == {"solid"}
    chromium.run("document.querySelector('summary').focus()")
    before = chromium.run("document.querySelector('details').open")
    chromium.press("Enter")
    assert chromium.run("document.querySelector('details').open") is not before


def test_pages_can_be_heard(chromium: Browser, pages: list[Path]) -> None:
    for page in pages:
        chromium.open(page)
        chromium.run("document.querySelectorAll('details').forEach(e => e.open = true)")
        told = chromium.accessible()
        roles = [role for role, _ in told]
        for landmark in ("banner", "navigation", "main", "contentinfo"):
            assert roles.count(landmark) == 1, landmark
        unnamed = {"image", "img", "table", "region", "link", "heading", "navigation"}
        assert [role for role, name in told if role in unnamed and not name.strip()] == []
        assert {"columnheader", "rowheader", "cell"} <= set(roles)
        # A verdict is a word, not a colour or a sign.
        assert not any(name in {"✓", "✗", "?"} for _, name in told)


def test_pages_can_be_printed(chromium: Browser, pages: list[Path]) -> None:
    for page in pages:
        # A4 at 96 pixels an inch, less the margins that the browser takes.
        chromium.open(page, 718, theme="dark")
        printed = chromium.pdf()
        assert printed.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 1
        # What was folded is on paper, whole, and in the colours of paper.
        assert chromium.run("[...document.querySelectorAll('details')].every(e => e.open)")
        chromium.prefer("dark", media="print")
        assert chromium.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        picture = chromium.screenshot(whole=True)
        assert picture.mean() > 200
        assert bad_figures(chromium, picture, 400) == []
        assert chromium.run(CONTRAST)[0] >= LEAST_CONTRAST
        assert chromium.run(CUT) == []
