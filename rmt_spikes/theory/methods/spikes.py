"""Spikes of a solution, whichever method found it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.thresholds import first_crossings, nearby_crossing
from rmt_spikes.theory.methods.uniform import vectors
from rmt_spikes.theory.methods.uniform.outliers import Pole
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.results import Spike

Array = NDArray[np.float64]
Profile = Callable[[Array], Array]


def closed_form_spikes(solution: ClosedForm, bulk: Bulk) -> tuple[Spike, ...]:
    """Spikes with the bulk of the untrained features, largest first."""
    spikes = (
        _spike(
            pole.eigenvalue,
            _distance(pole.eigenvalue, bulk, solution.setting),
            solution.hermite_feature(pole),
            solution.readout_feature(pole),
            partial(solution.profile, pole),
            partial(solution.right_profile, pole),
            partial(_closed_form_threshold, solution, k),
        )
        for k, pole in enumerate(solution.poles())
    )
    return tuple(spike for spike in spikes if spike.distance > 1.0)


def uniform_spikes(solution: Uniform) -> tuple[Spike, ...]:
    """Spikes at any step size, largest first."""
    spikes = (
        _spike(
            pole.point.eigenvalue,
            _distance(pole.point.eigenvalue, solution.bulk, solution.setting),
            vectors.hermite_feature(solution, pole),
            vectors.readout_feature(solution, pole),
            partial(_flat, vectors.left_profile, solution, pole),
            partial(_flat, vectors.right_profile, solution, pole),
            partial(uniform_threshold, solution, solution.setting.step, k),
        )
        for k, pole in enumerate(solution.upper.poles)
    )
    return tuple(spike for spike in spikes if spike.distance > 1.0)


def closed_form_thresholds(solution: ClosedForm, largest: float, count: int) -> Array:
    """Step sizes up to `largest` at which the first `count` spikes appear; ``inf`` for those that do not."""
    critical = solution.critical_strength

    def excess(step: float) -> Array:
        moved = ClosedForm(solution.setting.replace(step_size=step), solution.features, solution.given)
        strengths = moved.modes.strengths
        padded = np.full(max(count, strengths.size), 1e-300)
        padded[: strengths.size] = np.maximum(strengths, 1e-300)
        return np.asarray(np.log(padded / critical))

    return first_crossings(excess, largest, count)


def uniform_threshold(solution: Uniform, largest: float, k: int) -> float:
    """Step size up to `largest` at which spike `k` (from 0) appears, ``inf`` if it does not.

    The closed form, which is exact for small steps, is the first guess.
    """
    guess = largest
    if solution.setting.output_scale == "mean_field":
        closed = ClosedForm(solution.setting, solution.features, solution.given)
        guess = float(closed_form_thresholds(closed, largest, k + 1)[k])

    def excess(step: float) -> float:
        moved = Uniform(solution.setting.replace(step_size=step), solution.features, solution.given)
        margins = moved.upper.margins
        return -float(margins[k]) if k < margins.size else -1.0

    return nearby_crossing(excess, min(guess, largest), largest)


def _distance(eigenvalue: float, bulk: Bulk, setting: Setting) -> float:
    return (math.sqrt(eigenvalue) - float(bulk.edges[-1, 1])) / bulk.edge_scale(setting.width)


def _spike(
    eigenvalue: float,
    distance: float,
    feature: Array,
    readout_feature: Array,
    profile: Profile,
    right_profile: Profile,
    threshold: Callable[[], float],
) -> Spike:
    sign = leading_sign(feature)
    alignment = feature**2
    # The polynomials are orthogonal under the limiting law only, so no bound on their sum.
    if not (eigenvalue > 0.0 and np.max(alignment) <= 1.0 + 1e-6):
        raise ConvergenceError("a spike is not a singular vector", residual=float(np.max(alignment) - 1.0))
    return Spike(
        singular_value=math.sqrt(eigenvalue),
        distance=distance,
        alignment=alignment,
        feature=sign * feature,
        right_alignment=readout_feature**2,
        profile_function=lambda q: sign * profile(q),
        right_profile_function=lambda alpha: sign * right_profile(alpha),
        threshold=threshold,
    )


def leading_sign(feature: Array) -> float:
    """Sign that makes the first coefficient that is not zero (to 1e-6 of the largest) positive."""
    visible = np.abs(feature) > 1e-6 * np.max(np.abs(feature), initial=0.0)
    return 1.0 if not visible.any() else float(np.sign(feature[np.argmax(visible)]))


def _closed_form_threshold(solution: ClosedForm, k: int) -> float:
    return float(closed_form_thresholds(solution, solution.setting.step, k + 1)[k])


def _flat(
    function: Callable[[Uniform, Pole, Array], Array], solution: Uniform, pole: Pole, x: Array
) -> Array:
    return function(solution, pole, x.ravel()).reshape(x.shape)
