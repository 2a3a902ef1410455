"""Formulas of the theory as sympy expressions, by name.

A formula is built when it is asked for: sympy is slow to import and most of the package never needs it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rmt_spikes.errors import DomainError

# ASCII name -> (LaTeX, meaning)
SYMBOLS: Mapping[str, tuple[str, str]] = {
    "B": ("B", "limit of ||beta||^2, beta = X^T y / n the learnt direction"),
    "rho": (r"\rho", "cos^2 of the angle between beta and the teacher's direction"),
    "E_y2": (r"\mathbb{E}y^2", "label energy: second moment of the target plus noise variance"),
    "V": (r"\mathrm{Var}\,\sigma'", "Var activation'(Z)"),
    "theta": (r"\theta", "step size / sqrt(width)"),
    "s": ("s", "shift: the step moves neuron j by s alpha_j q_i on sample i"),
    "nu": (r"\nu", "growth of the squared norm of a row, 1 + nu alpha_j^2"),
    "chi": (r"\chi", "nu / s^2; 0 in the published theory"),
    "c_1": ("c_1", "first Hermite coefficient of the activation"),
    "c_tail2": ("c_{>1}^2", "sum over k >= 2 of k! c_k^2, variance of the activation's non-linear part"),
    "phi": (r"\phi", "d / n"),
    "gamma": (r"\gamma", "width / d"),
    "ratio": (r"\tfrac{N}{\tilde n}", "width / n_ridge"),
    "lambda_": (r"\lambda", "ridge"),
    "kappa": (r"\kappa", "effective ridge of the bulk"),
    "g": ("g", "(1/N) tr (c_1^2 W_0 W_0^T + c_tail2 + kappa)^{-1}"),
    "mu": (r"\mu", "share of the linear direction that the untrained features leave unexplained"),
    "q": ("q", "<beta/||beta||, x>, the latent variable of a sample"),
    "k": ("k", "degree"),
}
TEACHER = "c_star_"


@dataclass(frozen=True, kw_only=True)
class Formula:
    """One formula of the theory.

    Attributes
    ----------
    name
        What `derive` was asked for.
    title
        What it is.
    section
        Section of docs/theory.md.
    left
        Symbol of the left-hand side (sympy).
    expression
        Right-hand side (sympy).
    symbols
        Meaning of every free symbol of the expression, by its name.
    """

    name: str
    title: str
    section: str
    left: Any
    expression: Any
    symbols: Mapping[str, str]

    def text(self) -> str:
        """One line of plain text, ``left = right``."""
        return f"{self.left} = {self.expression}"

    def latex(self) -> str:
        """One line of LaTeX, without delimiters."""
        import sympy

        names = {
            free: _latex_name(str(free)) for free in self.expression.free_symbols | self.left.free_symbols
        }
        left, right = (sympy.latex(side, symbol_names=names) for side in (self.left, self.expression))
        return f"{left} = {right}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as text, JSON-ready (schema ``rmt-spikes/formula/1``)."""
        return {
            "schema": "rmt-spikes/formula/1",
            "name": self.name,
            "title": self.title,
            "section": self.section,
            "text": self.text(),
            "latex": self.latex(),
            "symbols": dict(self.symbols),
        }


Builder = Callable[[int], tuple[Any, Any]]


@dataclass(frozen=True)
class _Entry:
    title: str
    section: str
    build: Builder
    degrees: range | None


_ENTRIES: dict[str, _Entry] = {}


def register(
    name: str, title: str, section: str, degrees: range | None = None
) -> Callable[[Builder], Builder]:
    """Add a formula to those that `derive` knows.

    Parameters
    ----------
    name
        Lower case, words joined by ``-``; a family indexed by a degree has ``{}`` where the degree goes.
    title, section
        What it is, and where docs/theory.md has it; ``{}`` in the title is the degree.
    degrees
        Degrees of the family; None for a single formula.

    Returns
    -------
    callable
        Decorator of a function of the degree (0 for a single formula) that returns left- and right-hand
        side.
    """

    def decorate(build: Builder) -> Builder:
        _ENTRIES[name] = _Entry(title, section, build, degrees)
        return build

    return decorate


def quantities() -> tuple[str, ...]:
    """Names that `derive` knows, families written out."""
    return tuple(_places())


def derive(quantity: str) -> Formula:
    """Derive a formula.

    Parameters
    ----------
    quantity
        One of `quantities`.

    Returns
    -------
    Formula

    Raises
    ------
    DomainError
        For a name that is not known, with the nearest ones.
    """
    places = _places()
    if quantity not in places:
        near = difflib.get_close_matches(str(quantity)[:80], list(places), n=3, cutoff=0.5)
        families = [name.format("K") for name in _registry()]
        advice = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(families)}"
        raise DomainError("quantity", "must be the name of a formula", quantity, advice)
    name, degree = places[quantity]
    entry = _registry()[name]
    left, expression = entry.build(degree)
    return Formula(
        name=quantity,
        title=entry.title.format(degree),
        section=entry.section,
        left=left,
        expression=expression,
        symbols=_meanings(expression),
    )


def symbol(name: str) -> Any:
    """Symbol by its name in `SYMBOLS`; ``c_star_k`` is the teacher's coefficient of degree ``k``."""
    import sympy

    if name == "k":
        return sympy.Symbol(name, integer=True, nonnegative=True)
    if name in {"q", "c_1", "s"} or name.startswith(TEACHER):
        return sympy.Symbol(name, real=True)
    if name not in SYMBOLS:
        raise KeyError(name)
    return sympy.Symbol(name, positive=True)


def named(name: str) -> Any:
    """Symbol for a left-hand side that stands in no other formula."""
    import sympy

    return sympy.Symbol(name)


def _registry() -> Mapping[str, _Entry]:
    # The formulas register themselves when their module is first imported.
    from rmt_spikes.theory import formulas  # noqa: F401

    return _ENTRIES


def _places() -> dict[str, tuple[str, int]]:
    """Each name with its entry and degree."""
    return {
        name.format(degree): (name, degree)
        for name, entry in _registry().items()
        for degree in entry.degrees or (0,)
    }


def _meanings(expression: Any) -> dict[str, str]:
    names = sorted(str(free) for free in expression.free_symbols)
    teacher = "teacher's Hermite coefficient of degree "
    return {n: teacher + n.removeprefix(TEACHER) if n.startswith(TEACHER) else SYMBOLS[n][1] for n in names}


def _latex_name(name: str) -> str:
    if name.startswith(TEACHER):
        return f"c_{{*,{name.removeprefix(TEACHER)}}}"
    return SYMBOLS[name][0] if name in SYMBOLS else name
