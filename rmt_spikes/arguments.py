"""Checks of arguments: each returns the value in a plain type, or refuses it by the name of its field.

Common parameters are the name of the argument (`field`), what came (`given`), the closed range from `low` to
`high`, the domain as a phrase that begins with "must" (`required`; written from the range when empty), and
what to do about it (`advice`). Each check raises `DomainError`.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word

FloatArray = NDArray[np.float64]

LARGEST = sys.float_info.max
"""Largest finite number."""

LARGEST_ENTRY = 1e70
"""Largest number of an array: LAPACK squares eigenvalues of its Gram matrix, which are sums of squares."""

FIGURE_FORMATS = ("svg", "pdf", "png")
"""Formats of figures: the endings of their files."""

_COMPARED = 40
"""Characters of an unknown word that are compared with the known ones: the cost stays bounded."""


def integer(
    field: str, given: Any, low: float, high: float = math.inf, required: str = "", advice: str = ""
) -> int:
    """Check an integer of Python or numpy; booleans and floats are none."""
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or not low <= given <= high:
        bounds = f">= {low}" if high == math.inf else f"from {low} to {high}"
        raise DomainError(field, required or f"must be an integer {bounds}", given, advice)
    return int(given)


def number(field: str, given: Any, low: float, high: float = LARGEST, required: str = "") -> float:
    """Check a real number of Python or numpy; NaN is in no range."""
    real = isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool)
    try:
        if real and low <= float(given) <= high:
            return float(given)
    except OverflowError:  # an integer beyond the range of floats
        pass
    raise DomainError(field, required or f"must be a number from {low} to {high}", given)


def boolean(field: str, given: Any, required: str = "must be True or False") -> bool:
    """Check a boolean."""
    if not isinstance(given, bool):
        raise DomainError(field, required, given)
    return given


def choice(field: str, given: Any, allowed: Iterable[str]) -> str:
    """Check that a word is among those allowed; the advice is the nearest one that is."""
    known = list(allowed)
    if not isinstance(given, str) or given not in known:
        raise DomainError(field, f"must be one of {', '.join(known)}", given, suggestion(given, known))
    return given


def figure_format(field: str, path: Path) -> str:
    """Check the ending of the file of a figure, which is its format."""
    return choice(field, path.suffix.lower().removeprefix(".") or str(path), FIGURE_FORMATS)


def suggestion(given: Any, known: Iterable[str], otherwise: str = "") -> str:
    """Advice that names the known word nearest to what came, or else another advice."""
    near = difflib.get_close_matches(str(given)[:_COMPARED].lower(), map(str, known), n=1)
    return f"did you mean {near[0]!r}?" if isinstance(given, str) and near else otherwise


def function(field: str, given: Any) -> Callable[..., Any]:
    """Check something to be called."""
    if not callable(given):
        raise DomainError(field, "must be callable", given)
    return given  # type: ignore[no-any-return]


def instance(field: str, given: Any, kind: type, advice: str = "") -> None:
    """Check an object of a class; the message says of which one it is."""
    if not isinstance(given, kind):
        raise DomainError(field, f"must be a {kind.__name__}", Word(type(given).__name__), advice)


def vector(field: str, given: Any) -> FloatArray:
    """Check a sequence of one or more finite real numbers; text that spells numbers is none."""
    try:
        values = np.asarray(given)
    except ValueError:  # rows of different lengths
        values = np.empty(0)
    if values.ndim != 1 or not values.size or not _finite(values):
        raise DomainError(field, "must be a vector of numbers", given)
    return values.astype(float)


def array(field: str, given: Any, size: int) -> None:
    """Check an array of `size` finite real numbers that is one already; the message says what it is."""
    required = f"must be an array of finite real numbers, of shape ({size},)"
    if not isinstance(given, np.ndarray):
        raise DomainError(field, required, Word(type(given).__name__))
    if given.shape != (size,) or given.dtype.kind not in "iuf":
        raise DomainError(field, required, Word(f"{given.dtype} of shape {given.shape}"))
    if not _finite(given):
        raise DomainError(field, required, Word("one with NaN or infinity"))


def _finite(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iuf" and bool(np.all(np.isfinite(values)))


def real_array(field: str, given: Any, shape: tuple[int | str, ...]) -> FloatArray:
    """Check finite real numbers of numpy, or of anything with ``__array__`` such as a tensor of PyTorch.

    `shape` has a number for each size that is known, and a name for one that is free. The result is a
    contiguous array of floats in double precision.
    """
    sizes = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    required = f"must be an array of finite real numbers, of shape {sizes}"
    try:
        values = np.asarray(given)
    except Exception as error:  # whatever `__array__` of a foreign class raises
        advice = "detach a tensor from its graph first" if hasattr(given, "detach") else ""
        came = Word(f"{type(given).__name__}, which gives none: {error}")
        raise DomainError(field, required, came, advice) from None
    if np.ma.is_masked(given):
        raise DomainError(field, required, Word("one with masked entries"))
    if values.dtype.kind not in "iuf":
        kind = "" if values.dtype == object else f" of {values.dtype}"
        raise DomainError(field, required, Word(type(given).__name__ + kind))
    fits = values.ndim == len(shape) and all(
        size == known or isinstance(known, str) for size, known in zip(values.shape, shape, strict=True)
    )
    if not fits or not values.size:
        raise DomainError(field, required, Word(f"one of shape {values.shape}"))
    values = np.ascontiguousarray(values, dtype=np.float64)
    fit = np.abs(values) <= LARGEST_ENTRY
    if not np.all(fit):
        place = tuple(map(int, np.argwhere(~fit)[0]))
        if np.isfinite(values[place]):
            required = f"must be an array of numbers of size {LARGEST_ENTRY:g} at most"
        raise DomainError(field, required, Word(f"{values[place]} at {list(place)}"))
    return values
