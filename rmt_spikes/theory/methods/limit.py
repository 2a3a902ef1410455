"""The method of the limit: losses as ``n`` grows in a regime, bulk and spikes of the closed form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

from rmt_spikes.theory.bulk.distribution import Bulk
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.limits import checked_degree, limit_losses
from rmt_spikes.theory.methods.base import Array, Method
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.results import Certificate, Losses, Spike


@final
@dataclass(frozen=True, eq=False)
class Limit(Method):
    """The losses as ``n`` grows in the regime of the step exponent; bulk and spikes of the closed form."""

    name: ClassVar[str] = "limit"
    takes_given: ClassVar[bool] = False
    continuous: ClassVar[bool] = False

    @cached_property
    def closed(self) -> ClosedForm:
        """The closed form of the same setting."""
        return ClosedForm(self.setting, self.features)

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what the closed form does, and steps without a regime."""
        self.closed.refuse_what_is_not_covered()
        checked_degree(self.setting)

    @property
    def latent(self) -> Latent:
        """Latent variables."""
        return self.closed.latent

    @property
    def bulk(self) -> Bulk:
        """Distribution of the singular values without a step."""
        return self.closed.bulk

    def spikes(self) -> tuple[Spike[float], ...]:
        """Spikes of the closed form."""
        return self.closed.spikes()

    def losses(self) -> Losses[float]:
        """Losses as ``n`` grows."""
        return limit_losses(self.setting, self.features.limit)

    def thresholds(self, count: int, largest: float) -> Array:
        """Step sizes of the closed form at which the first `count` spikes appear."""
        return self.closed.thresholds(count, largest)

    def profile(self, index: int, q: Array) -> Array:
        """Left singular vector of a spike of the closed form."""
        return self.closed.profile(index, q)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Right singular vector of a spike of the closed form."""
        return self.closed.right_profile(index, alpha)

    def evidence(self, part: str) -> Certificate:
        """Certificate of one part of the closed form."""
        return self.closed.evidence(part)
