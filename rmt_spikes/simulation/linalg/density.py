"""Density of the singular values of a large feature matrix by block stochastic Lanczos quadrature.

For a probe `v` uniform on the sphere, ``v^T g(G) v`` has the mean ``tr g(G) / size``, and Lanczos iterations
from `v` are a Gauss quadrature of it. Several probes share one Krylov space: the Gram matrix is read once for
all of them.
"""

from collections.abc import Callable

import numpy as np

from rmt_spikes.simulation.network.sampling import Array, blocks

PROBES = 8
"""Probes of a block: their products with the Gram matrix are one product of matrices."""

BLOCKS = 4
"""Independent blocks, which with `PROBES` leave an error of some per cent of the density."""

STEPS = 100
"""Steps of the iteration. `RESOLUTION` goes with them."""

RESOLUTION = 3.0
"""Standard deviation of the smoothing, in units of the bulk's width over `STEPS`."""

PROBE_KEY = 1000
"""Tells the stream of the probes from those of the trial."""


def gram_density(gram: Array, width: int, stream: tuple[int, int]) -> Array:
    """Estimate the density of `width` singular values from the lower triangle of a Gram matrix.

    The upper triangle is filled in: a product with a full matrix is faster. `stream` is the seed and the
    number of the trial, for the probes; the result is that of `estimate_density`.
    """
    for rows in blocks(len(gram), 256):
        gram[: rows.start, rows] = gram[rows, : rows.start].T
        gram[rows, rows] += np.tril(gram[rows, rows], -1).T
    return estimate_density(lambda block: gram @ block, len(gram), width, probe_stream(*stream))


def probe_stream(seed: int, index: int) -> np.random.Generator:
    """Open the stream of the probes of a trial, apart from the streams of `open_streams`."""
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(index, PROBE_KEY)))


def estimate_density(
    multiply: Callable[[Array], Array], size: int, width: int, stream: np.random.Generator
) -> Array:
    """Estimate the smoothed density of the square roots of the eigenvalues.

    `multiply` maps an array of shape (size, probes) to its product with the Gram matrix, and `stream` draws
    the probes. There are `width` singular values, zeros included: the density of the others has the mass
    ``size / width``.

    Returns
    -------
    ndarray of shape (points, 3)
        Singular value, density there convolved with a Gaussian whose standard deviation is twice the spacing
        of the points, and its error: the standard error over the probes and the change when the last tenth of
        the steps is left out, added in quadrature.
    """
    probes = min(PROBES, size)
    steps = max(1, min(STEPS, size // probes))
    fine, coarse = [], []
    for _ in range(BLOCKS):
        start = stream.standard_normal((size, probes))
        start /= np.linalg.norm(start, axis=0)
        first, diagonal, off_diagonal = block_lanczos(multiply, start, steps)
        fine.append(quadrature(first, diagonal, off_diagonal))
        fewer = max(1, len(diagonal) - max(1, steps // 10))
        coarse.append(quadrature(first, diagonal[:fewer], off_diagonal[: fewer - 1]))
    # The bulk ends where a handful of values is left beyond.
    nodes = np.concatenate([node for node, _ in fine])
    masses = np.concatenate([weight.mean(axis=0) for _, weight in fine]) * size / BLOCKS
    descending = np.argsort(nodes)[::-1]
    beyond = int(np.searchsorted(np.cumsum(masses[descending]), min(6.0, size / 2)))
    end = float(nodes[descending][min(beyond, nodes.size - 1)])
    smoothing = RESOLUTION * end / steps
    points = np.arange(0.0, end + 4.0 * smoothing, smoothing / 2)
    values = np.concatenate([_smoothed(points, *each, smoothing) for each in fine])
    change = values.mean(axis=0) - np.concatenate(
        [_smoothed(points, *each, smoothing) for each in coarse]
    ).mean(axis=0)
    error = np.hypot(values.std(axis=0, ddof=1) / len(values) ** 0.5, change)
    return np.stack([points, values.mean(axis=0) * size / width, error * size / width], axis=1)


def block_lanczos(
    multiply: Callable[[Array], Array], start: Array, steps: int
) -> tuple[Array, list[Array], list[Array]]:
    """Reduce a symmetric matrix to block tridiagonal form, every block orthogonalised against all others.

    `multiply` is that of `estimate_density`; `start`, of shape (size, probes), is the first block, of full
    rank, and at most ``size // probes`` steps are possible. The result is the ``R`` of ``start = Q R``, and
    the blocks on and below the diagonal; fewer than `steps` when an invariant space was found.
    """
    size, probes = start.shape
    basis = np.empty((size, steps * probes), order="F")
    block, first = np.linalg.qr(start)
    diagonal: list[Array] = []
    off_diagonal: list[Array] = []
    for step in range(steps):
        basis[:, step * probes : (step + 1) * probes] = block
        product = np.array(multiply(np.asfortranarray(block)), order="F")
        diagonal.append(block.T @ product)
        known = basis[:, : (step + 1) * probes]
        # Twice is enough: what rounding leaves after the first time is removed by the second.
        for _ in range(2):
            product -= known @ (known.T @ product)
        if step + 1 == steps:
            break
        block, following = np.linalg.qr(product)
        scale = max(float(np.abs(part).max()) for part in diagonal)
        if np.abs(np.diag(following)).min() <= 1e-12 * scale:
            break
        off_diagonal.append(following)
    return first, diagonal, off_diagonal


def quadrature(first: Array, diagonal: list[Array], off_diagonal: list[Array]) -> tuple[Array, Array]:
    """Turn a block tridiagonal matrix into nodes, the singular values, and the weights of each probe.

    `first` expands the probes in the first block. Weights have the shape (probes, nodes); each row adds up to
    the squared norm of its probe.
    """
    probes = len(first)
    matrix = np.zeros((len(diagonal) * probes,) * 2)
    for k, part in enumerate(diagonal):
        here = slice(k * probes, (k + 1) * probes)
        matrix[here, here] = (part + part.T) / 2
        if k + 1 < len(diagonal):
            below = slice((k + 1) * probes, (k + 2) * probes)
            matrix[below, here] = off_diagonal[k]
            matrix[here, below] = off_diagonal[k].T
    values, vectors = np.linalg.eigh(matrix)
    return np.sqrt(np.maximum(values, 0.0)), (first.T @ vectors[:probes]) ** 2


def _smoothed(points: Array, nodes: Array, weights: Array, smoothing: float) -> Array:
    kernel = np.exp(-(((points - nodes[:, None]) / smoothing) ** 2) / 2)
    result: Array = weights @ kernel / (smoothing * (2 * np.pi) ** 0.5)
    return result
