"""What it buys to use the batch of the gradient step again (docs/howto/one_batch.md).

Draws `docs/figures/one_batch.svg`: losses over the step size with a fresh batch, with the same one, and with
a fresh one at equal total numbers of samples; for a teacher with a linear part and for one without. Points
are networks. About a minute.
"""

import argparse
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import rmt_spikes as rs
from rmt_spikes.theory import predict_losses

OUT = Path(__file__).resolve().parents[1] / "docs" / "figures" / "one_batch.svg"
TEACHERS = {"teacher with a linear part": [0, 1, 0.7071], "teacher without a linear part": [0, 0, 1.0]}
SAMPLES, TRIALS = 600, 8
THETAS = np.concatenate([[0.0], np.geomspace(0.03, 2.0, 11)])
SHOWN = THETAS[[0, 5, 8, 11]]


def setting_of(hermite, theta, kind):
    """Setting of a teacher at a step, for the same batch, a fresh one, or halves of as many samples."""
    size = SAMPLES // 2 if kind == "halves" else SAMPLES
    batch = "same" if kind == "same" else "fresh"
    return rs.Setting(
        n=size, d=SAMPLES // 2, width=2 * SAMPLES // 3, activation="relu", target={"hermite": hermite},
        noise_std=0.5, ridge=0.05, readout="rademacher", second_batch=batch,
        step_size=theta * math.sqrt(2 * SAMPLES // 3),
    )  # fmt: skip


KINDS = {
    "same": ("the same {n} samples", "C3"),
    "halves": ("{h} for the step, {h} for the regression", "C0"),
    "fresh": ("{n} for the step, {n} for the regression", "0.6"),
}


def main():
    """Draw the figure, and print the test losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--trials", type=int, default=TRIALS)
    arguments = parser.parse_args()
    plt.rcParams["svg.hashsalt"] = "one_batch"
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    for axes, (title, hermite) in zip(panels, TEACHERS.items(), strict=True):
        for kind, (label, color) in KINDS.items():
            known = [predict_losses(setting_of(hermite, theta, kind)) for theta in THETAS]
            text = label.format(n=SAMPLES, h=SAMPLES // 2)
            for loss, style in (("test", "-"), ("train", ":")):
                values = [getattr(each, loss) for each in known]
                axes.plot(THETAS, values, style, color=color, label=text if loss == "test" else None)
            print(title, text, [round(each.test, 3) for each in known], flush=True)
            for theta in SHOWN if arguments.trials else []:
                seen = rs.simulate(setting_of(hermite, theta, kind), trials=arguments.trials, seed=1).trials
                for loss, mark in (("test", "o"), ("train", "s")):
                    mean = np.mean([getattr(trial, loss) for trial in seen])
                    axes.plot(theta, mean, mark, color=color, ms=4, mfc="white")
        axes.set_xscale("symlog", linthresh=0.03)
        axes.set(title=title, xlabel=r"step size over $\sqrt{N}$", ylabel="loss (dotted: training)")
        axes.set(xlim=(-0.003, 2.2), ylim=(0, None))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(arguments.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
