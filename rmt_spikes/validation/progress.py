"""How a campaign says where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """Where a campaign is: what it does, and how many of how many (predictions, trials, figures) are done."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
