"""The trained first layer as the features of linear neurons on a whole population of inputs.

Linear neurons without output scale have the features ``X W^T``, and ``W X^T X W^T / n`` tends to ``W W^T`` as
samples become many. All that the features have, the layer has at ``N / n_ridge = 0``: docs/theory.md section
11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.latent import Latent, LatentGrid, readout_rule
from rmt_spikes.theory.methods.uniform.blocks import PencilBlocks
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.poles.zeros import Pole
from rmt_spikes.theory.methods.uniform.problem import Problem
from rmt_spikes.theory.methods.uniform.spectrum import Spectrum
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.population.levels import levels_of
from rmt_spikes.theory.quadrature_rules import ReadoutLaw
from rmt_spikes.theory.realisation import Realisation

Array = NDArray[np.float64]

TERMS = Terms(length=False, trace=False, degree_two=False, output=False)
"""Linear neurons see neither lengths of rows nor anything of degree two; what the initial output takes is in
the shift."""

SIGNS = np.array([-1.0, 1.0])
"""Nodes of ``q``: linear functions need its first two moments."""


@dataclass(frozen=True, eq=False)
class LayerProblem(Problem):
    """Equations of ``W W^T`` for a first layer whose rows start on the unit sphere."""

    @property
    def n_ridge(self) -> float:
        """A population."""
        return math.inf

    def along_teacher(self, pole: Pole) -> float:
        """Cosine of the right singular vector at a pole with the teacher's direction, up to its sign.

        The left vector of ``X W^T`` is ``X`` times the right vector of ``W``: its components along ``q`` and
        ``t`` are those of the latter along ``beta`` and the rest of the teacher.
        """
        first, second, *_ = self.finite_rank.functions
        grid = self.grid
        weights = grid.q_weights * pole.point.state.resolvent / math.sqrt(pole.slope)
        cosine = self.latent.beta_cosine
        along, rest = (weights * grid.q) @ (pole.vector @ first), weights @ (pole.vector @ second)
        return float(cosine * along + math.sqrt(max(0.0, 1.0 - cosine**2)) * rest)


def layer_problem(setting: Setting, variables: Latent, law: ReadoutLaw) -> LayerProblem:
    """Problem of the trained layer of a setting.

    Isotropic inputs see the layer, whatever those of the first batch were. The initial output, which the
    residual lacks, turns ``beta`` against ``W_0^T a`` by the cosine ``-c_1 / (sqrt(N) ||beta||)``.

    Parameters
    ----------
    setting, variables
        What is predicted, and its latent variables: they may be realised ones.
    law
        Quadrature rule for the readout weights.
    """
    blocks = PencilBlocks(setting, variables, law, TERMS, whitened=True)
    own = layer_variables(setting, variables)
    mean = own.shift * law.nodes[:, None] * SIGNS
    linear = np.repeat(blocks.tau[:, None], SIGNS.size, axis=1)
    grid = LatentGrid(
        law=law,
        q=SIGNS,
        q_weights=np.full(SIGNS.size, 0.5),
        mean=mean,
        linear=linear,
        norm=np.zeros_like(mean),
        second=mean**2 + linear**2,
        labels=labels_of(setting).given(own.beta_cosine, SIGNS),
    )
    return LayerProblem(setting, own, blocks, grid)


def layer_variables(setting: Setting, variables: Latent) -> Latent:
    """Latent variables of isotropic inputs to a trained layer, from those of the setting's own inputs."""
    inputs, norm = levels_of(setting), math.sqrt(variables.beta_norm2)
    signal, _ = inputs.parts(variables.beta_norm2, variables.beta_cosine)
    c_1 = float(setting.activation_expansion.coefficients[1])
    return replace(
        variables,
        shift=c_1 * setting.theta * norm - c_1 / (setting.width * norm),
        beta_cosine=signal * math.sqrt(inputs.along(1.0)) / norm,
    )


def layer_spectrum(setting: Setting, variables: Latent, given: Realisation | None) -> Spectrum:
    """Spectrum of ``W`` for rows that start on the unit sphere."""

    def on_nodes(count: int) -> LayerProblem | None:
        law = readout_rule(setting, count, finite=True, given=given)
        return None if law.nodes.size == whole.nodes.size else layer_problem(setting, variables, law)

    whole = readout_rule(setting, finite=True, given=given)
    untrained = BulkEquivalent(linear=0.0, tail=1.0, gamma=setting.gamma, ratio=setting.gamma)
    return Spectrum(layer_problem(setting, variables, whole), untrained, on_nodes, given=given)
