"""Numbers of nodes of the equations with norms as latent variables."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


OF_LOSSES = ProductNodes(q=24, norm=5, readout=10, component=5, pencil=6, powers=2)
"""With 20 of each losses change by less than .1 %. The pencil on fewer nodes than there are pairs loses
nothing for two-valued readouts, .1 % for Gaussian ones by the nodes; three powers in place of two change
losses by .2 % at ``d = 50`` and by 9 % at 10, where losses with Gaussian readouts jump as the step leaves
zero (docs/limits.md)."""

OF_BULK = (
    (LEAST, None),
    (100, ProductNodes(q=24, norm=3, readout=5, component=2, pencil=5, powers=2)),
    (math.inf, ProductNodes(q=24, norm=3, readout=8, component=1, pencil=8, powers=1)),
)
"""Numbers of dimensions, and nodes of the bulk in fewer. From 100 on initial components are alike: quantiles
move by up to .5 % there. The pencil has all pairs, for with fewer its resolvent leaves its half-plane. With 8
nodes of ``q`` quantiles are 7 % off at a step of ``2.5 sqrt(N)`` (tanh, ``n = 60000``)."""
