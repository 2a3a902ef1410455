"""Parameters of which `make test` takes some, and `make thorough` all."""

from collections.abc import Iterable
from typing import Any

import pytest


def only(usual: Iterable[Any], parameters: Iterable[Any]) -> list[Any]:
    """The parameters, all but the usual ones marked thorough."""
    usual = list(usual)
    known = list(parameters)
    assert all(each in known for each in usual)
    marks = pytest.mark.thorough
    return [
        each if each in usual else pytest.param(*(each if isinstance(each, tuple) else [each]), marks=marks)
        for each in known
    ]


def without(slow: Iterable[Any], parameters: Iterable[Any]) -> list[Any]:
    """The parameters, the slow ones marked thorough."""
    known, slow = list(parameters), list(slow)
    assert all(each in known for each in slow)
    return only([each for each in known if each not in slow], known)
