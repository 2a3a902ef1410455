"""Random matrix theory of one gradient step.

Predicts the spectrum, the spikes, the features they carry and the losses of a two-layer network after one
gradient step; simulates the same network exactly; and says whether the two agree.

Names are imported when they are first used: ``import rmt_spikes`` alone loads no numerical library.
"""

from typing import TYPE_CHECKING

from rmt_spikes.loading import names_on_use

if TYPE_CHECKING:
    from rmt_spikes import plot, theory
    from rmt_spikes.errors import AccuracyWarning, CaseError, ConvergenceError, DomainError, RmtSpikesError
    from rmt_spikes.functions.callables import Function
    from rmt_spikes.setting import Covariance, Setting
    from rmt_spikes.simulation import Data, Measurement, Observation, Trial, observe, simulate
    from rmt_spikes.theory import (
        Bulk,
        Certificate,
        Latent,
        Losses,
        PrecisePrediction,
        Prediction,
        Spike,
        SweepTable,
        critical_step_sizes,
        predict,
        predict_losses,
        sweep,
    )
    from rmt_spikes.validation import (
        CaseCalibration,
        Comparison,
        Report,
        built_in_cases,
        calibrate,
        validate,
    )
    from rmt_spikes.validation.verdicts.compare import compare

__version__ = "0.1.0"

__all__ = [
    "AccuracyWarning",
    "Bulk",
    "CaseCalibration",
    "CaseError",
    "Certificate",
    "Comparison",
    "ConvergenceError",
    "Covariance",
    "Data",
    "DomainError",
    "Function",
    "Latent",
    "Losses",
    "Measurement",
    "Observation",
    "PrecisePrediction",
    "Prediction",
    "Report",
    "RmtSpikesError",
    "Setting",
    "Spike",
    "SweepTable",
    "Trial",
    "__version__",
    "built_in_cases",
    "calibrate",
    "compare",
    "critical_step_sizes",
    "observe",
    "plot",
    "predict",
    "predict_losses",
    "simulate",
    "sweep",
    "theory",
    "validate",
]

_HOMES = {
    "errors": "AccuracyWarning CaseError ConvergenceError DomainError RmtSpikesError",
    "functions.callables": "Function",
    "plot": "plot",
    "setting": "Covariance Setting",
    "simulation": "Data Measurement Observation Trial observe simulate",
    "theory": "Bulk Certificate Latent Losses PrecisePrediction Prediction Spike "
    "SweepTable critical_step_sizes predict predict_losses sweep theory",
    "validation": "CaseCalibration Comparison Report built_in_cases calibrate compare validate",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # a name that is misspelt is then seen by type checkers
    __getattr__ = names_on_use(__name__, _HOME_OF)


def __dir__() -> list[str]:
    """Public names, imported or not."""
    return sorted(__all__)
