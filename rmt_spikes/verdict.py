"""Verdicts: what a comparison of a theory with simulations can say, in the words of every table and page."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    """What a comparison can say of one quantity, in the order of tables."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_status(self) -> int:
        """Status with which a command ends; 2 is bad input."""
        return {Verdict.AGREES: 0, Verdict.DISAGREES: 1, Verdict.INCONCLUSIVE: 3}[self]


class Conclusion(str):
    """Verdict on a whole, in words: that of its parts, or ``agrees with 2 known exceptions``.

    Attributes
    ----------
    verdict
        What it says but for the exceptions.
    exceptions
        Number of known exceptions that were seen, each counted once however many quantities it is about.
    """

    verdict: Verdict
    exceptions: int

    def __new__(cls, verdict: Verdict, exceptions: int = 0) -> Self:
        """Put the verdict in words; exceptions are named where the rest agrees."""
        words = str(verdict)
        if verdict is Verdict.AGREES and exceptions:
            words += f" with {exceptions} known exception{'s' * (exceptions > 1)}"
        made = super().__new__(cls, words)
        made.verdict, made.exceptions = verdict, exceptions
        return made

    def __getnewargs__(self) -> tuple[Verdict, int]:  # type: ignore[override]
        """Arguments that make it again, for pickle."""
        return self.verdict, self.exceptions

    @classmethod
    def on_all(cls, parts: Iterable[Verdict | Conclusion], exceptions: int = 0) -> Self:
        """Conclude `DISAGREES` if one part does, else `INCONCLUSIVE` if one is, or if there is none.

        Agreement that is claimed only when every part agrees needs no correction for their number. Parts that
        agree but for known exceptions agree; `exceptions` says how many different ones they have.
        """
        found = {part.verdict if isinstance(part, Conclusion) else part for part in parts}
        if Verdict.DISAGREES in found:
            return cls(Verdict.DISAGREES, exceptions)
        return cls(Verdict.AGREES if found == {Verdict.AGREES} else Verdict.INCONCLUSIVE, exceptions)

    @property
    def exit_status(self) -> int:
        """Status with which a command ends."""
        return self.verdict.exit_status
