"""Results as values: comparable, printed shortly, drawn in a notebook, written to files as arrays.

Subclasses are frozen dataclasses with ``eq=False, repr=False``. Their fields hold numbers, texts, arrays,
a setting, None or further values.
"""

import io
import json
import textwrap
import zipfile
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import CaseError

BARS = 40
"""Bars of a histogram: with fewer the edge of a bulk is blurred, with more single values show."""

FEW = 5
"""Numbers of an array that are printed; of a longer one its shape is."""


class Value:
    """Comparison, printing and storage of a frozen dataclass that holds arrays."""

    # Values of equal content are equal, and arrays have no hash.
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Compare all fields exactly; NaN equals NaN."""
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in _names(type(self)))

    def __repr__(self) -> str:
        """Write the fields, of long arrays and tuples their size alone."""
        shown = ", ".join(f"{name}={_short(getattr(self, name))}" for name in _names(type(self)))
        text = f"{type(self).__name__}({shown})"
        return textwrap.fill(text, 110, subsequent_indent="    ", break_long_words=False)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that is known, exactly, as arrays by the dotted names of their fields."""
        arrays: dict[str, NDArray[Any]] = {}
        for name in _names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Value):
                arrays |= {f"{name}.{key}": array for key, array in value.to_arrays().items()}
            elif value is not None:
                arrays[name] = np.asarray(value)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Build the value that `to_arrays` describes.

        Raises
        ------
        KeyError, TypeError, ValueError
            When the arrays do not describe one.
        """
        return cls(**plain(arrays))

    def to_bytes(self) -> bytes:
        """Return the arrays as an npz file, in which nothing is executable."""
        stream = io.BytesIO()
        arrays: dict[str, Any] = self.to_arrays()
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, payload: bytes, file: str | Path | None = None) -> Self:
        """Inverse of `to_bytes`; `file` is where the bytes were, for the message.

        Raises
        ------
        CaseError
            When the bytes are not such a value.
        """
        try:
            with np.load(io.BytesIO(payload)) as archive:
                return cls.from_arrays({name: archive[name] for name in archive.files})
        except (ValueError, KeyError, OSError, TypeError, EOFError, zipfile.BadZipFile) as error:
            what = f"a stored {cls.__name__.lower()} is damaged: {error}"
            raise CaseError(file, "", what) from None

    def save(self, path: str | Path) -> None:
        """Write an npz file that `load` reads back exactly."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        CaseError
            When the file cannot be read or is no such value.
        """
        try:
            payload = Path(path).read_bytes()
        except OSError as error:
            raise CaseError(path, "", f"cannot be read: {error.strerror}") from None
        return cls.from_bytes(payload, path)


def plain(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the arrays that belong to no further value, those without axes as numbers and texts."""
    own = {name: array for name, array in arrays.items() if "." not in name}
    return {name: array.item() if array.ndim == 0 else array for name, array in own.items()}


def part(arrays: dict[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of one field, named as in that field."""
    start = f"{name}."
    return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}


def text_array(document: Any) -> NDArray[Any]:
    """Return a JSON document as an array of one text."""
    return np.asarray(json.dumps(document))


def histogram(values: NDArray[np.float64], caption: str) -> str:
    """Draw a histogram of singular values as SVG; NaN is left out."""
    counts, edges = np.histogram(values[~np.isnan(values)], BARS)
    heights = 60.0 * counts / max(1, counts.max())
    bars = "".join(
        f'<rect x="{6 * i}" y="{60 - height:.1f}" width="5" height="{height:.1f}"/>'
        for i, height in enumerate(heights)
    )
    axis = "".join(
        f'<text x="{x}" y="74" text-anchor="{anchor}">{edge:.3g}</text>'
        for x, anchor, edge in ((0, "start", edges[0]), (6 * BARS, "end", edges[-1]))
    )
    return (
        f'<figure><svg width="{6 * BARS}" height="78" font-size="11" fill="currentColor" role="img" '
        f'aria-label="{caption}">{bars}{axis}</svg><figcaption>{caption}</figcaption></figure>'
    )


def _names(kind: type) -> list[str]:
    assert is_dataclass(kind)
    return [field.name for field in fields(kind)]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other or (one != one and other != other))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.size <= FEW:
            return "[" + " ".join(f"{number:.6g}" for number in value) + "]"
        return f"<array of shape {value.shape}>"
    if isinstance(value, tuple) and value and isinstance(value[0], Value):
        return f"<{len(value)} of {type(value[0]).__name__}>"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
