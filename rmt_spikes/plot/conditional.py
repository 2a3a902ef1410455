"""Figure of the scatter between networks that predictions given what they realised explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.curves import LOSS_NAMES
from rmt_spikes.plot.style import MINUS, drawing, legend_outside, require
from rmt_spikes.simulation import Observation
from rmt_spikes.theory import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

MARKERS = "sD^v"
STEP = 0.24
"""Between the predictions of one quantity, which are one unit from the next."""


def given(
    observation: Observation,
    predictions: Mapping[str, Prediction | Sequence[Prediction]],
    *,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw observed minus predicted of each trial, for predictions that take more or less as given.

    Parameters
    ----------
    observation
        Result of `simulate`, with two trials at least.
    predictions
        Predictions by the names of the legend: one for all trials, or one a trial, such as
        ``{"nothing given": predict(setting), "first stage given": [predict(setting,
        given=trial.latent.first_stage()) for trial in observation.trials]}``.
    ax
        Axes to draw on; those of a new figure when None.
    legend
        Whether there is a legend above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        With differences in units of the standard deviation of the observations. Bars are the standard
        deviations of the differences, about their means.

    Raises
    ------
    DomainError
        For anything else, and where the numbers of predictions and trials differ.
    """
    require("observation", observation, Observation, "make one with simulate(setting, trials=8)")
    trials = observation.trials
    if len(trials) < 2:
        raise DomainError("observation", "must have two trials at least", Word(str(len(trials))))
    listed: Any = predictions
    if not isinstance(listed, Mapping) or not listed:
        raise DomainError("predictions", "must be a mapping from names", Word(type(predictions).__name__))
    lists = {name: _each(name, found, len(trials)) for name, found in predictions.items()}
    spikes = min(len(each.spikes) for found in lists.values() for each in found)
    names = [*(f"spike {k + 1}" for k in range(spikes)), *LOSS_NAMES.values()]
    observed = np.array(
        [[*trial.singular_values[:spikes], *(getattr(trial, k) for k in LOSS_NAMES)] for trial in trials]
    )
    scale = observed.std(axis=0, ddof=1)
    predicted = [np.array([_numbers(each, spikes) for each in found]) for found in lists.values()]
    with drawing(ax) as (axis, theme):
        axis.axhline(0.0, color=theme.ink, linewidth=0.6)
        looks = zip(cycle(MARKERS), cycle([theme.faint, theme.published, theme.corrected]), strict=False)
        for k, (name, (marker, color)) in enumerate(zip(lists, looks, strict=False)):
            rest = (observed - predicted[k]) / scale
            place = np.arange(len(names)) + STEP * (k - 0.5 * (len(lists) - 1))
            x = place[:, None] + 0.3 * STEP * np.linspace(-1.0, 1.0, len(trials))
            look: dict[str, Any] = {"markersize": 2.6, "markeredgewidth": 0.0, "linestyle": "none"}
            axis.plot(x.ravel(), rest.T.ravel(), marker=marker, color=color, label=name, **look)
            bars: dict[str, Any] = {
                "capsize": 3.0,
                "elinewidth": 1.0,
                "linestyle": "none",
                "color": theme.ink,
            }
            right = place + 0.45 * STEP
            axis.errorbar(right, rest.mean(axis=0), rest.std(axis=0, ddof=1), **bars)
        axis.set_xticks(range(len(names)), names)
        axis.tick_params(axis="x", length=0.0)
        axis.set_ylabel(f"(observed {MINUS} predicted) / s.d. of observed")
        if legend:
            legend_outside(axis, columns=len(lists))
    return axis


def _each(name: str, found: Any, trials: int) -> list[Prediction]:
    """One prediction a trial."""
    listed = [found] * trials if isinstance(found, Prediction) else list(found)
    for each in listed:
        require(f"predictions[{name!r}]", each, Prediction, "make them with predict(setting, given=...)")
    if len(listed) != trials:
        required = f"must be one for all trials, or one for each of {trials}"
        raise DomainError(f"predictions[{name!r}]", required, Word(str(len(listed))))
    return listed


def _numbers(prediction: Prediction, spikes: int) -> list[float]:
    losses = prediction.losses
    values = [float(spike.singular_value) for spike in prediction.spikes[:spikes]]
    return [*values, *(float(getattr(losses, name)) for name in LOSS_NAMES)]
