"""The parameters of a setting: one declaration validates them and documents them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.scalar import function_from


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What is known about one parameter.

    Parameters
    ----------
    symbol : str
        Symbol in docs/theory.md; empty when it has none.
    meaning : str
        One phrase.
    kind : str
        ``"integer"``, ``"number"``, ``"boolean"``, ``"choice"`` or ``"function"``.
    low, high : float
        Closed domain of an integer or a number.
    choices : tuple of str
        Domain of a choice.
    default : object
        Default value; None where there is none, or where the meaning says what takes its place.
    """

    symbol: str
    meaning: str
    kind: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    default: object = None

    @property
    def domain(self) -> str:
        """The domain as a phrase that completes "must be"."""
        match self.kind:
            case "boolean":
                return "true or false"
            case "choice":
                return "one of " + ", ".join(self.choices)
            case "function":
                return 'a name, {hermite = [...]} or {expression = "..."}'
            case "integer":
                return f"a whole number from {_plain(self.low)} to {_plain(self.high)}"
        return f"a number from {_plain(self.low)} to {_plain(self.high)}"

    def check(self, field: str, given: Any) -> Any:
        """Return a value in its canonical type.

        Parameters
        ----------
        field : str
            Name of the parameter, for the error message.
        given : object
            The value; scalars of numpy count as numbers.

        Returns
        -------
        object
            An int, a float, a bool, a str or a `FunctionSpecification`.

        Raises
        ------
        DomainError
            When the value is of another type or outside the domain.
        """
        if isinstance(given, np.generic):
            given = given.item()
        if self.kind == "function":
            function_from(given, field)
            return given if isinstance(given, str) else FunctionSpecification(given)
        if not self._contains(given):
            raise DomainError(field, f"must be {self.domain}", given, self._advice(given))
        return float(given) if self.kind == "number" else given

    def _contains(self, given: Any) -> bool:
        if self.kind == "boolean":
            return isinstance(given, bool)
        if self.kind == "choice":
            return isinstance(given, str) and given in self.choices
        number = isinstance(given, int if self.kind == "integer" else int | float)
        return number and not isinstance(given, bool) and self.low <= given <= self.high

    def _advice(self, given: Any) -> str:
        if self.kind == "choice" and isinstance(given, str):
            close = difflib.get_close_matches(given[:40].lower(), self.choices, n=1)
            return f"did you mean {close[0]!r}?" if close else ""
        if self.kind == "integer" and isinstance(given, float) and given.is_integer() and given <= self.high:
            return f"write {int(given)}"
        return ""


class FunctionSpecification(Mapping[str, Any]):
    """A read-only, hashable mapping that says which function is meant.

    Parameters
    ----------
    given : mapping
        Text, or a sequence of numbers, under each key.
    """

    __slots__ = ("_items",)

    def __init__(self, given: Mapping[str, Any]) -> None:
        def frozen(value: Any) -> Any:
            if isinstance(value, list | tuple | np.ndarray):
                return tuple(entry.item() if isinstance(entry, np.generic) else entry for entry in value)
            return value

        self._items = tuple((key, frozen(value)) for key, value in given.items())

    def __getitem__(self, key: str) -> Any:
        return dict(self._items)[key]

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return repr(self.to_dict())

    def __reduce__(self) -> tuple[Any, ...]:
        return FunctionSpecification, (self.to_dict(),)

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping as it stands in TOML and JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in self._items}


def _plain(bound: float) -> str:
    """Write a bound the way one types it."""
    return f"{bound:g}".replace("e+0", "e").replace("e+", "e")


def _size(symbol: str, meaning: str) -> Parameter:
    return Parameter(symbol=symbol, meaning=meaning, kind="integer", low=1, high=10**9)


def _number(symbol: str, meaning: str, low: float, high: float, default: float | None = None) -> Parameter:
    return Parameter(symbol=symbol, meaning=meaning, kind="number", low=low, high=high, default=default)


def _choice(symbol: str, meaning: str, *choices: str) -> Parameter:
    return Parameter(symbol=symbol, meaning=meaning, kind="choice", choices=choices, default=choices[0])


PARAMETERS: dict[str, Parameter] = {
    "n": _size("n", "samples of the first batch"),
    "d": _size("d", "input dimension"),
    "width": _size("N", "neurons of the hidden layer"),
    "n_ridge": _size("n~", "samples of the second batch; n when not given"),
    "activation": Parameter(symbol="sigma", meaning="activation of the hidden layer", kind="function"),
    "target": Parameter(symbol="sigma_*", meaning="link function of the target", kind="function"),
    "center": Parameter(
        symbol="", meaning="whether E activation(Z) is subtracted", kind="boolean", default=True
    ),
    "noise_std": _number("sigma_eps", "standard deviation of the label noise", 0, 1e6, 0.0),
    "ridge": _number("lambda", "ridge penalty", 1e-12, 1e12),
    "step_size": _number("eta", "step size, at most 10 sqrt(width)", 0, 1e6),
    "step_exponent": _number("alpha", "step_size = n ** step_exponent", -2, 1),
    "readout": _choice("alpha_j", "law of the readout weights", "gaussian", "rademacher", "constant"),
    "output_scale": _choice("varsigma", "scale of the initial output", "mean_field", "standard"),
}
"""Every key of a setting, in the order in which they are shown."""
