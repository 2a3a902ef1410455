"""Verdicts: what a comparison of a theory with simulations can say."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What a comparison can say, in the order of tables."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_status(self) -> int:
        """Status with which a command ends; 2 is bad input."""
        return {Verdict.AGREES: 0, Verdict.DISAGREES: 1, Verdict.INCONCLUSIVE: 3}[self]

    @classmethod
    def on_all(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Verdict on a whole: `DISAGREES` if one is, else `INCONCLUSIVE` if one is, or if there is none.

        Agreement that is claimed only when every row agrees needs no correction for their number.
        """
        found = set(verdicts)
        if cls.DISAGREES in found:
            return cls.DISAGREES
        return cls.AGREES if found == {cls.AGREES} else cls.INCONCLUSIVE
