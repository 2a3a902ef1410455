"""How numbers and names of a report are written, in HTML and in Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

NEGLIGIBLE = 1e-12
MISSING = "\N{EN DASH}"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MINUS = "\N{MINUS SIGN}"
MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&:])")


def number(value: float | None, digits: int = 4) -> str:
    """Text of a number for a table, with a dash for one that is missing."""
    if value is None:
        return MISSING
    if abs(value) < NEGLIGIBLE:
        return "0"
    text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
    return text.replace("-", MINUS)


def fraction(value: float) -> str:
    """Text of an exponent: a simple fraction where it is one."""
    simple = Fraction(value).limit_denominator(6)
    return str(simple) if math.isclose(simple, value, rel_tol=1e-9) else number(value, 3)


def measured(row: Mapping[str, Any]) -> str:
    """Observed mean of a row with its standard error, both to two digits of the error."""
    if not row["se"]:
        return number(row["observed"])
    digits = max(0, 1 - math.floor(math.log10(row["se"])))
    return f"{row['observed']:.{digits}f} ± {row['se']:.{digits}f}".replace("-", MINUS)


def show(value: Any) -> str:
    """Text of a value of a setting, as in its file."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {show(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(show(item) for item in value)}]"
    return str(value)


def words(name: str) -> str:
    """A name of the program in words."""
    return name.replace("_", " ")


def label(values: Mapping[str, Any]) -> str:
    """Swept keys and their values, in words."""
    return ", ".join(f"{words(key)} {show(value)}" for key, value in values.items()) or "the only point"


def markdown(text: Any) -> str:
    """Text on one line in which no sign means anything to Markdown, HTML or a formula."""
    return MARKDOWN_SIGNS.sub(r"\\\1", " ".join(str(text).split()))


def printable(value: Any) -> Any:
    """Value with a sign of replacement for what is no text: controls, and marks that turn the direction."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c.isspace() else REPLACEMENT for c in value)


NAMED = (number, fraction, measured, show, words, label)
FILTERS = {"md": markdown, **{each.__name__: each for each in NAMED}}
