"""Singular values beyond the bulk that single samples make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rmt_spikes.values import Value

Array = NDArray[np.float64]
Draws = tuple[tuple[Array, Array], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outliers(Value):
    """Singular values beyond the bulk that single samples of the first batch make.

    Attributes
    ----------
    places
        Typical values of ``F / sqrt(n_ridge)``, largest first, shape ``(n_outliers,)``.
    scatter
        Their standard deviations between networks with the same labels, shape ``(n_outliers,)``.
    expected_beyond_edge
        Expected number of such values above the last edge of the bulk.
    samples
        Index in the first batch of the sample that makes each value, where the batch is given; else None.
    draws
        Values and standard deviations for each draw of the labels that expected numbers are averaged over;
        empty where the batch is given.
    origin
        ``"sample"``; spikes have ``"learnt"``.

    Notes
    -----
    docs/theory.md section 9. Typical values are those of middle quantiles of the labels.
    """

    places: Array
    scatter: Array
    expected_beyond_edge: float
    samples: Any = None
    draws: Draws = field(default=(), repr=False)
    bulk: Any = field(default=None, repr=False, compare=False)
    width: int = field(default=0, repr=False, compare=False)
    origin: ClassVar[str] = "sample"

    def expected_above(self, x: float) -> float:
        """Expected number of singular values of the bulk and of single samples above `x`."""
        return _expected(((self.places, self.scatter),), self.draws, x) + self.width * (
            1.0 - float(self.bulk.cdf(x))
        )

    def to_dict(self) -> dict[str, Any]:
        """Numbers, JSON-ready."""
        return {
            "places": self.places.tolist(),
            "scatter": self.scatter.tolist(),
            "expected_beyond_edge": self.expected_beyond_edge,
            **({} if self.samples is None else {"samples": self.samples.tolist()}),
            **(
                {} if not self.draws else {"draws": [[each.tolist() for each in draw] for draw in self.draws]}
            ),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], bulk: Any, width: int) -> Outliers:
        """Return what `to_dict` wrote, beside a bulk of `width` singular values."""
        places, scatter = np.array(document["places"]), np.array(document["scatter"])
        samples = None if "samples" not in document else np.array(document["samples"])
        draws = tuple((np.array(each), np.array(error)) for each, error in document.get("draws", ()))
        return outliers_of(places, scatter, bulk, width, samples, draws)

    def scaled(self, factor: float, bulk: Any) -> Outliers:
        """Multiples of these values, beside a `bulk` that is scaled alike."""
        draws = tuple((factor * places, factor * scatter) for places, scatter in self.draws)
        return outliers_of(factor * self.places, factor * self.scatter, bulk, self.width, self.samples, draws)


def _expected(own: Draws, draws: Draws, x: float) -> float:
    """Mean number of values above `x` over the draws, or of a batch's own."""
    numbers = [np.sum(ndtr((places - x) / scatter)) for places, scatter in draws or own]
    return float(np.mean(numbers))


def outliers_of(
    places: Array, scatter: Array, bulk: Any, width: int, samples: Any = None, draws: Draws = ()
) -> Outliers:
    """Values of single samples beside a bulk of `width` singular values."""
    places, scatter = np.asarray(places, dtype=float), np.asarray(scatter, dtype=float)
    edge = float(bulk.edges[-1][1])
    return Outliers(
        places=places,
        scatter=scatter,
        expected_beyond_edge=_expected(((places, scatter),), draws, edge),
        samples=samples,
        draws=draws,
        bulk=bulk,
        width=width,
    )
