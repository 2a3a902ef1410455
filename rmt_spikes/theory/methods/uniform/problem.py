"""The equations and the finite-rank part of one description of the trained rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rmt_spikes.setting import Setting
from rmt_spikes.theory.latent import Latent, LatentGrid
from rmt_spikes.theory.methods.uniform.blocks import Blocks
from rmt_spikes.theory.methods.uniform.equations import FixedPoint
from rmt_spikes.theory.methods.uniform.finite_rank import FiniteRank


@dataclass(frozen=True, eq=False)
class Problem:
    """A setting with all that is needed to write its equations.

    Parameters
    ----------
    setting, latent
        What is predicted, and its latent variables.
    blocks, grid
        Description of the rows, and latent functions on the nodes.
    """

    setting: Setting
    latent: Latent
    blocks: Blocks
    grid: LatentGrid

    @property
    def n_ridge(self) -> float:
        """Number of samples whose features are meant."""
        return self.setting.n_ridge

    @cached_property
    def equations(self) -> FixedPoint:
        """Equations of the bulk."""
        grid, blocks = self.grid, self.blocks
        return FixedPoint(
            q_weights=grid.q_weights,
            a_weights=grid.law.weights,
            noise=blocks.noise(grid),
            ratio=self.setting.width / self.n_ridge,
            channels=blocks.channels(grid),
        )

    @cached_property
    def finite_rank(self) -> FiniteRank:
        """Finite-rank part of the features."""
        blocks, equations = self.blocks, self.equations
        return FiniteRank(
            equations=equations,
            functions=blocks.functions(self.grid),
            norm=self.grid.norm,
            norm_covariance=blocks.norm_covariance,
            scales=blocks.scales,
            directions=blocks.directions(equations.channels[0]),
            readout_coupling=blocks.readout_coupling,
        )
