"""Neurons of no weight beside those on the nodes: they respond to the others and change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.methods.one_batch.equations import Equations, Growth, Resolvent, State, seeing
from rmt_spikes.theory.methods.one_batch.moments import Moments

Array = NDArray[np.float64]
Values = NDArray[Any]


def omega_of_others(
    equations: Equations, on: Growth, train: Moments, state: State, found: Resolvent
) -> Array:
    """``omega`` of neurons of no weight, shape ``(n_others,)``.

    Their fields ``(y, eta; m, gamma, g)`` join those of the nodes with ``pi = 0``. In the pencil ``y`` then
    has ``eta`` for its only neighbour and ``m`` none, so all their elements of ``G`` and ``Y`` are explicit.

    Parameters
    ----------
    equations, state, found
        Equations on the nodes, their solution, and the resolvent of each sample.
    on, train
        Step of the other neurons, and their features on the batch.
    """
    batch, phi, places = equations.batch, equations.batch.phi, seeing(equations.step.size)
    root, weights = np.sqrt(batch.train.size)[:, None, None], batch.train.weights
    rows, count = on.batch_rows(train), on.step.size
    slope, d = -rows.fields[..., :count], rows.fields[..., count:]
    value, y = weights * found.value, state.inputs
    own, noise = on.step * batch.turn[:, None, None] * root, on.step * batch.train.residual[:, None, None]

    # Of Z: from gamma to the fields of the nodes, and to itself.
    bent = -np.einsum("rx,rxn,rxc->nc", value, slope, found.seen)
    squared = np.einsum("rx,rxn->n", value, slope**2)
    # Of Y: from g to the fields of the nodes, and to itself; from g to gamma it is phi.
    pull = bent @ y
    stiff = np.einsum("nc,nc->n", pull, bent) + phi * squared
    # Of G: from y to v, over - G_vv; beside h; and to itself.
    sight = root * (np.einsum("rxc,nc->rxn", found.seen, pull) - phi * slope)
    ends = root * found.sight[:, None] * pull[:, places]
    behind = ends @ found.inverse
    towards = -value[..., None] * sight
    itself = value[..., None] * sight**2
    itself += weights[..., None] * (np.einsum("rnc,rnc->rn", behind, ends) + root[:, 0] ** 2 * stiff)[:, None]

    # Of Z: from m to the fields of the nodes, to gamma, to g and to itself.
    along = np.einsum("rxn,rxc->nc", value[..., None] * d + own * towards, found.seen)
    shares = weights.sum(axis=1)
    along[:, places] -= np.einsum("r,rn,rnc,rc->nc", shares, own[:, 0], behind, found.sight, optimize=True)
    to_gamma = -np.einsum("rxn,rxn->n", slope, value[..., None] * d + own * towards)
    to_g = -on.step * batch.mean_turn
    total = np.sum(value[..., None] * d**2 + 2.0 * d * own * towards + own**2 * itself, axis=(0, 1))
    through = np.einsum("nc,cd,nd->n", along, y, along)
    through += to_g * (2.0 * np.einsum("nc,nc->n", along, pull) + 2.0 * phi * to_gamma + to_g * stiff)
    seen = value[..., None] * rows.chi + 2.0 * noise * rows.rest * towards
    seen += on.step**2 * batch.stir[:, None, None] * itself
    # The same of the functions of degree two.
    first = value[..., None] * rows.squares
    total += np.sum(first * rows.squares, axis=(0, 1))
    along = np.einsum("rxn,rxc->nc", first, equations.train.squares)
    through += np.einsum("nc,cd,nd->n", along, state.squares, along) * (phi / batch.squares)
    return np.asarray(1.0 / (1.0 + np.sum(seen, axis=(0, 1)) + total + through / phi))
