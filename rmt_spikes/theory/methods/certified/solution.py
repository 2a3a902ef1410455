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
from rmt_spikes.theory.bulk.balls import GUARD_DIGITS, enclosure, from_mpf, midpoint, square, working_digits
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.limits import improvement, lost_digits
from rmt_spikes.theory.methods.base import LISTED, Array, Method, leading_sign
from rmt_spikes.theory.methods.certified.closed_form import BallClosedForm, BallPole
from rmt_spikes.theory.methods.certified.latent import BallLatent
from rmt_spikes.theory.methods.certified.results import PreciseBulk, PreciseCertificate
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.regimes import LAST_EXPONENT, regime_degree, spike_degrees
from rmt_spikes.theory.results import Losses, Regime, Spike, loss_numbers
from rmt_spikes.theory.ridgeless import refuse_without_ridge

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
    loses_digits: ClassVar[bool] = False
    digits: int = 0  # type: ignore[misc]

    def __post_init__(self) -> None:
        if type(self.digits) is not int or not LEAST_DIGITS <= self.digits <= MOST_DIGITS:
            rule = f"must be an integer from {LEAST_DIGITS} to {MOST_DIGITS}"
            raise DomainError("digits", rule, self.digits)
        refuse_without_ridge(self.setting, "a prediction to many digits")
        expansion = self.setting.activation_expansion
        if abs(expansion.linear) <= expansion.error[1]:
            raise DomainError("digits", "must be left out for an activation with c_1 = 0", self.digits)

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
                    return _converged(variables, self.digits, guard)
            except _RoundingError as error:
                failure = error
        assert failure is not None
        raise ConvergenceError(failure.message, residual=failure.residual)

    def _working(self) -> AbstractContextManager[None]:
        return working_digits(self.digits + self.solution.guard)

    @property
    def hermite(self) -> dict[str, tuple[Any, ...]]:
        """Coefficients ``c_0, ..., c_8`` of activation and target."""
        variables = self.solution.variables
        with self._working():
            return {
                name: tuple(midpoint(getattr(variables, name).coefficient(k)) for k in range(LISTED))
                for name in ("activation", "target")
            }

    @cached_property
    def latent(self) -> Latent:
        """Latent variables, as ``mpmath.mpf``."""
        with self._working():
            balls = vars(self.solution.variables.learnt)
            return Latent(**{name: midpoint(value) for name, value in balls.items()})

    @cached_property
    def bulk(self) -> PreciseBulk:
        """Distribution of the singular values without a step."""
        curve = self.solution.variables.curve
        with self._working():
            edges = [(low.sqrt(), high.sqrt()) for low, high in curve.edges]
            return PreciseBulk(
                edges=tuple((midpoint(low), midpoint(high)) for low, high in edges),
                enclosures=tuple((enclosure(low), enclosure(high)) for low, high in edges),
                atom_at_zero=midpoint(arb(curve.atom_at_zero)),
                method=self,
            )

    def upper_edge(self) -> tuple[float, float]:
        """Upper edge of the bulk and the width of its fluctuations, in double precision."""
        return self.double.upper_edge()

    @property
    def regime(self) -> Regime:
        """Regime of the step size."""
        with self._working():
            return replace(super().regime, step_exponent=self.solution.variables.exponent)

    def losses(self) -> Losses[Any]:
        """Losses at the ridge of the setting."""
        with self._working():
            return _midpoints(self.solution.closed.losses)

    def limits(self) -> dict[str, Losses[Any]] | None:
        """Losses as ``n`` grows in the regime of the step exponent."""
        degree = regime_degree(self.setting.exponent)
        if degree is None or self.setting.exponent > LAST_EXPONENT:
            return None
        variables = self.solution.variables
        with self._working():
            return {
                str(features): _limit(replace(variables, corrected=features.rows_grow), degree)
                for features in Features.limits()
            }

    def spikes(self) -> tuple[Spike[Any], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""
        with self._working():
            spikes = [self._spike(k, pole) for k, pole in enumerate(self.solution.closed.poles)]
            return tuple(spike for spike in spikes if spike is not None)

    def _spike(self, index: int, pole: BallPole) -> Spike[Any] | None:
        curve = self.solution.variables.curve
        unit = (arb.pi() * curve.edge_amplitude() * self.setting.width) ** arb(fmpq(-2, 3))
        singular_value = pole.eigenvalue.sqrt()
        distance = (singular_value - curve.edges[-1][1].sqrt()) / unit
        if not distance > 1:
            return None
        sign = int(leading_sign(np.array([float(c) for c in pole.feature])))
        return Spike(
            singular_value=midpoint(singular_value),
            distance=midpoint(distance),
            alignment=tuple(midpoint(c) ** 2 for c in pole.feature),
            feature=tuple(sign * midpoint(c) for c in pole.feature),
            right_alignment=tuple(midpoint(c) ** 2 for c in pole.right_feature),
            right_feature=tuple(sign * midpoint(c) for c in pole.right_feature),
            index=index,
            vectors=self,
        )

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes in double precision."""
        return self.double.thresholds(count, largest)

    def critical_step_size(self, index: int) -> Any:
        """Step size up to that of the setting at which spike `index` appears, in seconds.

        The strength of the mode crosses the threshold there: a secant from the result in double precision.
        """
        variables, closed = self.solution.variables, self.solution.closed
        guess = self.double.critical_step_size(index)
        if guess == 0.0 or not math.isfinite(guess):
            return mpmath.mpf(guess)

        def excess(step: arb) -> arb:
            moved = BallClosedForm(replace(variables, moved=step), closed.count)
            return (moved.mode(index)[0] / closed.critical_strength).log().mid()

        with working_digits(self.digits + GUARD_DIGITS):
            return midpoint(_secant(excess, arb(guess), arb(guess) * (1 + arb(2) ** -30), self.digits))

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index`, in double precision."""
        return self.double.profile(index, q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index`, in double precision."""
        return self.double.right_profile(index, alpha)

    def evidence(self, part: str) -> PreciseCertificate:
        """Certificate of one part; what was measured of nodes and rounding belongs to all."""
        variables, closed, change, error, rounding, _ = self.solution
        curve = variables.curve
        with self._working():
            point: Any = curve.at_ridge(variables.ridge)
            balls = {"kappa": point.kappa, "g": point.g, "mu": point.mu}
            balls["critical_strength"] = closed.critical_strength
            certificate = PreciseCertificate(
                residual=_residual(variables, midpoint(point.kappa), midpoint(point.g)),
                digits=self.digits,
                nodes=closed.count,
                change=change,
                error=error,
                rounding=rounding,
                enclosures={name: enclosure(value) for name, value in balls.items()},
            )
            if part != "bulk":
                return certificate
            ends = [end for pair in self.bulk.enclosures for end in pair]
            middles = [(((low.sqrt() + high.sqrt()) / 2) ** 2).mid() for low, high in curve.edges]
            return replace(
                certificate,
                mass=midpoint(sum(curve.masses, arb(curve.atom_at_zero))),
                imaginary_part=min(midpoint(curve.density(z)) for z in middles),
                edge_error=max(float((high - low) / high) for low, high in ends if high > 0),
            )

    def with_setting(self, setting: Setting) -> CertifiedClosedForm:
        """The same method for another setting."""
        return replace(self, setting=setting)


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


def _converged(variables: BallLatent, digits: int, guard: int) -> Solution:
    """Increase the nodes until nothing moves."""
    previous: list[arb] = []
    before = change = error = math.inf
    for count in NODES:
        closed = BallClosedForm(variables, count)
        values, sizes = _quantities(closed)
        rounding = max(float(v.rad()) / s for v, s in zip(values, sizes, strict=True))
        if not rounding < 10.0 ** -(digits + 1):
            raise _RoundingError(f"rounding errors are above {digits} digits", residual=rounding)
        if len(previous) == len(values):
            pairs = zip(values, previous, sizes, strict=True)
            before, change = change, max(float(abs(a - b).upper()) / s for a, b, s in pairs)
            ratio = change / before if before < math.inf else 1.0
            error = max(change * min(ratio, 1.0), rounding)
            if error < 10.0 ** -(digits + 1):
                return Solution(variables, closed, change, error, rounding, guard)
            if all(a.overlaps(b) for a, b in zip(values, previous, strict=True)):
                # What moves is rounding, which more nodes do not lessen.
                raise _RoundingError(f"rounding errors are above {digits} digits", residual=change)
        else:
            before = change = math.inf
        previous = values
    raise ConvergenceError(
        f"the quadrature of the latent variables does not reach {digits} digits on {NODES[-1]} nodes",
        residual=error,
    )


def _quantities(closed: BallClosedForm) -> tuple[list[arb], list[float]]:
    """What must not move, and what its error is measured by: a loss or an eigenvalue itself, else one."""
    values = list(closed.losses)
    sizes = [abs(float(v)) for v in values]
    for pole in closed.poles:
        # The sign of a mode is arbitrary.
        sign = 1 if max(pole.feature, key=lambda c: abs(float(c))) > 0 else -1
        correlations = [*(sign * c for c in pole.feature), *(square(c) for c in pole.right_feature)]
        values += [pole.eigenvalue, *correlations]
        sizes += [abs(float(pole.eigenvalue)), *[1.0] * len(correlations)]
    return values, sizes


def _residual(variables: BallLatent, kappa: Any, g: Any) -> Any:
    """Relative residual of the two equations of section 5 at the numbers that are given out."""
    setting, curve, ridge = variables.setting, variables.curve, midpoint(variables.ridge)
    gamma, ratio = (mpmath.mpf(setting.width) / size for size in (setting.d, setting.n_ridge))
    linear, tail = midpoint(curve.linear), midpoint(curve.tail)
    population = g * (formulas.effective_ridge(g, linear, tail, gamma) - kappa)
    sample = (formulas.ridge(kappa, g, ratio) - ridge) / (ridge + kappa * ratio)
    return max(abs(population), abs(sample))


def _midpoints(numbers: tuple[Any, Any, Any]) -> Losses[Any]:
    """Losses at the middles of balls."""
    objective, train, test = map(midpoint, numbers)
    return Losses(objective=objective, train=train, test=test)


def _limit(variables: BallLatent, degree: int) -> Losses[Any]:
    """Losses of a regime as ``n`` grows (docs/theory.md section 7)."""
    activation, target = variables.activation, variables.target
    learnt: Any = variables.learnt
    point = variables.curve.at_ridge(variables.ridge)
    linear = square(target.coefficient(1))
    value: Any = formulas.untrained_value(linear, variables.label_energy, point.mu)
    slope: Any = linear * point.mu_slope
    degrees = spike_degrees(variables.setting, degree)
    if degrees:
        grown = not learnt.drift.is_zero()
        twice_mean = 2 * activation.coefficient(2) * variables.residual[0] if grown else arb(0)
        top = max(degrees) * (1 if twice_mean.is_zero() else 2)
        polynomials = formulas.power_polynomials(
            [midpoint(activation.coefficient(j)) for j in range(top + 1)],
            degrees,
            slope=midpoint(activation.coefficient(1) * learnt.beta_norm2.sqrt()),
            twice_mean=midpoint(twice_mean),
            chi=midpoint(learnt.chi),
        )
        teacher = [midpoint(target.coefficient(j)) for j in range(degree + 1)]
        cosine, mu = midpoint(learnt.beta_cosine), midpoint(arb(0) + point.mu)
        with mpmath.workdps(variables.digits + GUARD_DIGITS + lost_digits(polynomials)):
            gain, gain_slope = map(from_mpf, improvement(polynomials, teacher, cosine, mu))
        value, slope = value - gain, slope - gain_slope * point.mu_slope
    return _midpoints(loss_numbers(point, value, value - point.kappa * slope))


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
    residual = float(abs(step).upper())
    raise ConvergenceError("a critical step size was not found", residual=residual, last=float(y))
