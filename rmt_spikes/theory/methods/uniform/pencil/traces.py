"""Normalised traces of words in ``H = Z^T diag(r) Z / n``, ``G = Z^T diag(r^2) Z / n`` and Sigma."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

Word = tuple[float, tuple[tuple[int, float], ...]]
"""Power of Sigma in front, then pairs (power of ``r`` of a letter, power of Sigma after it)."""


@dataclass(frozen=True)
class Polynomial:
    """A sum of words with coefficients (numbers, or arrays over the readout nodes)."""

    terms: dict[Word, Any]

    def __add__(self, other: Polynomial) -> Polynomial:
        total = dict(self.terms)
        for word, value in other.terms.items():
            total[word] = total[word] + value if word in total else value
        return Polynomial(total)

    def __matmul__(self, other: Polynomial) -> Polynomial:
        total: dict[Word, Any] = {}
        for (front, letters), x in self.terms.items():
            for (other_front, other_letters), y in other.terms.items():
                if letters:
                    last = (letters[-1][0], letters[-1][1] + other_front)
                    word = (front, (*letters[:-1], last, *other_letters))
                else:
                    word = (front + other_front, other_letters)
                value = x * y
                total[word] = total[word] + value if word in total else value
        return Polynomial(total)

    def with_axes(self, expand: Callable[[Any], Any]) -> Polynomial:
        """The same words with coefficients passed through `expand`."""
        return Polynomial({word: expand(value) for word, value in self.terms.items()})


@lru_cache(maxsize=8)
def noncrossing(size: int) -> tuple[tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]], ...]:
    """Non-crossing partitions of ``0..size-1`` with their Kreweras complements (blocks of gaps)."""

    def partitions(items: tuple[int, ...]) -> list[tuple[tuple[int, ...], ...]]:
        if not items:
            return [()]
        found = []
        first, rest = items[0], items[1:]
        for choice in range(2 ** len(rest)):
            block = (first, *[x for i, x in enumerate(rest) if choice >> i & 1])
            cuts = [*block, items[-1] + 1]
            gaps = [tuple(x for x in items if a < x < b) for a, b in pairwise(cuts)]
            tails: list[tuple[tuple[int, ...], ...]] = [()]
            for gap in gaps:
                tails = [tail + more for tail in tails for more in partitions(gap)]
            found += [(block, *tail) for tail in tails]
        return found

    result = []
    for partition in partitions(tuple(range(size))):
        inverse = {}
        for block in partition:
            for i, x in enumerate(block):
                inverse[block[(i + 1) % len(block)]] = x
        seen: set[int] = set()
        complement = []
        for start in range(size):
            cycle = []
            gap = start
            while gap not in seen:
                seen.add(gap)
                cycle.append(gap)
                gap = inverse[(gap + 1) % size]
            if cycle:
                complement.append(tuple(cycle))
        result.append((partition, tuple(complement)))
    return tuple(result)


@dataclass(frozen=True, eq=False)
class Traces:
    """Traces of words.

    Parameters
    ----------
    phi
        ``d / n``.
    moment
        ``E r^e`` of the residual.
    level
        ``<l^j>`` of the input covariance.
    """

    phi: float
    moment: Callable[[int], float]
    level: Callable[[float], float]

    @cached_property
    def _known(self) -> dict[Any, float]:
        return {}

    @cached_property
    def _moments(self) -> dict[int, float]:
        return {}

    @cached_property
    def _levels(self) -> dict[float, float]:
        return {}

    def _moment(self, power: int) -> float:
        if power not in self._moments:
            self._moments[power] = self.moment(power)
        return self._moments[power]

    def _level(self, power: float) -> float:
        if power not in self._levels:
            self._levels[power] = self.level(power)
        return self._levels[power]

    def word(self, word: Word) -> float:
        """``(1/d) tr`` of a word."""
        front, letters = word
        if not letters:
            return self._level(front)
        of_r, of_levels = tuple(power for power, _ in letters), [power for _, power in letters]
        of_levels[-1] += front
        key = of_r if self._alike else word
        if key not in self._known:
            self._known[key] = self._word(of_r, of_levels)
        return self._known[key]

    @cached_property
    def _alike(self) -> bool:
        """Whether all levels are one: their variance is zero."""
        return self._level(1.0) == self._level(2.0) == 1.0

    def _word(self, of_r: tuple[int, ...], of_levels: list[float]) -> float:
        total = 0.0
        for partition, complement in noncrossing(len(of_r)):
            value = self.phi ** (len(of_r) - len(partition))
            for block in partition:
                value *= self._moment(sum([of_r[i] for i in block]))
            if not self._alike:
                for gaps in complement:
                    value *= self._level(sum([of_levels[i] for i in gaps]))
            total += value
        return total

    def of(self, polynomial: Polynomial) -> Any:
        """Trace of a polynomial."""
        total: Any = 0.0
        for word, value in polynomial.terms.items():
            total = total + value * self.word(word)
        return np.asarray(total)
