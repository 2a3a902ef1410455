"""The words of a report, walked from its rows up: what a word says and what is below it must be the same."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any

AGREES = re.compile("agrees(?: with ([0-9]+) known exceptions?)?")
FATES = {True: "rejected", False: "not rejected"}
EXIT_STATUS = {"agrees": 0, "disagrees": 1, "inconclusive": 3}

Below = tuple[str, str | None]
"""Word of a row, and the known exception that it belongs to."""


def expected(below: Sequence[Below]) -> str:
    """Word of a whole with these rows below it."""
    open_words = {word for word, exception in below if exception is None}
    if "disagrees" in open_words:
        return "disagrees"
    if not below or open_words - {"agrees"}:
        return "inconclusive"
    known = len({exception for _, exception in below if exception is not None})
    return f"agrees with {known} known exception{'s' * (known > 1)}" if known else "agrees"


def rows(point: Mapping[str, Any]) -> list[Below]:
    return [(row["verdict"], row["exception"]) for row in point["rows"]]


def contradictions(document: Mapping[str, Any]) -> list[str]:
    """Places of a report's JSON document where a word is not that of the rows below it."""
    found, together = [], []

    def check(place: str, said: str, below: Sequence[Below]) -> None:
        if said != expected(below):
            found.append(f"{place} says {said!r} above rows that say {expected(below)!r}")

    for case in document["cases"]:
        own: list[Below] = []
        for i, point in enumerate(case["points"]):
            check(f"{case['name']}, point {i}", point["verdict"], rows(point))
            own += [(word, why and f"{case['name']}: {why}") for word, why in rows(point)]
            own += [] if point["rows"] else [("inconclusive", None)]
        scaling = case["scaling"] or {"rates": [], "limits": []}
        fits = [(fit["verdict"], None) for fit in (*scaling["rates"], *scaling["limits"])]
        if fits:
            check(f"{case['name']}, fits", scaling["verdict"], fits)
        idle = [("inconclusive", None) for each in case["negative_controls"] if not each["rejected"]]
        own += [*fits, *idle]
        check(case["name"], case["verdict"], own)
        together += own
        told = [row for point in case["points"] for row in point["rows"]]
        for word in EXIT_STATUS:
            if case["summary"][word] != sum(row["verdict"] == word for row in told):
                found.append(f"{case['name']} counts {case['summary'][word]} rows that say {word!r}")
        if case["verdict"] == "inconclusive" and not case["undecided"]:
            found.append(f"{case['name']} is inconclusive, and does not say what would tell")
        for theory in case["own_theories"]:
            below = [row for point in theory["points"] for row in rows(point)]
            below += [("inconclusive", None) for point in theory["points"] if not point["rows"]]
            check(f"{case['name']}, theory {theory['name']}", theory["verdict"], below)
        found += misplaced_exceptions(case, told, document["exceptions"])
    check("the report", document["verdict"], together)
    for claim in document["paper"]:
        if claim["verdict"] == "agrees" and claim["rejected"]:
            found.append(f"{claim['statement']!r} agrees, and is rejected {claim['rejected']} times")
    return found


def misplaced_exceptions(
    case: Mapping[str, Any], told: Sequence[Mapping[str, Any]], listed: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Rows whose exception is not listed at the top, or that agree all the same or are off by more."""
    sizes = {
        f"{each['reason']} ({each['link']})": each["size"] for each in listed if each["case"] == case["name"]
    }
    found = []
    for row in (row for row in told if row["exception"] is not None):
        if row["exception"] not in sizes:
            found.append(f"{case['name']}: the exception of {row['quantity']} is not listed")
        elif row["verdict"] == "agrees":
            found.append(f"{case['name']}: {row['quantity']} agrees, and is an exception")
        elif max(map(abs, row["interval"])) > sizes[row["exception"]] * row["scale"]:
            found.append(f"{case['name']}: {row['quantity']} is off by more than its exception")
    return found


class Words(HTMLParser):
    """Badges of a page in their order, each with the heading of its section; heading badge first."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.lead: list[str] = []
        self.sections: dict[str, list[str]] = {}
        self._section, self._depth, self._text = "", 0, ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self._section = given.get("aria-labelledby") or ""
        if self._depth:
            self._depth += tag == "span"
        elif tag == "span" and (given.get("class") or "").startswith("badge"):
            self._depth, self._text = 1, ""

    def handle_data(self, data: str) -> None:
        if self._depth:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "span" and self._depth:
            self._depth -= 1
            if not self._depth:
                word = self._text.split(maxsplit=1)[1].strip()
                (self.sections.setdefault(self._section, []) if self._section else self.lead).append(word)


def page_contradictions(document: Mapping[str, Any], folder: Path) -> list[str]:
    """Words of the pages, HTML and Markdown, that are not those of the JSON document."""
    found = []
    many = len(document["cases"]) > 1
    for case in document["cases"]:
        stem = folder / "cases" / case["name"] if many else folder / "report"
        page = Words(stem.with_suffix(".html"))
        points = [point["verdict"] for point in case["points"]]
        every = [row["verdict"] for point in case["points"] for row in point["rows"]]
        found += differing(f"{case['name']}, heading", page.lead, [case["verdict"]])
        shown = page.sections["comparisons"]
        # An overview of the points comes first where there is anything to show in it.
        overview = shown[: len(points)] if len(shown) > len(points) + len(every) else []
        found += differing(f"{case['name']}, overview", overview, points if overview else [])
        said = [[point["verdict"], *(row["verdict"] for row in point["rows"])] for point in case["points"]]
        found += differing(f"{case['name']}, rows", shown[len(overview) :], list(chain(*said)))
        left = sorted(word for word in every if word != "agrees")
        found += differing(f"{case['name']}, unsettled", sorted(page.sections.get("unsettled", [])), left)
        scaling = case["scaling"]
        fits = [fit["verdict"] for key in ("rates", "limits") for fit in scaling[key]] if scaling else []
        found += differing(f"{case['name']}, fits", page.sections.get("scaling", []), fits)
        whole = [scaling["verdict"]] if scaling else []
        found += differing(f"{case['name']}, summary", page.sections.get("summary", []), whole)
        tried = [
            [FATES[control["rejected"]], *(row["verdict"] for row in control["rows"])]
            for control in case["negative_controls"]
        ]
        found += differing(
            f"{case['name']}, controls", page.sections.get("controls", []), list(chain(*tried))
        )
        theories = [
            [each["verdict"], *(row["verdict"] for point in each["points"] for row in point["rows"])]
            for each in case["own_theories"]
        ]
        found += differing(f"{case['name']}, own", page.sections.get("own", []), list(chain(*theories)))
        found += markdown_contradictions(stem.with_suffix(".md"), case["verdict"])
    first = Words(folder / "report.html")
    claims = [c[key] for c in document["paper"] for key in ("verdict", "corrected_verdict") if c[key]]
    found += differing("claims of the paper", first.sections.get("paper", []), claims)
    if many:
        index = first
        found += differing("index, heading", index.lead, [document["verdict"]])
        left = [
            row["verdict"] for case in document["cases"] for point in case["points"] for row in point["rows"]
        ]
        left = sorted(word for word in left if word != "agrees")
        found += differing("index, unsettled", sorted(index.sections.get("unsettled", [])), left)
        found += differing("index, cases", index.sections["cases"], [c["verdict"] for c in document["cases"]])
        found += markdown_contradictions(folder / "report.md", document["verdict"])
    return found


def differing(place: str, shown: Sequence[str], said: Sequence[str]) -> list[str]:
    return (
        []
        if list(shown) == list(said)
        else [f"{place} shows {list(shown)}, and the document says {list(said)}"]
    )


def markdown_contradictions(path: Path, verdict: str) -> list[str]:
    (shown,) = re.findall(r"^\*\*Verdict: (.*?)\*\*", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return differing(path.name, [shown], [verdict])


def terminal_words(text: str) -> Iterator[str]:
    """Verdicts on the whole that a command printed."""
    for line in text.splitlines():
        if line.startswith("verdict: "):
            yield line.removeprefix("verdict: ").strip()


def status(word: str) -> int:
    """Exit status of a word."""
    return EXIT_STATUS["agrees" if AGREES.fullmatch(word) else word]
