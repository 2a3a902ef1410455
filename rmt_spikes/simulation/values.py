"""Results of simulations as files of arrays, and their histogram."""

import io
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.archive import DAMAGED, read_archive
from rmt_spikes.errors import CaseError
from rmt_spikes.values import Value

BARS = 40
"""Bars of a histogram: with fewer the edge of a bulk is blurred, with more single values show."""


class ArrayValue(Value):
    """A value that is saved as an npz file of arrays: exact, compact, and nothing in it is executable.

    Fields hold numbers, texts, arrays, None, or further such values.
    """

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that is known, exactly, as arrays by the dotted names of their fields."""
        arrays: dict[str, NDArray[Any]] = {}
        for name in (field.name for field in fields(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if isinstance(value, ArrayValue):
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
            return cls.from_arrays(read_archive(io.BytesIO(payload)))
        except DAMAGED as error:
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
