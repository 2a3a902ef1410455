"""The three kinds of figure of a report: spectra, losses, singular vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import ConvergenceError, RmtSpikesError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.theory import Features, Prediction, predict
from rmt_spikes.validation.campaign.results import CaseResult, PointResult
from rmt_spikes.validation.cases.case import Point
from rmt_spikes.validation.cases.tables import CaseFigure, LossFigure, SpectrumFigure
from rmt_spikes.validation.report.feature_figure import feature_drawing
from rmt_spikes.validation.report.scaling_figure import scaling_drawings
from rmt_spikes.validation.report.style import Drawing, Theme, legend_above, panels, sizes
from rmt_spikes.validation.verdicts.statistics import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

HISTOGRAM_BINS = 48
LOSS_NAMES = {"objective": "ridge objective", "train": "training loss", "test": "test loss"}
SWEPT_SYMBOLS = {"step_exponent": "step exponent $a$  ($\\eta = n^a$)", "step_size": "step size $\\eta$"}


def drawings(result: CaseResult, jobs: int = 1, on_progress: OnProgress | None = None) -> list[Drawing]:
    """Figures of a case, ready to be drawn.

    Parameters
    ----------
    result
        What came out of the case.
    jobs
        Number of processes for the curves of the theory.
    on_progress
        Called before each figure.

    Returns
    -------
    list of Drawing
        In the order of the case file, and then rates and limits; their names begin with that of the case.
    """
    made: list[Drawing | None] = []
    for i, figure in enumerate(result.case.figures):
        if on_progress is not None:
            on_progress(Progress("drawing", i, len(result.case.figures), case=result.case.name))
        # A figure whose theory fails is left out: the points of the case say why, the rest is still a report.
        with suppress(ConvergenceError):
            made.append(_drawing(result, i, figure, jobs))
    if result.scaling is not None:
        made += scaling_drawings(result.case.name, result.scaling)
    return [drawing for drawing in made if drawing is not None]


def _drawing(result: CaseResult, number: int, figure: CaseFigure, jobs: int) -> Drawing | None:
    if isinstance(figure, LossFigure):
        return _losses(result, figure, jobs)
    points = result.case.figure_points(figure)
    trials = [result.figure_trials[number, j] for j in range(len(points))]
    if isinstance(figure, SpectrumFigure):
        return _spectrum(result.case.name, points, trials)
    return feature_drawing(result.case.name, figure, points[0], trials[0])


def _spectrum(case: str, points: Sequence[Point], trials: Sequence[Sequence[Trial]]) -> Drawing:
    predictions = [predict(point.setting) for point in points]

    def draw(theme: Theme, narrow: bool) -> Figure:
        figure, axes = panels(len(points), narrow, 2.3, sharex=True, sharey=True)
        for axis, point, prediction, found in zip(axes, points, predictions, trials, strict=True):
            _spectrum_panel(axis, theme, prediction, found)
            axis.set_title(", ".join(_label(key, value) for key, value in point.values.items()))
        for axis in axes if narrow else axes[:1]:
            axis.set_ylabel(r"density of $\log\,\sigma$")
        for axis in axes[-1:] if narrow else axes:
            axis.set_xlabel(r"singular value $\sigma$ of $F/\sqrt{\tilde n}$")
        axes[-1].plot([], [], color=theme.bars, linewidth=5, label="simulated bulk")
        legend_above(figure, axes[-1], narrow)
        return figure

    what = [
        f"{', '.join(f'{k} {v}' for k, v in point.values.items())}: predicted spikes "
        f"{_list(s.singular_value for s in prediction.spikes) or 'none'}, observed "
        f"{_list(np.mean([t.singular_values[: len(prediction.spikes)] for t in found], axis=0)) or 'none'}"
        for point, prediction, found in zip(points, predictions, trials, strict=True)
    ]
    count = len(trials[0])
    return Drawing(
        name=f"{case}-spectrum",
        title="Spectrum",
        caption=f"Singular values of the features of {count} networks ({sizes(points[0].setting)}) on a "
        "logarithmic axis; densities are per unit of log singular value. Line: predicted bulk. Dashed with "
        "a diamond: predicted spikes. "
        "Triangles: as many largest singular values of each network as there are predicted spikes.",
        alt=f"Histograms of singular values with the predicted bulk density over them. {'. '.join(what)}.",
        draw=draw,
    )


def _spectrum_panel(axis: Axes, theme: Theme, prediction: Prediction, trials: Sequence[Trial]) -> None:
    values = np.stack([trial.singular_values for trial in trials])
    count = len(prediction.spikes)
    bulk = values[:, count:]
    bulk = bulk[bulk > 1e-3 * bulk.max()]
    edges = np.geomspace(bulk.min(), bulk.max(), HISTOGRAM_BINS + 1)
    height = np.histogram(bulk, edges)[0] / (values.size * np.diff(np.log(edges)))
    axis.stairs(height, edges, fill=True, color=theme.bars)
    low, high = prediction.bulk.edges[0, 0], prediction.bulk.edges[-1, 1]
    x = np.geomspace(max(low, 1e-3 * high), high, 600)
    axis.plot(x, x * prediction.bulk.density(x), color=theme.corrected, linewidth=1.3, label="predicted bulk")
    top = 1.15 * float(np.max(height))
    places = [spike.singular_value for spike in prediction.spikes]
    axis.vlines(places, 0.0, 0.62 * top, color=theme.corrected, linewidth=1.0, linestyle=(0, (4, 2)))
    diamond: dict[str, Any] = {
        "marker": "D",
        "markersize": 4.5,
        "markerfacecolor": "none",
        "linestyle": "none",
    }
    axis.plot(places, [0.65 * top] * count, color=theme.corrected, label="predicted spike", **diamond)
    seen = values[:, :count].ravel()
    triangle: dict[str, Any] = {
        "marker": "v",
        "markersize": 4.5,
        "linestyle": "none",
        "markeredgewidth": 0.0,
        "alpha": 0.75,
    }
    axis.plot(seen, np.full(seen.size, 0.1 * top), color=theme.ink, label="observed spike", **triangle)
    axis.set_xscale("log")
    axis.set_ylim(0.0, top)
    axis.xaxis.set_major_formatter("{x:g}")


def _losses(result: CaseResult, figure: LossFigure, jobs: int) -> Drawing:
    key = figure.against
    shown = sorted(result.points, key=lambda point: float(point.point.values[key]))
    swept = np.array([float(point.point.values[key]) for point in shown])
    grid = np.linspace(swept[0], swept[-1], figure.points)
    base = shown[0].point.setting
    curves = {
        features: np.array(
            Parallel(n_jobs=jobs)(
                delayed(_losses_at)(base.replace(**{key: float(x)}), features) for x in grid
            )
        )
        for features in Features.limits()
    }
    columns = [list(LOSS_NAMES).index(name) for name in figure.quantities]

    def draw(theme: Theme, narrow: bool) -> Figure:
        sheet, axes = panels(len(columns), narrow, 2.5)
        for axis, name, column in zip(axes, figure.quantities, columns, strict=True):
            mean, half = _observed(shown, name)
            axis.plot(
                grid,
                curves[Features.CORRECTED][:, column],
                color=theme.corrected,
                linewidth=1.5,
                label="theory, corrected",
            )
            axis.plot(
                grid,
                curves[Features.PUBLISHED][:, column],
                color=theme.published,
                linewidth=1.2,
                linestyle=(0, (5, 2)),
                label="theory, published features",
            )
            axis.errorbar(
                swept,
                mean,
                half,
                color=theme.ink,
                linestyle="none",
                marker="o",
                markersize=3.5,
                capsize=2.0,
                elinewidth=0.8,
                label="simulation, 95 % interval",
            )
            axis.set_ylabel(LOSS_NAMES[name])
            axis.set_xlabel(SWEPT_SYMBOLS.get(key, key))
        legend_above(sheet, axes[0], narrow)
        return sheet

    said = [
        f"{LOSS_NAMES[name]}: in theory from {curves[Features.CORRECTED][0, column]:.3g} to "
        f"{curves[Features.CORRECTED][-1, column]:.3g}, "
        f"in simulation from {_observed(shown, name)[0][0]:.3g} to {_observed(shown, name)[0][-1]:.3g}"
        for name, column in zip(figure.quantities, columns, strict=True)
    ]
    return Drawing(
        name=f"{result.case.name}-losses",
        title="Losses",
        caption=f"Losses after one step ({sizes(base)}). Points: mean of {result.case.trials} networks each, "
        "independent between points, with 95 % Student intervals. Solid: corrected theory. Dashed: the same "
        "with the published features.",
        alt=f"Losses against {key.replace('_', ' ')}: {'; '.join(said)}.",
        draw=draw,
    )


def _losses_at(setting: Setting, features: str) -> list[float]:
    # A gap in a curve is honest, a report that is not written because of one point of a figure is not useful.
    try:
        return list(predict(setting, features=features).losses.to_dict().values())
    except RmtSpikesError:
        return [math.nan] * len(LOSS_NAMES)


def _observed(points: Sequence[PointResult], name: str) -> tuple[Array, Array]:
    """Mean of a loss at each point, and half the width of its 95 % interval."""
    values = np.array([[getattr(trial, name) for trial in point.trials] for point in points])
    se = values.std(axis=1, ddof=1) / math.sqrt(values.shape[1])
    interval = t_interval(np.zeros(se.size), se, values.shape[1], 0.95)
    return values.mean(axis=1), interval[:, 1]


def _label(key: str, value: Any) -> str:
    return f"$a = {value:g}$" if key == "step_exponent" else f"{key} = {value}"


def _list(values: Any) -> str:
    return ", ".join(f"{float(value):.3g}" for value in values)
