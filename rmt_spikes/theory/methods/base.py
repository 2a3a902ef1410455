"""What a method is: a route from a setting to every quantity of a prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError, DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.bulk.outliers import Outliers, outliers_of
from rmt_spikes.theory.bulk.weights import Weights
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import residual_moments
from rmt_spikes.theory.limits import limits_of
from rmt_spikes.theory.population.coverage import require_batch, require_crowd, require_small_output
from rmt_spikes.theory.population.labels import labels_of
from rmt_spikes.theory.realisation import Realisation
from rmt_spikes.theory.regimes import regime
from rmt_spikes.theory.results import Certificate, Losses, Regime, Spike
from rmt_spikes.theory.ridgeless import extrapolated, in_the_limit, larger_ridges
from rmt_spikes.values import same

Array = NDArray[np.float64]

LISTED = 9
"""Hermite coefficients that a prediction lists, of degree 0 to 8."""

VISIBLE = 1e-6
"""Share of the largest coefficient below which another one is taken for rounding when signs are fixed."""

MOST_ALIGNED = 1.0 + 1e-6
"""Bound on one squared correlation, with the rounding of the residue. Their sum has no bound: the polynomials
are orthogonal under the limiting distribution only."""


@dataclass(frozen=True, eq=False)
class Method(ABC):
    """One route from a setting to the quantities of a prediction.

    Subclasses are final and compute each quantity when it is first asked for.

    Parameters
    ----------
    setting
        What is predicted.
    features
        Theory of the features of spikes.
    given
        Realised latent variables that replace their limits.

    Attributes
    ----------
    name
        Name in `predict`.
    digits
        Significant digits; None for double precision.
    takes_given, given_advice
        Whether it has a use for realised latent variables; what has, where it does not.
    continuous
        Whether the losses are smooth in the step size, so that they can be interpolated and have
        critical step sizes.
    second_batch
        Second batch of the settings that it covers.
    loses_digits
        Whether it loses digits of the losses at small ridges where features lack rank.
    """

    setting: Setting
    features: Features = Features.CORRECTED
    given: Realisation | None = None
    digits: ClassVar[int | None] = None
    name: ClassVar[str]
    takes_given: ClassVar[bool] = True
    given_advice: ClassVar[str] = ""
    continuous: ClassVar[bool] = True
    second_batch: ClassVar[str] = "fresh"
    loses_digits: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        """Whether the other one predicts the same thing in the same way."""
        return type(self) is type(other) and same(self, other)

    __hash__ = None  # type: ignore[assignment]

    def refuse_what_is_not_covered(self) -> None:
        """Check that the method covers the setting.

        Raises
        ------
        DomainError
            If it does not.
        """
        batch = self.second_batch
        purpose = f"the method {self.name!r}"
        require_batch(self.setting, purpose, batch)
        require_crowd(self.setting, purpose)
        require_small_output(self.setting, purpose)
        if batch not in self.features.batches:
            known = ", ".join(each for each in Features if batch in each.batches)
            required = f"must be one of {known} when second_batch is {batch!r}"
            raise DomainError("features", required, str(self.features))
        residual_moments(self.setting)

    @property
    @abstractmethod
    def latent(self) -> Any:
        """Latent variables, a `Latent`."""

    @property
    def hermite(self) -> dict[str, Any]:
        """Hermite coefficients ``c_0, ..., c_8`` of activation and target, along the learnt direction."""
        setting = self.setting
        return {
            "activation": setting.activation_expansion.coefficients[:LISTED],
            "target": labels_of(setting).coefficients(LISTED),
        }

    @property
    def regime(self) -> Regime:
        """Regime of the step size."""
        return regime(self.setting)

    def limits(self) -> dict[str, Losses[Any]] | None:
        """Losses as ``n`` grows for all features that differ there; None where there is no regime."""
        return limits_of(self.setting)

    @property
    @abstractmethod
    def bulk(self) -> Any:
        """Distribution of the singular values of the bulk."""

    def upper_edge(self) -> tuple[float, float]:
        """Upper edge of the bulk, and the width of the fluctuations of the largest singular value there."""
        return float(self.bulk.edges[-1, 1]), self.bulk.edge_scale(self.setting.width)

    @property
    def most_spikes(self) -> int:
        """Number of singular values that the features can have: a smaller network has no more spikes."""
        return min(self.setting.width, self.setting.n_ridge)

    @abstractmethod
    def spikes(self) -> tuple[Spike[Any], ...]:
        """Spikes further from the edge than its Tracy-Widom fluctuations, largest first."""

    def spike_count(self) -> int:
        """Number of spikes."""
        return len(self.spikes())

    def outliers(self) -> Outliers:
        """Values that single samples make beyond the bulk: none, where a method does not know them."""
        nothing = np.zeros(0)
        return outliers_of(nothing, nothing, self.bulk, self.setting.width)

    def weights(self) -> Weights:
        """Spectrum of the trained first layer: refused, where a method does not know it."""
        required = "must be 'uniform' or 'one_batch' for the spectrum of the trained weights"
        raise DomainError("method", required, self.name)

    @abstractmethod
    def losses(self) -> Losses[Any]:
        """Losses at the ridge of the setting."""

    @cached_property
    def at_larger_ridges(self) -> tuple[Self, ...]:
        """The method at the ridges from which losses are extrapolated to that of the setting, if they are."""
        ridges = larger_ridges(self.setting) if self.loses_digits else ()
        return tuple(self.with_setting(self.setting.replace(ridge=ridge)) for ridge in ridges)

    def all_losses(self) -> Losses[Any]:
        """Losses at any ridge of the setting, also where none, or a small one, needs a limit."""
        if not self.at_larger_ridges:
            return in_the_limit(self.losses(), self.setting)
        ridges = [each.setting.ridge for each in self.at_larger_ridges]
        losses = [each.losses() for each in self.at_larger_ridges]
        return extrapolated(losses, ridges, self.setting.ridge)

    @abstractmethod
    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes at which the first `count` spikes appear; ``inf`` where none does up to `largest`."""

    @abstractmethod
    def evidence(self, part: str) -> Certificate:
        """Certificate of one part: of the losses, the spikes or the bulk."""

    def evidence_of(self, part: str) -> Certificate:
        """Certificate of one part, of the losses at the ridges that they are computed at."""
        if part == "losses" and self.at_larger_ridges:
            return _joined(each.evidence(part) for each in self.at_larger_ridges)
        return self.evidence(part)

    def certificate(self) -> Certificate:
        """Certificate of all parts together."""
        return _joined(self.evidence_of(part) for part in ("bulk", "spikes", "losses"))

    def with_setting(self, setting: Setting) -> Self:
        """The same method for another setting."""
        return type(self)(setting, self.features, self.given)

    def continue_from(self, other: Self) -> None:
        """Start the spikes from those known of a setting that may differ little."""
        del other

    def critical_step_size(self, index: int) -> Any:
        """Step size up to that of the setting at which spike `index` (from 0) appears."""
        return float(self.thresholds(index + 1, self.setting.step)[index])

    @abstractmethod
    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of spike `index` at latent variables `q` of samples (any shape)."""

    @abstractmethod
    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of spike `index` at readout weights `alpha` of neurons (any shape)."""


def _joined(certificates: Iterable[Certificate]) -> Certificate:
    return reduce(lambda one, other: one.joined(other), certificates)


def require_mean_field(setting: Setting, purpose: str, advice: str = "") -> None:
    """Refuse the standard output scale, with a `DomainError`."""
    if setting.output_scale != "mean_field":
        required = f"must be 'mean_field' for {purpose}"
        raise DomainError("output_scale", required, setting.output_scale, advice)


def leading_sign(feature: Array) -> float:
    """Sign that makes the first coefficient that is not zero positive."""
    visible = np.abs(feature) > VISIBLE * np.max(np.abs(feature), initial=0.0)
    return 1.0 if not visible.any() else float(np.sign(feature[np.argmax(visible)]))


def spike_of(
    method: Method,
    index: int,
    eigenvalue: float,
    feature: Array,
    right_feature: Array,
    alignments: tuple[Array, Array] | None = None,
) -> Spike[float]:
    """Spike from the eigenvalue of a pole and the coefficients of its vectors, in double precision.

    Alignments of both vectors are the squares of these coefficients where they are not given.

    Raises
    ------
    ConvergenceError
        If the vectors are not those of a singular value.
    """
    largest = float(np.max(feature**2))
    if not (eigenvalue > 0.0 and largest <= MOST_ALIGNED):
        raise ConvergenceError("a spike is not a singular vector", residual=largest - 1.0)
    alignment, right_alignment = (feature**2, right_feature**2) if alignments is None else alignments
    singular_value, (edge, scale) = float(np.sqrt(eigenvalue)), method.upper_edge()
    return Spike(
        singular_value=singular_value,
        distance=(singular_value - edge) / scale,
        alignment=alignment,
        feature=leading_sign(feature) * feature,
        right_alignment=right_alignment,
        right_feature=leading_sign(feature) * right_feature,
        index=index,
        vectors=method,
    )
