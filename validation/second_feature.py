"""Left singular vectors of the two spikes of the headline network (docs/theory.md section 2).

Draws the figure of README.md: exact networks against the corrected and the published theory. About a minute
on two cores.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

import rmt_spikes as rs

SETTING = rs.Setting(
    n=3000, d=1500, width=2000, activation="relu", target={"hermite": [0, 1, 0.5**0.5]},
    noise_std=0.5, step_exponent=0.4, ridge=0.01,
)  # fmt: skip


def draw(trials: int, jobs: int, path: Path) -> None:
    """Write the figure."""
    observation = rs.simulate(SETTING, trials=trials, seed=2310, top=2, keep_vectors=True, jobs=jobs)
    corrected, published = (rs.predict(SETTING, features=name) for name in ("corrected", "published"))
    with rs.plot.style():
        figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
        for spike, axes in enumerate(panels, start=1):
            rs.plot.features(corrected, observation, spike=spike, published=published, ax=axes, legend=False)
            axes.set_title(f"spike {spike}")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
        rs.plot.save(figure, path)


def main() -> None:
    """Read the options and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--figure", type=Path, default=Path("second_feature.svg"))
    arguments = parser.parse_args()
    draw(arguments.trials, arguments.jobs, arguments.figure)


if __name__ == "__main__":
    main()
