"""No word of a report contradicts a row below it: of a full report, and of doctored ones."""

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_tools import run, strict
from report_words import contradictions, page_contradictions, status, terminal_words
from rich.console import Console
from small_case import PLAIN, SETTING, case

from rmt_spikes.console.tables import print_report
from rmt_spikes.validation import Report, validate

TOLERANT = {"coefficient": 0.9, "exponent": 0.0, "margin": 0.9, "reason": "agrees whatever it is"}
STRICT = {"coefficient": 0.0, "exponent": 0.0, "margin": 1e-6, "reason": "agrees with nothing"}
KNOWN = {"quantities": ["losses.*"], "size": 1.0, "reason": "all that losses can be off by", "link": "here"}
SMALL: dict[str, Any] = {**PLAIN, "sweep": {}, "setting": {**SETTING, "step_exponent": 0.3}, "trials": 8}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """Report in which every word occurs: cases that agree, agree with exceptions, and cannot tell."""
    cases = [
        case(name="good", claims=["losses"], tolerances={"losses": TOLERANT}, **SMALL),
        case(name="known", claims=["losses"], tolerances={"losses": STRICT}, exceptions=[KNOWN], **SMALL),
        case(name="bulk", claims=["bulk", "latent"], tolerances={"bulk": STRICT}, **SMALL),
        case(
            name="sizes",
            claims=["losses"],
            **{**SMALL, "trials": 3},
            scaling={"n": [40, 80, 120], "limits": ["*"]},
        ),
    ]
    folder = tmp_path_factory.mktemp("words")
    return folder, validate(cases, out=folder)


@pytest.fixture
def document(full: tuple[Path, Report]) -> Any:
    return strict(full[1].json.read_text(encoding="utf-8"))


def test_no_word_contradicts_a_row_below_it(
    full: tuple[Path, Report],
    small_report: tuple[Path, Report],
    hostile_report: tuple[Path, Report],
) -> None:
    for folder, report in (full, small_report, hostile_report):
        document = strict(report.json.read_text(encoding="utf-8"))
        assert contradictions(document) == []
        assert page_contradictions(document, folder) == []
    words = {each["verdict"] for each in strict(full[1].json.read_text(encoding="utf-8"))["cases"]}
    assert {"agrees", "agrees with 1 known exception"} < words


def test_the_terminal_and_the_status_say_the_same(full: tuple[Path, Report]) -> None:
    folder, report = full
    text = io.StringIO()
    print_report(report.to_dict(), folder / "report.html", Console(file=text, highlight=False, width=200))
    assert list(terminal_words(text.getvalue())) == [report.verdict]
    assert report.verdict.exit_status == status(report.verdict)
    # What would tell is said with each word that it could not be told.
    if report.verdict == "inconclusive":
        assert "would tell" in text.getvalue() or "would be needed" in text.getvalue()


def first_row(document: Any, name: str) -> Any:
    (found,) = (each for each in document["cases"] if each["name"] == name)
    return found["points"][0]["rows"][0]


def turned(document: Any) -> None:
    """A row that disagrees below words that agree."""
    first_row(document, "good")["verdict"] = "disagrees"


def softened(document: Any) -> None:
    """An exception that the words above leave out."""
    (found,) = (each for each in document["cases"] if each["name"] == "known")
    found["verdict"] = found["points"][0]["verdict"] = "agrees"


def miscounted(document: Any) -> None:
    (found,) = (each for each in document["cases"] if each["name"] == "known")
    found["verdict"] = "agrees with 2 known exceptions"


def unlisted(document: Any) -> None:
    document["exceptions"] = []


def too_small(document: Any) -> None:
    document["exceptions"][0]["size"] = 1e-9


def excused(document: Any) -> None:
    """A row of another case that claims an exception which is not its own."""
    row = first_row(document, "bulk")
    row["verdict"], row["exception"] = "disagrees", first_row(document, "known")["exception"]


def idle(document: Any) -> None:
    """A wrong theory that was not rejected, in a case that agrees."""
    (found,) = (each for each in document["cases"] if each["name"] == "good")
    found["negative_controls"] = [{"rejected": False}]


def silent(document: Any) -> None:
    for each in document["cases"]:
        each["undecided"] = []


def emptied(document: Any) -> None:
    """A point without rows, in a case that agrees."""
    (found,) = (each for each in document["cases"] if each["name"] == "good")
    found["points"][0]["rows"] = []


def crowned(document: Any) -> None:
    document["verdict"] = "agrees"


DOCTORED = (turned, softened, miscounted, unlisted, too_small, excused, idle, silent, emptied, crowned)


@pytest.mark.parametrize("doctor", DOCTORED)
def test_a_doctored_document_is_seen(document: Any, doctor: Callable[[Any], None]) -> None:
    assert contradictions(document) == []
    doctor(document)
    assert contradictions(document) != []


def test_doctored_pages_are_seen(full: tuple[Path, Report], document: Any, tmp_path: Path) -> None:
    """In each page the first verdict of each kind, and one of a table, exchanged for another word."""
    (tmp_path / "cases").mkdir()
    names = [path.relative_to(full[0]) for ending in ("html", "md") for path in full[0].rglob(f"*.{ending}")]
    for name in names:
        (tmp_path / name).write_text((full[0] / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert page_contradictions(document, tmp_path) == []
    for name in names:
        text = (tmp_path / name).read_text(encoding="utf-8")
        sign = (
            ("**Verdict: ", "**Verdict: dis")
            if name.suffix == ".md"
            else ("</span>&nbsp;", "</span>&nbsp;dis")
        )
        head, _, tail = text.partition(sign[0])
        last_head, _, last_tail = text.rpartition(sign[0])
        for doctored in {head + sign[1] + tail, last_head + sign[1] + last_tail}:
            (tmp_path / name).write_text(doctored, encoding="utf-8")
            assert page_contradictions(document, tmp_path) != [], name
        (tmp_path / name).write_text(text, encoding="utf-8")


def test_documents_say_what_the_document_says(document: Any) -> None:
    """A walk that changes what it walks would prove nothing."""
    before = copy.deepcopy(document)
    contradictions(document)
    assert document == before


def test_the_command_says_how_many_trials_would_tell(tmp_path: Path) -> None:
    asked = case(name="bulk", claims=["latent"], **SMALL).model_dump(mode="json", exclude_none=True)
    path = tmp_path / "case.toml"
    path.write_text(toml(asked), encoding="utf-8")
    result = run("validate", str(path), "--out", str(tmp_path / "out"), "--jobs", "1")
    assert result.exit_code == status(next(terminal_words(result.stdout)))
    assert result.exit_code == 3
    assert "trials a point would tell" in result.stdout


def toml(document: Any) -> str:
    """The few keys of a case that the test needs, as TOML."""
    setting = "\n".join(f"{key} = {literal(value)}" for key, value in document["setting"].items())
    keys = ("name", "title", "trials", "claims", "features")
    return "\n".join(f"{key} = {literal(document[key])}" for key in keys) + f"\n[setting]\n{setting}\n"


def literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
