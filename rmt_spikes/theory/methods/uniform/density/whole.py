"""The whole bulk: from its outer edges and some states to its intervals and its density."""

from __future__ import annotations

import numpy as np

from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.bulk.interval import MASS_ERROR, careful_mass_error, mass_error
from rmt_spikes.theory.methods.uniform.density.edges import End
from rmt_spikes.theory.methods.uniform.density.missing import place_in_a_gap
from rmt_spikes.theory.methods.uniform.density.states import CutStates
from rmt_spikes.theory.methods.uniform.density.support import BranchCut

WAYS = ((mass_error, True), (careful_mass_error, True), (careful_mass_error, False))
"""What tells the error of the mass of a band, and whether its density is interpolated: one after the other,
until the mass is right."""


UNSEEN = 4
"""Bands at most that are found in gaps by the mass that is missing."""


def bulk_on(
    states: CutStates, low: End, high: End, untrained: BulkEquivalent, seen: tuple[float, ...] = ()
) -> tuple[Bulk, BranchCut]:
    """Bulk between its outer edges, with some states that are known; `untrained` is that without a step.

    Where mass is missing the gaps are looked through, and what was `seen` in them is known from then on.
    """
    for end in (high, low):
        states.enter(end)
    for place in seen:
        states.at(place)
    edges_of_untrained = untrained.edges.ravel()
    hints = 0.5 * (edges_of_untrained[1:-1:2] + edges_of_untrained[2::2])
    for way in WAYS:
        cut = BranchCut(states, *way)
        edges, joints = cut.support(low.at, high.at, hints)
        bulk = Bulk(
            edges=np.sqrt(edges),
            joints=joints,
            atom_at_zero=untrained.atom_at_zero,
            density_inside=cut.density,
            direct=False,
            mass_error=cut.mass_error,
        )
        if abs(bulk.mass - 1.0) < MASS_ERROR:
            break
        if bulk.mass < 1.0 - MASS_ERROR and len(seen) < UNSEEN:
            place = place_in_a_gap(bulk, states)
            if low.at < place < high.at:
                return bulk_on(CutStates(states.equations), low, high, untrained, (*seen, place))
    return bulk, cut
