"""Tables as text, help that teaches, and files to start from.

The folder `tables` has documents and what is printed of them. To renew the text of one after a change that is
meant: ``python tests/console/test_tables.py``.
"""

import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_tools import run
from rich.console import Console

from rmt_spikes import cli
from rmt_spikes.cli.examples import EXAMPLES
from rmt_spikes.console import tables
from rmt_spikes.console.explanations import EXPLANATIONS, explained
from rmt_spikes.console.progress import rate
from rmt_spikes.setting import Setting
from rmt_spikes.validation import Case

TABLES = Path(__file__).with_name("tables")
PRINTERS: dict[str, Callable[..., None]] = {
    "observation": tables.print_observation,
    "measurement": tables.print_measurement,
    "report": partial(tables.print_report, page=Path("report/report.html")),
}
COMMANDS: Any = typer.main.get_command(cli.app)


def text_of(name: str) -> str:
    document = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    stream = io.StringIO()
    PRINTERS[name](document, console=Console(file=stream, width=80, highlight=False, color_system=None))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", PRINTERS)
def test_tables_are_this_text(name: str) -> None:
    assert text_of(name) == (TABLES / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["observation", "measurement"])
def test_there_is_one_line_of_legend(name: str) -> None:
    text = text_of(name)
    assert text.count(tables.LEGEND) == 1
    assert len(re.findall(r"^\w[\w ]*: ", text, flags=re.MULTILINE)) <= 2  # the title, and the legend


def names_of_rows(text: str) -> set[str]:
    """First cells of the rows of tables, headings among them, by the kind of row."""
    lines = [line.strip() for line in text.splitlines()]
    blocks = [i for i, line in enumerate(lines) if set(line) == {"─"}]
    found = set()
    for i in blocks:
        end = next((k for k in range(i + 1, len(lines)) if not lines[k]), len(lines))
        found |= {re.split(r" {2,}", line)[0] for line in lines[i + 1 : end]}
    return {re.sub(r"^He_\d$", "He_k", name) for name in found if not re.match(r"[\d.]+$", name)}


def test_every_row_is_explained(setting: str) -> None:
    known = {each.name for each in EXPLANATIONS}
    prediction = run("predict", setting, "--method", "closed_form").stdout
    rows = names_of_rows(prediction) | names_of_rows(text_of("observation"))
    assert len(rows) > 15
    assert rows - known == set()
    # The other names are of what is no row: headings and lines below tables.
    shown = {each.name for text in (prediction, *map(text_of, PRINTERS)) for each in explained(text)}
    assert known - shown == {"share of zeros", "sign_error"}


def test_explain_says_what_is_there_and_nothing_else(setting: str) -> None:
    printed = run("predict", setting, "--method", "closed_form", "--explain").stdout
    tables_alone = run("predict", setting, "--method", "closed_form").stdout
    assert printed.startswith(tables_alone)
    added = printed.removeprefix(tables_alone)
    assert "critical_step" in added
    assert "known exception" not in added
    refused = run("predict", setting, "--explain", "--json")
    assert refused.exit_code == 2
    assert "--explain: must be left out with --json" in refused.stderr


@pytest.mark.parametrize("name", COMMANDS.commands)
def test_help_teaches(name: str) -> None:
    """Examples whose options exist; no types of Python where a reader looks for a name."""
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "list[" not in result.stdout
    assert "path>" not in result.stdout
    examples = result.stdout.partition("Examples:\n")[2]
    lines = [line.strip() for line in examples.splitlines() if line.strip().startswith("rmt-spikes ")]
    assert len(lines) >= 2
    for line in examples.splitlines():
        assert len(line) <= 100
    for line in lines:
        words = shlex.split(line.partition("<")[0])[1:]
        command = COMMANDS.commands[words[0]]
        command.make_context(words[0], words[1:], resilient_parsing=False).close()
    assert set(EXAMPLES) >= {name}


def test_an_example_with_a_wrong_option_is_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        COMMANDS.commands["predict"].make_context("predict", ["setting.toml", "--explian"])


def test_new_case_can_be_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    result = run("new-case", str(path))
    assert result.exit_code == 0
    assert str(path) in result.stdout
    case = Case.load(path)
    assert case.negative_controls
    assert case.quick is not None
    assert Setting.from_toml(path).n == 900
    # What stands behind a # can be used as well.
    text = path.read_text(encoding="utf-8")
    every = re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)
    assert every.count("\n#") < text.count("\n#") - 8
    path.write_text(every, encoding="utf-8")
    assert Case.load(path).precision is not None


def test_new_case_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine", encoding="utf-8")
    result = run("new-case", str(path))
    assert result.exit_code == 2
    assert "must be a new file" in result.stderr
    assert path.read_text(encoding="utf-8") == "mine"
    assert run("new-case", str(tmp_path / "gone" / "mine.toml")).exit_code == 2


if __name__ == "__main__":
    for each in PRINTERS:
        (TABLES / f"{each}.txt").write_text(text_of(each), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "pytest", "-q", __file__], check=True)


def test_rates_are_in_plain_numbers() -> None:
    found = [rate(x) for x in (9e5, 1000.0, 999.4, 2.0, 0.5, 1e-3)]
    over = "over 1000 trials/s"
    assert found == [over, over, "999 trials/s", "2 trials/s", "30 trials/min", "3.6 trials/h"]
