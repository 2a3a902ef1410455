"""Equations of the bulk with the degrees of freedom that the finite-rank part takes from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.lu import lu_factors
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP, Response
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank, Tangent, Values

Array = NDArray[np.float64]

ROUNDS, MEMORY, SETTLED = 80, 4, 1e-7
"""Rounds of Anderson's iteration, rounds that each remembers, and the last change. It changes losses as much;
at a ridge of 1e-6 rounding moves shares by 1e-8."""

SLOPES, ROUNDED = 1e-7, 1e-4
"""Relative residual of the derivatives of the degrees of freedom, and that to which rounding leaves them at a
ridge of 1e-6."""

MOST = 0.9
"""Share of a neuron that the finite-rank part takes at most. It is less than one; nodes that stand for less
than one neuron would be given more."""


@dataclass(frozen=True, eq=False)
class Corrected(FixedPoint):
    """The equations with the degrees of freedom of the finite-rank part in ``1/R`` and ``1/omega``."""

    rows: Array | float = 0.0
    columns: Array | float = 0.0

    def inverses(self, profile: Values, state: tuple[Values, Values], parts: Sequence[Response]) -> Values:
        """Right-hand sides of the fixed-point equations."""
        added = [np.broadcast_to(x, y.shape) for x, y in zip((self.rows, self.columns), state, strict=True)]
        return np.asarray(super().inverses(profile, state, parts) + np.concatenate(added))


@dataclass(frozen=True, eq=False)
class DegreesOfFreedom:
    """Solutions in which the bulk and the finite-rank part share the degrees of freedom.

    Parameters
    ----------
    finite
        The finite-rank part.
    n_ridge, width
        Numbers of samples and of neurons.
    """

    finite: FiniteRank
    n_ridge: int
    width: int

    def shares(self, state: State) -> Values:
        """Degrees of freedom for each sample and each neuron, ``(n_q + n_a,)``.

        Raises
        ------
        ConvergenceError
            If they are not finite.
        """
        inverse = np.linalg.inv(self.finite.total(state))
        neurons = self.neurons(self.finite.kernel(state.resolvent), inverse)
        found = np.concatenate([self.samples(inverse) * state.resolvent, _limited(neurons)])
        if not np.all(np.isfinite(found)):
            raise ConvergenceError("the degrees of freedom are not finite", residual=np.inf)
        return found

    def samples(self, inverse: Values) -> Values:
        """Shares of samples over their resolvents, linear in ``(J + S)^{-1}``."""
        finite, n = self.finite, self.finite.equations.a_weights.size
        flat = np.swapaxes(finite.functions, 0, 1)
        samples = np.einsum("svq,svq->q", flat, np.tensordot(inverse, flat, axes=1))
        own = finite.norm_covariance * inverse[:n, :n]
        return np.asarray((samples + np.sum(finite.norm * (own @ finite.norm), axis=0)) / self.n_ridge)

    def neurons(self, kernel: Values, inverse: Values) -> Values:
        """Shares of neurons, linear in ``S`` and in ``(J + S)^{-1}``."""
        weights = self.finite.equations.a_weights
        used = np.einsum("st,ts->s", kernel, inverse).reshape(-1, weights.size).sum(axis=0)
        return np.asarray(used / (self.width * weights))

    def solve(self, equations: Corrected, profile: Array, start: State) -> tuple[Corrected, State]:
        """Equations with the degrees of freedom, and their state, from a state nearby without them.

        Raises
        ------
        ConvergenceError
            If they do not settle.
        """
        scales = np.concatenate([start.resolvent, start.omega])
        n_q, last = start.resolvent.size, start

        def corrected(shares: Array) -> Corrected:
            added = shares / scales
            return replace(equations, rows=added[:n_q], columns=added[n_q:])

        from scipy.optimize import NoConvergence, anderson

        def change(shares: Array) -> Array:
            nonlocal last
            last = corrected(shares).solve(profile, last, positive=True, fresh=False)
            now = np.concatenate([last.resolvent, last.omega])
            return np.asarray(self.shares(last) * (scales / now) - shares)

        try:
            # Where the first guess is the solution, it divides by a change of zero.
            with np.errstate(invalid="ignore", divide="ignore"):
                shares = anderson(
                    change,
                    self.shares(start),
                    M=MEMORY,
                    alpha=1.0,
                    maxiter=ROUNDS,
                    f_tol=SETTLED,
                    line_search=None,
                )
        except NoConvergence as error:
            size = float(np.max(np.abs(change(error.args[0]))))
            text = "the degrees of freedom of the latent functions did not settle"
            raise ConvergenceError(text, residual=size) from None
        found = corrected(shares)
        return found, found.solve(profile, last, positive=True)

    def slopes(self, equations: Corrected, state: State) -> SlopesOfDegrees:
        """Derivatives at a state of the equations with the degrees of freedom."""
        return SlopesOfDegrees(self, equations, state)


@dataclass(frozen=True, eq=False)
class SlopesOfDegrees:
    """Derivatives of a state and of its degrees of freedom in the profile of the ridge.

    Parameters
    ----------
    degrees, equations, state
        The degrees of freedom, the equations with them, and their solution.
    """

    degrees: DegreesOfFreedom
    equations: Corrected
    state: State

    @cached_property
    def _now(self) -> Array:
        """The unknowns."""
        return np.concatenate([self.state.resolvent, self.state.omega])

    @cached_property
    def _kernel(self) -> Values:
        return self.degrees.finite.kernel(self.state.resolvent)

    @cached_property
    def _inverse(self) -> Values:
        return np.asarray(np.linalg.inv(self.degrees.finite.total(self.state)))

    @cached_property
    def _shares(self) -> tuple[Values, Values]:
        """Those of samples over their resolvents, and those of neurons without a limit."""
        return self.degrees.samples(self._inverse), self.degrees.neurons(self._kernel, self._inverse)

    @cached_property
    def _factors(self) -> tuple[Values, NDArray[np.int32]]:
        state = self.state
        return lu_factors(self.equations.jacobian((state.resolvent, state.omega), state.parts))

    def _moved(self, shares: Array, profile: Array | float) -> Tangent:
        """Tangent along which the profile and the shares move."""
        added, n_q = shares / self._now, self.state.resolvent.size
        return self.equations.tangent(self.state, profile + added[:n_q], added[n_q:], self._factors)

    def _response(self, tangent: Tangent) -> Array:
        """Derivative of the shares along a tangent."""
        degrees, finite, state = self.degrees, self.degrees.finite, self.state
        samples, neurons = self._shares
        stiffness = finite.stiffness(finite.moved(state, tangent)).imag / COMPLEX_STEP
        kernel = finite.kernel(tangent[0])
        inverse = -self._inverse @ (stiffness + kernel) @ self._inverse
        rows = degrees.samples(inverse) * state.resolvent + samples * tangent[0]
        columns = degrees.neurons(kernel, self._inverse) + degrees.neurons(self._kernel, inverse)
        columns = np.where(_limited(neurons) == neurons, columns, 0.0)
        here = np.concatenate([samples * state.resolvent, _limited(neurons)])
        # What is added to the equations are shares by the unknowns, which move as well.
        return np.asarray(np.concatenate([rows, columns]) - here * np.concatenate(tangent) / self._now)

    def along(self, direction: Array) -> Tangent:
        """Derivative of the state when the profile moves along a direction.

        Raises
        ------
        ConvergenceError
            If there is none.
        """
        from scipy.sparse.linalg import LinearOperator, gmres

        def defect(shares: Array) -> Array:
            return np.asarray(shares - self._response(self._moved(shares, 0.0)))

        operator: Any = LinearOperator((self._now.size,) * 2, matvec=defect, dtype=float)
        right = self._response(self._moved(np.zeros(self._now.size), direction))
        # Without restarts: where rounding ends it, more rounds gain nothing.
        found, failed = gmres(operator, right, rtol=SLOPES, restart=self._now.size, maxiter=1)
        if failed:
            residual = float(np.linalg.norm(defect(found) - right) / np.linalg.norm(right))
            if not residual < ROUNDED:
                raise ConvergenceError("the degrees of freedom have no derivative", residual=residual)
        return self._moved(found, direction)


def _limited(neurons: Values) -> Values:
    """Shares of neurons between none and `MOST`."""
    return np.where(neurons.real < 0.0, 0.0, np.where(neurons.real > MOST, MOST, neurons))
