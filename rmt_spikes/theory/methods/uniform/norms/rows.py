"""Trained rows given the readout weight and the component of the initial row along the learnt direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.methods.uniform.norms.first import first_samples
from rmt_spikes.theory.methods.uniform.norms.sphere import coordinate, norm_rule, second, third, third_norm
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.rows import RowLengths, Terms, row_lengths
from rmt_spikes.theory.population.labels import labels_of

Array = NDArray[np.float64]

NORMS = 3
"""Nodes of the squared norm of a sample of the first batch."""


@dataclass(frozen=True, eq=False)
class SampleNorms:
    """Samples by their component along the learnt direction and by their squared norm off it, over its mean.

    Attributes
    ----------
    q, square, weights
        Nodes and weights, shape ``(n_s,)``.
    labels
        Components of the labels along ``1``, ``t``, degrees two and three of it, and none along the form in
        which norms differ between neurons, shape ``(5, n_s)``.
    energy
        ``E[y^2]`` at the nodes.
    """

    q: Array
    square: Array
    weights: Array
    labels: Array
    energy: Array


def sample_norms(
    setting: Setting, cosine: float, q: tuple[Array, Array], square: tuple[Array, Array], dimensions: float
) -> SampleNorms:
    """Samples on the product of two rules; the teacher's direction is on a sphere of so many dimensions.

    Of a teacher with several directions only the means of the labels are known, as if they did not depend on
    the norm.
    """
    nodes, squares = np.repeat(q[0], square[0].size), np.tile(square[0], q[0].size)
    weights = np.outer(q[1], square[1]).ravel()
    teacher = labels_of(setting)
    if teacher.directions > 1:
        seen = teacher.given(cosine, nodes)
        labels = np.concatenate([seen.mean[None], np.zeros((4, nodes.size))])
        energy = seen.energy
        return SampleNorms(nodes, squares, weights, labels, energy + setting.label_energy - weights @ energy)
    sine = math.sqrt(max(0.0, 1.0 - cosine**2))
    target = setting.target_function
    size = sine * np.sqrt(squares)
    t, w = coordinate(cosine * nodes, size, np.asarray(dimensions), target.splits)
    y = target(cosine * nodes[:, None] + size[:, None] * t)
    cubic = (t**3 - float(third(dimensions)) * t) / math.sqrt(float(third_norm(dimensions)))
    functions = [np.ones_like(t), t, (t**2 - 1.0) / math.sqrt(float(second(dimensions))), cubic]
    labels = np.array([*(np.sum(w * y * f, axis=-1) for f in functions), np.zeros(nodes.size)])
    energy = np.sum(w * y**2, axis=-1) + setting.noise_std**2
    # The rule for finitely many draws lacks a little of the fourth moment; the label energy is kept.
    return SampleNorms(nodes, squares, weights, labels, energy + setting.label_energy - weights @ energy)


@dataclass(frozen=True, eq=False)
class GrownRows:
    """Rows at the nodes of the readout weight and of ``w``, the initial component times ``sqrt(d)``.

    Parameters
    ----------
    setting, special
        What is predicted, and its learnt and teacher's directions.
    terms
        Terms that are kept.
    w, w_weights
        Nodes and weights of ``w``; one node at zero for the wrong theory of equal components.
    """

    setting: Setting
    special: SpecialDirections
    terms: Terms
    w: Array
    w_weights: Array

    @cached_property
    def lengths(self) -> RowLengths:
        """Lengths of the rows, to first order in ``1/d`` and without regard to ``w``."""
        return row_lengths(self.special, self.terms)

    @cached_property
    def own(self) -> Array:
        """Growth along ``q`` and ``t``, shape ``(n_a, 2, 2)``."""
        return self.special.own_growth

    @cached_property
    def share(self) -> Array:
        """Squared correlation of the trained component along ``q`` with the initial row, shape ``(n_a,)``."""
        coherent = np.sum(self.special.coherent[:, 0] ** 2, axis=1)
        return np.asarray(np.minimum(1.0, coherent / self.own[:, 0, 0]))

    @cached_property
    def _own_steps(self) -> tuple[Array, Array]:
        """What a step in expectation adds to an initial row, shape ``(n_w,)``.

        Along ``q`` beyond first order in ``w``, and along the rest of the row.
        """
        setting, f = self.setting, self.setting.activation_function
        c, d = setting.activation_expansion.coefficients, setting.d
        samples = first_samples(setting, self.special)
        square, shares = norm_rule(d - 1, NORMS) if self.terms.sample_norms else (np.ones(1), np.ones(1))
        rho = np.sqrt(square)[:, None]
        bent, radial = np.zeros(self.w.size), np.zeros(self.w.size)
        for i, x in enumerate(self.w / math.sqrt(d)):
            mean, scale = x * samples.q, math.sqrt(1.0 - x * x) * rho
            z, weights = coordinate(mean, scale, np.asarray(d - 1.0), f.splits)
            slope = weights * f.derivative(mean[:, None] + scale[..., None] * z)
            along = slope.sum(axis=-1) - c[1] - 2.0 * c[2] * mean
            bent[i] = shares @ along @ (samples.residual * samples.q)
            radial[i] = shares @ (rho * (slope * z).sum(axis=-1)) @ samples.residual
        return bent, radial

    @cached_property
    def component(self) -> Array:
        """Component along ``q`` apart from the shift, shape ``(n_a, n_w)``."""
        linear = np.sqrt(self.own[:, 0, 0] / self.setting.d)[:, None] * self.w
        if self.special.batch.theta == 0.0:
            return linear
        step = self.special.batch.theta * self.special.batch.law.nodes
        sign = np.sign(self.special.coherent[:, 0, 0])
        bent, share = self._own_steps[0], self.share[:, None]
        odd, even = 0.5 * (bent - bent[::-1]), 0.5 * (bent + bent[::-1])
        mean = float(self.w_weights @ bent)
        return np.asarray(
            linear + step[:, None] * ((np.sqrt(share) * sign[:, None]) * odd + mean + share * (even - mean))
        )

    @cached_property
    def _h(self) -> Array:
        """``H`` along ``q`` and the ``t_k`` beyond its level elsewhere, shape ``(1 + r, 1 + r)``."""
        batch, frame = self.special.batch, self.special.frame
        r = batch.whole.r
        h = frame.T @ batch.whole.mean(r[:, None, None] * self.special.moments[1]) @ frame
        return np.asarray(h - np.eye(len(h)) * float(batch.whole.mean(r)))

    @cached_property
    def _alike(self) -> Array:
        """Coherent growth of a row, as far as it is the same along all directions, shape ``(n_a,)``."""
        batch = self.special.batch
        return np.asarray(1.0 + batch.curvature * batch.law.nodes * float(batch.whole.mean(batch.whole.r)))

    @cached_property
    def _grown(self) -> tuple[Array, Array]:
        """Mean squared length off ``q``, ``(n_a,)``, and what the initial component adds, ``(n_a, n_w)``.

        Exact for a step in expectation; what the noise of the batch adds is to first order in ``1/d``.
        """
        d, batch = self.setting.d, self.special.batch
        growth, r, count = self.lengths.growth[0], batch.whole.r, batch.directions
        others = np.trace(self.own[:, 1:, 1:], axis1=1, axis2=2)
        linear = (others + (d - 1.0 - count) * growth) / d
        ta = batch.theta * batch.law.nodes
        # The incoherent part is not blind to its own row: docs/theory.md, section 9, for one neuron.
        beyond = 24.0 * batch.slope.coefficients[4] * float(np.trace(self._h[1:, 1:]))
        # Inputs off q are orthogonal to the residuals, and these lack the initial output.
        cubic = batch.phi * float(batch.whole.mean(r**3)) / max(batch.energy, 1e-300)
        output = 2.0 * batch.slope.coefficients[2] * float(batch.law.weights @ batch.law.nodes)
        level = 4.0 * batch.slope.coefficients[2] * self._alike * (cubic + output)
        radial = self._own_steps[1] if batch.theta else np.zeros(self.w.size)
        grown = (np.sqrt(1.0 - self.w**2 / d) + ta[:, None] * radial) ** 2
        mean = grown @ self.w_weights
        square = self.w**2 - self.w_weights @ self.w**2
        noise = self._noise[:, 0, 0] + np.sum(self.special.coherent[:, 1:, 0] ** 2, axis=1)
        by_component = grown - mean[:, None] + noise[:, None] * square / d
        return linear - (1.0 - 1.0 / d) * self._alike**2 + ta * (beyond - level) / d + mean, by_component

    @cached_property
    def root(self) -> Array:
        """Cholesky factor of the growth along ``q`` and ``t``, shape ``(n_a, 1 + r, 1 + r)``.

        Trained components are its product with independent ones, of which ``w`` is the first.
        """
        try:
            return np.asarray(np.linalg.cholesky(self.own), dtype=np.float64)
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("trained components are not independent", residual=np.inf) from error

    @cached_property
    def _noise(self) -> Array:
        """What the noise of the batch adds to ``d`` times the length off ``q`` and ``t``.

        A form of the initial components, shape ``(n_a, 1 + r, 1 + r)``. Rows lean to other directions by
        their components, have less to grow from along these, and the incoherent part is not blind to its own
        row.
        """
        batch, coherent, frame = self.special.batch, self.special.coherent, self.special.frame
        slope, whole = batch.slope, batch.whole
        square = (batch.theta * batch.law.nodes)[:, None, None] ** 2
        k2, b_2 = 2.0 * slope.coefficients[2], 12.0 * slope.coefficients[4]
        second = batch.phi * whole.mean(whole.r[:, None, None] ** 2 * self.special.moments[1])
        second = frame.T @ second @ frame
        leaning = self.own - np.swapaxes(coherent, 1, 2) @ coherent - square * slope.variance * second
        less = k2**2 * batch.phi * batch.energy * np.eye(len(second))
        return np.asarray(leaning + square * ((2.0 * k2 * b_2 + slope.second) * second - less))

    @cached_property
    def length_form(self) -> Array:
        """``d`` times the squared length off ``q`` as a form of the independent components, as `own`."""
        batch, coherent = self.special.batch, self.special.coherent
        own = 24.0 * batch.theta * batch.law.nodes * batch.slope.coefficients[4] * float(self.terms.own)
        form = self._noise - (self._alike**2)[:, None, None] * np.eye(coherent.shape[1])
        form = form + (own * self._alike)[:, None, None] * self._h
        # Initial components given the trained ones.
        initial = np.linalg.solve(self.root, coherent)
        along = self.root[:, 1:]
        return np.asarray(initial @ form @ np.swapaxes(initial, 1, 2) + np.swapaxes(along, 1, 2) @ along)

    @cached_property
    def square(self) -> Array:
        """Squared length off ``q`` by the trained component, shape ``(n_a, n_w)``."""
        mean, initial = self._grown
        # Where the step has turned the component, initial and final one have opposite signs.
        turned = np.where(self.special.coherent[:, 0, 0][:, None] < 0.0, initial[:, ::-1], initial)
        square = mean[:, None] + self.share[:, None] * turned
        if not np.all(square > 0.0):
            raise ConvergenceError("the lengths of the rows are not positive", residual=np.inf)
        return np.asarray(square)

    @cached_property
    def spread(self) -> Array:
        """Variance of the relative squared length that the trained component does not show, ``(n_a,)``.

        Beside what the bulk of the directions adds, initial components along ``q``, as far as the trained one
        forgets them, and along the ``t_k``.
        """
        if not self.terms.length:
            return self.lengths.spread
        batch, coherent = self.special.batch, self.special.coherent
        hidden = (1.0 - self.share**2) * (self._grown[1] ** 2 @ self.w_weights)
        ta, b_2 = batch.theta * batch.law.nodes, 12.0 * batch.slope.coefficients[4] * float(self.terms.own)
        own = 2.0 * (ta * b_2 * self._alike)[:, None] * np.diagonal(self._h)[1:]
        along = np.sum(coherent[:, :, 1:] ** 2, axis=1) - self._alike[:, None] ** 2 + own
        hidden += 2.0 * np.sum(along**2, axis=1) / self.setting.d**2
        return np.asarray(self.lengths.spread + hidden / self.lengths.tau**4)
