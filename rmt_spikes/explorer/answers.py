"""What the page asks for: each answer is computed in a worker process, and is ready for JSON."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from rmt_spikes import plot
from rmt_spikes.arguments import choice
from rmt_spikes.errors import AccuracyWarning, RmtSpikesError
from rmt_spikes.explorer.fields import Texts, setting_of
from rmt_spikes.explorer.writing import CURVE_POINTS, CURVE_RTOL, python_of, toml_of
from rmt_spikes.plot.files import encode
from rmt_spikes.plot.profiles import BINS, CENTRES, MOST_SPIKES, RANGE
from rmt_spikes.plot.spectra import BINS_PER_DECADE, SMALLEST
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Observation, Trial, simulate
from rmt_spikes.simulation.trial import STAGES
from rmt_spikes.theory import Prediction, SweepTable, predict, sweep
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.results import LOSSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Answer = dict[str, Any]
Tell = Callable[[Answer], object]
Made = tuple[str, Any]
"""A part, after the name of the method that has made it."""


DEFAULT = None
"""The method that `predict` chooses: it depends on the second batch."""

QUICK = ClosedForm.name
"""Method that follows a slider: its losses, spikes and bulk together take some 10 ms."""

DENSITY_POINTS = 160
"""Points of a density on the page, one for every three pixels."""

PROFILE = np.linspace(-RANGE, RANGE, 61)
"""Where features are drawn: lines between these points are smooth on the page."""

DIGITS = 5
"""Digits of what is drawn: a hundredth of a pixel."""

DOTS = 600
"""Samples of one network that the page draws: more cover each other."""

EXPONENTS = np.linspace(0.0, 0.5, CURVE_POINTS)
KEPT = 8
"""Predictions that a worker keeps: the parts of one are asked for one after the other."""

KEPT_ANSWERS = 400
"""Parts that a worker keeps, some kilobytes each: a slider goes to and fro."""


def preview(texts: Texts, spike: int, seed: int | None) -> Answer:
    """The setting in other forms, and its theory in the closed form, for a slider that is moving.

    Raises
    ------
    DomainError
        If a field is wrong.
    """
    setting = setting_of(texts)
    answer: Answer = {
        "toml": toml_of(setting),
        "python": python_of(setting, spike, seed),
        "derived": {
            "step_size": setting.step,
            "step_exponent": setting.exponent if math.isfinite(setting.exponent) else None,
            "n_ridge": setting.n_ridge,
            "phi": setting.phi,
            "psi": setting.psi,
        },
    }
    try:
        # Only losses depend on the ridge: a slider of it computes nothing else.
        usual = setting.replace(ridge=USUAL_RIDGE)
        for name in QUICK_PARTS:
            answer |= _part(name, setting if name == "losses" else usual, QUICK)
    except RmtSpikesError as error:
        # The setting is fine, but not one of this method: the page waits for the other one.
        answer["uncovered"] = str(error)
    return answer


def part(texts: Texts, name: str, method: str | None) -> Answer:
    """One of `PARTS` by a method, with the warnings of its accuracy."""
    return _part(choice("part", name, PARTS), setting_of(texts), method)


@lru_cache(maxsize=KEPT_ANSWERS)
def _part(name: str, setting: Setting, method: str | None) -> Answer:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        by, value = PARTS[name](setting, method)
    said = sorted({str(each.message) for each in caught if issubclass(each.category, AccuracyWarning)})
    return {name: value, f"{name}_by": {"method": by, "warnings": said}}


def _losses(setting: Setting, method: str | None) -> Made:
    """Losses with their error bars."""
    prediction = _prediction(setting, method)
    return prediction.method, prediction.losses.to_dict()


def _spikes(setting: Setting, method: str | None) -> Made:
    """Places of the spikes, and the features that they carry."""
    prediction = _prediction(setting, method)
    return prediction.method, [
        {
            "singular_value": float(spike.singular_value),
            "error": spike.error,
            "share": float(np.sum(spike.alignment)),
            "alignment": _rounded(spike.alignment),
            "profile": _rounded(spike.profile(PROFILE)),
        }
        for spike in prediction.spikes[:MOST_SPIKES]
    ]


def _bulk(setting: Setting, method: str | None) -> Made:
    """Density of the logarithm of the singular values, and where single samples make values of their own."""
    prediction, curves = _prediction(setting, method), []
    for low, high in prediction.bulk.edges:
        x = np.geomspace(max(low, SMALLEST * high), high, DENSITY_POINTS)
        curves.append({"x": _rounded(x), "y": _rounded(x * prediction.bulk.density(x))})
    return prediction.method, {
        "curves": curves,
        "error": prediction.bulk.error,
        "atom_at_zero": float(prediction.bulk.atom_at_zero),
        "beyond_edge": float(prediction.outliers.expected_beyond_edge),
    }


def _curve(setting: Setting, method: str | None) -> Made:
    """Losses against the step exponent."""
    table = _table(setting, method)
    lines = {name: _rounded(table[f"losses.{name}"]) for name in LOSSES}
    bars = {name: _rounded(table[f"losses.error.{name}"]) for name in LOSSES}
    return table.method, {"x": _rounded(EXPONENTS), **lines, "error": bars}


PARTS: dict[str, Callable[[Setting, str | None], Made]] = {
    "losses": _losses,
    "spikes": _spikes,
    "bulk": _bulk,
    "curve": _curve,
}
"""Parts of the theory on the page."""

QUICK_PARTS = ("losses", "spikes", "bulk")
"""Those that a moving slider asks for at once."""

USUAL_RIDGE = 1.0
"""Ridge of parts in the closed form that depend on none."""


def trial(texts: Texts, seed: int, tell: Tell) -> Answer:
    """Simulate one network and say what it shows; `tell` hears of each stage."""
    setting = setting_of(texts)

    def begins(stage: str) -> None:
        tell({"stage": stage, "number": STAGES.index(stage) + 1, "of": len(STAGES)})

    (seen,) = _observation(setting, seed, begins).trials
    values = seen.singular_values[seen.singular_values > SMALLEST * seen.singular_values.max()]
    first, last = np.log10([values.min(), values.max()]) * BINS_PER_DECADE
    edges = 10.0 ** (np.arange(np.floor(first), np.floor(last) + 2) / BINS_PER_DECADE)
    height = np.histogram(values, edges)[0] / (seen.singular_values.size * np.diff(np.log(edges)))
    return {
        "texts": dict(texts),
        "seed": seed,
        "edges": _rounded(edges),
        "height": _rounded(height),
        "top": _rounded(seen.singular_values[: len(seen.alignment)]),
        "shares": _rounded(seen.alignment.sum(axis=1)),
        "losses": {name: getattr(seen, name) for name in LOSSES},
        "q": _rounded(seen.latent.q[:DOTS]),
        "vectors": _vectors(seen),
    }


def _vectors(seen: Trial) -> list[Answer]:
    """Left singular vectors times ``sqrt(n_ridge)``: samples, and means over bins of `q`. Signs are open."""
    assert seen.left_vectors is not None
    q, found = seen.latent.q, []
    size = np.histogram(q, BINS)[0]
    for u in math.sqrt(q.size) * seen.left_vectors.T:
        means = np.histogram(q, BINS, weights=u)[0] / np.where(size > 0, size, np.nan)
        found.append({"dots": _rounded(u[:DOTS]), "centres": _rounded(CENTRES), "means": _rounded(means)})
    return found


def figure(texts: Texts, name: str, spike: int, seed: int | None) -> Answer:
    """A figure of the page as the functions of `rmt_spikes.plot` draw it, in an SVG file."""
    from matplotlib import pyplot

    setting, name = setting_of(texts), choice("figure", name, FIGURES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        axes = FIGURES[name](setting, spike, None if seed is None else _observation(setting, seed))
        try:
            return {"svg": encode(cast("Figure", axes.figure), "svg").decode("utf-8")}
        finally:
            pyplot.close("all")


def _spectrum_figure(setting: Setting, _: int, seen: Observation | None) -> Axes:
    return plot.spectrum(_prediction(setting, DEFAULT), seen)


def _losses_figure(setting: Setting, _: int, seen: Observation | None) -> Axes:
    return plot.losses(_table(setting, DEFAULT), [] if seen is None else [seen])


def _features_figure(setting: Setting, spike: int, seen: Observation | None) -> Axes:
    return plot.features(_prediction(setting, DEFAULT), seen, spike=spike)


FIGURES: dict[str, Callable[[Setting, int, Observation | None], Axes]] = {
    "spectrum": _spectrum_figure,
    "losses": _losses_figure,
    "features": _features_figure,
}
"""Figures of the page, which have the lines of `python_of`."""


@lru_cache(maxsize=KEPT)
def _prediction(setting: Setting, method: str | None) -> Prediction:
    return predict(setting, method=method)


@lru_cache(maxsize=KEPT)
def _table(setting: Setting, method: str | None) -> SweepTable:
    return sweep(setting, {"step_exponent": EXPONENTS}, method=method, rtol=CURVE_RTOL)


@lru_cache(maxsize=1)
def _kept_observation(setting: Setting, seed: int) -> list[Observation]:
    return []


def _observation(setting: Setting, seed: int, begins: Callable[[str], object] | None = None) -> Observation:
    """One trial; the last one is kept, for its figures."""
    kept = _kept_observation(setting, seed)
    if not kept:
        kept.append(simulate(setting, trials=1, seed=seed, keep_vectors=True, on_stage=begins))
    return kept[0]


def _rounded(values: Any) -> list[float | None]:
    """Numbers that are drawn; what is not known is None."""
    return [float(f"{each:.{DIGITS}g}") if math.isfinite(each) else None for each in np.ravel(values)]


TASKS: dict[str, Callable[..., Answer]] = {each.__name__: each for each in (preview, part, trial, figure)}
"""What a worker does, by name."""
