"""The theory of one batch for the gradient step and the ridge regression, at every step size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import Latent, latent
from rmt_spikes.theory.methods.base import Method, require_mean_field
from rmt_spikes.theory.methods.one_batch.equations import State
from rmt_spikes.theory.methods.one_batch.finite_rank import FiniteRank
from rmt_spikes.theory.methods.one_batch.problem import Kept, problem_of
from rmt_spikes.theory.methods.one_batch.solver import COMPLEX_STEP, residual, shifted, solved, tangent
from rmt_spikes.theory.population.coverage import require_plain
from rmt_spikes.theory.results import Certificate, Losses, Spike, ordered

Array = NDArray[np.float64]

KEPT = {
    Features.NO_SELF_TERM: Kept(own=(0.0, 0.0)),
    Features.MEAN_SELF_TERM: Kept(own=(1.0, 0.0)),
    Features.FIRST_POWER: Kept(powers=False),
    Features.NO_NEURON_MODES: Kept(modes=False),
}
"""What theories that leave something out keep."""


@final
@dataclass(frozen=True, eq=False)
class OneBatch(Method):
    """The method of a ridge regression on the samples of the gradient step (docs/theory.md section 11)."""

    name: ClassVar[str] = "one_batch"
    takes_given: ClassVar[bool] = False
    second_batch: ClassVar[str] = "same"

    def refuse_what_is_not_covered(self) -> None:
        """Refuse what no method covers, and the standard output scale."""
        super().refuse_what_is_not_covered()
        purpose = f"the method {self.name!r}"
        require_plain(self.setting, purpose)
        require_mean_field(self.setting, purpose, "it has not been worked out")

    def limits(self) -> None:
        """None: the losses as ``n`` grows are those of a fresh batch."""

    @cached_property
    def latent(self) -> Latent:
        """Latent variables of the step."""
        return latent(self.setting)

    @cached_property
    def problem(self) -> FiniteRank:
        """Equations on quadrature nodes."""
        return problem_of(self.setting, KEPT.get(self.features, Kept()))

    @cached_property
    def state(self) -> State:
        """Solution at the ridge of the setting."""
        return solved(self.problem.equations, self.setting.ridge)

    def losses(self) -> Losses[float]:
        """Losses at the ridge of the setting.

        The objective is ``lambda T``; the others are derivatives of ``T`` in the ridge and in the weight of
        fresh samples.

        Raises
        ------
        ConvergenceError
            If they are not in their order.
        """
        ridge = self.setting.ridge
        value = float(self.problem.value(self.state, ridge))
        train = -(ridge**2) * self._slope(1.0, 0.0)
        test = (
            train / self._gain**2
            if self.features is Features.LEAVE_ONE_OUT
            else ridge * self._slope(0.0, 1.0)
        )
        return ordered(Losses(objective=ridge * value, train=train, test=test), self.setting.label_energy)

    def _slope(self, ridge: float, fresh: float) -> float:
        """Derivative of ``T`` along a direction of ridge and weight of fresh samples."""
        h, at = 1j * COMPLEX_STEP, self.setting.ridge
        moved = shifted(self.state, tangent(self.problem.equations, self.state, at, (ridge, fresh)))
        return float(self.problem.value(moved, at + h * ridge, h * fresh).imag / COMPLEX_STEP)

    @property
    def _gain(self) -> float:
        """Mean share of a sample's error that is left after it is fitted, which leaving it out undoes."""
        found = self.problem.equations.resolvent(self.state, self.setting.ridge)
        return self.setting.ridge * float(np.sum(self.problem.equations.batch.train.weights * found.value))

    def evidence(self, part: str) -> Certificate:
        """Certificate of one part: the residual of the state that it is read off."""
        return Certificate(residual=residual(self.problem.equations, self.state, self.setting.ridge))

    @property
    def bulk(self) -> Any:
        """Refused: spectra are not predicted."""
        required = "must be 'fresh' for a spectrum"
        raise DomainError("second_batch", required, self.setting.second_batch, "losses are predicted")

    def spikes(self) -> tuple[Spike[float], ...]:
        """Refused, with the bulk."""
        return tuple(self.bulk)

    def thresholds(self, count: int, largest: float) -> Array:
        """Refused, with the bulk."""
        return np.asarray(self.bulk)

    def profile(self, index: int, q: Array) -> Array:
        """Refused, with the bulk."""
        return np.asarray(self.bulk)

    def right_profile(self, index: int, alpha: Array) -> Array:
        """Refused, with the bulk."""
        return np.asarray(self.bulk)
