"""Rules of the derivations: what a script must look like, and what the traceability table must say.

Functions from files to the list of their violations: they can be shown to fail on files made for that.
"""

import ast
import dataclasses
import functools
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

CASES = "rmt_spikes/validation/cases/built_in"

HEADS = ("quantity", "public function", "derivation", "source", "cases")
RESULTS = ("Bulk", "Latent", "Losses", "Regime", "Spike", "Weights")
"""Classes whose public attributes are predictions, each of which needs a row."""

PLUMBING = {
    *("to_dict", "scaled", "index", "vectors", "known_step"),
    *("density_inside", "direct", "masses", "mass"),
}
"""Their attributes that predict nothing: other forms of the rest, how it is computed, checks of it."""


def script_violations(path: Path) -> list[str]:
    """What keeps a file from being a derivation: a page with a title that ends in an assertion."""
    text = path.read_text(encoding="utf-8")
    found = []
    if not re.match(r"# %% \[markdown\]\n# # \S", text):
        found.append(f"{path.name}: does not begin with a markdown cell that is a title")
    if not isinstance(ast.parse(text).body[-1], ast.Assert):
        found.append(f"{path.name}: does not end in an assertion")
    for number, cell in enumerate(re.split(r"^# %%", text, flags=re.MULTILINE)[1:], 1):
        lines = cell.splitlines()
        prose = lines[0].strip() == "[markdown]"
        if prose and any(line and not line.startswith("#") for line in lines[1:]):
            found.append(f"{path.name}: cell {number} is prose with a line that is not a comment")
        if not prose and lines[0].strip():
            found.append(f"{path.name}: cell {number} has the unknown mark {lines[0].strip()}")
    return found


def table_rows(markdown: str) -> list[dict[str, str]]:
    """Rows of the traceability table, by column."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if not cells or tuple(cells[0]) != HEADS:
        raise AssertionError(f"the table must have the columns {', '.join(HEADS)}")
    return [dict(zip(HEADS, row, strict=True)) for row in cells[2:]]


def predictions(theory: ModuleType) -> set[str]:
    """Names of everything public in `rmt_spikes.theory` that predicts something."""
    names = {n for n in theory.__all__ if inspect.isfunction(getattr(theory, n))}
    tools = {"derive", "listing", "options", "quantities", "symbol"}
    symbolic = set(theory.symbolic.__all__) - tools
    names |= {f"symbolic.{n}" for n in symbolic if inspect.isfunction(getattr(theory.symbolic, n))}
    for name in RESULTS:
        names |= {f"{name}.{attribute}" for attribute in public_attributes(getattr(theory, name)) - PLUMBING}
    return names


def public_attributes(result: type) -> set[str]:
    """Fields, properties and methods of a result."""
    kinds = (property, functools.cached_property)
    members = {n for n, v in vars(result).items() if isinstance(v, kinds) or inspect.isfunction(v)}
    fields = {f.name for f in dataclasses.fields(result)}
    return {n for n in members | fields if not n.startswith("_")}


def resolve(theory: ModuleType, name: str) -> Any:
    """Object behind a dotted name of the table; a field of a dataclass is its declaration."""
    thing: Any = theory
    for part in name.split("."):
        fields = {f.name: f for f in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else {}
        thing = fields[part] if part in fields else getattr(thing, part)
    return thing


def table_violations(readme: Path, theory: ModuleType) -> list[str]:
    """Missing and stale entries of the traceability table."""
    rows = table_rows(readme.read_text(encoding="utf-8"))
    root = readme.parent.parent
    found = []
    listed = [name for row in rows for name in re.findall(r"`([\w.]+)`", row["public function"])]
    for name in listed:
        try:
            resolve(theory, name)
        except AttributeError:
            found.append(f"{name} is listed, but missing")
    found += [f"{name} has no row" for name in sorted(predictions(theory) - set(listed))]
    found += [f"{name} is listed twice" for name in sorted({n for n in listed if listed.count(n) > 1})]
    linked: set[Path] = set()
    for row in rows:
        for column in ("derivation", "cases"):
            targets = re.findall(r"\]\(([^)#\s]+)", row[column])
            if not targets:
                found.append(f"{row['quantity']}: no file under {column}")
            files = {target: (readme.parent / target).resolve() for target in targets}
            linked.update(files.values())
            found += [f"{row['quantity']}: {t} does not exist" for t, f in files.items() if not f.is_file()]
        found += [f"{row['quantity']}: nothing under {c}" for c in HEADS if not row[c]]
    present = {*readme.parent.glob("*.py"), *(root / CASES).glob("*.toml")}
    found += [f"{p.name} is not listed" for p in sorted(present) if p.resolve() not in linked]
    return found
