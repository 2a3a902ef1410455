import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from function_reference import DIGITS, REFERENCE, gaussian_nodes, slope
from numpy.polynomial import hermite_e

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.functions.hermite import GaussianMoments, expand, gaussian_moments, normalized_hermite
from rmt_spikes.functions.scalar import NamedFunction, ScalarFunction, function_from
from rmt_spikes.functions.table import NAMES

ORDERS = [*range(9), 15, 24, 33, 48, 63, 64]
HALF_POWER = 2**0.25 * math.gamma(0.75) / math.sqrt(math.pi)


def make(spec: str | Mapping[str, Any]) -> ScalarFunction:
    return function_from(spec, "activation")


def formula(text: str) -> ScalarFunction:
    return make({"expression": text})


@cache
def reference_table() -> tuple[list[tuple[mp.mpf, mp.mpf]], dict[int, list[mp.mpf]]]:
    """Nodes with a panel edge at every integer, the kinks among them, and weight times He_k / k!."""
    with mp.workdps(DIGITS):
        nodes = gaussian_nodes([mp.mpf(k) for k in range(-20, 21)])
        table = {0: [weight for _, weight in nodes], 1: [weight * z for z, weight in nodes]}
        for k in range(1, max(ORDERS)):
            rows = zip(nodes, table[k], table[k - 1], strict=True)
            table[k + 1] = [z * now - k * before for (z, _), now, before in rows]
        return nodes, {k: [value / mp.factorial(k) for value in table[k]] for k in ORDERS}


@pytest.mark.parametrize("name", NAMES)
def test_the_bound_on_the_error_of_a_coefficient_holds(name: str) -> None:
    expansion = expand(make(name))
    nodes, table = reference_table()
    with mp.workdps(DIGITS):
        values = [REFERENCE[name](z) for z, _ in nodes]
        for k in ORDERS:
            exact = mp.fdot(values, table[k])
            # The reference itself is good to 25 digits; c_64 is of size 1e-45.
            slack = mp.mpf(10) ** -25 / mp.sqrt(mp.factorial(k))
            error = abs(mp.mpf(float(expansion.coefficients[k])) - exact)
            assert error <= mp.mpf(float(expansion.error[k])) + slack
            # The bound is of use: rounding, relative to sqrt(E f^2 / k!).
            assert expansion.error[k] <= 4e-15 * expansion.second_moment**0.5 / math.sqrt(math.factorial(k))


@pytest.mark.parametrize("name", NAMES)
def test_moments_of_the_function_and_its_slope(name: str) -> None:
    expansion = expand(make(name))
    nodes, _ = reference_table()
    with mp.workdps(DIGITS):
        second = mp.fsum(weight * REFERENCE[name](z) ** 2 for z, weight in nodes)
        slopes = [slope(name, z) for z, _ in nodes]
        first = mp.fsum(weight * value for (_, weight), value in zip(nodes, slopes, strict=True))
        second_slope = mp.fsum(weight * value**2 for (_, weight), value in zip(nodes, slopes, strict=True))
    # Sums of a few thousand terms in double precision.
    assert expansion.second_moment == pytest.approx(float(second), rel=1e-14)
    assert expansion.derivative_mean == pytest.approx(float(first), rel=1e-14, abs=1e-15)
    assert expansion.derivative_second_moment == pytest.approx(float(second_slope), rel=1e-14, abs=1e-15)


def without_closed_form(function: ScalarFunction) -> ScalarFunction:
    """The same function, of which only values are known."""

    class Plain(NamedFunction):
        def hermite_exact(self, order: int) -> None:
            return None

        def moments_exact(self, mean: Any, scale: Any) -> None:
            return None

    return Plain(function.name, function.kinks)


@pytest.mark.parametrize("name", [name for name in NAMES if make(name).hermite_exact(0) is not None])
def test_quadrature_reproduces_the_closed_forms_within_its_bound(name: str) -> None:
    exact = expand(make(name))
    numeric = expand(without_closed_form(make(name)))
    assert np.all(np.abs(numeric.coefficients - exact.coefficients) <= numeric.error + exact.error)
    assert np.any(numeric.coefficients != exact.coefficients) or name == "identity"


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("tanh(50*z)**2", None),
        ("exp(-(1000*(z - 1))**2)", math.exp(-1e6 / (1 + 2e6)) / math.sqrt(1 + 2e6)),
        ("exp(-50*(z + 2)**2)", math.exp(-200 / 101) / math.sqrt(101)),
        ("sqrt(abs(z))", HALF_POWER),
        ("abs(z)**1.5", 2**0.75 * math.gamma(1.25) / math.sqrt(math.pi)),
        ("exp(z**2/5)", 1 / math.sqrt(0.6)),
        ("exp(3*z)", math.exp(4.5)),
        ("heaviside(z - 1)", 0.5 * math.erfc(math.sqrt(0.5))),
        ("max(z, 1)", 0.5 * math.erf(math.sqrt(0.5)) + 0.5 + math.exp(-0.5) / math.sqrt(2 * math.pi)),
        ("sin(30*z)**2", 0.5 * (1 - math.exp(-1800))),
        ("1e-9*z**2", 1e-9),
        ("1e9*cos(z)", 1e9 * math.exp(-0.5)),
        ("0*z", 0.0),
    ],
)
def test_means_of_formulas(text: str, exact: float | None) -> None:
    expansion = expand(formula(text))
    if exact is None:
        with mp.workdps(30):
            points = [mp.mpf(k) / 50 for k in range(-20, 21)] + [mp.mpf(k) for k in range(1, 14)]
            points = sorted({*points, *(-point for point in points)})
            exact = float(mp.quad(lambda z: mp.tanh(50 * z) ** 2 * mp.npdf(z), points))
    # The bound, and the rounding of the expected value itself.
    assert abs(expansion.mean - exact) <= expansion.error[0] + 4e-16 * abs(exact)
    assert expansion.error[0] <= 1e-14 * math.sqrt(expansion.second_moment)


def test_a_hermite_list_is_its_own_expansion() -> None:
    coefficients = [0.25, 1.0, 0.0, -0.5, 0.125]
    expansion = expand(make({"hermite": coefficients}))
    assert np.array_equal(expansion.coefficients[:6], [*coefficients, 0.0])
    energy = sum(math.factorial(k) * c * c for k, c in enumerate(coefficients))
    slope = sum(k * math.factorial(k) * c * c for k, c in enumerate(coefficients))
    assert expansion.second_moment == pytest.approx(energy, rel=1e-14)
    assert expansion.derivative_second_moment == pytest.approx(slope, rel=1e-14)
    assert expansion.tail == pytest.approx(energy - 0.0625 - 1, rel=1e-14)
    line = expand(make({"hermite": [2.0, 3.0]}))
    assert (line.tail, line.derivative_variance) == (0.0, 0.0)


def test_relu_in_numbers() -> None:
    relu = expand(make("relu"))
    assert (relu.mean, relu.linear) == (1 / math.sqrt(2 * math.pi), 0.5)
    assert relu.tail == pytest.approx(0.25 - 0.5 / math.pi, rel=1e-14)
    assert relu.derivative_variance == pytest.approx(0.25, rel=1e-14)


@pytest.mark.parametrize(
    "spec", [*NAMES, {"expression": "softplus(z) + z**2"}, {"hermite": [3.0, 1.0]}], ids=str
)
def test_a_centred_function_has_mean_zero_exactly(spec: str | Mapping[str, Any]) -> None:
    function = make(spec)
    before, after = expand(function), expand(function.shifted(expand(function).mean))
    assert after.mean == 0.0
    assert np.array_equal(after.coefficients[1:], before.coefficients[1:])
    variance = before.second_moment - before.mean**2
    assert after.second_moment == pytest.approx(variance, abs=1e-13 * before.second_moment)


def test_the_order_decides_how_many() -> None:
    tanh = make("tanh")
    for order in (0, 1, 7):
        expansion = expand(tanh, order)
        assert expansion.coefficients.shape == expansion.error.shape == (order + 1,)
        # Other panels may be halved when other coefficients must settle.
        np.testing.assert_allclose(expansion.coefficients, expand(tanh).coefficients[: order + 1], atol=2e-16)
    for order in (-1, 65):
        with pytest.raises(DomainError, match="order"):
            expand(tanh, order)


def test_what_is_not_square_integrable_is_refused() -> None:
    for text in ("exp(z**2/4)", "exp(0.245*z**2)", "z*exp(z**2/4)", "exp(z**2/3)"):
        with pytest.raises(DomainError, match="square-integrable"):
            expand(formula(text))
    # What is, and does not settle, is another error.
    with pytest.raises(ConvergenceError, match="settle"):
        expand(formula("sin(1e5*z)"))


def test_what_grows_slowly_enough_is_accepted() -> None:
    for text in ("exp(0.23*z**2)", "exp(z**2/5)*z", "z**20", "exp(9*z)"):
        assert math.isfinite(expand(formula(text)).second_moment)


def test_an_unbounded_slope_is_infinite_in_the_mean_square() -> None:
    expansion = expand(formula("sqrt(abs(z))"))
    assert expansion.derivative_second_moment == math.inf
    assert expansion.second_moment == pytest.approx(math.sqrt(2 / math.pi), rel=1e-14)


def test_wrong_coefficients_violate_parseval() -> None:
    class Wrong(NamedFunction):
        def hermite_exact(self, order: int) -> Any:
            return 1.001 * np.eye(order + 1)[1]

    with pytest.raises(ConvergenceError, match="Parseval"):
        expand(Wrong("identity", ()))


def test_normalized_hermite_is_orthonormal() -> None:
    nodes, weights = hermite_e.hermegauss(40)
    table = normalized_hermite(30, nodes)
    # Exact for degree 79; the weights of numpy are good to about 1e-13.
    gram = (table * weights / math.sqrt(2 * math.pi)) @ table.T
    np.testing.assert_allclose(gram, np.eye(31), atol=2e-12)


@pytest.mark.parametrize("x", [0.5, [1.0, -2.0], [[0.0], [3.0]]])
def test_normalized_hermite_is_that_of_numpy(x: Any) -> None:
    table = normalized_hermite(12, x)
    assert table.shape == (13, *np.shape(x))
    for k in range(13):
        expected = hermite_e.hermeval(np.asarray(x), np.eye(13)[k]) / math.sqrt(math.factorial(k))
        # Rounding of the recurrence, relative to the largest values of the table.
        np.testing.assert_allclose(table[k], expected, rtol=1e-12, atol=1e-13)


MEANS_AND_SCALES = [(-10.0, 3.1), (-3.3, 0.3), (0.0, 1.0), (1.7, 1.3), (0.4, 10.0), (10.0, 0.05)]


@cache
def reference_nodes(mean: float, scale: float) -> list[tuple[mp.mpf, mp.mpf]]:
    with mp.workdps(DIGITS):
        fixed = [mp.mpf(k) for k in (-16, -12, -9, -6, -4, -2, 0, 2, 4, 6, 9, 12, 16)]
        moving = [
            (mp.mpf(u) - mp.mpf(mean)) / mp.mpf(scale) for u in (-20, -8, -4, -2, -1, 0, 1, 2, 4, 8, 20)
        ]
        return gaussian_nodes(sorted({*fixed, *(z for z in moving if abs(z) < 16)}))


def parts(moments: GaussianMoments) -> list[Any]:
    return [moments.first, moments.linear, moments.norm, moments.second]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("mean", "scale"), MEANS_AND_SCALES)
def test_gaussian_moments_are_those_of_mpmath(name: str, mean: float, scale: float) -> None:
    computed = parts(gaussian_moments(make(name), mean, scale))
    with mp.workdps(DIGITS):
        nodes = reference_nodes(mean, scale)
        weighted = [weight * REFERENCE[name](mp.mpf(mean) + mp.mpf(scale) * z) for z, weight in nodes]
        rows = [(w, z, weight) for w, (z, weight) in zip(weighted, nodes, strict=True)]
        exact = [
            mp.fsum(weighted),
            mp.fsum(w * z for w, z, _ in rows),
            mp.fsum(w * (z * z - 1) / 2 for w, z, _ in rows),
            mp.fsum(w * w / weight for w, _, weight in rows),
        ]
        root = mp.sqrt(exact[3])
    # Measured worst cases: 2e-14 relative (6e-15 for linear moments). relu at -3.3, 0.3 lives beyond 11
    # standard deviations, where its closed form of E f^2 keeps 10 of 16 digits of a number of size 3e-31.
    loose = 1e-10 if (name, mean) == ("relu", -3.3) else 1e-13
    for value, expected, size in zip(computed, exact, [root, root, root, exact[3]], strict=True):
        assert abs(mp.mpf(float(value)) - expected) <= loose * size


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs", "identity"])
def test_quadrature_reproduces_the_closed_moments(name: str) -> None:
    mean, scale = np.linspace(-6, 6, 13)[:, None], np.array([0.3, 1.0, 2.0, 8.0])
    function = make(name)
    numeric = gaussian_moments(without_closed_form(function), mean, scale)
    exact = gaussian_moments(function, mean, scale)
    size = np.sqrt(mean**2 + scale**2)
    for got, expected, power in zip(parts(numeric), parts(exact), (1, 1, 1, 2), strict=True):
        np.testing.assert_array_less(np.abs(got - expected), 1e-14 * size**power)


@pytest.mark.parametrize("name", ["relu", "tanh", "sign", "abs"])
def test_shifted_moments(name: str) -> None:
    mean, scale = np.array([-1.0, 0.3, 2.0]), np.array([0.5, 1.0, 3.0])
    plain = gaussian_moments(make(name), mean, scale)
    shifted = gaussian_moments(make(name).shifted(0.75), mean, scale)
    expected = [plain.first - 0.75, plain.linear, plain.norm]
    np.testing.assert_allclose(parts(shifted)[:3], expected, atol=1e-14)
    np.testing.assert_allclose(shifted.second, plain.second - 1.5 * plain.first + 0.5625, atol=1e-13)


def test_moments_at_unit_scale_are_hermite_coefficients() -> None:
    for name in NAMES:
        moments, expansion = gaussian_moments(make(name), 0.0, 1.0), expand(make(name))
        expected = [*expansion.coefficients[:3], expansion.second_moment]
        np.testing.assert_allclose(parts(moments), expected, rtol=1e-13, atol=1e-15)
        assert moments.residual == pytest.approx(expansion.tail + 0.0, abs=1e-14)


MEAN, SCALE = np.linspace(-4, 4, 9)[:, None], np.array([0.05, 0.7, 1.0, 3.0])


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("exp(z/2)", lambda m, s: np.exp(m / 2 + s * s / 8), lambda m, s: np.exp(m + s * s / 2)),
        ("exp(-z**2)", lambda m, s: gauss(1.0, m, s), lambda m, s: gauss(2.0, m, s)),
        ("exp(-400*z**2)", lambda m, s: gauss(400.0, m, s), lambda m, s: gauss(800.0, m, s)),
        ("exp(-1e8*z**2)", lambda m, s: gauss(1e8, m, s), lambda m, s: gauss(2e8, m, s)),
        ("z**3", lambda m, s: m**3 + 3 * m * s * s, lambda m, s: sixth(m, s)),
        ("cos(60*z)", lambda m, s: wave(60, m, s), lambda m, s: (1 + wave(120, m, s)) / 2),
        ("cos(20*z)", lambda m, s: wave(20, m, s), lambda m, s: (1 + wave(40, m, s)) / 2),
        ("sin(20*z)", lambda m, s: wave(20, m, s, np.sin), lambda m, s: (1 - wave(40, m, s)) / 2),
    ],
)
def test_moments_with_closed_forms(text: str, first: Callable, second: Callable) -> None:
    moments = gaussian_moments(formula(text), MEAN, SCALE)
    exact = second(MEAN, SCALE)
    # Rounding of u = mean + scale Z, 9e-16 at 4, over the width 1e-4 of the narrowest feature; and what is
    # farther than 10 standard deviations does not count.
    assert np.all(np.abs(moments.first - first(MEAN, SCALE)) <= 1e-11 * np.sqrt(exact) + 1e-17)
    assert np.all(np.abs(moments.second - exact) <= 1e-11 * exact + 1e-17)


def gauss(a: float, m: Any, s: Any) -> Any:
    """E exp(-a u^2)."""
    return np.exp(-a * m * m / (1 + 2 * a * s * s)) / np.sqrt(1 + 2 * a * s * s)


def wave(k: float, m: Any, s: Any, function: Callable[[Any], Any] = np.cos) -> Any:
    """E cos(k u), or E sin(k u)."""
    return function(k * m) * np.exp(-k * k * s * s / 2)


def sixth(m: Any, s: Any) -> Any:
    """E u^6."""
    return m**6 + 15 * m**4 * s**2 + 45 * m**2 * s**4 + 15 * s**6


def test_polynomials_of_high_degree() -> None:
    coefficients = np.zeros(21)
    coefficients[20] = 1.0
    mean, scale = np.linspace(-5, 5, 11)[:, None], np.array([0.5, 1.0, 2.0])
    moments = gaussian_moments(make({"hermite": coefficients}), mean, scale)
    nodes, weights = hermite_e.hermegauss(40)
    values = hermite_e.hermeval(mean[..., None] + scale[:, None] * nodes, coefficients)
    weights = weights / math.sqrt(2 * math.pi)
    second = values**2 @ weights
    # Gauss-Hermite is exact for degree 79, with weights good to about 1e-13.
    np.testing.assert_allclose(moments.second, second, rtol=1e-11)
    assert np.all(np.abs(moments.first - values @ weights) <= 1e-11 * np.sqrt(second))


@pytest.mark.parametrize("spec", ["relu", "tanh", "sign", {"expression": "tanh(z) + abs(z)"}], ids=str)
def test_scale_zero_is_a_point(spec: Any) -> None:
    mean = np.array([-20.0, 0.0, 15.0])
    moments = gaussian_moments(make(spec), mean, 0.0)
    value = make(spec)(mean)
    np.testing.assert_allclose(moments.first, value, atol=1e-15)
    np.testing.assert_allclose(moments.second, value**2, rtol=1e-14)
    # Weights sum to 1, and to 0 for the others, up to rounding times the value of f.
    np.testing.assert_allclose([moments.linear, moments.norm], np.zeros((2, 3)), atol=1e-14)


@pytest.mark.parametrize("name", ["relu", "tanh", "elu"])
def test_moments_broadcast(name: str) -> None:
    moments = gaussian_moments(make(name), np.zeros((3, 1, 2)), np.ones((4, 1)))
    assert all(part.shape == (3, 4, 2) for part in parts(moments))
    assert gaussian_moments(make(name), 0.0, 1.0).first.shape == ()
    assert gaussian_moments(make(name), np.zeros((0, 3)), 1.0).second.shape == (0, 3)


@pytest.mark.parametrize("name", ["tanh", "elu"])
def test_moments_do_not_depend_on_their_neighbours(name: str) -> None:
    rng = np.random.default_rng(1)
    mean, scale = rng.uniform(-5, 5, 700), rng.uniform(0.1, 5, 700)
    together = gaussian_moments(make(name), mean, scale)
    for k in (0, 350, 699):
        alone = gaussian_moments(make(name), mean[k], scale[k])
        # The order of the sums may differ, and with it their rounding.
        assert float(alone.second) == pytest.approx(together.second[k], rel=3e-14)
        assert float(alone.first) == pytest.approx(together.first[k], abs=3e-14 * together.second[k] ** 0.5)


@pytest.mark.parametrize(("mean", "scale"), [(0.0, -1.0), (math.nan, 1.0), (0.0, math.inf), (0.0, math.nan)])
def test_arguments_without_meaning_are_refused(mean: float, scale: float) -> None:
    with pytest.raises(DomainError, match="scale"):
        gaussian_moments(make("tanh"), mean, scale)


def test_moments_at_large_scales_do_not_alias() -> None:
    for name in ("cos", "sin"):
        moments = gaussian_moments(make(name), 0.0, np.array([10.0, 15.7, 31.4159265, 62.8, 100.0]))
        np.testing.assert_allclose(moments.first, np.zeros(5), atol=1e-14)
        np.testing.assert_allclose(moments.second, np.full(5, 0.5), rtol=1e-13)


def test_moments_that_do_not_exist_are_refused() -> None:
    function = formula("exp(z**2/5)")
    exact = 1 / math.sqrt(1 - 0.8 * 0.81)
    assert float(gaussian_moments(function, 0.0, 0.9).second) == pytest.approx(exact, rel=1e-12)
    with pytest.raises(ConvergenceError, match=r"scale 1\.2"):
        gaussian_moments(function, 0.0, [0.5, 1.2])


def test_results_are_frozen() -> None:
    expansion = expand(make("tanh"))
    with pytest.raises(ValueError, match="read-only"):
        expansion.coefficients[0] = 1.0
    with pytest.raises(AttributeError):
        expansion.second_moment = 2.0  # type: ignore[misc]
