"""Fall of the losses with the number of spikes, as ``n`` grows in a regime (docs/theory.md section 7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rmt_spikes.arguments import boolean, choice, integer
from rmt_spikes.errors import DomainError
from rmt_spikes.theory import formulas
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.symbolic.formula import symbol, teacher
from rmt_spikes.theory.symbolic.quantities import quantity

MAXIMUM_SPIKES = 12
MAXIMUM_WITH_GAPS = 8
LOSSES = ("objective", "test")
PARITIES = {"": range(0), "even": range(2, MAXIMUM_SPIKES + 1, 2), "odd": range(3, MAXIMUM_SPIKES + 1, 2)}
"""Degrees without a spike, by the word for them."""


@quantity("untrained-loss", "loss ({loss}) of the untrained features", "7", "{loss}_0")
def untrained_loss(loss: str = "objective") -> Any:
    """Limit of a loss of the untrained features, ``"objective"`` or ``"test"``.

    Raises
    ------
    DomainError
        For another loss.
    """
    ridge, kappa, mu, slope = map(symbol, ("lambda_", "kappa", "mu", "kappa_slope"))
    parts = symbol("c_star_1") ** 2, symbol("E_y2")
    value = formulas.untrained_value(*parts, mu)
    residue = formulas.untrained_value(*parts, mu - kappa * symbol("mu_slope"))
    objective, _, test = formulas.losses(ridge, kappa, 1 / slope, value, residue)
    return {"objective": objective, "test": test}[choice("loss", loss, LOSSES)]


@quantity(
    "improvement",
    "fall of the loss ({loss}) with {spikes} spikes, {features} features",
    "7",
    "Delta_{spikes}",
)
def improvement(
    spikes: int | str,
    *,
    features: str = Features.CORRECTED,
    loss: str = "objective",
    intercept: bool = False,
    missing: str | Iterable[int] = (),
) -> Any:
    """Fall of a loss when the first monomials are learnt: spikes an integer from 1 to 12, or l.

    Parameters
    ----------
    spikes
        Degree up to which monomials are learnt, from 1 to 12 (8 with a list of gaps), or ``"l"`` for a
        formula in ``l``.
    features
        ``"corrected"``, or ``"published"`` for bare monomials (``chi = 0``).
    loss
        ``"objective"``, or ``"test"`` for its companion.
    intercept
        Whether the activation has a mean (``c_0 != 0``), which makes the constant a feature.
    missing
        Degrees ``k >= 2`` with ``c_k = 0``, which make no spike: ``"even"`` for an odd activation, ``"odd"``
        for a linear part plus an even activation (centred ReLU), or a list of degrees.

    Returns
    -------
    sympy.Expr
        ``Delta_l = (lambda / kappa) b^T Gamma^{-1} b`` or its companion for the test loss.

    Raises
    ------
    DomainError
        For a value outside these.

    Notes
    -----
    docs/theory.md section 7, for a Gaussian readout (with another one, powers of the readout weight are
    dependent: take at most two spikes for a Rademacher one, one for a constant one) and labels without a
    mean. Without gaps among the degrees the result is explicit: odd features span all odd Hermite polynomials
    up to ``l``, even ones all but one direction, whose coefficients ``(-(1 + chi)/2)^i / i!`` of ``He_2i``
    are those of ``exp(-(1 + chi) t^2 / 2)``. With gaps a linear system is solved.

    Examples
    --------
    >>> import sympy
    >>> extra = sympy.simplify((improvement(2) - improvement(1)) * symbol("kappa") / symbol("lambda_"))
    >>> factor = extra / (symbol("c_star_2") * symbol("rho")) ** 2
    >>> factor.subs(symbol("chi"), 0), factor.subs(symbol("chi"), 1)
    (4/3, 2/3)
    """
    import sympy

    theory = Features.of(choice("features", features, Features.limits()))
    choice("loss", loss, LOSSES)
    boolean("intercept", intercept)
    gaps = _gaps(missing)
    spread = sympy.Integer(1) + (symbol("chi") if theory.rows_grow else 0)
    if spikes == "l":
        if not isinstance(gaps, str):
            raise DomainError("missing", "must be 'even' or 'odd' for a formula in l", sorted(gaps))
        rest = 0 if gaps == "odd" else _odd_part(symbol("l"))
        rest += 0 if gaps == "even" else _even_part(symbol("l"), spread, intercept)
    else:
        most = MAXIMUM_SPIKES if isinstance(gaps, str) else MAXIMUM_WITH_GAPS
        degrees = range(1, integer("spikes", spikes, 1, most, advice="or l for a formula in l") + 1)
        absent = PARITIES[gaps] if isinstance(gaps, str) else gaps
        odd, even = ([k for k in degrees if k % 2 == parity and k not in absent] for parity in (1, 0))
        complete = odd == list(range(1, 2 * len(odd), 2))
        rest = _odd_part(odd[-1]) if complete else _projection(odd, spread)
        if even == list(range(2, 2 * len(even) + 1, 2)):
            rest += _even_part(2 * len(even), spread, intercept)
        else:
            rest += _projection([0, *even] if intercept else even, spread)
    # The linear part: the only one whose weight is mu.
    linear = symbol("c_star_1") ** 2 * symbol("rho")
    if loss == "objective":
        return symbol("lambda_") / symbol("kappa") * (symbol("mu") * linear + rest)
    weight = symbol("mu") - symbol("kappa") * symbol("mu_slope")
    return symbol("kappa_slope") * (weight * linear + rest)


def _gaps(missing: str | Iterable[int]) -> str | frozenset[int]:
    if isinstance(missing, str):
        if missing in PARITIES:
            return missing
        degrees = [int(word) if word.isdecimal() else -1 for word in missing.replace(" ", "").split(",")]
    else:
        try:
            degrees = list(missing)
        except TypeError:  # no collection: refused with those of wrong degrees
            degrees = [-1]
    if any(type(k) is not int or k < 2 for k in degrees):
        raise DomainError("missing", "must be even, odd, or degrees from 2 on such as 3,5", missing)
    return frozenset(degrees) or ""


def _sum(term: Callable[[Any], Any], first: int, last: Any) -> Any:
    """Sum over an index, written out unless its end is a symbol."""
    import sympy

    if isinstance(last, int):
        return sum(map(term, range(first, last + 1)))
    i = sympy.Symbol("i", integer=True)
    return sympy.Sum(term(i), (i, first, last))


def _odd_part(top: Any) -> Any:
    """Explained part of all odd degrees from three to a number."""
    return _sum(lambda i: _energy(2 * i + 1), 1, (top - 1) // 2)


def _even_part(top: Any, spread: Any, intercept: bool) -> Any:
    """Explained part of all even degrees to a number."""
    import sympy

    total = _sum(lambda i: _energy(2 * i), 1, top // 2)
    if intercept:
        return total
    overlap = _sum(lambda i: _overlap(i, spread), 1, top // 2)
    explained = total - overlap**2 / _sum(lambda i: _norm(i, spread), 0, top // 2)
    return sympy.factor(explained) if top // 2 == 1 else explained


def _energy(j: Any) -> Any:
    """Energy of the label in ``He_j(q)``."""
    import sympy

    return sympy.factorial(j) * teacher(j) ** 2 * symbol("rho") ** j


def _overlap(i: Any, spread: Any) -> Any:
    """Label times the term ``He_2i`` of the direction that no even feature has."""
    import sympy

    weight = sympy.factorial(2 * i) / sympy.factorial(i) * (-spread / 2) ** i
    return weight * teacher(2 * i) * symbol("rho") ** i


def _norm(i: Any, spread: Any) -> Any:
    """Squared norm of the same term."""
    import sympy

    return sympy.binomial(2 * i, i) * (spread / 2) ** (2 * i)


def _projection(degrees: list[int], spread: Any) -> Any:
    """``b^T Gamma^{-1} b`` of features of one parity, the linear part of the label left out."""
    import sympy

    # He_1 is a feature of its own: what is left of the others is orthogonal to it, whatever its weight.
    rows = [_hermite_row(k, spread) for k in degrees if k != 1]

    def inner(left: Mapping[int, Any], right: Mapping[int, Any]) -> Any:
        common = (left.keys() & right.keys()) - {1}
        return sum(sympy.factorial(j) * left[j] * right[j] for j in common)

    label = {j: teacher(j) * sympy.sqrt(symbol("rho")) ** j for j in range(2, degrees[-1] + 1)}
    gram = sympy.Matrix([[inner(a, b) for b in rows] for a in rows])
    signal = sympy.Matrix([inner(row, label) for row in rows])
    return sympy.factor((signal.T * gram.LUsolve(signal))[0])


def _hermite_row(degree: int, spread: Any) -> dict[int, Any]:
    """Coefficients ``{j: p_kj}`` of the heat-evolved monomial of a degree in ``He_j(q)``."""
    # Heat flow composes: a monomial is a Hermite polynomial evolved for time 1, this for time 1 + chi.
    return {
        degree - 2 * m: math.perm(degree, 2 * m) // math.factorial(m) * (spread / 2) ** m
        for m in range(degree // 2 + 1)
    }
