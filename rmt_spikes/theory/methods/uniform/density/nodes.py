"""Numbers of readout nodes that the equations of rows which grow much need."""

from __future__ import annotations

from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.latent import LatentGrid
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks

Tried = tuple[tuple[tuple[int, ...], float], ...]
"""By the blocks of the pencil, none to two: numbers of nodes, and the coupling that they may leave out."""

DENSITY_NODES: dict[int, Tried] = {
    1: (((8,), 1.0), ((8, 10, 12, 16), 0.003), ((8, 10), 0.02)),
    2: (((5,), 1.0), ((5, 7, 9), 0.01), ((5,), 0.1)),
}
"""Those of a density, by the nodes of the component of a neuron. With more, quantiles move by less than .4 %
with one component and 2 % with two; where the last number leaves out more than it may, by more. Twice as many
nodes take four to ten times as long: with 20 and 12 one bulk in fifty took more than 3 s."""


def readout_nodes(
    blocks: PencilBlocks, grid: LatentGrid, untrained: BulkEquivalent, tried: Tried
) -> tuple[int, float]:
    """Number of readout nodes, and the coupling that they leave out beyond what they may.

    Parameters
    ----------
    blocks, grid
        Description of the neurons, and the latent functions on all nodes.
    untrained
        Bulk without a step, at whose upper edge the coupling is taken.
    tried
        Numbers that are tried.
    """
    counts, most = tried[blocks.pencil.blocks]
    point = untrained.at_ridge(float(untrained.edges[-1, 1]))
    lost = most
    for count, lost in blocks.lost(grid, (point.kappa, point.g), counts):
        if lost <= most:
            return count, 0.0
    return counts[-1], lost - most
