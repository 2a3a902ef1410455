"""Equations of the resolvent for one value of the readout weight (docs/theory.md section 4)."""

from __future__ import annotations

from typing import Any

from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity


@quantity("sample-equation", "inverse of the diagonal of the resolvent, one readout weight", "4", "1/R")
def sample_equation() -> Any:
    """``1 / R(q)``."""
    omega = symbol("omega")
    linear = symbol("m_linear") ** 2 / (1 + symbol("gamma") * omega * symbol("v_linear"))
    return symbol("L") + symbol("ratio") * omega * (symbol("m_noise") ** 2 + linear)


@quantity("neuron-equation", "inverse of the neuron's counterpart of R, one readout weight", "4", "1/omega")
def neuron_equation() -> Any:
    """``1 / omega``."""
    linear = symbol("v_linear")
    return 1 + symbol("v_noise") + linear / (1 + symbol("gamma") * symbol("omega") * linear)
