"""Targets: functions of one direction, or of several orthonormal ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.cubature import hermite_coefficients
from rmt_spikes.functions.expression import Formula, parse_directions
from rmt_spikes.functions.expression_tree import Node
from rmt_spikes.functions.hermite import expand
from rmt_spikes.functions.scalar import ExpressionFunction, ScalarFunction, Specification, function_from
from rmt_spikes.functions.singularities import REACH, conditions

FloatArray = NDArray[np.float64]

TARGETS = 'a name, {hermite = [...]}, {expression = "..."} in z or z1 to z5, or, in Python, a function'
"""Ways of saying which target is meant."""

LARGEST_ERROR = 1e-3
"""Error of the moments of a target that is accepted, relative to its second moment."""

_LOOKED_AT = 20_000
"""Points at which a formula in several variables is tried."""


@dataclass(frozen=True)
class SeveralFunction:
    """A function of several directions, given by a formula in ``z1``, ``z2``, ..."""

    name: str
    directions: int
    root: Node

    def __call__(self, u: Any) -> Any:
        """Evaluate at variables of shape (directions, ...)."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(self.root.value(u), np.shape(u[0]))


@dataclass(frozen=True)
class Moments:
    """Moments of a target ``y = g(u_1, ..., u_r)`` without noise: ``E y``, ``E y u`` and ``E y^2``.

    `error` bounds those of the mean, of each entry of `linear`, of shape (r,), and of the second moment.
    """

    mean: float
    linear: FloatArray
    second: float
    error: float


@dataclass(frozen=True)
class Teacher:
    """A target as a function of `directions` orthonormal directions, one or more.

    `function` is what a setting has for a target: a `ScalarFunction`, or a `SeveralFunction`.
    """

    function: Any

    @property
    def directions(self) -> int:
        """Number of directions."""
        return self.function.directions if isinstance(self.function, SeveralFunction) else 1

    def __call__(self, u: Any) -> Any:
        """Evaluate at standard Gaussian variables, of shape (directions, ...)."""
        return self.function(u if isinstance(self.function, SeveralFunction) else u[0])

    @cached_property
    def moments(self) -> Moments:
        """Moments, with their error."""
        if not isinstance(self.function, SeveralFunction):
            known = expand(self.function)
            error = float(known.error[:2].max())
            return Moments(known.mean, known.coefficients[1:2], known.second_moment, error)
        root, r = self.function.root, self.directions
        first = hermite_coefficients(root, r, 1)
        second = hermite_coefficients(root, r, 0, power=2)
        places = [(0,) * r, *(tuple(row) for row in np.eye(r, dtype=int))]
        mean, *linear = (float(first.value[place]) for place in places)
        error = max(float(second.error.max()), *(float(first.error[place]) for place in places))
        return Moments(mean, np.array(linear), float(second.value.max()), error)

    @cached_property
    def first(self) -> FloatArray:
        """Unit vector ``E[y u] / |E[y u]|`` of the direction that a step learns, shape (directions,).

        The first of them where there is none.
        """
        linear = self.moments.linear
        norm = float(np.linalg.norm(linear))
        found = self.directions > 1 and norm > self.moments.error
        first: FloatArray = linear / norm if found else np.eye(self.directions)[0]
        return first

    @cached_property
    def signs(self) -> bool:
        """Whether the values are -1 and 1 only."""
        points = np.random.default_rng(0).standard_normal((self.directions, 1000))
        return bool(np.all(np.abs(self(points)) == 1.0))


def target_from(spec: Specification, field: str = "target") -> ScalarFunction | SeveralFunction:
    """Build a target, or raise a `DomainError` that names `field`."""
    if not isinstance(spec, Mapping) or set(spec) != {"expression"}:
        return function_from(spec, field)
    read = parse_directions(spec["expression"], field)
    if not isinstance(read, Formula):
        return ExpressionFunction(read.text, read.kinks, read)
    _check_domain(read, field)
    return SeveralFunction(read.text, read.directions, read.root)


def _check_domain(formula: Formula, field: str) -> None:
    """Refuse poles, values that are not real and overflow, at many points of ``|z_k| <= 38``."""
    rng = np.random.default_rng(0)
    signs = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * formula.directions)).reshape(formula.directions, -1)
    points = np.hstack(
        [signs, REACH * signs, rng.standard_normal((formula.directions, _LOOKED_AT)),
         rng.uniform(-REACH, REACH, (formula.directions, _LOOKED_AT))]
    )  # fmt: skip

    def refuse(required: str, where: NDArray[np.bool_]) -> None:
        if np.any(where):
            near = np.argmin(np.where(where, np.abs(points).max(axis=0), np.inf))
            at = ", ".join(f"{z:.4g}" for z in points[:, near])
            raise DomainError(field, f"expression must be {required} at ({at})", formula.text)

    with np.errstate(all="ignore"):
        for node, need in conditions(formula.root):
            if node.constant is not None:
                continue
            values = np.broadcast_to(node.value(points), points.shape[1:])
            if need == "nonnegative":
                refuse("real, but is not", values < 0)
            elif need == "positive":
                refuse("real and finite, but is not", values <= 0)
            else:
                # A denominator of both signs is 0 between them.
                refuse(
                    "finite, but has a pole next to a point", np.sign(values) != np.sign(np.median(values))
                )
        values = np.broadcast_to(formula.root.value(points), points.shape[1:])
        refuse("finite, but is not", ~np.isfinite(values) | (np.abs(values) > 1e150))
