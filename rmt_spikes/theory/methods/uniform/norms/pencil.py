"""The pencil of a first batch on pairs of a readout weight and the component of an initial row."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.pencil.levels import Pencil
from rmt_spikes.theory.quadrature_rules import ReadoutLaw, gauss_rule

Array = NDArray[np.float64]

SMALL = 10
"""Pairs of which a pencil has all in any case."""


def few_nodes(law: ReadoutLaw, count: int) -> tuple[Array, Array]:
    """Nodes of a Gauss rule of at most `count` nodes, and the isometry from them to those of the law."""
    if count >= law.nodes.size:
        return law.nodes, np.eye(law.nodes.size)
    rule = gauss_rule(law.nodes, count, law.weights)
    wide = (rule.polynomials(law.nodes) * np.sqrt(law.weights)).T
    return rule.nodes, wide @ (rule.polynomials(rule.nodes) * np.sqrt(rule.weights))


@dataclass(frozen=True, eq=False)
class ProductPencil(Pencil):
    """A pencil on pairs of nodes: how rows grow depends on the readout weight alone.

    It sees the functions that are polynomials of low degree in either variable. On the rest, rows grow as
    without coupling.

    Parameters
    ----------
    readout
        Quadrature rule of the readout weight.
    other, other_weights
        Nodes and weights of the other variable.
    few, powers
        Nodes of the readout weight that it has at most, and powers of the other variable.
    """

    readout: ReadoutLaw = field(kw_only=True)
    other: Array = field(kw_only=True)
    other_weights: Array = field(kw_only=True)
    few: int = field(kw_only=True)
    powers: int = field(kw_only=True)

    @cached_property
    def reduction(self) -> tuple[Array, Array]:
        """Nodes of the readout weight that the pencil has, and the isometry from them to the pairs."""
        law = self.readout
        nodes, wide = few_nodes(law, self.few)
        root = np.sqrt(self.other_weights)
        small = nodes.size * self.other.size <= SMALL
        powers = self.other.size if small else min(self.powers, self.other.size)
        if powers == self.other.size:
            return np.repeat(nodes, powers), np.asarray(np.kron(wide, np.eye(powers)), dtype=float)
        basis = np.linalg.qr(root[:, None] * self.other[:, None] ** np.arange(powers))[0]
        return np.repeat(nodes, powers), np.asarray(np.kron(wide, basis), dtype=float)

    @property
    def reduced(self) -> bool:
        """Whether the pencil has fewer nodes than there are pairs."""
        return bool(self.reduction[0].size < self.readout.nodes.size * self.other.size)
