"""Losses of one model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pencil.channels import FiniteRank, direction_blocks
from pencil.equations import Equations, Parts, State
from pencil.labels import ResidualLaw, conditional_labels, residual_law
from pencil.levels import Pencil
from pencil.model import Model
from pencil.rows import Rows, Terms, rows_of
from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.hermite import gaussian_moments
from rmt_spikes.theory.quadrature_rules import gauss_hermite

Array = NDArray[np.float64]
COMPLEX_STEP = 1e-30
AUTOMATIC = 0
RANKS = (8, 10, 12, 16, 20)
LOST = 0.5
SCALAR_STEPS = 60


@dataclass(frozen=True, eq=False)
class Solution:
    """The theory of one model.

    Parameters
    ----------
    model
        What is predicted.
    terms
        Terms of order ``1/d`` to keep.
    n_q
        Nodes of the normal law of ``q``.
    residuals
        Law of the residuals of the first batch; that of the model by default.
    bulk_residuals
        Those of them that form the bulk; all by default.
    rank
        Number of readout nodes of the pencil; None for as many as the model has, `AUTOMATIC` (default) for as few
        as lose nothing that shows.
    """

    model: Model
    terms: Terms = field(default_factory=Terms)
    n_q: int = 32
    residuals: ResidualLaw | None = None
    bulk_residuals: ResidualLaw | None = None
    rank: int | None = AUTOMATIC

    @cached_property
    def wide(self) -> Pencil:
        """The pencil on all readout nodes."""
        whole = self.residuals or residual_law(self.model)
        if self.bulk_residuals is None:
            return Pencil(self.model, whole)
        return Pencil(self.model, self.bulk_residuals, whole)

    @cached_property
    def rows(self) -> Rows:
        """Lengths of rows."""
        return rows_of(self.wide, self.terms)

    @cached_property
    def rough(self) -> tuple[float, float]:
        """``R`` and ``omega`` of neurons and samples that are all alike: scalar equations."""
        model, moments = self.model, self.moments
        q_weights = gauss_hermite(self.n_q)[1]
        noise = float(model.law.weights @ moments["noise"] @ q_weights)
        linear = float(model.law.weights @ moments["linear"] ** 2 @ q_weights)
        r, omega = 1.0 / (model.ridge + model.ratio * noise), 1.0
        for _ in range(SCALAR_STEPS):
            explained = linear / (1.0 + model.gamma * omega * linear * r)
            omega = (omega / (1.0 + r * (noise + explained))) ** 0.5
            r = (r / (model.ridge + model.ratio * omega * (noise + explained))) ** 0.5
        return r, omega

    @cached_property
    def pencil(self) -> Pencil:
        """Levels and directions, on as few readout nodes as lose nothing that shows.

        These leave ``K`` outside their polynomials small: ``max (K - V V' K V V')_aa / p_a``. Measured: losses
        then move by less than .02 % (NOTES.md).
        """
        wide, model = self.wide, self.model
        if self.rank != AUTOMATIC:
            return Pencil(model, wide.residuals, wide.everything, self.rank)
        law, weights = model.law, gauss_hermite(self.n_q)[1]
        r, omega = self.rough
        h = self.moments["linear"] / self.rows.tau[:, None] * np.sqrt(omega * law.weights)[:, None]
        k = model.gamma * r * (h * weights) @ h.T
        for rank in RANKS:
            if rank >= law.nodes.size:
                break
            small = Pencil(model, wide.residuals, wide.everything, rank)
            v = small.reduction[1]
            lost = k - v @ (v.T @ k @ v) @ v.T
            if np.max(np.abs(np.diagonal(lost)) / law.weights) < LOST:
                for name in ("free", "energy", "frame", "direction_moments"):
                    small.__dict__[name] = getattr(wide, name)
                return small
        return wide

    @cached_property
    def shift(self) -> float:
        """``s = c_1 theta sqrt(B_q)``."""
        return float(self.model.activation.c[1] * self.model.theta * np.sqrt(self.wide.frame[2]))

    @cached_property
    def moments(self) -> dict[str, Array]:
        """``m_0, m_1, m_2, m_r, m_*^2`` on the grid."""
        model, alpha = self.model, self.model.law.nodes
        q = gauss_hermite(self.n_q)[0]
        scale = np.broadcast_to(self.rows.tau[:, None], (alpha.size, q.size))
        moments = gaussian_moments(model.activation.function, self.shift * alpha[:, None] * q, scale)
        second = np.sqrt(2.0 * (1.0 - 1.0 / model.d)) * moments.norm
        noise = moments.second - moments.first**2 - moments.linear**2
        if self.terms.degree_two:
            noise = noise - second**2
        return {
            "mean": moments.first,
            "linear": moments.linear,
            "norm": moments.norm,
            "second": second,
            "noise": np.maximum(noise, 0.0),
        }

    @cached_property
    def equations(self) -> Equations:
        """Equations of the bulk."""
        model, rows = self.model, self.rows
        pairs = [(i, j) for i in range(model.eigenvalues.size) for j in range(model.eigenvalues.size)]
        growth = np.array([np.sqrt(rows.growth[i] * rows.growth[j]) for i, j in pairs]) / rows.tau**2
        weights = np.array([model.proportions[i] * model.proportions[j] for i, j in pairs])
        return Equations(
            pencil=self.pencil,
            q_weights=gauss_hermite(self.n_q)[1],
            a_weights=model.law.weights,
            linear=self.moments["linear"] / rows.tau[:, None],
            second=self.moments["second"],
            noise=self.moments["noise"],
            gamma=model.gamma,
            gamma_two=model.width / (model.d * (model.d + 1) / 2 - 1) if self.terms.degree_two else 0.0,
            ratio=model.ratio,
            growth=growth,
            growth_weights=weights,
        )

    @cached_property
    def finite_rank(self) -> FiniteRank:
        """Finite-rank part."""
        model, rows, pencil = self.model, self.rows, self.pencil
        q = gauss_hermite(self.n_q)[0]
        frame, mix, _ = pencil.frame
        labels = conditional_labels(model, mix, q)
        a, n_v = model.law.nodes.size, pencil.direction_levels.size
        x = pencil.free.uncoupled[1].reshape(a, n_v, a, n_v)
        own = np.einsum("vi,avaw,wj->aij", frame, x, frame, optimize=True) / rows.tau[:, None, None] ** 2
        along = own / model.d if self.terms.trace else np.zeros_like(own)
        _, second = pencil.direction_moments
        h = pencil.whole.mean(pencil.whole.r[:, None, None] * second)
        levels = pencil.direction_levels
        root = np.diag(np.sqrt(levels))
        coherent = root + (model.curvature * model.law.nodes)[:, None, None] * (levels[:, None] * h * np.sqrt(levels))
        gammas = frame.T @ coherent @ frame / rows.tau[:, None, None]
        return direction_blocks(
            self.equations, self.moments, rows, q, labels, gammas, along, self.terms.length != "none"
        )

    @cached_property
    def start(self) -> State:
        """A rough solution."""
        r, omega = self.rough
        return State(np.full(self.n_q, r), np.full(self.model.law.nodes.size, omega), self.pencil.start())

    @cached_property
    def solved(self) -> tuple[State, Parts]:
        """Solution at the ridge. An automatic rank that turns out too small gives way to all nodes."""
        try:
            state, parts = self._descend(self.start)
            v = self.pencil.reduction[1]
            lost = np.diagonal(parts.k - v @ (v.T @ parts.k @ v) @ v.T)
            if not self.pencil.reduced or self.rank != AUTOMATIC:
                return state, parts
            if np.max(np.abs(lost) / self.model.law.weights) < 2.0 * LOST:
                return state, parts
        except ConvergenceError:
            if not self.pencil.reduced or self.rank != AUTOMATIC:
                raise
        for name in ("equations", "finite_rank", "start"):
            self.__dict__.pop(name, None)
        self.__dict__["pencil"] = self.wide
        return self._descend(self.start)

    def _descend(self, start: State) -> tuple[State, Parts]:
        """Solve at the ridge: directly, else by way of larger ridges, from which each is a start of the next."""
        ridge = self.model.ridge
        for height in (0, 4, 16):
            state = start
            try:
                for step in range(height, -1, -1):
                    factor = 1e4 ** (step / height) if height else 1.0
                    state, parts = self.equations.solve(np.full(self.n_q, ridge * factor), state)
                return state, parts
            except ConvergenceError as error:
                last = error
        raise last

    def functional_slope(self, direction: Array) -> float:
        """Exact derivative of ``T`` along a change of the ridge profile."""
        state, parts = self.solved
        profile = np.full(self.n_q, self.model.ridge)
        t = self.equations.tangent(profile, state, parts, direction)
        h = 1j * COMPLEX_STEP
        moved = State(state.resolvent + h * t.resolvent, state.omega + h * t.omega, state.nu + h * t.nu)
        return float(self.finite_rank.functional(moved, self.equations.matrices(moved)).imag / COMPLEX_STEP)

    def losses(self) -> tuple[float, float, float]:
        """Objective, train and test loss."""
        state, parts = self.solved
        ridge = self.model.ridge
        objective = ridge * float(self.finite_rank.functional(state, parts))
        train = -(ridge**2) * self.functional_slope(np.ones(self.n_q))
        return objective, train, -self.functional_slope(state.resolvent**-2)


__all__ = ["Solution", "Terms", "replace"]
