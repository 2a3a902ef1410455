"""Sections 4, 5 and 7 of docs/theory.md as printed, in mpmath: slow, literal, and no part of the package.

Integrals are quadratures, derivatives are numerical, fixed points are iterated and roots are bisected. In 15
digits such a program proves nothing, so it refuses to run there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import mpmath as mp
from function_reference import gaussian_nodes

Number = Any
FAR = 14


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


@lru_cache(maxsize=4)
def _nodes(edges: tuple[Number, ...]) -> list[tuple[Number, Number]]:
    return gaussian_nodes(edges)


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

    `activation` is centred. `alpha` and `q` are nodes with weights: the laws of the readout and of ``q``.
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
    def table(self) -> list[list[tuple[Number, Number, Number, Number]]]:
        return [[self.moments(a, q) for q, _ in self.q] for a, _ in self.alpha]

    @cached_property
    def labels(self) -> list[tuple[Number, Number, Number]]:
        """``f_0, f_1, V`` on the nodes of ``q``; on the law of finitely many draws ``V`` keeps ``E y^2``."""
        sine = mp.sqrt(1 - self.cosine**2)
        found = []
        for q, _ in self.q:
            mean = self.cosine * q
            f_0 = gaussian_mean(lambda t, m=mean: self.target(m + sine * t))
            f_1 = gaussian_mean(lambda t, m=mean: t * self.target(m + sine * t))
            square = gaussian_mean(lambda t, m=mean: self.target(m + sine * t) ** 2) + self.noise**2
            found.append((f_0, f_1, square - f_0**2 - f_1**2))
        energy = mp.fsum(
            p * (f_0**2 + f_1**2 + v) for (_, p), (f_0, f_1, v) in zip(self.q, found, strict=True)
        )
        return [(f_0, f_1, v + self.label_energy - energy) for f_0, f_1, v in found]

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
        size = len(self.q)
        matrix = mp.zeros(2 * size)
        for i in range(2 * size):
            for j in range(2 * size):
                total = mp.mpf(0)
                for row, (_, p_a) in zip(self.table, self.alpha, strict=True):
                    total += self.width * p_a * self._mean_feature(row, i) * self._mean_feature(row, j)
                if i < size and j < size:
                    total += mp.mpf(self.width) / self.d * self.c_1**2 * self.q[i][0] * self.q[j][0]
                matrix[i, j] = total * mp.sqrt(self.q[i % size][1] * self.q[j % size][1])
        values, vectors = mp.eigsy(matrix)
        order = sorted(range(2 * size), key=lambda k: -values[k])
        return [values[k] for k in order], [vectors[:, k] for k in order]

    def _mean_feature(self, row: Sequence[tuple[Number, ...]], i: int) -> Number:
        """Component of ``M`` along 1, or along ``r``."""
        size = len(self.q)
        return row[i][0] if i < size else mp.sqrt(mp.mpf(2) / self.d) * row[i - size][3]

    def inner(self, values: Sequence[Number], k: int) -> Number:
        """``<f, psi_k>`` of a function of ``q`` given on the nodes."""
        mode = self.modes[1][k]
        return mp.fsum(
            mp.sqrt(p) * f * mode[j] for j, ((_, p), f) in enumerate(zip(self.q, values, strict=True))
        )

    def functional(self, ridge: Number) -> Number:
        """``T``."""
        kappa = self.effective_ridge(ridge)
        g = self.trace(kappa)
        mu = 1 - mp.mpf(self.width) / self.d * (1 - (self.tail + kappa) * g)
        f_0 = [f for f, _, _ in self.labels]
        squares = [self.inner(f_0, k) ** 2 for k in range(len(self.modes[0]))]
        linear = mp.fsum(p * f_1 for (_, p), (_, f_1, _) in zip(self.q, self.labels, strict=True)) ** 2
        explained = mp.fsum(s / (1 + a * g) for s, a in zip(squares, self.modes[0], strict=True))
        return (explained + mu * linear + self.label_energy - mp.fsum(squares) - linear) / kappa

    def losses(self) -> tuple[Number, Number, Number]:
        """Objective, training and test loss of section 5."""
        require_precision()
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

    def resolvent(self, profile: Sequence[Number]) -> tuple[list[Number], list[Number], Any]:
        """``R``, ``omega`` and ``P`` by damped iteration of the printed equations."""
        require_precision()
        ratio, gamma = mp.mpf(self.width) / self.n_ridge, mp.mpf(self.width) / self.d
        p_a, p_q = [p for _, p in self.alpha], [p for _, p in self.q]
        nodes, samples = range(len(p_a)), range(len(p_q))
        r, omega = [mp.mpf(1)] * len(p_q), [mp.mpf(1)] * len(p_a)
        for _ in range(4000):
            h = [[mp.sqrt(omega[a] * p_a[a]) * self.table[a][j][1] for a in nodes] for j in samples]
            matrix = mp.eye(len(p_a))
            for a in nodes:
                for b in nodes:
                    matrix[a, b] += gamma * mp.fsum(p_q[j] * r[j] * h[j][a] * h[j][b] for j in samples)
            p = matrix**-1
            new_r = []
            for j in samples:
                e = ratio * mp.fsum(p_a[a] * omega[a] * self.table[a][j][2] for a in nodes)
                form = mp.fsum(h[j][a] * p[a, b] * h[j][b] for a in nodes for b in nodes)
                new_r.append(1 / (profile[j] + e + ratio * form))
            new_omega = []
            for a in nodes:
                noise = mp.fsum(p_q[j] * r[j] * self.table[a][j][2] for j in samples)
                new_omega.append(1 / (1 + noise + (1 - p[a, a]) / (gamma * omega[a] * p_a[a])))
            change = max(abs(x / y - 1) for x, y in zip([*r, *omega], [*new_r, *new_omega], strict=True))
            r = [(x + y) / 2 for x, y in zip(r, new_r, strict=True)]
            omega = [(x + y) / 2 for x, y in zip(omega, new_omega, strict=True)]
            if change < mp.mpf(10) ** (3 - mp.mp.dps):
                return r, omega, p
        raise ArithmeticError("the plain iteration did not settle")

    def uniform_functional(self, profile: Sequence[Number]) -> Number:
        """``T[L]`` of section 4."""
        r, omega, p = self.resolvent(profile)
        p_a, p_q = [w for _, w in self.alpha], [w for _, w in self.q]
        nodes, samples = range(len(p_a)), range(len(p_q))
        h = [[mp.sqrt(omega[a] * p_a[a]) * self.table[a][j][1] for a in nodes] for j in samples]
        size = 2 * len(p_a)
        s, u = mp.eye(size), mp.zeros(size, 1)
        for j, (q, _) in enumerate(self.q):
            first = [mp.sqrt(self.width * omega[a] * p_a[a]) * self.table[a][j][0] for a in nodes]
            vector = mp.matrix([*first, *(mp.sqrt(mp.mpf(self.width) / self.d) * x * q for x in h[j])])
            norm = [
                mp.sqrt(self.width * omega[a] * p_a[a] * 2 / mp.mpf(self.d)) * self.table[a][j][3]
                for a in nodes
            ]
            mode = mp.matrix([*norm, *([mp.mpf(0)] * len(p_a))])
            s += p_q[j] * r[j] * (vector * vector.T + mode * mode.T)
            u += p_q[j] * r[j] * self.labels[j][0] * vector
        g = mp.matrix([mp.fsum(p_q[j] * r[j] * h[j][a] * self.labels[j][1] for j in samples) for a in nodes])
        energy = mp.fsum(p_q[j] * r[j] * (f_0**2 + f_1**2 + v) for j, (f_0, f_1, v) in enumerate(self.labels))
        linear = mp.mpf(self.width) / self.d * (g.T * p * g)[0]
        return energy - linear - (u.T * mp.lu_solve(s, u))[0]

    def uniform_losses(self) -> tuple[Number, Number, Number]:
        """Objective, training and test loss of section 4, derivatives by central differences."""
        require_precision()
        flat = [mp.mpf(1)] * len(self.q)
        r, _, _ = self.resolvent([self.ridge] * len(self.q))
        value = self.uniform_functional([self.ridge] * len(self.q))
        h = mp.mpf(10) ** (-mp.mp.dps / 3) * self.ridge

        def slope(direction: Sequence[Number]) -> Number:
            size = h / max(direction)
            ends = [
                self.uniform_functional([self.ridge + sign * size * x for x in direction]) for sign in (1, -1)
            ]
            return (ends[0] - ends[1]) / (2 * size)

        return self.ridge * value, -(self.ridge**2) * slope(flat), -slope([x**-2 for x in r])

    def published(self) -> "Problem":
        """The same without the growth of rows."""
        return replace(self, corrected=False)


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
