"""Files that a user gives: TOML documents, ``key=value`` from a command line, and arrays."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Collection
from contextlib import nullcontext
from datetime import date, time
from pathlib import Path
from typing import Any

from rmt_spikes.errors import CaseError, DomainError, Word, shorten

MAX_BYTES = 1 << 20
"""A setting takes some hundred bytes: a longer file is a mistake, and would take long to refuse."""


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file of at most 1 MB that is not empty; ``-`` is standard input."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CaseError(path, "", f"cannot be read: {reason}") from None
    path = name_of(path)
    if len(content) > MAX_BYTES:
        raise CaseError(path, "", "must be a TOML file of at most 1 MB, got a longer one")
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise CaseError(path, "", "must be a TOML file in UTF-8, got binary data") from None
    except RecursionError:
        raise CaseError(path, "", "must be a TOML file, got one that nests too deep") from None
    except ValueError as error:
        raise CaseError(path, "", f"must be a TOML file: {shorten(str(error), 120)}") from None
    if not document:
        raise CaseError(path, "", "must hold parameters, got an empty file")
    return document


def in_toml(given: Any) -> Any:
    """A value for a message, as TOML writes it."""
    if isinstance(given, bool):
        return Word(str(given).lower())
    return Word(given.isoformat()) if isinstance(given, date | time) else given


def reason_in_toml(error: DomainError) -> str:
    """What is wrong with a value of a TOML file."""
    return DomainError(error.field, error.required, in_toml(error.given), error.advice).reason


def name_of(path: str | Path) -> str:
    """Name of a file in messages."""
    return "standard input" if str(path) == "-" else str(path)


def parse_override(text: str) -> tuple[str, Any]:
    """Read ``key=value``, with a TOML value; a bare word, as in ``"activation=tanh"``, is taken as text."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key or not value:
        raise CaseError(None, "", f"an override must have the form key=value, got {shorten(text)}")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        parsed = {"value": value} if value.isidentifier() else {}
    if set(parsed) != {"value"}:
        raise CaseError(None, shorten(key, 40).strip("'\""), f"must be one TOML value, got {shorten(value)}")
    return key, parsed["value"]


def read_arrays(path: str | Path, names: Collection[str]) -> dict[str, Any]:
    """Read the arrays of an npz file; nothing in it is executed, and names other than these are refused."""
    # The library of arrays is loaded when there are some.
    from rmt_spikes.archive import DAMAGED, read_archive

    try:
        with open(path, "rb") as stream:
            arrays = read_archive(stream)
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or shorten(str(error), 120)
        raise CaseError(path, "", f"must be an npz file of numbers: {reason}") from None
    for name in arrays:
        if name not in names:
            raise CaseError(path, shorten(name, 40).strip("'\""), f"must be among {', '.join(names)}")
    return arrays
