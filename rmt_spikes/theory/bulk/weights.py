"""What a prediction says of the trained first layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.bulk.outliers import Outliers
from rmt_spikes.values import Value

Array = NDArray[np.float64]

SHOWN = 10
"""Largest singular values that are listed: most samples that leave the bulk in simulations are among them."""

LEARNT_ERROR, OTHER_ERROR = 0.02, 0.04
"""Relative error bars of the learnt value and of the others, of means over networks and their labels
(docs/accuracy.md)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Weights(Value):
    """Singular values of the trained first layer, and what their right vectors share with the teacher.

    Attributes
    ----------
    singular_values
        The largest ones of ``W``, descending, at most ten: those beyond the bulk, then middle quantiles of
        the bulk; shape ``(count,)``. They are typical values. Rows have the norm `row_norm` before the step.
    right_alignment
        Squared cosines of the right singular vectors with the teacher's direction, of several that along
        ``E[y u]``; shape ``(count,)``. Zero, up to order ``1/d``, for all values that are not learnt.
    origin
        Where each value comes from: ``"learnt"``, ``"sample"`` or ``"bulk"``.
    error
        Error bars of the values (docs/accuracy.md), shape ``(count,)``.
    bulk
        Distribution of all singular values but those beyond the bulk.
    outliers
        Values beyond the bulk that single samples of the first batch make.

    Notes
    -----
    docs/theory.md section 11.
    """

    singular_values: Array
    right_alignment: Array
    origin: tuple[str, ...]
    error: Array
    bulk: Bulk
    outliers: Outliers = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Numbers, JSON-ready."""
        return {
            "singular_values": self.singular_values.tolist(),
            "right_alignment": self.right_alignment.tolist(),
            "origin": list(self.origin),
            "error": self.error.tolist(),
            "bulk": self.bulk.to_dict(),
            "outliers": self.outliers.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], width: int, density: Callable[[Array], Array]) -> Self:
        """Return what `to_dict` wrote of a layer of `width` neurons; `density` computes that of the bulk."""
        bulk = Bulk.from_dict(document["bulk"], density)
        return cls(
            singular_values=np.array(document["singular_values"]),
            right_alignment=np.array(document["right_alignment"]),
            origin=tuple(document["origin"]),
            error=np.array(document["error"]),
            bulk=bulk,
            outliers=Outliers.from_dict(document["outliers"], bulk, width),
        )


def weights_of(
    learnt: Mapping[float, float], outliers: Outliers, bulk: Bulk, rank: int, scale: float
) -> Weights:
    """The trained layer from its parts.

    Parameters
    ----------
    learnt
        Learnt singular values, with the squared cosine of each, for rows of norm one before the step.
    outliers, bulk
        The other values, of such rows.
    rank
        Largest number of singular values that are not zero.
    scale
        Norm of a row before the step.
    """
    count, width = min(SHOWN, rank), outliers.width
    middles = bulk.quantile(1.0 - (np.arange(count) + 0.5) / width)
    found = [(value, share, "learnt") for value, share in learnt.items()]
    found += [(float(value), 0.0, "sample") for value in outliers.places]
    found += [(float(value), 0.0, "bulk") for value in middles]
    values, shares, origins = zip(*sorted(found, key=lambda each: -each[0])[:count], strict=True)
    errors = [LEARNT_ERROR if origin == "learnt" else OTHER_ERROR for origin in origins]
    scaled = bulk.scaled(scale)
    return Weights(
        singular_values=scale * np.array(values),
        right_alignment=np.array(shares),
        origin=origins,
        error=scale * np.array(values) * errors,
        bulk=scaled,
        outliers=outliers.scaled(scale, scaled),
    )
