"""A case that runs in a second."""

from typing import Any

from rmt_spikes.validation import Case

SETTING: dict[str, Any] = {
    "n": 120,
    "d": 60,
    "width": 80,
    "activation": "relu",
    "target": {"hermite": [0.0, 1.0, 0.7]},
    "noise_std": 0.5,
    "ridge": 0.05,
}
CASE: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny case <b>&",
    "seed": 3,
    "trials": 4,
    "setting": SETTING,
    "sweep": {"step_exponent": [0.1, 0.4]},
    "negative_controls": [
        {
            "name": "no-step",
            "meaning": "nothing is learnt",
            "at": {"step_exponent": 0.4},
            "setting": {"step_size": 0.0},
            "quantities": ["losses.test"],
        }
    ],
    "figures": [
        {"kind": "spectrum", "sweep": {"step_exponent": [0.4]}, "trials": 1},
        {"kind": "losses", "against": "step_exponent", "points": 2},
        {"kind": "features", "setting": {"step_exponent": 0.4}, "trials": 2},
    ],
    "quick": {"trials": 2, "setting": {"n": 60, "d": 30, "width": 40}},
}


def case(**changes: Any) -> Case:
    return Case(**{**CASE, **changes})
