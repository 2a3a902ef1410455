"""Theory against simulation: the only part that knows both."""

from rmt_spikes.validation.case import Case
from rmt_spikes.validation.compare import Comparison, Row, Tolerance, compare
from rmt_spikes.validation.report import Report, validate

__all__ = ["Case", "Comparison", "Report", "Row", "Tolerance", "compare", "validate"]
