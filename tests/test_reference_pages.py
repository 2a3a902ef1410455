"""The pages of reference: every key and every function is on them, with its default and its numbers."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rmt_spikes.functions.expression import FUNCTIONS
from rmt_spikes.functions.hermite import expand
from rmt_spikes.functions.scalar import function_from
from rmt_spikes.functions.table import FORMULAS, NAMES
from rmt_spikes.setting import Setting
from rmt_spikes.theory import Features
from rmt_spikes.theory.methods import METHODS
from rmt_spikes.validation import Case, Given
from rmt_spikes.validation.cases import tables

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"

MODELS: dict[str, list[type[BaseModel]]] = {
    "Top level": [Case],
    "`[setting]`": [Setting],
    "`[sweep]`": [tables.Range],
    "`[scaling]`": [tables.Scaling],
    "`[precision]`": [tables.Precision],
    "`[tolerances.CLAIM]`": [tables.ToleranceTable],
    "`[[negative_controls]]`": [tables.NegativeControl],
    "`[[exceptions]]`": [tables.KnownException],
    "`[[figures]]`": [tables.SpectrumFigure, tables.LossFigure, tables.FeatureFigure],
    "`[quick]`": [tables.Quick],
}
"""Classes whose fields the tables of a section list, in order."""


def rows_of(section: str) -> list[list[list[str]]]:
    """Cells of the tables of a section, without heads."""
    found = re.findall(r"(?:^\|[^\n]*\n)+", section, flags=re.MULTILINE)
    tables_of_lines = [block.strip().splitlines()[2:] for block in found]
    return [[[c.strip() for c in line.strip("|").split("|")] for line in lines] for lines in tables_of_lines]


def sections_of(page: str) -> dict[str, str]:
    """Text below each heading of the second rank."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def written(value: Any) -> str:
    """A default as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def faults(page: str) -> list[str]:
    """Keys that a page lacks, has too many, or gives another default."""
    found = []
    sections = sections_of(page)
    for heading, models in MODELS.items():
        listed = rows_of(sections.get(heading, ""))
        for model, rows in zip(models, [*listed, *[[]] * (len(models) - len(listed))], strict=False):
            fields = {name: field for name, field in model.model_fields.items() if name != "kind"}
            cells = {row[0].strip("`"): row for row in rows}
            found += [f"{heading}: {name} is missing" for name in fields.keys() - cells.keys()]
            found += [f"{heading}: there is no {name}" for name in cells.keys() - fields.keys()]
            for name in fields.keys() & cells.keys():
                default, given = fields[name].default, cells[name][2].strip("`")
                if default is PydanticUndefined:
                    # The second batch has the size of the first, which is no constant.
                    fits = given == ("n" if name == "n_ridge" else "required")
                elif default is None or default in ([], {}):
                    fits = given != "required"
                else:
                    fits = given == written(default)
                found += [] if fits else [f"{heading}: default of {name} is {default!r}, not {given}"]
                found += [] if all(cells[name]) else [f"{heading}: {name} has an empty cell"]
    return found


def test_every_key_of_a_case_file_is_documented() -> None:
    assert faults((REFERENCE / "case_file.md").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("key", "names"), [("features", Features), ("given", Given), ("method", METHODS)])
def test_words_that_a_key_takes_are_documented(key: str, names: Iterable[Any]) -> None:
    page = (REFERENCE / "case_file.md").read_text(encoding="utf-8")
    (row,) = [row for row in rows_of(sections_of(page)["Top level"])[0] if row[0] == f"`{key}`"]
    assert set(re.findall(r"`(\w+)`", row[1])) == {
        getattr(each, "value", None) or each.name for each in names
    }


def test_a_missing_key_and_a_wrong_default_are_seen() -> None:
    page = (REFERENCE / "case_file.md").read_text(encoding="utf-8")
    without = re.sub(r"^\| `ridge` .*\n", "", page, flags=re.MULTILINE)
    assert faults(without) == ["`[setting]`: ridge is missing"]
    assert len(faults(page.replace('`"gaussian"`', '`"constant"`'))) == 1
    assert faults(page.replace("| `share` |", "| `part` |")) == [
        "`[precision]`: share is missing",
        "`[precision]`: there is no part",
    ]


FUNCTION_ROWS = rows_of(sections_of((REFERENCE / "functions.md").read_text(encoding="utf-8"))["Names"])[0]


def test_every_function_is_documented() -> None:
    assert [row[0].strip("`") for row in FUNCTION_ROWS] == [*NAMES, *FORMULAS]
    page = (REFERENCE / "functions.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| functions |")]
    choices = {"clip", "max", "maximum", "min", "minimum", "where"}
    assert set(row.split("`")[1].split()) == set(FUNCTIONS) - choices
    assert all(name in page for name in choices)


@pytest.mark.parametrize("row", FUNCTION_ROWS, ids=lambda row: row[0].strip("`"))
def test_numbers_of_a_function_are_those_of_its_expansion(row: list[str]) -> None:
    """To the four digits that are printed; the expansions have tests in mpmath of their own."""
    name, _, *numbers, kinks = [cell.replace("\N{MINUS SIGN}", "-") for cell in row]
    function = function_from(name.strip("`"), "activation")
    found = expand(function)
    exact = [found.mean, found.linear, *found.coefficients[2:4], found.second_moment - found.mean**2]
    assert [float(number) for number in numbers] == pytest.approx(exact, abs=5.1e-5)
    assert kinks == (", ".join(f"{kink:g}" for kink in function.kinks) or "\N{EN DASH}")
