"""Theory against simulation: the only part that knows both."""

from rmt_spikes.validation.campaign.calibration import CaseCalibration, calibrate
from rmt_spikes.validation.cases.case import Case, built_in_cases
from rmt_spikes.validation.report.write import Report, validate
from rmt_spikes.validation.verdicts.claims import Claim, Given, Tolerance
from rmt_spikes.validation.verdicts.compare import compare
from rmt_spikes.validation.verdicts.comparison import Comparison, Row
from rmt_spikes.verdict import Conclusion, Verdict

__all__ = [
    "Case",
    "CaseCalibration",
    "Claim",
    "Comparison",
    "Conclusion",
    "Given",
    "Report",
    "Row",
    "Tolerance",
    "Verdict",
    "built_in_cases",
    "calibrate",
    "compare",
    "validate",
]
