"""Gaussian moments: closed forms, or a lattice rule for all arguments (docs/theory.md section 3)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flint import acb, arb, arb_poly, arb_series

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.expression_tree import Node
from rmt_spikes.functions.scalar import ExpressionFunction, ScalarFunction, ScaledFunction
from rmt_spikes.functions.table import TABLE
from rmt_spikes.theory.bulk.balls import rational
from rmt_spikes.theory.methods.certified.expansion import reach
from rmt_spikes.theory.methods.certified.functions import BALLS, pair_at

Moments = tuple[arb, arb, arb]

LEGENDRE = (32, 64, 128)
STEPS = (0.16, 0.08, 0.04, 0.02, 0.01)


def closed_form(function: ScalarFunction) -> Callable[[arb, arb], Moments] | None:
    """Moments of a function as a function of mean and scale, where the mean is elementary.

    By Stein's lemma ``E Z f(u)`` and ``E (Z^2 - 1)/2 f(u)`` are ``t F'(m)`` and ``t^2 F''(m) / 2`` of
    ``F(m) = E f(m + t Z)``, whose Taylor series is computed by the arithmetic of series.
    """
    if function.mean(arb(0), arb(1), BALLS) is None:
        return None

    def moments(m: arb, t: arb) -> Moments:
        series = function.mean(arb_series([m, 1], prec=3), t, BALLS)
        return series[0], t * series[1], t * t * series[2]

    return moments


@dataclass(frozen=True)
class Lattice:
    """Nodes ``start + width p + offset`` for ``p = 0, 1, ..., count - 1``, all of one weight.

    The exponential factor of a Gaussian with any mean is a power of ``p`` on it: sums are polynomials.
    """

    start: arb
    width: arb
    count: int
    offset: arb
    weight: arb

    def table(self, function: ScalarFunction) -> list[tuple[arb, arb]]:
        """Nodes, and the values of a function times the weight."""
        nodes = [self.start + self.width * p + self.offset for p in range(self.count)]
        return [(u, pair_at(function, acb(u))[0].real * self.weight) for u in nodes]


class LatticeMoments:
    """Moments of a function without a closed form, by a fixed rule for all means and scales.

    `means` and `scales` are those that will be asked for, or their extremes; `digits` those aimed at.
    Smooth functions are summed on equal steps, which converges geometrically; functions with kinks by
    Gauss-Legendre panels between them. The step is halved (the nodes doubled) until the moments at the
    extremes and the middle of the arguments stay to ``10^-(digits + 4)``.

    Raises
    ------
    ConvergenceError
        If they do not stay on the finest rule.
    """

    def __init__(
        self, function: ScalarFunction, means: Sequence[arb], scales: Sequence[arb], digits: int
    ) -> None:
        self.function = function
        self.top = max(abs(float(m)) for m in means)
        widest = max(map(float, scales))
        self.reach = self.top + widest * max(
            reach(function, digits + 4, side * self.top, widest, decay=2.0) for side in (-1.0, 1.0)
        )
        self.kinks = refined_kinks(function, self.reach)
        probes = [
            (arb(side * self.top * share), arb(scale))
            for scale in {min(map(float, scales)), widest}
            for side, share in ((1.0, 1.0), (-1.0, 1.0), (1.0, 0.37), (-1.0, 0.0))
        ]
        previous: list[arb] | None = None
        change = math.inf
        for rule in STEPS if not self.kinks else LEGENDRE:
            self.lattices = self._lattices(rule)
            self.table = [lattice.table(function) for lattice in self.lattices]
            self.polynomials: dict[str, list[list[arb_poly]]] = {}
            values = [part for m, t in probes for part in self(m, t)]
            if previous is not None:
                size = max(1.0, *(abs(float(v)) for v in values))
                change = max(float(abs(a - b).upper()) for a, b in zip(values, previous, strict=True)) / size
                if change < 10.0 ** -(digits + 4):
                    return
            previous = values
        raise ConvergenceError(
            f"the Gaussian moments of {function.name} need too many nodes for {digits} digits",
            residual=change,
        )

    def _lattices(self, rule: float) -> list[Lattice]:
        if not self.kinks:
            step = rational(rule)
            half = math.ceil(self.reach / rule)
            return [Lattice(arb(-half * step), arb(step), 2 * half + 1, arb(0), arb(step))]
        nodes = [arb.legendre_p_root(int(rule), k, weight=True) for k in range(int(rule))]
        lattices = []
        for low, high in itertools.pairwise([arb(-self.reach), *self.kinks, arb(self.reach)]):
            count = max(1, math.ceil(float(high - low)))
            width = (high - low) / count
            lattices += [Lattice(low, width, count, width * (1 + x) / 2, width * w / 2) for x, w in nodes]
        return lattices

    def _polynomials(self, t: arb) -> list[list[arb_poly]]:
        """Polynomials in the exponential of a step, for the weights 1, u and u^2; kept for one scale."""
        key = t.repr()
        if key not in self.polynomials:
            self.polynomials.clear()
            self.polynomials[key] = []
            for row in self.table:
                first = [value * (-(u * u) / (2 * t * t)).exp() for u, value in row]
                second = [c * u for c, (u, _) in zip(first, row, strict=True)]
                third = [c * u for c, (u, _) in zip(second, row, strict=True)]
                self.polynomials[key].append([arb_poly(first), arb_poly(second), arb_poly(third)])
        return self.polynomials[key]

    def __call__(self, m: arb, t: arb) -> Moments:
        """Moments at a mean and a scale; calls with the same scale share their tables."""
        rate, width = m / t**2, None
        sums = [arb(0), arb(0), arb(0)]
        for lattice, polynomials in zip(self.lattices, self._polynomials(t), strict=True):
            if lattice.width is not width:
                # Lattices of one piece share their width.
                width = lattice.width
                x = (width * rate).exp()
            factor = ((lattice.start + lattice.offset) * rate).exp()
            sums = [s + factor * p(x) for s, p in zip(sums, polynomials, strict=True)]
        scale = (-(m * m) / (2 * t * t)).exp() / (t * (2 * arb.pi()).sqrt())
        zero, one, two = (scale * s for s in sums)
        return zero, (one - m * zero) / t, ((two - 2 * m * one + m * m * zero) / t**2 - zero) / 2


def refined_kinks(function: ScalarFunction, reach: float) -> list[arb]:
    """Kinks of a function to the precision in use, sorted, those within a reach.

    Raises
    ------
    ConvergenceError
        If a kink is not a simple zero of what stands inside abs, max or their like.
    """
    if isinstance(function, ScaledFunction):
        factor = arb(rational(function.factor))
        return [kink / factor for kink in refined_kinks(function.base, reach * function.factor)]
    near = [kink for kink in function.kinks if abs(kink) < reach]
    if not isinstance(function, ExpressionFunction):
        return [arb(rational(kink)) for kink in near]
    inner = [node for node in map(_inside, function.expression.root.walk()) if node is not None]
    return [_refined(function, inner, arb(rational(kink))) for kink in near]


def _inside(node: Node) -> Node | None:
    """What changes sign at a kink of a node."""
    if node.operation in ("max", "min"):
        return Node("sub", node.arguments)
    fractional = node.operation == "pow" and node.exponent % 1
    kinked = node.operation in TABLE and TABLE[node.operation].kink
    return node.arguments[0] if (kinked or fractional) and node.constant is None else None


def _refined(function: ExpressionFunction, inner: list[Node], kink: arb) -> arb:
    """Newton's method on the argument that vanishes at a kink, from its double."""
    for node in inner:
        argument = ExpressionFunction("", (), type(function.expression)("", node, (), ()))
        value, slope = (part.real for part in pair_at(argument, acb(kink)))
        if value.contains(0):
            return kink
        if not abs(value) < abs(slope) * 1e-9 + 1e-300:
            continue
        x = kink
        for _ in range(12):
            value, slope = (part.real for part in pair_at(argument, acb(x)))
            step = value / slope
            x = (x - step).mid()
            if abs(step) < 8 * abs(step).rad() or step.contains(0):
                return x
    where = float(kink)
    message = f"the kink of {function.name} at {where:.6g} is not a simple zero"
    raise ConvergenceError(message, residual=where)
