"""Quantities that can be compared: where they stand in a prediction, and how a trial shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt_spikes.theory.results import LOSSES
from rmt_spikes.validation.verdicts.bulk_distance import ROUNDING, Distances, spectral_distances
from rmt_spikes.validation.verdicts.claims import Claim, Tolerance

if TYPE_CHECKING:
    from rmt_spikes.simulation import Trial
    from rmt_spikes.theory import Bulk, Prediction, Spike

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
            return [_outliers(prediction)]
        case Claim.SPIKES:
            return [singular_value_at(k, spike.singular_value, claim) for k, spike in enumerate(spikes)]
        case Claim.EDGE:
            return _edge(prediction, recorded)
        case Claim.ALIGNMENT | Claim.RIGHT_ALIGNMENT | Claim.FEATURE:
            return _vectors(settled, claim)
        case Claim.BULK:
            return _quantiles(prediction)
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


def _outliers(prediction: Prediction) -> Quantity:
    """Number of singular values beyond the edge of the bulk that are no spikes."""
    edge, learnt = _upper_edge(prediction), len(prediction.spikes)
    return Quantity(
        "outliers.expected_beyond_edge",
        Claim.OUTLIERS,
        float(prediction.outliers.expected_beyond_edge),
        1.0,
        lambda trial: float(np.sum(trial.singular_values > edge)) - learnt,
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


def _quantiles(prediction: Prediction) -> list[Quantity]:
    """Quantiles of all singular values but the predicted spikes, away from an atom at zero.

    Within a few ``1/width`` of the jump an empirical quantile interpolates across it. Where zero is predicted
    the tolerance is for rounding, in units of the edge.
    """
    bulk, width, spikes = prediction.bulk, prediction.setting.width, len(prediction.spikes)
    rounding = ROUNDING * _upper_edge(prediction)
    return [
        Quantity(
            f"bulk.quantiles[{level}]",
            Claim.BULK,
            value,
            max(abs(value), rounding),
            partial(empirical_quantile, float(level), spikes),
        )
        for level, value in bulk.to_dict()["quantiles"].items()
        if bulk.atom_at_zero == 0.0 or abs(float(level) - bulk.atom_at_zero) > JUMP / width
    ]


def empirical_quantile(level: float, spikes: int, trial: Trial) -> float:
    """Quantile of the singular values of a trial below its first `spikes`."""
    return float(np.quantile(trial.singular_values[spikes:], level, method="hazen"))


def _distance(bulk: Bulk, name: str, trial: Trial) -> float:
    return float(getattr(spectral_distances(bulk, trial.singular_values), name))
