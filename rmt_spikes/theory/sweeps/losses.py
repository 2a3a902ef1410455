"""Losses over many step sizes from few solutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct

from rmt_spikes.arguments import number, vector
from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import latent
from rmt_spikes.theory.methods import CONTINUOUS, look_up

Array = NDArray[np.float64]

FIRST_DEGREE = 10
"""Degree of the first interpolation: its last coefficients say whether another is needed."""

LARGEST_DEGREE = 160
"""Degree of the last one: sweeps from 0.01 to 60 at a ridge of 1e-3 take degree 40 for six digits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LossSweep:
    """Losses as functions of the step size.

    Attributes
    ----------
    step_size
        Step sizes, shape ``(n_steps,)``.
    objective, train, test
        Losses at each, shape ``(n_steps,)``.
    error
        Estimate of the largest relative error of the interpolation; 0 when every step was solved for.
    solves
        Number of solutions that were computed.
    """

    step_size: Array
    objective: Array
    train: Array
    test: Array
    error: float
    solves: int


def sweep_losses(
    setting: Setting,
    step_size: ArrayLike,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    rtol: float = 1e-4,
) -> LossSweep:
    """Losses over a range of step sizes.

    Parameters
    ----------
    setting
        What is predicted; its own step size is not used.
    step_size
        Step sizes, shape ``(n_steps,)``, any order.
    method, features
        As in `predict`; not ``"limit"``.
    rtol
        Relative error allowed.

    Returns
    -------
    LossSweep

    Raises
    ------
    DomainError
        If the step sizes are not a vector of numbers of the domain of `Setting`, `rtol` is not in
        ``[1e-10, 1]``, or the method is ``"limit"``, whose losses jump from regime to regime.
    ConvergenceError
        If 161 solutions do not give the accuracy.

    Notes
    -----
    The losses are analytic in the step size. They are interpolated at Chebyshev points of
    ``asinh(s sqrt(N))``, which is linear in the step below the critical size and its logarithm above.
    The error is estimated by the last coefficients of the series; the points of one round serve in the
    next.
    """
    require_setting(setting)
    steps = vector("step_size", step_size)
    number("rtol", rtol, 1e-10, 1.0, "must be a number in [1e-10, 1]")
    kind, theory = look_up(method, CONTINUOUS), Features.of(features)

    def solve(values: Array) -> Array:
        table = []
        for value in values:
            losses = kind(setting.replace(step_size=float(value)), theory).losses()
            table.append([losses.objective, losses.train, losses.test])
        return np.array(table).T

    distinct = np.unique(steps)
    if distinct.size <= 2 * FIRST_DEGREE + 1:
        values = solve(distinct)[:, np.searchsorted(distinct, steps)]
        return _sweep(steps, values, 0.0, distinct.size)
    unit = latent(setting.replace(step_size=1.0), theory).shift * np.sqrt(setting.width)
    low, high = np.arcsinh(abs(unit) * distinct[[0, -1]])
    position = (2.0 * np.arcsinh(abs(unit) * steps) - low - high) / (high - low)
    degree, values = FIRST_DEGREE, np.empty((3, 0))
    while degree <= LARGEST_DEGREE:
        points = np.cos(np.pi * np.arange(degree + 1) / degree)
        at = np.clip(np.sinh(0.5 * (low + high + (high - low) * points)) / abs(unit), *distinct[[0, -1]])
        table = np.empty((3, degree + 1))
        new = np.arange(degree + 1) if values.size == 0 else np.arange(1, degree, 2)
        table[:, new] = solve(at[new])
        if values.size:
            table[:, ::2] = values
        values = table
        coefficients = dct(values, type=1, axis=1) / degree
        coefficients[:, [0, -1]] *= 0.5
        tail = np.sum(np.abs(coefficients[:, -degree // 6 :]), axis=1)
        error = float(np.max(tail / np.min(np.abs(values), axis=1)))
        if error <= rtol:
            return _sweep(steps, chebyshev.chebval(position, coefficients.T), error, degree + 1)
        degree *= 2
    raise ConvergenceError("the losses were not interpolated", residual=error, last=degree // 2)


def _sweep(steps: Array, values: Array, error: float, solves: int) -> LossSweep:
    objective, train, test = values
    return LossSweep(step_size=steps, objective=objective, train=train, test=test, error=error, solves=solves)
