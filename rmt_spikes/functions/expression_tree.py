"""Trees of formulas in one variable: values, exact derivatives and symbolic forms, by walking the tree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.table import ELEMENTARY

RealArray = NDArray[Any]

CONSTANTS = {"pi": math.pi, "e": math.e}


@dataclass(frozen=True)
class Node:
    """One operation: ``z``, ``number``, an arithmetic operation, ``pow`` with a constant exponent, or a call.

    Parameters
    ----------
    operation : str
        ``"z"``, ``"number"``, a name in `CONSTANTS`, ``"add" "sub" "mul" "div" "neg" "pow"`` or a function.
    arguments : tuple of Node
        Operands.
    constant : float or None
        Value of a subtree without ``z``.
    degree : int
        Greatest product of exponents along a path below this node.
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

    def value(self, z: RealArray) -> Any:
        """Evaluate the subtree at an array; a constant comes back as a float."""
        if self.constant is not None:
            return self.constant
        if self.operation == "z":
            return z
        return apply_operation(self.operation, [argument.value(z) for argument in self.arguments])

    def pair(self, z: RealArray) -> tuple[Any, Any]:
        """Evaluate the subtree and its derivative; the derivative of a constant is None."""
        if self.constant is not None:
            return self.constant, None
        if self.operation == "z":
            return z, np.ones_like(z)
        pairs = [argument.pair(z) for argument in self.arguments]
        values = [value for value, _ in pairs]
        return apply_operation(self.operation, values), _tangent(
            self.operation, values, [slope for _, slope in pairs]
        )

    def slope(self, z: RealArray) -> Any:
        """Evaluate the derivative; None for a constant."""
        return self.pair(z)[1]

    def symbol(self, sympy: Any, z: Any) -> Any:
        """Build the subtree in sympy, with decimal constants as exact rationals."""
        if self.operation == "z":
            return z
        if self.operation == "number":
            return sympy.Rational(repr(self.constant))
        if self.operation in CONSTANTS:
            return sympy.pi if self.operation == "pi" else sympy.E
        operands = [argument.symbol(sympy, z) for argument in self.arguments]
        if self.operation in ELEMENTARY:
            return ELEMENTARY[self.operation].symbol(sympy, operands[0])
        builders = {
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "div": lambda a, b: a / b,
            "pow": lambda a, b: a**b,
            "neg": lambda a: -a,
            "max": sympy.Max,
            "min": sympy.Min,
        }
        return builders[self.operation](*operands)


def apply_operation(operation: str, values: list[Any]) -> Any:
    """Apply one operation to the values of its operands.

    Parameters
    ----------
    operation : str
        Name of an operation other than ``"z"`` and ``"number"``.
    values : list of ndarray or float
        Values of the operands.

    Returns
    -------
    ndarray or float
        The value.
    """
    if operation in ELEMENTARY:
        return ELEMENTARY[operation].value(values[0])
    if operation == "neg":
        return -values[0]
    left, right = values
    match operation:
        case "add":
            return left + right
        case "sub":
            return left - right
        case "mul":
            return left * right
        case "div":
            return left / right
        case "pow":
            return _power(left, float(right))
        case "max":
            return np.maximum(left, right)
    return np.minimum(left, right)


def _power(base: Any, exponent: float) -> Any:
    """Raise to a constant power; whole exponents by repeated squaring, many times faster than ``**``."""
    if exponent < 0:
        return 1 / _power(base, -exponent)
    if exponent == 0.5:
        return np.sqrt(base)
    if exponent != int(exponent):
        return base**exponent
    whole, result, square = int(exponent), None, base
    while whole:
        if whole % 2:
            result = square if result is None else result * square
        whole //= 2
        square = square * square if whole else square
    return np.ones_like(base) if result is None else result


def _tangent(operation: str, values: list[Any], slopes: list[Any]) -> Any:
    """Differentiate one operation; at least one slope is not None."""
    left, right = values[0], values[-1]
    rise, run = slopes[0], slopes[-1]
    if operation in ELEMENTARY:
        return ELEMENTARY[operation].slope(left) * rise
    match operation:
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
            fall = -left * run / (right * right)
            return fall if rise is None else rise / right + fall
        case "pow":
            exponent = float(right)
            return np.zeros_like(left) if exponent == 0 else exponent * _power(left, exponent - 1) * rise
    chosen = left >= right if operation == "max" else left <= right
    zero = 0.0
    return np.where(chosen, zero if rise is None else rise, zero if run is None else run)
