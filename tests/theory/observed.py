"""Simulations of validation/reference: this program's own, of many settings, and an independent one's."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import rmt_spikes as rs

FOLDER = Path(__file__).parents[2] / "validation" / "reference"
CASES = json.loads((FOLDER / "simulations.json").read_text(encoding="utf-8"))["cases"]
SETTINGS = sorted(path.stem for path in (FOLDER / "settings").glob("*.toml"))
FEW = json.loads((FOLDER / "few_dimensions.json").read_text(encoding="utf-8"))["cases"]
SEVERAL = json.loads((FOLDER / "directions.json").read_text(encoding="utf-8"))["cases"]
LOSSES = ("objective", "train", "test")
CLEAR = 1.1  # a spike this far above the edge, as a ratio, is not mistaken for the edge


@dataclass(frozen=True)
class Observed:
    """A setting, and what its trials gave: means and standard errors by quantity."""

    setting: rs.Setting
    trials: int
    mean_se: dict[str, np.ndarray]

    def scatter(self, quantity: str) -> np.ndarray:
        """Standard deviation of a trial."""
        return self.mean_se[quantity][1] * math.sqrt(self.trials)

    def excess(self, predicted: Any, quantity: str, *index: Any, errors: float = 2.5) -> np.ndarray:
        """Difference beyond this many standard errors."""
        mean, error = (values[index] for values in self.mean_se[quantity])
        return np.abs(predicted - mean) - errors * error

    def check(self, prediction: rs.Prediction, relative: float, alignment: float = math.inf) -> None:
        """Require losses and clear spikes within 2.5 standard errors and these margins."""
        for quantity in LOSSES:
            mean, _ = self.mean_se[quantity]
            assert self.excess(getattr(prediction.losses, quantity), quantity) < relative * mean, quantity
        edge = prediction.bulk.edges[-1, 1]
        for k, spike in enumerate(s for s in prediction.spikes if s.singular_value > CLEAR * edge):
            mean = self.mean_se["singular_values"][0, k]
            assert self.excess(spike.singular_value, "singular_values", k) < relative * mean
            assert np.all(self.excess(spike.alignment[:3], "alignment", k, slice(3)) < alignment)


def independent(name: str) -> Observed:
    """A case of the independent program."""
    case = (CASES | FEW | SEVERAL)[name]
    mean_se = {quantity: np.array(values) for quantity, values in case["mean_se"].items()}
    return Observed(rs.Setting(**case["setting"]), case["trials"], mean_se)


@cache
def predicted(name: str) -> rs.Prediction:
    """What is predicted for a case of the independent program. To be read only."""
    return rs.predict(independent(name).setting)


def own(name: str) -> Observed:
    """Trials of one of our settings."""
    seen = json.loads((FOLDER / "observations" / f"{name}.json").read_text(encoding="utf-8"))
    setting = rs.Setting.from_toml(FOLDER / "settings" / f"{name}.toml")
    assert seen["setting"] == setting.to_dict()
    assert seen["trials"] >= 24
    parts = seen["losses"] | seen["latent"]
    for quantity, name in (("singular_values", "singular_value"), ("alignment", "alignment")):
        parts[quantity] = [spike[name] for spike in seen["spikes"]]
    mean_se = {k: np.array([leaves(part, "mean"), leaves(part, "se")]) for k, part in parts.items()}
    return Observed(setting, seen["trials"], mean_se)


def leaves(part: Any, name: str) -> Any:
    """One number of each leaf of nested lists."""
    return [leaves(item, name) for item in part] if isinstance(part, list) else part[name]
