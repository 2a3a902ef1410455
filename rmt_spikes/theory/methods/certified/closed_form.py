"""Losses and spikes of the closed form in balls, on a number of nodes (docs/theory.md section 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.bulk.balls import square
from rmt_spikes.theory.methods.certified.latent import BallLatent
from rmt_spikes.theory.methods.certified.moments import LatticeMoments, Moments, closed_form
from rmt_spikes.theory.methods.certified.rules import BallRule, gaussian_draws, precision
from rmt_spikes.theory.results import loss_numbers

FEATURE_COUNT = 5
"""Coefficients of a feature, of degree 0 to 4, as in double precision."""


@dataclass(frozen=True)
class BallPole:
    """A pole of the resolvent above the bulk.

    Attributes
    ----------
    strength
        ``a_k``, with a ball that holds an eigenvalue of the operator on the nodes.
    eigenvalue
        ``z``, of ``F F^T / n_ridge``.
    feature
        Coefficients of the left singular vector in normalised Hermite polynomials of ``q``.
    right_feature
        Coefficients of the right singular vector in orthonormal polynomials of the readout weight.
    """

    strength: arb
    eigenvalue: arb
    feature: list[arb]
    right_feature: list[arb]


class BallClosedForm:
    """The closed form of one setting on a number of quadrature nodes.

    Parameters
    ----------
    variables
        Setting, expansions, latent variables and bulk.
    count
        Nodes of a Gaussian readout, and of the latent variable of a sample.
    """

    def __init__(self, variables: BallLatent, count: int) -> None:
        self.variables = variables
        self.count = count

    @cached_property
    def readout(self) -> BallRule:
        """Quadrature rule for the distribution of a readout weight."""
        setting = self.variables.setting
        if setting.readout == "gaussian":
            return gaussian_draws(setting.width, self.count, precision())
        if setting.readout == "rademacher":
            return BallRule([arb(-1), arb(1)], [arb(fmpq(1, 2))] * 2)
        return BallRule([arb(1)], [arb(1)])

    @cached_property
    def sample(self) -> BallRule:
        """Quadrature rule for the distribution of the latent variable of a sample."""
        return gaussian_draws(self.variables.setting.n_ridge, self.count, precision())

    @cached_property
    def labels(self) -> tuple[list[arb], arb]:
        """``f_0`` on the nodes, and ``E f_1``."""
        v = self.variables
        sine = (1 - square(v.cosine)).sqrt()
        means = [v.cosine * q for q in self.sample.nodes]
        moments = _moments(v, "target", [(m, sine) for m in means])
        linear = sum((w * m[1] for w, m in zip(self.sample.weights, moments, strict=True)), arb(0))
        return [m[0] for m in moments], linear

    @cached_property
    def features(self) -> arb_mat:
        """Weighted latent part: neurons and the coordinate of ``beta``, by samples and their norms."""
        v, setting = self.variables, self.variables.setting
        nodes, q = self.readout.nodes, self.sample.nodes
        root_q = [w.sqrt() for w in self.sample.weights]
        table = self._table()
        offset = v.activation.offset
        zero = arb(0)
        rows = []
        norm_scale = arb(fmpq(2, setting.d)).sqrt()
        for i in range(len(nodes)):
            neuron = (setting.width * self.readout.weights[i]).sqrt()
            means = [neuron * root * (m[0] - offset) for root, m in zip(root_q, table[i], strict=True)]
            norms = [neuron * norm_scale * root * m[2] for root, m in zip(root_q, table[i], strict=True)]
            rows.append(means + norms)
        slope = v.activation.coefficient(1) * arb(fmpq(setting.width, setting.d)).sqrt()
        rows.append([slope * x * root for x, root in zip(q, root_q, strict=True)] + [zero] * len(q))
        return arb_mat(rows)

    def _table(self) -> list[list[Moments]]:
        """Moments of the activation by node of the readout and of the sample."""
        v, nodes, q = self.variables, self.readout.nodes, self.sample.nodes
        scales = [v.scale(a) for a in nodes]
        # Without drift the moments at (-alpha, q) are those at (alpha, -q), and the nodes are symmetric.
        mirrored = len(nodes) > 1 and v.drift.is_zero()
        kept = range(len(nodes) // 2, len(nodes)) if mirrored else range(len(nodes))
        pairs = [(v.shift * nodes[i] * x, scales[i]) for i in kept for x in q]
        flat = _moments(v, "activation", pairs)
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
        rows, columns = self.features.nrows(), self.features.ncols()
        signal = [m * w.sqrt() for m, w in zip(means, self.sample.weights, strict=True)]
        signal += [arb(0)] * (columns - len(signal))
        projected = self.features * arb_mat(columns, 1, signal)
        matrix = self.gram * point.g
        for i in range(rows):
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
    def _double(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gram = np.array([[float(x) for x in row] for row in self.gram.tolist()])
        values, vectors = np.linalg.eigh(gram)
        return values[::-1], vectors[:, ::-1]

    def strength(self, k: int) -> arb:
        """The `k`-th largest eigenvalue of the operator."""
        return self._pair(k)[0]

    def _pair(self, k: int) -> tuple[arb, arb_mat]:
        """Eigenvalue and eigenvector: Newton's method whose linear systems are solved in double precision.

        The distance of the eigenvalue to the Rayleigh quotient is at most the norm of the residual, for a
        symmetric matrix. Which eigenvalue it is was decided in double precision.
        """
        values, vectors = self._double
        size = len(values)
        bordered = np.zeros((size + 1, size + 1))
        bordered[:size, :size] = np.array([[float(x) for x in row] for row in self.gram.tolist()])
        bordered[:size, :size] -= values[k] * np.eye(size)
        bordered[:size, size], bordered[size, :size] = -vectors[:, k], vectors[:, k]
        inverse = np.linalg.inv(bordered)
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
            scale = max(abs(float(r)) for r in residual)
            if scale == 0.0:
                break
            step = inverse @ np.append([float(r.mid() / arb(scale)) for r in residual], 0.0)
            vector = arb_mat(
                size, 1, [(vector[i, 0] - arb(scale) * float(step[i])).mid() for i in range(size)]
            )
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
        values, _ = self._double
        poles = []
        for k in range(len(values)):
            if values[k] <= 0.9 * float(self.critical_strength):
                break
            strength, vector = self._pair(k)
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
        basis = [hermite_row(q) for q in self.sample.nodes]
        feature = _coefficients(self.sample.weights, basis, left)
        table = [self._readout_row(a) for a in self.readout.nodes]
        right = _coefficients(self.readout.weights, table, vector)
        return BallPole(strength, z, [left_overlap * c for c in feature], [right_overlap * c for c in right])

    def _readout_row(self, alpha: arb) -> list[arb]:
        """Orthonormal polynomials of the limiting readout weight at a value; zero where there are no more."""
        name = self.variables.setting.readout
        if name == "gaussian":
            return hermite_row(alpha)
        known = [arb(1), alpha] if name == "rademacher" else [arb(1)]
        return known + [arb(0)] * (FEATURE_COUNT - len(known))


def _coefficients(weights: list[arb], table: list[list[arb]], mode: arb_mat) -> list[arb]:
    """Coefficients of a mode on weighted nodes in the polynomials of a table."""
    return [
        sum(
            (w.sqrt() * row[k] * mode[i, 0] for i, (w, row) in enumerate(zip(weights, table, strict=True))),
            arb(0),
        )
        for k in range(FEATURE_COUNT)
    ]


def hermite_row(x: arb) -> list[arb]:
    """``He_k(x) / sqrt(k!)`` for ``k = 0, ..., 4``."""
    row = [arb(1), x]
    for k in range(1, FEATURE_COUNT - 1):
        row.append((x * row[k] - arb(k).sqrt() * row[k - 1]) / arb(k + 1).sqrt())
    return row


def _moments(variables: BallLatent, field: str, pairs: list[tuple[arb, arb]]) -> list[Moments]:
    """Moments of the activation or the target at pairs of mean and scale."""
    function = getattr(variables, field).function
    formula = closed_form(function) or variables.lattice(field, pairs, LatticeMoments)
    return [formula(m, t) for m, t in pairs]
