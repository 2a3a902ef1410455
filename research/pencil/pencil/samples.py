"""Values made by single samples of the first batch (theory2.md section 11), isotropic inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pencil.continuation import CurvePoint, UpperCurve
from pencil.density import resolvent_on_axis
from pencil.equations import State
from pencil.labels import ResidualLaw, compress, middle_quantiles, residual_law
from pencil.model import Model
from pencil.levels import Pencil
from pencil.solution import Solution
from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.quadrature_rules import gauss_rule

Array = NDArray[np.float64]

SEPARATION = 1.002
PATIENCE = 4
NEAR = 1.3


@dataclass(frozen=True, eq=False)
class FirstBatch:
    """Realised labels of a first batch, sorted by ``|r_eff|`` from the largest down.

    Attributes
    ----------
    r, u
        Residuals and teacher's variables, shapes ``(n,)`` and ``(directions, n)``.
    effective
        ``r |x| |x_perp| / d`` on average.
    """

    r: Array
    u: Array
    effective: Array

    def rest(self, removed: int, levels: int) -> ResidualLaw:
        """Levels of the samples left in the bulk, each of weight ``1/n``: the Gauss rule of their law."""
        n, r, u = self.r.size, self.effective[removed:], self.u[:, removed:]
        rule = gauss_rule(r, levels)
        share = r.size / n
        basis, at = rule.polynomials(r) / r.size, rule.polynomials(rule.nodes)
        pairs = np.einsum("bi,ki,li->bkl", basis, u, u)
        return ResidualLaw(
            rule.nodes, share * rule.weights, at.T @ (basis @ u.T), np.tensordot(at.T, pairs, axes=1)
        )


def draw(model: Model, rng: np.random.Generator) -> FirstBatch:
    """Draw the labels of a first batch."""
    u = rng.standard_normal((model.directions, model.n))
    return first_batch(model, u, model.target(u) + model.noise_std * rng.standard_normal(model.n))


def first_batch(model: Model, u: Array, r: Array) -> FirstBatch:
    """Sort given labels."""
    learnt = u @ r / r.size
    energy = float(np.mean(r**2))
    norm2 = float(learnt @ learnt) + model.phi * energy
    q2 = ((model.phi * r + learnt @ u) ** 2 + model.phi * energy) / norm2
    effective = r * np.sqrt(np.maximum(1.0 - q2 / model.d, 0.0))
    order = np.argsort(-np.abs(effective))
    return FirstBatch(r[order], u[:, order], effective[order])


def typical_batch(model: Model) -> FirstBatch:
    """The middle quantiles of the law of the labels."""
    r, u = middle_quantiles(model)
    return first_batch(model, u, r)


@dataclass(frozen=True, eq=False)
class SampleSpectrum:
    """Bulk without its largest samples, and the values that these make.

    Attributes
    ----------
    solution, points
        The bulk's equations and the real resolvent down to the edge.
    edge
        Singular value.
    places, scatter
        Singular values of the samples that have left, and standard deviations.
    """

    solution: Solution
    points: list[CurvePoint]
    edge: float
    places: Array
    scatter: Array

    def expected_above(self, x: float) -> float:
        """Expected number of values of the bulk and of single samples above `x`."""
        return float(np.sum(ndtr((self.places - x) / self.scatter))) + self.bulk_above(x)

    def bulk_above(self, x: float, count: int = 10) -> float:
        """Expected number of values of the bulk above `x`."""
        if x >= self.edge:
            return 0.0
        node, weight = np.polynomial.legendre.leggauss(count)
        # s = edge - (edge - x) v^2 takes the square root of the density at the edge out.
        v, weight = 0.5 * (node + 1.0), 0.5 * weight
        s = self.edge - (self.edge - x) * v**2
        r = resolvent_on_axis(self.solution.equations, s**2, self.solution.pencil.start())
        density = 2.0 * s * np.maximum(r.imag, 0.0) / np.pi
        return float(self.solution.model.n_ridge * np.sum(weight * density * 2.0 * v * (self.edge - x)))


def _growth(
    model: Model, batch: FirstBatch, i: int, start: int, r: float | None = None
) -> tuple[bool, Array]:
    """Whether sample `i` is an outlier of ``H`` beside those from `start` on, and ``Omega(a, h_i)``."""
    r, rest = float(batch.effective[i]) if r is None else r, batch.effective[start:]
    n = batch.r.size
    gap = r - rest
    separate = float(np.sum(rest**2 / gap**2)) / n < model.phi
    h = model.phi * r + float(np.sum(r * rest / gap)) / n
    g = model.phi * r**2
    a = model.law.nodes
    return separate, (1.0 + model.curvature * a * h) ** 2 + model.incoherent * a**2 * g


def _size(point: CurvePoint, omega: Array | float, pencil: Pencil | None = None) -> float:
    """What exceeds one where a sample has left: largest eigenvalue of ``-(N/d) s K s``.

    With a covariance of the inputs (`omega` is then the residual): its square's ratio to the critical one.
    """
    if pencil is not None:
        low, high = pencil.critical(point.parts.levels.m)
        residual = float(np.asarray(omega))
        return (residual / (high if residual > 0 else low)) ** 2
    root = np.sqrt(omega)
    return float(np.linalg.eigvalsh(-root[:, None] * point.parts.k * root)[-1])


def _bulk(
    model: Model, batch: FirstBatch, whole: ResidualLaw, removed: int, levels: int, base: Solution
) -> Solution:
    solution = replace(base, residuals=whole, bulk_residuals=batch.rest(removed, levels))
    # Lengths of rows and their moments are those with all samples.
    for name in ("rows", "moments"):
        solution.__dict__[name] = getattr(base, name)
    return solution


def levels_spectrum(
    model: Model, batch: FirstBatch, *, levels: int = 5, cells: int = 16, n_q: int = 24, most: int = 40
) -> SampleSpectrum:
    """As `sample_spectrum` for any covariance, by the pencil's own determinant; without scatter."""
    whole = residual_law(model, cells)
    base = Solution(model, n_q=n_q, residuals=whole)
    found: tuple[int, Solution, list[CurvePoint]] | None = None
    points: list[CurvePoint] | None = None
    for removed in range(most):
        solution = _bulk(model, batch, whole, removed, levels, base)
        points = _curve(solution, base, points)
        found = found or (0, solution, points)
        if removed:
            size = _size(points[-1], float(batch.effective[removed - 1]), solution.pencil)
            if size > 1.0:
                found = (removed, solution, points)
        if removed >= found[0] + PATIENCE:
            break
    assert found is not None
    removed, solution, points = found
    points = _curve(solution, base)
    places = []
    for i in range(removed):
        r = float(batch.effective[i])
        if _size(points[-1], r, solution.pencil) > 1.0:
            places.append(math.sqrt(_place(UpperCurve(solution.equations), points, r, solution.pencil).z))
    return SampleSpectrum(solution, points, math.sqrt(points[-1].z), np.array(places), np.full(len(places), np.nan))


def _curve(solution: Solution, base: Solution, near: list[CurvePoint] | None = None) -> list[CurvePoint]:
    """Curve of a bulk down to its edge: from far above, or from a little above that of a bulk like it."""
    if near is not None:
        path = UpperCurve(solution.equations)
        start = [point for point in near if point.z > NEAR * near[-1].z]
        if start:
            point = start[-1]
            try:
                return path.follow(path.solve(point.level, point.state, math.log(point.z)), step=0.2)
            except ConvergenceError:
                pass
    eq = solution.equations
    scale = base.rows.tau[:, None] ** 2
    size = eq.ratio * float(eq.a_weights @ (eq.noise + eq.linear**2 * scale) @ eq.q_weights)
    path, z = UpperCurve(eq), 10.0 * (size + 1.0)
    for _ in range(8):
        try:
            return path.follow(path.start(z, solution.pencil.start()))
        except ConvergenceError as error:
            last, z = error, 4.0 * z
    raise last


def sample_spectrum(
    model: Model, batch: FirstBatch, *, levels: int = 5, cells: int = 16, n_q: int = 24, given: bool = True
) -> SampleSpectrum:
    """Let samples leave the bulk one by one, as long as each makes a value of its own."""
    if given:
        whole = compress(batch.r, np.full(batch.r.size, 1.0 / batch.r.size), batch.u, cells)
    else:
        whole = residual_law(model, cells)
    base = Solution(model, n_q=n_q, residuals=whole)
    known: dict[int, tuple[Solution, list[CurvePoint]]] = {}

    def curve(removed: int) -> tuple[Solution, list[CurvePoint]]:
        if removed not in known:
            solution = _bulk(model, batch, whole, removed, levels, base)
            near = known[removed - 1][1] if removed - 1 in known else None
            known[removed] = (solution, _curve(solution, base, near))
        return known[removed]

    def separate(m: int) -> bool:
        """Whether the `m`-th largest sample leaves the bulk of all smaller ones."""
        outlier, omega = _growth(model, batch, m - 1, m)
        if not outlier:
            return False
        _, points = curve(m)
        if _size(points[-1], omega) <= 1.0:
            return False
        return _place(UpperCurve(curve(m)[0].equations), points, omega).z > SEPARATION**2 * points[-1].z

    # Neighbours of nearly equal labels leave together: look a few samples beyond one that stays.
    low, m = 0, 1
    while m <= low + PATIENCE:
        if separate(m):
            low = m
        m += 1
    solution, points = curve(low)
    if low:
        points = _curve(solution, base)
    path = UpperCurve(solution.equations)
    places, scatter = [], []
    for i in range(low):
        _, omega = _growth(model, batch, i, low)
        if _size(points[-1], omega) <= 1.0:
            continue
        point = _place(path, points, omega)
        places.append(math.sqrt(point.z))
        scatter.append(_scatter(solution, batch, i, low, point, omega))
    return SampleSpectrum(solution, points, math.sqrt(points[-1].z), np.array(places), np.array(scatter))


def _place(
    path: UpperCurve, points: list[CurvePoint], omega: Array | float, pencil: Pencil | None = None
) -> CurvePoint:
    """Where the value of a sample is: bisection by secants on the curve."""
    i = next(i for i, point in enumerate(points) if _size(point, omega, pencil) > 1.0)
    if i == 0:
        return points[0]
    low, high = points[i - 1], points[i]
    f_low, f_high = math.log(_size(low, omega, pencil)), math.log(_size(high, omega, pencil))
    point = high
    for _ in range(30):
        share = min(max(f_low / (f_low - f_high), 0.03), 0.97)
        point = path.move(low if share < 0.5 else high, low.level + share * (high.level - low.level))
        value = math.log(_size(point, omega, pencil))
        if abs(value) < 1e-6 or high.level - low.level < 1e-8:
            break
        if value < 0.0:
            low, f_low = point, value
        else:
            high, f_high = point, value
    return point


def _scatter(
    solution: Solution, batch: FirstBatch, i: int, start: int, point: CurvePoint, omega: Array
) -> float:
    """Standard deviation of a sample's singular value, from its own norm, the neurons and the second batch."""
    model, eq = solution.model, solution.equations
    root = np.sqrt(omega)
    value, vectors = np.linalg.eigh(-root[:, None] * point.parts.k * root)
    vector = vectors[:, -1]
    shares = vector**2
    node = np.sqrt(point.state.omega * eq.a_weights) * root * vector
    y = -eq.q_weights * point.state.resolvent * (node @ eq.linear) ** 2 * eq.gamma
    y = y / y.sum()
    h = 1e-4
    stretched = _growth(model, batch, i, start, float(batch.effective[i]) * (1.0 + h))[1]
    log_r = (math.log(_size(point, stretched)) - math.log(value[-1])) / h
    variance = 2.0 / model.d * log_r**2
    variance += float(np.sum(3.0 * shares**2 / (model.width * eq.a_weights))) - 1.0 / model.width
    variance += float(np.sum(2.0 * y**2 / (model.n_ridge * eq.q_weights)))
    n_q, a, step = point.state.resolvent.size, point.state.omega.size, 1e-30j
    moved = State(
        point.state.resolvent * (1.0 + step * point.slope[:n_q]),
        point.state.omega * (1.0 + step * point.slope[n_q : n_q + a]),
        point.state.nu + step * point.slope[n_q + a :].reshape(point.state.nu.shape),
    )
    change = -(root * vector) @ eq.matrices(moved).k.imag @ (root * vector) / 1e-30
    log_z = float(change) / value[-1] / point.log_z_slope
    return 0.5 * math.sqrt(point.z) * math.sqrt(max(variance, 0.0)) / abs(log_z)
