"""Losses and spikes of the closed form in balls, on a number of nodes (docs/theory.md section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory import formulas
from rmt_spikes.theory.bulk.balls import square
from rmt_spikes.theory.methods.certified.latent import BallLatent
from rmt_spikes.theory.methods.certified.moments import Moments
from rmt_spikes.theory.methods.certified.rules import BallRule, gaussian_draws
from rmt_spikes.theory.results import loss_numbers

FEATURE_COUNT = 5
"""Coefficients of a feature, of degree 0 to 4, as in double precision."""


@dataclass(frozen=True)
class BallPole:
    """A pole of the resolvent above the bulk: an eigenvalue of ``F F^T / n_ridge`` and its singular vectors.

    The left one by its coefficients in normalised Hermite polynomials of ``q``, the right one by those in
    orthonormal polynomials of the readout weight.
    """

    eigenvalue: arb
    feature: list[arb]
    right_feature: list[arb]


@dataclass(frozen=True, eq=False)
class BallClosedForm:
    """The closed form of one setting on `count` quadrature nodes, of a Gaussian readout and of a sample."""

    variables: BallLatent
    count: int

    @cached_property
    def readout(self) -> BallRule:
        """Quadrature rule for the distribution of a readout weight."""
        setting = self.variables.setting
        if setting.readout == "gaussian":
            return gaussian_draws(setting.width, self.count, ctx.prec)
        if setting.readout == "rademacher":
            return BallRule([arb(-1), arb(1)], [arb(fmpq(1, 2))] * 2)
        return BallRule([arb(1)], [arb(1)])

    @cached_property
    def sample(self) -> BallRule:
        """Quadrature rule for the distribution of the latent variable of a sample."""
        return gaussian_draws(self.variables.setting.n_ridge, self.count, ctx.prec)

    @cached_property
    def labels(self) -> tuple[list[arb], arb]:
        """``f_0`` on the nodes, and ``E f_1``."""
        cosine: Any = self.variables.learnt.beta_cosine
        sine = (1 - square(cosine)).sqrt()
        moments = self.variables.moments("target", [(cosine * q, sine) for q in self.sample.nodes])
        linear = sum((w * m[1] for w, m in zip(self.sample.weights, moments, strict=True)), arb(0))
        return [m[0] for m in moments], linear

    @cached_property
    def features(self) -> arb_mat:
        """Weighted latent part: neurons and the coordinate of ``beta``, by samples and their norms."""
        setting, activation = self.variables.setting, self.variables.activation
        root_q = [w.sqrt() for w in self.sample.weights]
        norm_scale = arb(fmpq(2, setting.d)).sqrt()
        rows = []
        for weight, moments in zip(self.readout.weights, self._table(), strict=True):
            neuron = (setting.width * weight).sqrt()
            pairs = list(zip(root_q, moments, strict=True))
            means = [neuron * root * (m[0] - activation.offset) for root, m in pairs]
            rows.append(means + [neuron * norm_scale * root * m[2] for root, m in pairs])
        slope = activation.coefficient(1) * arb(fmpq(setting.width, setting.d)).sqrt()
        along = [slope * x * root for x, root in zip(self.sample.nodes, root_q, strict=True)]
        rows.append(along + [arb(0)] * len(along))
        return arb_mat(rows)

    def _table(self) -> list[list[Moments]]:
        """Moments of the activation by node of the readout and of the sample."""
        learnt: Any = self.variables.learnt
        nodes, q = self.readout.nodes, self.sample.nodes
        # Without drift the moments at (-alpha, q) are those at (alpha, -q), and the nodes are symmetric.
        mirrored = len(nodes) > 1 and learnt.drift.is_zero()
        kept = nodes[len(nodes) // 2 :] if mirrored else nodes
        scales = [formulas.row_norm2(learnt.drift, learnt.inflation, a).sqrt() for a in kept]
        pairs = [(learnt.shift * a * x, scale) for a, scale in zip(kept, scales, strict=True) for x in q]
        flat = self.variables.moments("activation", pairs)
        table = [flat[k * len(q) : (k + 1) * len(q)] for k in range(len(kept))]
        if mirrored:
            table = [row[::-1] for row in table[::-1][: len(nodes) // 2]] + table
        return table

    @cached_property
    def gram(self) -> arb_mat:
        """The operator on the side of the neurons."""
        return self.features * self.features.transpose()

    @cached_property
    def losses(self) -> tuple[arb, arb, arb]:
        """Objective, training and test loss."""
        v = self.variables
        point = v.curve.at_ridge(v.ridge)
        means, linear = self.labels
        columns = self.features.ncols()
        signal = [m * w.sqrt() for m, w in zip(means, self.sample.weights, strict=True)]
        signal += [arb(0)] * (columns - len(signal))
        projected = self.features * arb_mat(columns, 1, signal)
        matrix = self.gram * point.g
        for i in range(matrix.nrows()):
            matrix[i, i] = matrix[i, i] + 1
        solution = matrix.solve(projected)
        along = (projected.transpose() * solution)[0, 0]
        size2 = (solution.transpose() * solution)[0, 0]
        value = v.label_energy - point.g * along - (1 - point.mu) * square(linear)
        slope = -point.g_slope * size2 + point.mu_slope * square(linear)
        objective, train, test = loss_numbers(point, value, value - point.kappa * slope)
        return objective, train, test

    @cached_property
    def critical_strength(self) -> arb:
        """Strength above which a mode leaves the bulk."""
        curve = self.variables.curve
        return -curve.scale / curve.edge_trace

    @cached_property
    def _double(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The operator in double precision, its eigenvalues, largest first, and its eigenvectors."""
        gram = np.array([[float(x) for x in row] for row in self.gram.tolist()])
        values, vectors = np.linalg.eigh(gram)
        return gram, values[::-1], vectors[:, ::-1]

    def mode(self, k: int) -> tuple[arb, arb_mat]:
        """The `k`-th largest eigenvalue of the operator, and its eigenvector.

        Newton's method, whose linear systems are solved in double precision. The distance of the eigenvalue
        to the Rayleigh quotient is at most the norm of the residual, for a symmetric matrix. Which eigenvalue
        it is was decided in double precision.

        Raises
        ------
        ConvergenceError
            If it cannot be told from another one in double precision.
        """
        gram, values, vectors = self._double
        size = len(values)
        column = vectors[:, k : k + 1]
        inverse = np.linalg.inv(np.block([[gram - values[k] * np.eye(size), -column], [column.T, 0.0]]))
        vector = arb_mat(size, 1, [arb(float(x)) for x in vectors[:, k]])
        best, best_value = math.inf, arb(float(values[k]))
        for _ in range(200):
            norm2 = (vector.transpose() * vector)[0, 0]
            image = self.gram * vector
            value = ((vector.transpose() * image)[0, 0] / norm2).mid()
            residual = [image[i, 0] - value * vector[i, 0] for i in range(size)]
            norm = sum((r * r for r in residual), arb(0)).sqrt() / norm2.sqrt()
            bound = float(norm.upper())
            if bound < best:
                best, best_value, kept = bound, value, vector
            if not bound > 0.0 or (bound > best / 2 and best < bound):
                break
            scale = arb(max(abs(float(r)) for r in residual))
            if scale == 0:
                break
            step = inverse @ np.append([float(r.mid() / scale) for r in residual], 0.0)
            moved = [(vector[i, 0] - scale * float(step[i])).mid() for i in range(size)]
            vector = arb_mat(size, 1, moved)
        gap = min((abs(float(best_value) - x) for i, x in enumerate(values) if i != k), default=math.inf)
        if not gap > 1e-12 * values[0]:
            raise ConvergenceError("two modes of the latent part are equally strong", residual=gap)
        # The angle to the eigenvector is at most the residual over the distance to other eigenvalues.
        error = arb(0, 2.0 * best / gap)
        norm = (kept.transpose() * kept)[0, 0].sqrt()
        return arb(best_value, best), arb_mat([[kept[i, 0] / norm + error] for i in range(size)])

    @cached_property
    def poles(self) -> list[BallPole]:
        """Poles above the bulk, largest first."""
        poles = []
        for k, value in enumerate(self._double[1]):
            if value <= 0.9 * float(self.critical_strength):
                break
            strength, vector = self.mode(k)
            if strength.overlaps(self.critical_strength):
                raise ConvergenceError("a mode is exactly at the threshold", residual=float(strength.rad()))
            if strength < self.critical_strength:
                break
            poles.append(self._pole(strength, vector))
        return poles

    def _pole(self, strength: arb, vector: arb_mat) -> BallPole:
        curve = self.variables.curve
        g = -1 / strength
        point = curve.point(g * curve.scale)
        z: Any = -point.ridge
        slope: Any = -strength * point.g_slope / point.ridge_slope
        left_overlap: Any = (-1 / (point.kappa * slope)).sqrt()
        right_overlap: Any = (point.kappa * g / (z * slope)).sqrt()
        left = self.features.transpose() * vector / strength.sqrt()
        feature = _coefficients(self.sample, FEATURE_COUNT, left, left_overlap)
        # As many polynomials of the limiting readout weight as it has values.
        values = {"constant": 1, "rademacher": 2}.get(self.variables.setting.readout, FEATURE_COUNT)
        return BallPole(z, feature, _coefficients(self.readout, values, vector, right_overlap))


def _coefficients(rule: BallRule, known: int, mode: arb_mat, overlap: arb) -> list[arb]:
    """Coefficients of a mode on weighted nodes in the first Hermite polynomials, zero in the others."""
    rows = [_hermite_row(x) for x in rule.nodes]
    pairs = [(w.sqrt(), mode[i, 0]) for i, w in enumerate(rule.weights)]
    found = [
        sum((root * row[k] * part for (root, part), row in zip(pairs, rows, strict=True)), arb(0))
        for k in range(known)
    ]
    return [overlap * c for c in found] + [arb(0)] * (FEATURE_COUNT - known)


def _hermite_row(x: arb) -> list[arb]:
    """``He_k(x) / sqrt(k!)`` for ``k = 0, ..., 4``."""
    row = [arb(1), x]
    for k in range(1, FEATURE_COUNT - 1):
        row.append((x * row[k] - arb(k).sqrt() * row[k - 1]) / arb(k + 1).sqrt())
    return row
