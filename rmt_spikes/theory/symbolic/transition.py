"""The first spike while the bulk is untrained: strength, place and critical step (docs/theory.md 5 and 6)."""

from __future__ import annotations

from typing import Any

from rmt_spikes.theory import formulas
from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity


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
