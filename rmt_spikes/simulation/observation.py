"""What a simulation shows: its trials, and their means with standard errors."""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.latent import RealisedLatent
from rmt_spikes.simulation.linalg.alignment import row_signs
from rmt_spikes.simulation.network.sampling import Array
from rmt_spikes.simulation.trial import Trial
from rmt_spikes.simulation.values import ArrayValue, histogram, part

SCHEMA = "rmt-spikes/observation/1"

LOSSES = ("objective", "train", "test")

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Levels at which the distribution of the singular values is reported."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Observation(ArrayValue):
    """Trials of one setting.

    Attributes
    ----------
    setting : Setting
        What was simulated.
    seed : int
        Seed; with the setting and the index it determines a trial.
    trials : tuple of Trial
        In the order of their indices.
    data : str or None
        What the inputs and labels were, if they were not random: sizes and a digest.
    """

    setting: Setting
    seed: int
    trials: tuple[Trial, ...]
    data: str | None = None

    @property
    def latent(self) -> RealisedLatent:
        """Realised latent variables of the only trial; with several, each trial has its own.

        Raises
        ------
        DomainError
            If there is not exactly one trial.
        """
        if len(self.trials) != 1:
            advice = "use observation.trials[i].latent"
            raise DomainError("trials", "must be 1 for observation.latent", len(self.trials), advice)
        return self.trials[0].latent

    def is_of(self, setting: Setting) -> bool:
        """Whether it is of a setting."""
        return bool(self.setting == setting)

    def has_setting(self) -> bool:
        """Whether its setting is known."""
        return True

    def described(self) -> object:
        """What it is of, for a message."""
        return Word(repr(self.setting))

    def mean_se(self) -> dict[str, Any]:
        """Average over the trials.

        Returns
        -------
        dict
            The sections `latent`, `bulk`, `spikes` and `losses` of a prediction's JSON, every number
            replaced by ``{"mean": ..., "se": ...}``; `se` is the standard error of the mean over trials,
            None with one trial. Quantiles are over the `width` singular values, zeros included, with
            numpy's default interpolation; there are none unless all singular values are known. An estimated
            density is in `bulk` as well, at the points of the trial with the widest bulk. One spike is
            reported for each singular vector that was kept, whether or not it has left the bulk; the overall
            sign of its feature is chosen once for all trials.
        """
        trials = self.trials
        complete = not any(np.isnan(t.singular_values).any() for t in trials)
        quantiles = np.stack([np.quantile(t.singular_values, QUANTILES) for t in trials])
        levels = (f"{p:g}" for p in QUANTILES)
        rows = {
            "singular_value": np.stack([t.singular_values[: len(t.feature)] for t in trials]),
            "alignment": self._values("alignment"),
            "feature": _common_signs(self._values("feature")),
            "right_alignment": self._values("right_alignment"),
        }
        return {
            "latent": {name: _leaves(self._values(name)) for name in ("beta_norm2", "beta_cosine")},
            "bulk": {
                "quantiles": dict(zip(levels, _leaves(quantiles), strict=True)) if complete else {},
                **_mean_density([t.density for t in trials if t.density is not None]),
            },
            "spikes": [
                {name: _leaves(values[:, j]) for name, values in rows.items()}
                for j in range(rows["feature"].shape[1])
            ],
            "losses": {name: _leaves(self._values(name)) for name in LOSSES} | self._sign_error(),
            **self._weights(),
        }

    def _sign_error(self) -> dict[str, Any]:
        """Classification error; nothing where labels are no signs."""
        if any(trial.sign_error is None for trial in self.trials):
            return {}
        return {"sign_error": dict(zip(("train", "test"), _leaves(self._values("sign_error")), strict=True))}

    def _weights(self) -> dict[str, Any]:
        """Section `weights`, of as many values as vectors; nothing where layers were not decomposed."""
        if any(trial.weights is None for trial in self.trials):
            return {}
        alignment = self._values("weights_alignment")
        values = self._values("weights")[:, : alignment.shape[1]]
        return {"weights": {"singular_values": _leaves(values), "right_alignment": _leaves(alignment)}}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document ``rmt-spikes/observation/1``: `mean_se` and what it refers to."""
        return {
            "schema": SCHEMA,
            "setting": self.setting.to_dict(),
            "seed": self.seed,
            "trials": len(self.trials),
            **({} if self.data is None else {"data": self.data}),
            **self.mean_se(),
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the setting, the seed and every number of every trial, exactly."""
        arrays = {"setting": np.asarray(json.dumps(self.setting.to_dict())), "seed": np.asarray(self.seed)}
        known = {} if self.data is None else {"data": np.asarray(self.data)}
        return arrays | known | self.trial_arrays()

    def trial_arrays(self) -> dict[str, NDArray[Any]]:
        """Return every number of every trial, exactly."""
        named = ((f"trials.{i}.", trial.to_arrays()) for i, trial in enumerate(self.trials))
        return {start + name: array for start, arrays in named for name, array in arrays.items()}

    @staticmethod
    def trials_from(arrays: dict[str, NDArray[Any]]) -> tuple[Trial, ...]:
        """Build the trials that `trial_arrays` describes."""
        trials = part(arrays, "trials")
        count = len({name.partition(".")[0] for name in trials})
        return tuple(Trial.from_arrays(part(trials, str(i))) for i in range(count))

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Build the observation that `to_arrays` describes."""
        setting, seed = Setting(**json.loads(str(arrays["setting"]))), int(arrays["seed"])
        data = str(arrays["data"]) if "data" in arrays else None
        return cls(setting=setting, seed=seed, trials=cls.trials_from(arrays), data=data)

    def _repr_html_(self) -> str:
        values = np.concatenate([trial.singular_values for trial in self.trials])
        losses = ", ".join(f"{name} {self._values(name).mean():.4g}" for name in LOSSES)
        return histogram(values, f"singular values of {len(self.trials)} trials; mean losses: {losses}")

    def _values(self, name: str) -> Array:
        return np.array([getattr(trial, name) for trial in self.trials])


def _mean_density(densities: list[Array]) -> dict[str, Any]:
    """Average densities, each on its own points, on those of the widest bulk."""
    if not densities:
        return {}
    points = max((density[:, 0] for density in densities), key=lambda points: points[-1])
    values = np.stack([np.interp(points, each[:, 0], each[:, 1], right=0.0) for each in densities])
    return {"density": {"points": points.tolist(), "values": _leaves(values)}}


def _leaves(values: Array) -> Any:
    """Turn samples of shape (trials, ...) into nested lists of mean and standard error."""
    if values.ndim > 1:
        return [_leaves(values[:, k]) for k in range(values.shape[1])]
    count = values.size
    error = float(values.std(ddof=1)) / count**0.5 if count > 1 else None
    return {"mean": float(values.mean()), "se": error}


def _common_signs(features: Array) -> Array:
    """Give each spike of features of shape (trials, top, 5) one orientation in all trials.

    In a single trial the sign of a vector may hang on a coefficient that is pure noise; a mean over
    trials of opposite orientation would cancel. The orientation that all trials share best is the leading
    right singular vector of the stacked rows, which does not depend on their signs. Features that were not
    measured have none.
    """
    if np.isnan(features).any():
        return features
    consensus = np.stack([np.linalg.svd(features[:, j])[2][0] for j in range(features.shape[1])])
    consensus *= row_signs(consensus)[:, None]
    overlap = np.einsum("tjk,jk->tj", features, consensus)
    return features * np.where(overlap < 0.0, -1.0, 1.0)[:, :, None]
