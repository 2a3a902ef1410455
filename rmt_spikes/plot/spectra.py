"""Figure of a spectrum: bulk and spikes, predicted and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import choice
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.style import BAND, Theme, decades, drawing, error_band, legend_outside, require
from rmt_spikes.simulation import Observation
from rmt_spikes.theory import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

BINS_PER_DECADE = 16
"""Of a histogram: about ten bars over a bulk, each of dozens of the singular values of a small network."""

SMALLEST = 1e-3
"""Singular values below this share of the largest are zeros, or nearly: left out of a picture."""

CURVE_POINTS = 600
"""Points of a density: a corner at an edge looks sharp."""

SHARES = "share explained by q"
"""Label of the axis on the right, by which it is found."""

FEATURES, WEIGHTS = "features", "weights"
"""What a spectrum may be of."""

AXES = {
    FEATURES: ("singular value of F / √ñ", SHARES),
    WEIGHTS: ("singular value of the trained W", "squared cosine with the teacher"),
}
"""Labels of the horizontal axis, and of that on the right."""


class Predicted(NamedTuple):
    """Bulk, and places, heights and error bars (if any) of what is learnt."""

    bulk: Any
    places: Array
    heights: Array
    errors: Array | None


def _of_prediction(prediction: Prediction, of: str) -> Predicted:
    """What is drawn of a prediction."""
    if of == WEIGHTS:
        layer = prediction.weights
        learnt = np.array([origin == "learnt" for origin in layer.origin])
        found = (layer.singular_values[learnt], layer.right_alignment[learnt], layer.error[learnt])
        return Predicted(layer.bulk, *found)
    spikes = prediction.spikes
    errors = [spike.error for spike in spikes if spike.error is not None]
    return Predicted(
        prediction.bulk,
        np.array([float(spike.singular_value) for spike in spikes]),
        np.array([float(spike.alignment.sum()) for spike in spikes]),
        np.array(errors) if len(errors) == len(spikes) else None,
    )


def _of_observation(observation: Observation, of: str) -> tuple[Array, Array, Array]:
    """All singular values of the trials, places of the largest, and their heights.

    Raises
    ------
    DomainError
        If the trained layer is wanted and was not decomposed.
    """
    trials = observation.trials
    if of == WEIGHTS:
        layers = [trial.weights for trial in trials if trial.weights is not None]
        shares = [trial.weights_alignment for trial in trials if trial.weights_alignment is not None]
        if len(layers) < len(trials) or len(shares) < len(trials):
            required, advice = "must have the trained layer", "simulate(setting, weights=True)"
            raise DomainError("observation", required, Word("none"), advice)
        width = max(trial.singular_values.size for trial in trials)
        values = np.stack([np.pad(layer, (0, width - layer.size)) for layer in layers])
        places = np.concatenate([layer[: len(each)] for layer, each in zip(layers, shares, strict=True)])
        return values, places, np.concatenate(shares)
    values = np.stack([trial.singular_values for trial in trials])
    places = np.concatenate([trial.singular_values[: len(trial.alignment)] for trial in trials])
    return values, places, np.concatenate([trial.alignment.sum(axis=1) for trial in trials])


def spectrum(
    prediction: Prediction | None = None,
    observation: Observation | None = None,
    *,
    of: str = FEATURES,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw singular values, predicted and simulated, on a logarithmic axis.

    Parameters
    ----------
    prediction, observation
        Results of `predict` and `simulate`, or one of them alone.
    of
        ``"features"``, or ``"weights"`` for the trained first layer.
    ax
        Axes to draw on; those of a new figure when None.
    legend
        Whether there is a legend above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        With the density per unit of log singular value on the left; its error bar is a band, that of a spike
        a horizontal bar. On the right, the height of the markers: squared correlation of a left singular
        vector with polynomials of degree 0 to 4 of the learnt ``q``; of the trained layer, squared cosine of
        a right vector with the teacher.

    Raises
    ------
    DomainError
        For anything else than the results of `predict` and `simulate`, and for weights that were not asked
        for in `simulate` or are not predicted.
    ConvergenceError
        If a part of the prediction fails.
    """
    choice("of", of, AXES)
    if prediction is None and observation is None:
        raise DomainError("prediction", "must be given, or an observation", Word("neither"))
    if prediction is not None:
        require("prediction", prediction, Prediction, "make one with predict(setting)")
        # What may fail is computed before a figure is made.
        expected = _of_prediction(prediction, of)
    if observation is not None:
        require("observation", observation, Observation, "make one with simulate(setting, trials=8)")
        seen = _of_observation(observation, of)
    below, right = AXES[of]
    with drawing(ax) as (axis, theme):
        axis.set(xscale="log", xlabel=below, ylabel="density of its logarithm")
        shares = axis.twinx()
        shares.set(ylabel=right, label=SHARES)
        shares.spines["right"].set_visible(True)
        heights = [1.0]
        if observation is not None:
            heights += _simulated(axis, shares, theme, observation, *seen)
        if prediction is not None:
            heights += _predicted(axis, shares, theme, expected)
        axis.set_ylim(bottom=0.0)
        shares.set_ylim(0.0, 1.06 * max(heights))
        decades(axis)
        if legend:
            legend_outside(axis, also=shares)
    return axis


def _simulated(
    axis: Axes,
    shares: Axes,
    theme: Theme,
    observation: Observation,
    values: Array,
    places: Array,
    tops: Array,
) -> list[float]:
    """Histogram of all singular values, or the density that was estimated, and markers of the largest."""
    if not np.isnan(values).any():
        seen = values[values > SMALLEST * values.max()]
        first, last = np.log10([seen.min(), seen.max()]) * BINS_PER_DECADE
        edges = 10.0 ** (np.arange(np.floor(first), np.floor(last) + 2) / BINS_PER_DECADE)
        height = np.histogram(seen, edges)[0] / (values.size * np.diff(np.log(edges)))
        axis.stairs(height, edges, fill=True, color=theme.bars, label="simulated, all values")
        axis.vlines(edges, 0.0, np.maximum([*height, 0.0], [0.0, *height]), color=theme.edges, linewidth=0.5)
        axis.stairs(height, edges, color=theme.edges, linewidth=0.5)
    elif any(trial.density is not None for trial in observation.trials):
        found = observation.mean_se()["bulk"]["density"]
        x, mean = np.array(found["points"]), np.array([leaf["mean"] for leaf in found["values"]])
        kept = x > SMALLEST * np.nanmax(values)
        axis.fill_between(x[kept], (x * mean)[kept], color=theme.bars, linewidth=0.0)
        axis.plot(
            x[kept], (x * mean)[kept], color=theme.edges, linewidth=0.9, label="simulated, estimated density"
        )
    triangles: dict[str, Any] = {
        "linestyle": "none",
        "marker": "v",
        "markersize": 4.0,
        "markeredgewidth": 0.6,
    }
    shares.plot(
        places, tops, color=theme.ink, markerfacecolor="none", label="simulated, largest values", **triangles
    )
    return [float(tops.max())]


def _predicted(axis: Axes, shares: Axes, theme: Theme, expected: Predicted) -> list[float]:
    """Density of the bulk, and a stem with a diamond for each spike, with their error bars."""
    line: dict[str, Any] = {"color": theme.corrected, "linewidth": 1.6}
    bulk, places, heights, errors = expected
    label, shown = "predicted bulk", BAND
    for low, high in bulk.edges:
        x = np.geomspace(max(low, SMALLEST * high), high, CURVE_POINTS)
        y = x * bulk.density(x)
        axis.plot(x, y, label=label, **line)
        if bulk.error is not None:
            _shifted(axis, theme, np.log(x), y, bulk.error, shown)
        label = shown = ""
    if places.size:
        shares.vlines(places, 0.0, heights, color=theme.corrected, linewidth=1.2)
        if errors is not None:
            bars: dict[str, Any] = {"linestyle": "none", "elinewidth": 0.9, "capsize": 2.0}
            shares.errorbar(places, heights, xerr=errors, color=theme.corrected, **bars)
        shares.plot(
            places,
            heights,
            color=theme.corrected,
            linestyle="none",
            marker="D",
            markersize=5.0,
            label="predicted spike",
        )
    return [float(height) for height in heights]


def _shifted(axis: Axes, theme: Theme, log_x: Array, y: Array, error: float, label: str) -> None:
    """Band of a density whose quantiles are off by a relative error."""
    reach = np.linspace(log_x[0] - error, log_x[-1] + error, CURVE_POINTS)
    moved = [np.interp(reach, log_x + share * error, y, 0.0, 0.0) for share in np.linspace(-1.0, 1.0, 21)]
    low, high = np.min(moved, axis=0), np.max(moved, axis=0)
    error_band(axis, theme, np.exp(reach), low, high, label)
