"""What the theory needs to know of a setting: sizes, activation, levels, directions and laws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.functions.hermite import expand
from rmt_spikes.functions.scalar import ScalarFunction, function_from
from rmt_spikes.theory.readout import ReadoutLaw, readout_law

Array = NDArray[np.float64]

TRAPEZOID_REACH, TRAPEZOID_POINTS = 12.0, 4801


@dataclass(frozen=True, eq=False)
class Activation:
    """Gaussian moments of a centred activation and of its derivative.

    Attributes
    ----------
    function
        The centred activation.
    offset
        The mean that was subtracted: it enters the first residual of a constant readout only when the
        network keeps it.
    c
        Hermite coefficients ``c_0 .. c_8``.
    slope_variance
        ``Var sigma'``.
    rough_variance
        ``E rho^2``, ``rho = sigma' - c_1 - 2 c_2 z``.
    rough_second
        ``q_2 = E[rho^2 He_2] / 2``.
    z_slope_rest
        Variance of ``z sigma'`` in degrees three and up.
    """

    function: ScalarFunction
    c: Array
    slope_variance: float
    rough_variance: float
    rough_second: float
    z_slope_rest: float

    def rough(self, z: Array) -> Array:
        """``rho(z)``."""
        return self.function.derivative(z) - self.c[1] - 2.0 * self.c[2] * z


def activation_of(specification: Any) -> Activation:
    """Moments of a named or given activation, centred."""
    base = function_from(specification, "activation")
    function = base.shifted(expand(base).mean)
    expansion = expand(function)
    c = expansion.coefficients[:9].copy()
    z, weights = trapezoid(function.splits)
    rough = function.derivative(z) - c[1] - 2.0 * c[2] * z
    variance = max(0.0, expansion.derivative_variance - 4.0 * c[2] ** 2)
    z_slope = z * function.derivative(z)
    # He coefficients of z sigma' in degrees 0, 1, 2: c_1 + ..., from z He_k = He_{k+1} + k He_{k-1}.
    low = [2.0 * c[2], c[1] + 6.0 * c[3], 2.0 * c[2] + 12.0 * c[4]]
    rest = weights @ z_slope**2 - low[0] ** 2 - low[1] ** 2 - 2.0 * low[2] ** 2
    return Activation(
        function=function,
        c=c,
        slope_variance=expansion.derivative_variance,
        rough_variance=variance,
        rough_second=0.5 * float(weights @ (rough**2 * (z**2 - 1.0))),
        z_slope_rest=float(rest),
    )


def trapezoid(splits: tuple[float, ...] = ()) -> tuple[Array, Array]:
    """Nodes and weights for the normal law; panels of Gauss-Legendre points between kinks."""
    edges = np.unique(np.concatenate([np.linspace(-TRAPEZOID_REACH, TRAPEZOID_REACH, 49), splits]))
    x, w = np.polynomial.legendre.leggauss(20)
    half = 0.5 * np.diff(edges)[:, None]
    z = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * x).ravel()
    weights = (half * w).ravel() * np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return z, weights / weights.sum()


@dataclass(frozen=True, eq=False)
class Model:
    """A network, its inputs and its teacher.

    Parameters
    ----------
    n, d, width, n_ridge, ridge, theta, noise_std
        Sizes and numbers of the setting; ``theta = eta / sqrt(N)``.
    activation
        Moments of the activation.
    target
        The teacher as a function of an array of shape ``(n_directions, ...)``.
    directions
        Number of teacher's directions.
    target_splits
        Kinks and jumps of a teacher with one direction.
    eigenvalues, proportions
        Levels of the input covariance, mean one.
    shares
        Energy of the teacher's direction in each eigenspace (all directions alike).
    law
        Quadrature of the readout weights.
    residual_offset
        Initial output, when it is a constant.
    """

    n: int
    d: int
    width: int
    n_ridge: int
    ridge: float
    theta: float
    noise_std: float
    activation: Activation
    target: Callable[[Array], Array]
    directions: int
    target_splits: tuple[float, ...]
    eigenvalues: Array
    proportions: Array
    shares: Array
    law: ReadoutLaw
    isotropic: bool

    @property
    def phi(self) -> float:
        """``d / n``."""
        return self.d / self.n

    @property
    def gamma(self) -> float:
        """``N / d``."""
        return self.width / self.d

    @property
    def ratio(self) -> float:
        """``N / n_ridge``."""
        return self.width / self.n_ridge

    @property
    def curvature(self) -> float:
        """``k = 2 c_2 theta``."""
        return 2.0 * float(self.activation.c[2]) * self.theta

    @property
    def incoherent(self) -> float:
        """``t^2 = theta^2 phi E rho^2``."""
        return self.theta**2 * self.phi * self.activation.rough_variance

    @cached_property
    def teacher_scale(self) -> float:
        """``s_1 = sum w_l l``."""
        return float(self.shares @ self.eigenvalues)

    @cached_property
    def chi(self) -> Array:
        """``chi_l``: components of a whitened teacher's direction on the eigenspaces, of norm one."""
        return np.sqrt(self.shares * self.eigenvalues / self.teacher_scale)

    def power(self, exponent: float) -> float:
        """``<l^j>``."""
        return float(self.proportions @ self.eigenvalues**exponent)


def model_of(setting: Mapping[str, Any], n_alpha: int = 24) -> Model:
    """Model of a setting given as a dictionary (the vocabulary of design2.md)."""
    given = dict(setting)
    target = given["target"]
    expression = target.get("expression", "") if isinstance(target, Mapping) else ""
    if "z1" in expression or "sign" in expression:
        directions = max([1, *[k for k in range(1, 6) if f"z{k}" in expression]])
        code = compile(expression, "target", "eval")

        def link(u: Array) -> Array:
            names = {f"z{k + 1}": u[k] for k in range(directions)}
            return np.asarray(eval(code, {"__builtins__": {}}, {**names, "z": u[0], "sign": np.sign}))

        splits: tuple[float, ...] = (0.0,) if "sign" in expression else ()
    else:
        function = function_from(target, "target")
        directions, splits = 1, tuple(function.splits)

        def link(u: Array) -> Array:
            return function(u[0])

    covariance = given.get("covariance", {"eigenvalues": [1.0], "proportions": [1.0], "teacher": [1.0]})
    step = given["step_size"] if "step_size" in given else given["n"] ** given["step_exponent"]
    readout = given.get("readout", "gaussian")
    return Model(
        n=given["n"],
        d=given["d"],
        width=given["width"],
        n_ridge=given.get("n_ridge", given["n"]),
        ridge=given["ridge"],
        theta=step / math.sqrt(given["width"]),
        noise_std=given.get("noise_std", 0.0),
        activation=activation_of(given["activation"]),
        target=link,
        directions=directions,
        target_splits=splits,
        eigenvalues=np.array(covariance["eigenvalues"], dtype=float),
        proportions=np.array(covariance["proportions"], dtype=float),
        shares=np.array(covariance["teacher"], dtype=float),
        law=readout_law(readout, n_alpha, given["width"]),
        isotropic="covariance" not in given,
    )
