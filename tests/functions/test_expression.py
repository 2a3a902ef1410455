import ast
import math
import operator
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy
from function_reference import REFERENCE
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from rmt_spikes.functions import expression
from rmt_spikes.functions.arithmetic import Symbols
from rmt_spikes.functions.expression import FUNCTIONS, Expression, parse_expression
from rmt_spikes.functions.singularities import find_turning_points, find_zeros

POINTS = np.array([-3.7, -1.3, -0.45, 0.2, 0.85, 1.6, 4.1])
Function = Callable[[mp.mpf], mp.mpf]

MPMATH: dict[str, Function] = {
    **{name: function for name, function in REFERENCE.items() if name != "identity"},
    "cosh": mp.cosh,
    "exp": mp.exp,
    "expm1": mp.expm1,
    "heaviside": lambda z: mp.mpf(z > 0),
    "log": mp.log,
    "log1p": mp.log1p,
    "sinh": mp.sinh,
    "sqrt": mp.sqrt,
}


def parse(text: str) -> Expression:
    return parse_expression(text, "activation")


def test_the_reference_knows_every_function() -> None:
    assert {*MPMATH, "clip", "max", "maximum", "min", "minimum", "where"} == set(FUNCTIONS)


FORMULAS: dict[str, Function] = {
    "z": lambda z: z,
    "2": lambda z: mp.mpf(2),
    "+z - -1": lambda z: z + 1,
    "1 - 2*z + z**3/4": lambda z: 1 - 2 * z + z**3 / 4,
    "pi*z + e": lambda z: mp.pi * z + mp.e,
    "tanh(z) + z**2/10": lambda z: mp.tanh(z) + z * z / 10,
    "1/(1 + z**2)": lambda z: 1 / (1 + z * z),
    "(1 + z**2)**-0.5": lambda z: 1 / mp.sqrt(1 + z * z),
    "(2 + sin(z))**(3/2)": lambda z: (2 + mp.sin(z)) ** mp.mpf(1.5),
    "z**0 + sin(z)**1": lambda z: 1 + mp.sin(z),
    "z**7 * exp(-z**2)": lambda z: z**7 * mp.exp(-z * z),
    "log(1 + z**2) - log1p(z**2/2)": lambda z: mp.log(1 + z * z) - mp.log1p(z * z / 2),
    "sqrt(cosh(z))": lambda z: mp.sqrt(mp.cosh(z)),
    "max(z, 0, 2*z - 3)": lambda z: max(z, mp.mpf(0), 2 * z - 3),
    "min(max(z, -1), 1)": lambda z: min(max(z, mp.mpf(-1)), mp.mpf(1)),
    "max(0.5, tanh(z))": lambda z: max(mp.mpf(0.5), mp.tanh(z)),
    "abs(z - 1.25)*sign(z + 2)": lambda z: abs(z - mp.mpf(1.25)) * mp.sign(z + 2),
    "3/(2 + cos(z)) - 1/(3 + z**2)": lambda z: 3 / (2 + mp.cos(z)) - 1 / (3 + z * z),
    "gelu(2*z) - silu(-z) + softplus(z)": lambda z: (
        REFERENCE["gelu"](2 * z) - REFERENCE["silu"](-z) + REFERENCE["softplus"](z)
    ),
    "erf(z)*atan(z) + relu(z)*elu(-z)": lambda z: (
        mp.erf(z) * mp.atan(z) + REFERENCE["relu"](z) * REFERENCE["elu"](-z)
    ),
    "leaky_relu(z) + heaviside(z)*expm1(z/3)": lambda z: (
        REFERENCE["leaky_relu"](z) + (z > 0) * mp.expm1(z / 3)
    ),
    "clip(2*z, -0.7, 1.9)": lambda z: min(max(2 * z, mp.mpf(-0.7)), mp.mpf(1.9)),
    "maximum(z, minimum(0.3, -z))": lambda z: max(z, min(mp.mpf(0.3), -z)),
    "where(z > 0.25, sin(z), z**2)": lambda z: mp.sin(z) if z > mp.mpf(0.25) else z * z,
    "where(z**2 <= 1.7, z, 3)": lambda z: z if z * z <= mp.mpf(1.7) else mp.mpf(3),
    "(z >= 0.1) - 2*(z < -0.4)": lambda z: mp.mpf(z >= mp.mpf(0.1)) - 2 * (z < mp.mpf(-0.4)),
    "sinh(z/2) - sigmoid(z) + 1e-3": lambda z: mp.sinh(z / 2) - REFERENCE["sigmoid"](z) + mp.mpf(1e-3),
}


@pytest.mark.parametrize("text", FORMULAS)
def test_values_and_slopes_are_those_of_mpmath(text: str) -> None:
    expected = [float(FORMULAS[text](mp.mpf(z))) for z in POINTS]
    # At most about ten operations, each with a relative error of one or two units in the last place.
    np.testing.assert_allclose(parse(text).value(POINTS), expected, rtol=2e-14, atol=1e-15)
    with mp.workdps(30):
        expected = [float(mp.diff(FORMULAS[text], mp.mpf(z))) for z in POINTS]
    # mpmath differentiates numerically, to half of its 30 digits or more.
    np.testing.assert_allclose(parse(text).slope(POINTS), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("text", FORMULAS)
def test_symbolic_forms_are_the_same_functions(text: str) -> None:
    z = sympy.Symbol("z", real=True)
    expression = parse(text).root.value(z, Symbols())
    for point in POINTS:
        value = expression.subs(z, sympy.Rational(float(point))).evalf(30)
        assert abs(mp.mpf(str(value)) - FORMULAS[text](mp.mpf(point))) < 1e-12


def test_symbolic_constants_are_the_decimals_that_were_written() -> None:
    z = sympy.Symbol("z", real=True)
    assert parse("0.1*z + 1/3 + pi").root.value(z, Symbols()) == z / 10 + sympy.Rational(1, 3) + sympy.pi


@pytest.mark.parametrize("text", FORMULAS)
def test_single_precision_stays_single(text: str) -> None:
    z = POINTS.astype(np.float32)
    expression = parse(text)
    assert expression.value(z).dtype == np.float32
    assert expression.slope(z).dtype == np.float32
    # 6e-8 a rounding, a few roundings.
    np.testing.assert_allclose(expression.value(z), expression.value(z.astype(float)), rtol=2e-5, atol=2e-6)


def test_the_text_is_brought_to_one_spelling() -> None:
    assert parse("  tanh( z )+z**2 / 10 ").text == parse("tanh(z) + z**2/10").text == "tanh(z) + z ** 2 / 10"


NUMBERS = st.sampled_from(["0.5", "1", "2", "3.25", "pi", "e"])
BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "max": max, "min": min}
SMOOTH = ["tanh", "sin", "cos", "erf", "atan", "sigmoid", "softplus", "silu", "gelu"]


def combine(inner: st.SearchStrategy[tuple[str, Function]]) -> st.SearchStrategy[tuple[str, Function]]:
    """One more operation, as text for the parser and as a function for mpmath."""

    def binary(
        operation: str, left: tuple[str, Function], right: tuple[str, Function]
    ) -> tuple[str, Function]:
        (a, f), (b, g), outer = left, right, BINARY[operation]
        text = f"{operation}({a}, {b})" if operation in ("max", "min") else f"({a}) {operation} ({b})"
        return text, lambda z: outer(f(z), g(z))

    def unary(name: str, operand: tuple[str, Function]) -> tuple[str, Function]:
        (a, f), outer = operand, MPMATH[name]
        return f"{name}({a})", lambda z: outer(f(z))

    def over(top: tuple[str, Function], bottom: tuple[str, Function]) -> tuple[str, Function]:
        (a, f), (b, g) = top, bottom
        return f"({a})/(1.5 + ({b})**2)", lambda z: f(z) / (mp.mpf(1.5) + g(z) ** 2)

    def power(operand: tuple[str, Function], exponent: int) -> tuple[str, Function]:
        a, f = operand
        return f"tanh({a})**{exponent}", lambda z: mp.tanh(f(z)) ** exponent

    return st.one_of(
        st.builds(binary, st.sampled_from(list(BINARY)), inner, inner),
        st.builds(unary, st.sampled_from([*SMOOTH, "abs", "relu", "elu", "leaky_relu"]), inner),
        st.builds(over, inner, inner),
        st.builds(power, inner, st.integers(0, 5)),
    )


def leaf(text: str) -> tuple[str, Function]:
    value = {"pi": math.pi, "e": math.e}.get(text)
    constant = mp.mpf(float(text) if value is None else value)
    return text, lambda z: constant


TREES = st.recursive(st.one_of(st.just(("z", lambda z: z)), NUMBERS.map(leaf)), combine, max_leaves=6)


@given(tree=TREES, point=st.floats(-3, 3, allow_subnormal=False))
def test_random_formulas_have_the_values_and_slopes_of_mpmath(
    tree: tuple[str, Function], point: float
) -> None:
    text, function = tree
    expression = parse(text)
    z = np.array([point])
    with mp.workdps(40):
        value = function(mp.mpf(point))
        size = 1 + abs(value)
        assert abs(mp.mpf(float(expression.value(z)[0])) - value) < 1e-11 * size
        if any(abs(point - kink) < 1e-3 for kink in expression.kinks):
            return
        slope = mp.diff(function, mp.mpf(point), h=mp.mpf(10) ** -15)
        # Conditioning: up to six nested factors, each of size up to a few hundred.
        assert abs(mp.mpf(float(expression.slope(z)[0])) - slope) < 1e-9 * (size + abs(slope))


@given(tree=TREES)
def test_random_formulas_are_smooth_between_their_kinks(tree: tuple[str, Function]) -> None:
    expression = parse(tree[0])
    z = np.linspace(-3, 3, 301)
    step = z[1] - z[0]
    slope = expression.slope(z)
    jump = np.abs(np.diff(slope))
    # Without a kink, a slope at steps of 0.02 follows its neighbours: compare with half the step.
    for cell in np.flatnonzero(jump > 0.5):
        if not any(z[cell] - step <= kink <= z[cell + 1] + step for kink in expression.kinks):
            inner = np.abs(np.diff(expression.slope(np.linspace(z[cell], z[cell + 1], 101))))
            assert inner.max() < 0.2 * jump[cell]


@pytest.mark.parametrize(
    ("text", "kinks"),
    [
        ("z**2 + tanh(z)", []),
        ("abs(z - 1.5)", [1.5]),
        ("relu(z) + relu(-z - 2)", [-2, 0]),
        ("max(z, 0, 2*z - 3)", [0, 3]),
        ("abs(z**2 - 2)", [-math.sqrt(2), math.sqrt(2)]),
        ("sqrt((z - 1.2345)**2)", [1.2345]),
        ("abs(z)**1.5", [0]),
        ("min(max(z, -1), 1)", [-1, 1]),
        ("abs(abs(z) - 1)", [-1, 0, 1]),
        ("heaviside(z - 0.1)", [0.1]),
        ("sign(sin(z/12))", [0, 12 * math.pi, -12 * math.pi]),
        ("elu(3*z - 1)", [1 / 3]),
        ("abs(max(z, 0))", [0]),
        ("abs(z - 500)", [500]),
        ("abs((z - 0.005)**2 - 1e-6)", [0.004, 0.006]),
        ("abs(2)*z", []),
    ],
)
def test_kinks_are_found(text: str, kinks: list[float]) -> None:
    found = [kink for kink in parse(text).kinks if abs(kink) < 40 or abs(kink - 500) < 1]
    # Bisection to the last bit of a zero whose function is itself rounded.
    np.testing.assert_allclose(found, sorted(kinks), rtol=1e-12, atol=1e-14)


def test_many_kinks_are_kept_nearest_to_zero() -> None:
    kinks = np.array(parse("z + abs(sin(z))").kinks)
    assert len(kinks) == 64
    expected = np.arange(-31, 32) * math.pi
    np.testing.assert_allclose(kinks[np.abs(kinks) < 99], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "width"),
    [("tanh(1e6*(z - 1))", 1e-5), ("exp(-(1000*(z - 1))**2)", 1e-2), ("1/(1e-6 + (z - 1)**2)", 1e-2)],
)
def test_narrow_details_are_found(text: str, width: float) -> None:
    details = np.array(parse(text).details)
    assert np.min(np.abs(details - 1)) < 1e-12
    assert np.sum(np.abs(details - 1) < width) >= 3


def test_ordinary_formulas_have_no_narrow_details() -> None:
    for text in ("tanh(z)", "z**3 - z", "sin(3*z)", "relu(z)", "1/(1 + z**2)", "exp(-z**2/2)"):
        assert parse(text).details == ()


POLES = [
    ("pole at z = 0,", ["1/z", "z**-1", "1/sin(z)", "log(z)", "log(z**2)", "exp(1/z)", "exp(-1/z**2)"]),
    ("pole at z = 1.5,", ["1/(z - 1.5)"]),
    ("pole at z = 1.2345,", ["1/(z - 1.2345)**2"]),
    ("pole at z = 2,", ["log(abs(z - 2))"]),
    ("pole at z = -1,", ["log1p(z)"]),
    ("pole at z = ", ["1/(z**2 - 1e-6)", "1/relu(z)"]),
    ("not at z = ", ["log(z - 50)"]),
    ("must be real", ["sqrt(z)", "z**0.5", "sqrt((z - 0.005)**2 - 1e-8)"]),
    ("must not overflow", ["exp(z**2)", "exp(exp(z))", "sinh(20*z)", "exp(100*z) - exp(99*z)"]),
    ("must not overflow", ["z**20" + "*1e12*z**20" * 7]),
    ("at most 64 kinks", ["abs(sin(20*z))"]),
]
CALLS = "calls of known functions only"
SYNTAX: list[tuple[str, list[Any]]] = [
    ("given as text", ["", "   ", None, 3, b"z", ["z"], {"z": 1}]),
    ("must be a formula", ["tanh(", "z z", "z = 1", "z; z", "import os", "1if z else 2"]),
    ("must be a formula", ["z\x00", "z²", "'\\d'"]),
    ("variable z", ["x", "nan", "inf*z", "__builtins__"]),
    ("write sin(z)", ["sin"]),
    ("did you mean tanh?", ["tahn(z)"]),
    ("did you mean relu?", ["ReLU(z)"]),
    ("functions: abs atan", ["foo(z)"]),
    ("known functions", ["eval(z)", "open('pwned', 'w')"]),
    (CALLS, ["__import__('os').system('touch pwned')", "z.__class__", "().__class__.__bases__", "z.real(z)"]),
    (CALLS, ["sin(z)(z)", "sin(x=z)", "sin(*z)", "max(z, key=z)", "lambda: z"]),
    (CALLS, ["[z for z in z]", "{z: z}", "(z, z)", "z[0]", "f'{z}'"]),
    (CALLS, ["z if z else 1", "(z := 1)", "z and z", "not z"]),
    (CALLS, ["~z", "z // 2", "z % 2", "z @ z"]),
    ("write ** for a power", ["z ^ 2"]),
    ("needs one argument", ["sin()", "sin(z, z)"]),
    ("needs two arguments", ["max(z)", "maximum(z)"]),
    ("needs three arguments for clip", ["clip(z, 0)"]),
    ("needs a comparison and two arguments for where", ["where(z, 1, 0)", "where(z > 0, 1)"]),
    ("may compare two sides by", ["z == 1", "0 < z < 1", "z in z"]),
    ("numbers only", ["'z'", "b'z'", "1j*z", "True*z", "None", "..."]),
]
SIZES = [
    ("plain numbers as exponents", ["9**9**9**9", "z**z", "2**z"]),
    ("exponents between -20 and 20", ["z**21", "z**-20.5"]),
    ("nested exponents", ["((z**20)**20)**20"]),
    ("size at most 1e12", ["z**1e300", "9**20*z", "1e13*z", "1e999*z", "9" * 900, "z + 1/0", "z + log(0)"]),
    ("characters", ["9" * 999 + "**9"]),
    ("10001 characters", ["(" * 5000 + "z" + ")" * 5000]),
    ("200000 characters", ["z" * 200_000]),
    ("real numbers", ["z*sqrt(-1)", "z*(-8)**(1/3)"]),
    ("must", ["(" * 450 + "z" + ")" * 450]),
    ("nest deeper than 60", ["-" * 900 + "z", "sin(" * 100 + "z" + ")" * 100, "z" + "+z" * 60]),
    ("at most 400 operations", ["max(" + ",".join(f"{k}*z" for k in range(140)) + ")"]),
]


@pytest.mark.parametrize(("fragment", "texts"), [*POLES, *SYNTAX, *SIZES])
def test_what_is_not_a_formula_is_refused(
    fragment: str, texts: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in texts:
        with warnings.catch_warnings(), refused("target", fragment):
            warnings.simplefilter("error")
            parse_expression(text, "target")
    assert list(tmp_path.iterdir()) == []


def test_formulas_that_are_finite_where_a_gaussian_reaches_are_accepted() -> None:
    texts = ["log(z + 39)", "1/(z - 39)", "sqrt(cosh(z) - 1)", "1/(1 + exp(-20*z))"]
    for text in [*texts, "exp(-exp(z**2))", "exp(z**2/5)"]:
        assert np.all(np.isfinite(parse(text).value(np.linspace(-38, 38, 1001))))


def test_what_python_would_execute_is_only_ever_a_tree() -> None:
    source = Path(expression.__file__)
    for name in ("arithmetic", "expression", "expression_tree", "scalar", "singularities", "table"):
        tree = ast.parse(source.with_name(f"{name}.py").read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"eval", "exec", "compile", "getattr", "globals"}
        assert not attributes & {"sympify", "lambdify", "parse_expr"}


@pytest.mark.parametrize(
    ("value", "slope", "zeros"),
    [
        (lambda z: z - 0.123, lambda z: np.ones_like(z), [0.123]),
        (lambda z: z * z - 2, lambda z: 2 * z, [-math.sqrt(2), math.sqrt(2)]),
        (lambda z: (z - 0.3) ** 2, lambda z: 2 * (z - 0.3), [0.3]),
        (lambda z: 1 + z * z, lambda z: 2 * z, []),
        (lambda z: np.full_like(z, 3.0), lambda z: np.zeros_like(z), []),
        (lambda z: (z - 1000) * (z + 1e-9), lambda z: 2 * z - 1000 + 1e-9, [-1e-9, 1000]),
        (lambda z: 1e-20 * (1 + z * z), lambda z: 2e-20 * z, []),
        (lambda z: 1e-20 * z * z, lambda z: 2e-20 * z, [0]),
    ],
)
def test_zeros(value: Callable, slope: Callable, zeros: list[float]) -> None:
    # The last bit of the argument of the product near 1000, otherwise of the zero.
    np.testing.assert_allclose(find_zeros(value, slope), zeros, rtol=1e-14, atol=1e-20)


def test_turning_points() -> None:
    found = find_turning_points(lambda z: z**3 - 3 * z, lambda z: 3 * z * z - 3)
    np.testing.assert_allclose(found, [-1, 1], rtol=1e-14)
