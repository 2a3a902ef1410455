"""Results as values: equality, a short representation, and JSON files."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from rmt_spikes.errors import DomainError, Word

LONGEST_LINE = 100
"""Characters of one attribute in a representation: it stays on one line of a terminal."""

MOST_LINES = 17
"""Attributes that a representation shows: with its first and last line it stays under 20 lines."""


def same(a: object, b: object) -> bool:
    """Whether two values are equal, arrays and the numbers in them included; NaN equals NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a) and type(a) is type(b) and not isinstance(a, type):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.compare)
    return bool(a == b) or (a != a and b != b)


def frozen(value: Any) -> Any:
    """The value, with its arrays and those of the dataclasses in it made read-only."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, list | tuple):
        for each in value:
            frozen(each)
    elif is_dataclass(value):
        for each in fields(value):
            if each.compare:
                frozen(getattr(value, each.name))
    return value


def summary(value: object) -> str:
    """One line for a value: an array by its shape and range, a long text by its beginning."""
    if isinstance(value, np.ndarray) and value.size > 6:
        ends = f", {np.min(value):.4g} to {np.max(value):.4g}" if value.dtype.kind in "iuf" else ""
        return f"array of shape {value.shape}{ends}"
    if isinstance(value, tuple | list) and len(value) > 3:
        return f"{len(value)} of {type(value[0]).__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 3] + "..."


class Value:
    """Base of dataclasses that are compared by their numbers and printed in a few lines.

    Subclasses are frozen dataclasses with ``eq=False`` and ``repr=False``.
    """

    def __eq__(self, other: object) -> bool:
        """Whether the other one is of the same class and has equal numbers."""
        return type(self) is type(other) and same(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The attributes, one a line, without those of no interest to a reader."""
        shown = [f for f in fields(self) if f.repr]  # type: ignore[arg-type]
        lines = [f"    {f.name}={summary(getattr(self, f.name))}," for f in shown[:MOST_LINES]]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def jsonable(value: Any) -> Any:
    """Copy for a strict JSON document: fields of dataclasses, lists, and None for what is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Record):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, list | tuple) else value


class Record(Value):
    """A value whose JSON document has its fields."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, JSON-ready."""
        return {f.name: jsonable(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]


class Document(Value, ABC):
    """A value that is saved as a JSON file, which names its schema."""

    schema: ClassVar[str]

    @classmethod
    def require_schema(cls, document: object) -> None:
        """Refuse what is no document of this schema."""
        if not isinstance(document, Mapping):
            raise DomainError("document", "must be a dictionary", Word(type(document).__name__))
        if document.get("schema") != cls.schema:
            raise DomainError("schema", f"must be {cls.schema}", document.get("schema"))

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, JSON-ready."""

    @classmethod
    @abstractmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the value that `to_dict` wrote."""

    def save(self, path: str | Path) -> None:
        """Write `to_dict` to a JSON file; floats keep every bit."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote.

        Raises
        ------
        DomainError
            If it is not a JSON document of this kind.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise DomainError("path", "must be a JSON document", str(path), str(error)) from None
        if not isinstance(document, dict):
            raise DomainError("path", "must be a JSON object", str(path))
        return cls.from_dict(document)
