"""How far the exact gradient is from the rank-one matrix of the theorem (docs/theory.md section 2)."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator, svds

from rmt_spikes.simulation.network.sampling import Array

TOLERANCE = 1e-4


def rank_one_error(gradient: Array, coefficient: float, readout: Array, beta: Array) -> float:
    """Relative operator norm of the gradient minus ``c_1 a beta^T``.

    Parameters
    ----------
    gradient : ndarray of shape (width, d)
        The exact `G`; it is not copied.
    coefficient : float
        ``c_1`` of the activation.
    readout : ndarray of shape (width,)
        Second layer `a`.
    beta : ndarray of shape (d,)
        ``X^T r / n``.

    Returns
    -------
    float
        ``||G - c_1 a beta^T|| / ||c_1 a beta^T||`` in operator norm, to a relative 1e-4.
    """
    column = coefficient * readout

    def forward(x: Array) -> Array:
        x = np.ravel(x)
        return np.asarray(gradient @ x - column * (beta @ x))

    def backward(x: Array) -> Array:
        x = np.ravel(x)
        return np.asarray(gradient.T @ x - beta * (column @ x))

    operator = LinearOperator(gradient.shape, matvec=forward, rmatvec=backward, dtype=np.float64)
    if min(gradient.shape) < 3:
        norm = float(np.linalg.norm(gradient - np.outer(column, beta), 2))
    else:
        # A fixed start makes the result reproducible; ARPACK draws a random one otherwise.
        start = np.ones(min(gradient.shape))
        norm = float(svds(operator, k=1, tol=TOLERANCE, v0=start, return_singular_vectors=False)[0])
    return norm / float(np.linalg.norm(column) * np.linalg.norm(beta))
