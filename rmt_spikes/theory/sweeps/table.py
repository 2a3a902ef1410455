"""The table of a sweep: one array a quantity, one axis a key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib import import_module
from itertools import islice, product
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import choice, integer, number
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.functions.callables import refuse_to_write
from rmt_spikes.setting import Setting, checked
from rmt_spikes.theory.sweeps.names import METHOD, named
from rmt_spikes.values import Document, summary

MOST_POINTS = 100_000
"""Points of a grid: at some milliseconds each, ten minutes."""

SHOWN_ROWS = 12
"""Rows of a table in a notebook: it stays on one screen."""

SHOWN_FAILURES = 3
"""Failures that a representation lists, one a line."""

INFINITE = {math.inf: "inf", -math.inf: "-inf"}
"""How infinite numbers are spelt in JSON, which has none; NaN is null."""


@dataclass(frozen=True)
class Failure:
    """Quantities that could not be predicted at one point, or were predicted with a warning.

    Attributes
    ----------
    index
        Index of the point in the arrays of the table.
    values
        Values of the swept keys there.
    quantities
        Names of the quantities.
    reason
        What was raised or warned.
    """

    index: tuple[int, ...]
    values: Mapping[str, Any]
    quantities: tuple[str, ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, JSON-ready."""
        values = {key: _plain(key, value) for key, value in self.values.items()}
        return {
            "index": list(self.index), "values": values,
            "quantities": list(self.quantities), "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SweepTable(Document):
    """Quantities over a grid of settings.

    ``table[name]`` is the array of a quantity, with one axis a key, in the order of `axes`.

    Attributes
    ----------
    setting
        What the swept keys were changed in.
    axes
        Values of each key: an array of numbers, or a tuple of words and functions.
    arrays
        Arrays by the name of the quantity, read-only. ``"method"`` has words, the others floats: NaN where a
        point could not be predicted, which is in `failures`, and where it has no such spike or band.
    method, features
        As in `predict`.
    error
        Estimate of the largest relative error of what was interpolated; 0 when every point was predicted.
    solves
        Number of settings that were predicted.
    failures
        Points that could not be predicted, each with its reason.
    warned
        Points that were predicted with an `AccuracyWarning`, each with its text.
    """

    setting: Setting
    axes: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    method: str
    features: str
    error: float = 0.0
    solves: int = 0
    failures: tuple[Failure, ...] = ()
    warned: tuple[Failure, ...] = ()
    schema: ClassVar[str] = "rmt-spikes/sweep/1"

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[choice("quantity", name, self.arrays)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the quantities."""
        return tuple(self.arrays)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of each array."""
        return tuple(len(values) for values in self.axes.values())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one dictionary a point: keys, then quantities; the last key runs fastest."""
        for index in product(*map(range, self.shape)):
            yield {
                **point_of(self.axes, index),
                **{name: array[index].item() for name, array in self.arrays.items()},
            }

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with one row a point: a column a key, then one a quantity.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install pandas") from error
        return pandas.DataFrame(list(self.rows()), columns=[*self.axes, *self.arrays])

    def __repr__(self) -> str:
        """The axes, the range of each quantity and the first failures."""
        lines = [f"{key}: {summary(values)}" for key, values in self.axes.items()]
        lines += [f"{name}: {_range(array)}" for name, array in list(self.arrays.items())[:SHOWN_ROWS]]
        if len(self.arrays) > SHOWN_ROWS:
            lines.append(f"and {len(self.arrays) - SHOWN_ROWS} more quantities")
        if self.error:
            lines.append(f"{self.solves} settings predicted, interpolated to {self.error:.1e}")
        lines += self._problems()
        return "\n".join([f"{type(self).__name__}(", *(f"    {line}" for line in lines), ")"])

    def _problems(self) -> list[str]:
        count = math.prod(self.shape)
        failed = {each.index for each in self.failures}
        lines = [f"{len(failed)} of {count} points failed, first:"] if failed else []
        lines += [f"    {dict(each.values)}: {each.reason}"[:110] for each in self.failures[:SHOWN_FAILURES]]
        warned = {each.index for each in self.warned}
        return lines + ([f"{len(warned)} of {count} points have an accuracy warning"] if warned else [])

    def _repr_html_(self) -> str:
        """The first points as a table."""
        heads = "".join(f"<th>{escape(name)}</th>" for name in (*self.axes, *self.arrays))
        body = ""
        for at, row in enumerate(self.rows()):
            if at == SHOWN_ROWS:
                break
            body += "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row.values()) + "</tr>"
        count = math.prod(self.shape)
        notes = [f"first {SHOWN_ROWS} of {count} points"] if count > SHOWN_ROWS else []
        notes += [line.strip() for line in self._problems()]
        foot = "".join(f"<div>{escape(note)}</div>" for note in notes)
        return f"<div><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{foot}</div>"

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-ready (schema ``rmt-spikes/sweep/1``)."""
        return {
            "schema": self.schema,
            "setting": self.setting.to_dict(),
            "method": self.method,
            "features": self.features,
            "error": self.error,
            "solves": self.solves,
            "axes": {key: [_plain(key, value) for value in values] for key, values in self.axes.items()},
            "quantities": {name: _nested(array.tolist()) for name, array in self.arrays.items()},
            "failures": [each.to_dict() for each in self.failures],
            "warned": [each.to_dict() for each in self.warned],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the table that `to_dict` wrote.

        Raises
        ------
        DomainError
            If the document is not of this schema, or lacks something.
        """
        cls.require_schema(document)
        try:
            setting = Setting(**document["setting"])
            axes = {key: axis_of(key, values) for key, values in document["axes"].items()}
            shape = tuple(map(len, axes.values()))
            return cls(
                setting=setting,
                axes=axes,
                arrays={
                    each.name: read_only(
                        np.array(_flat(values), dtype=str if each.name == METHOD else float), shape
                    )
                    for each, values in zip(
                        map(named, document["quantities"]), document["quantities"].values(), strict=True
                    )
                },
                method=_word("method", document["method"]),
                features=_word("features", document["features"]),
                error=number("error", document["error"], 0.0),
                solves=integer("solves", document["solves"], 0),
                failures=tuple(_failure(each) for each in document["failures"]),
                warned=tuple(_failure(each) for each in document["warned"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, DomainError):
                raise
            what = Word(f"one with {type(error).__name__}: {error}")
            raise DomainError("document", "must be a sweep as `save` wrote it", what) from None


def _word(field: str, given: Any) -> str:
    if not isinstance(given, str):
        raise DomainError(field, "must be a word", given)
    return given


def axis_of(key: str, values: Any) -> Any:
    """Values of a key as a read-only array of numbers, or a tuple of what is none; each is checked.

    Raises
    ------
    DomainError
        If they are not a sequence with something in it, are more than `MOST_POINTS`, or one is outside the
        domain of the key.
    """
    if isinstance(values, np.ndarray) and values.ndim == 1:
        # Ranges of sizes come from numpy as floats.
        whole = Setting.model_fields[key].annotation is int and values.dtype.kind == "f"
        values = [int(x) if whole and x.is_integer() else x for x in values.tolist()]
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise DomainError(key, "must be a list or a vector of values to sweep over", values)
    listed = [checked(key, value) for value in islice(values, MOST_POINTS + 1)]
    if len(listed) > MOST_POINTS:
        raise DomainError(key, f"must have at most {MOST_POINTS} values to sweep over", Word("more"))
    if not listed:
        raise DomainError(key, "must have at least one value to sweep over", values)
    if isinstance(listed[0], int | float) and not isinstance(listed[0], bool):
        return read_only(np.array(listed), (len(listed),))
    return tuple(listed)


def point_of(axes: Mapping[str, Any], index: tuple[int, ...]) -> dict[str, Any]:
    """Values of the swept keys at a point, in plain types."""
    chosen = (values[i] for values, i in zip(axes.values(), index, strict=True))
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in zip(axes, chosen, strict=True)
    }


def read_only(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array in a shape, read-only."""
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _plain(key: str, value: Any) -> Any:
    """A value of a key, JSON-ready."""
    refuse_to_write(key, value)
    if isinstance(value, np.generic):
        return value.item()
    return value.to_dict() if hasattr(value, "to_dict") else value


def _nested(value: Any) -> Any:
    """Lists of numbers for strict JSON."""
    if isinstance(value, list):
        return [_nested(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return INFINITE.get(value)
    return value


def _flat(value: Any) -> list[Any]:
    """Entries of nested lists in order, with null as NaN."""
    if isinstance(value, list):
        return [entry for each in value for entry in _flat(each)]
    return [math.nan if value is None else value]


def _failure(document: Mapping[str, Any]) -> Failure:
    return Failure(
        tuple(document["index"]), dict(document["values"]), tuple(document["quantities"]), document["reason"]
    )


def _range(array: NDArray[Any]) -> str:
    """Shape and range of an array of a table."""
    if array.dtype.kind == "U":
        return f"{', '.join(sorted(set(array.ravel())))}, shape {array.shape}"
    known = array[np.isfinite(array)]
    if not known.size:
        return f"NaN, shape {array.shape}"
    return f"{known.min():.6g} to {known.max():.6g}, shape {array.shape}"


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
