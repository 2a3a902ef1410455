"""Samples of a first batch, typical, drawn or given, and the distribution of those in the bulk."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch, ResidualLaw, residual_points
from rmt_spikes.theory.population.labels import Labels, labels_of
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]

LEVELS = 5
"""Nodes of the residuals left in the bulk: its edge is the same for 4 to 8 of them to 1 %."""

MOST_LEVELS, TOGETHER = LEVELS + 1, 16
"""Most nodes that are asked for, and samples that are kept or removed one by one in steps of so many."""

PATIENCE = 40
"""Samples after the last gap in the residuals among which another one is looked for."""

FEW = 50
"""Samples that are looked at first."""

MOST = 400
"""Samples that may leave the bulk."""

CELLS = 20_000
"""Most samples that are taken one by one: of more, those between the largest ones come in equal cells."""

DRAWS = 24
"""First batches that expected numbers are averaged over."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Residuals of a first batch, from the largest effective one down.

    Attributes
    ----------
    r, u
        Residuals, shape ``(n,)``, and teacher's variables, shape ``(k, n)``.
    effective
        Residual with which a sample acts off the latent directions, ``r sqrt(1 - q^2 / d)``, shape ``(n,)``.
    index
        Index of the sample in its batch, shape ``(n,)``.
    weights
        Shares of the samples, shape ``(n,)``; None where all are ``1/n``.
    """

    r: Array
    u: Array
    effective: Array
    index: NDArray[np.int64]
    weights: Array | None = None
    _cores: dict[int, ResidualLaw] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def shares(self) -> Array:
        """Shares of the samples, shape ``(n,)``, of sum one."""
        return np.full(self.r.size, 1.0 / self.r.size) if self.weights is None else self.weights

    def rest(self, removed: tuple[int, ...], levels: int = LEVELS) -> ResidualLaw:
        """Distribution of the samples left when some are removed, each of weight ``1/n``."""
        first = TOGETHER * -(-(max(removed, default=-1) + 1) // TOGETHER)
        core = self._core(first)
        kept = [i for i in range(min(first, self.r.size)) if i not in removed]
        u = self.u[:, kept].T
        return _levels_of(
            np.concatenate([core.r, self.effective[kept]]),
            np.concatenate([core.weights, self.shares[kept]]),
            np.concatenate([core.u, u]),
            np.concatenate([core.uu, u[:, :, None] * u[:, None, :]]),
            levels,
        )

    def _core(self, first: int) -> ResidualLaw:
        """Samples from a number on as so few that no distribution of `rest` can tell."""
        if first not in self._cores:
            u = self.u[:, first:].T
            self._cores[first] = _levels_of(
                self.effective[first:],
                self.shares[first:],
                u,
                u[:, :, None] * u[:, None, :],
                MOST_LEVELS,
            )
        return self._cores[first]

    def separated(self, phi: float) -> tuple[int, ...]:
        """Samples that make an outlier of ``X^T diag(r) X / n`` beside all smaller ones.

        Of two with nearly the same residual neither stands apart from the other, but both may from the rest.
        """
        r, found = self.effective, 0
        least: dict[bool, float] = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            for i in range(1, min(MOST, r.size - LEVELS) + 1):
                if r[i - 1] != 0.0:
                    least[bool(r[i - 1] > 0.0)] = float(r[i - 1])
                if all(self._stands_apart(each, i, phi) for each in least.values()):
                    found = i
                if i > found + PATIENCE:
                    break
        return tuple(range(found))

    def _stands_apart(self, r: float, first: int, phi: float) -> bool:
        """Whether a residual stands apart from those of the samples from a number on.

        Most do not from the next few alone.
        """
        for some in (slice(first, first + FEW), slice(first, None)):
            rest = self.effective[some]
            if not np.sum(self.shares[some] * (rest / (r - rest)) ** 2) < phi:
                return False
        return True


def _levels_of(r: Array, weights: Array, u: Array, uu: Array, levels: int) -> ResidualLaw:
    """Distribution of weighted residuals on a few nodes; `u` and `uu` belong to each of them."""
    share = float(np.sum(weights))
    if r.size == 0:
        return ResidualLaw(r, weights, u, uu)
    rule = gauss_rule(r, levels, weights / share)
    basis, at = rule.polynomials(r) * (weights / share), rule.polynomials(rule.nodes)
    pairs = np.tensordot(basis, uu, axes=1)
    return ResidualLaw(
        rule.nodes, share * rule.weights, at.T @ (basis @ u), np.tensordot(at.T, pairs, axes=1)
    )


def sorted_samples(batch: FirstBatch, r: Array, u: Array, weights: Array | None = None) -> Samples:
    """Samples with given residuals and teacher's variables, of equal weights if none are given."""
    shares = np.full(r.size, 1.0 / r.size) if weights is None else weights
    sight = batch.sight
    learnt, noise = u @ (shares * r), batch.phi * float(shares @ r**2) * float(batch.proportions @ sight**2)
    signal2, first, second = float(learnt @ learnt), *(batch.chi**2 @ sight**j for j in (1, 2))
    own = batch.phi * float(batch.proportions @ sight)
    q2 = (own * r + first * (learnt @ u)) ** 2 + signal2 * (second - first**2) + noise
    q2 = q2 / (signal2 * second + noise)
    effective = r * np.sqrt(np.maximum(1.0 - q2 / batch.d, 0.0))
    order = np.argsort(-np.abs(effective), kind="stable")
    return Samples(r[order], u[:, order], effective[order], order, shares[order])


@lru_cache(maxsize=16)
def middle_quantiles(teacher: Labels, offset: float, n: int) -> tuple[Array, Array, Array]:
    """Middle quantiles of the residual of `n` samples, means of the teacher's variables, and weights."""
    r, weights, u = residual_points(teacher, offset)
    order = np.argsort(r, kind="stable")
    r, weights, u = r[order], weights[order], u[:, order]
    total = weights.sum()
    mass = np.concatenate([[0.0], np.cumsum(weights)]) / total
    cells = np.arange(n + 1) / n if n <= CELLS else _cells(n)
    sizes = np.diff(cells)
    sums = np.concatenate([np.zeros((u.shape[0], 1)), np.cumsum(weights * u, axis=1)], axis=1) / total
    means = np.array([np.diff(np.interp(cells, mass, row)) for row in sums]) / sizes
    return np.interp(cells[:-1] + 0.5 * sizes, 0.5 * (mass[1:] + mass[:-1]), r), means, sizes


def _cells(n: int) -> Array:
    """Ends of cells: of one of `n` samples at both ends, and of equal ones between."""
    tail = np.arange(MOST) / n
    return np.concatenate(
        [tail, np.linspace(MOST / n, 1.0 - MOST / n, CELLS - 2 * MOST + 1), 1.0 - tail[::-1]]
    )


def drawn_residuals(setting: Setting, batch: FirstBatch, offset: float, count: int = DRAWS) -> list[Array]:
    """Effective residuals of `count` first batches, always the same ones.

    None for more than 20,000 samples, whose largest ones are near their middle quantiles.
    """
    if setting.n > CELLS:
        return []
    rng, teacher = np.random.default_rng(0), labels_of(setting)
    draws = []
    for _ in range(count):
        drawn = rng.standard_normal((1 + teacher.directions, setting.n))
        u, noise = drawn[:-1], drawn[-1]
        r = teacher(u) - offset + setting.noise_std * noise
        draws.append(sorted_samples(batch, r, teacher.frame.T @ u).effective)
    return draws
