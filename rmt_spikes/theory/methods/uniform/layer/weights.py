"""What is predicted of the trained first layer."""

from __future__ import annotations

import math

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.weights import Weights, weights_of
from rmt_spikes.theory.features import Features, Rows
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.methods.base import require_mean_field
from rmt_spikes.theory.methods.uniform.layer.problem import LayerProblem, layer_spectrum
from rmt_spikes.theory.realisation import Realisation

PURPOSE = "the spectrum of the trained weights"
"""As what is asked for where it is refused."""


def trained_weights(
    setting: Setting, variables: Latent, features: Features, given: Realisation | None
) -> Weights:
    """Spectrum of the first layer after the step.

    Raises
    ------
    DomainError
        For the standard output scale, and features whose rows do not grow as those of a network.
    ConvergenceError
        If the equations are not solved.
    """
    require_mean_field(setting, PURPOSE, "it has not been worked out")
    if features.rows is not Rows.PENCIL:
        raise DomainError("features", f"must be 'corrected' for {PURPOSE}", str(features))
    spectrum = layer_spectrum(setting, variables, given)
    spectrum.certificate.check()
    problem = spectrum.separated.problem
    assert isinstance(problem, LayerProblem)
    learnt = {math.sqrt(pole.point.eigenvalue): problem.along_teacher(pole) ** 2 for pole in spectrum.poles}
    rank = min(setting.width, setting.d)
    return weights_of(learnt, spectrum.outliers, spectrum.bulk, rank, setting.row_norm)
