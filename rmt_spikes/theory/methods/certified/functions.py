"""Activations and targets, and their derivatives, at complex balls.

Every value is an enclosure. With ``analytic`` true a function that is not holomorphic on the ball returns a
ball that is not finite: what rigorous integration asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from flint import acb, fmpq

from rmt_spikes.functions.expression_tree import Node
from rmt_spikes.functions.scalar import ExpressionFunction, HermiteSeries, NamedFunction, ScalarFunction
from rmt_spikes.theory.bulk.balls import power, rational

Pair = tuple[acb, acb]
Rule = Callable[[acb, bool], Pair]

LEAK = Fraction(1, 100)


def _root(x: acb, analytic: bool) -> Pair:
    root = x.sqrt(analytic=analytic)
    return root, 1 / (2 * root)


def _atan(x: acb, analytic: bool) -> Pair:
    turned = x * acb(0, 1)
    # Through logarithms, whose branch cuts are reported.
    value = ((1 - turned).log(analytic=analytic) - (1 + turned).log(analytic=analytic)) * acb(0, 1) / 2
    return value, 1 / (1 + x * x)


def _elu(x: acb, analytic: bool) -> Pair:
    below = x.real_min(acb(0), analytic=analytic).exp()
    return x.real_max(acb(0), analytic=analytic) + below - 1, below


def _gelu(x: acb, analytic: bool) -> Pair:
    gate = (1 + (x / acb(2).sqrt()).erf()) / 2
    return x * gate, gate + x * (-x * x / 2).exp() / (2 * acb.pi()).sqrt()


def _leaky(x: acb, analytic: bool) -> Pair:
    leak = acb(fmpq(LEAK.numerator, LEAK.denominator))
    step = x.real_heaviside(analytic=analytic)
    return x.real_max(leak * x, analytic=analytic), leak + (1 - leak) * step


def _sigmoid(x: acb, analytic: bool) -> Pair:
    gate, rest = 1 / (1 + (-x).exp()), 1 / (1 + x.exp())
    return gate, gate * rest


def _silu(x: acb, analytic: bool) -> Pair:
    gate, slope = _sigmoid(x, analytic)
    return x * gate, gate + x * slope


def _tanh(x: acb, analytic: bool) -> Pair:
    value, gate = x.tanh(), x.sech()
    return value, gate * gate


RULES: dict[str, Rule] = {
    "abs": lambda x, a: (x.real_abs(analytic=a), x.real_sgn(analytic=a)),
    "atan": _atan,
    "cos": lambda x, a: (x.cos(), -x.sin()),
    "cosh": lambda x, a: (x.cosh(), x.sinh()),
    "elu": _elu,
    "erf": lambda x, a: (x.erf(), (-x * x).exp() * 2 / acb.pi().sqrt()),
    "exp": lambda x, a: (x.exp(), x.exp()),
    "expm1": lambda x, a: (x.expm1(), x.exp()),
    "gelu": _gelu,
    "heaviside": lambda x, a: (x.real_heaviside(analytic=a), acb(0)),
    "identity": lambda x, a: (x, acb(1)),
    "leaky_relu": _leaky,
    "log": lambda x, a: (x.log(analytic=a), 1 / x),
    "log1p": lambda x, a: ((1 + x).log(analytic=a), 1 / (1 + x)),
    "relu": lambda x, a: (x.real_max(acb(0), analytic=a), x.real_heaviside(analytic=a)),
    "sigmoid": _sigmoid,
    "sign": lambda x, a: (x.real_sgn(analytic=a), acb(0)),
    "silu": _silu,
    "sin": lambda x, a: (x.sin(), x.cos()),
    "sinh": lambda x, a: (x.sinh(), x.cosh()),
    "softplus": lambda x, a: ((1 + x.exp()).log(analytic=a), 1 / (1 + (-x).exp())),
    "sqrt": _root,
    "tanh": _tanh,
}
"""Value and derivative of every elementary function, by name."""


def pair_at(function: ScalarFunction, x: acb, analytic: bool = False) -> Pair:
    """Value and derivative of a function at a ball.

    Parameters
    ----------
    function
        A function that is not shifted: its mean is known in double precision only.
    x
        Where.
    analytic
        Whether the result must not be finite unless the function is holomorphic on the ball.

    Returns
    -------
    value, derivative : acb
    """
    if isinstance(function, NamedFunction):
        return RULES[function.name](x, analytic)
    if isinstance(function, HermiteSeries):
        return _series(function, x)
    if isinstance(function, ExpressionFunction):
        return _walk(function.expression.root, x, analytic)
    raise TypeError(f"{type(function).__name__} has no exact form")


def _series(function: HermiteSeries, x: acb) -> Pair:
    value, slope = acb(0), acb(0)
    before, now = acb(0), acb(1)
    coefficients = [rational(c) for c in function.coefficients]
    for k, c in enumerate(coefficients):
        value += c * now
        if k + 1 < len(coefficients):
            slope += (k + 1) * coefficients[k + 1] * now
        before, now = now, x * now - k * before
    return value, slope


def _walk(node: Node, x: acb, analytic: bool) -> Pair:
    """Forward differentiation of a formula; its decimal constants are the rationals that they spell."""
    if node.operation == "z":
        return x, acb(1)
    if node.operation == "number":
        return acb(rational(node.constant or 0.0)), acb(0)
    if node.operation in ("pi", "e"):
        return (acb.pi() if node.operation == "pi" else acb(1).exp()), acb(0)
    pairs = [_walk(argument, x, analytic) for argument in node.arguments]
    if node.operation in RULES:
        value, slope = RULES[node.operation](pairs[0][0], analytic)
        return value, _times(slope, pairs[0][1])
    if node.operation == "neg":
        return -pairs[0][0], -pairs[0][1]
    (left, rise), (right, run) = pairs
    match node.operation:
        case "add":
            return left + right, rise + run
        case "sub":
            return left - right, rise - run
        case "mul":
            return left * right, rise * right + left * run
        case "div":
            return left / right, (rise - _times(left / right, run)) / right
        case "pow":
            return _power(left, rise, node.arguments[1], right, analytic)
    sign = 1 if node.operation == "max" else -1
    chosen = (sign * (left - right)).real_heaviside(analytic=analytic)
    value = (sign * left).real_max(sign * right, analytic=analytic) * sign
    return value, chosen * rise + (1 - chosen) * run


def _times(slope: acb, tangent: acb) -> acb:
    """Chain rule, in which a constant stays one where the outer slope is infinite."""
    return tangent if tangent.is_zero() else slope * tangent


def _power(base: acb, rise: acb, exponent: Node, value: acb, analytic: bool) -> Pair:
    whole = exponent.constant
    if whole is not None and whole == int(whole):
        n = int(whole)
        if n >= 1:
            return power(base, n), _times(n * power(base, n - 1), rise)
        # Negative, or zero: there the base is not zero.
        return acb(base**n), _times(acb(n * base ** (n - 1)), rise) if n else acb(0)
    # Written with logarithms of the base, a root has its cut where the base is negative.
    return base.pow(value, analytic=analytic), _times(value * base.pow(value - 1, analytic=analytic), rise)
