"""Neurons of no weight beside those of a pencil: their rows respond to the others and change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.uniform.pencil.levels import LevelState, Pencil

Array = NDArray[np.float64]
Values = NDArray[Any]


def response_of_others(pencil: Pencil, state: LevelState, k: Array, others: Pencil) -> Array:
    """``Y`` between neurons of no weight and the nodes of a pencil, shape ``(n_others, A)``.

    The pencil of nodes and neurons together, to first order in the coupling between them: a neuron of no
    weight alone is not coupled, and its own ``Y``, `others` on their own, is explicit.

    Parameters
    ----------
    pencil, state
        The pencil of the nodes, and where it is.
    k
        Coupling of each neuron to the nodes, shape ``(n_others, A)``, over the root of its resolvent, which
        ``Y`` is linear in.
    others
        The pencil on all readout weights of these neurons.
    """
    batch, count, blocks = pencil.batch, others.nodes, others.blocks
    shares, phi = batch.proportions, batch.phi
    free, own = others.uncoupled, np.arange(count)
    y = free.y[:, own, own]
    source = free.source.reshape(-1, blocks, count, count)[:, :, own, own]
    # A pair of indices that numpy moves to the front.
    om, green = (
        each.reshape(each.shape[0], blocks, count, blocks, count)[:, :, own, :, own]
        for each in (free.om, free.green)
    )
    # A change of Nu changes M by -G dNu G, one of M changes Nu by -phi E[Om dM Om].
    left = batch.residuals.weights[:, None, None, None] * np.einsum("rij,ljk->rlik", state.om, state.green)
    right = np.einsum("l,nlcd,nrdb->nrlcb", shares, green, om)
    size = blocks * pencil.nodes * blocks
    matrix = np.eye(size) - phi * np.einsum("rlij,nrlcb->nibjc", left, right).reshape(count, size, size)
    pushed = np.einsum("l,lia,na,lcn->nic", shares, state.source, k, source, optimize=True)
    wanted = -phi * np.einsum(
        "r,rij,njc,nrcb->nib", batch.residuals.weights, state.om, pushed, om, optimize=True
    )
    nu = np.linalg.solve(matrix, wanted.reshape(count, size, 1)).reshape(count, -1, blocks)
    through = np.einsum("l,lia,nib,lbn->na", shares, state.source, nu, source, optimize=True)
    return np.asarray(through - np.einsum("l,lab,nb,ln->na", shares, state.y, k, y, optimize=True))
