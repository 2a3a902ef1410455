"""Labels: what a gradient step learns of the directions of the teacher, and moments given that.

docs/theory.md sections 2, 3 and 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rmt_spikes.functions.hermite import expand, gaussian_moments, normalized_hermite
from rmt_spikes.functions.teacher import Teacher
from rmt_spikes.setting import Setting
from rmt_spikes.theory.quadrature_rules import gauss_hermite, normal_panels

Array = NDArray[np.float64]

WHOLE, INNER = {2: 96, 3: 32, 4: 18, 5: 12}, {2: 40, 3: 20, 4: 12, 5: 8}
"""Gauss-Hermite nodes a direction, by the number of directions: of moments of the teacher, and of moments
given the learnt variable. Polynomials of degree 7 in each direction are exact."""

LATTICES = 2**17, 2**14
"""Points of the lattices that take their place for a teacher that is not smooth."""

SMOOTH = 1e-3
"""Relative difference of the two product rules up to which a teacher is smooth: the first is then far better,
and a lattice is about as good where it is not."""


@dataclass(frozen=True, eq=False)
class LabelFunctions:
    """Moments of a label given the latent variable ``q`` (docs/theory.md sections 3 and 12).

    Attributes
    ----------
    mean
        ``f_0(q) = E[y | q]`` on the nodes, shape ``(n_q,)``.
    linear
        ``f_1k(q) = E[y t_k | q]``, shape ``(r, n_q)``: ``t_1`` is the part of the learnt teacher's direction
        orthogonal to ``beta``, the others are the teacher's other directions.
    rest
        ``E[y^2 | q] - f_0^2 - sum_k f_1k^2``.
    square
        ``E[y He_2(t_k) | q] / sqrt(2)`` and ``E[y t_k t_l | q]`` for the pairs ``k <= l``, shape
        ``(r (r + 1) / 2, n_q)``.
    """

    mean: Array
    linear: Array
    rest: Array
    square: Array

    @property
    def energy(self) -> Array:
        """``E[y^2 | q]``."""
        return np.asarray(self.mean**2 + np.sum(self.linear**2, axis=0) + self.rest)


@dataclass(frozen=True)
class Labels:
    """Labels of a teacher, with their noise.

    Parameters
    ----------
    teacher
        Target as a function of its directions.
    noise_std
        Standard deviation of the label noise.
    """

    teacher: Teacher
    noise_std: float

    def __call__(self, u: Array) -> Array:
        """Labels without noise at variables of shape ``(r, ...)``."""
        return np.asarray(self.teacher(u))

    @property
    def directions(self) -> int:
        """``r``, the number of orthonormal directions."""
        return self.teacher.directions

    @property
    def mean(self) -> float:
        """Mean of the labels."""
        return self.teacher.moments.mean

    @property
    def energy(self) -> float:
        """``E[y^2]``, label noise included."""
        return self.teacher.moments.second + self.noise_std**2

    @property
    def learnt(self) -> Array:
        """``E[y u_k]``, what one step learns of each direction, shape ``(r,)``."""
        return np.asarray(self.teacher.moments.linear)

    @cached_property
    def signal(self) -> float:
        """``|m|``, what one step learns of the teacher; of one direction with its sign."""
        m = self.learnt
        return float(m[0]) if self.directions == 1 else float(np.linalg.norm(m))

    def coefficients(self, count: int) -> Array:
        """Hermite coefficients of degree 0 to ``count - 1`` along the learnt direction."""
        if self.directions == 1:
            return np.asarray(expand(self.teacher.function).coefficients[:count])
        u, weights = self.points
        table = normalized_hermite(count - 1, self.frame[:, 0] @ u)
        sizes = np.sqrt([math.factorial(k) for k in range(count)])
        return np.asarray(table @ (weights * self(u)) / sizes)

    @cached_property
    def frame(self) -> Array:
        """Orthonormal directions in terms of the teacher's, in columns: the learnt one, and the others."""
        if self.directions == 1:
            return np.eye(1)
        first = self.teacher.first
        frame = np.linalg.qr(np.column_stack([first, np.eye(self.directions)]))[0]
        frame[:, 0] *= np.sign(frame[:, 0] @ first)
        return np.asarray(frame)

    @cached_property
    def points(self) -> tuple[Array, Array]:
        """Variables of the teacher, shape ``(r, n)``, and weights, for moments of the labels."""
        if self.directions == 1:
            u, weights = normal_panels(self.teacher.function.splits)
            return u[None], weights
        if self._is_smooth:
            return _product(self.directions, WHOLE[self.directions])
        return _lattice(self.directions, LATTICES[0])

    @cached_property
    def _is_smooth(self) -> bool:
        """Whether two product rules agree."""
        found = []
        for count in (WHOLE[self.directions], INNER[self.directions]):
            u, weights = _product(self.directions, count)
            y = self(u)
            found.append(np.array([weights @ y, weights @ y**2, *(u @ (weights * y))]))
        return bool(np.max(np.abs(found[0] - found[1])) < SMOOTH * found[0][1])

    def given(self, cosine: float, q: Array) -> LabelFunctions:
        """Conditional moments of the labels at latent values `q` (any shape for one direction).

        Parameters
        ----------
        cosine
            Correlation of ``q`` with the learnt teacher's variable.
        q
            Latent values.
        """
        sine = math.sqrt(max(0.0, 1.0 - cosine**2))
        if self.directions == 1:
            return _given_one(self, cosine, np.asarray(q, dtype=float).tobytes(), q.shape)
        t, weights = self.inner_points
        basis = weights * self.basis(t)
        found = np.empty((basis.shape[0] + 1, q.size))
        for i, value in enumerate(q):
            y = self(self.variables(cosine, sine, value, t))
            found[:-1, i], found[-1, i] = basis @ y, weights @ y**2
        mean, linear = found[0], found[1 : 1 + self.directions]
        rest = found[-1] + self.noise_std**2 - mean**2 - np.sum(linear**2, axis=0)
        return LabelFunctions(mean, linear, rest, found[1 + self.directions : -1])

    @property
    def are_signs(self) -> bool:
        """Whether all labels are -1 or 1."""
        return self.noise_std == 0.0 and self.teacher.signs

    def basis(self, t: Array) -> Array:
        """Functions of the other variables that a label is expanded in: one, ``t_k`` and products of two.

        Shape ``(1 + r + r (r + 1) / 2, n)``; all have norm one.
        """
        pairs = combinations_with_replacement(range(self.directions), 2)
        products = [(t[i] ** 2 - 1.0) * math.sqrt(0.5) if i == j else t[i] * t[j] for i, j in pairs]
        return np.stack([np.ones(t.shape[1]), *t, *products])

    def points_given(self, cosine: float, sine: float, q: float) -> tuple[Array, Array]:
        """The other variables and weights at a `q`: of one direction, with the kinks of the teacher."""
        if self.directions > 1:
            return self.inner_points
        splits = (
            tuple((split - cosine * q) / sine for split in self.teacher.function.splits) if sine > 0.0 else ()
        )
        t, weights = normal_panels(splits)
        return t[None], weights

    @cached_property
    def inner_points(self) -> tuple[Array, Array]:
        """The other variables ``t_1 .. t_r`` of a sample, shape ``(r, n)``, and weights."""
        if self.directions > 1 and not self._is_smooth:
            return _lattice(self.directions, LATTICES[1])
        return _product(self.directions, INNER.get(self.directions, WHOLE[2]))

    def variables(self, cosine: float, sine: float, q: float, t: Array) -> Array:
        """Variables of the teacher of a sample with `q` and ``t``, shape ``(r, n)``."""
        own = np.array(t)
        own[0] = cosine * q + sine * t[0]
        return np.asarray(self.frame @ own)


def _product(directions: int, count: int) -> tuple[Array, Array]:
    """Product of Gauss-Hermite rules: points, shape ``(r, n)``, and weights."""
    nodes, weights = gauss_hermite(count)
    grid = np.meshgrid(*[nodes] * directions, indexing="ij")
    masses = np.ones(1)
    for _ in range(directions):
        masses = np.outer(masses, weights).ravel()
    return np.stack([each.ravel() for each in grid]), masses


def _lattice(directions: int, count: int) -> tuple[Array, Array]:
    """Points of low discrepancy: multiples of powers of a root of ``x^(r + 1) = x + 1``, and minus them."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (directions + 1))
    steps = root ** -np.arange(1.0, directions + 1)
    u = ndtri((0.5 + np.arange(1, count // 2 + 1) * steps[:, None]) % 1.0)
    both = np.concatenate([u, -u], axis=1)
    return both / np.sqrt(np.mean(both**2, axis=1))[:, None], np.full(both.shape[1], 1.0 / both.shape[1])


@lru_cache(maxsize=64)
def _labels(teacher: Teacher, noise_std: float) -> Labels:
    return Labels(teacher, noise_std)


@lru_cache(maxsize=64)
def _given_one(labels: Labels, cosine: float, values: bytes, shape: tuple[int, ...]) -> LabelFunctions:
    """`Labels.given` for one direction: settings along a sweep share it."""
    q, sine = np.frombuffer(values).reshape(shape), math.sqrt(max(0.0, 1.0 - cosine**2))
    moments = gaussian_moments(labels.teacher.function, cosine * q, np.full(shape, sine))
    rest = moments.second + labels.noise_std**2 - moments.first**2 - moments.linear**2
    square = math.sqrt(2.0) * moments.norm
    return LabelFunctions(moments.first, moments.linear[None], rest, square[None])


def labels_of(setting: Setting) -> Labels:
    """Labels of a setting."""
    return _labels(setting.teacher, setting.noise_std)
