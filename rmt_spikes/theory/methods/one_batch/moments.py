"""Moments of the features of one sample over the neurons, its own part in their step included."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import gaussian_moments
from rmt_spikes.functions.piecewise import pieces
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.samples import Batch, Forms, Samples
from rmt_spikes.theory.methods.one_batch.slopes import Slope

Array = NDArray[np.float64]

RESOLVED = 1e-9
"""Size of the last coefficients of smoothed functions, of the function there or of the activation: with a
tenth of it losses move by less than 1e-9."""

ROUNDING = 1e-12
"""Rounding of these coefficients, of the root mean square of the activation there."""

NO_NOISE = 1e-6
"""Standard deviation below which the incoherent part of the step does not show, and differences would."""


class Smoothed:
    """A function averaged over Gaussian noise of a variance, as a function of its mean.

    `count` of ``E f``, ``E f'``, ``E f''`` and ``E f^2`` are polynomials on pieces of the line, which are
    short only where the function bends. `unit` is the size of the function.
    """

    def __init__(
        self, function: ScalarFunction, variance: float, low: float, high: float, count: int, unit: float
    ) -> None:
        scale = math.sqrt(variance)
        over = np.array([1.0, scale, 0.5 * variance, 1.0])[:count]

        def averages(mean: Array) -> tuple[Array, Array]:
            found = gaussian_moments(function, mean, scale)
            size, parts = np.sqrt(found.second), (found.first, found.linear, found.norm, found.second)
            values = np.stack(parts[:count]) / over[:, None, None]
            units = np.array([unit, unit, unit, unit**2])[:count, None, None]
            sizes = np.stack([size, size, size, found.second][:count]) / over[:, None, None]
            return values, np.maximum(RESOLVED * (units + np.abs(values)), ROUNDING * sizes)

        self._pieces = pieces(averages, _ends(function.splits, scale, low, high))
        # More variance does what a diffusion does: it adds half the second derivative.
        self._more = self._pieces.second_derivatives()

    def __call__(self, mean: Array, more: Array) -> tuple[Array, ...]:
        """Averages with `more` variance, to first order."""
        places, half = self._pieces.places(mean), 0.5 * more
        values = zip(self._pieces.at(places), self._more.at(places), strict=True)
        return tuple(own + half * added for own, added in values)


def _ends(kinks: Sequence[float], scale: float, low: float, high: float) -> Array:
    """Ends of pieces from one place to another, longer and longer away from smoothed kinks, or from zero."""
    first = scale if kinks else max(1.0, scale)
    count = max(1, math.ceil(math.log2(max(-low, high, first) / first)))
    away = first * 2.0 ** np.arange(1, count + 1)
    inside = np.unique(np.add.outer(kinks or (0.0,), np.concatenate([-away, [0.0], away])))
    return np.concatenate([[low], inside[(inside > low) & (inside < high)], [high]])


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments over neurons of a readout weight, for a population of samples: shape ``(n_r, n_x, n_a)``.

    ``f`` is the feature, ``z`` the initial pre-activation, ``u`` that after the step.

    Attributes
    ----------
    mean, square
        ``E f`` and ``E f^2``.
    slope, bend
        ``p = E sigma'(u)`` and ``E sigma''(u)``.
    linear, bent
        ``E f z / rho`` and ``E f (z^2 - rho) / (2 rho^2)``.
    rest
        ``w = E f zeta``.
    tilt
        ``E sigma'(u) z``.
    crossed, twice, noisy
        ``E f z zeta``, ``E f zeta^2`` and ``E sigma'(u) zeta``.
    """

    mean: Array
    square: Array
    slope: Array
    bend: Array
    linear: Array
    bent: Array
    rest: Array
    tilt: Array
    crossed: Array
    twice: Array
    noisy: Array


def moments_of(setting: Setting, batch: Batch, samples: Sequence[Samples], alpha: Array) -> list[Moments]:
    """Moments of the features of populations of samples at readout weights `alpha`."""
    return [Moments(*each) for each in _of_all(_moments, 4, setting, batch, samples, alpha)]


def means_of(setting: Setting, batch: Batch, samples: Sequence[Samples], alpha: Array) -> list[Array]:
    """Mean features of populations of samples at readout weights `alpha`, ``(n_r, n_x, n_a)`` each."""
    return [found for (found,) in _of_all(_mean, 1, setting, batch, samples, alpha)]


def _of_all(
    what: Callable[[Part, tuple[Array, ...]], tuple[Array, ...]],
    count: int,
    setting: Setting,
    batch: Batch,
    samples: Sequence[Samples],
    alpha: Array,
) -> list[list[Array]]:
    """Numbers of all samples of each population and readout weights, shape ``(n_r, n_x, n_a)`` each."""
    found: list[list[list[Array]]] = [[] for _ in samples]
    for slope, rows in zip(batch.slopes.parts, batch.slopes.slices(), strict=True):
        parts = [_part(batch, slope, each.rows(rows)) for each in samples]
        averages = [
            _averages(setting, batch, parts, step, count) for step in (setting.theta * alpha).tolist()
        ]
        for k, part in enumerate(parts):
            known = [what(part, each[k]) for each in averages]
            found[k].append([np.stack(each, axis=-1)[part.back] for each in zip(*known, strict=True)])
    return [[np.concatenate(each) for each in zip(*one, strict=True)] for one in found]


@dataclass(frozen=True, eq=False)
class Part:
    """Samples of one squared norm, and of different labels.

    Attributes
    ----------
    slope, samples, forms
        Slope of the activation there, the samples and their quadratic forms.
    back
        Which of them is each of the samples that may have the same.
    """

    slope: Slope
    samples: Samples
    forms: Forms
    back: NDArray[np.intp]

    @property
    def scale(self) -> Array:
        """Initial pre-activations over those on the nodes: their variance is not the same."""
        return np.asarray(np.sqrt(self.forms.size / self.slope.size))


def _part(batch: Batch, slope: Slope, samples: Samples) -> Part:
    # Labels that differ by their noise alone have the same fresh samples.
    seen = np.stack([samples.residual, samples.teacher])
    _, first, back = np.unique(seen, axis=1, return_index=True, return_inverse=True)
    few = samples.rows(first)
    return Part(slope, few, batch.forms(few), back.ravel())


def _averages(
    setting: Setting, batch: Batch, parts: Sequence[Part], step: float, count: int
) -> list[tuple[Array, ...]]:
    """`count` of ``E f``, ``E f'``, ``E f''`` and ``E f^2`` of samples at a step ``theta alpha``.

    They are averages over the noise of the step at given ``z``, shape ``(n_r, n_x, n_z)`` each.
    """
    function, slope, means = setting.activation_function, parts[0].slope, []
    for each in parts:
        own = step * batch.phi * slope.size * each.samples.residual
        mean = (step * each.samples.cavity)[:, :, None] + (own[:, None] * slope.own)[:, None]
        means.append(mean + ((1.0 + step * each.forms.ratio) * each.scale)[:, :, None] * slope.z)
    variance = step**2 * slope.size * batch.noise
    if variance > NO_NOISE**2:
        low, high = min(each.min() for each in means), max(each.max() for each in means)
        unit = math.sqrt(setting.activation_expansion.second_moment)
        smoothed = Smoothed(function, variance, low, high, count, unit)
        more = [(step**2 * each.forms.noise - variance)[:, :, None] for each in parts]
        return list(map(smoothed, means, more))
    slopes = [np.full_like(each, slope.linear) for each in means]
    if step != 0.0:
        slopes = [np.asarray(function.derivative(each)) for each in means]
    values = [np.asarray(function(each)) for each in means]
    return [
        (value, tilt, np.zeros_like(value), value**2)[:count]
        for value, tilt in zip(values, slopes, strict=True)
    ]


def _mean(part: Part, averages: tuple[Array, ...]) -> tuple[Array, ...]:
    return (averages[0] @ part.slope.weights,)


def _moments(part: Part, averages: tuple[Array, ...]) -> tuple[Array, ...]:
    """Fields of `Moments`, shape ``(n_r, n_x)`` each."""
    slope, size, scale = part.slope, part.forms.size, part.scale
    z, rest, w = slope.z, slope.rest, slope.weights
    first, tilt, curve, second = averages
    bent = 0.5 * (z**2 / slope.size - 1.0)
    basis = np.stack([w, w * z, w * bent, w * rest, w * z * rest, w * rest**2])
    f, tilted, bend = (np.moveaxis(each @ basis.T, -1, 0) for each in (first, tilt, curve))
    return (
        f[0], second @ w, tilted[0], bend[0], f[1] * scale / size, f[2] / size, f[3], tilted[1] * scale,
        f[4] * scale, f[5], tilted[3],
    )  # fmt: skip
