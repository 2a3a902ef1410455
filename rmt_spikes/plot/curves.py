"""Figure of losses along one key of a setting: predicted curves, simulated points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.arguments import choice
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.plot.intervals import mean_and_half_width
from rmt_spikes.plot.style import (
    BAND,
    DASHED,
    DOTTED,
    INTERVAL,
    SOLID,
    Theme,
    decades,
    drawing,
    error_band,
    legend_outside,
    marks,
    require,
)
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Observation
from rmt_spikes.theory import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

LOSS_NAMES = {"objective": "ridge objective", "train": "training loss", "test": "test loss"}
AXIS_NAMES = {
    "step_exponent": "step exponent a  (η = nᵃ)",
    "step_size": "step size η",
    "n": "samples n",
    "d": "input dimension d",
    "width": "neurons N",
    "n_ridge": "samples of the second batch ñ",
    "noise_std": "standard deviation of the label noise",
    "ridge": "ridge penalty λ",
}
"""Labels of axes, by the key of the setting."""

LOG_RANGE = 20.0
"""Ratio of the ends of positive values from which an axis is logarithmic."""

MARKERS = {"objective": "s", "train": "^", "test": "o"}
DASHES = {"objective": DASHED, "train": DOTTED, "test": SOLID}


def losses(
    predicted: SweepTable | None = None,
    observations: Iterable[Observation] = (),
    *,
    quantities: Sequence[str] = tuple(LOSS_NAMES),
    published: SweepTable | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw losses against one key of a setting.

    Parameters
    ----------
    predicted
        Result of `sweep` over one key, with the losses among its quantities. Where their error bars are among
        them as well, they are drawn as bands. None where there is no theory, as for data of one's own.
    observations
        Results of `simulate` at some values of the key. Where nothing is predicted, it is the one in which
        they differ.
    quantities
        Which losses are drawn, from ``"objective"``, ``"train"`` and ``"test"``.
    published
        The same sweep with the published features, or those of another theory: drawn dashed.
    ax
        Axes to draw on; those of a new figure when None.
    legend
        Whether there is a legend above the axes.

    Returns
    -------
    matplotlib.axes.Axes
        With lines for theories and markers for means over trials, with 95 % Student intervals.

    Raises
    ------
    DomainError
        For anything else, a sweep over several keys or over words, and an unknown loss.
    """
    names = [choice("quantities", name, LOSS_NAMES) for name in quantities]
    seen = list(observations)
    for observation in seen:
        require("observations", observation, Observation, "make them with simulate(setting, trials=8)")
    key, x = _varied(seen) if predicted is None else swept(predicted)
    if published is not None and swept(published)[0] != key:
        raise DomainError("published", f"must be a sweep over {key}", Word(swept(published)[0]))
    tables = [each for each in (predicted, published) if each is not None]
    # Everything that may be refused comes before a figure is made.
    curves = [{name: curve(table, name) for name in names} for table in tables]
    with drawing(ax) as (axis, theme):
        alone = len(names) == 1
        for name in names:
            # The style of a line is that of its loss; what all losses have is said once.
            once = name == names[0]
            what = "theory" if alone else f"theory, {LOSS_NAMES[name]}"
            line: dict[str, Any] = {"linestyle": SOLID if alone else DASHES[name], "linewidth": 1.6}
            if predicted is not None:
                axis.plot(x, curves[0][name], color=theme.corrected, label=what, **line)
            if predicted is not None and (error := band(predicted, name)) is not None:
                ends = curves[0][name] - error, curves[0][name] + error
                error_band(axis, theme, x, *ends, BAND if once else "")
            if published is not None:
                line = {"linestyle": DASHED if alone else DASHES[name], "linewidth": 1.2}
                line["label"] = "theory, published features" if once else ""
                axis.plot(swept(published)[1], curves[-1][name], color=theme.published, **line)
            if seen:
                label = f"simulation, {INTERVAL}" if once else ""
                if predicted is None and not alone:
                    label = f"{LOSS_NAMES[name]}, {INTERVAL}"
                _points(axis, theme, name, key, seen, label)
        axis.set(xlabel=axis_name(key), ylabel=LOSS_NAMES[names[0]] if len(names) == 1 else "loss")
        if x.min() > 0.0 and x.max() >= LOG_RANGE * x.min():
            axis.set_xscale("log")
            decades(axis)
        if legend:
            legend_outside(axis)
    return axis


def _points(axis: Axes, theme: Theme, name: str, key: str, seen: Sequence[Observation], label: str) -> None:
    """Means over trials with intervals, where there are several trials."""
    places = [value_of(observation.setting, key) for observation in seen]
    table = [mean_and_half_width(np.array([getattr(t, name) for t in o.trials]), axis=0) for o in seen]
    mean, half = np.array(table, dtype=float).T
    bars: dict[str, Any] = {"capsize": 2.0, "elinewidth": 0.8, "markersize": 4.0, "label": label}
    marks(axis, places, mean, MARKERS[name], yerr=np.nan_to_num(half), color=theme.ink, **bars)


def _varied(seen: Sequence[Observation]) -> tuple[str, Array]:
    """The only key in which the settings of observations differ, and its values."""
    by_size = all(each.setting.step_size is not None for each in seen)
    keys = [name for name in AXIS_NAMES if name != ("step_exponent" if by_size else "step_size")]
    values = {name: np.array([value_of(each.setting, name) for each in seen]) for name in keys}
    varied = [name for name in keys if np.unique(values[name]).size > 1]
    if len(varied) != 1:
        came = Word("none, and such in " + (" and ".join(varied) or "no key"))
        raise DomainError("predicted", "must be given unless observations differ in one key", came)
    return varied[0], values[varied[0]]


def axis_name(key: str) -> str:
    """Label of the axis of a key."""
    return AXIS_NAMES.get(key, key.replace("_", " "))


def value_of(setting: Setting, key: str) -> float:
    """Value of a key in a setting; steps are known by size and by exponent."""
    derived = {"step_size": setting.step, "step_exponent": setting.exponent}
    return float(derived.get(key, getattr(setting, key)))


def swept(table: SweepTable) -> tuple[str, Array]:
    """The only key of a sweep and its values."""
    require("predicted", table, SweepTable, "make one with sweep(setting, {key: values})")
    if len(table.axes) != 1:
        raise DomainError("predicted", "must be a sweep over one key", Word(" and ".join(table.axes)))
    ((key, values),) = table.axes.items()
    if not isinstance(values, np.ndarray):
        raise DomainError("predicted", "must be a sweep over numbers", Word(f"words of {key}"))
    return key, values


def curve(table: SweepTable, name: str) -> Array:
    """Values of a loss along a sweep."""
    return np.asarray(table[f"losses.{name}"], dtype=float)


def band(table: SweepTable, name: str) -> Array | None:
    """Error bars of a loss along a sweep; None where the sweep has none."""
    path = f"losses.error.{name}"
    error = np.asarray(table[path], dtype=float) if path in table.quantities else np.array([np.nan])
    return error if np.isfinite(error).any() else None
