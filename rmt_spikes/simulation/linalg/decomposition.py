"""Spectrum, top singular vectors and ridge solution of a feature matrix.

Everything is read off one Gram matrix on the smaller side of ``A = F / sqrt(n_ridge)``. Squaring costs
accuracy where it squares the condition number, and when that would show the singular value decomposition of
`A` takes over: `decompose` says when.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import scipy.linalg
from scipy.linalg import blas

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.simulation.linalg.dense import GramSolution, solve_dense
from rmt_spikes.simulation.linalg.iterative import solve_iterative
from rmt_spikes.simulation.network.feature_matrix import FeatureMatrix, gram_matrix
from rmt_spikes.simulation.network.sampling import BLOCK_ROWS, Array
from rmt_spikes.simulation.products import multiply, project

ACCURACY = 1e-7
"""What is promised: singular values to this fraction of their root mean square, singular vectors and ridge
predictions to about this relative accuracy. Trials scatter by 1e-4 and more."""

Spectrum = Literal["full", "top", "density"]


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """What is kept of ``A = F / sqrt(n_ridge)``; `residual` and `method` are those of `Trial`.

    Attributes
    ----------
    singular_values : ndarray of shape (width,)
        Descending; zeros fill up when ``n_ridge < width``. NaN beyond the top ones unless all were computed.
    left, right : ndarray of shape (n_ridge, top) and (width, top)
        Singular vectors of the largest ones, as columns of norm 1.
    coefficients : ndarray of shape (width,)
        Ridge solution ``argmin (1/n_ridge) ||y - F a||^2 + ridge ||a||^2``.
    train : float
        ``||y - F a||^2 / n_ridge``.
    misfits : ndarray of shape (n_ridge,)
        ``y - F a``; without a ridge exactly zero where the rank is ``n_ridge``.
    """

    singular_values: Array
    left: Array
    right: Array
    coefficients: Array
    train: float
    misfits: Array
    residual: float
    method: str


def decompose(
    source: FeatureMatrix,
    ridge: float,
    top: int,
    spectrum: Spectrum = "full",
    on_gram: Callable[[Array], object] | None = None,
) -> Decomposition:
    """Compute the spectrum, the top singular vectors and the ridge solution.

    An eigenvalue of the Gram matrix carries an absolute error of a few rounding units of the largest, `e`;
    so a singular value `s` carries ``e / (2 s)`` (at most ``sqrt(e)``), a top vector whatever its residual
    ``||A^T u - s v||`` shows, and the ridge solution a relative ``e / (s_min^2 + ridge)``. When any of
    the three exceeds `ACCURACY`, a full singular value decomposition of the features (about seven times
    slower) replaces the Gram matrix, if they are held in memory.

    Parameters
    ----------
    source : FeatureMatrix
        Features `F` and labels.
    ridge : float
        Ridge parameter; at 0 the solution of least norm, by the pseudo-inverse.
    top : int
        Number of singular vectors kept, at most ``min(n_ridge, width)``.
    spectrum : {"full", "top", "density"}
        All singular values from a tridiagonal reduction, or the top ones by Lanczos iterations.
    on_gram : callable, optional
        Called with the lower triangle of the Gram matrix, before it is overwritten.

    Raises
    ------
    ConvergenceError
        When LAPACK or an iteration fails, the vectors do not satisfy their defining equations, or a singular
        value decomposition is needed for which there is no memory.
    """
    gram, target = gram_matrix(source)
    if on_gram is not None:
        on_gram(gram)
    # Lanczos needs fewer vectors than the matrix has; for a handful of values there is nothing to save.
    iterate = spectrum != "full" and top < len(target) - 1
    if iterate:
        solution: GramSolution | None = solve_iterative(
            partial(blas.dsymv, 1.0, gram, lower=1), target, ridge, top
        )
    else:
        solution = solve_dense(gram, target, ridge, top)
    del gram
    result = None if solution is None else _complete(source, solution, ridge, top, iterate)
    if result is not None:
        return result
    if not source.decomposable or iterate:
        # Iterations are not replaced by a decomposition, whatever memory there is.
        way = 'ask for spectrum="full"' if iterate else "allow more memory to decompose the features"
        raise ConvergenceError(
            f"the Gram matrix is too ill-conditioned for an accuracy of {ACCURACY:g}: {way}, or "
            "raise the ridge",
            residual=np.inf,
        )
    return _by_svd(source, ridge, top)


def layer_spectrum(weights: Array, top: int) -> tuple[Array, Array]:
    """Compute the singular values of a layer, descending, and the right singular vectors of the largest.

    The shapes are (min(width, d),) and (d, top); `weights` has the shape (width, d).
    """
    width, d = weights.shape
    scaled = weights * np.sqrt(width)
    # No ridge solution is asked for: any ridge of the order of the eigenvalues does.
    result = decompose(FeatureMatrix.held(scaled, np.zeros(width), BLOCK_ROWS), 1.0, min(top, width, d))
    return result.singular_values[: min(width, d)], result.right


def rounding_error(largest_eigenvalue: float, size: int) -> float:
    """Bound the absolute error of an eigenvalue of a Gram matrix formed in double precision.

    Independent roundings add up like the square root of the size. Against singular values of Gaussian
    and spiked matrices of size 50 to 2000, the worst error is 0.47 of this, and 0.07 in the lower half of
    the spectrum, which is the half that decides.
    """
    return 4.0 * float(np.sqrt(size)) * float(np.finfo(float).eps) * largest_eigenvalue


def _complete(
    source: FeatureMatrix, solution: GramSolution, ridge: float, top: int, iterated: bool
) -> Decomposition | None:
    """Turn what the Gram matrix gave into triplets, None when its accuracy does not suffice."""
    eigenvalues, vectors, small = solution
    size = len(small)
    error = rounding_error(float(eigenvalues[0]), size)
    smallest = 0.0 if iterated else max(float(eigenvalues[-1]), 0.0)
    if not error < ACCURACY * (smallest + ridge):
        return None
    allowed = ACCURACY * float(np.sqrt(max(eigenvalues.mean(), 0.0)))
    if not error < 2.0 * allowed * np.sqrt(eigenvalues[top - 1] if iterated else smallest):
        return None
    values = np.sqrt(eigenvalues)
    if source.width <= source.samples:
        right, coefficients = vectors, small
    else:
        both = np.zeros((source.width, top + 1))
        for block in source.blocks():
            scaled = vectors[block.rows] / (np.sqrt(source.samples) * values[:top])
            both += project(block.features, np.column_stack([scaled, small[block.rows]]))
        right, coefficients = both[:, :top], both[:, top]
    rest = np.nan if iterated else 0.0
    values = np.concatenate([values, np.full(source.width - values.size, rest)])
    return _checked(source, values, right, coefficients, ridge, "lanczos" if iterated else "gram")


def _checked(
    source: FeatureMatrix, values: Array, right: Array, coefficients: Array, ridge: float, method: str
) -> Decomposition | None:
    """Compute left vectors and residuals in one pass, None when a residual is too large."""
    top = right.shape[1]
    left = np.empty((source.samples, top))
    back = np.zeros((source.width, top + 1))
    misfits = np.empty(source.samples)
    right_side = np.zeros(source.width)
    columns = np.column_stack([right / (np.sqrt(source.samples) * values[:top]), coefficients])
    for block in source.blocks():
        product = multiply(block.features, columns)
        left[block.rows] = product[:, :top]
        product[:, top] = block.labels - product[:, top]
        misfits[block.rows] = product[:, top]
        back += project(block.features, product)
        right_side += project(block.features, block.labels)
    vectors = back[:, :top] / np.sqrt(source.samples) - right * values[:top]
    normal = back[:, top] / source.samples - ridge * coefficients
    scale = float(np.linalg.norm(right_side)) / source.samples
    residual = max(
        float(np.linalg.norm(vectors, axis=0).max() / values[0]),
        float(np.linalg.norm(normal)) / scale if scale > 0.0 else 0.0,
    )
    if (np.linalg.norm(vectors, axis=0) > ACCURACY * values[:top]).any():
        return None
    if ridge == 0.0 and source.samples <= source.width:
        # An accuracy that suffices means full rank: every sample is fitted.
        misfits[:] = 0.0
    return Decomposition(
        singular_values=values,
        left=left,
        right=right,
        coefficients=coefficients,
        train=float(misfits @ misfits) / source.samples,
        misfits=misfits,
        residual=residual,
        method=method,
    )


def _by_svd(source: FeatureMatrix, ridge: float, top: int) -> Decomposition:
    assert source.matrix is not None
    labels = np.concatenate([block.labels for block in source.blocks()])
    samples, width = source.matrix.shape
    try:
        left, compact, right = scipy.linalg.svd(source.matrix, full_matrices=False, check_finite=False)
    except scipy.linalg.LinAlgError as error:
        raise ConvergenceError(f"singular value decomposition failed: {error}", residual=np.inf) from error
    compact = compact / np.sqrt(samples)
    values = np.zeros(width)
    values[: compact.size] = compact
    factors = _filter(compact, ridge, max(samples, width))
    filtered = factors * (left.T @ labels)
    coefficients = right.T @ filtered / np.sqrt(samples)
    top_left, top_right = left[:, :top].copy(), right[:top].T.copy()
    worst = float(residuals(source.matrix, top_left, compact[:top], top_right).max())
    if not worst <= ACCURACY * compact[0]:
        raise ConvergenceError(
            f"singular vectors leave a residual of {worst:g}", residual=worst, last=compact[:top]
        )
    misfit = labels - source.matrix @ coefficients
    scale = float(np.linalg.norm(source.matrix.T @ labels)) / samples
    gap = float(np.linalg.norm(source.matrix.T @ misfit / samples - ridge * coefficients))
    normal = gap / scale if scale > 0.0 else 0.0
    if ridge == 0.0 and np.count_nonzero(factors) == samples:
        misfit[:] = 0.0
    return Decomposition(
        singular_values=values,
        left=top_left,
        right=top_right,
        coefficients=coefficients,
        train=float(misfit @ misfit) / samples,
        misfits=misfit,
        residual=max(worst / float(compact[0]) if compact[0] > 0.0 else 0.0, normal),
        method="svd",
    )


def _filter(values: Array, ridge: float, size: int) -> Array:
    """Factors ``s / (s^2 + ridge)`` of the ridge solution at singular values, largest first.

    Without a ridge, those within the rounding error of a singular value decomposition, `size` rounding units
    of the largest, count as zero and are left out.
    """
    if ridge > 0.0:
        return np.asarray(values / (values**2 + ridge))
    seen = values > size * float(np.finfo(float).eps) * values[0]
    return np.divide(1.0, values, out=np.zeros_like(values), where=seen)


def residuals(features: Array, left: Array, values: Array, right: Array) -> Array:
    """Return the larger of ``||A v - s u||`` and ``||A^T u - s v||`` for each singular triplet.

    `left`, `values` and `right`, of shapes (n_ridge, top), (top,) and (width, top), are those of
    ``A = F / sqrt(n_ridge)``.
    """
    scale = np.sqrt(len(features))
    forward = np.linalg.norm(features @ right / scale - left * values, axis=0)
    backward = np.linalg.norm(features.T @ left / scale - right * values, axis=0)
    worst: Array = np.maximum(forward, backward)
    return worst
