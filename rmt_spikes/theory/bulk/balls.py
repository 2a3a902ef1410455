"""Real and complex balls of python-flint: conversions, and the precision of a computation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, TypeVar

import mpmath
from flint import acb, arb, ctx, fmpq

Ball = TypeVar("Ball", arb, acb)

GUARD_DIGITS = 20
"""Digits beyond those asked for; where rounding takes more, the computation is repeated with more."""

BITS_PER_DIGIT = 3.3219281
"""``log_2 10``, rounded up."""


@contextmanager
def working_digits(digits: int) -> Iterator[None]:
    """Compute with balls and mpmath numbers of this many decimal digits; both precisions are restored."""
    with ctx.workprec(int(digits * BITS_PER_DIGIT) + 8), mpmath.workdps(digits):
        yield


def rational(number: float) -> fmpq:
    """The rational that a number of a setting spells: 0.1 is one tenth, not the nearest double."""
    return fmpq(*Fraction(repr(number)).as_integer_ratio())


def ball(number: float) -> arb:
    """Ball around the rational that a number of a setting spells."""
    return arb(rational(number))


def power(x: Ball, exponent: int) -> Ball:
    """A power with an exponent 0, 1, 2, ...; ``**`` of a ball around zero is not finite in python-flint."""
    result = x * 0 + 1
    for _ in range(exponent):
        result = result * x
    return result


def square(x: Ball) -> Ball:
    """A real or complex ball times itself."""
    return x * x


def exact_mpf(x: arb) -> Any:
    """An exact ball as an mpmath number, without rounding."""
    return mpmath.make_mpf(x._mpf_)


def midpoint(x: arb) -> Any:
    """Middle of a ball as an mpmath number; a ball around zero is zero."""
    return mpmath.mpf(0) if x.contains(0) else exact_mpf(x.mid())


def enclosure(x: arb) -> tuple[Any, Any]:
    """Lower and upper end of a ball as mpmath numbers."""
    return exact_mpf(x.lower()), exact_mpf(x.upper())


def from_mpf(x: Any) -> arb:
    """A ball around an mpmath number."""
    sign, mantissa, exponent, _ = mpmath.mpf(x)._mpf_
    return arb((-1) ** sign * int(mantissa)) * arb(2) ** int(exponent)
