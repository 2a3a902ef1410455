"""Equations of the resolvent for one value of the readout weight (docs/theory.md section 4)."""

from __future__ import annotations

from typing import Any

from rmt_spikes.theory import formulas
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity


@quantity("sample-equation", "inverse of the diagonal of the resolvent, one readout weight", "4", "1/R")
def sample_equation() -> Any:
    """``1 / R(q)``."""
    names = ("L", "ratio", "gamma", "omega", "m_linear", "m_noise", "v_linear")
    return formulas.sample_equation(*map(symbol, names))


@quantity("neuron-equation", "inverse of the neuron's counterpart of R, one readout weight", "4", "1/omega")
def neuron_equation() -> Any:
    """``1 / omega``."""
    return formulas.neuron_equation(*map(symbol, ("gamma", "omega", "v_linear", "v_noise")))
