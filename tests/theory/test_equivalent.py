"""The bulk of the untrained features: against matrices, exact laws and published equations."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad

from rmt_spikes.theory.bulk.distribution import Bulk, singular_value_bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent

proportions = st.floats(0.1, 10.0)
variances = st.floats(0.05, 3.0)


def marchenko_pastur_trace(gamma, linear, offset):
    """``(1/N) tr (linear W W^T + offset)^{-1}`` by integrating the Marchenko-Pastur density."""
    low, high = (1 - np.sqrt(gamma)) ** 2, (1 + np.sqrt(gamma)) ** 2

    def integrand(t):
        x = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(t)
        root = 0.5 * (high - low) * np.sin(t)
        return root * root / (2 * np.pi * gamma * x) / (linear * x + offset)

    value = quad(integrand, 0, np.pi, epsabs=1e-13, epsrel=1e-12)[0]
    return value + max(0.0, 1 - 1 / gamma) / offset


@given(gamma=proportions, linear=variances, tail=variances, kappa=st.floats(1e-3, 10.0))
def test_population_trace_is_the_marchenko_pastur_integral(gamma, linear, tail, kappa):
    assume(abs(gamma - 1) > 1e-2)  # the reference integral is singular there
    g = BulkEquivalent(linear, tail, gamma, 1.0).trace(kappa)
    exact = marchenko_pastur_trace(gamma, linear, tail + kappa)
    assert g == pytest.approx(exact, rel=1e-8)  # quad's accuracy


@given(phi=proportions, psi=proportions, linear=variances, tail=variances, ridge=st.floats(1e-3, 1.0))
def test_published_fixed_point_equations(phi, psi, linear, tail, ridge):
    """MLHD's equations hold for ``m_1 = (phi/psi)/kappa``, ``m_2 = mu m_1`` (``n_ridge = n``)."""
    point = BulkEquivalent(linear, tail, 1 / psi, phi / psi).at_ridge(ridge)
    m_1 = phi / psi / point.kappa
    m_2 = point.mu * m_1
    last = linear * m_1 * m_2 * (ridge * psi * m_1 / phi - 1)
    size = linear * m_1 * m_2 * (1 + ridge * psi * m_1 / phi)
    first = phi * (m_1 - m_2) * (tail * m_1 + linear * m_2) + last
    second = phi / psi * (linear * m_1 * m_2 + phi * (m_2 - m_1)) + last
    assert abs(first) < 1e-9 * size  # rounding: the terms cancel to about kappa
    assert abs(second) < 1e-9 * (size + phi**2 / psi * m_1)
    wrong = phi / psi * (linear * m_1 * m_2 + psi * (m_2 - m_1)) + last  # phi and psi exchanged
    if abs(phi - psi) > 0.1 * phi:
        assert abs(wrong) > 1e-6 * size


def test_orthogonal_limit_is_marchenko_pastur():
    """With ``d >> N`` the rows are orthogonal, the population is flat and the bulk is Marchenko-Pastur."""
    ratio = 0.4
    bulk = singular_value_bulk(BulkEquivalent(0.7, 0.3, 1e-9, ratio))
    low, high = 1 - np.sqrt(ratio), 1 + np.sqrt(ratio)
    # Relative size of gamma: 1e-9, square root.
    assert bulk.edges == pytest.approx(np.array([[low, high]]), abs=1e-6)
    x = np.linspace(low + 0.01, high - 0.01, 50)
    exact = np.sqrt((x**2 - low**2) * (high**2 - x**2)) / (np.pi * ratio * x)
    assert bulk.density(x) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("ratio", [0.1, 0.9, 4.0])
def test_amplitude_at_the_edge_of_marchenko_pastur(ratio):
    """Without a linear part the density of ``x`` is ``sqrt((x^2 - low^2) (high^2 - x^2)) / (pi r x)``."""
    low, high = abs(1 - np.sqrt(ratio)), 1 + np.sqrt(ratio)
    exact = np.sqrt((high**2 - low**2) * 2 * high) / (np.pi * ratio * high)
    # Singular values of a tail of variance 4 are twice as large, and A has their power -3/2.
    for size in (1.0, 2.0):
        amplitude = BulkEquivalent(0.0, size**2, 0.7, ratio).edge_amplitude
        assert amplitude == pytest.approx(exact / size**1.5, rel=1e-12)


@given(gamma=proportions, ratio=proportions, linear=variances, tail=variances)
def test_amplitude_at_the_edge_is_that_of_the_density(gamma, ratio, linear, tail):
    equivalent = BulkEquivalent(linear, tail, gamma, ratio)
    bulk = singular_value_bulk(equivalent)
    low, edge = bulk.edges[-1]
    # Densities over roots are linear in the distance next to the edge: the limit is extrapolated.
    distance = 1e-5 * (edge - low) * np.array([1.0, 2.0])
    near, far = bulk.density(edge - distance) / np.sqrt(distance)
    assert equivalent.edge_amplitude == pytest.approx(2 * near - far, rel=1e-5)
    assert equivalent.edge_amplitude != pytest.approx(1.01 * near, rel=1e-3)


@pytest.mark.parametrize(("gamma", "ratio"), [(2.6033, 0.30274), (6.7075, 2.3622)])
def test_density_next_to_a_cusp(gamma, ratio):
    """Two parts of the bulk that nearly part: few terms of the series give its mass."""
    bulk = singular_value_bulk(BulkEquivalent(1.0, 0.5, gamma, ratio))
    assert bulk.edges.shape == (1, 2)
    (joint,) = bulk.joints
    around = bulk.density(joint * np.array([0.9, 1.0, 1.1]))
    assert around[1] < 0.8 * min(around[0], around[2])
    assert bulk.mass == pytest.approx(1.0, abs=1e-11)
    assert sum(series.size for series in bulk._series) < 300
    # The other way round: without the cut 4096 terms are not enough, or just are.
    assert replace(bulk, joints=())._series[0].size > 2000
    below = quad(bulk.density, bulk.edges[0, 0], joint, epsabs=1e-10, limit=200)[0]
    assert bulk.cdf(joint) - bulk.atom_at_zero == pytest.approx(below, abs=1e-8)


def test_square_linear_product_is_fuss_catalan():
    """``n = d = N``, linear activation: squared singular values follow the Fuss-Catalan law, edge 27/4."""
    bulk = singular_value_bulk(BulkEquivalent(1.0, 0.0, 1.0, 1.0))
    assert bulk.edges[0, 0] == 0.0
    assert bulk.edges[0, 1] ** 2 == pytest.approx(27 / 4, rel=1e-10)
    assert bulk.mass == pytest.approx(1.0, abs=1e-6)  # density x^(-1/3) at zero slows the series
    x = np.linspace(0, bulk.edges[0, 1], 20001)[1:]
    second = np.trapezoid(bulk.density(x) * x**2, x)
    assert second == pytest.approx(1.0, rel=1e-3)  # E x^2 = 1; trapezoid at the singular end


def test_distribution_function_ends_at_one():
    """A bulk whose mass is off by less than the certificate allows; NaN is passed on, not called empty."""

    def density(x):
        return (1 + 5e-6) * 8 / np.pi * np.sqrt((x - 1) * (2 - x))

    bulk = Bulk(edges=np.array([[1.0, 2.0]]), atom_at_zero=0.0, density_inside=density)
    assert bulk.mass == pytest.approx(1 + 5e-6, abs=1e-9)  # the semicircle is smooth in the angle
    assert bulk.cdf([0.5, 2.0, 3.0]).tolist() == [0.0, 1.0, 1.0]
    assert bulk.cdf(1.5) == pytest.approx(0.5, abs=1e-5)
    assert np.isnan([bulk.density(np.nan), bulk.cdf(np.nan)]).all()
    assert np.isnan(bulk.density([0.0, np.nan, 1.5])).tolist() == [False, True, False]


@pytest.mark.parametrize(("n_ridge", "width", "d"), [(900, 600, 450), (400, 800, 300), (600, 600, 300)])
def test_bulk_is_that_of_matrices(n_ridge, width, d):
    """Distribution function against one Gaussian matrix; rigidity makes the distance of order ``1/N``."""
    rng = np.random.default_rng(11)
    w = rng.standard_normal((width, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    features = 0.5 * rng.standard_normal((n_ridge, d)) @ w.T + 0.3 * rng.standard_normal((n_ridge, width))
    values = np.zeros(width)
    values[: min(n_ridge, width)] = np.linalg.svd(features / np.sqrt(n_ridge), compute_uv=False)
    values.sort()

    def distance(tail):
        bulk = singular_value_bulk(BulkEquivalent(0.25, tail, width / d, width / n_ridge))
        empirical = (np.arange(width) + 0.5) / width
        return np.max(np.abs(bulk.cdf(values) - empirical)[values > 1e-9])

    assert distance(0.09) < 6 / width  # measured: 0.8 to 2.6
    assert distance(1.1 * 0.09) > 6 / width


@given(gamma=proportions, ratio=proportions, linear=variances, tail=variances)
def test_mass_quantiles_and_positivity(gamma, ratio, linear, tail):
    bulk = singular_value_bulk(BulkEquivalent(linear, tail, gamma, ratio))
    # The series stops when the mass stays to 1e-10, or at 1024 terms: measured 1e-7 next to a hard edge.
    assert bulk.mass == pytest.approx(1.0, abs=1e-6)
    p = np.linspace(0.01, 0.99, 23)
    x = bulk.quantile(p)
    above = p > bulk.atom_at_zero + 1e-6
    assert np.all(x[~above & (p < bulk.atom_at_zero)] == 0.0)
    assert bulk.cdf(x[above]) == pytest.approx(p[above], abs=1e-6)
    assert np.all(bulk.density(x[above]) > 0.0)
    assert np.all(np.diff(bulk.edges.ravel()) > 0)


def test_two_intervals_are_found():
    """Many neurons a dimension and many samples a neuron: the null space of ``W_0`` makes its own bulk."""
    bulk = singular_value_bulk(BulkEquivalent(1.0, 0.05, 3.0, 0.01))
    assert bulk.edges.shape == (2, 2)
    # Two thirds of the directions are orthogonal to the d = N / 3 inputs.
    assert bulk.masses == pytest.approx([2 / 3, 1 / 3], abs=1e-8)


@given(gamma=proportions, ratio=proportions, linear=variances, tail=variances, ridge=st.floats(1e-6, 1e3))
def test_derivatives_are_exact(gamma, ratio, linear, tail, ridge):
    """Analytic slopes against central differences of the same scalar functions."""
    equivalent = BulkEquivalent(linear, tail, gamma, ratio)
    point = equivalent.at_ridge(ridge)
    h = 1e-4 * point.kappa
    up, down = (equivalent.point(k, equivalent.trace(k)) for k in (point.kappa + h, point.kappa - h))
    for name in ("g", "mu", "ridge"):
        slope = (getattr(up, name) - getattr(down, name)) / (2 * h)
        exact = getattr(point, f"{name}_slope")
        rounding = 1e-11 * abs(getattr(point, name)) / point.kappa
        assert exact == pytest.approx(slope, rel=1e-5, abs=rounding + 1e-12)  # h^2 and cancellation


@pytest.mark.parametrize("power", [1 / 3, 1.0])
def test_a_cusp_inside_the_support_is_a_joint(power):
    """The density ``|x - 1.1|^power sqrt((x - 0.5) (1.5 - x))``, against adaptive quadrature.

    Without the joint its series takes more than eight times as many nodes.
    """
    low, cusp, high = 0.5, 1.1, 1.5

    def density(x):
        return np.abs(x - cusp) ** power * np.sqrt((x - low) * (high - x))

    expected = quad(density, low, high, points=[cusp], epsabs=1e-12)[0]
    middle = quad(density, low, 1.3, points=[cusp], epsabs=1e-12)[0]
    options = {"edges": np.array([[low, high]]), "atom_at_zero": 0.0, "density_inside": density}
    bulk = Bulk(**options, direct=False, joints=(cusp,))
    assert bulk.mass == pytest.approx(expected, abs=1e-6)
    assert bulk.masses.shape == (1,)
    assert float(bulk.cdf(1.3)) == pytest.approx(middle, abs=1e-6)
    assert bulk.quantile(middle) == pytest.approx(1.3, abs=1e-5)
    x = np.array([0.6, 1.0, cusp, 1.2, 1.45])
    np.testing.assert_allclose(bulk.density(x), density(x), atol=1e-4)
    without = Bulk(**options, direct=False)
    assert without.mass == pytest.approx(expected, abs=1e-5)
    nodes, all_nodes = (max(series.size for series in each._series) for each in (bulk, without))
    assert power == 1.0 or nodes < all_nodes / 8


def test_the_quantile_at_a_gap_is_the_end_of_the_band_below():
    """A quarter of the mass in a semicircle on ``[1, 2]``, the rest in one on ``[3, 5]``, to rounding.

    The smallest point whose distribution function reaches a quarter is 2, whichever way masses are rounded.
    """

    def density(error, x):
        below, above = (x - 1.0) * (2.0 - x), (x - 3.0) * (5.0 - x)
        lower = (0.25 + error) * 8.0 / np.pi * np.sqrt(np.maximum(below, 0.0))
        return lower + 0.75 * 2.0 / np.pi * np.sqrt(np.maximum(above, 0.0))

    for error in (-1e-9, 0.0, 1e-9):
        edges = np.array([[1.0, 2.0], [3.0, 5.0]])
        inside = partial(density, error)
        bulk = Bulk(edges=edges, atom_at_zero=0.0, density_inside=inside, direct=False)
        assert bulk.mass == pytest.approx(1.0 + error, abs=1e-12)
        # The last 1e-9 of the mass are within the power 2/3 of that of the end.
        assert float(bulk.quantile(0.25)) == pytest.approx(2.0, abs=3e-6)
