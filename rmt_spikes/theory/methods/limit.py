"""The method of the limit: losses as ``n`` grows in a regime, bulk and spikes of the closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from rmt_spikes.theory.limits import checked_degree, limit_losses
from rmt_spikes.theory.methods.closed_form import UntrainedBulk
from rmt_spikes.theory.results import Losses


@final
@dataclass(frozen=True, eq=False)
class Limit(UntrainedBulk):
    """The losses as ``n`` grows in the regime of the step exponent; bulk and spikes of the closed form."""

    name: ClassVar[str] = "limit"
    takes_given: ClassVar[bool] = False
    continuous: ClassVar[bool] = False

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what the closed form does, and steps without a regime."""
        super().refuse_what_is_not_covered()
        checked_degree(self.setting)

    def losses(self) -> Losses[float]:
        """Losses as ``n`` grows."""
        return limit_losses(self.setting, self.features.limit)
