"""Predictions: no randomness, no knowledge of the simulation.

A prediction is imported at once; sweeps, standard deviations and formulas when they are first used.
"""

from typing import TYPE_CHECKING

from rmt_spikes.functions.hermite import gaussian_moments
from rmt_spikes.loading import names_on_use
from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.weights import Weights
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.limits import limit_losses
from rmt_spikes.theory.predict import critical_step_sizes, predict, predict_losses
from rmt_spikes.theory.prediction import PrecisePrediction, Prediction
from rmt_spikes.theory.regimes import regime_degree
from rmt_spikes.theory.results import Certificate, Losses, Regime, Spike

if TYPE_CHECKING:
    from rmt_spikes.theory import symbolic
    from rmt_spikes.theory.fluctuations.losses import loss_standard_deviations
    from rmt_spikes.theory.fluctuations.spikes import spike_standard_deviations
    from rmt_spikes.theory.sweeps.grid import sweep
    from rmt_spikes.theory.sweeps.table import SweepTable

__all__ = [
    "THEORY_VERSION",
    "Bulk",
    "Certificate",
    "Features",
    "Latent",
    "Losses",
    "PrecisePrediction",
    "Prediction",
    "Regime",
    "Spike",
    "SweepTable",
    "Weights",
    "critical_step_sizes",
    "gaussian_moments",
    "limit_losses",
    "loss_standard_deviations",
    "predict",
    "predict_losses",
    "regime_degree",
    "spike_standard_deviations",
    "sweep",
    "symbolic",
]

THEORY_VERSION = 27
"""To be raised when a predicted number changes beyond rounding, or when others of them are stored.

Stored predictions are known by it, and never by the text of the code: moving or rewriting code keeps them.
"""

_HOME_OF = {
    "SweepTable": "sweeps.table",
    "loss_standard_deviations": "fluctuations.losses",
    "spike_standard_deviations": "fluctuations.spikes",
    "sweep": "sweeps.grid",
    "symbolic": "symbolic",
}


if not TYPE_CHECKING:  # a name that is misspelt is then seen by type checkers
    __getattr__ = names_on_use(__name__, _HOME_OF)


def __dir__() -> list[str]:
    """Public names, imported or not."""
    return sorted(__all__)
