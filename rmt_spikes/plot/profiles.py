"""Figure of the features that spikes carry: left singular vectors against the samples' latent variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes.plot.style import DASHED, Drawing, Theme, legend_above, marks, panels, sizes
from rmt_spikes.simulation import Trial
from rmt_spikes.theory import Features, Spike, predict
from rmt_spikes.validation.cases.case import Point
from rmt_spikes.validation.cases.tables import FeatureFigure
from rmt_spikes.validation.verdicts.statistics import mean_and_half_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BINS = np.linspace(-2.875, 2.875, 24)
"""Bins of q, a quarter wide and one of them about zero; a bin farther out has few samples."""

CENTRES = 0.5 * (BINS[1:] + BINS[:-1])
RANGE = 3.0
"""Largest q that is drawn: all but 0.3 % of the samples."""

SHOWN_SAMPLES = 1500
"""Dots of one network: more cover each other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Panel:
    """One spike: the theories (published None when it has no such spike), dots of one network, bin means."""

    number: int
    corrected: Spike[Any]
    published: Spike[Any] | None
    q: Array
    u: Array
    means: Array
    half_widths: Array

    def at(self, q: float) -> tuple[float, float, float]:
        """Observed, corrected and published vector near `q` (NaN for a theory that is missing)."""
        nearest = int(np.argmin(np.abs(CENTRES - q)))
        centre = CENTRES[nearest]
        published = math.nan if self.published is None else float(self.published.profile(centre))
        return float(self.means[nearest]), float(self.corrected.profile(centre)), published


def feature_drawing(
    case: str, figure: FeatureFigure, point: Point, trials: Sequence[Trial]
) -> Drawing | None:
    """Left vectors of trials that kept them against ``q``, with both theories; None without a spike."""
    corrected = predict(point.setting)
    published = predict(point.setting, features=Features.PUBLISHED)
    shown = []
    for k in figure.spikes:
        if k <= len(corrected.spikes):
            other = published.spikes[k - 1] if k <= len(published.spikes) else None
            shown.append(_panel(k, corrected.spikes[k - 1], other, trials))
    if not shown:
        return None

    def draw(theme: Theme, narrow: bool) -> Figure:
        sheet, axes = panels(len(shown), narrow, 2.75)
        for axis, panel in zip(axes, shown, strict=True):
            _draw_panel(axis, theme, panel)
            dots: dict[str, Any] = {"markersize": 1.6, "markeredgewidth": 0.0, "alpha": 0.5, "zorder": 0}
            q, u = panel.q[:SHOWN_SAMPLES], panel.u[:SHOWN_SAMPLES]
            axis.plot(q, u, ".", color=theme.faint, rasterized=True, **dots)
            profile = panel.corrected.profile(np.linspace(-RANGE, RANGE, 61))
            room = 0.12 * float(np.ptp(profile))
            axis.set(xlim=(-RANGE, RANGE), ylim=(profile.min() - room, profile.max() + room))
            axis.set_title(f"spike {panel.number}")
            axis.set_xlabel(r"latent variable $q_i=\langle\hat{\beta},\tilde{x}_i\rangle$")
            axis.set_ylabel(rf"$\sqrt{{\tilde{{n}}}}\,u_i$ of spike {panel.number}")
            if panel.number % 2 == 0:
                _draw_zoom(axis, theme, panel)
        legend_above(sheet, axes[0], narrow)
        return sheet

    return Drawing(
        name=f"{case}-features",
        title="The features that the spikes carry",
        caption=f"Left singular vectors u of the spikes against the latent variable q of the samples "
        f"({sizes(point.setting)}, step exponent {point.setting.exponent:.3g}). Small dots: samples of one "
        f"network. Large dots: means over bins of q and {len(trials)} networks, with 95 % intervals. Solid: "
        f"corrected theory at this n; as n grows it tends to q² + χ, χ = {corrected.latent.chi:.3g}. Dashed: "
        "as published, with q² in its place.",
        alt=" ".join(_describe(panel) for panel in shown),
        draw=draw,
    )


def _panel(
    number: int, corrected: Spike[Any], published: Spike[Any] | None, trials: Sequence[Trial]
) -> _Panel:
    table = []
    for trial in trials:
        q, u = trial.latent.q, _oriented(trial, number - 1, corrected)
        size = np.histogram(q, BINS)[0]
        table.append(np.histogram(q, BINS, weights=u)[0] / np.where(size > 0, size, np.nan))
    means, half_widths = mean_and_half_width(np.array(table), axis=0)
    return _Panel(
        number=number,
        corrected=corrected,
        published=published,
        q=trials[0].latent.q,
        u=_oriented(trials[0], number - 1, corrected),
        means=means,
        half_widths=half_widths,
    )


def _oriented(trial: Trial, index: int, spike: Spike[Any]) -> Array:
    """Left singular vector times ``sqrt(n_ridge)``; it has no sign of its own: it takes the theory's."""
    if trial.left_vectors is None:
        raise ValueError("the trials of a feature figure must keep their vectors")
    u = math.sqrt(trial.latent.q.size) * trial.left_vectors[:, index]
    return np.asarray(u * np.copysign(1.0, u @ spike.profile(trial.latent.q)))


def _draw_panel(axis: Axes, theme: Theme, panel: _Panel) -> None:
    q = np.linspace(-RANGE, RANGE, 241)
    axis.plot(q, panel.corrected.profile(q), color=theme.corrected, linewidth=1.5, label="theory, corrected")
    if panel.published is not None:
        line: dict[str, Any] = {"linestyle": DASHED, "linewidth": 1.2, "label": "theory, published"}
        axis.plot(q, panel.published.profile(q), color=theme.published, **line)
    bars: dict[str, Any] = {"markersize": 2.6, "capsize": 1.5, "elinewidth": 0.7}
    bars |= {"color": theme.ink, "label": "simulation, 95 % interval"}
    marks(axis, CENTRES, panel.means, yerr=panel.half_widths, **bars)


def _draw_zoom(axis: Axes, theme: Theme, panel: _Panel) -> None:
    """Inset around ``q = 0``, in the hollow of an even feature, where the theories differ most."""
    inset = axis.inset_axes((0.27, 0.52, 0.46, 0.42))
    _draw_panel(inset, theme, panel)
    near = np.linspace(-1.0, 1.0, 21)
    profiles = [s.profile(near) for s in (panel.corrected, panel.published) if s is not None]
    low, high = float(np.min(profiles)), float(np.max(profiles))
    room = 0.1 * (high - low)
    inset.set(xlim=(-1.05, 1.05), ylim=(low - room, high + room), xticks=[-1, 0, 1])
    inset.tick_params(labelsize=7)


def _describe(panel: _Panel) -> str:
    numbers = {q: panel.at(q) for q in (-2.0, 0.0, 2.0)}
    parts = [
        f"near q = {q:g} it is {seen:.2f}, in theory {corrected:.2f}, as published {published:.2f}"
        for q, (seen, corrected, published) in numbers.items()
    ]
    return f"Left singular vector of spike {panel.number}: {'; '.join(parts)}."
