"""Functions of one real variable that are given as Python functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import function as callable_argument
from rmt_spikes.arguments import number
from rmt_spikes.errors import DomainError, Word

FloatArray = NDArray[np.float64]

STEP = 1e-3
"""Step of differences: their truncation, ``STEP^4 f''''' / 30``, is then as small as rounding, 1e-13."""

CENTRAL = (np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12.0)
"""Offsets and weights of the derivative from both sides, good to the fourth order."""

FORWARD = (np.arange(5.0), np.array([-25.0, 48.0, -36.0, 16.0, -3.0]) / 12.0)
"""The same from one side, next to a kink."""

LOOKED_AT = 10.0
"""Range in which the derivative is tried: a Gaussian variable is beyond it with probability 2e-23."""

MOST_ERROR = 1e-7
"""Error of a derivative in differences that is accepted, relative to its size: as for given derivatives."""

WRONG = 1e-4
"""Difference of a derivative from differences that makes it a wrong one, relative to the largest of them."""

MOST_KINKS = 64
"""Each kink splits every integral: bounds the work."""

TRIED = np.array([-3.1, -1.7, -0.4, 0.3, 0.9, 2.2, 5.3])
"""Points at which a function must act on each by itself."""


@dataclass(frozen=True, eq=False)
class Function:
    """A Python function as an activation or target.

    ``Setting(activation=f, derivative=g)`` is short for ``Setting(activation=Function(f, derivative=g))``.

    Parameters
    ----------
    value
        Function of an array of floats of shape ``(m,)`` that acts on each entry by itself.
    derivative
        The derivative, of the same kind; None to take differences, whose error is `derivative_error`.
    kinks
        Points where it is not smooth, such as 0 for ReLU: integrals split there, and differences do not
        cross them.

    Raises
    ------
    DomainError
        For what is no function or number; whether the function is one of arrays is seen by the `Setting`.

    Notes
    -----
    Two are equal when their functions are. Functions of a module can be pickled; none can
    be written to TOML or JSON.
    """

    value: Callable[[Any], Any]
    derivative: Callable[[Any], Any] | None = None
    kinks: Sequence[float] = field(default=())

    def __post_init__(self) -> None:
        callable_argument("value", self.value)
        if self.derivative is not None:
            callable_argument("derivative", self.derivative)
        given: Any = self.kinks
        if isinstance(given, str) or not hasattr(given, "__len__") or len(given) > MOST_KINKS:
            raise DomainError("kinks", f"must be at most {MOST_KINKS} numbers", given)
        object.__setattr__(
            self, "kinks", tuple(sorted(number("kinks", each, -1e4, 1e4) for each in self.kinks))
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Function):
            return NotImplemented
        pairs = ((self.value, other.value), (self.derivative, other.derivative))
        return self.kinks == other.kinks and all(a is b or bool(a == b) for a, b in pairs)

    def __hash__(self) -> int:
        try:
            return hash((self.value, self.kinks))
        except TypeError:  # polynomials of numpy, for example
            return hash((type(self.value), self.kinks))

    def __repr__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name of the Python function."""
        return str(getattr(self.value, "__qualname__", type(self.value).__name__))

    def at(self, z: Any) -> Any:
        """Value at an array of any shape; ``float32`` stays."""
        return _applied(self.value, z)

    def slope_at(self, z: Any) -> Any:
        """Derivative at an array of any shape; ``float32`` stays."""
        return _applied(self.derivative or self._differences, z)

    def _differences(self, z: FloatArray, step: float = STEP) -> FloatArray:
        """Derivative by differences that cross no kink, in double precision."""
        flat = np.asarray(z, dtype=float)
        below, above = np.full(flat.shape, np.inf), np.full(flat.shape, np.inf)
        for kink in self.kinks:
            below = np.minimum(below, np.where(flat >= kink, flat - kink, np.inf))
            above = np.minimum(above, np.where(flat < kink, kink - flat, np.inf))
        slopes = self._stencil(*CENTRAL, flat, step)
        for near, sign in ((below, 1.0), (above, -1.0)):
            beside = near <= 2.0 * step
            if np.any(beside):
                offsets, weights = FORWARD
                slopes[beside] = self._stencil(sign * offsets, sign * weights, flat[beside], step)
        return slopes

    def _stencil(self, offsets: FloatArray, weights: FloatArray, z: FloatArray, step: float) -> FloatArray:
        values = np.array([self.at(z + offset * step) for offset in offsets])
        return np.asarray(weights @ values / step)

    @cached_property
    def derivative_error(self) -> float:
        """Largest error of the derivative for ``|z| < 10``, relative to its size; 0 where one is given.

        An estimate: the change when the step of the differences is doubled.
        """
        if self.derivative is not None:
            return 0.0
        # Closer together than the differences are wide: a kink is in one of them.
        z = np.arange(-LOOKED_AT, LOOKED_AT, 1.9 * STEP)
        with np.errstate(all="ignore"):
            slopes = self._differences(z)
            change = np.abs(self._differences(z, 2.0 * STEP) - slopes)
        return float(np.max(change) / max(np.max(np.abs(slopes)), np.finfo(float).tiny))

    def check(self, name: str) -> None:
        """Refuse what is no function of arrays, or has no derivative that is known well enough.

        Raises
        ------
        DomainError
            About the parameter `name`.
        """
        _check_vectorised(self.value, name, "must be a function of arrays")
        if self.derivative is not None:
            _check_vectorised(self.derivative, name, "must have a derivative that is a function of arrays")
            self._check_derivative(name)
        elif not self.derivative_error <= MOST_ERROR:
            raise DomainError(
                name,
                f"must have a derivative that differences give to {MOST_ERROR:g}",
                Word(f"an error of {self.derivative_error:.1g} for {self.name}"),
                "give the derivative and the kinks: Function(f, derivative=g, kinks=(0,))",
            )

    def _check_derivative(self, name: str) -> None:
        """Refuse a derivative that is that of another function."""
        given, found = self.slope_at(TRIED), self._differences(TRIED)
        wrong = np.abs(given - found) > WRONG * np.max(np.abs(found))
        if np.any(wrong):
            came = Word(f"{given[wrong][0]:.6g} where differences give {found[wrong][0]:.6g}")
            at = f"must have the derivative of the function, also at z = {TRIED[wrong][0]:g}"
            raise DomainError(name, at, came)


def with_derivative(values: dict[str, Any]) -> dict[str, Any]:
    """Keywords of a setting in which the derivative of the activation is part of it."""
    slope, activation = values.get("derivative"), values.get("activation")
    kept = {key: value for key, value in values.items() if key != "derivative"}
    if slope is None:
        return kept
    if isinstance(activation, Function) or not callable(activation):
        raise DomainError("derivative", "must come with an activation that is a Python function", activation)
    return kept | {"activation": Function(activation, derivative=slope)}


def refuse_to_write(name: str, given: Any) -> None:
    """Refuse to write a Python function into a document."""
    if isinstance(given, Function):
        advice = "a Python function cannot be written down"
        raise DomainError(name, "must be a name, hermite or expression in a document", given, advice)


def _applied(function: Callable[[Any], Any], z: Any) -> Any:
    """A function of arrays of shape ``(m,)`` at an array of any shape, in its precision."""
    flat = np.ravel(z)
    return np.asarray(function(flat.copy()), dtype=flat.dtype).reshape(np.shape(z))


def _check_vectorised(function: Callable[[Any], Any], name: str, required: str) -> None:
    """Refuse a function that does not act on each entry of an array by itself."""
    advice = "numpy.vectorize makes one of a function of numbers"
    given = TRIED.copy()
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(given))
            single = [np.asarray(function(TRIED[i : i + 1].copy())) for i in range(TRIED.size)]
    except Exception as error:
        raised = Word(f"one that raises {type(error).__name__}: {error}")
        raise DomainError(name, required, raised, advice) from error
    if values.shape != TRIED.shape or values.dtype.kind not in "iuf":
        came = Word(
            f"one that makes {values.dtype} of shape {values.shape} of float64 of shape {TRIED.shape}"
        )
        raise DomainError(name, required, came, advice)
    if not np.all(np.isfinite(values)):
        where = TRIED[~np.isfinite(values)][0]
        raise DomainError(name, "must be finite", Word(f"one that is not at z = {where:g}"))
    if not np.array_equal(given, TRIED):
        raise DomainError(name, "must not change its argument", Word("one that does"), "work on a copy of it")
    alone = [
        each.shape == (1,) and np.isclose(each[0], value, rtol=1e-12, atol=1e-300)
        for each, value in zip(single, values, strict=True)
    ]
    if not all(alone):
        came = Word("one whose values depend on the other entries, or change from call to call")
        raise DomainError(name, required + ", one entry at a time", came)
