"""Fall of the losses with the number of spikes, as ``n`` grows in a regime (docs/theory.md section 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rmt_spikes.arguments import boolean, choice, integer
from rmt_spikes.errors import DomainError
from rmt_spikes.theory import formulas
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.symbolic.formula import symbol, teacher
from rmt_spikes.theory.symbolic.quantities import FEATURES, quantity

MAXIMUM_SPIKES = 12
MAXIMUM_WITH_GAPS = 8
LOSSES = ("objective", "test")


@quantity("untrained-loss", "loss ({loss}) of the untrained features", "7", "{loss}_0")
def untrained_loss(loss: str = "objective") -> Any:
    """Limit of a loss of the untrained features.

    Parameters
    ----------
    loss
        ``"objective"`` or ``"test"``.

    Returns
    -------
    sympy.Expr

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

    theory = Features.of(choice("features", features, FEATURES))
    choice("loss", loss, LOSSES)
    boolean("intercept", intercept)
    gaps = _gaps(missing)
    spread = 1 + (symbol("chi") if theory.rows_grow else sympy.Integer(0))
    if spikes == "l":
        if not isinstance(gaps, str):
            raise DomainError("missing", "must be 'even' or 'odd' for a formula in l", sorted(gaps))
        rest = _odd_sum(gaps) + _even_sum(gaps, spread, intercept)
    else:
        most = MAXIMUM_SPIKES if isinstance(gaps, str) else MAXIMUM_WITH_GAPS
        degrees = range(1, integer("spikes", spikes, 1, most, advice="or l for a formula in l") + 1)
        present = [k for k in degrees if k == 1 or not _missing(k, gaps)]
        rest = _odd_part([k for k in present if k % 2], spread)
        rest += _even_part([k for k in present if k % 2 == 0], spread, intercept)
    # The linear part: the only one whose weight is mu.
    linear = symbol("c_star_1") ** 2 * symbol("rho")
    if loss == "objective":
        return symbol("lambda_") / symbol("kappa") * (symbol("mu") * linear + rest)
    weight = symbol("mu") - symbol("kappa") * symbol("mu_slope")
    return symbol("kappa_slope") * (weight * linear + rest)


def _gaps(missing: str | Iterable[int]) -> str | frozenset[int]:
    if isinstance(missing, str):
        if missing in ("", "even", "odd"):
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


def _missing(degree: int, gaps: str | frozenset[int]) -> bool:
    if isinstance(gaps, str):
        return {"even": degree % 2 == 0, "odd": degree % 2 == 1, "": False}[gaps]
    return degree in gaps


def _odd_part(degrees: list[int], spread: Any) -> Any:
    """Explained part of the odd degrees above one."""
    import sympy

    if degrees == list(range(1, degrees[-1] + 1, 2)):
        return sum((_energy(j) for j in degrees[1:]), sympy.Integer(0))
    return _projection(degrees, spread)


def _even_part(degrees: list[int], spread: Any, intercept: bool) -> Any:
    """Explained part of the even degrees."""
    import sympy

    if degrees and degrees != list(range(2, degrees[-1] + 1, 2)):
        return _projection([0, *degrees] if intercept else degrees, spread)
    total = sum((_energy(j) for j in degrees), sympy.Integer(0))
    if intercept or not degrees:
        return total
    top = degrees[-1] // 2
    overlap = sum(_overlap(i, spread) for i in range(1, top + 1))
    norm = sum(_norm(i, spread) for i in range(top + 1))
    explained = total - overlap**2 / norm
    return sympy.factor(explained) if top == 1 else explained


def _odd_sum(gaps: str | frozenset[int]) -> Any:
    import sympy

    i, top = sympy.Symbol("i", integer=True), sympy.floor((symbol("l") - 1) / 2)
    if gaps == "odd":
        return sympy.Integer(0)
    return sympy.Sum(_energy(2 * i + 1), (i, 1, top))


def _even_sum(gaps: str | frozenset[int], spread: Any, intercept: bool) -> Any:
    import sympy

    if gaps == "even":
        return sympy.Integer(0)
    i, top = sympy.Symbol("i", integer=True), sympy.floor(symbol("l") / 2)
    total = sympy.Sum(_energy(2 * i), (i, 1, top))
    if intercept:
        return total
    overlap = sympy.Sum(_overlap(i, spread), (i, 1, top))
    return total - overlap**2 / sympy.Sum(_norm(i, spread), (i, 0, top))


def _energy(j: Any) -> Any:
    """Energy of the label in ``He_j(q)``."""
    import sympy

    return sympy.factorial(j) * teacher(j) ** 2 * symbol("rho") ** j


def _overlap(i: Any, spread: Any) -> Any:
    """Label times the term ``He_2i`` of the direction that no even feature has."""
    import sympy

    return (
        sympy.factorial(2 * i) / sympy.factorial(i) * (-spread / 2) ** i * teacher(2 * i) * symbol("rho") ** i
    )


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
        return sum((sympy.factorial(j) * left[j] * right[j] for j in common), sympy.Integer(0))

    label = {j: teacher(j) * sympy.sqrt(symbol("rho")) ** j for j in range(2, degrees[-1] + 1)}
    if not rows:
        return sympy.Integer(0)
    gram = sympy.Matrix([[inner(a, b) for b in rows] for a in rows])
    signal = sympy.Matrix([inner(row, label) for row in rows])
    return sympy.factor((signal.T * gram.LUsolve(signal))[0])


def _hermite_row(degree: int, spread: Any) -> dict[int, Any]:
    """Coefficients ``{j: p_kj}`` of the heat-evolved monomial of a degree in ``He_j(q)``."""
    import sympy

    # Heat flow composes: a monomial is a Hermite polynomial evolved for time 1, this for time 1 + chi.
    return {
        degree - 2 * m: sympy.factorial(degree)
        / (sympy.factorial(m) * sympy.factorial(degree - 2 * m))
        * (spread / 2) ** m
        for m in range(degree // 2 + 1)
    }
