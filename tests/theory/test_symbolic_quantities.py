"""Formulas by name: every one is documented, and bad names and options are refused with advice."""

import inspect

import numpy as np
import pytest
import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from rmt_spikes.errors import DomainError
from rmt_spikes.theory import symbolic
from rmt_spikes.theory.symbolic import derive, options, quantities, symbol
from rmt_spikes.theory.symbolic.formula import SYMBOLS

Z = sympy.Symbol("z", real=True)
ACTIVATIONS = ("relu", "leaky_relu", "abs", "identity", "erf", "sign", "gelu", "sin", "cos")
VARIANTS = {
    "hermite": [{"activation": a} for a in ACTIVATIONS],
    "smoothed": [{"activation": "elu"}, {"activation": "erf"}],
    "feature": [{"degree": k} for k in range(13)],
    "growth": [{"degree": k} for k in (1, 12)],
    "published-equation": [{"number": 1}, {"number": 2}],
    "untrained-loss": [{"loss": "objective"}, {"loss": "test"}],
    "improvement": [
        *({"spikes": k} for k in (1, 2, 6)),
        {"spikes": "l"},
        {"spikes": 4, "missing": (3,), "loss": "test"},
    ],
}
ALL = [(name, given) for name in quantities() for given in VARIANTS.get(name, [{}])]


def free(expression: sympy.Expr) -> set[str]:
    return {str(s) for s in expression.free_symbols if s.is_Symbol}


@pytest.mark.parametrize(("name", "given"), ALL)
def test_every_formula_is_documented(name: str, given: dict) -> None:
    formula = derive(name, **given)
    assert free(formula.expression) == set(formula.symbols)
    assert all(formula.symbols.values())
    assert formula.latex().count("{") == formula.latex().count("}")
    assert "{" not in formula.title
    document = formula.to_dict()
    assert document["text"] == formula.text()
    names = {**vars(sympy), "ExprCondPair": ExprCondPair}
    assert eval(document["srepr"]["right"], names) == formula.expression
    description = formula.description()
    assert formula.text() in description
    assert all(f"with {option} = " in description for option in formula.options)


@pytest.mark.parametrize("name", quantities())
def test_options_are_the_parameters_of_the_function(name: str) -> None:
    required = {option for option, default in options(name).items() if default is None}
    assert required <= set(VARIANTS.get(name, [{}])[0])
    assert f"{name}: " in symbolic.listing()


def test_every_quantity_is_a_public_function() -> None:
    names = {n for n in symbolic.__all__ if inspect.isfunction(getattr(symbolic, n))}
    tools = {"derive", "hermite_coefficients", "listing", "options", "quantities", "symbol"}
    assert len(names - tools) == len(quantities())


def test_every_symbol_is_used() -> None:
    used = set()
    for name, given in ALL:
        formula = derive(name, **given)
        used |= free(formula.expression) | free(formula.left)
    assert set(SYMBOLS) <= used


def test_the_short_form_gives_the_first_option() -> None:
    assert derive("improvement-2") == derive("improvement", spikes=2)
    assert derive("hermite-relu") == derive("hermite", activation="relu")
    assert derive("improvement-2", features="published").options["features"] == "published"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("improvment", {}, "did you mean improvement"),
        ("zzz", {}, "known are .*feature"),
        ("chi", {"degree": 2}, "degree: is not an option of chi, got 2; chi takes no options"),
        ("improvement", {}, "spikes: is required by improvement"),
        ("improvement-2", {"spikes": 3}, "spikes: must be given once"),
        ("improvement", {"spikes": 2, "degree": 3}, "improvement takes spikes, features"),
        ("feature-13", {}, "degree: must be an integer from 0 to 12"),
        ("feature-x", {}, "degree: must be an integer from 0 to 12"),
        ("hermite", {"activation": "tanh"}, "activation: must be one of relu"),
        ("hermite", {"activation": "ref"}, "did you mean 'erf'?"),
        ("published-equation-3", {}, "number: must be an integer from 1 to 2"),
    ],
)
def test_bad_names_and_options_are_refused(name: str, given: dict, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        derive(name, **given)


def test_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(KeyError):
        symbol("nope")


def test_coefficients_of_a_polynomial_times_a_gaussian() -> None:
    function = (3 * Z**2 - Z) * sympy.exp(-(Z**2) / 4 + Z / 2)
    exact = symbolic.hermite_coefficients(function, 8)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    values = sympy.lambdify(Z, function)(nodes)
    for k, coefficient in enumerate(exact):
        he = np.polynomial.hermite_e.hermeval(nodes, [0] * k + [1])
        # The integrand is entire; 80 nodes and rounding leave 1e-14 of the largest term.
        numeric = weights @ (values * he) / float(sympy.factorial(k))
        assert float(coefficient) == pytest.approx(numeric, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (sympy.exp(Z**3), "polynomials times exponentials of quadratics"),
        (sympy.sin(Z), "polynomials times exponentials of quadratics"),
        (sympy.exp(Z**2 / 4), "square-integrable"),
    ],
)
def test_functions_without_a_closed_form_are_refused(function: sympy.Expr, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        symbolic.hermite_coefficients(function, 3)
