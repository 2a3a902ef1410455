"""Compare a theory of one's own with simulations of a network with an activation of one's own."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rmt_spikes as rs
from rmt_spikes.validation import Case

Array = NDArray[np.float64]


def bent(z: Array) -> Array:
    """Activation: the identity, bent by a sine."""
    return z + 0.3 * np.sin(2.0 * z)


def slope(z: Array) -> Array:
    """Derivative of the activation."""
    return 1.0 + 0.6 * np.cos(2.0 * z)


def noise_alone(setting: rs.Setting) -> dict[str, float]:
    """Theory: a network that learns nothing has the energy of the labels as its test loss."""
    return {"losses.test": setting.label_energy}


def with_error(setting: rs.Setting) -> dict[str, tuple[float, float]]:
    """Theory: the loss without a step, which may be off by a tenth."""
    loss = rs.predict_losses(setting.replace(step_size=0.0)).test
    return {"losses.test": (loss, 0.1 * loss)}


def main(folder: Path) -> None:
    """Predict, sweep, simulate, compare, and write a report into a folder."""
    setting = rs.Setting(
        n=300, d=150, width=200, activation=bent, derivative=slope, target="identity",
        noise_std=0.3, ridge=0.05, step_size=3.0,
    )  # fmt: skip
    table = rs.sweep(
        setting, {"step_size": [0.0, 3.0, 9.0], "ridge": [0.01, 0.1]}, ["losses.test", "spike_count"]
    )
    loss, count = table["losses.test"], table["spike_count"]
    print(table)
    print(
        f"the largest step lowers the loss by {np.max(loss[0] - loss[-1]):.2f}, with {count[-1, 0]:.0f} spike"
    )

    observation = rs.simulate(setting, trials=8, seed=0)
    prediction = rs.predict(setting)
    mine = {"losses.test": 0.35, "spikes[0].singular_value": (4.4, 0.3)}
    for name, comparison in (
        ("the theory", rs.compare(prediction, observation, claims=["losses"])),
        ("my numbers", rs.compare(mine, observation)),
    ):
        for row in comparison.rows:
            print(f"{name}: {row.quantity} {row.predicted:.3f}, observed {row.observed:.3f}: {row.verdict}")

    keys = {"n": 300, "d": 150, "width": 200, "activation": "relu", "target": "identity", "ridge": 0.05}
    case = Case(
        name="mine",
        title="A theory of my own",
        trials=8,
        seed=0,
        claims=["losses"],
        setting=keys,
        sweep={"step_size": [0.0, 3.0]},
    )
    report = rs.validate(case, out=folder, theories={"noise alone": noise_alone, "no step": with_error})
    for theory in report.cases[0].own:
        print(f"{theory.name}: {theory.verdict}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
