"""The named functions and Gaussian integrals in mpmath: a second program, slow and literal."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import mpmath as mp

DIGITS = 35

REFERENCE: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "relu": lambda z: max(z, mp.mpf(0)),
    "tanh": mp.tanh,
    "erf": mp.erf,
    "gelu": lambda z: z * mp.ncdf(z),
    "softplus": lambda z: max(z, mp.mpf(0)) + mp.log1p(mp.exp(-abs(z))),
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "sin": mp.sin,
    "silu": lambda z: z / (1 + mp.exp(-z)),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "elu": lambda z: z if z > 0 else mp.expm1(z),
    "atan": mp.atan,
    "cos": mp.cos,
    "abs": abs,
    "sign": mp.sign,
    "identity": lambda z: z,
}

BY_FORMULA: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    "swish": REFERENCE["silu"],
    "mish": lambda z: z * mp.tanh(REFERENCE["softplus"](z)),
    "selu": lambda z: (
        mp.mpf("1.0507009873554805") * (z if z > 0 else mp.mpf("1.6732632423543773") * mp.expm1(z))
    ),
    "hardtanh": lambda z: max(mp.mpf(-1), min(z, mp.mpf(1))),
    "relu6": lambda z: max(mp.mpf(0), min(z, mp.mpf(6))),
    "softsign": lambda z: z / (1 + abs(z)),
    "step": lambda z: mp.mpf(z > 0),
}
"""Functions that the package names by a formula."""


def slope(name: str, z: mp.mpf) -> mp.mpf:
    """Derivative of a named function away from its kinks, by central differences in twice the digits."""
    return mp.diff(REFERENCE[name], z)


@cache
def legendre_rule(count: int) -> list[tuple[mp.mpf, mp.mpf]]:
    """Nodes and weights of Gauss-Legendre on [-1, 1], by Newton's method from Tricomi's guess."""
    rule = []
    with mp.workdps(DIGITS + 10):
        for k in range(1, count + 1):
            x = mp.cos(mp.pi * (k - mp.mpf(1) / 4) / (count + mp.mpf(1) / 2))
            for _ in range(8):
                before, now = mp.mpf(1), x
                for degree in range(2, count + 1):
                    before, now = now, ((2 * degree - 1) * x * now - (degree - 1) * before) / degree
                slope = count * (x * now - before) / (x * x - 1)
                x -= now / slope
            rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return rule


def gaussian_nodes(edges: Sequence[mp.mpf], count: int = 30) -> list[tuple[mp.mpf, mp.mpf]]:
    """Nodes, and weights times the Gaussian density, of a composite rule with these panels."""
    nodes = []
    with mp.workdps(DIGITS):
        for left, right in pairwise(edges):
            middle, half = (left + right) / 2, (right - left) / 2
            for x, weight in legendre_rule(count):
                z = middle + half * x
                nodes.append((z, weight * half * mp.npdf(z)))
    return nodes
