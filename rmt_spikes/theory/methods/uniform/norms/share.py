"""Dimensions in which norms are latent variables."""

from __future__ import annotations

from rmt_spikes.setting import Setting

LEAST = 10
"""Dimensions from which norms are latent variables: in fewer, functions of degree three are learnt, which no
channel has."""

FEW = 100, 150
"""Dimensions between which norms become latent variables: below they are, above they are linearised. In 120
dimensions that changes losses by .3 %, spread over 50 dimensions."""


def share_of_norms(setting: Setting) -> float:
    """Share of the losses that is computed with norms as latent variables, continuous above `LEAST`."""
    if setting.d < LEAST:
        return 0.0
    x = min(1.0, max(0.0, (FEW[1] - setting.d) / (FEW[1] - FEW[0])))
    return x * x * (3.0 - 2.0 * x)
