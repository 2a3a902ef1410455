"""What a prediction consists of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory import formulas
from rmt_spikes.values import Value

Array = NDArray[np.float64]
Number = TypeVar("Number")
"""Floats, or `mpmath` numbers where digits are asked for."""

MASS_TOLERANCE = 1e-5
"""Of the mass of the bulk: a hundred times what its cosine series is stopped at, far below any statistics."""

RESIDUAL_TOLERANCE = 1e-8
"""Of the equations: a hundred times the rounding error at which Newton's method may stop near an edge."""

EDGE_TOLERANCE = 1e-6
"""Relative, of edges as eigenvalues: the least distance inside at which a density is told from rounding."""

ORDER_TOLERANCE = 1e-6
"""By which losses may break their order, in units of the label energy: quadrature of realised labels."""


LOSSES = ("objective", "train", "test")
"""Names of the losses."""


@dataclass(frozen=True, kw_only=True)
class LossErrors:
    """Error bars of losses, in the unit of the loss: half the width of what nine means in ten lie within."""

    objective: float
    train: float
    test: float


@dataclass(frozen=True, kw_only=True)
class SignErrorBars:
    """Error bars of classification errors, as shares of the samples."""

    train: float
    test: float


@dataclass(frozen=True, kw_only=True)
class SignError:
    """Shares of the samples whose label is a sign other than that of the fitted or predicted value.

    Attributes
    ----------
    train
        Of the samples of the ridge regression.
    test
        Of fresh samples.
    error
        Error bars (docs/accuracy.md); None for features that leave something out on purpose.
    """

    train: float
    test: float
    error: SignErrorBars | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary of the shares, with error bars where there are any."""
        bars = {} if self.error is None else {"error": asdict(self.error)}
        return {"train": self.train, "test": self.test, **bars}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the shares that `to_dict` wrote."""
        bars = document.get("error")
        return cls(train=document["train"], test=document["test"], error=bars and SignErrorBars(**bars))


@dataclass(frozen=True, kw_only=True)
class Losses(Generic[Number]):
    """Losses of the ridge regression, per sample (docs/conventions.md).

    Attributes
    ----------
    objective
        Minimum of ``||y - F a||^2 / n_ridge + ridge ||a||^2``.
    train
        Its first term.
    test
        Squared error on a fresh sample, label noise included.
    error
        Error bars (docs/accuracy.md); None for limits and for features that leave something out on purpose.
    sign_error
        Classification errors where all labels are signs and the method knows them; else None.
    """

    objective: Number
    train: Number
    test: Number
    error: LossErrors | None = None
    sign_error: SignError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary of the losses, with error bars and classification errors where there are any."""
        numbers = {name: getattr(self, name) for name in LOSSES}
        bars = {} if self.error is None else {"error": asdict(self.error)}
        signs = {} if self.sign_error is None else {"sign_error": self.sign_error.to_dict()}
        return numbers | bars | signs

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the losses that `to_dict` wrote."""
        error, signs = document.get("error"), document.get("sign_error")
        numbers = {name: document[name] for name in LOSSES}
        return cls(
            **numbers, error=error and LossErrors(**error), sign_error=signs and SignError.from_dict(signs)
        )


def loss_numbers(point: Any, value: Any, loss: Any) -> tuple[Any, Any, Any]:
    """Objective, training and test loss at a point of the resolvent, in floats or balls.

    They follow from ``kappa T`` and ``-kappa^2 dT/dkappa``, `value` and `loss`.
    """
    return formulas.losses(point.ridge, point.kappa, point.ridge_slope, value, loss)


def losses_at(point: Any, value: float, loss: float) -> Losses[float]:
    """Losses of `loss_numbers` in double precision."""
    objective, train, test = map(float, loss_numbers(point, value, loss))
    return Losses(objective=objective, train=train, test=test)


def ordered(losses: Losses[float], energy: float) -> Losses[float]:
    """Put losses in their order that are so to rounding of the label energy.

    At tiny ridges the objective is above the training loss by less than the rounding of either.

    Raises
    ------
    ConvergenceError
        If ``0 <= train <= objective`` or ``0 <= test`` fails, as it can where realised latent variables
        are given of very few samples.
    """
    worst = max(-losses.train, losses.train - losses.objective, -losses.test)
    if not worst <= ORDER_TOLERANCE * energy:
        raise ConvergenceError(
            "the losses are not in their order 0 <= train <= objective, 0 <= test: take more samples, and "
            "where a second batch is given leave it out",
            residual=worst / energy,
            last=losses,
        )
    train = max(losses.train, 0.0)
    return replace(losses, objective=max(losses.objective, train), train=train, test=max(losses.test, 0.0))


class SingularVectors(Protocol):
    """What knows the singular vectors of spikes, by their number from 0: the method that predicted them."""

    def profile(self, index: int, q: Array) -> Array: ...  # noqa: D102

    def right_profile(self, index: int, alpha: Array) -> Array: ...  # noqa: D102

    def critical_step_size(self, index: int) -> Any: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Spike(Value, Generic[Number]):
    """One singular value outside the bulk, and what its singular vectors carry.

    Attributes
    ----------
    singular_value
        Of ``F / sqrt(n_ridge)``.
    distance
        From the upper edge of the bulk, in units of the Tracy-Widom fluctuations there (`Bulk.edge_scale`).
    alignment
        Squared correlations of the left singular vector with ``He_0(q), ..., He_4(q)``; shape ``(5,)``. With
        the method `uniform` they are means over draws of `n_ridge` samples, and their sum exceeds one when
        these are few: the polynomials are orthogonal in the limit only. With others they are the squares
        of `feature`.
    feature
        Coefficients of the left singular vector in the normalised ``He_k(q) / sqrt(k!)``, shape ``(5,)``,
        those of many samples; the first that is not zero is positive.
    right_alignment
        Squared correlations of the right singular vector with the orthonormal polynomials of the readout's
        distribution (``He_k(alpha) / sqrt(k!)`` for a Gaussian readout), shape ``(5,)``; likewise.
    right_feature
        Coefficients of the right singular vector in these, shape ``(5,)``; None where a prediction was read
        from JSON.
    error
        Error bar of the singular value (docs/accuracy.md); None for features that leave something out on
        purpose.

    Notes
    -----
    With `digits`, numbers are ``mpmath.mpf`` and arrays are tuples.
    """

    singular_value: Number
    distance: Number
    alignment: Any
    feature: Any
    right_alignment: Any
    index: int = field(repr=False)
    vectors: SingularVectors = field(repr=False, compare=False)
    right_feature: Any = field(default=None, repr=False, compare=False)
    error: float | None = None
    known_step: Number | None = field(default=None, repr=False, compare=False)
    origin: ClassVar[str] = "learnt"

    @cached_property
    def critical_step_size(self) -> Number:
        """Smallest step size at which a spike of this rank exists; 0 when it exists without a step.

        Computed on first use.
        """
        return self.vectors.critical_step_size(self.index) if self.known_step is None else self.known_step

    def profile(self, q: ArrayLike) -> Array:
        """``E[sqrt(n_ridge) u_i | q_i = q]`` at `q` (any shape), with the sign of `feature`."""
        return self.vectors.profile(self.index, np.asarray(q, dtype=float))

    def right_profile(self, alpha: ArrayLike) -> Array:
        """``E[sqrt(N) v_j | alpha_j = alpha]`` at `alpha` (any shape), with the sign of `feature`."""
        return self.vectors.right_profile(self.index, np.asarray(alpha, dtype=float))

    def to_dict(self) -> dict[str, Any]:
        """Numbers of the spike, JSON-ready."""
        names = ("singular_value", "error", "distance", "alignment", "feature", "right_alignment")
        values = {name: getattr(self, name) for name in names}
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}
        return plain | {"critical_step_size": self.critical_step_size}


@dataclass(frozen=True, kw_only=True)
class Regime:
    """Where the step size stands in the theorem's sequence of regimes (docs/theory.md section 6).

    Attributes
    ----------
    step_exponent
        ``log(step_size) / log(n)``; ``-inf`` without a step, ``nan`` at ``n = 1``.
    degree
        ``l`` with ``(l - 1) / (2 l) < step_exponent <= l / (2 l + 2)``; None from 1/2 on and without an
        exponent, where there is none.
    spike_count
        Number of spikes of the theorem: degrees ``1..l`` whose Hermite coefficient is not zero and whose
        power of the readout weight is new. It says what happens as ``n`` grows, not how many spikes
        there are at this ``n``.
    """

    step_exponent: Any
    degree: int | None
    spike_count: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary; an exponent that is infinite or not defined becomes None."""
        known = self.step_exponent is not None and math.isfinite(self.step_exponent)
        return asdict(self) | {"step_exponent": self.step_exponent if known else None}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Certificate(Value):
    """Evidence that the numbers solve the equations they claim to solve.

    Each part of a prediction has its own; what says nothing about a part is None. That of the prediction
    joins them.

    Attributes
    ----------
    mass
        Mass of the bulk with its atom at zero; must be 1.
    residual
        Largest relative residual of the defining equations.
    imaginary_part
        Smallest density of eigenvalues found in the support, in the middle of its intervals and next to
        their edges; must be positive.
    edge_error
        Relative error that the edges (as eigenvalues) have at most. Closed form: proved, for coefficients
        in double precision, by certified enclosures. Uniform: the density is positive at this distance
        inside, and the real resolvent was followed up to the edge from outside.
    """

    mass: Any = None
    residual: Any
    imaginary_part: Any = None
    edge_error: float | None = None

    @property
    def tolerances(self) -> tuple[Any, Any]:
        """Largest errors of the mass and of the equations that pass."""
        return MASS_TOLERANCE, RESIDUAL_TOLERANCE

    def check(self) -> None:
        """Raise when the certificate fails.

        Raises
        ------
        ConvergenceError
            If the mass is not 1 to ``1e-5``, the residual above ``1e-8`` (with `digits`: to as many), the
            density negative or an edge wrong by more than ``1e-6``.
        """
        mass, residual = self.tolerances
        if self.edge_error is not None and not self.edge_error <= EDGE_TOLERANCE:
            raise ConvergenceError("an edge of the bulk is wrong", residual=self.edge_error, last=self)
        if self.mass is not None and not abs(self.mass - 1) <= mass:
            error = float(abs(self.mass - 1))
            what = f"the bulk has mass {float(self.mass):.9g}, not 1"
            raise ConvergenceError(what, residual=error, last=self)
        if not self.residual <= residual:
            raise ConvergenceError(
                "the defining equations are not met", residual=float(self.residual), last=self
            )
        if self.imaginary_part is not None and not self.imaginary_part > 0:
            raise ConvergenceError(
                "the density is not positive", residual=float(self.imaginary_part), last=self
            )

    def joined(self, other: Certificate) -> Self:
        """Certificate of two parts together: the larger residual, and what either knows."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if value is None:
                values[name] = getattr(other, name)
        values["residual"] = max(self.residual, other.residual)
        return type(self)(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary of the evidence."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the certificate that `to_dict` wrote."""
        return cls(**document)
