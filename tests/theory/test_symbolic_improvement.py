"""The improvement against exact linear algebra, and what options do to it."""

import math
import random

import numpy as np
import pytest
import sympy
from flint import fmpq, fmpq_mat
from numpy.polynomial import hermite_e
from refusals import refused

from rmt_spikes.theory.symbolic import improvement, symbol

TEACHER = {j: symbol(f"c_star_{j}") for j in range(1, 13)}


def gaussian_moment(power: int) -> int:
    return 0 if power % 2 else math.prod(range(1, power, 2))


def directly(degrees: range, point: dict[str, fmpq], teacher: dict[int, fmpq]) -> fmpq:
    """``b^T Gamma^{-1} b / kappa * lambda`` in fractions, from monomial coefficients and Gaussian moments."""
    powers = range(max(degrees) + 1)
    moments = np.array([[gaussian_moment(i + j) for j in powers] for i in powers], dtype=object)
    features = np.full((len(degrees), len(powers)), fmpq(0))
    for feature, k in zip(features, degrees, strict=True):
        for m in range(k // 2 + 1):
            feature[k - 2 * m] = math.comb(k, 2 * m) * gaussian_moment(2 * m) * point["chi"] ** m
    label = np.full(len(powers), fmpq(0))
    for j in powers[1:]:
        # Integers below 2^53 are exact.
        hermite = [int(h) for h in hermite_e.herme2poly([0] * j + [1])]
        label[: j + 1] += teacher[j] * point["cosine"] ** j * np.array(hermite, dtype=object)
    linear, rest = features @ moments[1], 1 - point["mu"]
    gram = features @ moments @ features.T - rest * np.outer(linear, linear)
    signal = features @ moments @ label - rest * linear * (moments[1] @ label)
    size = len(degrees)
    right = fmpq_mat(size, 1, signal.tolist())
    solution = fmpq_mat(size, size, gram.ravel().tolist()).solve(right)
    return point["lambda_"] / point["kappa"] * (right.transpose() * solution)[0, 0]


def draw(seed: int) -> tuple[dict[str, fmpq], dict[int, fmpq]]:
    source = random.Random(seed)
    names = ("mu", "chi", "kappa", "lambda_", "cosine")
    point = {name: fmpq(source.randint(1, 9), source.randint(10, 19)) for name in names}
    teacher = {j: fmpq(source.randint(-9, 9), source.randint(10, 19)) for j in TEACHER}
    return point, teacher


def at(expression: sympy.Expr, point: dict[str, fmpq], teacher: dict[int, fmpq]) -> fmpq:
    values = {symbol(name): value for name, value in point.items() if name != "cosine"}
    values[symbol("rho")] = point["cosine"] ** 2
    values |= {TEACHER[j]: value for j, value in teacher.items()}
    array = sympy.IndexedBase(symbol("c_star"))
    for part in (values, {array[j]: value for j, value in teacher.items()}):
        expression = expression.subs({x: sympy.Rational(int(v.p), int(v.q)) for x, v in part.items()})
    return fmpq(int(expression.p), int(expression.q))


CASES = [
    *(({"spikes": k}, range(1, k + 1)) for k in (1, 2, 3, 4, 5, 6, 9, 12)),
    *(({"spikes": k, "intercept": True}, range(k + 1)) for k in (2, 5)),
    ({"spikes": 8, "missing": "even"}, (1, 3, 5, 7)),
    ({"spikes": 7, "missing": "odd"}, (1, 2, 4, 6)),
    ({"spikes": 5, "missing": "odd", "intercept": True}, (0, 1, 2, 4)),
    ({"spikes": 6, "missing": [3]}, (1, 2, 4, 5, 6)),
    ({"spikes": 5, "missing": "2,3"}, (1, 4, 5)),
    ({"spikes": 4, "missing": [2], "intercept": True}, (0, 1, 3, 4)),
]


@pytest.mark.parametrize("features", ["corrected", "published"])
@pytest.mark.parametrize(("options", "degrees"), CASES)
def test_it_is_the_solution_of_the_linear_system(options: dict, degrees: range, features: str) -> None:
    point, teacher = draw(len(options) + 10 * options["spikes"])
    if features == "published":
        point["chi"] = fmpq(0)
    # Fractions on both sides: equal, not close.
    expected, found = directly(degrees, point, teacher), improvement(**options, features=features)
    assert at(found, point, teacher) == expected
    # The comparison can fail: another mu moves the result.
    assert at(found, {**point, "mu": point["mu"] / 2}, teacher) != expected


@pytest.mark.parametrize("missing", ["", "even", "odd"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("spikes", [1, 2, 5, 8])
def test_the_formula_in_l_holds_at_every_l(spikes: int, intercept: bool, missing: str) -> None:
    point, teacher = draw(spikes)
    general = improvement("l", intercept=intercept, missing=missing).subs(symbol("l"), spikes).doit()
    special = improvement(spikes, intercept=intercept, missing=missing)
    assert at(general, point, teacher) == at(special, point, teacher)


def test_published_improvements_symbolically() -> None:
    """The closed forms in the paper's variables, as printed in docs/theory.md section 7."""
    phi, psi, m_1, m_2, norm2, ridge = (symbol(n) for n in ("phi", "psi", "m_1", "m_2", "B", "lambda_"))
    one, two = TEACHER[1], TEACHER[2]
    delta_1 = psi * ridge * one**4 * m_2 / (phi * norm2)
    delta_2 = delta_1 + sympy.Rational(4, 3) * psi * ridge * one**4 * two**2 * m_1 / (phi * norm2**2)
    variables = {symbol("kappa"): phi / psi / m_1, symbol("mu"): m_2 / m_1, symbol("rho"): one**2 / norm2}
    for spikes, printed in ((1, delta_1), (2, delta_2)):
        derived = improvement(spikes, features="published").subs(variables)
        assert sympy.simplify(derived - printed) == 0


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({}, 4 / (2 + (1 + symbol("chi")) ** 2)),
        ({"intercept": True}, sympy.Integer(2)),
        ({"intercept": True, "features": "published"}, sympy.Integer(2)),
        ({"missing": "even"}, sympy.Integer(0)),
    ],
)
def test_factor_of_the_second_spike(options: dict, factor: sympy.Expr) -> None:
    extra = improvement(2, **options) - improvement(1, **options)
    unit = symbol("lambda_") / symbol("kappa") * TEACHER[2] ** 2 * symbol("rho") ** 2
    assert sympy.simplify(extra - factor * unit) == 0


def test_an_odd_activation_has_no_even_part() -> None:
    used = improvement(9, missing="even").free_symbols
    assert not used & {TEACHER[j] for j in (2, 4, 6, 8)}
    assert {TEACHER[j] for j in (1, 3, 5, 7, 9)} <= used
    assert symbol("chi") not in used


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"spikes": 0}, "spikes", "must be an integer from 1 to 12, got 0; or l"),
        ({"spikes": 13}, "spikes", "from 1 to 12"),
        ({"spikes": 9, "missing": [3]}, "spikes", "from 1 to 8"),
        ({"spikes": True}, "spikes", ""),
        ({"spikes": "m"}, "spikes", ""),
        ({"spikes": 2, "features": "other"}, "features", "must be one of corrected, published"),
        ({"spikes": 2, "loss": "train"}, "loss", "must be one of objective, test"),
        ({"spikes": 2, "intercept": 1}, "intercept", "must be True or False"),
        ({"spikes": 2, "missing": [1]}, "missing", "must be even, odd, or degrees"),
        *(({"spikes": 3, "missing": m}, "missing", "") for m in (5, None, 2.5, True, ["3"], "three", "3,x")),
        ({"spikes": "l", "missing": [3]}, "missing", "must be 'even' or 'odd' for a formula in l"),
    ],
)
def test_bad_options_are_refused(options: dict, field: str, message: str) -> None:
    with refused(field, message):
        improvement(**options)
