"""Formulas in ``z``, or in ``z1`` to ``z5``: a whitelisted syntax tree, never evaluated as code.

Text goes through ``ast.parse`` behind bounds on length, depth, size, exponents and constants, and only
the node types below are accepted. The accepted tree is then walked by this module alone: for values, for
the exact derivative (forward mode) and for a sympy expression.
"""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.functions.arithmetic import FLOATS, Arithmetic
from rmt_spikes.functions.expression_tree import CONSTANTS, VARIABLES, Node, apply_operation
from rmt_spikes.functions.singularities import check_domain, find_details, find_kinks
from rmt_spikes.functions.table import TABLE

RealArray = NDArray[Any]

MAX_LENGTH = 1000
"""Characters: bounds the work of the parser."""

MAX_DEPTH = 60
"""Levels: the walk of a tree stays far from the recursion limit of Python."""

MAX_NODES = 400
"""Operations: bounds the time of one value."""

MAX_EXPONENT = 20
"""Highest power: that of `MAX_DEGREE` in a Hermite list."""

MAX_CONSTANT = 1e12
"""Largest number: its square times a Gaussian density is far from overflow."""

FUNCTIONS = tuple(sorted([*(set(TABLE) - {"identity"}), "clip", "max", "maximum", "min", "minimum", "where"]))

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}


@dataclass(frozen=True)
class Expression:
    """An accepted formula.

    `text` is its canonical spelling and `root` its tree. `kinks`, where it is not smooth, and `details`, the
    ends of short intervals that resolve what is narrow (none for most formulas), are sorted.
    """

    text: str
    root: Node
    kinks: tuple[float, ...]
    details: tuple[float, ...]

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:
        """Evaluate, in floats without warnings: look at the result for overflow."""
        if numbers is not FLOATS:
            return self.root.value(z, numbers)
        with np.errstate(all="ignore"):
            value = np.asarray(self.root.value(z), dtype=z.dtype)
        return value if value.shape == z.shape and value is not z else np.full_like(z, value)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:
        """Evaluate the derivative, in floats without warnings."""
        if numbers is not FLOATS:
            slope = self.root.slope(z, numbers)
            return numbers.full(z, 0) if slope is None else slope
        with np.errstate(all="ignore"):
            slope = self.root.slope(z)
        return np.zeros_like(z) if slope is None else np.asarray(slope, dtype=z.dtype)


@dataclass(frozen=True)
class Formula:
    """An accepted formula in the first `directions` of `VARIABLES`, two or more of them."""

    text: str
    root: Node
    directions: int


def parse_expression(text: object, field: str) -> Expression:
    """Read a formula that is finite on ``|z| <= 38``, or raise a `DomainError` that names `field`."""
    return _checked(_bounded(text, field), field)


def parse_directions(text: object, field: str) -> Expression | Formula:
    """Read a formula in ``z``, or in ``z1`` to ``z5`` without a gap; one of ``z1`` alone is one in ``z``.

    Where a formula in several variables is finite is not looked at here.
    """
    tree = _syntax(_bounded(text, field), field)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    numbered = sorted(name for name in names if re.fullmatch(r"z\d+", name))
    if not numbered:
        return parse_expression(text, field)
    if "z" in names:
        raise DomainError(field, "expression must be in z, or in z1 to z5, not in both", text)
    beyond = [name for name in numbered if name not in VARIABLES]
    if beyond:
        required = "expression must have at most five directions, z1 to z5"
        raise DomainError(field, required, text, f"it has {beyond[0]}")
    missing = [name for name in VARIABLES[: VARIABLES.index(numbered[-1])] if name not in numbered]
    if missing:
        required = "expression must number its directions without a gap"
        raise DomainError(field, required, text, f"{missing[0]} is missing")
    if numbered == ["z1"]:
        assert isinstance(text, str)
        return _checked(text, field, "z1")
    root = _Reader(field, tuple(numbered)).read(tree.body)
    return Formula(ast.unparse(tree), root, len(numbered))


def _bounded(text: object, field: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise DomainError(field, "expression must be a formula in z, given as text", text)
    if len(text) > MAX_LENGTH:
        given = Word(f"{len(text)} characters")
        raise DomainError(field, f"expression must have at most {MAX_LENGTH} characters", given)
    return text


@lru_cache(maxsize=256)
def _checked(text: str, field: str, variable: str = "z") -> Expression:
    tree = _syntax(text, field)
    root = _Reader(field, (variable,)).read(tree.body)
    with np.errstate(all="ignore"):
        check_domain(root, field, text)
        kinks = find_kinks(root, field, text)
        details = find_details(root, kinks)
    return Expression(ast.unparse(tree), root, kinks, details)


def _syntax(text: str, field: str) -> ast.Expression:
    """Parse the text, and bound what comes out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = ast.parse(text.strip(), mode="eval")
    except (RecursionError, MemoryError):
        raise DomainError(field, f"expression must not nest deeper than {MAX_DEPTH} levels", text) from None
    except (SyntaxError, ValueError, Warning):
        raise DomainError(field, "expression must be a formula in z, e.g. tanh(z) + z**2/10", text) from None
    level: list[ast.AST] = [tree.body]
    count = 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise DomainError(field, f"expression must not nest deeper than {MAX_DEPTH} levels", text)
    if count > MAX_NODES:
        raise DomainError(field, f"expression must have at most {MAX_NODES} operations", text)
    return tree


class _Reader:
    """Turn accepted syntax into nodes; everything else is refused by name.

    A formula in one variable has it as ``z`` in its tree, whatever its name.
    """

    def __init__(self, field: str, variables: tuple[str, ...]) -> None:
        self.field = field
        self.variables = {name: Node("z" if len(variables) == 1 else name) for name in variables}

    def refuse(self, required: str, node: ast.AST, advice: str = "") -> DomainError:
        try:
            given = ast.unparse(node)
        except (RecursionError, ValueError):
            given = type(node).__name__
        return DomainError(self.field, f"expression {required}", given, advice)

    def read(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name(id=name) if name in self.variables:
                return self.variables[name]
            case ast.Name(id=name) if name in CONSTANTS:
                return Node(name, constant=CONSTANTS[name])
            case ast.Name(id=name):
                known = "z" if "z" in self.variables else " ".join(self.variables)
                raise self.refuse(f"must be in the variable {known}", node, self.suggestion(name))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.read(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return self.build("neg", [self.read(node.operand)], node)
            case ast.BinOp(op=ast.Pow()):
                return self.power(node)
            case ast.BinOp(op=operator) if type(operator) in _BINARY:
                sides = [self.read(node.left), self.read(node.right)]
                return self.build(_BINARY[type(operator)], sides, node)
            case ast.BinOp(op=ast.BitXor()):
                raise self.refuse("has no operator ^", node, "write ** for a power")
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return self.call(name, node)
            case ast.Compare(ops=[ast.Gt() | ast.Lt() | ast.GtE() | ast.LtE()]):
                return self.comparison(node)
            case ast.Compare():
                raise self.refuse("may compare two sides by < <= > >= only", node)
        raise self.refuse(
            "may hold z, numbers, pi, e, + - * / **, comparisons and calls of known functions only", node
        )

    def comparison(self, node: ast.Compare) -> Node:
        """1 where it holds, else 0."""
        left, right, operator = self.read(node.left), self.read(node.comparators[0]), node.ops[0]
        if isinstance(operator, ast.Lt | ast.GtE):
            left, right = right, left
        above = self.build("heaviside", [self.build("sub", [left, right], node)], node)
        return above if isinstance(operator, ast.Gt | ast.Lt) else self.complement(above, node)

    def complement(self, condition: Node, node: ast.AST) -> Node:
        return self.build("sub", [Node("number", constant=1.0), condition], node)

    def number(self, node: ast.Constant) -> Node:
        number = node.value
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise self.refuse("must hold numbers only", node)
        if not abs(number) <= MAX_CONSTANT:
            raise self.refuse("must hold real numbers of size at most 1e12", node)
        return Node("number", constant=float(number))

    def power(self, node: ast.BinOp) -> Node:
        exponent = self.read(node.right)
        if exponent.constant is None or any(below.operation == "pow" for below in exponent.walk()):
            raise self.refuse("must have plain numbers as exponents", node)
        if abs(exponent.constant) > MAX_EXPONENT:
            raise self.refuse(f"must have exponents between -{MAX_EXPONENT} and {MAX_EXPONENT}", node)
        return self.build("pow", [self.read(node.left), exponent], node)

    def call(self, name: str, node: ast.Call) -> Node:
        if name not in FUNCTIONS:
            raise self.refuse("must use known functions only", node, self.suggestion(name))
        if name == "where" and not (len(node.args) == 3 and isinstance(node.args[0], ast.Compare)):
            raise self.refuse("needs a comparison and two arguments for where", node)
        arguments = [self.read(argument) for argument in node.args]
        name = {"maximum": "max", "minimum": "min"}.get(name, name)
        if name in ("max", "min"):
            if len(arguments) < 2:
                raise self.refuse(f"needs two arguments or more for {name}", node)
            return reduce(lambda left, right: self.build(name, [left, right], node), arguments)
        if name == "clip":
            if len(arguments) != 3:
                raise self.refuse("needs three arguments for clip", node)
            return self.build("min", [self.build("max", arguments[:2], node), arguments[2]], node)
        if name == "where":
            condition, held, failed = arguments
            sides = [(condition, held), (self.complement(condition, node), failed)]
            return self.build("add", [self.build("mul", [*side], node) for side in sides], node)
        if len(arguments) != 1:
            raise self.refuse(f"needs one argument for {name}", node)
        return self.build(name, arguments, node)

    def suggestion(self, name: str) -> str:
        if name in FUNCTIONS:
            return f"write {name}({next(iter(self.variables))})"
        if name in VARIABLES:
            return "several directions, z1 to z5, are for targets"
        close = difflib.get_close_matches(name[:40].lower(), [*FUNCTIONS, *CONSTANTS, "z"], n=1, cutoff=0.7)
        return f"did you mean {close[0]}?" if close else "functions: " + " ".join(FUNCTIONS)

    def build(self, operation: str, arguments: list[Node], node: ast.AST) -> Node:
        degree = max(argument.degree for argument in arguments)
        if operation == "pow":
            degree = arguments[0].degree * max(1.0, abs(arguments[1].constant or 0.0))
        if degree > 3 * MAX_EXPONENT:
            raise self.refuse(f"must not multiply nested exponents beyond {3 * MAX_EXPONENT}", node)
        built = Node(operation, tuple(arguments), None, degree)
        constants = [np.float64(each.constant) for each in arguments if each.constant is not None]
        if len(constants) < len(arguments):
            return built
        with np.errstate(all="ignore"):
            constant = float(apply_operation(FLOATS, built, constants))
        if not abs(constant) <= MAX_CONSTANT:
            raise self.refuse("must hold real numbers of size at most 1e12", node)
        return replace(built, constant=constant)
