"""Functions of one real variable that a setting can name: by name, Hermite list or expression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import number, suggestion
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.functions.arithmetic import FLOATS, Arithmetic
from rmt_spikes.functions.callables import Function
from rmt_spikes.functions.expression import Expression, parse_expression
from rmt_spikes.functions.table import FORMULAS, NAMES, TABLE, Row, corner_moments

FloatArray = NDArray[np.float64]
# Any: the floating type of the argument is kept.
RealArray = Any

SPECIFICATIONS = 'a name, {hermite = [...]}, {expression = "..."} or, in Python, a function'
"""Ways of saying which function is meant."""

MAX_DEGREE = 20
"""Highest Hermite polynomial of a list: terms of size ``sqrt(20!)``, 1.6e9, cancel and leave seven digits."""

MAX_COEFFICIENT = 1e6
"""Largest coefficient of a list, so that values up to ``|z| = 38`` do not overflow when they are squared."""


@dataclass(frozen=True)
class ScalarFunction(ABC):
    """A function of one real variable, with its derivative, in every arithmetic.

    `name` is its display name, in canonical spelling; `kinks`, sorted, are the points where it is not smooth.
    """

    name: str
    kinks: tuple[float, ...]

    def __call__(self, z: RealArray) -> RealArray:
        """Evaluate at points of any shape; ``float32`` stays, everything else becomes ``float64``."""
        return self.value(_floating(z))

    def derivative(self, z: RealArray) -> RealArray:
        """Evaluate the derivative, which exists almost everywhere; at a kink, the value of one side."""
        return self.slope(_floating(z))

    @property
    def splits(self) -> tuple[float, ...]:
        """Where quadrature splits: the kinks, and around details too narrow to be seen from afar."""
        return self.kinks

    def hermite_exact(self, order: int) -> FloatArray | None:
        """Return ``c_k = E[f(Z) He_k(Z)] / k!`` for ``k = 0..order``, where a closed form is known."""
        return None

    def moments_exact(self, mean: FloatArray, scale: FloatArray) -> FloatArray | None:
        """Return the moments of ``u = mean + scale Z`` (each of shape (m,)), where a closed form is known.

        Their shape is (4, m): ``E f(u)``, ``E Z f(u)``, ``E (Z^2 - 1)/2 f(u)`` and ``E f(u)^2``.
        """
        return None

    def shifted(self, constant: float) -> ScalarFunction:
        """Return the function minus a constant, such as its mean; the function itself when that is 0."""
        if constant == 0:
            return self
        name = f"{self.name} {'-' if constant > 0 else '+'} {abs(constant):.6g}"
        return ShiftedFunction(name, self.kinks, self, float(constant))

    def scaled(self, factor: float) -> ScalarFunction:
        """Return the function of ``factor z`` for a positive factor; the function itself when that is 1."""
        if factor == 1:
            return self
        kinks = tuple(kink / factor for kink in self.kinks)
        return ScaledFunction(f"{self.name} of {factor:.6g} z", kinks, self, float(factor))

    @abstractmethod
    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:
        """Evaluate in any arithmetic: at an array of float32 or float64, or a number of another one."""

    @abstractmethod
    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:
        """Evaluate the derivative in any arithmetic."""

    def mean(self, m: Any, t: Any, numbers: Arithmetic) -> Any:
        """Return ``E f(m + t Z)`` in an arithmetic, None where it has no closed form."""
        return None


@dataclass(frozen=True)
class NamedFunction(ScalarFunction):
    """A function from the table of names."""

    @property
    def row(self) -> Row:
        """Row of the table."""
        return TABLE[self.name]

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.row.value(numbers, z)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.row.slope(numbers, z)

    def mean(self, m: Any, t: Any, numbers: Arithmetic) -> Any:  # noqa: D102
        return None if self.row.mean is None else self.row.mean(numbers, m, t)

    def hermite_exact(self, order: int) -> FloatArray | None:  # noqa: D102
        formula = self.row.coefficient
        return None if formula is None else np.array([formula(FLOATS, k) for k in range(order + 1)])

    def moments_exact(self, mean: FloatArray, scale: FloatArray) -> FloatArray | None:  # noqa: D102
        if self.row.corner is None:
            return None
        left, right = self.row.corner
        return corner_moments(float(left), float(right), mean, scale)


@dataclass(frozen=True)
class HermiteSeries(ScalarFunction):
    """A finite sum ``sum_k c_k He_k(z)`` of probabilists' Hermite polynomials, not normalised."""

    coefficients: tuple[float, ...]

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return _clenshaw(self.coefficients, z, numbers)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return _clenshaw(self.coefficients, z, numbers, derivative=True)

    def mean(self, m: Any, t: Any, numbers: Arithmetic) -> Any:  # noqa: D102
        return _clenshaw(self.coefficients, m, numbers, variance=1 - t * t)

    def hermite_exact(self, order: int) -> FloatArray:  # noqa: D102
        exact = np.zeros(order + 1)
        known = self.coefficients[: order + 1]
        exact[: len(known)] = known
        return exact


@dataclass(frozen=True)
class ExpressionFunction(ScalarFunction):
    """A function given by a formula in ``z``."""

    expression: Expression

    @property
    def splits(self) -> tuple[float, ...]:  # noqa: D102
        return tuple(sorted({*self.kinks, *self.expression.details}))

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.expression.value(z, numbers)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.expression.slope(z, numbers)


@dataclass(frozen=True)
class CallableFunction(ScalarFunction):
    """A Python function, known in double precision."""

    function: Function

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        self._refuse(numbers)
        return self.function.at(z)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        self._refuse(numbers)
        return self.function.slope_at(z)

    def _refuse(self, numbers: Arithmetic) -> None:
        if numbers is not FLOATS:
            required = "must be left out for a Python function, which is known in double precision"
            raise DomainError("digits", required, Word(self.name))


@dataclass(frozen=True)
class ShiftedFunction(ScalarFunction):
    """A function minus a constant."""

    base: ScalarFunction
    constant: float

    @property
    def splits(self) -> tuple[float, ...]:  # noqa: D102
        return self.base.splits

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.base.value(z, numbers) - numbers.number(self.constant)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.base.slope(z, numbers)

    def hermite_exact(self, order: int) -> FloatArray | None:  # noqa: D102
        exact = self.base.hermite_exact(order)
        if exact is not None:
            exact[0] -= self.constant
        return exact

    def moments_exact(self, mean: FloatArray, scale: FloatArray) -> FloatArray | None:  # noqa: D102
        moments = self.base.moments_exact(mean, scale)
        if moments is not None:
            moments[3] += self.constant * (self.constant - 2 * moments[0])
            moments[0] -= self.constant
        return moments


@dataclass(frozen=True)
class ScaledFunction(ScalarFunction):
    """A function of a multiple of its argument."""

    base: ScalarFunction
    factor: float

    @property
    def splits(self) -> tuple[float, ...]:  # noqa: D102
        return tuple(split / self.factor for split in self.base.splits)

    def value(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        return self.base.value(numbers.number(self.factor) * z, numbers)

    def slope(self, z: Any, numbers: Arithmetic = FLOATS) -> Any:  # noqa: D102
        factor = numbers.number(self.factor)
        return numbers.times(factor, self.base.slope(factor * z, numbers))

    def mean(self, m: Any, t: Any, numbers: Arithmetic) -> Any:  # noqa: D102
        factor = numbers.number(self.factor)
        return self.base.mean(factor * m, factor * t, numbers)

    def moments_exact(self, mean: FloatArray, scale: FloatArray) -> FloatArray | None:  # noqa: D102
        return self.base.moments_exact(self.factor * mean, self.factor * scale)


class FunctionSpecification(Mapping[str, Any]):
    """A read-only, hashable mapping that says which function is meant, by text or a list of numbers."""

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

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping as it stands in TOML and JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in self._items}


Specification = str | Mapping[str, Any] | Function


def function_from(spec: Specification, field: str) -> ScalarFunction:
    """Build a function from one of the `SPECIFICATIONS`, or raise a `DomainError` that names `field`."""
    if isinstance(spec, Function):
        return CallableFunction(spec.name, tuple(spec.kinks), spec)
    if isinstance(spec, str):
        return _named(spec, field)
    if not isinstance(spec, Mapping):
        raise DomainError(field, f"must be {SPECIFICATIONS}", spec)
    if set(spec) == {"hermite"}:
        return _series(spec["hermite"], field)
    if set(spec) == {"expression"}:
        expression = parse_expression(spec["expression"], field)
        return ExpressionFunction(expression.text, expression.kinks, expression)
    raise DomainError(field, "must have exactly one key, hermite or expression", list(spec))


def _named(name: str, field: str) -> ScalarFunction:
    known = (*NAMES, *FORMULAS)
    if name in NAMES:
        return NamedFunction(name, (0.0,) if TABLE[name].kink else ())
    if name not in FORMULAS:
        advice = suggestion(name, known, 'other functions: {expression = "..."}')
        raise DomainError(field, f"must be one of {', '.join(known)}", name, advice)
    expression = parse_expression(FORMULAS[name], field)
    return ExpressionFunction(name, expression.kinks, expression)


def _series(given: object, field: str) -> HermiteSeries:
    required = f"hermite must be a list of 1 to {MAX_DEGREE + 1} numbers"
    if not isinstance(given, list | tuple | np.ndarray):
        raise DomainError(field, required, given)
    if not 1 <= len(given) <= MAX_DEGREE + 1:
        advice = f"{len(given)} numbers came" if len(given) else ""
        raise DomainError(field, required, list(given[:8]), advice)
    coefficients = []
    for k, entry in enumerate(given):
        required = f"hermite[{k}] must be a number between -1e6 and 1e6"
        coefficients.append(number(field, entry, -MAX_COEFFICIENT, MAX_COEFFICIENT, required))
    name = "hermite[" + ", ".join(f"{c:.6g}" for c in coefficients) + "]"
    return HermiteSeries(name, (), tuple(coefficients))


def _floating(z: RealArray) -> RealArray:
    z = np.asarray(z)
    return z if z.dtype in (np.float32, np.float64) else z.astype(np.float64)


def _clenshaw(
    coefficients: Sequence[float], z: Any, numbers: Arithmetic, variance: Any = 1, derivative: bool = False
) -> Any:
    """Sum a Hermite series by the three-term recurrence, with polynomials of a Gaussian of a variance."""
    weights = [numbers.number(c) for c in coefficients]
    if derivative:
        weights = [k * c for k, c in enumerate(weights)][1:]
    ahead, now = numbers.full(z, 0), numbers.full(z, 0)
    for k in range(len(weights) - 1, -1, -1):
        ahead *= -(k + 1) * variance
        ahead += z * now
        ahead += weights[k]
        ahead, now = now, ahead
    return now
