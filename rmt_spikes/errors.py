"""Exceptions: each says what was required, what came, and what to do."""

from __future__ import annotations

import functools
import sys
import warnings
from functools import partial
from pathlib import Path

PASSED_OVER = (str(Path(__file__).parent), functools.__file__)
"""Where a warning is not placed: in the package, and in cached properties."""

_SHOWN = 80
"""Characters of a value in a message: one line of a terminal."""

_FILE = 100
"""Characters of a path in a message, its end kept."""

_MESSAGE = 299
"""Characters of a message: a few lines of a terminal, whatever came."""


def shorten(given: object, limit: int = _SHOWN) -> str:
    """Show a value on one line of at most `limit` characters, with an ellipsis in its middle if it is longer.

    Long strings are cut before ``repr`` is taken, so that the cost does not grow with them.
    """
    if isinstance(given, str | bytes) and len(given) > 4 * limit:
        given = given[: 2 * limit] + given[-2 * limit :]  # type: ignore[operator]
    try:
        text = " ".join(repr(given).split())
    except Exception:  # a repr that fails must not hide the message that it belongs to
        text = f"<{type(given).__name__}>"
    if len(text) <= limit:
        return text
    head = (limit - 3) // 2
    return text[:head] + "..." + text[len(text) - (limit - 3 - head) :]


def _cut(text: str) -> str:
    """Keep a message within 299 characters."""
    return text if len(text) <= _MESSAGE else text[: _MESSAGE - 3] + "..."


class Word(str):
    """A word about what came, such as "nothing" or "both": shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class RmtSpikesError(Exception):
    """Base class of every error that the package raises on purpose."""


class AccuracyWarning(UserWarning):
    """A number is less accurate than others of its kind."""


def warn_of_accuracy(text: str) -> None:
    """Warn with an `AccuracyWarning` at the line that called the package."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, AccuracyWarning, stacklevel=level)


class DomainError(RmtSpikesError, ValueError):
    """A value is outside the domain of its parameter.

    Parameters
    ----------
    field : str
        Name of the parameter, e.g. ``"ridge"``.
    required : str
        The domain as a phrase, e.g. ``"must be > 0"``.
    given : object
        What came instead; shown shortened to 80 characters.
    advice : str, optional
        What to do about it.

    Examples
    --------
    >>> print(DomainError("ridge", "must be > 0", -1.0, "the theory needs a positive ridge"))
    ridge: must be > 0, got -1.0; the theory needs a positive ridge
    """

    def __init__(self, field: str, required: str, given: object, advice: str = "") -> None:
        self.field = field
        self.required = required
        self.given = given
        self.advice = advice
        super().__init__(field, required, given, advice)

    @property
    def reason(self) -> str:
        """The message without the name of the field."""
        text = f"{self.required}, got {shorten(self.given)}"
        return f"{text}; {self.advice}" if self.advice else text

    def __str__(self) -> str:
        return _cut(f"{self.field}: {self.reason}")


class ConvergenceError(RmtSpikesError, RuntimeError):
    """An iteration or a quadrature did not reach the accuracy that it promises.

    Parameters
    ----------
    message : str
        What failed and what to do about it.
    residual : float
        How far the defining equations are from holding.
    last : object, optional
        The last iterate, for inspection.
    """

    def __init__(self, message: str, *, residual: float, last: object = None) -> None:
        self.message = message
        self.residual = residual
        self.last = last
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling.
        return partial(ConvergenceError, self.message, residual=self.residual, last=self.last), ()

    def __str__(self) -> str:
        return f"{self.message} (residual {self.residual:.3g})"


class CaseError(RmtSpikesError, ValueError):
    """A setting or case file cannot be used.

    Parameters
    ----------
    file : str or Path or None
        The file, or None when the input did not come from one.
    key : str
        Dotted path of the key, e.g. ``"setting.ridge"``; empty when the file as a whole is at fault.
    message : str
        What was required and what came.

    Examples
    --------
    >>> print(CaseError("case.toml", "setting.ridge", "must be > 0, got -1.0"))
    case.toml: setting.ridge: must be > 0, got -1.0
    """

    def __init__(self, file: str | Path | None, key: str, message: str) -> None:
        self.file = None if file is None else str(file)
        self.key = key
        self.message = message
        super().__init__(file, key, message)

    def __str__(self) -> str:
        file = self.file if self.file is None or len(self.file) <= _FILE else "..." + self.file[3 - _FILE :]
        return _cut(": ".join(part for part in (file, self.key, self.message) if part))
