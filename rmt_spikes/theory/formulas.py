"""The formulas that `symbolic.derive` knows, each built from the definitions of docs/theory.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rmt_spikes.theory.symbolic import TEACHER, named, register, symbol

MAXIMUM_DEGREE = 6
DEGREES = range(1, MAXIMUM_DEGREE + 1)


def hermite_of_power(degree: int) -> dict[int, Any]:
    """Coefficients ``{j: p_kj}`` of the heat-evolved monomial ``E (q + sqrt(chi) Z)^k`` in ``He_j(q)``."""
    import sympy

    chi = symbol("chi")
    table = {}
    for m in range(degree // 2 + 1):
        # Heat flow composes: a monomial is a Hermite polynomial evolved for time 1, this for time 1 + chi.
        count = sympy.factorial(degree) / (sympy.factorial(m) * sympy.factorial(degree - 2 * m) * 2**m)
        table[degree - 2 * m] = count * (1 + chi) ** m
    return table


def improvement(degree: int) -> Any:
    """``Delta_l = (lambda / kappa) b^T Gamma^{-1} b`` for ``l`` spikes, no mean of activation or target."""
    import sympy

    mu, rho = symbol("mu"), symbol("rho")
    rows = [hermite_of_power(k) for k in range(1, degree + 1)]

    def weight(j: int) -> Any:
        return sympy.factorial(j) * (mu if j == 1 else 1)

    def inner(left: Mapping[int, Any], right: Mapping[int, Any]) -> Any:
        return sum((weight(j) * left[j] * right[j] for j in left.keys() & right.keys()), sympy.Integer(0))

    teacher = {j: symbol(f"{TEACHER}{j}") * sympy.sqrt(rho) ** j for j in range(1, degree + 1)}
    total = sympy.Integer(0)
    # Even and odd degrees are orthogonal: two small systems instead of one.
    for parity in (1, 0):
        block = [row for k, row in enumerate(rows, 1) if k % 2 == parity]
        if block:
            gamma = sympy.Matrix([[inner(a, b) for b in block] for a in block])
            signal = sympy.Matrix([inner(row, teacher) for row in block])
            total += sympy.factor((signal.T * gamma.LUsolve(signal))[0])
    return symbol("lambda_") / symbol("kappa") * total


@register("hermite-relu", "Hermite coefficients c_k of ReLU, c_k = E[relu(Z) He_k(Z)] / k!", "1")
def _hermite_relu(_: int) -> tuple[Any, Any]:
    import sympy

    k = symbol("k")
    # Two integrations by parts leave He_{k-2}(0) times the Gaussian density at 0. Written with the Gamma
    # function the same expression covers k = 0 and 1; its poles are the odd degrees, which vanish.
    half = sympy.Rational(1, 2)
    return named("c_k"), 2 ** (half * (k - 3)) / (sympy.factorial(k) * sympy.gamma(half * (3 - k)))


@register("beta-norm2", "squared norm of the learnt direction", "2")
def _beta_norm2(_: int) -> tuple[Any, Any]:
    return symbol("B"), symbol("c_star_1") ** 2 + symbol("phi") * symbol("E_y2")


@register("beta-cosine2", "squared cosine between the learnt direction and the teacher's", "2")
def _beta_cosine2(_: int) -> tuple[Any, Any]:
    return symbol("rho"), symbol("c_star_1") ** 2 / _beta_norm2(0)[1]


@register("shift", "shift of a pre-activation by the step, per unit of alpha_j q_i", "2")
def _shift(_: int) -> tuple[Any, Any]:
    import sympy

    return symbol("s"), symbol("c_1") * symbol("theta") * sympy.sqrt(symbol("B"))


@register(
    "inflation", "growth of the squared norm of a row, from the part of its gradient not along beta", "2"
)
def _inflation(_: int) -> tuple[Any, Any]:
    return symbol("nu"), symbol("theta") ** 2 * symbol("phi") * symbol("E_y2") * symbol("V")


@register("chi", "inflation in units of the squared shift", "2")
def _chi(_: int) -> tuple[Any, Any]:
    return symbol("chi"), (_inflation(0)[1] / _shift(0)[1] ** 2).simplify()


@register(
    "feature-{}",
    "polynomial of q that spike {0} carries, E (q + sqrt(chi) Z)^{0}",
    "2",
    DEGREES,
)
def _feature(degree: int) -> tuple[Any, Any]:
    import sympy

    q, chi = symbol("q"), symbol("chi")
    terms = [
        sympy.binomial(degree, 2 * m) * sympy.factorial2(2 * m - 1) * chi**m * q ** (degree - 2 * m)
        for m in range(degree // 2 + 1)
    ]
    return named(f"p_{degree}"), sum(terms, sympy.Integer(0))


@register("marchenko-pastur", "normalised trace g(kappa) of the population resolvent", "5")
def _marchenko_pastur(_: int) -> tuple[Any, Any]:
    import sympy

    gamma, slope = symbol("gamma"), symbol("c_1") ** 2
    t = (symbol("c_tail2") + symbol("kappa")) / slope
    b = 1 + t - gamma
    return symbol("g"), (-b + sympy.sqrt(b**2 + 4 * gamma * t)) / (2 * gamma * t * slope)


@register("ridge", "ridge lambda that belongs to an effective ridge kappa", "5")
def _ridge(_: int) -> tuple[Any, Any]:
    kappa = symbol("kappa")
    return symbol("lambda_"), kappa * (1 - symbol("ratio") * (1 - kappa * symbol("g")))


@register("mu", "factor by which the linear direction is left unexplained", "5")
def _mu(_: int) -> tuple[Any, Any]:
    return symbol("mu"), 1 - symbol("gamma") * (1 - (symbol("c_tail2") + symbol("kappa")) * symbol("g"))


@register("improvement-{}", "fall of the ridge objective with {} spikes", "7", DEGREES)
def _improvement(degree: int) -> tuple[Any, Any]:
    return named(f"Delta_{degree}"), improvement(degree)


@register(
    "improvement-{}-published",
    "fall of the ridge objective with {} spikes, chi = 0",
    "7",
    DEGREES,
)
def _improvement_published(degree: int) -> tuple[Any, Any]:
    import sympy

    return named(f"Delta_{degree}"), sympy.factor(improvement(degree).subs(symbol("chi"), 0))
