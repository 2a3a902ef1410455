"""What singular vectors carry: values beyond an edge, and vectors against a latent variable."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rmt_spikes.functions.hermite import normalized_hermite
from rmt_spikes.simulation.linalg.alignment import POLYNOMIALS, squared_correlations
from rmt_spikes.simulation.network.sampling import Array
from rmt_spikes.values import Record

RECOGNISED = 0.1
"""Squared correlation from which a singular vector is recognised.

Vectors made by samples have .31 on average in the headline case, those deep in the bulk .02. Without a step
16 vectors at the upper edge have at most .08 at d = 315; chance grows like ``1/d``."""


def origin_of(learnt: float, sample: float) -> str:
    """Origin of a singular vector with these squared correlations; NaN is one that was not measured."""
    learnt, sample = np.nan_to_num([learnt, sample]).tolist()
    if max(learnt, sample) < RECOGNISED:
        return "bulk"
    return "learnt" if learnt >= sample else "sample"


@dataclass(frozen=True, kw_only=True, eq=False)
class Beyond(Record):
    """A singular value beyond the edge of the bulk, and what its left singular vector carries.

    Attributes
    ----------
    singular_value : float
        Of ``F / sqrt(n_ridge)``.
    distance : float
        From the edge, in units of the Tracy-Widom fluctuations there.
    origin : str or None
        ``"learnt"``: a function of a direction; ``"sample"``: a single sample of the first batch; ``"bulk"``:
        neither; None for a value whose vector was not kept.
    direction, degree : int or None
        Number of the direction (0 is the learnt one), and degree of the Hermite polynomial of it with the
        largest squared correlation.
    alignment : float or None
        That squared correlation.
    sample : int or None
        Number in the first batch of the sample whose direction is closest.
    sample_alignment : float or None
        Squared correlation with the components of the samples along it.
    """

    singular_value: float
    distance: float
    origin: str | None = None
    direction: int | None = None
    degree: int | None = None
    alignment: float | None = None
    sample: int | None = None
    sample_alignment: float | None = None


def upper_edge(bulk: Any, width: int) -> tuple[float, float]:
    """Upper edge of a bulk such as `Prediction.bulk`, and the scale of the largest value there."""
    return float(bulk.edges[-1][1]), float(bulk.edge_scale(width))


def beyond(trial: Any, edge: float, scale: float) -> tuple[Beyond, ...]:
    """List the values of a trial beyond an edge, largest first."""
    values = trial.singular_values
    return tuple(
        Beyond(
            singular_value=float(values[j]),
            distance=float((values[j] - edge) / scale),
            **(_carried(trial, j) if j < len(trial.alignment) else {}),
        )
        for j in np.flatnonzero(values > edge).tolist()
    )


def _carried(trial: Any, j: int) -> dict[str, Any]:
    tables = [trial.alignment[j]]
    if trial.directions is not None and trial.left_vectors is not None:
        u = trial.left_vectors[:, j]
        for column in trial.directions.T[1:]:
            polynomials = normalized_hermite(POLYNOMIALS - 1, column)
            tables.append(squared_correlations((polynomials @ u)[None], polynomials)[0])
    # NaN is what was not measured: of an unknown direction only the constant is known.
    shares = np.nan_to_num(np.array(tables))
    direction, degree = np.unravel_index(np.argmax(shares), shares.shape)
    found: dict[str, Any] = {
        "direction": int(direction),
        "degree": int(degree),
        "alignment": float(shares[direction, degree]),
    }
    sample = 0.0
    if trial.sample is not None:
        sample = float(trial.sample_alignment[j])
        found |= {"sample": int(trial.sample[j]), "sample_alignment": sample}
    return found | {"origin": origin_of(float(shares.sum(axis=1).max()), sample)}


class Profile(NamedTuple):
    """Left singular vector against a latent variable, in bins of equally many samples.

    Attributes
    ----------
    q, mean, se : ndarray of shape (bins,)
        Mean of the variable in each bin, mean of ``sqrt(n_ridge) u``, and its standard error.
    """

    q: Array
    mean: Array
    se: Array


def profile(u: Array, q: Array, bins: int) -> Profile:
    """Mean of ``sqrt(n_ridge) u`` in bins of `q`, with standard errors."""
    parts = np.array_split(np.argsort(q, kind="stable"), bins)
    scaled = u * np.sqrt(u.size)
    return Profile(
        q=np.array([q[part].mean() for part in parts]),
        mean=np.array([scaled[part].mean() for part in parts]),
        se=np.array([scaled[part].std(ddof=1) / np.sqrt(part.size) for part in parts]),
    )
