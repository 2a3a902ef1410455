"""Functions of one real variable that a setting can name: by name, Hermite list or expression."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.closed_forms import CORNERS, HERMITE, corner_moments
from rmt_spikes.functions.expression import Expression, parse_expression
from rmt_spikes.functions.table import ELEMENTARY

FloatArray = NDArray[np.float64]
# Any: the floating type of the argument is kept.
RealArray = Any

MAX_DEGREE = 20
MAX_COEFFICIENT = 1e6

NAMES = (
    "relu",
    "tanh",
    "erf",
    "gelu",
    "softplus",
    "sigmoid",
    "sin",
    "silu",
    "leaky_relu",
    "elu",
    "atan",
    "cos",
    "abs",
    "sign",
    "identity",
)


@dataclass(frozen=True)
class ScalarFunction(ABC):
    """A function of one real variable, with its derivative and its symbolic form.

    Instances are immutable, hashable, comparable and picklable.

    Parameters
    ----------
    name : str
        Display name, in canonical spelling.
    kinks : tuple of float
        Points where the function is not smooth, sorted. Quadrature splits there.
    """

    name: str
    kinks: tuple[float, ...]

    def __call__(self, z: RealArray) -> RealArray:
        """Evaluate the function.

        Parameters
        ----------
        z : ndarray
            Points, any shape. ``float32`` stays ``float32``; everything else becomes ``float64``.

        Returns
        -------
        ndarray
            Values, same shape.
        """
        return self._value(_floating(z))

    def derivative(self, z: RealArray) -> RealArray:
        """Evaluate the derivative, which exists almost everywhere; at a kink, the value of one side.

        Parameters
        ----------
        z : ndarray
            Points, any shape.

        Returns
        -------
        ndarray
            Slopes, same shape and floating type as in a call.
        """
        return self._slope(_floating(z))

    @property
    def splits(self) -> tuple[float, ...]:
        """Where quadrature splits: the kinks, and around details too narrow to be seen from afar."""
        return self.kinks

    def sympy_expression(self) -> Any:
        """Return the function as a sympy expression of ``sympy.Symbol("z", real=True)``.

        Decimal constants become the rationals that they spell.
        """
        import sympy

        return self._symbol(sympy, sympy.Symbol("z", real=True))

    def hermite_exact(self, order: int) -> FloatArray | None:
        """Return the coefficients ``c_k = E[f(Z) He_k(Z)] / k!``, where a closed form is known.

        Parameters
        ----------
        order : int
            Highest ``k``.

        Returns
        -------
        ndarray of shape (order + 1,) or None
            None when there is no closed form.
        """
        return None

    def moments_exact(self, mean: FloatArray, scale: FloatArray) -> FloatArray | None:
        """Return the moments of ``f(mean + scale Z)``, where a closed form is known.

        Parameters
        ----------
        mean, scale : ndarray of shape (m,)
            Mean and standard deviation of the argument.

        Returns
        -------
        ndarray of shape (4, m) or None
            ``E f``, ``E Z f``, ``E (Z^2 - 1)/2 f`` and ``E f^2``; None when there is no closed form.
        """
        return None

    def shifted(self, constant: float) -> ScalarFunction:
        """Return the function minus a constant.

        Parameters
        ----------
        constant : float
            What to subtract, e.g. ``E f(Z)`` to centre the function.

        Returns
        -------
        ScalarFunction
            ``f - constant``; ``f`` itself when the constant is 0.
        """
        if constant == 0:
            return self
        name = f"{self.name} {'-' if constant > 0 else '+'} {abs(constant):.6g}"
        return ShiftedFunction(name, self.kinks, self, float(constant))

    @abstractmethod
    def _value(self, z: RealArray) -> RealArray: ...

    @abstractmethod
    def _slope(self, z: RealArray) -> RealArray: ...

    @abstractmethod
    def _symbol(self, sympy: Any, z: Any) -> Any: ...


@dataclass(frozen=True)
class NamedFunction(ScalarFunction):
    """A function from the table of names."""

    def _value(self, z: RealArray) -> RealArray:
        return ELEMENTARY[self.name].value(z)

    def _slope(self, z: RealArray) -> RealArray:
        return ELEMENTARY[self.name].slope(z)

    def _symbol(self, sympy: Any, z: Any) -> Any:
        return ELEMENTARY[self.name].symbol(sympy, z)

    def hermite_exact(self, order: int) -> FloatArray | None:  # noqa: D102
        formula = HERMITE.get(self.name)
        return None if formula is None else np.array([formula(k) for k in range(order + 1)])

    def moments_exact(self, mean: FloatArray, scale: FloatArray) -> FloatArray | None:  # noqa: D102
        slopes = CORNERS.get(self.name)
        return None if slopes is None else corner_moments(*slopes, mean, scale)


@dataclass(frozen=True)
class HermiteSeries(ScalarFunction):
    """A finite sum ``sum_k c_k He_k(z)`` of probabilists' Hermite polynomials, not normalised."""

    coefficients: tuple[float, ...]

    def _value(self, z: RealArray) -> RealArray:
        return _clenshaw(self.coefficients, z)

    def _slope(self, z: RealArray) -> RealArray:
        return _clenshaw([k * c for k, c in enumerate(self.coefficients)][1:], z)

    def _symbol(self, sympy: Any, z: Any) -> Any:
        terms, before, now = [], sympy.Integer(0), sympy.Integer(1)
        for k, c in enumerate(self.coefficients):
            terms.append(sympy.Rational(repr(c)) * now)
            before, now = now, sympy.expand(z * now - k * before)
        return sympy.Add(*terms)

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

    def _value(self, z: RealArray) -> RealArray:
        return self.expression.value(z)

    def _slope(self, z: RealArray) -> RealArray:
        return self.expression.slope(z)

    def _symbol(self, sympy: Any, z: Any) -> Any:
        return self.expression.root.symbol(sympy, z)


@dataclass(frozen=True)
class ShiftedFunction(ScalarFunction):
    """A function minus a constant."""

    base: ScalarFunction
    constant: float

    @property
    def splits(self) -> tuple[float, ...]:  # noqa: D102
        return self.base.splits

    def _value(self, z: RealArray) -> RealArray:
        return self.base._value(z) - self.constant

    def _slope(self, z: RealArray) -> RealArray:
        return self.base._slope(z)

    def _symbol(self, sympy: Any, z: Any) -> Any:
        return self.base._symbol(sympy, z) - sympy.Float(self.constant)

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


def function_from(spec: str | Mapping[str, Any], field: str) -> ScalarFunction:
    """Build a function from what a setting says about it.

    Parameters
    ----------
    spec : str or mapping
        A name, ``{"hermite": [c_0, c_1, ...]}`` (probabilists', not normalised) or
        ``{"expression": "tanh(z) + z**2/10"}``.
    field : str
        Name of the parameter, for error messages.

    Returns
    -------
    ScalarFunction
        The function.

    Raises
    ------
    DomainError
        When the specification is not one of these forms, or the function is not finite on the real line.

    Examples
    --------
    >>> float(function_from({"hermite": [0, 0, 1]}, "target")(3.0))
    8.0
    """
    if isinstance(spec, str):
        return _named(spec, field)
    if not isinstance(spec, Mapping):
        raise DomainError(field, 'must be a name, {hermite = [...]} or {expression = "..."}', spec)
    if set(spec) == {"hermite"}:
        return _series(spec["hermite"], field)
    if set(spec) == {"expression"}:
        expression = parse_expression(spec["expression"], field)
        return ExpressionFunction(expression.text, expression.kinks, expression)
    raise DomainError(field, "must have exactly one key, hermite or expression", list(spec))


def _named(name: str, field: str) -> ScalarFunction:
    if name in NAMES:
        return NamedFunction(name, (0.0,) if ELEMENTARY[name].kink else ())
    close = difflib.get_close_matches(name[:40].lower(), NAMES, n=1)
    advice = f"did you mean {close[0]!r}?" if close else 'other functions: {expression = "..."}'
    raise DomainError(field, f"must be one of {', '.join(NAMES)}", name, advice)


def _series(given: object, field: str) -> HermiteSeries:
    required = f"hermite must be a list of 1 to {MAX_DEGREE + 1} numbers"
    if not isinstance(given, list | tuple | np.ndarray):
        raise DomainError(field, required, given)
    if not 1 <= len(given) <= MAX_DEGREE + 1:
        raise DomainError(
            field, required, list(given[:8]), f"{len(given)} numbers came" if len(given) else ""
        )
    coefficients = []
    for k, entry in enumerate(given):
        number = isinstance(entry, int | float | np.integer | np.floating) and not isinstance(entry, bool)
        if not number or not abs(entry) <= MAX_COEFFICIENT:
            raise DomainError(field, f"hermite[{k}] must be a number between -1e6 and 1e6", entry)
        coefficients.append(float(entry))
    name = "hermite[" + ", ".join(f"{c:.6g}" for c in coefficients) + "]"
    return HermiteSeries(name, (), tuple(coefficients))


def _floating(z: RealArray) -> RealArray:
    z = np.asarray(z)
    return z if z.dtype in (np.float32, np.float64) else z.astype(np.float64)


def _clenshaw(coefficients: Sequence[float], z: RealArray) -> RealArray:
    """Sum a Hermite series by the three-term recurrence, in the floating type of ``z``."""
    ahead, now = np.zeros_like(z), np.zeros_like(z)
    for k in range(len(coefficients) - 1, -1, -1):
        ahead *= -(k + 1)
        ahead += z * now
        ahead += coefficients[k]
        ahead, now = now, ahead
    return now
