import pickle
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy
from function_reference import BY_FORMULA, REFERENCE, slope
from numpy.polynomial import hermite_e
from refusals import refused

from rmt_spikes.functions.arithmetic import Symbols
from rmt_spikes.functions.hermite import gaussian_moments
from rmt_spikes.functions.scalar import MAX_DEGREE, HermiteSeries, function_from
from rmt_spikes.functions.table import FORMULAS, NAMES

POINTS = np.array([-40.0, -9.5, -3.0, -1.25, -0.3, -1e-6, 1e-6, 0.4, 1.0, 2.75, 8.0, 40.0])
COEFFICIENTS = [0.3, -1.0, 0.5, 0.25]
EXTRA = [{"hermite": COEFFICIENTS}, {"expression": "tanh(z) + z**2/10"}, {"expression": "z"}]


def test_the_reference_knows_every_name() -> None:
    assert set(REFERENCE) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_are_those_of_mpmath(name: str) -> None:
    function = function_from(name, "activation")
    expected = [float(REFERENCE[name](mp.mpf(z))) for z in POINTS]
    # Each value is a few library functions, each accurate to 2 units in the last place or so.
    np.testing.assert_allclose(function(POINTS), expected, rtol=3e-15, atol=1e-300)
    expected = [float(slope(name, mp.mpf(z))) for z in POINTS]
    # 1 - tanh^2 and the sum in silu' lose digits where the slope is small: absolute accuracy there.
    np.testing.assert_allclose(function.derivative(POINTS), expected, rtol=3e-15, atol=3e-16)


@pytest.mark.parametrize("name", NAMES)
def test_symbolic_forms_are_the_same_functions(name: str) -> None:
    symbol = sympy.Symbol("z", real=True)
    expression = function_from(name, "activation").value(symbol, Symbols())
    assert expression.free_symbols == {symbol}
    for z in (-2.5, -0.5, 0.75, 3.0):
        value = expression.subs(symbol, sympy.Rational(z)).evalf(30)
        assert abs(mp.mpf(str(value)) - REFERENCE[name](mp.mpf(z))) < 1e-14


@pytest.mark.parametrize("coefficients", [COEFFICIENTS, [2.0]])
def test_a_hermite_list_is_the_series_of_numpy(coefficients: list[float]) -> None:
    function = function_from({"hermite": coefficients}, "target")
    # Two recurrences for the same cubic at |z| <= 40: rounding of terms up to 4e4.
    np.testing.assert_allclose(function(POINTS), hermite_e.hermeval(POINTS, coefficients), rtol=1e-14)
    slope = hermite_e.hermeval(POINTS, hermite_e.hermeder(coefficients))
    np.testing.assert_allclose(function.derivative(POINTS), slope, rtol=1e-13)


def test_a_hermite_list_is_symbolically_exact() -> None:
    z = sympy.Symbol("z", real=True)
    expression = function_from({"hermite": [0.1, 1, 0, 0.7071]}, "target").value(z, Symbols())
    tenth, linear, cubic = sympy.Rational(1, 10), z, sympy.Rational(7071, 10000) * (z**3 - 3 * z)
    assert sympy.expand(expression - (tenth + linear + cubic)) == 0


@pytest.mark.parametrize("spec", [*NAMES, *EXTRA], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_the_floating_type_and_the_shape_are_kept(spec: object, dtype: type, shape: tuple[int, ...]) -> None:
    function = function_from(spec, "activation").shifted(0.25)  # type: ignore[arg-type]
    z = np.linspace(-1.5, 1.5, int(np.prod(shape))).reshape(shape).astype(dtype)
    for result in (function(z), function.derivative(z)):
        assert result.dtype == dtype
        assert result.shape == shape


@pytest.mark.parametrize("spec", [*NAMES, *EXTRA], ids=str)
def test_integers_become_doubles_and_arguments_are_left_alone(spec: object) -> None:
    function = function_from(spec, "activation")  # type: ignore[arg-type]
    assert function(np.array([-1, 0, 2])).dtype == np.float64
    z = POINTS.copy()
    function(z)[:] = 7.0
    function.derivative(z)[:] = 7.0
    assert np.array_equal(z, POINTS)


@pytest.mark.parametrize("spec", [*NAMES, *EXTRA], ids=str)
def test_functions_are_values(spec: object) -> None:
    function = function_from(spec, "activation")  # type: ignore[arg-type]
    again = function_from(spec, "target")  # type: ignore[arg-type]
    assert function == again
    assert hash(function) == hash(again)
    copy = pickle.loads(pickle.dumps(function.shifted(0.5)))
    assert copy == function.shifted(0.5)
    assert copy != function
    assert np.array_equal(copy(POINTS), function(POINTS) - 0.5)


def test_kinks_are_declared_where_a_derivative_jumps() -> None:
    kinked = {name for name in NAMES if function_from(name, "activation").kinks}
    assert kinked == {"relu", "leaky_relu", "elu", "abs", "sign"}


def test_a_shift_moves_values_only() -> None:
    relu = function_from("relu", "activation")
    shifted = relu.shifted(0.5)
    assert relu.shifted(0.0) is relu
    assert shifted.name == "relu - 0.5"
    assert relu.shifted(-0.5).name == "relu + 0.5"
    assert shifted.kinks == relu.kinks
    assert np.array_equal(shifted.derivative(POINTS), relu.derivative(POINTS))
    z = sympy.Symbol("z", real=True)
    assert shifted.value(z, Symbols()).subs(z, -1) == -sympy.Rational(1, 2)


@pytest.mark.parametrize(
    ("fragment", "specifications"),
    [
        ("did you mean 'relu'?", ["rellu"]),
        ("did you mean 'tanh'?", ["Tanh"]),
        ("did you mean 'gelu'?", ["GELU"]),
        ("must be one of relu, tanh", ["", "quartic", "x" * 200_000]),
        ("must be a name", [3, None, True, [0, 1]]),
        ("exactly one key", [{}, {"hermite": [0, 1], "expression": "z"}, {"hermit": [0, 1]}]),
        ("list of 1 to 21 numbers", [{"hermite": []}, {"hermite": "0, 1"}, {"hermite": 1.0}]),
        ("22 numbers came", [{"hermite": [0.0] * (MAX_DEGREE + 2)}]),
        ("hermite[0] must be a number", [{"hermite": [[0, 1]]}]),
        (
            "hermite[1] must be a number",
            [{"hermite": [0, x]} for x in ("1", True, None, float("nan"), float("inf"), 10**400)],
        ),
        ("must be a formula in z", [{"expression": 3}, {"expression": ["z"]}]),
    ],
)
def test_what_is_not_a_function_is_refused(fragment: str, specifications: list[Any]) -> None:
    for specification in specifications:
        with refused("target", fragment):
            function_from(specification, "target")


def test_numbers_of_numpy_make_a_hermite_list() -> None:
    for numbers in (np.array([0, 1]), (0, 1), [np.float32(0), np.int64(1)]):
        function = function_from({"hermite": numbers}, "target")
        assert isinstance(function, HermiteSeries)
        assert function.coefficients == (0.0, 1.0)


@pytest.mark.parametrize("name", BY_FORMULA)
def test_functions_named_by_a_formula(name: str) -> None:
    """Values of mpmath, at most ten operations with an error of one or two units in the last place."""
    function = function_from(name, "activation")
    z = np.array([-7.3, -2.0, -0.6, -1e-3, 2e-3, 0.4, 1.7, 5.9, 8.1])
    expected = [float(BY_FORMULA[name](mp.mpf(x))) for x in z]
    np.testing.assert_allclose(function(z), expected, rtol=2e-14, atol=1e-15)
    slopes = [float(mp.diff(BY_FORMULA[name], mp.mpf(x))) for x in z]
    np.testing.assert_allclose(function.derivative(z), slopes, rtol=1e-7, atol=1e-7)
    assert function.name == name


def test_names_by_a_formula_are_those_of_the_reference() -> None:
    assert set(BY_FORMULA) == set(FORMULAS)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("function", (None, 0.0, 1.0)),
        ("mean, scale", (function_from("tanh", "target"), "a", 1.0)),
        ("mean, scale", (function_from("tanh", "target"), [0.0, 1.0], [1.0, 2.0, 3.0])),
    ],
)
def test_what_is_no_function_or_number_is_refused(field: str, arguments: tuple[Any, ...]) -> None:
    with refused(field):
        gaussian_moments(*arguments)
