"""The closed form of a setting to a number of digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
from flint import arb, fmpq

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.methods.certified.balls import (
    GUARD_DIGITS,
    enclosure,
    from_mpf,
    midpoint,
    radius,
    square,
    working_digits,
)
from rmt_spikes.theory.methods.certified.closed_form import BallClosedForm
from rmt_spikes.theory.methods.certified.latent import BallLatent
from rmt_spikes.theory.methods.certified.results import (
    PreciseBulk,
    PreciseCertificate,
    PrecisePrediction,
    PreciseSpike,
    edge_bounds,
)
from rmt_spikes.theory.methods.closed_form import ClosedForm, loss_numbers
from rmt_spikes.theory.methods.limit import improvement, power_polynomials
from rmt_spikes.theory.methods.spikes import closed_form_thresholds, leading_sign
from rmt_spikes.theory.regimes import regime, regime_degree, spike_degrees
from rmt_spikes.theory.results import Losses

NODES = (24, 36, 54, 82, 122, 182, 274, 410)
GUARDS = (GUARD_DIGITS, 3 * GUARD_DIGITS, 9 * GUARD_DIGITS)


def predict_precisely(setting: Setting, features: str, digits: int, approximate: Bulk) -> PrecisePrediction:
    """Predict with the closed form to a number of digits.

    Parameters
    ----------
    setting
        What is predicted.
    features
        ``"corrected"`` or ``"published"``.
    digits
        Significant digits.
    approximate
        The bulk in double precision, from which quantiles start.

    Returns
    -------
    PrecisePrediction

    Raises
    ------
    DomainError
        At the standard output scale, or for a function that has no Gaussian moments to so many digits.
    ConvergenceError
        If a quadrature or the isolation of roots does not reach them.

    Notes
    -----
    docs/precision.md says what is proved and what is measured.
    """
    failure: ConvergenceError | None = None
    for guard in GUARDS:
        try:
            with working_digits(digits + guard):
                return _predict(setting, features, digits, approximate)
        except _RoundingError as error:
            failure = error
    assert failure is not None
    raise ConvergenceError(failure.message, residual=failure.residual)


class _RoundingError(ConvergenceError):
    """Rounding errors took more digits than there were to spare."""


def _predict(setting: Setting, features: str, digits: int, approximate: Bulk) -> PrecisePrediction:
    variables = BallLatent(setting, features != "published", digits)
    closed, change, error, rounding = _converged(variables, digits)
    curve = variables.curve
    point = curve.at_ridge(variables.ridge)
    bulk = PreciseBulk(
        edges=tuple((midpoint(low.sqrt()), midpoint(high.sqrt())) for low, high in curve.edges),
        enclosures=edge_bounds(curve.edges),
        atom_at_zero=midpoint(arb(curve.atom_at_zero)),
        digits=digits,
        curve=curve,
        approximate=approximate,
    )
    scalars: dict[str, Any] = {
        "kappa": point.kappa,
        "g": point.g,
        "mu": point.mu,
        "critical_strength": closed.critical_strength,
    }
    middles = [(((low.sqrt() + high.sqrt()) / 2) ** 2).mid() for low, high in curve.edges]
    certificate = PreciseCertificate(
        mass=midpoint(sum(curve.masses, arb(curve.atom_at_zero))),
        residual=_residual(variables, midpoint(scalars["kappa"]), midpoint(scalars["g"])),
        imaginary_part=min(midpoint(curve.density(z)) for z in middles),
        nodes=closed.count,
        change=change,
        error=error,
        rounding=rounding,
        enclosures={name: enclosure(value) for name, value in scalars.items()},
    )
    _check(certificate, digits)
    return PrecisePrediction(
        setting=setting,
        method="closed_form",
        features=features,
        digits=digits,
        hermite={
            name: tuple(midpoint(getattr(variables, name).coefficient(k)) for k in range(9))
            for name in ("activation", "target")
        },
        latent=_latent(variables),
        regime=regime(setting).to_dict() | {"step_exponent": variables.exponent},
        bulk=bulk,
        spikes=_spikes(closed, features, digits),
        losses=_losses(closed.losses),
        limits=_limits(variables, digits),
        certificate=certificate,
    )


def _latent(variables: BallLatent) -> dict[str, Any]:
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
    return {name: midpoint(value) for name, value in numbers.items()}


def _losses(numbers: tuple[Any, Any, Any]) -> Losses:
    objective, train, test = map(midpoint, numbers)
    return Losses(objective=objective, train=train, test=test)


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
    population = g * (kappa + tail + linear / (1 + gamma * linear * g)) - 1
    sample = (kappa * (1 - ratio * (1 - kappa * g)) - ridge) / (ridge + kappa * ratio)
    return max(abs(population), abs(sample))


def _check(certificate: PreciseCertificate, digits: int) -> None:
    """The certificate of a double prediction, with a tolerance of the digits asked for."""
    tolerance = mpmath.mpf(10) ** -digits
    if not abs(certificate.mass - 1) <= tolerance:
        raise ConvergenceError("the bulk has not the mass 1", residual=float(abs(certificate.mass - 1)))
    if not certificate.residual <= tolerance:
        raise ConvergenceError("the defining equations are not met", residual=float(certificate.residual))
    if not certificate.imaginary_part > 0:
        raise ConvergenceError("the density is not positive", residual=float(certificate.imaginary_part))


def _spikes(closed: BallClosedForm, features: str, digits: int) -> tuple[PreciseSpike, ...]:
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
            PreciseSpike(
                singular_value=midpoint(pole.eigenvalue.sqrt()),
                distance=midpoint(distance),
                alignment=tuple(midpoint(c) ** 2 for c in pole.feature),
                feature=tuple(sign * midpoint(c) for c in pole.feature),
                right_alignment=tuple(midpoint(c) ** 2 for c in pole.right_feature),
                threshold=partial(_critical_step_size, closed, features, k, digits),
            )
        )
    return tuple(spikes)


def _critical_step_size(closed: BallClosedForm, features: str, k: int, digits: int) -> Any:
    """Step at which the strength of mode `k` crosses the threshold: secant from the double result."""
    setting = closed.variables.setting
    guess = float(closed_form_thresholds(ClosedForm(setting, features), setting.step, k + 1)[k])
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


def _limits(variables: BallLatent, digits: int) -> dict[str, Losses] | None:
    setting = variables.setting
    degree = regime_degree(setting.exponent)
    if degree is None or setting.exponent > 0.49:
        return None
    both = (True, False)
    names = ("corrected", "published")
    return {
        name: _limit(BallLatent(setting, corrected, variables.digits), degree, digits)
        for name, corrected in zip(names, both, strict=True)
    }


def _limit(variables: BallLatent, degree: int, digits: int) -> Losses:
    """Losses of a regime (docs/theory.md section 7)."""
    activation, target = variables.activation, variables.target
    point = variables.curve.at_ridge(variables.ridge)
    linear = square(target.coefficient(1))
    value: Any = linear * point.mu + variables.label_energy - linear
    slope: Any = linear * point.mu_slope
    degrees = spike_degrees(variables.setting, degree)
    if degrees:
        grown = not variables.drift.is_zero()
        twice_mean = 2 * activation.coefficient(2) * variables.residual[0] if grown else arb(0)
        top = max(degrees) * (1 if twice_mean.is_zero() else 2)
        polynomials = power_polynomials(
            [midpoint(activation.coefficient(j)) for j in range(top + 1)],
            degrees,
            slope=midpoint(activation.coefficient(1) * variables.beta_norm2.sqrt()),
            twice_mean=midpoint(twice_mean),
            chi=midpoint(variables.chi),
        )
        teacher = [midpoint(target.coefficient(j)) for j in range(degree + 1)]
        numbers = improvement(
            polynomials,
            teacher,
            midpoint(variables.cosine),
            midpoint(arb(0) + point.mu),
            digits + GUARD_DIGITS,
        )
        gain, gain_slope = map(from_mpf, numbers)
        value, slope = value - gain, slope - gain_slope * point.mu_slope
    return _losses(loss_numbers(point, value, value - point.kappa * slope))
