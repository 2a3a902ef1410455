"""A formula: what it says, and what its symbols mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# ASCII name -> (LaTeX, meaning)
SYMBOLS: Mapping[str, tuple[str, str]] = {
    "B": ("B", "limit of ||beta||^2, beta = X^T r / n the learnt direction"),
    "rho": (r"\rho", "cos^2 of the angle between beta and the teacher's direction"),
    "E_y2": (r"\mathbb{E}y^2", "label energy: second moment of the target plus noise variance"),
    "V": (r"\mathrm{Var}\,\sigma'", "Var activation'(Z)"),
    "theta": (r"\theta", "step size / sqrt(width)"),
    "s": ("s", "shift: the step moves neuron j by s alpha_j q_i on sample i"),
    "nu": (r"\nu", "inflation: growth of the squared norm of a row is nu alpha_j^2"),
    "chi": (r"\chi", "nu / s^2; 0 in the published theory"),
    "drift": (r"\delta", "2 c_2 E[r] theta: growth of a row along itself, per unit of alpha_j"),
    "alpha": (r"\alpha", "readout weight of a neuron"),
    "exponent": (r"\alpha", "step exponent, step size = n^exponent"),
    "c_1": ("c_1", "first Hermite coefficient of the activation"),
    "c_tail2": ("c_{>1}^2", "sum over k >= 2 of k! c_k^2, variance of the activation's non-linear part"),
    "c_star": ("c_{*}", "teacher's Hermite coefficients, by degree"),
    "phi": (r"\phi", "d / n"),
    "psi": (r"\psi", "d / width"),
    "gamma": (r"\gamma", "width / d"),
    "width": ("N", "neurons"),
    "ratio": (r"\tfrac{N}{\tilde n}", "width / n_ridge"),
    "lambda_": (r"\lambda", "ridge"),
    "kappa": (r"\kappa", "effective ridge of the bulk"),
    "kappa_slope": (r"\kappa'", "d kappa / d lambda"),
    "g": ("g", "(1/N) tr (c_1^2 W_0 W_0^T + c_tail2 + kappa)^{-1}"),
    "g_slope": ("g'", "d g / d kappa"),
    "g_edge": ("g_+", "g at the upper edge of the bulk, the largest negative root of dz/dg"),
    "mu": (r"\mu", "share of the linear direction that the untrained features leave unexplained"),
    "mu_slope": (r"\mu'", "d mu / d kappa"),
    "m_1": ("m_1", "(phi / psi) / kappa, in the notation of the published theory"),
    "m_2": ("m_2", "mu m_1, in the notation of the published theory"),
    "z": ("z", "eigenvalue of F F^T / n_ridge"),
    "a": ("a", "strength of a latent direction: its eigenvalue in the population covariance"),
    "q": ("q", "<beta/||beta||, x>, the latent variable of a sample"),
    "t": ("t", "argument of a generating function"),
    "k": ("k", "degree"),
    "l": ("l", "number of spikes"),
    "omega": (r"\omega", "its counterpart for a neuron, as a function of alpha"),
    "L": ("L", "ridge profile"),
    "v_linear": (r"\hat V_1", "E_q[R m_1^2]"),
    "v_noise": (r"\hat V_2", "E_q[R m_*^2]"),
    "m_linear": ("m_{1}", "E Z sigma(u) at (alpha, q)"),
    "m_noise": ("m_{*}", "(E sigma(u)^2 - m_0^2 - m_1^2)^{1/2} at (alpha, q)"),
}
TEACHER = "c_star_"
_INTEGERS = {"k", "l"}
_REAL = {"q", "c_1", "s", "drift", "alpha", "t", "exponent", "m_linear", "g_edge", "g_slope", "mu_slope"}


@dataclass(frozen=True, kw_only=True)
class Formula:
    """One formula of the theory.

    Attributes
    ----------
    name, options
        What `derive` was asked for.
    title, section
        What it is, and its section of docs/theory.md.
    left, expression
        Left-hand and right-hand side (sympy).
    symbols
        Meaning of every free symbol of the expression, by its name.
    """

    name: str
    options: Mapping[str, Any]
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
        return f"{latex(self.left)} = {latex(self.expression)}"

    def description(self) -> str:
        """Plain text of several lines: title, options, the formula and what its symbols mean."""
        width = max((len(name) for name in self.symbols), default=0)
        lines = [f"{self.title} (docs/theory.md section {self.section})"]
        lines += [f"with {key} = {shown(value)}" for key, value in self.options.items()]
        lines += ["", f"  {self.text()}", ""]
        lines += [f"  {name:<{width}}  {meaning}" for name, meaning in self.symbols.items()]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything as text, JSON-ready (schema ``rmt-spikes/formula/1``).

        ``srepr`` has both sides as ``sympy.srepr`` writes them: sympy rebuilds them exactly.
        """
        import sympy

        return {
            "schema": "rmt-spikes/formula/1",
            "name": self.name,
            "options": {key: list(v) if isinstance(v, tuple) else v for key, v in self.options.items()},
            "title": self.title,
            "section": self.section,
            "text": self.text(),
            "latex": self.latex(),
            "srepr": {"left": sympy.srepr(self.left), "right": sympy.srepr(self.expression)},
            "symbols": dict(self.symbols),
        }


def shown(value: Any) -> str:
    """Text of the value of an option, as it is given on the command line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "none"
    return ",".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def symbol(name: str) -> Any:
    """Symbol of the formulas, with the assumption that they use: positive, real or a nonnegative integer.

    Parameters
    ----------
    name
        Name in `Formula.symbols`; ``c_star_k`` is the teacher's coefficient of degree ``k``.

    Raises
    ------
    KeyError
        For a name that no formula uses.
    """
    import sympy

    if name in _INTEGERS:
        return sympy.Symbol(name, integer=True, nonnegative=True)
    if name in _REAL or name.startswith(TEACHER):
        return sympy.Symbol(name, real=True)
    if name not in SYMBOLS:
        raise KeyError(name)
    if name in {"z", "g"}:
        # Both signs, and complex values inside the bulk.
        return sympy.Symbol(name)
    return sympy.Symbol(name, positive=True)


def teacher(degree: Any) -> Any:
    """Teacher's Hermite coefficient: a symbol for an integer degree, else an element of ``c_star``."""
    import sympy

    if isinstance(degree, int):
        return symbol(f"{TEACHER}{degree}")
    return sympy.IndexedBase(symbol("c_star"))[degree]


def meanings(expression: Any) -> dict[str, str]:
    """Meaning of every free symbol of an expression, by its name."""
    names = sorted(str(free) for free in expression.free_symbols if free.is_Symbol)
    return {name: _meaning(name) for name in names}


def latex(expression: Any) -> str:
    """LaTeX of an expression with the project's symbols."""
    import sympy

    names = {free: _latex_name(str(free)) for free in expression.free_symbols if free.is_Symbol}
    return str(sympy.latex(expression, symbol_names=names))


def _meaning(name: str) -> str:
    if name.startswith(TEACHER):
        return f"teacher's Hermite coefficient of degree {name.removeprefix(TEACHER)}"
    return SYMBOLS[name][1]


def _latex_name(name: str) -> str:
    if name.startswith(TEACHER):
        return f"c_{{*,{name.removeprefix(TEACHER)}}}"
    return SYMBOLS[name][0] if name in SYMBOLS else name
