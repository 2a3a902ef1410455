"""What counts as agreement: a finite-size allowance of known order in ``n``, and an equivalence margin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from rmt_spikes.arguments import number
from rmt_spikes.setting import Setting


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
        """Refuse what is not a tolerance."""
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
# may be off by a quarter. Scales: relative for the norm of beta (twice that for its square), losses, spikes,
# edges and quantiles; the loss without a step for an improvement; absolute for the cosine, correlations and
# coefficients, distances and the count.
TOLERANCES: Mapping[str, Tolerance] = {
    "gradient": Tolerance(6.0, 0.5, 0.25),
    "latent": Tolerance(3.0, 1.0, 0.03),
    "losses": Tolerance(10.0, 1.0, 0.05),
    "improvement": Tolerance(10.0, 1.0, 0.03),
    "count": Tolerance(0.25, 0.0, 0.5),
    "spikes": Tolerance(10.0, 1.0, 0.05),
    "edge": Tolerance(1.5, 2.0 / 3.0, 0.05),
    "alignment": Tolerance(14.0, 1.0, 0.03),
    "right_alignment": Tolerance(25.0, 1.0, 0.03),
    "feature": Tolerance(14.0, 1.0, 0.03),
    "bulk": Tolerance(8.0, 1.0, 0.03),
    "bulk_law": Tolerance(8.0, 1.0, 0.02),
}
CLAIMS = tuple(TOLERANCES)

DEFAULT_CLAIMS = ("latent", "losses", "spikes", "alignment", "bulk")
"""What is compared when nothing is asked for: what any observation shows, without correlations twice."""

SCATTER_EXPONENTS: Mapping[str, float] = {
    **dict.fromkeys(("latent", "losses", "improvement", "spikes", "alignment"), 0.5),
    **dict.fromkeys(("right_alignment", "feature", "gradient", "count"), 0.5),
    **dict.fromkeys(("bulk", "bulk_law"), 1.0),
    "edge": 2.0 / 3.0,
}
"""Orders in ``n`` of standard deviations between networks; those of the bulk are for steps that leave it."""


class Slope(NamedTuple):
    """Tolerances of a fitted slope.

    Attributes
    ----------
    allowance
        What a slope between finite sizes may differ from its limit: relative corrections of order
        ``n^(-1/2)`` change it by a few hundredths at these sizes, a factor ``sqrt(log n)`` by
        ``1 / (2 log n) = 0.07``.
    margin
        Equivalence margin.
    """

    allowance: float
    margin: float


# The rank-one error has up to three such logarithms: largest readout weight, largest label, norm of a matrix.
SLOPES: Mapping[str, Slope] = {**dict.fromkeys(CLAIMS, Slope(0.1, 0.25)), "gradient": Slope(0.2, 0.3)}

_PLACES = ("spikes", "alignment", "right_alignment", "feature")
SHARPENED: Mapping[str, tuple[str, ...]] = {"first_stage": _PLACES, "both_batches": ("losses", *_PLACES)}
"""Claims that are compared trial by trial, by what is given.

Losses scatter with the second batch: the first stage alone explains a tenth of it (docs/limits.md), which
does not pay for a prediction a trial. What the first stage is itself stays unconditional.
"""
