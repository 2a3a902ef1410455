"""The fixed-point equations of the resolvent, for any distribution of readout weights and any step size.

Unknowns are the diagonal of the resolvent as a function of the latent variable of a sample, ``R(q)``,
and its counterpart ``omega(alpha)`` for a neuron (docs/theory.md section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.methods.lu import lu_factors, lu_solution
from rmt_spikes.theory.methods.ridges import FACTOR, solved_at
from rmt_spikes.theory.methods.uniform.channels import COMPLEX_STEP, Channel, Response, diagonal, root_of

Array = NDArray[np.float64]
Values = NDArray[Any]
Factors = tuple[Values, NDArray[np.int32]]

TOLERANCE = 1e-12
"""Relative residual of a solution: a few thousand times the rounding error of one operation."""

STAGNATION = 1e-9
"""Residual that is accepted when it falls no further: rounding near an edge, where matrices are singular."""

MAXIMUM_STEPS, PATIENCE, GAINED = 60, 3, 0.05
"""On golden settings nearly all solutions take at most 44. After a few, old derivatives must gain this."""

SHORTEST_SHARE = 1e-3
"""Share of a Newton step below which the method counts as stuck."""

ABOVE = 10.0
"""First ridge on the way down to one that is not solved at once, in mean eigenvalues."""

STRAIGHT = 1e-5
"""Relative error of a resolvent on a curve that serves as a bracket: points are solved to half of it."""

NOT_FAR = 0.5
"""Largest term of first order that is taken far above the spectrum, where it is small."""

AGAIN = 0.01
"""Share of the residual that a step must leave less of for the next one to take its matrix again."""

SURELY = 0.1
"""Share of the tolerance of what a last step is taken to leave of itself: next to an edge it may be more."""

STEPS = 20
"""Steps of Newton's method at one ridge. Solutions that are found at once mostly take 7 to 9."""


@dataclass(frozen=True, eq=False)
class State:
    """A solution of the equations at one ridge: ``R(q)`` and ``omega(alpha)`` on the nodes, real or complex.

    Attributes
    ----------
    resolvent
        ``R(q)`` on the nodes, shape ``(n_q,)``, real or complex.
    omega
        ``omega(alpha)`` on the nodes, shape ``(n_a,)``.
    residual
        Largest relative residual of the equations; unless derivatives are wanted, what the last step leaves
        of it if it gains what the one before did.
    parts
        The channels there.
    factors
        LU decomposition of the last Jacobian on the way there, if there was one.
    slope
        Derivative in the eigenvalue, if it is wanted: to the accuracy of that matrix.
    """

    resolvent: Values
    omega: Values
    residual: float
    parts: Sequence[Response] = field(default=(), repr=False)
    factors: tuple[Values, NDArray[np.int32]] | None = field(default=None, repr=False)
    slope: State | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The equations, with everything but the ridge profile fixed.

    Quadrature weights of samples and neurons have the shapes ``(n_q,)`` and ``(n_a,)``, the `noise`
    ``m_*^2(alpha, q)`` has ``(n_a, n_q)``, and `ratio` is ``N / n_ridge``. It is zero where the samples are a
    whole population: ``R`` is then ``-1/z``, and the spectrum is that of the neurons alone.
    """

    q_weights: Array
    a_weights: Array
    noise: Array
    ratio: float
    channels: tuple[Channel, ...]

    @property
    def mean_eigenvalue(self) -> float:
        """Mean square of the rows of the features, their latent functions apart."""
        return float(self.spectral_ratio * self.a_weights @ self._squares @ self.q_weights)

    @cached_property
    def _squares(self) -> Array:
        """Mean squares of features, their latent functions apart, shape ``(n_a, n_q)``."""
        return self.noise + sum(each.growth[:, None] * each.functions**2 for each in self.channels)

    def far_above(self, z: float) -> tuple[Array, Array]:
        """``R`` and ``omega`` far above the spectrum, to first order in the inverse of the eigenvalue."""
        squares = self._squares / z
        omega = 1.0 / (1.0 - np.minimum(squares @ self.q_weights, NOT_FAR))
        rows = self.ratio * (self.a_weights * omega) @ squares
        return 1.0 / (z * (np.minimum(rows, NOT_FAR) - 1.0)), omega

    def fluctuating(self, resolvent: Values, omega: Values) -> Values:
        """Diagonal of the resolvent that the density is read off, of neurons up to ``z`` in a population."""
        return resolvent if self.ratio > 0.0 else -omega

    def spectral(self, resolvent: Array, omega: Array, z: float) -> float:
        """Mean of an imaginary part or a derivative of that diagonal, at an eigenvalue."""
        if self.ratio > 0.0:
            return float(self.q_weights @ resolvent)
        return float(-(self.a_weights @ omega) / z)

    @property
    def spectral_ratio(self) -> float:
        """What one eigenvalue of the ``N`` weighs in `spectral`."""
        return self.ratio if self.ratio > 0.0 else 1.0

    def weighted(self, resolvent: Values, omega: Values) -> tuple[Values, Values]:
        """``w R`` and ``p omega``: a state, or a tangent of one, as channels take it."""
        return self.q_weights * resolvent, self.a_weights * omega

    def responses(
        self,
        resolvent: Values,
        omega: Values,
        previous: Sequence[Response] | None = None,
        *,
        fresh: bool = True,
    ) -> list[Response]:
        """The channels at a state; `previous` are those at one nearby.

        Unless `fresh`, their derivatives may be those at a state nearby.
        """
        samples, neurons = self.weighted(resolvent, omega)
        root = root_of(neurons)
        near: Sequence[Response | None] = previous or [None] * len(self.channels)
        return [
            channel.response(samples, root, part, fresh=fresh)
            for channel, part in zip(self.channels, near, strict=True)
        ]

    def refreshed(self, parts: Sequence[Response]) -> list[Response]:
        """The channels with the derivatives at their own state."""
        return [channel.refreshed(part) for channel, part in zip(self.channels, parts, strict=True)]

    def is_fresh(self, parts: Sequence[Response]) -> bool:
        """Whether the derivatives of the channels are those at their own state."""
        return all(channel.is_fresh(part) for channel, part in zip(self.channels, parts, strict=True))

    def moved_responses(self, resolvent: Values, omega: Values, parts: Sequence[Response]) -> list[Response]:
        """The channels at a state an infinitesimal step away from that of `parts`."""
        samples, neurons = self.weighted(resolvent, omega)
        root = root_of(neurons)
        return [
            channel.moved(part, samples, root) for channel, part in zip(self.channels, parts, strict=True)
        ]

    def moved(self, state: State, tangent: tuple[Array, Array]) -> State:
        """State a complex step along a tangent."""
        h = 1j * COMPLEX_STEP
        resolvent, omega = state.resolvent + h * tangent[0], state.omega + h * tangent[1]
        parts = self.moved_responses(resolvent, omega, state.parts)
        return State(resolvent, omega, state.residual, parts)

    @property
    def alike(self) -> FixedPoint:
        """The equations with rows of the same lengths that are alike in all directions."""
        return replace(self, channels=tuple(channel.alike for channel in self.channels))

    def without_derivatives(self, state: State) -> State:
        """The same state without the derivatives of its channels, which are large."""
        parts = [
            channel.without_derivatives(part)
            for channel, part in zip(self.channels, state.parts, strict=True)
        ]
        return replace(state, parts=parts)

    def between(self, states: Sequence[State], mirrored: Sequence[bool], weights: Array) -> list[Response]:
        """Guess of the channels by interpolation between states; of those `mirrored`, the conjugates."""
        return [
            channel.between([state.parts[i] for state in states], mirrored, weights)
            for i, channel in enumerate(self.channels)
        ]

    def is_physical(self, parts: Sequence[Response]) -> bool:
        """Whether a real state above the bulk is connected with infinity."""
        return all(channel.is_physical(part) for channel, part in zip(self.channels, parts, strict=True))

    def is_above(self, low: State, high: State, change: tuple[Values, Values]) -> bool:
        """Whether no band lies between two real states, of which the higher is above the whole spectrum.

        There the mean resolvents are convex in the eigenvalue: at the lower one they are above their tangents
        at the higher one, which move them by `change`. Across a band that stands apart they are below.
        """
        rows = self.q_weights @ (low.resolvent - high.resolvent - change[0])
        columns = self.a_weights @ (low.omega - high.omega - change[1])
        size = abs(float(self.q_weights @ high.resolvent))
        return bool(rows < STRAIGHT * size and columns > -STRAIGHT)

    def inverses(self, profile: Values, state: tuple[Values, Values], parts: Sequence[Response]) -> Values:
        """Right-hand sides of the fixed-point equations for ``1/R`` and ``1/omega``, ``(n_q + n_a,)``."""
        samples, neurons = self.weighted(*state)
        rows, columns = neurons @ self.noise, 1.0 + self.noise @ samples
        for channel, part in zip(self.channels, parts, strict=True):
            rows = rows + channel.of_samples(part)
            columns = columns + channel.of_neurons(part)
        values = np.concatenate([profile + self.ratio * rows, columns])
        return values.real if np.isrealobj(samples) and np.isrealobj(profile) else values

    def jacobian(self, state: tuple[Values, Values], parts: Sequence[Response], border: int = 0) -> Values:
        """Derivative of ``(R, omega) * inverses`` in ``(log R, log omega)`` where the equations hold.

        These relative variables keep the matrix well scaled at a tiny ridge, where ``R`` is huge. There are
        `border` rows and columns of zeros behind.
        """
        resolvent, omega = state
        n_q, size = resolvent.size, resolvent.size + omega.size
        samples, neurons = self.weighted(*state)
        matrix = np.zeros((size + border,) * 2, dtype=np.result_type(resolvent, omega))
        mixed = (self.noise.T * neurons).astype(matrix.dtype, copy=False)
        for channel, part in zip(self.channels, parts, strict=True):
            one, two, three = channel.derivatives(part)
            if matrix.dtype == np.float64:
                one, two, three = one.real, two.real, three.real
            matrix[:n_q, :n_q] += one
            mixed += two
            matrix[n_q:size, n_q:size] += three
        matrix[:n_q, :n_q] *= (self.ratio * resolvent)[:, None] * samples
        matrix[:n_q, n_q:size] = mixed * (self.ratio * resolvent)[:, None]
        matrix[n_q:size, :n_q] = mixed.T * samples / self.a_weights[:, None]
        matrix[n_q:size, n_q:size] /= self.a_weights[:, None]
        diagonal(matrix)[:size] += 1.0
        return matrix

    def residual(self, profile: Values, state: State) -> float:
        """Largest relative residual of the equations at a state."""
        pair = (state.resolvent, state.omega)
        # The first ones start from those before the last step of the state.
        parts = self.responses(*pair, self.responses(*pair, state.parts))
        defect = self.inverses(profile, pair, parts) * np.concatenate(pair) - 1.0
        return max(float(np.max(np.abs(defect))), *(part.defect for part in parts))

    def solve(
        self,
        profile: Values,
        start: tuple[Values, Values] | State,
        *,
        positive: bool = False,
        tolerance: float = TOLERANCE,
        fresh: bool = True,
        most: int = MAXIMUM_STEPS,
    ) -> State:
        """Solve by Newton's method with the exact Jacobian, from a guess of ``(R, omega)``.

        Parameters
        ----------
        profile
            Ridge profile ``L(q)`` on the nodes, or a number.
        start
            ``(R, omega)`` to start from, or a state nearby.
        positive
            Keep the unknowns positive (a positive ridge), which makes any positive start good.
        tolerance
            Largest residual that is accepted at once.
        fresh
            Whether the derivatives of the channels are wanted at the solution.
        most
            Steps after which it is given up.

        Raises
        ------
        ConvergenceError
            If the residual does not fall below `tolerance`, or to its rounding error below ``1e-9``.
        """
        near: Sequence[Response] = ()
        if isinstance(start, State):
            near = start.parts
            start = (start.resolvent, start.omega)
        x = np.concatenate(start)
        n_q = self.q_weights.size
        best, residual, step, share, exact = x, np.inf, np.zeros_like(x), 1.0, True
        factors = None
        for count in range(most):
            state = (x[:n_q], x[n_q:])
            with np.errstate(all="ignore"):
                try:
                    parts = self.responses(*state, near, fresh=False)
                    wanted = self.inverses(profile, state, parts)
                    defect = wanted * x - 1.0
                    trial = max(float(np.max(np.abs(defect))), *(part.defect for part in parts))
                except ConvergenceError:
                    trial = np.inf
                if not (positive and np.isfinite(trial)) and not trial < max(2.0 * residual, 0.1):
                    # Too far: come back towards the last good point.
                    share *= 0.3
                    if share < SHORTEST_SHARE:
                        break
                    x = best + share * step
                    continue
                previous, residual, best, near = residual, trial, x, parts
                done, slow = residual < tolerance, residual >= 0.5 * previous
                # Where a step with old derivatives was slow, that is no limit of rounding.
                done = done or (slow and residual < STAGNATION and exact)
                if slow or (done and fresh) or (count > PATIENCE and residual > GAINED * previous):
                    parts = near = self.refreshed(parts)
                if done:
                    return State(*state, residual, parts, factors)
                exact, left = self.is_fresh(parts), residual / previous if np.isfinite(previous) else 1.0
                if exact or factors is None or left > AGAIN:
                    factors = lu_factors(self.jacobian(state, parts))
                relative = lu_solution(factors, -defect)
                if not np.all(np.isfinite(relative)):
                    break
                step = x * relative
                size = float(np.max(np.abs(relative)))
                if not fresh and max(left, size) * size < SURELY * tolerance:
                    x = x + step
                    return State(x[:n_q], x[n_q:], left * residual, parts, factors)
            share = 1.0
            if positive and np.min(step / x) < -0.8:
                # The equations are monotone in 1/x: far from the solution their plain iteration is safer.
                step = 1.0 / wanted - x if residual > 0.5 else 0.8 * step / -np.min(step / x)
            x = x + step
        raise ConvergenceError("Newton's method did not converge", residual=residual, last=x)

    def tangent(
        self, state: State, direction: Values, columns: Values | float = 0.0, factors: Factors | None = None
    ) -> tuple[Values, Values]:
        """Exact derivative of ``(R, omega)`` when the ridge profile moves along `direction`.

        `columns` is what the right-hand sides of the neurons move by of themselves, and `factors` are those
        of the Jacobian, if they are known.
        """
        pair, n_q = (state.resolvent, state.omega), state.resolvent.size
        if factors is None:
            factors = lu_factors(self.jacobian(pair, state.parts or self.responses(*pair)))
        right = np.concatenate([-direction * pair[0], np.broadcast_to(-columns * pair[1], pair[1].shape)])
        solution = lu_solution(factors, right)
        return state.resolvent * solution[:n_q], state.omega * solution[n_q:]


def solved(equations: FixedPoint, untrained: BulkEquivalent, ridge: float) -> State:
    """Solution at a positive ridge, from that of rows of the same lengths that are alike in all directions.

    Rows that are far longer than without a step are found by that; else from solutions at larger ridges.

    Raises
    ------
    ConvergenceError
        If there is none.
    """
    with suppress(ConvergenceError):
        start = followed(equations.alike, untrained, ridge)
        return equations.solve(np.asarray(ridge), (start.resolvent, start.omega), positive=True, most=STEPS)
    return followed(equations, untrained, ridge)


def followed(equations: FixedPoint, untrained: BulkEquivalent, ridge: float) -> State:
    """Solution at a positive ridge: from that without a step, or else from those at larger ridges.

    Raises
    ------
    ConvergenceError
        If there is none.
    """

    def solve(at: float, near: State | None) -> State:
        if near is None:
            return from_untrained(equations, untrained, at)
        return equations.solve(np.asarray(at), near, positive=True, most=STEPS)

    return solved_at(solve, ridge, max(FACTOR * ridge, ABOVE * equations.mean_eigenvalue))


def from_untrained(equations: FixedPoint, untrained: BulkEquivalent, ridge: float) -> State:
    """Solution at a positive ridge, from that without a step."""
    point = untrained.at_ridge(ridge)
    start = (
        np.full(equations.q_weights.size, 1.0 / (point.kappa if equations.ratio > 0.0 else ridge)),
        np.full(equations.a_weights.size, point.kappa * point.g),
    )
    return equations.solve(np.asarray(ridge), start, positive=True, most=STEPS)
