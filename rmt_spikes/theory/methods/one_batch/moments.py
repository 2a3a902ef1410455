"""Moments of the features of one sample over the neurons, its own part in their step included."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import gaussian_moments
from rmt_spikes.functions.scalar import ScalarFunction
from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.one_batch.samples import Batch, Samples

Array = NDArray[np.float64]

REACH = 8.5
"""Standard deviations of the initial pre-activation that are integrated over: beyond, 1e-16 of the mass."""

NODES, PANELS = 24, 4
"""Gauss-Legendre nodes on each panel, and panels besides those that end in a kink of the activation."""

SPACING = 0.04
"""Of the table of smoothed functions: its cubic splines are good to 1e-8."""

NO_NOISE = 1e-6
"""Standard deviation below which the incoherent part of the step does not show, and differences would."""


@dataclass(frozen=True, eq=False)
class Slope:
    """The slope ``sigma'(z) = c_1 + c_22 z + zeta`` at the initial pre-activation ``z``, on nodes.

    Attributes
    ----------
    z, weights
        Nodes of a standard normal variable, shape ``(n_z,)``.
    linear, curvature
        ``c_1`` and ``c_22 = 2 c_2``.
    rest
        ``zeta``, shape ``(n_z,)``.
    variance
        ``V = Var zeta``.
    own
        What a sample's own residual is multiplied with in its features: ``sigma'(z)``, shape ``(n_z,)``.
    """

    z: Array
    weights: Array
    linear: float
    curvature: float
    rest: Array
    variance: float
    own: Array

    @property
    def spread(self) -> float:
        """``Var sigma'``."""
        return self.curvature**2 + self.variance

    def with_own(self, factor: float, fluctuation: float) -> Slope:
        """A sample's own part times a factor, and its fluctuation over the neurons times another."""
        return replace(self, own=factor * (self.linear + fluctuation * (self.own - self.linear)))


def slope_of(setting: Setting) -> Slope:
    """Slope of the activation of a setting."""
    function, expansion = setting.activation_function, setting.activation_expansion
    inner = [split for split in function.splits if -REACH < split < REACH]
    ends = np.unique(np.concatenate([np.linspace(-REACH, REACH, PANELS + 1), inner]))
    nodes, weights = legendre.leggauss(NODES)
    half, middle = 0.5 * np.diff(ends)[:, None], 0.5 * (ends[1:] + ends[:-1])[:, None]
    z = (middle + half * nodes).ravel()
    density = (half * weights).ravel() * np.exp(-0.5 * z**2)
    density /= density.sum()
    linear, curvature = float(expansion.coefficients[1]), 2.0 * float(expansion.coefficients[2])
    # Without a step the activation may have jumps: its slope is of no consequence then.
    value = np.asarray(function.derivative(z)) if setting.theta > 0.0 else linear + curvature * z
    rest = value - linear - curvature * z
    return Slope(z, density, linear, curvature, rest, float(density @ rest**2), value)


class Smoothed:
    """A function averaged over Gaussian noise of a scale, as a function of its mean."""

    def __init__(self, function: ScalarFunction, scale: float, low: float, high: float) -> None:
        from scipy.interpolate import CubicSpline

        nodes = np.linspace(low, high, math.ceil((high - low) / SPACING) + 2)
        moments = gaussian_moments(function, nodes, scale)
        slope, bend = moments.linear / scale, 2.0 * moments.norm / scale**2
        self._spline = CubicSpline(nodes, np.stack([moments.first, slope, bend, moments.second], axis=-1))

    def __call__(self, mean: Array) -> tuple[Array, ...]:
        """``E f``, ``E f'``, ``E f''`` and ``E f^2``."""
        return tuple(np.moveaxis(self._spline(mean), -1, 0))


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
        ``E f z`` and ``E f (z^2 - 1)/2``.
    rest
        ``w = E f zeta``.
    norm
        ``sqrt(2/d) d E f / d rho``, ``rho`` the squared norm of the sample over ``d``.
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
    norm: Array
    tilt: Array
    crossed: Array
    twice: Array
    noisy: Array


def moments_of(setting: Setting, slope: Slope, batch: Batch, samples: Samples, alpha: Array) -> Moments:
    """Moments of the features of a population of samples at readout weights `alpha`."""
    # Labels that differ by their noise alone have the same fresh samples.
    seen = np.stack([samples.residual, samples.teacher])
    _, first, back = np.unique(seen, axis=1, return_index=True, return_inverse=True)
    few = samples.of_labels(first)
    known = [_at(setting, slope, batch, few, float(each)) for each in alpha]
    return Moments(*(np.stack(each, axis=-1)[back.ravel()] for each in zip(*known, strict=True)))


def _at(setting: Setting, slope: Slope, batch: Batch, samples: Samples, alpha: float) -> tuple[Array, ...]:
    """Fields of `Moments` at one readout weight, shape ``(n_r, n_x)`` each."""
    step, function = setting.theta * alpha, setting.activation_function
    own = (step * batch.phi * samples.residual)[:, None]
    variance = step**2 * batch.phi * batch.energy * slope.spread
    inner = (1.0 + step * slope.curvature * batch.mean) * slope.z + own * slope.own
    mean = (step * slope.linear * samples.cavity)[:, :, None] + inner[:, None, :]
    if variance > NO_NOISE**2:
        first, tilt, curve, second = Smoothed(function, math.sqrt(variance), mean.min(), mean.max())(mean)
    else:
        first, curve = np.asarray(function(mean)), np.zeros_like(mean)
        tilt = np.asarray(function.derivative(mean)) if step != 0.0 else np.full_like(mean, slope.linear)
        second = first**2
    z, rest, w = slope.z, slope.rest, slope.weights
    basis = np.stack([w, w * z, w * 0.5 * (z**2 - 1.0), w * rest, w * z * rest, w * rest**2, w * slope.own])
    f, tilted, bend = (np.moveaxis(each @ basis.T, -1, 0) for each in (first, tilt, curve))
    norm = f[2] + own * tilted[6] + 0.5 * variance * bend[0]
    shared = math.sqrt(2.0 / setting.d) * norm
    return (
        f[0], second @ w, tilted[0], bend[0], f[1], f[2], f[3], shared, tilted[1], f[4], f[5], tilted[3],
    )  # fmt: skip
