"""Sections 4, 5 and 7 of docs/theory.md as printed, in mpmath: slow, literal, and no part of the package.

Integrals are quadratures, derivatives are numerical, fixed points are iterated and roots are bisected. In 15
digits such a program proves nothing, so it refuses to run there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
from function_reference import gaussian_nodes

Number = Any
Table = Any  # numpy arrays of mpmath numbers
FAR = 14
HALF = mp.mpf(1) / 2


def require_precision() -> None:
    """Refuse double precision."""
    if mp.mp.dps <= 15:
        raise ValueError(f"the reference needs more than 15 digits, got mpmath.mp.dps = {mp.mp.dps}")


def gaussian_mean(function: Callable[[Number], Number], kinks: Sequence[Number] = ()) -> Number:
    """``E function(Z)``, by Gauss-Legendre panels two units wide that end at the kinks.

    Where the nearest singularity of `function` is 1.5 away, as for tanh, 30 nodes give 30 digits.
    """
    require_precision()
    inner = [kink for kink in kinks if -FAR < kink < FAR]
    edges = sorted({*map(mp.mpf, range(-FAR, FAR + 1, 2)), *inner})
    return mp.fsum(weight * function(z) for z, weight in _nodes(tuple(edges)))


_nodes = lru_cache(maxsize=4)(gaussian_nodes)


def law_of_draws(count: int) -> list[tuple[Number, Number]]:
    """Cells of equal probability at their root mean square, with their masses: the law of an even count."""
    require_precision()
    edges = [-mp.inf, *(mp.sqrt(2) * mp.erfinv(mp.mpf(2 * k) / count - 1) for k in range(1, count)), mp.inf]
    nodes = []
    for low, high in pairwise(edges):
        moment = mp.quad(lambda z: z * z * mp.npdf(z), [low, high])
        nodes.append(((1 if low >= 0 else -1) * mp.sqrt(count * moment), mp.mpf(1) / count))
    return nodes


@dataclass(frozen=True)
class Problem:
    """A setting in mpmath numbers, with the activation's and the target's kinks.

    `activation` is centred. `alpha` and `q` are nodes with weights: the laws of the readout and of ``q``. In
    the published theory, which is not `corrected`, rows do not grow.
    """

    n: int
    d: int
    width: int
    n_ridge: int
    activation: Callable[[Number], Number]
    slope: Callable[[Number], Number]
    kinks: tuple[Number, ...]
    target: Callable[[Number], Number]
    ridge: Number
    noise: Number
    step: Number
    alpha: tuple[tuple[Number, Number], ...]
    q: tuple[tuple[Number, Number], ...]
    corrected: bool = True

    # Section 2 (mean-field scale, labels or activation without a mean).

    @cached_property
    def c_1(self) -> Number:
        return gaussian_mean(lambda z: z * self.activation(z), self.kinks)

    @cached_property
    def tail(self) -> Number:
        return gaussian_mean(lambda z: self.activation(z) ** 2, self.kinks) - self.c_1**2

    @cached_property
    def label_energy(self) -> Number:
        return gaussian_mean(lambda z: self.target(z) ** 2) + self.noise**2

    @cached_property
    def target_1(self) -> Number:
        return gaussian_mean(lambda z: z * self.target(z))

    @cached_property
    def norm2(self) -> Number:
        return self.target_1**2 + mp.mpf(self.d) / self.n * self.label_energy

    @cached_property
    def cosine(self) -> Number:
        return self.target_1 / mp.sqrt(self.norm2)

    @cached_property
    def theta(self) -> Number:
        return self.step / mp.sqrt(self.width)

    @cached_property
    def shift(self) -> Number:
        return self.c_1 * self.theta * mp.sqrt(self.norm2)

    @cached_property
    def inflation(self) -> Number:
        if not self.corrected:
            return mp.mpf(0)
        variance = gaussian_mean(lambda z: self.slope(z) ** 2, self.kinks) - self.c_1**2
        return self.theta**2 * mp.mpf(self.d) / self.n * self.label_energy * variance

    # Section 3.

    def moments(self, a: Number, q: Number) -> tuple[Number, Number, Number, Number]:
        """``m_0, m_1, m_*^2, m_r`` at a pair of latent variables."""
        tau, mean = mp.sqrt(1 + self.inflation * a**2), self.shift * a * q
        kinks = [(kink - mean) / tau for kink in self.kinks]

        def moment(weight: Callable[[Number], Number], power: int = 1) -> Number:
            return gaussian_mean(lambda z: weight(z) * self.activation(tau * z + mean) ** power, kinks)

        m_0, m_1 = moment(lambda z: 1), moment(lambda z: z)
        m_r = moment(lambda z: (z**2 - 1) / 2)
        return m_0, m_1, moment(lambda z: 1, 2) - m_0**2 - m_1**2, m_r

    @cached_property
    def table(self) -> Table:
        """The moments on the nodes, each an array of readouts by samples."""
        return columns([[self.moments(a, q) for q, _ in self.q] for a, _ in self.alpha])

    @cached_property
    def labels(self) -> Table:
        """``f_0, f_1, V`` on the nodes of ``q``; on the law of finitely many draws ``V`` keeps ``E y^2``."""
        sine = mp.sqrt(1 - self.cosine**2)
        found = []
        for q, _ in self.q:
            mean = self.cosine * q
            f_0 = gaussian_mean(lambda t, m=mean: self.target(m + sine * t))
            f_1 = gaussian_mean(lambda t, m=mean: t * self.target(m + sine * t))
            square = gaussian_mean(lambda t, m=mean: self.target(m + sine * t) ** 2) + self.noise**2
            found.append((f_0, f_1, square - f_0**2 - f_1**2))
        f_0, f_1, v = columns(found)
        return np.array([f_0, f_1, v + self.label_energy - columns(self.q)[1] @ (f_0**2 + f_1**2 + v)])

    # Section 5.

    def trace(self, kappa: Number) -> Number:
        """``g(kappa)`` as printed."""
        gamma, c2 = mp.mpf(self.width) / self.d, self.c_1**2
        t = (self.tail + kappa) / c2
        return (-(1 + t - gamma) + mp.sqrt((1 + t - gamma) ** 2 + 4 * gamma * t)) / (2 * gamma * t * c2)

    def ridge_of(self, kappa: Number, g: Number) -> Number:
        return kappa * (1 - mp.mpf(self.width) / self.n_ridge * (1 - kappa * g))

    def effective_ridge(self, ridge: Number) -> Number:
        top = ridge + mp.mpf(self.width) / self.n_ridge * (self.c_1**2 + self.tail)
        return bisect(lambda kappa: self.ridge_of(kappa, self.trace(kappa)) - ridge, ridge / 2, 2 * top)

    def kappa_of(self, g: Number) -> Number:
        c2 = self.c_1**2
        return 1 / g - self.tail - c2 / (1 + mp.mpf(self.width) / self.d * c2 * g)

    def location(self, g: Number) -> Number:
        """``z = -lambda`` as a function of ``g``."""
        return -self.ridge_of(self.kappa_of(g), g)

    @cached_property
    def edge(self) -> Number:
        """``g`` at the upper edge: the first critical value of ``z(g)`` below ``g = 0``."""
        require_precision()

        def slope(g: Number) -> Number:
            return mp.diff(self.location, g)

        low = high = -mp.mpf(1) / 1000 / (self.c_1**2 + self.tail)
        sign = mp.sign(slope(high))
        while mp.sign(slope(low)) == sign:
            high, low = low, low * mp.mpf(11) / 10
        return bisect(slope, low, high)

    @cached_property
    def modes(self) -> tuple[list[Number], Any]:
        """Eigenvalues of ``A`` on the nodes of ``q`` times ``{1, r}``, eigenfunctions times root weights."""
        require_precision()
        m_0, _, _, m_r = self.table
        q, p_q = columns(self.q)
        features = np.hstack([m_0, mp.sqrt(mp.mpf(2) / self.d) * m_r])
        matrix = self.width * features.T @ (columns(self.alpha)[1][:, None] * features)
        matrix[: len(q), : len(q)] += mp.mpf(self.width) / self.d * self.c_1**2 * np.outer(q, q)
        root = np.tile(p_q, 2) ** HALF
        values, vectors = mp.eigsy(mp.matrix((matrix * np.outer(root, root)).tolist()))
        order = sorted(range(len(root)), key=lambda k: -values[k])
        return [values[k] for k in order], [vectors[:, k] for k in order]

    def inner(self, values: Sequence[Number], k: int) -> Number:
        """``<f, psi_k>`` of a function of ``q`` given on the nodes."""
        return mp.fsum(
            mp.sqrt(p) * f * m
            for (_, p), f, m in zip(self.q, values, self.modes[1][k][: len(self.q)], strict=True)
        )

    def functional(self, ridge: Number) -> Number:
        """``T``."""
        kappa = self.effective_ridge(ridge)
        g = self.trace(kappa)
        mu = 1 - mp.mpf(self.width) / self.d * (1 - (self.tail + kappa) * g)
        f_0, f_1, _ = self.labels
        squares = [self.inner(f_0, k) ** 2 for k in range(len(self.modes[0]))]
        linear = (columns(self.q)[1] @ f_1) ** 2
        explained = mp.fsum(s / (1 + a * g) for s, a in zip(squares, self.modes[0], strict=True))
        return (explained + mu * linear + self.label_energy - mp.fsum(squares) - linear) / kappa

    def losses(self) -> tuple[Number, Number, Number]:
        """Objective, training and test loss of section 5."""
        slope = mp.diff(self.functional, self.ridge)
        kappa = self.effective_ridge(self.ridge)
        return self.ridge * self.functional(self.ridge), -(self.ridge**2) * slope, -(kappa**2) * slope

    def spikes(self) -> list[tuple[Number, list[Number]]]:
        """Singular values and squared correlations with ``He_0(q), ..., He_4(q)`` of the poles."""
        found = []
        for k, a in enumerate(self.modes[0]):
            if a <= -1 / self.edge:
                break
            g = -1 / a
            slope = a / mp.diff(self.location, g)
            shares = []
            for degree in range(5):
                hermite = [he(degree, q) / mp.sqrt(mp.factorial(degree)) for q, _ in self.q]
                shares.append(-(self.inner(hermite, k) ** 2) / (self.kappa_of(g) * slope))
            found.append((mp.sqrt(self.location(g)), shares))
        return found

    # Section 4.

    def resolvent(self, profile: Table) -> tuple[Table, Table, Table]:
        """``R``, ``omega`` and ``P`` by damped iteration of the printed equations."""
        require_precision()
        ratio, gamma = mp.mpf(self.width) / self.n_ridge, mp.mpf(self.width) / self.d
        (_, p_a), (_, p_q), (_, m_1, m_2, _) = columns(self.alpha), columns(self.q), self.table
        r, omega = 0 * p_q + 1, 0 * p_a + 1
        for _ in range(4000):
            h = ((omega * p_a) ** HALF)[:, None] * m_1
            p = inverse(np.eye(len(p_a), dtype=int) + gamma * (h * p_q * r) @ h.T)
            new_r = 1 / (profile + ratio * (omega * p_a @ m_2 + (h * (p @ h)).sum(axis=0)))
            new_omega = 1 / (1 + m_2 @ (p_q * r) + (1 - p.diagonal()) / (gamma * omega * p_a))
            change = max(*abs(r / new_r - 1), *abs(omega / new_omega - 1))
            r, omega = (r + new_r) / 2, (omega + new_omega) / 2
            if change < mp.mpf(10) ** (3 - mp.mp.dps):
                return r, omega, p
        raise ArithmeticError("the plain iteration did not settle")

    def uniform_functional(self, profile: Table) -> Number:
        """``T[L]`` of section 4."""
        r, omega, p = self.resolvent(profile)
        (_, p_a), (q, p_q), (m_0, m_1, _, m_r) = columns(self.alpha), columns(self.q), self.table
        f_0, f_1, v = self.labels
        width, d, weight = mp.mpf(self.width), mp.mpf(self.d), ((omega * p_a) ** HALF)[:, None]
        h = weight * m_1
        vector = np.vstack([mp.sqrt(width) * weight * m_0, mp.sqrt(width / d) * h * q])
        mode = np.vstack([mp.sqrt(2 * width / d) * weight * m_r, 0 * h])
        s = np.eye(len(vector), dtype=int) + (vector * p_q * r) @ vector.T + (mode * p_q * r) @ mode.T
        u, g = vector @ (p_q * r * f_0), h @ (p_q * r * f_1)
        return p_q * r @ (f_0**2 + f_1**2 + v) - width / d * g @ p @ g - u @ inverse(s) @ u

    def uniform_losses(self) -> tuple[Number, Number, Number]:
        """Objective, training and test loss of section 4, derivatives by central differences."""
        flat = 0 * columns(self.q)[1] + 1
        r, _, _ = self.resolvent(self.ridge * flat)
        value = self.uniform_functional(self.ridge * flat)
        h = mp.mpf(10) ** (-mp.mp.dps / 3) * self.ridge

        def slope(direction: Table) -> Number:
            step = h / max(direction) * direction
            up, down = (self.uniform_functional(self.ridge + sign * step) for sign in (1, -1))
            return (up - down) / (2 * h / max(direction))

        return self.ridge * value, -(self.ridge**2) * slope(flat), -slope(r**-2)


def columns(rows: Any) -> Table:
    """The last index of nested sequences first, in mpmath numbers."""
    return np.moveaxis(np.array(rows, dtype=object), -1, 0)


def inverse(matrix: Table) -> Table:
    return np.array((mp.matrix(matrix.tolist()) ** -1).tolist(), dtype=object)


def he(degree: int, x: Number) -> Number:
    """Probabilists' Hermite polynomial, by its recurrence."""
    before, now = mp.mpf(0), mp.mpf(1)
    for k in range(degree):
        before, now = now, x * now - k * before
    return now


def bisect(function: Callable[[Number], Number], low: Number, high: Number) -> Number:
    """Zero of a function between two points of different sign, by halving."""
    require_precision()
    sign = mp.sign(function(low))
    if sign == mp.sign(function(high)):
        raise ValueError("no change of sign")
    for _ in range(int(mp.mp.prec) + 20):
        middle = (low + high) / 2
        if mp.sign(function(middle)) == sign:
            low = middle
        else:
            high = middle
    return (low + high) / 2
