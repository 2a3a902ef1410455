"""Formulas of the theory as sympy expressions.

Each quantity is a function that returns an expression; `derive` gives the same expression by name with its
title, its place in docs/theory.md and the meaning of its symbols. sympy is imported when a formula is asked
for: most of the package never needs it.
"""

from rmt_spikes.theory.symbolic.equations import (
    beta_cosine2,
    beta_norm2,
    bulk_polynomial,
    chi,
    critical_step,
    effective_ridge,
    effective_ridge_slope,
    feature,
    feature_generating,
    growth,
    inflation,
    linear_share_slope,
    marchenko_pastur,
    mu,
    neuron_equation,
    published_equation,
    ridge,
    row_norm2,
    sample_equation,
    shift,
    spike_location,
    spike_strength,
    trace_slope,
)
from rmt_spikes.theory.symbolic.expansions import hermite, hermite_coefficients, smoothed
from rmt_spikes.theory.symbolic.formula import Formula, symbol
from rmt_spikes.theory.symbolic.improvement import improvement, untrained_loss
from rmt_spikes.theory.symbolic.quantities import derive, listing, options, quantities

__all__ = [
    "Formula",
    "beta_cosine2",
    "beta_norm2",
    "bulk_polynomial",
    "chi",
    "critical_step",
    "derive",
    "effective_ridge",
    "effective_ridge_slope",
    "feature",
    "feature_generating",
    "growth",
    "hermite",
    "hermite_coefficients",
    "improvement",
    "inflation",
    "linear_share_slope",
    "listing",
    "marchenko_pastur",
    "mu",
    "neuron_equation",
    "options",
    "published_equation",
    "quantities",
    "ridge",
    "row_norm2",
    "sample_equation",
    "shift",
    "smoothed",
    "spike_location",
    "spike_strength",
    "symbol",
    "trace_slope",
    "untrained_loss",
]
