"""Theory against simulation: the only part that knows both."""

from rmt_spikes.validation.calibration import CaseCalibration, calibrate
from rmt_spikes.validation.case import Case
from rmt_spikes.validation.compare import compare
from rmt_spikes.validation.comparison import Comparison, Row
from rmt_spikes.validation.report import Report, validate
from rmt_spikes.validation.tolerance import Tolerance

__all__ = [
    "Case",
    "CaseCalibration",
    "Comparison",
    "Report",
    "Row",
    "Tolerance",
    "calibrate",
    "compare",
    "validate",
]
