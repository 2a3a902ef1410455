"""What matrices from elsewhere show: an observation whose setting may be unknown."""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.carried import Beyond
from rmt_spikes.simulation.observation import Observation
from rmt_spikes.simulation.trial import Trial

SCHEMA = "rmt-spikes/measurement/1"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Measurement(Observation):
    """Networks that were not simulated here, measured like the trials of a simulation.

    What the arrays do not say is NaN, and comparisons leave it out.

    Attributes
    ----------
    setting : Setting or None
        As it was given.
    seed : None
        There is none.
    trials : tuple of Trial
        One a network.
    """

    setting: Any = None
    seed: Any = None

    def is_of(self, setting: Setting) -> bool:
        """Whether it can be of a setting: its own, or one with the sizes of its features."""
        if self.setting is not None:
            return bool(self.setting == setting)
        return self.sizes() == {"n_ridge": setting.n_ridge, "width": setting.width}

    def has_setting(self) -> bool:
        """Whether its setting is known."""
        return self.setting is not None

    def described(self) -> object:
        """What it is of, for a message."""
        return Word(f"one of sizes {self.sizes()}") if self.setting is None else super().described()

    def sizes(self) -> dict[str, int]:
        """Shape of the features."""
        trial = self.trials[0]
        return {"n_ridge": trial.latent.q.size, "width": trial.singular_values.size}

    def beyond(self, bulk: Any = None) -> tuple[Beyond, ...]:
        """List the values of the only network beyond the edge (`Trial.beyond`).

        Raises
        ------
        DomainError
            If there are several networks: each has its own; or if there is no edge.
        """
        if len(self.trials) != 1:
            advice = "use measurement.trials[i].beyond"
            raise DomainError("trials", "must be 1 for measurement.beyond", len(self.trials), advice)
        return self.trials[0].beyond(bulk)

    def joined(self, *others: "Measurement") -> Self:
        """Return this and other networks of the same setting and sizes together, for their mean and scatter.

        Raises
        ------
        DomainError
            If one is of another setting or of other sizes.
        """
        trials = list(self.trials)
        for other in others:
            if not isinstance(other, Measurement):
                raise DomainError("others", "must be results of observe", Word(type(other).__name__))
            if other.setting != self.setting or other.sizes() != self.sizes():
                given = other.sizes() if other.setting == self.setting else other.setting
                raise DomainError("others", "must have the same setting and sizes", given)
            trials += other.trials
        numbered = (Trial(**{**vars(trial), "index": i}) for i, trial in enumerate(trials))
        return type(self)(setting=self.setting, trials=tuple(numbered))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document ``rmt-spikes/measurement/1``.

        It has the keys of an observation; `setting` may be null, and so are numbers that are not known.
        `sizes` is the shape of the features; `beyond` is there for one network with untrained features.
        """
        return {
            "schema": SCHEMA,
            "setting": None if self.setting is None else self.setting.to_dict(),
            "sizes": self.sizes(),
            "trials": len(self.trials),
            **self.mean_se(),
            **(
                {"beyond": [each.to_dict() for each in self.beyond()]}
                if len(self.trials) == 1 and self.trials[0].untrained is not None
                else {}
            ),
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the setting, and every number of every network, exactly."""
        known = None if self.setting is None else self.setting.to_dict()
        arrays: dict[str, NDArray[Any]] = {"setting": np.asarray(json.dumps(known))}
        return arrays | self.trial_arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Build the measurement that `to_arrays` describes."""
        known = json.loads(str(arrays["setting"]))
        setting = None if known is None else Setting(**known)
        return cls(setting=setting, trials=cls.trials_from(arrays))
