"""How numbers and names of a report are written, in HTML and in Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from markupsafe import Markup, escape

from rmt_spikes.plot.names import in_words

NEGLIGIBLE = 1e-12
MISSING = "\N{EN DASH}"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MINUS = "\N{MINUS SIGN}"
LEAST_P = 1e-4
"""P-values below it are not told apart: the tail of Student's t is that of normal data."""

UPPER = dict(zip("0123456789.+-()nkaT", "⁰¹²³⁴⁵⁶⁷⁸⁹·⁺⁻⁽⁾ⁿᵏᵃᵀ", strict=True))
LOWER = dict(zip("0123456789+-()jk", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ⱼₖ", strict=True))
"""Signs that stand for superscripts and subscripts where there are no tags."""

RAISED = re.compile(r"\^(?:\(([^()\s]+)\)|(-?\w+(?:\.\d+)?))")
LOWERED = re.compile(r"(?<![^\W_])(He|[^\W\d_])_(?:\{([^{}\s]+)\}|(\*|\d+|[jk](?!\w)))")
"""Exponents and indices as they are typed: ``n^(1/4)``, ``q^2``, ``He_2``, ``c_{*,1}``."""

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
    return f"{to_error(row['observed'], row['se'])} ± {to_error(row['se'], row['se'])}"


def to_error(value: float | None, se: float | None) -> str:
    """Text of a number with the digits that its error supports: two of the error's."""
    if value is None or not se:
        return number(value)
    digits = max(0, 1 - math.floor(math.log10(se)))
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.removeprefix("-")


def difference(row: Mapping[str, Any]) -> str:
    """Observed minus predicted of a row with its standard error, in per cent of the scale."""
    if not row["scale"]:
        return MISSING
    factor = 100.0 / row["scale"]
    value, se = factor * (row["observed"] - row["predicted"]), factor * (row["se"] or 0.0)
    return f"{to_error(value, se)} ± {to_error(se, se)}" if se else number(value, 2)


def share(value: float, row: Mapping[str, Any]) -> str:
    """Text of an absolute tolerance of a row, in per cent of the scale."""
    return number(100.0 * value / row["scale"], 2) if row["scale"] else MISSING


def p_value(value: float | None) -> str:
    """Text of a p-value."""
    if value is None:
        return MISSING
    return "< 1e-4" if value < LEAST_P else f"{value:.2g}"


def name(quantity: str) -> str:
    """A quantity in words; a pattern stays as it is typed."""
    return quantity if "*" in quantity else in_words(quantity)


def typeset(text: Any) -> Markup:
    """HTML of a text with typed exponents and indices; nothing else in it is markup."""
    safe = str(escape(printable(str(text))))
    safe = LOWERED.sub(lambda m: f"{m[1]}<sub>{m[2] or m[3]}</sub>", safe)
    return Markup(RAISED.sub(lambda m: f"<sup>{m[1] or m[2]}</sup>", safe).replace("<sup>-", f"<sup>{MINUS}"))


def plain(text: Any) -> str:
    """Text with typed exponents and indices in the signs that there are for them; others stay as typed."""

    def with_signs(signs: Mapping[str, str], before: str, typed: str, whole: str) -> str:
        return before + "".join(signs[c] for c in typed) if set(typed) <= signs.keys() else whole

    lowered = LOWERED.sub(lambda m: with_signs(LOWER, m[1], m[2] or m[3], m[0]), str(text))
    return RAISED.sub(lambda m: with_signs(UPPER, "", m[1] or m[2], m[0]), lowered)


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


NAMED = (
    *(number, fraction, measured, to_error, difference, share, p_value),
    *(name, typeset, plain, show, words, label),
)
FILTERS = {"md": markdown, **{each.__name__: each for each in NAMED}}
