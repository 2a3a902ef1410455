"""A setting so small that loops over its samples and neurons are quick."""

from typing import Any

from rmt_spikes.setting import Setting


def make(**changes: Any) -> Setting:
    """The setting with some values changed."""
    base = {"n": 14, "d": 5, "width": 8, "n_ridge": 11, "activation": "tanh", "noise_std": 0.5, "ridge": 0.05}
    return Setting(**(base | {"target": {"hermite": [0.2, 1.0, 0.7]}, "step_size": 2.0} | changes))
