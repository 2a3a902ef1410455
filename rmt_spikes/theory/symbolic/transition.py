"""The first spike while the bulk is untrained: strength, place and critical step (docs/theory.md 5 and 6)."""

from __future__ import annotations

from typing import Any

from rmt_spikes.theory.symbolic.formula import symbol
from rmt_spikes.theory.symbolic.quantities import quantity


@quantity("spike-strength", "strength of spike 1, to leading order in the shift", "5", "a")
def spike_strength() -> Any:
    """``a_1 = c_1^2 (N s^2 + gamma)``: the learnt part, and that of the untrained rows."""
    return symbol("c_1") ** 2 * (symbol("width") * symbol("s") ** 2 + symbol("gamma"))


@quantity("spike-location", "eigenvalue of F F^T / n_ridge of a latent direction of strength a", "5", "z")
def spike_location() -> Any:
    """``z`` at ``g = -1/a``; a spike when ``a > -1/g_edge``."""
    a, ratio, tail = symbol("a"), symbol("ratio"), symbol("c_tail2")
    slope = symbol("c_1") ** 2
    population = a + tail + slope * a / (a - symbol("gamma") * slope)
    return population * (1 - ratio + ratio * population / a)


@quantity(
    "critical-step", "step size at which spike 1 leaves the bulk, to leading order in the shift", "6", "eta_1"
)
def critical_step() -> Any:
    """Step at which ``a_1 = -1/g_edge``; without a step a spike exists where the root is imaginary."""
    import sympy

    slope = symbol("c_1") ** 2
    return sympy.sqrt((-1 / (slope * symbol("g_edge")) - symbol("gamma")) / (slope * symbol("B")))
