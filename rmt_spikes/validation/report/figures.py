"""The figures of a case: all comparisons, those that its file asks for, rates and limits."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt_spikes import plot
from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import AccuracyWarning, ConvergenceError
from rmt_spikes.plot.curves import LOSS_NAMES
from rmt_spikes.plot.profiles import CENTRES, BinnedVectors
from rmt_spikes.plot.spectra import SHARES
from rmt_spikes.simulation import Observation, Trial
from rmt_spikes.theory import Features, Prediction, Spike, SweepTable, predict, sweep
from rmt_spikes.theory.population.coverage import is_published
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.cases.case import Point
from rmt_spikes.validation.cases.tables import CaseFigure, FeatureFigure, LossFigure, SpectrumFigure
from rmt_spikes.validation.report.comparison_figures import comparison_drawing, scaling_drawings
from rmt_spikes.validation.report.drawing import Drawing, legend_above, networks, panels, sizes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def drawings(result: CaseResult, jobs: int = 1, on_progress: OnProgress | None = None) -> list[Drawing]:
    """Figures of a case, ready to be drawn: comparisons, those of its file in their order, rates, limits."""
    made: list[Drawing | None] = [comparison_drawing(result)]
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
    observations = [_observed(point, result.figure_trials[number, j]) for j, point in enumerate(points)]
    if isinstance(figure, SpectrumFigure):
        return _spectrum(result.case.name, points, observations)
    return feature_drawing(result.case.name, figure, points[0], observations[0])


def _observed(point: Point, trials: Sequence[Trial]) -> Observation:
    return Observation(setting=point.setting, seed=point.seed, trials=tuple(trials))


def _spectrum(case: str, points: Sequence[Point], observations: Sequence[Observation]) -> Drawing:
    # Parts are computed here: one that fails when the figure is drawn would take the report with it.
    predictions = [predict(point.setting).compute() for point in points]

    def draw(narrow: bool) -> Figure:
        figure, axes = panels(len(points), narrow, 2.4, sharex=True, sharey=True)
        for axis, point, prediction, seen in zip(axes, points, predictions, observations, strict=True):
            plot.spectrum(prediction, seen, ax=axis, legend=False)
            axis.set_title(", ".join(_label(key, value) for key, value in point.values.items()))
        shares = [axis for axis in figure.axes if axis.get_label() == SHARES]
        top = max(axis.get_ylim()[1] for axis in shares)
        for axis in shares:
            axis.set_ylim(0.0, top)
        if not narrow:
            _label_outside(axes, shares)
        legend_above(figure, (axes[-1], shares[-1]), narrow)
        return figure

    what = [
        f"{', '.join(f'{k} {v}' for k, v in point.values.items())}: predicted spikes "
        f"{_list(s.singular_value for s in prediction.spikes)}, observed "
        f"{_list(np.mean([t.singular_values[: len(prediction.spikes)] for t in seen.trials], axis=0))}"
        for point, prediction, seen in zip(points, predictions, observations, strict=True)
    ]
    first = observations[0]
    return Drawing(
        name=f"{case}-spectrum",
        title="Spectrum",
        caption=f"Singular values of the features of {networks(first)} ({sizes(first.setting)}) "
        "on a logarithmic axis. Bars and line, left axis: density per unit of log singular value, of all "
        "simulated values and of the predicted bulk. Markers, right axis: how much of the left vector is a "
        "polynomial of the learnt variable, for each predicted spike (diamonds) and for the "
        f"{len(first.trials[0].alignment)} largest values of each network (triangles).",
        alt=f"Histograms of singular values with the predicted bulk density over them. {'. '.join(what)}.",
        draw=draw,
    )


def _label_outside(axes: Sequence[Axes], shares: Sequence[Axes]) -> None:
    """Leave the labels of the outer panels of a row, and numbers of the shares at the right end."""
    for axis in axes[1:]:
        axis.set_ylabel("")
    for axis in shares[:-1]:
        axis.set_ylabel("")
        axis.tick_params(labelright=False)


def _losses(result: CaseResult, figure: LossFigure, jobs: int) -> Drawing:
    key, names = figure.against, figure.quantities
    shown = sorted(result.points, key=lambda point: float(point.point.values[key]))
    base = shown[0].point.setting
    first, last = (float(point.point.values[key]) for point in (shown[0], shown[-1]))
    grid = np.linspace(first, last, figure.points)
    with warnings.catch_warnings():
        # The rows of the case have the errors of the predictions that are compared.
        warnings.simplefilter("ignore", AccuracyWarning)
        wanted = [f"losses.{part}{name}" for name in names for part in ("", "error.")]
        corrected, published = (
            sweep(base, {key: grid}, wanted, features=each, jobs=jobs) for each in Features.limits()
        )
    observations = [_observed(point.point, point.trials) for point in shown]

    def draw(narrow: bool) -> Figure:
        sheet, axes = panels(len(names), narrow, 2.6)
        for axis, name in zip(axes, names, strict=True):
            plot.losses(
                corrected, observations, quantities=[name], published=published, ax=axis, legend=False
            )
        legend_above(sheet, axes, narrow)
        return sheet

    said = [f"{LOSS_NAMES[name]}: {_ends(corrected, name)}, {_seen(observations, name)}" for name in names]
    return Drawing(
        name=f"{result.case.name}-losses",
        title="Losses",
        caption=f"Losses after one step ({sizes(base)}). Markers: mean of {result.case.trials} networks "
        "each, independent between points, with 95 % Student intervals. Solid: theory, with its error "
        "bar as a band. Dashed: the same with the published features.",
        alt=f"Losses against {key.replace('_', ' ')}: {'; '.join(said)}.",
        draw=draw,
    )


def _ends(table: SweepTable, name: str) -> str:
    first, *_, last = table[f"losses.{name}"]
    return f"in theory from {first:.3g} to {last:.3g}"


def _seen(observations: Sequence[Observation], name: str) -> str:
    ends = (observations[0], observations[-1])
    first, last = (np.mean([getattr(trial, name) for trial in each.trials]) for each in ends)
    return f"in simulation from {first:.3g} to {last:.3g}"


def feature_drawing(
    case: str, figure: FeatureFigure, point: Point, observation: Observation
) -> Drawing | None:
    """Left vectors of trials that kept them against ``q``, with both theories; None without a spike."""
    corrected = predict(point.setting)
    known = is_published(point.setting)
    published = predict(point.setting, features=Features.PUBLISHED) if known else None
    shown = [number for number in figure.spikes if number <= len(corrected.spikes)]
    if not shown:
        return None
    said = [_feature_in_words(number, corrected, published, observation) for number in shown]

    limit = (
        f"; as n grows it tends to q² + χ, χ = {corrected.latent.chi:.3g}. "
        "Dashed: as published, with q² in its place."
    )

    def draw(narrow: bool) -> Figure:
        sheet, axes = panels(len(shown), narrow, 2.9)
        for axis, number in zip(axes, shown, strict=True):
            options: dict[str, Any] = {"spike": number, "published": published, "legend": False}
            plot.features(corrected, observation, ax=axis, **options)
            axis.set_title(f"spike {number}")
        legend_above(sheet, axes, narrow)
        return sheet

    return Drawing(
        name=f"{case}-features",
        title="The features that the spikes carry",
        caption=f"Left singular vectors u of the spikes against the learnt variable q of the samples "
        f"({sizes(point.setting)}, step exponent {point.setting.exponent:.3g}). Small dots: samples of one "
        f"network. Large dots: means over bins of q and {networks(observation)}, with 95 % intervals. Solid: "
        + (f"theory at this n{limit}" if known else "theory at this n."),
        alt=" ".join(said),
        draw=draw,
    )


def _feature_in_words(
    number: int, corrected: Prediction, published: Prediction | None, observation: Observation
) -> str:
    spike: Spike[Any] = corrected.spikes[number - 1]
    binned = BinnedVectors.of(observation, number - 1, spike)
    parts = []
    for q in (-2.0, 0.0, 2.0):
        nearest = int(np.argmin(np.abs(CENTRES - q)))
        centre = CENTRES[nearest]
        others = () if published is None else published.spikes
        text = (
            f"near q = {q:g} it is {binned.means[nearest]:.2f}, in theory {float(spike.profile(centre)):.2f}"
        )
        if number <= len(others):
            text = f"{text}, as published {float(others[number - 1].profile(centre)):.2f}"
        parts.append(text)
    return f"Left singular vector of spike {number}: {'; '.join(parts)}."


def _label(key: str, value: Any) -> str:
    return f"a = {value:g}" if key == "step_exponent" else f"{key} = {value}"


def _list(values: Iterable[float]) -> str:
    return ", ".join(f"{float(value):.3g}" for value in values) or "none"
