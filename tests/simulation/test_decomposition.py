"""Spectrum, singular vectors and ridge solution, against numpy's dense routines and exact identities."""

from functools import partial

import numpy as np
import pytest

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.simulation.linalg import decomposition
from rmt_spikes.simulation.linalg.decomposition import decompose as decompose_source
from rmt_spikes.simulation.linalg.decomposition import residuals
from rmt_spikes.simulation.network.feature_matrix import FeatureBlock, FeatureMatrix

SHAPES = [(60, 40), (40, 60), (50, 50), (1, 6), (6, 1), (1, 1), (2, 3), (300, 211)]


def decompose(matrix, labels, ridge, top, spectrum="full"):
    """Decompose a matrix that is held, in blocks of seven rows."""
    return decompose_source(FeatureMatrix.held(matrix, labels, 7), ridge, top, spectrum)


def spiked(samples, width, seed=0):
    """Noise plus two rank-one parts."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((samples, width)) / width**0.5
    for size in (6.0, 3.0):
        left, right = rng.standard_normal(samples), rng.standard_normal(width)
        matrix += size * np.outer(left, right / np.linalg.norm(right))
    return matrix, rng.standard_normal(samples)


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_triplets_agree_with_numpy(shape):
    matrix, labels = spiked(*shape)
    top = min(4, *shape)
    result = decompose(matrix, labels, 0.1, top)
    left, values, right = np.linalg.svd(matrix / shape[0] ** 0.5, full_matrices=False)
    assert result.singular_values.shape == (shape[1],)
    # Promised is 1e-7; what is left on these small well-conditioned matrices is rounding.
    np.testing.assert_allclose(result.singular_values[: values.size], values, atol=1e-11)
    assert (result.singular_values[values.size :] == 0.0).all()
    for found, vectors in ((result.left, left.T), (result.right, right)):
        overlap = np.abs(np.einsum("ij,ji->j", found, vectors[:top]))
        np.testing.assert_allclose(overlap, 1.0, atol=1e-11)
    scaled = residuals(matrix, result.left, result.singular_values[:top], result.right)
    assert scaled.max() < 1e-12 * values[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ridge", [1e-4, 0.3, 50.0])
def test_ridge_solution_satisfies_its_identities(shape, ridge):
    matrix, labels = spiked(*shape)
    samples = shape[0]
    solution = decompose(matrix, labels, ridge, 1).coefficients
    # Normal equations; condition numbers up to 1e6 leave ten digits.
    gradient = matrix.T @ (matrix @ solution - labels) / samples + ridge * solution
    np.testing.assert_allclose(gradient, 0.0, atol=1e-10)
    residual = labels - matrix @ solution
    objective = residual @ residual / samples + ridge * solution @ solution
    resolvent = np.linalg.inv(matrix @ matrix.T / samples + ridge * np.eye(samples))
    assert objective == pytest.approx(ridge * labels @ resolvent @ labels / samples, rel=1e-9)
    # Train loss is the second power of the same resolvent.
    train = ridge**2 * labels @ resolvent @ resolvent @ labels / samples
    assert residual @ residual / samples == pytest.approx(train, rel=1e-8)


def test_rank_deficiency_needs_a_singular_value_decomposition():
    """A Gram matrix would report sqrt(rounding) = 1e-8 where the singular value is zero."""
    rng = np.random.default_rng(2)
    matrix, labels = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 20)), np.ones(40)
    result = decompose(matrix, labels, 0.1, 5)
    assert result.method == "svd"
    assert result.singular_values[3:].max() < 1e-14
    np.testing.assert_allclose(result.left.T @ result.left, np.eye(5), atol=1e-12)
    # Without the memory for one, it is refused.
    for source in (streamed, partial(FeatureMatrix.held, block_rows=7, decomposable=False)):
        with pytest.raises(ConvergenceError, match="allow more memory"):
            decompose_source(source(matrix, labels), 0.1, 2)


@pytest.mark.parametrize(
    ("samples", "width", "planted", "ridge", "rtol"),
    [
        (90, 50, [7.0, 3.0, 2.0], 0.1, 1e-12),
        # Squaring the condition number would cost the smallest singular values, and with them the ridge;
        # rounding of the largest: 1e5 * 2.2e-16 * 30, over 1e-4.
        (30, 4, [1e5, 1.0, 1e-2, 1e-4], 1e-8, 1e-5),
    ],
)
def test_planted_vectors_are_found(samples, width, planted, ridge, rtol):
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.standard_normal((k, len(planted))))[0] for k in (samples, width))
    values = np.array(planted)
    result = decompose((left * values * samples**0.5) @ right.T, left.sum(axis=1), ridge, len(planted))
    assert result.method == "svd"
    np.testing.assert_allclose(result.singular_values[: len(planted)], values, rtol=rtol)
    for found, vectors in ((result.left, left), (result.right, right)):
        np.testing.assert_allclose(np.abs(np.diag(found.T @ vectors)), 1.0, atol=1e-12)
    expected = right @ (values / (values**2 + ridge)) / samples**0.5
    np.testing.assert_allclose(result.coefficients, expected, rtol=rtol)


def test_ordinary_matrices_do_not_switch():
    """Otherwise the two tests above would prove nothing."""
    for shape in ((60, 40), (40, 60), (300, 211)):
        assert decompose(*spiked(*shape), 0.1, 2).method == "gram"


def test_zero_features_are_no_error():
    result = decompose(np.zeros((4, 3)), np.ones(4), 0.5, 2)
    assert (result.singular_values == 0.0).all()
    assert (result.coefficients == 0.0).all()


def test_vectors_that_fail_their_equations_are_reported(monkeypatch):
    matrix, labels = spiked(20, 10)
    # Nothing in double precision is this accurate, the singular value decomposition neither.
    monkeypatch.setattr(decomposition, "ACCURACY", 1e-20)
    with pytest.raises(ConvergenceError) as failure:
        decompose(matrix, labels, 0.1, 1)
    assert 0.0 < failure.value.residual < 1e-12


def streamed(matrix, labels):
    """The same features, handed out in copies of three rows that are overwritten afterwards."""

    def draw():
        for start in range(0, len(matrix), 3):
            rows = slice(start, min(start + 3, len(matrix)))
            block = matrix[rows].copy()
            yield FeatureBlock(rows, block, labels[rows])
            block[:] = np.nan

    return FeatureMatrix(*matrix.shape, draw)


def test_streamed_features_give_the_same():
    matrix, labels = spiked(61, 40)
    stored, other = decompose(matrix, labels, 0.1, 4), decompose_source(streamed(matrix, labels), 0.1, 4)
    # Blocks of another length: sums in another order, and rounding of the Gram matrix over gaps above 0.01.
    for name in ("singular_values", "coefficients", "train"):
        np.testing.assert_allclose(getattr(other, name), getattr(stored, name), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(np.abs((stored.left * other.left).sum(axis=0)), 1.0, atol=1e-11)
    np.testing.assert_allclose(np.abs((stored.right * other.right).sum(axis=0)), 1.0, atol=1e-11)


@pytest.mark.parametrize("shape", [(300, 211), (211, 300), (90, 90)])
@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_iterations_agree_with_the_full_decomposition(shape, ridge):
    matrix, labels = spiked(*shape)
    full, some = decompose(matrix, labels, ridge, 4), decompose(matrix, labels, ridge, 4, "top")
    assert some.method == "lanczos"
    assert np.isnan(some.singular_values[4:]).all()
    # Eigenvalues err by the square of the vectors' residual of 1e-10; the solution by 1e-11 times the
    # condition number, at most 3e4.
    np.testing.assert_allclose(some.singular_values[:4], full.singular_values[:4], rtol=1e-10)
    np.testing.assert_allclose(np.abs((some.left * full.left).sum(axis=0)), 1.0, atol=1e-9)
    scale = np.linalg.norm(full.coefficients)
    np.testing.assert_allclose(some.coefficients, full.coefficients, atol=1e-6 * scale)
    assert some.train == pytest.approx(full.train, rel=1e-7)
    # The stated residual is that of the equations, written out.
    scaled = matrix / shape[0] ** 0.5
    gaps = scaled.T @ some.left - some.right * some.singular_values[:4]
    normal = matrix.T @ (labels - matrix @ some.coefficients) / shape[0] - ridge * some.coefficients
    stated = max(
        np.linalg.norm(gaps, axis=0).max() / some.singular_values[0],
        np.linalg.norm(normal) / np.linalg.norm(matrix.T @ labels / shape[0]),
    )
    assert some.residual == pytest.approx(stated, rel=1e-2, abs=1e-15)
    assert some.residual < 1e-9


def test_an_iteration_that_does_not_converge_is_reported(monkeypatch):
    matrix, labels = spiked(300, 211)
    monkeypatch.setattr("rmt_spikes.simulation.linalg.iterative.MOST_PRODUCTS", 3)
    with pytest.raises(ConvergenceError, match="Lanczos"):
        decompose(*spiked(700, 600), 1e-3, 5, "top")
    with pytest.raises(ConvergenceError, match="conjugate gradients") as failure:
        decompose(matrix, labels, 1e-3, 1, "top")
    assert failure.value.residual > 0.0
