"""Slope of the activation at the initial pre-activations, for samples of one squared norm or of several."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from rmt_spikes.setting import Setting

Array = NDArray[np.float64]

REACH = 8.5
"""Standard deviations of the initial pre-activation that are integrated over: beyond, 1e-16 of the mass."""

NODES, PANELS = 16, 4
"""Gauss-Legendre nodes on each panel, and panels besides those that end in a kink of the activation: with 24
nodes losses move by less than 1e-4 up to theta = 3, with a slope of three by 3e-4."""


@dataclass(frozen=True, eq=False)
class Slope:
    """The slope ``sigma'(z) = c_1 + c_22 z + zeta`` at the pre-activation ``z`` of a sample, on nodes.

    Attributes
    ----------
    size
        ``rho``, squared norm of the sample over ``d``: the variance of ``z``.
    z, weights
        Nodes of ``z``, shape ``(n_z,)``.
    linear, curvature
        ``c_1 = E sigma'`` and ``c_22 = E sigma' z / rho``.
    rest
        ``zeta``, shape ``(n_z,)``.
    variance
        ``V = Var zeta``.
    own
        What a sample's own residual is multiplied with in its features: ``sigma'(z)``, shape ``(n_z,)``.
    """

    size: float
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
        return self.size * self.curvature**2 + self.variance

    def with_own(self, factor: float, fluctuation: float) -> Slope:
        """A sample's own part times a factor, and its fluctuation over the neurons times another."""
        return replace(self, own=factor * (self.linear + fluctuation * (self.own - self.linear)))


def slope_of(setting: Setting, size: float) -> Slope:
    """Slope of the activation of a setting, for samples of a squared norm over ``d``."""
    function, expansion, scale = setting.activation_function, setting.activation_expansion, math.sqrt(size)
    inner = [split / scale for split in function.splits if -REACH < split / scale < REACH]
    ends = np.unique(np.concatenate([np.linspace(-REACH, REACH, PANELS + 1), inner]))
    nodes, weights = legendre.leggauss(NODES)
    half, middle = 0.5 * np.diff(ends)[:, None], 0.5 * (ends[1:] + ends[:-1])[:, None]
    z = (middle + half * nodes).ravel()
    density = (half * weights).ravel() * np.exp(-0.5 * z**2)
    density /= density.sum()
    z *= scale
    # Without a step the activation may have jumps: its slope is of no consequence then.
    linear, curvature = float(expansion.coefficients[1]), 2.0 * float(expansion.coefficients[2])
    value = linear + curvature * z
    if setting.theta > 0.0:
        value = np.asarray(function.derivative(z))
        linear, curvature = float(density @ value), float(density @ (value * z)) / size
    rest = value - linear - curvature * z
    return Slope(size, z, density, linear, curvature, rest, float(density @ rest**2), value)


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes at all squared norms, each for as many rows of samples.

    Parameters
    ----------
    parts
        Of each squared norm.
    labels
        Rows of samples of each.
    """

    parts: tuple[Slope, ...]
    labels: int

    def rows(self, values: list[float]) -> Array:
        """Numbers of each squared norm for all rows of samples, shape ``(n_r,)``."""
        return np.repeat(np.array(values), self.labels)

    @cached_property
    def linear(self) -> Array:
        """``c_1``, shape ``(n_r,)``."""
        return self.rows([each.linear for each in self.parts])

    @cached_property
    def curvature(self) -> Array:
        """``c_22``, shape ``(n_r,)``."""
        return self.rows([each.curvature for each in self.parts])

    @cached_property
    def variance(self) -> Array:
        """``V``, shape ``(n_r,)``."""
        return self.rows([each.variance for each in self.parts])

    @cached_property
    def spread(self) -> Array:
        """``Var sigma'``, shape ``(n_r,)``."""
        return self.rows([each.spread for each in self.parts])

    def moment(self, i: int, j: int) -> Array:
        """``E z^i zeta^j``, shape ``(n_r,)``."""
        return self.rows([float((each.weights * each.z**i) @ each.rest**j) for each in self.parts])

    def slices(self) -> list[slice]:
        """Rows of samples of each squared norm."""
        return [slice(k * self.labels, (k + 1) * self.labels) for k in range(len(self.parts))]
