"""Numbers of nodes of the equations with norms as latent variables."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rmt_spikes.theory.methods.uniform.density.nodes import Tried
from rmt_spikes.theory.methods.uniform.norms.share import LEAST


@dataclass(frozen=True)
class ProductNodes:
    """Numbers of nodes.

    Attributes
    ----------
    q, norm
        Of the component of a sample along the learnt direction, and of its norm off it.
    readout, component
        Of the readout weight of a neuron, and of the component of its initial row.
    pencil, powers
        Nodes of the readout weight that the pencil has at most, and powers of the component.
    """

    q: int
    norm: int
    readout: int
    component: int
    pencil: int
    powers: int

    def with_readout(self, count: int) -> ProductNodes:
        """The same with another number of readout weights, all of which the pencil has."""
        return replace(self, readout=count, pencil=count)


OF_LOSSES = ProductNodes(q=16, norm=5, readout=8, component=4, pencil=8, powers=2)
"""Those of losses, with the fewest of the readout weight. The pencil has all of these: with six of ten nodes
losses of networks with more neurons than samples were 5 to 50 % lower at ``theta`` above 1.5. Odd numbers of
nodes, of which one is zero, are worse. More nodes of the others change losses by less than .05 %, and a third
power of the component by .2 % at ``d = 50`` and by 9 % at 10, where losses with Gaussian readouts jump as the
step leaves zero (docs/limits.md)."""

LOSS_NODES: Tried = (((8,), 1.0), ((8, 10, 12), 0.003), ((8, 10), 0.013))
"""Readout nodes of losses. With more, they change by less than .3 % in most settings, by 2 % at most."""

OF_BULK = (
    (LEAST, None),
    (100, ProductNodes(q=24, norm=3, readout=5, component=2, pencil=5, powers=2)),
    (math.inf, ProductNodes(q=24, norm=3, readout=8, component=1, pencil=8, powers=1)),
)
"""Numbers of dimensions, and nodes of the bulk in fewer, with the fewest of the readout weight. From 100 on
initial components are alike: quantiles move by up to .5 % there. The pencil has all pairs, for with fewer its
resolvent leaves its half-plane. With 8 nodes of ``q`` quantiles are 7 % off at a step of ``2.5 sqrt(N)``
(tanh, ``n = 60000``)."""
