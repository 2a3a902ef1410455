"""The files of a report: JSON by its schema, Markdown, HTML that needs nothing else."""

import json
import re
from functools import reduce
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from operator import getitem
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_tools import strict
from small_case import HOSTILE, case

from rmt_spikes.theory import predict
from rmt_spikes.validation import Report
from rmt_spikes.validation.campaign.provenance import provenance
from rmt_spikes.validation.report.bars import bar
from rmt_spikes.validation.report.notation import (
    difference,
    fraction,
    label,
    markdown,
    measured,
    name,
    number,
    p_value,
    plain,
    share,
    show,
    to_error,
    typeset,
)
from rmt_spikes.validation.report.page import CLAIM_MEANINGS
from rmt_spikes.validation.verdicts.claims import Claim
from rmt_spikes.validation.verdicts.quantities import quantities

FILE = resources.files("rmt_spikes.validation") / "report.schema.json"
SCHEMA = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture
def document(small_report: tuple[Path, Report]) -> Any:
    return strict(small_report[1].json.read_text(encoding="utf-8"))


def violations(document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message[:100]}" for error in validator.iter_errors(document)]


def test_the_schema_is_a_schema_and_requires_every_field(document: Any) -> None:
    """A reader may rely on each key: the schema says so for all that it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$defs"]["claim"]["enum"] == list(Claim) == list(CLAIM_MEANINGS)
    for definition in SCHEMA["$defs"].values():
        if definition.get("type") == "object":
            assert definition["required"] == list(definition["properties"])
    del document["cases"][0]["points"][0]["rows"][0]["margin"]
    assert len(violations(document)) == 1


def test_reports_follow_the_schema(document: Any, hostile_report: tuple[Path, Report]) -> None:
    assert violations(document) == []
    assert violations(strict(hostile_report[1].json.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["verdict"], "perhaps"),
        (["cases", 0, "points", 0, "rows", 0, "se"], -1.0),
        (["cases", 0, "points", 0, "rows", 0, "unknown"], 1),
        (["cases", 0, "points", 0, "prediction", "schema"], "rmt-spikes/prediction/0"),
        (["cases", 0, "points"], []),
        (["written"], "2026-01-01"),
    ],
)
def test_the_schema_refuses(document: Any, path: list[Any], value: Any) -> None:
    *parents, key = path
    reduce(getitem, parents, document)[key] = value
    assert len(violations(document)) == 1


def test_the_summary_counts(document: Any) -> None:
    rows = [row for case in document["cases"] for point in case["points"] for row in point["rows"]]
    for verdict in ("agrees", "disagrees", "inconclusive"):
        assert document["summary"][verdict] == sum(row["verdict"] == verdict for row in rows)
    controls = document["cases"][0]["negative_controls"]
    assert document["summary"]["controls"] == len(controls) == 1
    assert document["summary"]["rejected"] == sum(control["rejected"] for control in controls)


def test_provenance_names_the_command() -> None:
    command = "rmt-spikes validate 'a b.toml' cases/c.toml --out DIR --quick"
    assert provenance(["/home/me/a b.toml", "cases/c.toml"], quick=True)["command"] == command
    assert provenance([], quick=False)["command"] == "rmt-spikes validate --out DIR"


class Page(HTMLParser):
    """Tags and text of a page, and its text inside each kind of tag."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.html"))


@pytest.fixture(scope="module")
def every_page(small_report: tuple[Path, Report], hostile_report: tuple[Path, Report]) -> list[Page]:
    return [Page(path) for folder, _ in (small_report, hostile_report) for path in pages(folder)]


def test_there_is_an_index_and_a_page_for_each_case(hostile_report: tuple[Path, Report]) -> None:
    folder, report = hostile_report
    names = [str(path.relative_to(folder)) for path in pages(folder)]
    assert names == ["cases/sizes.html", "cases/tiny.html", "report.html"]
    index = Page(report.html)
    links = [attributes["href"] for tag, attributes in index.tags if tag == "a"]
    assert {"cases/sizes.html", "cases/tiny.html"} <= set(links)
    for path in pages(folder):
        for link in (a["href"] for tag, a in Page(path).tags if tag == "a"):
            assert link is not None
            target, _, anchor = link.partition("#")
            other = (path.parent / target) if target else path
            assert other.is_file()
            assert not anchor or f'id="{anchor}"' in other.read_text(encoding="utf-8")


def test_pages_need_nothing_else(every_page: list[Page]) -> None:
    for page in every_page:
        for tag, attributes in page.tags:
            assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
            for key in ("src", "srcset"):
                assert (attributes.get(key) or "data:").startswith("data:")
            assert not any(key.startswith("on") for key in attributes)
        assert "url(" not in page.source
        assert "@import" not in page.source
        assert [tag for tag, _ in page.tags].count("script") == 1


def test_pages_say_what_is_what(every_page: list[Page]) -> None:
    for page in every_page:
        tags = [tag for tag, _ in page.tags]
        for tag in ("h1", "main", "header", "nav", "footer"):
            assert tags.count(tag) == 1, tag
        assert dict(page.tags)["html"] == {"lang": "en"}
        assert all(len(a["alt"] or "") > 60 for tag, a in page.tags if tag == "img")
        assert all(a.get("scope") in {"row", "col"} for tag, a in page.tags if tag == "th")
        assert tags.count("caption") == tags.count("table") == tags.count("thead")
        levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_what_came_out(small_report: tuple[Path, Report]) -> None:
    page = Page(small_report[1].html)
    assert "A tiny case <b>&" in page.text
    (row,) = small_report[1].cases[0].points[0].comparison.select("losses.test")
    assert to_error(row.predicted, row.se) in page.text
    assert difference(row.to_dict()) in page.text
    assert measured(row.to_dict()) in page.text
    results = ("All comparisons at a glance", "What disagrees", "The case", "Every comparison")
    shown = ("Figures", "Negative controls", "What was simulated", "Provenance")
    places = [page.source.index(f">{h}</h2>") for h in (*results, *shown)]
    assert places == sorted(places)


def test_dates_are_in_the_pages_only(small_report: tuple[Path, Report]) -> None:
    folder, report = small_report
    date = r"20\d\d-\d\d-\d\d \d\d:\d\d UTC"
    assert len(re.findall(date, report.html.read_text(encoding="utf-8"))) == 1
    for path in (report.json, report.markdown, *(folder / "figures").glob("*.svg")):
        assert not re.search(date, path.read_text(encoding="utf-8"))


def test_text_of_files_stays_text(hostile_report: tuple[Path, Report]) -> None:
    folder, _ = hostile_report
    for file in ("report.html", "cases/tiny.html"):
        page = Page(folder / file)
        assert re.sub(r"[\u202e\x07]", "\ufffd", HOSTILE) in page.text
        assert not re.search(r"[\u202e\x07]", page.source)
    for file in ("report.md", "cases/tiny.md"):
        text = (folder / file).read_text(encoding="utf-8")
        assert "<script" not in re.sub(r"\\.", "", text)
        assert "](javascript" not in re.sub(r"\\.", "", text)
        for line in text.splitlines():
            if line.startswith("|"):
                # A table has as many cells in each row as in its head, whatever a file puts there.
                cells = len(re.sub(r"\\.", "", line).split("|"))
                assert cells in {4, 8, 10, 11}, line


def test_markdown_shows_figures_that_are_there(
    small_report: tuple[Path, Report], hostile_report: tuple[Path, Report]
) -> None:
    for folder, report in (small_report, hostile_report):
        found = 0
        for path in folder.rglob("*.md"):
            for target in re.findall(r"(?<!\\)\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
                assert (path.parent / target).is_file()
                found += target.endswith(".svg")
        # Each is written as SVG and as PDF.
        assert found == len(report.figures) // 2 > 3


def test_numbers_of_a_table() -> None:
    assert number(None) == "\N{EN DASH}"
    assert number(0.123456) == "0.1235"
    assert number(-2.0, 2) == "\N{MINUS SIGN}2"
    assert number(123456.7) == "123457"
    assert number(1e-33) == "0"
    assert (fraction(0.5), fraction(2 / 3), fraction(1.0), fraction(0.37)) == ("1/2", "2/3", "1", "0.37")
    assert measured({"observed": 0.52812, "se": 0.004567}) == "0.5281 ± 0.0046"
    assert measured({"observed": 15.4668, "se": 0.17}) == "15.47 ± 0.17"
    assert measured({"observed": 0.0, "se": 0.0}) == "0"
    assert show({"hermite": [0.0, 1.0, 0.7071067811865476]}) == "hermite = [0, 1, 0.707107]"
    assert (show(True), show("relu"), show(3)) == ("true", "relu", "3")
    assert label({"step_exponent": 0.4, "n": 10}) == "step exponent 0.4, n 10"
    assert label({}) == "the only point"
    assert markdown("a|b\n<c> [d](e)") == r"a\|b \<c\> \[d\]\(e\)"


def test_numbers_have_the_digits_that_their_error_supports() -> None:
    assert to_error(0.123456, 0.0234) == "0.123"
    assert to_error(1234.5, 98.0) == "1234"
    assert to_error(-0.0001, 0.02) == "0.000"
    assert to_error(0.5, None) == "0.5"
    row = {"predicted": 2.0, "observed": 1.9, "se": 0.013, "scale": 2.0}
    assert difference(row) == "\N{MINUS SIGN}5.00 ± 0.65"
    assert difference({**row, "se": None}) == "\N{MINUS SIGN}5"
    assert share(0.05, row) == "2.5"
    assert difference({**row, "scale": 0.0}) == share(0.05, {**row, "scale": 0.0}) == "\N{EN DASH}"
    assert [p_value(p) for p in (None, 0.0, 9e-5, 1e-4, 0.034567, 1.0)] == [
        *("\N{EN DASH}", "< 1e-4", "< 1e-4", "0.0001", "0.035", "1")
    ]


def test_quantities_have_the_names_of_the_text() -> None:
    assert name("spikes[1].singular_value") == "spike 2"
    assert name("spikes[1].alignment[2]") == "spike 2: share of He₂(q)"
    assert name("spikes[1].*") == "spikes[1].*"


def test_every_quantity_has_a_name() -> None:
    """All that a case can compare: no path of the JSON document is left on the page."""
    point = case().points()[1]
    prediction = predict(point.setting)
    untrained = predict(point.setting.replace(step_size=0.0))
    paths = [q.path for claim in Claim for q in quantities(prediction, claim, 5, untrained, near_edge=True)]
    assert len(paths) > 40
    assert [path for path in paths if re.search(r"[_\[\]]|\.(?!\d)", name(path))] == []


def test_exponents_and_indices_are_set() -> None:
    assert typeset("q^2 + n^(1/4) at n^0.4") == "q<sup>2</sup> + n<sup>1/4</sup> at n<sup>0.4</sup>"
    assert typeset("He_2, c_{*,1}, β_*, c_1") == (
        "He<sub>2</sub>, c<sub>*,1</sub>, β<sub>*</sub>, c<sub>1</sub>"
    )
    assert typeset("n^(-1/2)") == "n<sup>\N{MINUS SIGN}1/2</sup>"
    assert typeset("step_exponent, a_b, x1_2y") == "step_exponent, a_b, x1_2y"
    assert typeset("<b>^2 & q^<i>") == "&lt;b&gt;<sup>2</sup> &amp; q^&lt;i&gt;"
    assert plain("q^2, He_2, n^(1/4), β_*") == "q², He₂, n^(1/4), β_*"


def test_a_bar_shows_difference_interval_and_margin() -> None:
    """Zero is in the middle, the margin at 40 pixels from it; what is farther is an arrow at the end."""
    row = {"predicted": 1.0, "observed": 1.5, "margin": 1.0, "allowance": 0.25, "interval": (0.25, 0.75)}
    svg = str(bar(row))
    assert '<rect class="margin" x="26.0" y="1.0" width="80.0"' in svg
    assert '<rect class="allowance" x="56.0" y="1.0" width="20.0"' in svg
    assert '<path class="interval" d="M76.0 9.0H96.0"/>' in svg
    assert '<circle class="mark" cx="86.0"' in svg
    far = str(bar({**row, "observed": 9.0, "interval": (7.0, 9.0)}))
    assert '<path class="mark" d="M122.0 4.0L128.0 9.0L122.0 14.0Z"/>' in far
    assert "circle" not in far
    assert "interval" not in str(bar({**row, "interval": None}))
