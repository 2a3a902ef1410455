"""Claims: groups of quantities that are compared, and what counts as agreement for each.

A finite-size allowance of known order in ``n``, and an equivalence margin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rmt_spikes.arguments import number
from rmt_spikes.setting import Setting


class Claim(StrEnum):
    """Groups of quantities (`quantities.quantities`), in the order of tables."""

    GRADIENT = "gradient"
    LATENT = "latent"
    LOSSES = "losses"
    IMPROVEMENT = "improvement"
    COUNT = "count"
    OUTLIERS = "outliers"
    SPIKES = "spikes"
    EDGE = "edge"
    ALIGNMENT = "alignment"
    RIGHT_ALIGNMENT = "right_alignment"
    FEATURE = "feature"
    BULK = "bulk"
    BULK_LAW = "bulk_law"
    WEIGHTS = "weights"


class Given(StrEnum):
    """What the prediction of a trial takes as given (docs/theory.md section 4.2)."""

    NONE = "none"
    FIRST_STAGE = "first_stage"
    BOTH_BATCHES = "both_batches"

    @property
    def sharpened(self) -> tuple[Claim, ...]:
        """Claims that are compared trial by trial.

        Losses scatter with the second batch: the first stage alone explains a tenth of it (docs/limits.md),
        which does not pay for a prediction a trial. What the first stage is itself stays unconditional.
        """
        if self is Given.NONE:
            return ()
        vectors = (Claim.SPIKES, Claim.ALIGNMENT, Claim.RIGHT_ALIGNMENT, Claim.FEATURE)
        return vectors if self is Given.FIRST_STAGE else (Claim.LOSSES, *vectors)


@dataclass(frozen=True)
class Tolerance:
    """What counts as agreement, in units of the scale of a row (`quantities.Quantity.scale`).

    Attributes
    ----------
    coefficient, exponent
        The theory, a limit, is granted ``coefficient * n ** -exponent``. The exponent is derived, the
        coefficient measured (`TOLERANCES`).
    margin
        Equivalence margin: `agrees` means that the true difference is smaller. It is never taken below the
        allowance: what the theory is granted does not count against it.
    """

    coefficient: float
    exponent: float
    margin: float

    def __post_init__(self) -> None:
        for name, value in (("coefficient", self.coefficient), ("exponent", self.exponent)):
            number(name, value, 0.0, required="must be finite and at least 0")
        number("margin", self.margin, math.nextafter(0.0, 1.0), required="must be finite and above 0")

    def allowance(self, n: float) -> float:
        """What the theory is granted at ``n`` samples: `disagrees` means that the difference is larger."""
        return float(self.coefficient * n**-self.exponent)

    def margin_at(self, n: float) -> float:
        """The margin, at least the allowance."""
        return max(self.margin, self.allowance(n))


def effective_size(setting: Setting) -> float:
    """Number of samples that stands for all sizes of the second stage in an allowance.

    The coefficients were measured at ``width = 2 n / 3`` and ``n_ridge = n``. In other proportions the
    smallest size counts, as the `n` that it belongs to in these.
    """
    return min(float(setting.n), 1.5 * setting.width, float(setting.n_ridge))


# The order in n is that of the first correction to the limit (docs/validation.md, where the measurement of
# the coefficients is): 1/n for smooth functions of the spectrum and of the first batch, n^(-2/3) at an edge,
# n^(-1/2) for the operator norm of what the rank-one gradient leaves out. A count is an integer: its mean
# may be off by a quarter; that of values made by samples by 0.3, as one of them
# mixes with the bulk when it is close to the edge. Scales: relative for the norm of beta (twice that for its
# square), losses, spikes, edges, quantiles and values of the trained layer; the loss without a step for an
# improvement; absolute for the cosine, correlations and coefficients, distances and the counts.
TOLERANCES: Mapping[Claim, Tolerance] = {
    Claim.GRADIENT: Tolerance(6.0, 0.5, 0.25),
    Claim.LATENT: Tolerance(3.0, 1.0, 0.03),
    Claim.LOSSES: Tolerance(10.0, 1.0, 0.05),
    Claim.IMPROVEMENT: Tolerance(10.0, 1.0, 0.03),
    Claim.COUNT: Tolerance(0.25, 0.0, 0.5),
    Claim.OUTLIERS: Tolerance(0.3, 0.0, 0.75),
    Claim.SPIKES: Tolerance(10.0, 1.0, 0.05),
    Claim.EDGE: Tolerance(1.5, 2.0 / 3.0, 0.05),
    Claim.ALIGNMENT: Tolerance(14.0, 1.0, 0.03),
    Claim.RIGHT_ALIGNMENT: Tolerance(25.0, 1.0, 0.03),
    Claim.FEATURE: Tolerance(14.0, 1.0, 0.03),
    Claim.BULK: Tolerance(8.0, 1.0, 0.03),
    Claim.BULK_LAW: Tolerance(8.0, 1.0, 0.02),
    Claim.WEIGHTS: Tolerance(10.0, 1.0, 0.05),
}

DEFAULT_CLAIMS = (Claim.LATENT, Claim.LOSSES, Claim.SPIKES, Claim.ALIGNMENT, Claim.BULK)
"""What is compared when nothing is asked for: what any observation shows, without correlations twice."""

SPECIAL_CLAIMS = (Claim.GRADIENT, Claim.IMPROVEMENT)
"""Claims that need more than an observation has: the gradient, or another run without a step."""

SCATTER_EXPONENTS: Mapping[Claim, float] = {
    **dict.fromkeys(Claim, 0.5),
    **dict.fromkeys((Claim.BULK, Claim.BULK_LAW), 1.0),
    Claim.EDGE: 2.0 / 3.0,
}
"""Orders in ``n`` of standard deviations between networks; those of the bulk are for steps that leave it."""


class Slope(NamedTuple):
    """What a fitted slope may differ from its limit, and its equivalence margin."""

    allowance: float
    margin: float


# Corrections of order n^(-1/2) change a slope by a few hundredths at these sizes, a factor sqrt(log n) by
# 1 / (2 log n) = 0.07.
SLOPES: Mapping[Claim, Slope] = {**dict.fromkeys(Claim, Slope(0.1, 0.25)), Claim.GRADIENT: Slope(0.2, 0.3)}
"""The rank-one error has up to three logarithms: largest readout weight, largest label, norm of a matrix."""
