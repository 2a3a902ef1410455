"""Pictures of every figure without text, for comparison; as a program, it writes those that are committed.

Text depends on the version of matplotlib; tests compare it as text.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

import rmt_spikes as rs
from rmt_spikes import plot

IMAGES = Path(__file__).parent / "images"

SETTING = rs.Setting(
    n=300, d=150, width=200, activation="relu", target={"hermite": [0, 1, 0.7]}, noise_std=0.5,
    ridge=0.05, step_exponent=0.45,
)  # fmt: skip
EXPONENTS = (0.1, 0.3, 0.45)
FAST: dict[str, Any] = {"method": "closed_form"}


class Rate:
    """A rate whose slope is known: values ``3 / n`` with alternating errors of a tenth."""

    def __init__(self, quantity: str, factor: float) -> None:
        self.quantity, self.expected, self.slope = quantity, -1.0, -1.02
        self.n = (300, 600, 1200, 2400)
        self.values = tuple(factor / n * (1.0 + 0.1 * (-1) ** k) for k, n in enumerate(self.n))
        self.value_ses = tuple(0.1 * value for value in self.values)


@cache
def prediction(features: str = "corrected", **changes: Any) -> rs.Prediction:
    return rs.predict(SETTING.replace(**changes), features=features, **FAST)


@cache
def observation(exponent: float = 0.45) -> rs.Observation:
    return rs.simulate(SETTING.replace(step_exponent=exponent), trials=4, seed=1, keep_vectors=True)


@cache
def curve(features: str = "corrected") -> rs.SweepTable:
    return rs.sweep(SETTING, {"step_exponent": np.linspace(0.0, 0.5, 21)}, features=features, **FAST)


@cache
def plane(noise: float = 2.0) -> rs.SweepTable:
    axes = {"step_exponent": np.linspace(0.0, 0.5, 21), "noise_std": np.linspace(0.0, noise, 16)}
    return rs.sweep(SETTING, axes, ["spike_count", "losses.test"], **FAST)


@cache
def untrained(noise: float = 2.0) -> rs.SweepTable:
    axes = {"noise_std": np.linspace(0.0, noise, 16)}
    return rs.sweep(SETTING.replace(step_size=0), axes, ["losses.test"], **FAST)


def compared(features: str = "corrected") -> list[rs.Comparison]:
    claims = ["losses", "spikes", "alignment"]
    return [
        rs.compare(prediction(features, step_exponent=a), observation(a), claims=claims) for a in EXPONENTS
    ]


def conditional(first: rs.Prediction) -> dict[str, Any]:
    trials = observation().trials
    given = [rs.predict(SETTING, given=trial.latent.first_stage(), **FAST) for trial in trials]
    return {"nothing given": first, "first stage given": given}


FIGURES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "spectrum": (
        lambda ax: plot.spectrum(prediction(), observation(), ax=ax, legend=False),
        lambda ax: plot.spectrum(prediction(step_exponent=0.43), observation(), ax=ax, legend=False),
    ),
    "losses": (
        lambda ax: plot.losses(curve(), map(observation, EXPONENTS), published=curve("published"), ax=ax),
        lambda ax: plot.losses(
            curve("isotropic"), map(observation, EXPONENTS), published=curve("isotropic"), ax=ax
        ),
    ),
    "features": (
        lambda ax: plot.features(
            prediction(), observation(), spike=2, published=prediction("published"), ax=ax, legend=False
        ),
        lambda ax: plot.features(
            prediction("published"), observation(), spike=2, published=prediction(), ax=ax, legend=False
        ),
    ),
    "residuals": (
        lambda ax: plot.residuals(compared(), ax=ax, legend=False),
        lambda ax: plot.residuals(compared("published"), ax=ax, legend=False),
    ),
    "phase_diagram": (
        lambda ax: plot.phase_diagram(plane(), ax=ax),
        lambda ax: plot.phase_diagram(plane(2.2), ax=ax),
    ),
    "gain": (
        lambda ax: plot.phase_diagram(plane(), "losses.test", reference=untrained(), ax=ax),
        lambda ax: plot.phase_diagram(plane(2.2), "losses.test", reference=untrained(2.2), ax=ax),
    ),
    "scaling": (
        lambda ax: plot.scaling([Rate("losses.test", 3.0), Rate("losses.train", 9.0)], ax=ax, legend=False),
        lambda ax: plot.scaling([Rate("losses.test", 3.3), Rate("losses.train", 9.0)], ax=ax, legend=False),
    ),
    "given": (
        lambda ax: plot.given(observation(), conditional(prediction()), ax=ax, legend=False),
        lambda ax: plot.given(observation(), conditional(prediction(ridge=0.06)), ax=ax, legend=False),
    ),
}
"""Each figure, and the same with a theory that is wrong by a few per cent, or by its features."""


def picture(draw: Callable[..., Any], path: Path) -> list[str]:
    """Write the picture of a figure without its text, and return the text."""
    figure = Figure(figsize=(4.2, 2.8))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.1, 0.78, 0.85))
    draw(axes)
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible()]
    words = [text.get_text() for text in texts if text.get_text()]
    for each in figure.axes:
        names = ("labelleft", "labelright", "labelbottom", "labeltop")
        each.tick_params(which="both", **dict.fromkeys(names, False))
        each.set(xlabel="", ylabel="")
        if each.get_legend() is not None:
            each.get_legend().remove()
    for text in figure.findobj(Text):
        text.set_visible(False)
    figure.savefig(path, dpi=80, facecolor="white", metadata={"Software": None})
    return words


def main() -> None:
    """Write the committed pictures."""
    IMAGES.mkdir(exist_ok=True)
    for name, (right, _) in FIGURES.items():
        picture(right, IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
