"""Trees of formulas: one walk for values and exact derivatives in any arithmetic."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rmt_spikes.functions.arithmetic import FLOATS, Arithmetic
from rmt_spikes.functions.table import TABLE

CONSTANTS = {"pi": math.pi, "e": math.e}

VARIABLES = ("z1", "z2", "z3", "z4", "z5")
"""Variables of a formula in several: the arguments of its tree are sequences of them, in this order."""

_OPERATORS: dict[str, Callable[..., Any]] = {
    "neg": operator.neg,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


@dataclass(frozen=True)
class Node:
    """One operation: ``z number add sub mul div neg pow``, a variable, a constant, or a function.

    `constant` is the value of a subtree without a variable, and `degree` the greatest product of exponents
    along a path below this node.
    """

    operation: str
    arguments: tuple[Node, ...] = ()
    constant: float | None = None
    degree: float = 1.0

    def walk(self) -> Iterator[Node]:
        """Yield this node and everything below it."""
        yield self
        for argument in self.arguments:
            yield from argument.walk()

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:
        """Evaluate the subtree; outside floats its decimals are what they spell."""
        if self.operation == "z":
            return z
        if self.operation in VARIABLES:
            return z[VARIABLES.index(self.operation)]
        if self.constant is not None and numbers is FLOATS:
            return self.constant
        if self.operation == "number":
            return numbers.number(self.constant)
        if self.operation in CONSTANTS:
            return numbers.pi if self.operation == "pi" else numbers.exp(numbers.number(1))
        return apply_operation(numbers, self, [argument.value(z, numbers) for argument in self.arguments])

    def pair(self, z: Any, numbers: Arithmetic = FLOATS) -> tuple[Any, Any]:
        """Evaluate the subtree and its derivative; the derivative of a constant is None."""
        if self.operation == "z":
            return z, numbers.full(z, 1)
        if self.constant is not None:
            return self.value(z, numbers), None
        pairs = [argument.pair(z, numbers) for argument in self.arguments]
        values = [value for value, _ in pairs]
        slope = _tangent(numbers, self, values, [slope for _, slope in pairs])
        return apply_operation(numbers, self, values), slope

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:
        """Evaluate the derivative; None for a constant."""
        return self.pair(z, numbers)[1]

    @property
    def exponent(self) -> float:
        """Exponent of a power."""
        return self.arguments[1].constant or 0.0


def apply_operation(numbers: Arithmetic, node: Node, values: list[Any]) -> Any:
    """Apply an operation other than ``z``, a number or a constant to the values of its operands."""
    if node.operation in _OPERATORS:
        return _OPERATORS[node.operation](*values)
    match node.operation:
        case "pow":
            return numbers.power(values[0], _whole(node.exponent, values[1]))
        case "max":
            return numbers.maximum(*values)
        case "min":
            return numbers.minimum(*values)
    return TABLE[node.operation].value(numbers, *values)


def _whole(exponent: float, exact: Any) -> Any:
    """Exponent as an integer where it is a whole number, so that a power is a product."""
    return int(exponent) if exponent == int(exponent) else exact


def _tangent(numbers: Arithmetic, node: Node, values: list[Any], slopes: list[Any]) -> Any:
    """Differentiate one operation; at least one slope is not None."""
    left, right = values[0], values[-1]
    rise, run = slopes[0], slopes[-1]
    match node.operation:
        case "neg":
            return -rise
        case "add":
            return run if rise is None else rise if run is None else rise + run
        case "sub":
            return -run if rise is None else rise if run is None else rise - run
        case "mul":
            return left * run if rise is None else rise * right if run is None else rise * right + left * run
        case "div":
            if run is None:
                return rise / right
            fall = numbers.times(-left / (right * right), run)
            return fall if rise is None else rise / right + fall
        case "pow" if node.exponent == 0:
            return numbers.full(left, 0)
        case "pow":
            exponent = _whole(node.exponent, right)
            return numbers.times(exponent * numbers.power(left, exponent - 1), rise)
        case "max" | "min":
            ends = (left, right) if node.operation == "max" else (right, left)
            return numbers.where(*ends, 0 if rise is None else rise, 0 if run is None else run)
    return numbers.times(TABLE[node.operation].slope(numbers, left), rise)
