"""Growth of rows along pairs of directions, on levels that neurons of all readout weights share.

A trained row has the covariance ``(1 + k a H)^2 + t^2 a^2 G``. Along the eigenvectors of ``H``, of eigenvalue
``h``, it is ``c_a(h) = (1 + k a h)^2 + t^2 a^2 g(h)`` on average, with ``g(h)`` the mean of ``G`` there, and
degree two grows by ``c_a(h) c_a(h')`` along a pair of them (docs/theory.md section 10).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.methods.uniform.pencil.batch import FirstBatch
from rmt_spikes.theory.methods.uniform.pencil.traces import Traces

Array = NDArray[np.float64]

NODES = 3
"""Of ``h``: means of ``c_a``, and of ``c_a c_b`` but for the variance of ``G`` at equal ``h``, are exact."""


def growths(batch: FirstBatch) -> tuple[Array, Array]:
    """Growth of rows along groups of directions, shape ``(n_groups, n_a)``, and the shares of these.

    ``h`` is on the nodes of its Gauss rule, with ``g`` the polynomial that the rule can tell from it.

    Raises
    ------
    ConvergenceError
        If a growth is not positive.
    """
    law, alpha = batch.whole, batch.law.nodes
    mean, scale = float(law.mean(law.r)), math.sqrt(batch.phi * batch.energy)
    if scale == 0.0:
        return np.ones((1, alpha.size)), np.ones(1)
    # Without the blocks of a single H, which are its mean, these are traces of H less its mean.
    r = law.r / scale
    traces = Traces(batch.phi, lambda e: float(law.mean(r**e)) if e > 1 else 0.0, lambda _: 1.0)
    moments = np.array([traces.word((0, ((1, 0),) * j)) for j in range(2 * NODES)])
    mixed = np.array([traces.word((0, (*((1, 0),) * j, (2, 0)))) for j in range(NODES)])
    places = np.add.outer(np.arange(NODES), np.arange(NODES))
    inverse = np.linalg.inv(np.linalg.cholesky(moments[places]))
    nodes, vectors = np.linalg.eigh(inverse @ moments[places + 1] @ inverse.T)
    # Columns are the orthonormal polynomials at a node times the root of its weight, their first element.
    g = scale**2 * (vectors.T @ (inverse @ mixed)) / vectors[0]
    h = mean + scale * nodes
    found = (1.0 + batch.curvature * alpha * h[:, None]) ** 2 + batch.incoherent * alpha**2 * g[:, None]
    if not np.all(found > 0.0):
        raise ConvergenceError("the growth of the rows is not positive", residual=np.inf)
    return found, vectors[0] ** 2


def pair_growths(batch: FirstBatch, share: float) -> tuple[Array, Array]:
    """Relative standard deviations of degree two along pairs of directions, and the shares of the pairs.

    Mean squares are one; `share` is that of the differences between pairs which is kept.
    """
    if share == 0.0:
        return np.ones((1, batch.law.nodes.size)), np.ones(1)
    found, shares = growths(batch)
    found = found / (shares @ found)
    i, j = np.triu_indices(shares.size)
    pairs = 1.0 + share * (found[i] * found[j] - 1.0)
    return np.sqrt(pairs), np.where(i == j, 1.0, 2.0) * shares[i] * shares[j]
