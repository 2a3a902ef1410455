"""The closed form of a setting to a number of digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import mpmath
import numpy as np
from flint import arb, fmpq

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.balls import (
    GUARD_DIGITS,
    enclosure,
    midpoint,
    radius,
    square,
    working_digits,
)
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.methods.base import Array, Method, leading_sign
from rmt_spikes.theory.methods.certified.closed_form import BallClosedForm
from rmt_spikes.theory.methods.certified.latent import BallLatent
from rmt_spikes.theory.methods.certified.limits import certified_limits, midpoint_losses
from rmt_spikes.theory.methods.certified.results import (
    PreciseBulk,
    PreciseCertificate,
    edge_bounds,
)
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.results import Losses, Regime, Spike

NODES = (24, 36, 54, 82, 122, 182, 274, 410)
"""Quadrature nodes that are tried in turn, each half as many again, until nothing moves."""

GUARDS = (GUARD_DIGITS, 3 * GUARD_DIGITS, 9 * GUARD_DIGITS)
"""Digits beyond those asked for that are tried in turn, until rounding errors leave enough."""

LEAST_DIGITS, MOST_DIGITS = 16, 300
"""Fewer are double precision; more were not tried."""


@final
@dataclass(frozen=True, eq=False)
class CertifiedClosedForm(Method):
    """The closed form in ball arithmetic, to a number of digits: every number carries its rounding error.

    Parameters
    ----------
    digits
        Significant digits.

    Raises
    ------
    DomainError
        For a number of digits that is not from 16 to 300. When a quantity is computed: at the standard output
        scale, or for a function that has no Gaussian moments to so many digits.
    ConvergenceError
        When a quantity is computed and a quadrature or the isolation of roots does not reach the digits.

    Notes
    -----
    docs/precision.md says what is proved and what is measured.
    """

    name: ClassVar[str] = "closed_form"
    takes_given: ClassVar[bool] = False
    digits: int = 0  # type: ignore[misc]

    def __post_init__(self) -> None:
        if type(self.digits) is not int or not LEAST_DIGITS <= self.digits <= MOST_DIGITS:
            raise DomainError(
                "digits", f"must be an integer from {LEAST_DIGITS} to {MOST_DIGITS}", self.digits
            )

    def __getstate__(self) -> dict[str, Any]:
        """The inputs alone: balls cannot be pickled, and are computed again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what the closed form in double precision does."""
        self.double.refuse_what_is_not_covered()

    @cached_property
    def double(self) -> ClosedForm:
        """The same method in double precision."""
        return ClosedForm(self.setting, self.features.limit)

    @cached_property
    def solution(self) -> Solution:
        """Quantities in balls, with guard digits until rounding errors leave the digits asked for."""
        failure: ConvergenceError | None = None
        for guard in GUARDS:
            try:
                with working_digits(self.digits + guard):
                    variables = BallLatent(self.setting, self.features.rows_grow, self.digits)
                    return Solution(variables, *_converged(variables, self.digits), guard)
            except _RoundingError as error:
                failure = error
        assert failure is not None
        raise ConvergenceError(failure.message, residual=failure.residual)

    @property
    def hermite(self) -> dict[str, tuple[Any, ...]]:
        """Coefficients ``c_0, ..., c_8`` of activation and target."""
        variables = self.solution.variables
        with self._working():
            return {
                name: tuple(midpoint(getattr(variables, name).coefficient(k)) for k in range(9))
                for name in ("activation", "target")
            }

    @cached_property
    def latent(self) -> Latent:
        """Latent variables, as ``mpmath.mpf``."""
        with self._working():
            return _latent(self.solution.variables)

    @cached_property
    def bulk(self) -> PreciseBulk:
        """Distribution of the singular values without a step."""
        curve = self.solution.variables.curve
        with self._working():
            return PreciseBulk(
                edges=tuple((midpoint(low.sqrt()), midpoint(high.sqrt())) for low, high in curve.edges),
                enclosures=edge_bounds(curve.edges),
                atom_at_zero=midpoint(arb(curve.atom_at_zero)),
                method=self,
            )

    @property
    def regime(self) -> Regime:
        """Regime of the step size."""
        with self._working():
            return replace(super().regime, step_exponent=self.solution.variables.exponent)

    def losses(self) -> Losses[Any]:
        """Losses at the ridge of the setting."""
        with self._working():
            return midpoint_losses(self.solution.closed.losses)

    def limits(self) -> dict[str, Losses[Any]] | None:
        """Losses as ``n`` grows in the regime of the step exponent."""
        with self._working():
            return certified_limits(self.solution.variables, self.digits)

    def spikes(self) -> tuple[Spike[Any], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        with self._working():
            return _spikes(self)

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes in double precision."""
        return self.double.thresholds(count, largest)

    def critical_step_size(self, index: int) -> Any:
        """Step size up to that of the setting at which spike `index` appears, in seconds."""
        return _critical_step_size(self, index)

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index`, in double precision."""
        return self.double.profile(index, q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index`, in double precision."""
        return self.double.right_profile(index, alpha)

    def evidence(self, part: str) -> PreciseCertificate:
        """Certificate of one part; what was measured of nodes and rounding belongs to all."""
        with self._working():
            return _evidence(self, part)

    def with_setting(self, setting: Setting) -> CertifiedClosedForm:
        """The same method for another setting."""
        return replace(self, setting=setting)

    def _working(self) -> AbstractContextManager[Any]:
        return working_digits(self.digits + self.solution.guard)


class Solution(NamedTuple):
    """What every quantity is read off, and what was measured of it (`PreciseCertificate`)."""

    variables: BallLatent
    closed: BallClosedForm
    change: float
    error: float
    rounding: float
    guard: int


class _RoundingError(ConvergenceError):
    """Rounding errors took more digits than there were to spare."""


def _evidence(method: CertifiedClosedForm, part: str) -> PreciseCertificate:
    variables, closed, change, error, rounding, _ = method.solution
    curve = variables.curve
    point = curve.at_ridge(variables.ridge)
    scalars: dict[str, Any] = {
        "kappa": point.kappa,
        "g": point.g,
        "mu": point.mu,
        "critical_strength": closed.critical_strength,
    }
    certificate = PreciseCertificate(
        residual=_residual(variables, midpoint(scalars["kappa"]), midpoint(scalars["g"])),
        digits=method.digits,
        nodes=closed.count,
        change=change,
        error=error,
        rounding=rounding,
        enclosures={name: enclosure(value) for name, value in scalars.items()},
    )
    if part != "bulk":
        return certificate
    middles = [(((low.sqrt() + high.sqrt()) / 2) ** 2).mid() for low, high in curve.edges]
    return replace(
        certificate,
        mass=midpoint(sum(curve.masses, arb(curve.atom_at_zero))),
        imaginary_part=min(midpoint(curve.density(z)) for z in middles),
        edge_error=max(
            float((high - low) / high) for pair in method.bulk.enclosures for low, high in pair if high > 0
        ),
    )


def _latent(variables: BallLatent) -> Latent:
    numbers = {
        "beta_norm2": variables.beta_norm2,
        "beta_cosine": variables.cosine,
        "shift": variables.shift,
        "inflation": variables.inflation,
        "chi": variables.chi,
        "drift": variables.drift,
        "residual_energy": variables.residual[1],
        "initial_overlap": arb(0),
    }
    return Latent(**{name: midpoint(value) for name, value in numbers.items()})


def _converged(variables: BallLatent, digits: int) -> tuple[BallClosedForm, float, float, float]:
    """Increase the nodes until nothing moves; also the last change, the estimated error and the rounding."""
    previous: list[arb] | None = None
    before = change = error = math.inf
    for count in NODES:
        closed = BallClosedForm(variables, count)
        values = _quantities(closed)
        sizes = _sizes(values, len(closed.poles))
        rounding = max(radius(v) / s for v, s in zip(values, sizes, strict=True))
        if not rounding < 10.0 ** -(digits + 1):
            raise _RoundingError(f"rounding errors are above {digits} digits", residual=rounding)
        if previous is not None and len(previous) == len(values):
            pairs = zip(values, previous, sizes, strict=True)
            before, change = change, max(float(abs(a - b).upper()) / s for a, b, s in pairs)
            ratio = change / before if before < math.inf else 1.0
            error = max(change * min(ratio, 1.0), rounding)
            if error < 10.0 ** -(digits + 1):
                return closed, change, error, rounding
        else:
            before = change = math.inf
        previous = values
    raise ConvergenceError(
        f"the quadrature of the latent variables does not reach {digits} digits on {NODES[-1]} nodes",
        residual=error,
    )


def _quantities(closed: BallClosedForm) -> list[arb]:
    values = list(closed.losses)
    for pole in closed.poles:
        # The sign of a mode is arbitrary.
        first = max(range(len(pole.feature)), key=lambda k: abs(float(pole.feature[k])))
        sign = 1 if pole.feature[first] > 0 else -1
        values += [
            pole.eigenvalue,
            *(sign * c for c in pole.feature),
            *(square(c) for c in pole.right_feature),
        ]
    return values


def _sizes(values: list[arb], poles: int) -> list[float]:
    """What an error is measured by: a loss or an eigenvalue itself, one for a correlation."""
    own = [abs(float(v)) for v in values]
    each = (len(values) - 3) // poles if poles else 0
    return [own[i] if i < 3 or (i - 3) % each == 0 else 1.0 for i in range(len(values))]


def _residual(variables: BallLatent, kappa: Any, g: Any) -> Any:
    """Relative residual of the two equations of section 5 at the numbers that are given out."""
    linear, tail = midpoint(variables.curve.linear), midpoint(variables.curve.tail)
    setting, ridge = variables.setting, midpoint(variables.ridge)
    gamma, ratio = (mpmath.mpf(setting.width) / size for size in (setting.d, setting.n_ridge))
    population = g * (formulas.effective_ridge(g, linear, tail, gamma) - kappa)
    sample = (formulas.ridge(kappa, g, ratio) - ridge) / (ridge + kappa * ratio)
    return max(abs(population), abs(sample))


def _spikes(method: CertifiedClosedForm) -> tuple[Spike[Any], ...]:
    closed = method.solution.closed
    curve, width = closed.variables.curve, closed.variables.setting.width
    edge = curve.edges[-1][1].sqrt()
    unit = (arb.pi() * curve.edge_amplitude() * width) ** arb(fmpq(-2, 3))
    spikes = []
    for k, pole in enumerate(closed.poles):
        distance = (pole.eigenvalue.sqrt() - edge) / unit
        if not distance > 1:
            continue
        sign = int(leading_sign(np.array([float(c) for c in pole.feature])))
        spikes.append(
            Spike(
                singular_value=midpoint(pole.eigenvalue.sqrt()),
                distance=midpoint(distance),
                alignment=tuple(midpoint(c) ** 2 for c in pole.feature),
                feature=tuple(sign * midpoint(c) for c in pole.feature),
                right_alignment=tuple(midpoint(c) ** 2 for c in pole.right_feature),
                index=k,
                vectors=method,
            )
        )
    return tuple(spikes)


def _critical_step_size(method: CertifiedClosedForm, k: int) -> Any:
    """Step at which the strength of mode `k` crosses the threshold: secant from the double result."""
    closed, digits = method.solution.closed, method.digits
    guess = method.double.critical_step_size(k)
    if guess == 0.0 or not math.isfinite(guess):
        return mpmath.mpf(guess)
    with working_digits(digits + GUARD_DIGITS):

        def excess(step: arb) -> arb:
            moved = BallClosedForm(closed.variables.moved(step), closed.count)
            return (moved.strength(k) / closed.critical_strength).log().mid()

        return midpoint(_secant(excess, arb(guess), arb(guess) * (1 + arb(2) ** -30), digits))


def _secant(function: Callable[[arb], arb], x: arb, y: arb, digits: int) -> arb:
    """Zero of a function next to two guesses."""
    at_x, at_y = function(x), function(y)
    for _ in range(20):
        step = (at_y * (y - x) / (at_y - at_x)).mid()
        x, at_x, y = y, at_y, (y - step).mid()
        if abs(step) < abs(y) * arb(10) ** -(0.62 * (digits + 2)):
            # The next step of a secant is smaller than this one to the power 1.6.
            return y
        at_y = function(y)
    raise ConvergenceError(
        "a critical step size was not found", residual=float(abs(step).upper()), last=float(y)
    )
