"""Hermite expansions of ``z -> f(t z)`` for the norms `t` of the trained rows.

A row `w` of norm `t` sees a standard Gaussian input as ``w x = t z``. With orthonormal Hermite polynomials
``f(t z) = sum_k b_k(t) h_k(z)``, and Mehler's formula turns expectations of products into power series of
correlations (`rmt_spikes.simulation.test_loss.population`).
"""

from dataclasses import dataclass

import numpy as np

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.hermite import gaussian_moments, normalized_hermite
from rmt_spikes.functions.quadrature import legendre
from rmt_spikes.functions.scalar import NamedFunction, ScalarFunction, ShiftedFunction
from rmt_spikes.simulation.network.sampling import Array

ACCURACY = 1e-13
"""Of the coefficients, in units of ``sqrt(E f(t Z)^2)``."""

ROUNDING = 1e-15
"""Share of an energy below which a difference of nearly equal numbers says nothing."""

_REACHES = (14.0, 20.0, 28.0, 37.0)
"""Ends of the quadrature, tried in turn: at 37 the Gaussian density, 1e-298, is close to underflow."""

_WIDTHS = (0.5, 0.25, 0.125, 0.0625)
"""Widths of its panels, tried in turn until two agree; a panel has 24 nodes."""

_NODES = (9, 17, 33, 65)
"""Chebyshev points of the interpolation over norms: each number reuses the points before it."""


@dataclass(frozen=True)
class RowExpansion:
    """Expansions of ``f(t z)`` at all norms `t` of rows.

    Attributes
    ----------
    norms, second : ndarray of shape (rows,)
        Norms `t` of the rows and ``E f(t Z)^2``.
    coefficients : ndarray of shape (rows, order + 1)
        ``b_k(t)``, in orthonormal Hermite polynomials.
    corner : tuple of float, optional
        ``(m, h, c)`` when ``f(u) = m u + h |u| - c``.
    """

    norms: Array
    coefficients: Array
    second: Array
    corner: tuple[float, float, float] | None

    def tails(self) -> Array:
        """Root of the energy beyond each order, shape (rows, order + 1)."""
        left = self.second[:, None] - np.cumsum(self.coefficients**2, axis=1)
        tails: Array = np.sqrt(np.maximum(left, ROUNDING * self.second[:, None]))
        return tails

    def part(self, rows: slice) -> "RowExpansion":
        """Return the expansions of some of the rows."""
        return RowExpansion(self.norms[rows], self.coefficients[rows], self.second[rows], self.corner)


def corner_of(function: ScalarFunction) -> tuple[float, float, float] | None:
    """Return ``(m, h, c)`` when ``f(u) = m u + h |u| - c``, else None."""
    constant = 0.0
    if isinstance(function, ShiftedFunction):
        constant = function.constant
        function = function.base
    if not isinstance(function, NamedFunction) or function.row.corner is None:
        return None
    left, right = map(float, function.row.corner)
    return (right + left) / 2, (right - left) / 2, constant


def expand_rows(function: ScalarFunction, norms: Array, order: int) -> RowExpansion:
    """Expand a function at each of the positive `norms`, up to the coefficient `order`, to `ACCURACY`.

    The coefficients are analytic in the norm: they are computed by quadrature at Chebyshev points of
    ``log t`` and interpolated; the number of points is doubled until the interpolant is exact at the points
    that it does not use. A function that is linear on both sides of 0 is its own dilation.

    Raises
    ------
    ConvergenceError
        When ``E f(t Z)^2`` is not finite, the quadrature does not settle or the interpolant does not.
    """
    corner = corner_of(function)
    second = gaussian_moments(function, 0.0, norms).second
    if corner is not None:
        unit = _coefficients(function, np.ones(1), order)[0]
        unit[0] += corner[2]
        table = norms[:, None] * unit
        table[:, 0] -= corner[2]
        return RowExpansion(norms, table, second, corner)
    low, high = float(np.log(norms.min())), float(np.log(norms.max()))
    if high - low < 1e-9:
        unit = _coefficients(function, np.exp([(low + high) / 2]), order)
        return RowExpansion(norms, np.repeat(unit, norms.size, axis=0), second, None)
    scale = np.sqrt(second.max())
    points = _extrema(_NODES[0])
    known = _coefficients(function, np.exp((low + high) / 2 + (high - low) / 2 * points), order)
    for count in _NODES[1:]:
        fine = _extrema(count)
        new = _coefficients(function, np.exp((low + high) / 2 + (high - low) / 2 * fine[1::2]), order)
        error = float(np.abs(_interpolate(points, known, fine[1::2]) - new).max()) / float(scale)
        merged = np.empty((count, order + 1))
        merged[::2], merged[1::2] = known, new
        points, known = fine, merged
        if error < ACCURACY**0.5:
            # Doubling the points squares the error of an analytic function.
            at = (2 * np.log(norms) - low - high) / (high - low)
            return RowExpansion(norms, _interpolate(points, known, at), second, None)
    raise ConvergenceError("Hermite coefficients depend too sharply on the norm of a row", residual=error)


def _extrema(count: int) -> Array:
    """Chebyshev points of the second kind; those of ``(count + 1) / 2`` are every other one."""
    return -np.cos(np.pi * np.arange(count) / (count - 1))


def _interpolate(points: Array, values: Array, at: Array) -> Array:
    """Evaluate the polynomial through values at Chebyshev points, in barycentric form."""
    weights = (-1.0) ** np.arange(points.size)
    weights[[0, -1]] /= 2
    gaps = at[:, None] - points
    hit = gaps == 0.0
    gaps[hit] = 1.0
    terms = weights / gaps
    terms[hit.any(axis=1)] = 0.0
    terms[hit] = 1.0
    result: Array = terms @ values / terms.sum(axis=1, keepdims=True)
    return result


def _coefficients(function: ScalarFunction, norms: Array, order: int) -> Array:
    """Compute ``b_k(t)`` by Gauss-Legendre quadrature on panels that are halved until nothing moves."""
    size = np.sqrt(gaussian_moments(function, 0.0, norms).second)
    for reach in _REACHES:
        ends = np.abs([function(reach * norms), function(-reach * norms)]).max(axis=0)
        # The rest of the integrand, a Hermite function, is at most one.
        if np.all(ends * np.exp(-reach * reach / 4) <= 1e-16 * size):
            break
    else:
        raise ConvergenceError("a function of a row grows too fast to be expanded", residual=np.inf)
    before = None
    for width in _WIDTHS:
        now = np.stack([_integrate(function, float(t), order, reach, width) for t in norms])
        if before is not None and np.abs(now - before).max() <= ACCURACY * size.max():
            return now
        before = now
    raise ConvergenceError("Hermite coefficients of a row need too many nodes", residual=np.inf)


def _integrate(function: ScalarFunction, norm: float, order: int, reach: float, width: float) -> Array:
    edges = np.linspace(-reach, reach, 2 * round(reach / width) + 1)
    inner = np.array([split / norm for split in function.splits])
    edges = np.unique(np.concatenate([edges, inner[np.abs(inner) < reach]]))
    nodes, weights = legendre(24)
    half = np.diff(edges)[:, None] / 2
    z = ((edges[1:] + edges[:-1])[:, None] / 2 + half * nodes).ravel()
    weight = (half * weights).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    result: Array = normalized_hermite(order, z) @ (weight * function(norm * z))
    return result
