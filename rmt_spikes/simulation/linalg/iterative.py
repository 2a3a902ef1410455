"""Top eigenvectors and shifted solution of a Gram matrix that can only be multiplied."""

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, cg, eigsh

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.simulation.linalg.dense import GramSolution
from rmt_spikes.simulation.network.sampling import Array

EIGENVALUE_TOLERANCE = 1e-10
"""Residual ``||G v - x v||`` of an eigenvector, in units of its eigenvalue, at which Lanczos stops."""

SOLUTION_TOLERANCE = 1e-11
"""Residual of the shifted system, in units of its right-hand side, at which conjugate gradients stop."""

MOST_PRODUCTS = 20_000
"""Products with the Gram matrix after which an iteration is given up: well-posed settings take about 150."""


def solve_iterative(
    multiply: Callable[[Array], Array], target: Array, ridge: float, top: int
) -> GramSolution:
    """Find the `top` eigenvectors by restarted Lanczos and the ridge solution by conjugate gradients.

    The eigenvectors start conjugate gradients off: what they span is solved for exactly. `multiply` maps a
    vector to its product with the Gram matrix.

    Raises
    ------
    ConvergenceError
        When either iteration needs more than `MOST_PRODUCTS` products.
    """
    size = len(target)
    operator = LinearOperator((size, size), matvec=lambda vector: multiply(vector.ravel()), dtype=np.float64)
    # The same start each time: a trial is a function of its seed.
    start = np.random.default_rng(0).standard_normal(size)
    try:
        values, vectors = eigsh(
            operator, k=top, which="LA", v0=start, tol=EIGENVALUE_TOLERANCE,
            ncv=min(size, max(4 * top, 40)), maxiter=max(1, MOST_PRODUCTS // max(2 * top, 20)),
        )  # fmt: skip
    except ArpackError as error:
        raise ConvergenceError(f"Lanczos iterations failed: {error}", residual=np.inf) from error
    values, vectors = values[::-1], vectors[:, ::-1]
    shifted = LinearOperator(
        (size, size),
        matvec=lambda vector: multiply(vector.ravel()) + ridge * vector.ravel(),
        dtype=np.float64,
    )
    first = vectors @ ((vectors.T @ target) / (values + ridge))
    solution, info = cg(shifted, target, x0=first, rtol=SOLUTION_TOLERANCE, atol=0.0, maxiter=MOST_PRODUCTS)
    if info != 0:
        residual = float(np.linalg.norm(multiply(solution) + ridge * solution - target))
        raise ConvergenceError(
            f"conjugate gradients stopped after {MOST_PRODUCTS} steps", residual=residual, last=solution
        )
    return GramSolution(values, vectors, solution)
