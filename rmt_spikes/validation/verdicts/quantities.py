"""Quantities that can be compared: where they stand in a prediction, and how a trial shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt_spikes.validation.verdicts.bulk_distance import spectral_distances

if TYPE_CHECKING:
    from rmt_spikes.simulation import Trial
    from rmt_spikes.theory import Bulk, Prediction, Spike

ALIGNED_DEGREES = 3
POLYNOMIALS = 5
CLEAR_WIDTHS = 4.0
CLEAR_FLUCTUATIONS = 4.0

JUMP = 5.0
ROUNDING = 1e-9


@dataclass(frozen=True)
class Quantity:
    """A predicted number, and how to read it off a trial.

    Attributes
    ----------
    path
        Path in the JSON of a prediction, or a name of its own where there is none.
    claim
        Group that it belongs to.
    predicted
        Prediction.
    scale
        What tolerances are multiplied with: the size of the prediction, or 1 for a correlation or a distance.
    observe
        Its value in a trial.
    gained
        Whether the quantity is what the step took away: the value without a step, on the same random numbers,
        minus the value with it.
    vector
        For an entry of a vector whose sign is free: paths and predictions of all entries.
    """

    path: str
    claim: str
    predicted: float
    scale: float
    observe: Callable[[Trial], float]
    gained: bool = False
    vector: tuple[tuple[str, float], ...] = ()

    def value(self, trial: Trial, untrained: Trial | None = None) -> float:
        """Value in a trial; `untrained` is the same trial without a step."""
        seen = self.observe(trial)
        if not self.gained:
            return seen
        assert untrained is not None, "a gain needs the trial without a step"
        return self.observe(untrained) - seen

    def read(self, values: Mapping[str, float]) -> float:
        """Value in another prediction of the same paths, a vector with the orientation that is closest."""
        overlap = sum(values.get(path, 0.0) * predicted for path, predicted in self.vector)
        return -values[self.path] if overlap < 0.0 else values[self.path]


def quantities(
    prediction: Prediction,
    claim: str,
    recorded: int,
    untrained: Prediction | None = None,
    *,
    near_edge: bool = False,
) -> list[Quantity]:
    """Quantities of a claim.

    Parameters
    ----------
    prediction
        Theory.
    claim
        One of `tolerance.CLAIMS`.
    recorded
        Number of singular vectors that the trials have.
    untrained
        Prediction of the same setting without a step, for the claim ``improvement``.
    near_edge
        Whether spikes that are not clear of the edge count as well.

    Returns
    -------
    list of Quantity
    """
    spikes = prediction.spikes[:recorded] if near_edge else _clear_spikes(prediction, recorded)
    settled = spikes if near_edge else _settled(prediction, spikes)
    table: dict[str, Callable[[], list[Quantity]]] = {
        "gradient": lambda: [Quantity("gradient.rank_one_error", claim, 0.0, 1.0, _gradient_error)],
        "latent": lambda: _latent(prediction),
        "losses": lambda: _losses(prediction),
        "improvement": lambda: _improvement(prediction, untrained),
        "count": lambda: [_count(prediction)],
        "spikes": lambda: _spikes(spikes),
        "edge": lambda: _edge(prediction, recorded),
        "alignment": lambda: _vectors(settled, "alignment"),
        "right_alignment": lambda: _vectors(settled, "right_alignment"),
        "feature": lambda: _vectors(settled, "feature"),
        "bulk": lambda: _quantiles(prediction),
        "bulk_law": lambda: _distances(prediction.bulk),
    }
    return table[claim]()


def is_clear(singular_value: float, edge: float, width: int) -> bool:
    """Whether a spike is told from the bulk in any one network.

    The transition is smeared over a relative width ``width^(-2/3)`` of the edge; clear is four above it.
    """
    return singular_value > clear_of(edge, width)


def clear_of(edge: float, width: int) -> float:
    """Singular value from which a spike is clear of the bulk edge."""
    smeared: float = width ** (-2.0 / 3.0)
    return edge * (1.0 + CLEAR_WIDTHS * smeared)


def has_settled(singular_value: float, edge: float, width: int) -> bool:
    """Whether a spike is far enough from the bulk edge for its vectors to follow the limiting law.

    Spikes move by a relative ``width^(-1/2)`` between networks, and near the edge their vectors change
    steeply with their place: settled is four above it.
    """
    fluctuation: float = width ** (-1.0 / 2.0)
    return singular_value > edge * (1.0 + CLEAR_FLUCTUATIONS * fluctuation)


def _upper_edge(prediction: Prediction) -> float:
    return float(prediction.bulk.edges[-1, 1])


def _clear_spikes(prediction: Prediction, recorded: int) -> list[Spike[Any]]:
    """Spikes clear of the edge; they come first, since spikes are in descending order."""
    bound = clear_of(_upper_edge(prediction), prediction.setting.width)
    return [spike for spike in prediction.spikes[:recorded] if spike.singular_value > bound]


def _settled(prediction: Prediction, spikes: Sequence[Spike[Any]]) -> list[Spike[Any]]:
    edge, width = _upper_edge(prediction), prediction.setting.width
    return [spike for spike in spikes if has_settled(spike.singular_value, edge, width)]


def _singular_value(index: int, trial: Trial) -> float:
    return float(trial.singular_values[index])


def _gradient_error(trial: Trial) -> float:
    assert trial.rank_one_error is not None, "the trial was run without rank_one_error"
    return trial.rank_one_error


def _latent(prediction: Prediction) -> list[Quantity]:
    norm2, cosine = prediction.latent.beta_norm2, prediction.latent.beta_cosine
    # Tolerances are for the norm; its square moves twice as much.
    return [
        Quantity("latent.beta_norm2", "latent", norm2, 2.0 * norm2, lambda trial: trial.beta_norm2),
        Quantity("latent.beta_cosine", "latent", cosine, 1.0, lambda trial: trial.beta_cosine),
    ]


def _loss(name: str, trial: Trial) -> float:
    return float(getattr(trial, name))


def _losses(prediction: Prediction) -> list[Quantity]:
    return [
        Quantity(f"losses.{name}", "losses", value, abs(value), partial(_loss, name))
        for name, value in prediction.losses.to_dict().items()
    ]


def _improvement(prediction: Prediction, untrained: Prediction | None) -> list[Quantity]:
    assert untrained is not None, "the claim 'improvement' needs the prediction without a step"
    before, after = untrained.losses.to_dict(), prediction.losses.to_dict()
    return [
        Quantity(
            f"improvement.{name}",
            "improvement",
            before[name] - after[name],
            before[name],
            partial(_loss, name),
            gained=True,
        )
        for name in before
    ]


def _count(prediction: Prediction) -> Quantity:
    bound = clear_of(_upper_edge(prediction), prediction.setting.width)
    number = sum(spike.singular_value > bound for spike in prediction.spikes)

    def outside(trial: Trial) -> float:
        return float(np.count_nonzero(trial.singular_values > bound))

    return Quantity("spike_count", "count", float(number), 1.0, outside)


def _spikes(spikes: Sequence[Spike[Any]]) -> list[Quantity]:
    return [
        Quantity(
            f"spikes[{k}].singular_value",
            "spikes",
            spike.singular_value,
            spike.singular_value,
            partial(_singular_value, k),
        )
        for k, spike in enumerate(spikes)
    ]


def _edge(prediction: Prediction, recorded: int) -> list[Quantity]:
    """Spikes that are not clear of the edge, and the largest singular value of the bulk."""
    edge, first = _upper_edge(prediction), len(_clear_spikes(prediction, recorded))
    near = [(f"spikes[{k}].singular_value", s.singular_value) for k, s in enumerate(prediction.spikes)]
    places = [*near[first:], ("bulk.edge", edge)]
    return [
        Quantity(path, "edge", value, value, partial(_singular_value, k))
        for k, (path, value) in enumerate(places, start=first)
    ]


def _vectors(spikes: Sequence[Spike[Any]], kind: str) -> list[Quantity]:
    """Coefficients of singular vectors: degrees 0 to 2, to ``k`` for spike ``k``, and to the largest one."""
    rows = []
    for k, spike in enumerate(spikes):
        predicted = getattr(spike, kind)
        entries = [(f"spikes[{k}].{kind}[{degree}]", float(each)) for degree, each in enumerate(predicted)]
        vector = tuple(entries) if kind == "feature" else ()
        largest = int(np.argmax(spike.alignment))
        count = min(max(ALIGNED_DEGREES, k + 2, largest + 1), POLYNOMIALS)
        for degree, (path, value) in enumerate(entries[:count]):
            if kind == "feature":
                observe = partial(_coefficient, k, degree, predicted)
            else:
                observe = partial(_table_entry, kind, k, degree)
            rows.append(Quantity(path, kind, value, 1.0, observe, vector=vector))
    return rows


def _table_entry(kind: str, k: int, degree: int, trial: Trial) -> float:
    return float(getattr(trial, kind)[k, degree])


def _coefficient(k: int, degree: int, predicted: np.ndarray, trial: Trial) -> float:
    """Coefficient of the left singular vector, with the orientation that is closest to the prediction."""
    seen = trial.feature[k]
    return float(seen[degree] if seen @ predicted >= 0.0 else -seen[degree])


def _quantiles(prediction: Prediction) -> list[Quantity]:
    """Quantiles of all singular values but the predicted spikes; no levels where their law jumps from zero.

    Within a few ``1/width`` of the jump an empirical quantile interpolates across it. Where zero is predicted
    the tolerance is for rounding, in units of the edge.
    """
    bulk, width, spikes = prediction.bulk, prediction.setting.width, len(prediction.spikes)
    rounding = ROUNDING * _upper_edge(prediction)
    return [
        Quantity(
            f"bulk.quantiles[{level}]",
            "bulk",
            value,
            max(abs(value), rounding),
            partial(_empirical_quantile, float(level), spikes),
        )
        for level, value in bulk.to_dict()["quantiles"].items()
        if bulk.atom_at_zero == 0.0 or abs(float(level) - bulk.atom_at_zero) > JUMP / width
    ]


def _empirical_quantile(level: float, spikes: int, trial: Trial) -> float:
    return float(np.quantile(trial.singular_values[spikes:], level, method="hazen"))


def _distances(bulk: Bulk) -> list[Quantity]:
    return [
        Quantity(f"bulk_law.{name}", "bulk_law", 0.0, 1.0, partial(_distance, name, bulk))
        for name in ("kolmogorov", "wasserstein")
    ]


def _distance(name: str, bulk: Bulk, trial: Trial) -> float:
    return float(getattr(spectral_distances(bulk, trial.singular_values), name))
