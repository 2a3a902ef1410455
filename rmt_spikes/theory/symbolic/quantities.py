"""The formulas by name, with the options that each takes."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rmt_spikes.errors import DomainError
from rmt_spikes.theory.symbolic.formula import Formula, meanings, shown

Expression = Callable[..., Any]
Decorated = TypeVar("Decorated", bound=Expression)


@dataclass(frozen=True)
class _Quantity:
    title: str
    section: str
    left: str
    build: Expression


_QUANTITIES: dict[str, _Quantity] = {}


def quantity(name: str, title: str, section: str, left: str) -> Callable[[Decorated], Decorated]:
    """Make a function that returns an expression known to `derive`; its parameters are the options.

    Parameters
    ----------
    name
        Lower case, words joined by ``-``.
    title, section
        What it is, and where docs/theory.md has it; ``{option}`` in the title is the value of an option.
    left
        Name of the left-hand side, with ``{option}`` likewise; ``0`` for an expression that vanishes.
    """

    def decorate(build: Decorated) -> Decorated:
        _QUANTITIES[name] = _Quantity(title, section, left, build)
        return build

    return decorate


def quantities() -> tuple[str, ...]:
    """Names that `derive` knows, in the order of docs/theory.md."""
    return tuple(sorted(_QUANTITIES, key=lambda name: _QUANTITIES[name].section))


def options(name: str) -> dict[str, Any]:
    """Options of a quantity with their defaults; those without one are required and map to None.

    Raises
    ------
    DomainError
        For a name that is not known.
    """
    parameters = inspect.signature(_quantity(name).build).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in parameters}


def listing() -> str:
    """Plain text: each quantity with its title and options, as they are given on the command line."""
    lines = []
    for name in quantities():
        lines.append(f"{name}: {_QUANTITIES[name].title}")
        for option, default in options(name).items():
            rule = "required" if default is None else f"default {shown(default)}"
            lines.append(f"    --{option}  ({rule})")
    return "\n".join(lines) + "\n"


def derive(name: str, **given: Any) -> Formula:
    """Derive a formula.

    Parameters
    ----------
    name
        One of `quantities`. ``NAME-VALUE`` is short for the first option: ``improvement-2`` is
        ``improvement`` with ``spikes=2``.
    **given
        Options of the quantity.

    Raises
    ------
    DomainError
        For a name, an option or a value that is not known; the message says which are.
    """
    name, given = _without_short(str(name), given)
    what = _quantity(name)
    known = options(name)
    for option in given:
        if option not in known:
            takes = f"{name} takes {', '.join(known) or 'no options'}"
            raise DomainError(option, f"is not an option of {name}", given[option], takes)
    for option, default in known.items():
        if option not in given and default is None:
            raise DomainError(option, f"is required by {name}", None, f"give --{option} a value")
    values = {**known, **given}
    expression = what.build(**values)
    return Formula(
        name=name,
        options=values,
        title=what.title.format(**values),
        section=what.section,
        left=_left(what.left.format(**values)),
        expression=expression,
        symbols=meanings(expression),
    )


def _left(name: str) -> Any:
    import sympy

    return sympy.Integer(0) if name == "0" else sympy.Symbol(name)


def _quantity(name: str) -> _Quantity:
    if name not in _QUANTITIES:
        near = difflib.get_close_matches(name[:80], list(_QUANTITIES), n=3, cutoff=0.5)
        advice = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(_QUANTITIES)}"
        raise DomainError("quantity", "must be the name of a formula", name, advice)
    return _QUANTITIES[name]


def _without_short(name: str, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Write out ``NAME-VALUE``."""
    stem, _, value = name.rpartition("-")
    if name in _QUANTITIES or stem not in _QUANTITIES or not options(stem):
        return name, dict(given)
    first = next(iter(options(stem)))
    if first in given:
        raise DomainError(first, f"must be given once, and {name} gives it too", given[first])
    return stem, {first: int(value) if re.fullmatch("[0-9]{1,4}", value) else value, **given}
