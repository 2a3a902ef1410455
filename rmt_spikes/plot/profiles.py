"""Figure of the features that spikes carry: left singular vectors against the samples' latent variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import integer
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.intervals import mean_and_half_width
from rmt_spikes.plot.style import DASHED, INTERVAL, Theme, drawing, legend_outside, marks, require
from rmt_spikes.simulation import Observation, Trial
from rmt_spikes.theory import Prediction, Spike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

BINS = np.linspace(-2.875, 2.875, 24)
"""Bins of q, a quarter wide and one of them about zero; a bin farther out has few samples."""

CENTRES = 0.5 * (BINS[1:] + BINS[:-1])
RANGE = 3.0
"""Largest q that is drawn: all but 0.3 % of the samples."""

SHOWN_SAMPLES = 1500
"""Dots of one network: more cover each other."""

MOST_SPIKES = 5
"""Spikes beyond have no vectors in a trial by default."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedVectors:
    """Left singular vectors of one rank: dots of one network, and means over bins of `q` and networks."""

    q: Array
    u: Array
    means: Array
    half_widths: Array

    @classmethod
    def of(cls, observation: Observation, index: int, spike: Spike[Any]) -> BinnedVectors:
        """Vectors of the trials, each with the sign of the predicted one."""
        table = []
        for trial in observation.trials:
            q, u = trial.latent.q, oriented(trial, index, spike)
            size = np.histogram(q, BINS)[0]
            table.append(np.histogram(q, BINS, weights=u)[0] / np.where(size > 0, size, np.nan))
        means, half_widths = mean_and_half_width(np.array(table), axis=0)
        first = observation.trials[0]
        return cls(q=first.latent.q, u=oriented(first, index, spike), means=means, half_widths=half_widths)


def features(
    prediction: Prediction,
    observation: Observation | None = None,
    *,
    spike: int = 1,
    published: Prediction | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the left singular vector of a spike against the learnt variable `q` of the samples.

    Parameters
    ----------
    prediction
        Result of `predict`.
    observation
        Result of `simulate` with ``keep_vectors=True``.
    spike
        Number of the spike, from 1.
    published
        Prediction with the published features, or those of another theory: drawn dashed.
    ax
        Axes to draw on; those of a new figure when None.
    legend
        Whether there is a legend above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        With the predicted profile as a line, samples of one network as dots, and means over bins of `q` and
        over the networks with 95 % Student intervals. Where two theories are drawn of a spike of even
        degree, an inset enlarges the middle.

    Raises
    ------
    DomainError
        For anything else, a spike that is not predicted, and trials without vectors.
    """
    require("prediction", prediction, Prediction, "make one with predict(setting)")
    integer("spike", spike, 1, MOST_SPIKES)
    if spike > len(prediction.spikes):
        count = Word(f"{spike} of {len(prediction.spikes)}")
        raise DomainError("spike", "must be the number of a predicted spike", count)
    theory = prediction.spikes[spike - 1]
    other = None
    if published is not None:
        require("published", published, Prediction, "make one with predict(setting, features='published')")
        other = published.spikes[spike - 1] if spike <= len(published.spikes) else None
    binned = None
    if observation is not None:
        require("observation", observation, Observation, "make one with simulate(..., keep_vectors=True)")
        binned = BinnedVectors.of(observation, spike - 1, theory)
    with drawing(ax) as (axis, theme):
        if binned is not None:
            dots: dict[str, Any] = {"markersize": 1.6, "markeredgewidth": 0.0, "alpha": 0.5, "zorder": 0}
            q, u = binned.q[:SHOWN_SAMPLES], binned.u[:SHOWN_SAMPLES]
            axis.plot(q, u, ".", color=theme.faint, rasterized=True, **dots)
            # A dot of that size is not seen in the legend.
            axis.plot([], [], ".", color=theme.faint, markersize=6.0, label="samples of one network")
        _draw(axis, theme, theory, other, binned)
        axis.set(xlim=(-RANGE, RANGE), ylim=_limits(theory, other))
        axis.set(xlabel="learnt variable q of a sample", ylabel=f"left vector of spike {spike}, times √ñ")
        if spike % 2 == 0 and other is not None:
            _zoom(axis, theme, theory, other, binned)
        if legend:
            legend_outside(axis)
    return axis


def oriented(trial: Trial, index: int, spike: Spike[Any]) -> Array:
    """Left singular vector times ``sqrt(n_ridge)``; it has no sign of its own: it takes the theory's."""
    if trial.left_vectors is None or index >= trial.left_vectors.shape[1]:
        kept = 0 if trial.left_vectors is None else trial.left_vectors.shape[1]
        advice = "simulate with keep_vectors=True, and top at least the number of the spike"
        raise DomainError("observation", f"must have vectors of spike {index + 1}", Word(str(kept)), advice)
    u = math.sqrt(trial.latent.q.size) * trial.left_vectors[:, index]
    return np.asarray(u * np.copysign(1.0, u @ spike.profile(trial.latent.q)))


def _limits(*spikes: Spike[Any] | None) -> tuple[float, float]:
    """Range of the profiles with some room: single samples may be outside."""
    profiles = [each.profile(np.linspace(-RANGE, RANGE, 61)) for each in spikes if each is not None]
    low, high = float(np.min(profiles)), float(np.max(profiles))
    room = 0.12 * (high - low)
    return low - room, high + room


def _draw(
    axis: Axes, theme: Theme, spike: Spike[Any], other: Spike[Any] | None, binned: BinnedVectors | None
) -> None:
    q = np.linspace(-RANGE, RANGE, 241)
    axis.plot(q, spike.profile(q), color=theme.corrected, linewidth=1.6, label="theory")
    if other is not None:
        line: dict[str, Any] = {"linestyle": DASHED, "linewidth": 1.2, "label": "theory, published features"}
        axis.plot(q, other.profile(q), color=theme.published, **line)
    if binned is not None:
        bars: dict[str, Any] = {"markersize": 2.8, "capsize": 1.5, "elinewidth": 0.7}
        bars |= {"color": theme.ink, "label": f"simulation, {INTERVAL}"}
        marks(axis, CENTRES, binned.means, yerr=np.nan_to_num(binned.half_widths), **bars)


def _zoom(
    axis: Axes, theme: Theme, spike: Spike[Any], other: Spike[Any], binned: BinnedVectors | None
) -> None:
    """Inset around ``q = 0``, in the hollow of an even feature, where the theories differ most."""
    inset = axis.inset_axes((0.31, 0.58, 0.38, 0.37))
    _draw(inset, theme, spike, other, binned)
    near = np.linspace(-1.0, 1.0, 21)
    profiles = [each.profile(near) for each in (spike, other)]
    low, high = float(np.min(profiles)), float(np.max(profiles))
    room = 0.1 * (high - low)
    inset.set(xlim=(-1.05, 1.05), ylim=(low - room, high + room), xticks=[-1, 0, 1])
