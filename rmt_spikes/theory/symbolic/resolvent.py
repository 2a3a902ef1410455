"""The resolvent for one readout weight, and the first spike of an untrained bulk (docs/theory.md 4 to 6)."""

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


@quantity("spike-strength", "strength of spike 1, to leading order in the shift", "5", "a")
def spike_strength() -> Any:
    """``a_1 = c_1^2 (N s^2 + gamma)``: the learnt part, and that of the untrained rows."""
    return formulas.spike_strength(symbol("width"), symbol("s"), symbol("c_1") ** 2, symbol("gamma"))


@quantity("spike-location", "eigenvalue of F F^T / n_ridge of a latent direction of strength a", "5", "z")
def spike_location() -> Any:
    """``z`` at ``g = -1/a``; a spike when ``a > -1/g_edge``."""
    slope2 = symbol("c_1") ** 2
    return formulas.spike_location(symbol("a"), slope2, symbol("c_tail2"), symbol("gamma"), symbol("ratio"))


@quantity(
    "critical-step", "step size at which spike 1 leaves the bulk, to leading order in the shift", "6", "eta_1"
)
def critical_step() -> Any:
    """Step at which ``a_1 = -1/g_edge``; without a step a spike exists where the root is imaginary."""
    import sympy

    slope2 = symbol("c_1") ** 2
    return sympy.sqrt(formulas.critical_step2(symbol("g_edge"), slope2, symbol("gamma"), symbol("B")))
