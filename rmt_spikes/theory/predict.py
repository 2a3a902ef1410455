"""The entry point: predict everything about a setting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.latent import Realisation
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.limit import limit_losses
from rmt_spikes.theory.methods.spikes import (
    closed_form_spikes,
    closed_form_thresholds,
    uniform_spikes,
    uniform_threshold,
)
from rmt_spikes.theory.methods.uniform.solution import Uniform, neglected
from rmt_spikes.theory.realisation import check_realisation
from rmt_spikes.theory.regimes import regime, regime_degree
from rmt_spikes.theory.results import EDGE_TOLERANCE, Certificate, Losses, Prediction

if TYPE_CHECKING:
    from rmt_spikes.theory.methods.certified.results import PrecisePrediction

Array = NDArray[np.float64]

LEAST_DIGITS, MOST_DIGITS = 16, 300
METHODS = ("uniform", "closed_form", "limit")
FEATURES = ("corrected", "isotropic", "published")


@overload
def predict(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = "corrected",
    given: Realisation | None = None,
    digits: None = None,
) -> Prediction: ...


@overload
def predict(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = "corrected",
    given: Realisation | None = None,
    digits: int,
) -> PrecisePrediction: ...


def predict(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = "corrected",
    given: Realisation | None = None,
    digits: int | None = None,
) -> Prediction | PrecisePrediction:
    """Predict the spectrum, the spikes and the losses of a setting.

    Parameters
    ----------
    setting
        What is predicted.
    method
        ``"uniform"`` (default): one resolvent for every step size. ``"closed_form"`` (default with
        `digits`): bulk of the untrained features, latent part kept to all orders, finite ``n``; good while
        the shift ``s`` is small. ``"limit"``: the losses are those of ``n -> infinity`` in the regime of the
        step exponent; bulk and spikes as in the closed form.
    features
        ``"corrected"``: spike ``k`` carries the heat-evolved monomial. ``"published"``: the bare monomial,
        without the growth of the rows. ``"isotropic"``: corrected, but for rows that grow in all directions
        alike (docs/theory.md section 4.1), which matters for large steps and in the uniform method only.
    given
        Realised latent variables, such as ``observation.latent``. They replace the limits: the norm and
        cosine of the learnt direction, the energy of the residual and the readout weights, and, where
        present, the latent variables and labels of the second batch. Not for ``"limit"``, nor with `digits`.
    digits
        Number of significant digits, 16 to 300: the closed form in higher precision, as `mpmath` numbers
        with enclosures (docs/precision.md). None for double precision.

    Returns
    -------
    Prediction, or PrecisePrediction when `digits` are asked for
        The two have the same attributes.

    Raises
    ------
    DomainError
        For an unknown method or features, a setting the method does not cover, or digits of another method
        than the closed form.
    ConvergenceError
        If the result fails its own certificate.

    Notes
    -----
    docs/theory.md sections 2 to 7.
    """
    method = choice("method", _default_method(digits) if method is None else method, METHODS)
    features = choice("features", features, FEATURES)
    if given is not None:
        check_realisation(setting, given, method)
    if digits is not None:
        return _precise_prediction(setting, method, features, given, digits)
    if method == "uniform":
        uniform = Uniform(setting, features, given)
        bulk, spikes, losses = uniform.bulk, uniform_spikes(uniform), uniform.losses()
        variables, certificate = uniform.latent, _uniform_certificate(uniform)
    else:
        closed = ClosedForm(setting, features, given)
        bulk = singular_value_bulk(closed.equivalent)
        spikes = closed_form_spikes(closed, bulk)
        losses = limit_losses(setting, _printed(features)) if method == "limit" else closed.losses()
        variables, certificate = closed.latent, _closed_form_certificate(closed, bulk)
    certificate.check()
    return Prediction(
        setting=setting,
        method=method,
        features=features,
        given=_given_name(given),
        latent=variables,
        regime=regime(setting),
        bulk=bulk,
        spikes=spikes,
        losses=losses,
        limits=_limits(setting),
        certificate=certificate,
    )


def _default_method(digits: int | None) -> str:
    return "uniform" if digits is None else "closed_form"


def _precise_prediction(
    setting: Setting, method: str, features: str, given: Realisation | None, digits: int
) -> PrecisePrediction:
    if type(digits) is not int or not LEAST_DIGITS <= digits <= MOST_DIGITS:
        raise DomainError("digits", f"must be an integer from {LEAST_DIGITS} to {MOST_DIGITS}", digits)
    if method != "closed_form":
        advice = f"the method {method!r} is solved in double precision"
        raise DomainError("digits", "must be left out unless the method is 'closed_form'", digits, advice)
    if given is not None:
        raise DomainError(
            "given", "must be None with digits: a realisation is known in double precision", Word("one")
        )
    # Ball arithmetic is loaded when it is asked for.
    from rmt_spikes.theory.methods.certified.solution import predict_precisely

    approximate = singular_value_bulk(BulkEquivalent.of(setting))
    return predict_precisely(setting, _printed(features), digits, approximate)


def predict_losses(
    setting: Setting,
    *,
    method: str | None = None,
    features: str = "corrected",
    given: Realisation | None = None,
) -> Losses:
    """Predict the losses alone.

    Parameters
    ----------
    setting, method, features, given
        As in `predict`.

    Returns
    -------
    Losses

    Raises
    ------
    DomainError
        As in `predict`.
    ConvergenceError
        If the equations are not solved to ``1e-8``.
    """
    method = choice("method", METHODS[0] if method is None else method, METHODS)
    features = choice("features", features, FEATURES)
    if given is not None:
        check_realisation(setting, given, method)
    if method == "uniform":
        return Uniform(setting, features, given).losses()
    return (
        limit_losses(setting, _printed(features))
        if method == "limit"
        else ClosedForm(setting, features, given).losses()
    )


def critical_step_sizes(
    setting: Setting, count: int = 3, *, method: str | None = None, features: str = "corrected"
) -> Array:
    """Step sizes at which the first spikes leave the bulk.

    Parameters
    ----------
    setting
        What is predicted; its own step size is not used.
    count
        Number of spikes.
    method
        ``"uniform"`` (default) or ``"closed_form"``.
    features
        ``"corrected"`` or ``"published"``.

    Returns
    -------
    ndarray of shape ``(count,)``
        In units of `step_size`; 0 for a spike that exists without a step, ``inf`` for one that does not
        appear up to a step of ``3 sqrt(width)``.

    Raises
    ------
    DomainError
        For a `count` that is not a positive integer, or an unknown method or features.
    """
    if type(count) is not int or count < 1:
        raise DomainError("count", "must be a positive integer", count)
    method = choice("method", METHODS[0] if method is None else method, METHODS[:2])
    features = choice("features", features, FEATURES)
    largest = 3.0 * math.sqrt(setting.width)
    if method == "closed_form":
        return closed_form_thresholds(ClosedForm(setting, features), largest, count)
    return np.array([uniform_threshold(Uniform(setting, features), largest, k) for k in range(count)])


def singular_value_bulk(equivalent: BulkEquivalent) -> Bulk:
    """Law of the singular values from that of the eigenvalues, ``x = sqrt(z)``."""

    def density(x: Array) -> Array:
        return np.asarray(2.0 * x * equivalent.eigenvalue_density(x**2))

    return Bulk(edges=np.sqrt(equivalent.edges), atom_at_zero=equivalent.atom_at_zero, density_inside=density)


def choice(field: str, value: str, allowed: tuple[str, ...]) -> str:
    """Check that a value is one of those allowed.

    Raises
    ------
    DomainError
        If it is not.
    """
    if value not in allowed:
        raise DomainError(field, f"must be one of {', '.join(allowed)}", value)
    return value


def _printed(features: str) -> str:
    """Features of the limit, where the direction in which rows grow does not matter."""
    return "published" if features == "published" else "corrected"


def _given_name(given: Realisation | None) -> str:
    if given is None:
        return "none"
    return "first_stage" if given.q is None else "both_batches"


def _limits(setting: Setting) -> dict[str, Losses] | None:
    degree = regime_degree(setting.exponent)
    if degree is None or setting.exponent > 0.49:
        return None
    return {features: limit_losses(setting, features) for features in ("corrected", "published")}


def _closed_form_certificate(solution: ClosedForm, bulk: Bulk) -> Certificate:
    """Check the solution against the defining equations, written out anew."""
    from rmt_spikes.theory.methods.certified.certificate import edge_error

    equivalent = solution.equivalent
    middles = bulk.edges.mean(axis=1) ** 2
    kappa, g = equivalent.boundary_value(middles)
    population = 1.0 / g - equivalent.tail - kappa
    population -= equivalent.linear / (1.0 + equivalent.gamma * equivalent.linear * g)
    sample = middles + kappa * (1.0 - equivalent.ratio * (1.0 - kappa * g))
    point = equivalent.at_ridge(solution.setting.ridge)
    residuals = [
        float(np.max(np.abs(population * g))),
        float(np.max(np.abs(sample) / middles)),
        abs(equivalent.kappa(point.g) - point.kappa) * point.g,
    ]
    density = equivalent.eigenvalue_density(middles)
    return Certificate(
        mass=bulk.mass,
        residual=max(residuals),
        imaginary_part=float(density.min()),
        edge_error=edge_error(equivalent.linear, equivalent.tail, solution.setting, bulk.edges),
    )


def _uniform_certificate(solution: Uniform) -> Certificate:
    bulk, upper = solution.bulk, solution.upper
    squares = bulk.edges**2
    lower, higher = squares[squares[:, 0] > 0.0, 0], squares[:, 1]
    inside = [lower * (1.0 + EDGE_TOLERANCE), squares.mean(axis=1), higher * (1.0 - EDGE_TOLERANCE)]
    values, residual = solution.cut.resolvent(np.sort(np.concatenate(inside)))
    residuals = [residual, solution.state.residual, upper.edge.state.residual]
    residuals += [pole.point.state.residual for pole in upper.poles]
    return Certificate(
        mass=bulk.mass,
        residual=max(residuals),
        imaginary_part=float(values.imag.min() / np.pi),
        edge_error=EDGE_TOLERANCE,
        neglected=neglected(solution),
    )
