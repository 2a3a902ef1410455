"""Quantities that can be compared: where they stand in a prediction, and how a trial shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt_spikes.theory.results import LOSSES
from rmt_spikes.validation.verdicts.bulk_distance import ROUNDING, Distances, spectral_distances
from rmt_spikes.validation.verdicts.claims import Claim, Tolerance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rmt_spikes.simulation import Trial
    from rmt_spikes.theory import Bulk, Prediction, Spike
    from rmt_spikes.theory.bulk.outliers import Outliers

    Array = NDArray[np.float64]

ALIGNED_DEGREES = 3
"""Degrees of every vector that are compared: what a spike of degree one or two carries, and the constant."""

POLYNOMIALS = 5
"""Degrees that a trial records."""

CLEAR_WIDTHS = 4.0
"""Widths ``N^(-2/3)`` above the edge from which a spike is told from the bulk (docs/validation.md)."""

SETTLED_FLUCTUATIONS = 4.0
"""Fluctuations ``N^(-1/2)`` above the edge from which vectors follow the limit (docs/validation.md)."""

NO_SAMPLES = 0.5
"""Expected number of values of samples beyond the edge from which the edge itself is not seen."""

LAYER_VALUES = 4
"""Largest singular values of the trained layer that are compared: quantiles of its bulk follow."""

JUMP = 5.0
"""Singular values on either side of the atom at zero whose quantiles may interpolate across it."""


@dataclass(frozen=True)
class Quantity:
    """A predicted number at its path in the JSON of a prediction, and how to observe it in a trial.

    `gained`: it is what the step takes away, the value without a step minus the value with it; `vector`: for
    an entry of a vector whose sign is free, paths and predictions of all entries; `spike`: number of the
    spike that it belongs to, when it does; `error`: what it may be wrong by, in place of the allowance of
    its claim.
    """

    path: str
    claim: Claim
    predicted: float
    scale: float
    observe: Callable[[Trial], float]
    gained: bool = False
    vector: tuple[tuple[str, float], ...] = ()
    spike: int | None = None
    error: float | None = None

    def granted(self, tolerance: Tolerance) -> Tolerance:
        """Tolerance of the quantity, from that of its claim."""
        if self.error is None:
            return tolerance
        return Tolerance(self.error / self.scale, 0.0, tolerance.margin)

    def is_shown(self, trial: Trial) -> bool:
        """Whether a trial shows it; NaN is what was not measured."""
        if self.spike is not None and spike_place(trial, self.spike) is None:
            return False
        return not np.isnan(self.observe(trial))

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
    claim: Claim,
    recorded: int,
    untrained: Prediction | None = None,
    *,
    near_edge: bool = False,
) -> list[Quantity]:
    """Quantities of a claim, of the `recorded` spikes; with `near_edge` also of those next to the edge."""
    settled = spikes = list(prediction.spikes[:recorded])
    if not near_edge:
        spikes, settled = (_above(bound, prediction, recorded) for bound in (clear_of, settled_from))
    match claim:
        case Claim.GRADIENT:
            return [Quantity("gradient.rank_one_error", claim, 0.0, 1.0, _gradient_error)]
        case Claim.LATENT:
            norm2, cosine = prediction.latent.beta_norm2, prediction.latent.beta_cosine
            # Tolerances are for the norm; its square moves twice as much.
            return [
                Quantity("latent.beta_norm2", claim, norm2, 2.0 * norm2, attrgetter("beta_norm2")),
                Quantity("latent.beta_cosine", claim, cosine, 1.0, attrgetter("beta_cosine")),
            ]
        case Claim.LOSSES:
            losses = [(k, getattr(prediction.losses, k)) for k in LOSSES]
            found = [Quantity(f"losses.{k}", claim, loss, abs(loss), attrgetter(k)) for k, loss in losses]
            return found + _sign_errors(prediction, claim)
        case Claim.IMPROVEMENT:
            return _improvement(prediction, untrained)
        case Claim.COUNT:
            return [_count(prediction)]
        case Claim.OUTLIERS:
            count = _outliers(prediction.outliers, prediction.bulk, len(prediction.spikes))
            return [Quantity("outliers.expected_beyond_edge", claim, *count)]
        case Claim.SPIKES:
            return [singular_value_at(k, spike.singular_value, claim) for k, spike in enumerate(spikes)]
        case Claim.EDGE:
            return _edge(prediction, recorded)
        case Claim.ALIGNMENT | Claim.RIGHT_ALIGNMENT | Claim.FEATURE:
            return _vectors(settled, claim)
        case Claim.BULK:
            quantiles = _quantiles(prediction.bulk, prediction.setting.width, len(prediction.spikes))
            return [Quantity(f"bulk.{name}", claim, *each) for name, each in quantiles.items()]
        case Claim.WEIGHTS:
            return _layer(prediction)
        case Claim.BULK_LAW:
            observe = partial(_distance, prediction.bulk)
            return [
                Quantity(f"bulk_law.{k}", claim, 0.0, 1.0, partial(observe, k)) for k in Distances._fields
            ]


def clear_of(edge: float, width: int) -> float:
    """Singular value from which a spike is clear of the edge: the transition is smeared over that width."""
    return float(edge * (1.0 + CLEAR_WIDTHS * width ** (-2.0 / 3.0)))


def settled_from(edge: float, width: int) -> float:
    """Singular value from which vectors follow their limit: nearer, they change steeply with their place."""
    return float(edge * (1.0 + SETTLED_FLUCTUATIONS * width ** (-1.0 / 2.0)))


def _upper_edge(prediction: Prediction) -> float:
    return float(prediction.bulk.edges[-1, 1])


def _above(bound: Callable[[float, int], float], prediction: Prediction, recorded: int) -> list[Spike[Any]]:
    """Recorded spikes above a bound; they come first, since spikes are in descending order."""
    least = bound(_upper_edge(prediction), prediction.setting.width)
    return [spike for spike in prediction.spikes[:recorded] if spike.singular_value > least]


def singular_value_at(index: int, predicted: float, claim: Claim, path: str = "") -> Quantity:
    """One of the largest singular values; its path is that of a spike unless another one is given."""
    path = path or f"spikes[{index}].singular_value"
    return Quantity(
        path,
        claim,
        predicted,
        predicted,
        lambda trial: float(trial.singular_values[_place(trial, index)]),
        spike=index,
    )


def spike_place(trial: Trial, index: int) -> int | None:
    """Number of the singular value of a trial that spike `index` is compared with.

    Values that single samples make are passed over; None if the trial has no vector of any other. Trials that
    do not say which those are had none passed over when they were run.
    """
    if trial.origin is None:
        return index
    others = [j for j, origin in enumerate(trial.origin) if origin != "sample"]
    return others[index] if index < len(others) else None


def _place(trial: Trial, index: int) -> int:
    place = spike_place(trial, index)
    assert place is not None, "ask a trial first whether it shows the spike"
    return place


def _gradient_error(trial: Trial) -> float:
    assert trial.rank_one_error is not None, "the trial was run without rank_one_error"
    return trial.rank_one_error


def _improvement(prediction: Prediction, untrained: Prediction | None) -> list[Quantity]:
    assert untrained is not None, "the claim 'improvement' needs the prediction without a step"
    before, after = untrained.losses, prediction.losses
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in LOSSES]
    return [
        Quantity(f"improvement.{name}", Claim.IMPROVEMENT, b - a, b, attrgetter(name), gained=True)
        for name, b, a in pairs
    ]


SIGN_ERRORS = {"losses.sign_error.train": 0, "losses.sign_error.test": 1}
"""Places of the classification errors in `Trial.sign_error`."""


def wrong_signs(place: int, trial: Trial) -> float:
    """Classification error of a trial; NaN where it was not measured."""
    return math.nan if trial.sign_error is None else float(trial.sign_error[place])


def _sign_errors(prediction: Prediction, claim: Claim) -> list[Quantity]:
    if prediction.losses.sign_error is None:
        return []
    shares = [getattr(prediction.losses.sign_error, name.rpartition(".")[2]) for name in SIGN_ERRORS]
    return [
        Quantity(name, claim, share, share, partial(wrong_signs, place))
        for (name, place), share in zip(SIGN_ERRORS.items(), shares, strict=True)
    ]


def _count(prediction: Prediction) -> Quantity:
    bound = clear_of(_upper_edge(prediction), prediction.setting.width)
    number = float(sum(spike.singular_value > bound for spike in prediction.spikes))
    return Quantity("spike_count", Claim.COUNT, number, 1.0, partial(number_above, bound))


Seen = tuple[float, float, Callable[["Trial"], float]]
"""What a quantity is predicted to be, its scale, and how to observe it."""


def _features(trial: Trial) -> Array:
    """Singular values of the features of a trial."""
    return trial.singular_values


def _weights(width: int, trial: Trial) -> Array:
    """Singular values of the trained layer of a trial, with zeros as many as it has neurons."""
    assert trial.weights is not None, "ask a trial first whether its layer was decomposed"
    return np.pad(trial.weights, (0, width - trial.weights.size))


def _outliers(
    outliers: Outliers, bulk: Bulk, learnt: int, values: Callable[[Trial], Array] = _features
) -> Seen:
    """Number of singular values beyond the edge of a bulk that are not learnt."""
    edge = float(bulk.edges[-1, 1])
    return (
        float(outliers.expected_beyond_edge),
        1.0,
        lambda trial: float(np.sum(values(trial) > edge)) - learnt,
    )


def number_above(bound: float, trial: Trial) -> float:
    """Number of singular values above a bound that no sample is known to make."""
    origin = trial.origin or ()
    made = sum(x > bound and each == "sample" for x, each in zip(trial.singular_values, origin, strict=False))
    return float(np.sum(trial.singular_values > bound) - made)


def _edge(prediction: Prediction, recorded: int) -> list[Quantity]:
    """Spikes that are not clear of the edge, and the largest singular value of the bulk.

    None of them is a sample's. Where samples make values beyond the edge, those next to it belong in part to
    samples as well, and the largest one of the rest is well below the edge (docs/validation.md): there is no
    row for the edge.
    """
    edge, first = _upper_edge(prediction), len(_above(clear_of, prediction, recorded))
    near = [
        singular_value_at(k, spike.singular_value, Claim.EDGE)
        for k, spike in enumerate(prediction.spikes[first:], start=first)
    ]
    if prediction.outliers.expected_beyond_edge >= NO_SAMPLES:
        return near
    return [*near, singular_value_at(first + len(near), edge, Claim.EDGE, "bulk.edge")]


def _vectors(spikes: Sequence[Spike[Any]], claim: Claim) -> list[Quantity]:
    """Coefficients of singular vectors: degrees 0 to 2, to ``k`` for spike ``k``, and to the largest one."""
    rows = []
    for k, spike in enumerate(spikes):
        predicted = getattr(spike, claim)
        entries = [(f"spikes[{k}].{claim}[{degree}]", float(each)) for degree, each in enumerate(predicted)]
        vector = tuple(entries) if claim is Claim.FEATURE else ()
        largest = int(np.argmax(spike.alignment))
        count = min(max(ALIGNED_DEGREES, k + 2, largest + 1), POLYNOMIALS)
        for degree, (path, value) in enumerate(entries[:count]):
            observe = partial(coefficient, claim, k, degree, predicted)
            rows.append(Quantity(path, claim, value, 1.0, observe, vector=vector, spike=k))
    return rows


def coefficient(claim: Claim, k: int, degree: int, predicted: np.ndarray, trial: Trial) -> float:
    """Coefficient of a singular vector; one with a sign has the orientation closest to the prediction."""
    seen = getattr(trial, claim)[_place(trial, k)]
    turned = claim is Claim.FEATURE and not seen @ predicted >= 0.0
    return float(-seen[degree] if turned else seen[degree])


def _quantiles(
    bulk: Bulk, width: int, learnt: int, values: Callable[[Trial], Array] = _features
) -> dict[str, Seen]:
    """Quantiles of all singular values but those that are predicted to be learnt, away from an atom at zero.

    Within a few ``1/width`` of the jump an empirical quantile interpolates across it. Where zero is predicted
    the tolerance is for rounding, in units of the edge.
    """
    rounding = ROUNDING * float(bulk.edges[-1, 1])
    return {
        f"quantiles[{level}]": (
            value,
            max(abs(value), rounding),
            partial(empirical_quantile, float(level), learnt, values=values),
        )
        for level, value in bulk.to_dict()["quantiles"].items()
        if bulk.atom_at_zero == 0.0 or abs(float(level) - bulk.atom_at_zero) > JUMP / width
    }


def empirical_quantile(
    level: float, learnt: int, trial: Trial, values: Callable[[Trial], Array] = _features
) -> float:
    """Quantile of the singular values of a trial below its first `learnt`."""
    return float(np.quantile(values(trial)[learnt:], level, method="hazen"))


def _layer(prediction: Prediction) -> list[Quantity]:
    """Spectrum of the trained layer; a number of values has the tolerance of such a number."""
    layer, width = prediction.weights, prediction.setting.width
    learnt, values, claim = layer.origin.count("learnt"), partial(_weights, width), Claim.WEIGHTS
    found = [
        layer_value(k, float(value), claim) for k, value in enumerate(layer.singular_values[:LAYER_VALUES])
    ]
    found += [
        layer_share(k, float(share), claim)
        for k, share in enumerate(layer.right_alignment[:LAYER_VALUES])
        if layer.origin[k] == "learnt"
    ]
    count = _outliers(layer.outliers, layer.bulk, learnt, values)
    found.append(Quantity("weights.outliers.expected_beyond_edge", Claim.OUTLIERS, *count))
    quantiles = _quantiles(layer.bulk, width, learnt, values)
    found += [Quantity(f"weights.bulk.{name}", claim, *each) for name, each in quantiles.items()]
    return [replace(each, observe=partial(_if_decomposed, each.observe)) for each in found]


def layer_value(index: int, predicted: float, claim: Claim) -> Quantity:
    """One of the largest singular values of the trained layer."""
    path = f"weights.singular_values[{index}]"
    return Quantity(path, claim, predicted, abs(predicted) or 1.0, partial(_entry, "weights", index))


def layer_share(index: int, predicted: float, claim: Claim) -> Quantity:
    """Squared cosine of a right singular vector of the trained layer with the teacher's direction."""
    path = f"weights.right_alignment[{index}]"
    return Quantity(path, claim, predicted, 1.0, partial(_entry, "weights_alignment", index))


def _entry(name: str, index: int, trial: Trial) -> float:
    """Entry of an array of a trial; NaN where it was not measured."""
    array = getattr(trial, name)
    return math.nan if array is None or index >= len(array) else float(array[index])


def _if_decomposed(observe: Callable[[Trial], float], trial: Trial) -> float:
    """What a trial shows of its trained layer; NaN where that was not decomposed."""
    return math.nan if trial.weights is None else observe(trial)


def _distance(bulk: Bulk, name: str, trial: Trial) -> float:
    return float(getattr(spectral_distances(bulk, trial.singular_values), name))
