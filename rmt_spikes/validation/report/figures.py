"""The figures that a case asks for: spectra, losses, features of spikes, rates and limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed

from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import ConvergenceError, RmtSpikesError
from rmt_spikes.plot.profiles import feature_drawing
from rmt_spikes.plot.rates import scaling_drawings
from rmt_spikes.plot.style import DASHED, Drawing, Theme, legend_above, marks, panels, sizes
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.theory import Features, Prediction, predict, predict_losses
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.cases.case import Point
from rmt_spikes.validation.cases.tables import CaseFigure, LossFigure, SpectrumFigure
from rmt_spikes.validation.verdicts.statistics import mean_and_half_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HISTOGRAM_BINS = 48
"""Bars of a histogram of some hundred singular values: a tenth of a decade each."""

SMALLEST = 1e-3
"""Singular values below this share of the largest of the bulk are zeros, or nearly: left out of a picture."""

CURVE_POINTS = 600
"""Points of a density: a corner at an edge looks sharp."""

LOSS_NAMES = {"objective": "ridge objective", "train": "training loss", "test": "test loss"}
SWEPT_SYMBOLS = {"step_exponent": "step exponent $a$  ($\\eta = n^a$)", "step_size": "step size $\\eta$"}


def drawings(result: CaseResult, jobs: int = 1, on_progress: OnProgress | None = None) -> list[Drawing]:
    """Figures of a case, ready to be drawn: those of its file in their order, then rates and limits."""
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
    # Parts are computed here: one that fails when the figure is drawn would take the report with it.
    predictions = [predict(point.setting).compute() for point in points]

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
    return Drawing(
        name=f"{case}-spectrum",
        title="Spectrum",
        caption=f"Singular values of the features of {len(trials[0])} networks ({sizes(points[0].setting)}) "
        "on a logarithmic axis; densities are per unit of log singular value. Line: predicted bulk. Dashed "
        "with a diamond: predicted spikes. "
        "Triangles: as many largest singular values of each network as there are predicted spikes.",
        alt=f"Histograms of singular values with the predicted bulk density over them. {'. '.join(what)}.",
        draw=draw,
    )


def _spectrum_panel(axis: Axes, theme: Theme, prediction: Prediction, trials: Sequence[Trial]) -> None:
    values = np.stack([trial.singular_values for trial in trials])
    places = [spike.singular_value for spike in prediction.spikes]
    seen, bulk = values[:, : len(places)].ravel(), values[:, len(places) :]
    bulk = bulk[bulk > SMALLEST * bulk.max()]
    edges = np.geomspace(bulk.min(), bulk.max(), HISTOGRAM_BINS + 1)
    height = np.histogram(bulk, edges)[0] / (values.size * np.diff(np.log(edges)))
    axis.stairs(height, edges, fill=True, color=theme.bars)
    low, high = prediction.bulk.edges[0, 0], prediction.bulk.edges[-1, 1]
    x = np.geomspace(max(low, SMALLEST * high), high, CURVE_POINTS)
    axis.plot(x, x * prediction.bulk.density(x), color=theme.corrected, linewidth=1.3, label="predicted bulk")
    top = 1.15 * float(np.max(height))
    axis.vlines(places, 0.0, 0.62 * top, color=theme.corrected, linewidth=1.0, linestyle=(0, (4, 2)))
    spike: dict[str, Any] = {"linestyle": "none", "markersize": 4.5}
    diamond = {**spike, "marker": "D", "markerfacecolor": "none", "label": "predicted spike"}
    axis.plot(places, [0.65 * top] * len(places), color=theme.corrected, **diamond)
    triangle = {**spike, "marker": "v", "markeredgewidth": 0.0, "alpha": 0.75, "label": "observed spike"}
    axis.plot(seen, np.full(seen.size, 0.1 * top), color=theme.ink, **triangle)
    axis.set_xscale("log")
    axis.set_ylim(0.0, top)
    axis.xaxis.set_major_formatter("{x:g}")


def _losses(result: CaseResult, figure: LossFigure, jobs: int) -> Drawing:
    key = figure.against
    shown = sorted(result.points, key=lambda point: float(point.point.values[key]))
    swept = np.array([float(point.point.values[key]) for point in shown])
    grid = np.linspace(swept[0], swept[-1], figure.points)
    base = shown[0].point.setting
    settings = [base.replace(**{key: float(x)}) for x in grid]
    curves = {
        features: np.array(
            Parallel(n_jobs=jobs)(delayed(_losses_at)(setting, features) for setting in settings)
        )
        for features in Features.limits()
    }
    names = figure.quantities
    columns = {name: list(LOSS_NAMES).index(name) for name in names}
    trials = {name: [[getattr(trial, name) for trial in point.trials] for point in shown] for name in names}
    observed = {name: mean_and_half_width(np.array(values), axis=1) for name, values in trials.items()}

    def draw(theme: Theme, narrow: bool) -> Figure:
        sheet, axes = panels(len(names), narrow, 2.5)
        dashes: dict[str, Any] = {"linestyle": DASHED, "label": "theory, published features"}
        for axis, name in zip(axes, names, strict=True):
            corrected, published = (curves[features][:, columns[name]] for features in curves)
            axis.plot(grid, corrected, color=theme.corrected, linewidth=1.5, label="theory, corrected")
            axis.plot(grid, published, color=theme.published, linewidth=1.2, **dashes)
            bars: dict[str, Any] = {"capsize": 2.0, "elinewidth": 0.8, "label": "simulation, 95 % interval"}
            marks(axis, swept, observed[name][0], yerr=observed[name][1], color=theme.ink, **bars)
            axis.set_ylabel(LOSS_NAMES[name])
            axis.set_xlabel(SWEPT_SYMBOLS.get(key, key))
        legend_above(sheet, axes[0], narrow)
        return sheet

    corrected = curves[Features.CORRECTED]
    said = [
        f"{LOSS_NAMES[name]}: in theory from {corrected[0, columns[name]]:.3g} to "
        f"{corrected[-1, columns[name]]:.3g}, "
        f"in simulation from {observed[name][0][0]:.3g} to {observed[name][0][-1]:.3g}"
        for name in names
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


def _losses_at(setting: Setting, features: Features) -> list[float]:
    # A gap in a curve is honest, a report that is not written because of one point of a figure is not useful.
    try:
        return list(predict_losses(setting, features=features).to_dict().values())
    except RmtSpikesError:
        return [math.nan] * len(LOSS_NAMES)


def _label(key: str, value: Any) -> str:
    return f"$a = {value:g}$" if key == "step_exponent" else f"{key} = {value}"


def _list(values: Iterable[float]) -> str:
    return ", ".join(f"{float(value):.3g}" for value in values)
