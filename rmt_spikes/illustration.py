"""Figures of a setting and nothing else: what is drawn is predicted, simulated and compared here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmt_spikes import plot
from rmt_spikes.arguments import choice, integer, suggestion
from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import DomainError, Word, warn_of_accuracy
from rmt_spikes.plot.phase import COUNT
from rmt_spikes.plot.spectra import FEATURES, WEIGHTS
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Observation, simulate
from rmt_spikes.theory import Features, predict, sweep
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.population.coverage import is_published
from rmt_spikes.theory.sweeps.table import MOST_POINTS
from rmt_spikes.validation.campaign.provenance import processors
from rmt_spikes.validation.verdicts.compare import compare
from rmt_spikes.validation.verdicts.scaling import Rate, fit_rate
from rmt_spikes.validation.verdicts.statistics import FAMILY_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Range = tuple[str, NDArray[Any]]

STEPS = ("step_size", "step_exponent")
WHOLE = ("n", "d", "width", "n_ridge")
KEYS = (*STEPS, *WHOLE, "noise_std", "ridge", "row_norm")
"""Keys of a setting that are numbers."""

DEFAULT_STEPS: Range = ("step_exponent", np.linspace(0.0, 0.5, 26))
"""From no feature learning to steps of order ``sqrt(n)``."""

SIMULATED_POINTS = 6
"""Points of a curve that are simulated: enough to see whether they follow it."""

TRIALS = 8
"""Trials of a figure that needs them: intervals of half the width that two would give."""

RTOL = 1e-3
"""Of losses that are interpolated along the step: a tenth of the width of a line."""

COUNTING_METHOD = ClosedForm.name
"""Method that counts the spikes of thousands of settings, which the figure names.

It takes 3 ms, where the uniform method takes 400; the steps at which spikes appear are 1 to 4 % apart, less
than a point of a grid of 60. Losses need the uniform method: at large steps and noise even the sign of a gain
differs.
"""

FORM = "must have the form KEY=A:B:N, such as step_exponent=0:0.5:51"
QUANTITIES = {
    "spectrum": (FEATURES, WEIGHTS),
    "phase_diagram": (COUNT, "gain"),
    "scaling": ("scatter", "error"),
}
"""What a figure can show, the default first."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a figure is made of.

    Attributes
    ----------
    setting
        What is predicted and simulated.
    against
        Swept keys and their values.
    trials, seed
        Simulated networks of each point, and their seed; None for as many as the figure needs.
    spike
        Number of the spike whose feature is drawn; None for the first.
    quantity
        What of `QUANTITIES` is shown; None for the first.
    method
        As in `predict`.
    jobs
        Number of processes.
    on_progress
        Called with a `Progress` as the work goes on.
    """

    setting: Setting
    against: tuple[Range, ...] = ()
    trials: int | None = None
    seed: int = 0
    spike: int | None = None
    quantity: str | None = None
    method: str | None = None
    jobs: int = 1
    on_progress: OnProgress | None = None

    def tell(self, stage: str, done: int, total: int) -> None:
        """Say how far the work is."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, done, total))

    def simulated(self, settings: Sequence[Setting], trials: int, **options: Any) -> list[Observation]:
        """Observations of some settings."""
        total, done, made = trials * len(settings), 0, []

        def one_more(_: object) -> None:
            nonlocal done
            done += 1
            self.tell("simulating", done, total)

        for setting in settings:
            found = simulate(
                setting,
                trials=trials,
                seed=self.seed,
                jobs=self.jobs,
                on_start=lambda: self.tell("simulating", done, total),
                on_trial=one_more,
                **options,
            )
            made.append(found)
        return made

    def needed_trials(self) -> int:
        """Number of trials of a figure that compares; two at least."""
        count = TRIALS if self.trials is None else self.trials
        return integer("--trials", count, 2, required="must be 2 or more for this figure")

    def ranges(self, count: int, example: str) -> tuple[Range, ...]:
        """The swept keys, which must be `count`."""
        if len(self.against) != count:
            required = f"must be given {'once' if count == 1 else 'twice'} for this figure"
            raise DomainError("--against", required, Word(str(len(self.against))), f"such as {example}")
        return self.against


def illustrate(figure: str, request: Request) -> Axes:
    """Make a figure by name and return its axes.

    Raises
    ------
    DomainError
        For an unknown figure, and for a request that does not fit it; the field is the option of the command.
    """
    recipe = FIGURES[choice("FIGURE", figure, FIGURES)]
    for name in ("against", "trials", "spike", "quantity"):
        given = getattr(request, name)
        if given not in (None, ()) and name not in recipe.takes:
            raise DomainError(f"--{name}", f"must be left out for {figure}", Word("one"))
    if "quantity" in recipe.takes:
        shown = QUANTITIES[figure]
        request = replace(request, quantity=choice("--quantity", request.quantity or shown[0], shown))
    return recipe.make(request)


def draw_file(
    figure: str, setting: Setting, out: Path, against: Sequence[str], jobs: int | None, **options: Any
) -> None:
    """Write a figure to a file; the options are those of `Request`.

    Raises
    ------
    DomainError
        As `illustrate`.
    """
    import matplotlib
    from matplotlib import pyplot

    # No window is opened, whatever the settings of the user are.
    matplotlib.use("agg")
    ranges = tuple(map(read_range, against))
    jobs = processors() if jobs is None else jobs
    axes = illustrate(figure, Request(setting=setting, against=ranges, jobs=jobs, **options))
    plot.save(axes, out)
    pyplot.close("all")


def read_range(text: str) -> Range:
    """Read ``KEY=A:B:N``: N values of a key, evenly from A to B.

    Raises
    ------
    DomainError
        For another form, a key that is no number, and ranges without two values.
    """
    key, equals, span = (part.strip() for part in text.partition("="))
    parts = span.split(":")
    if not equals or len(parts) != 3:
        raise DomainError("--against", FORM, text)
    if key not in KEYS:
        known = f"must have a key that is a number: {', '.join(KEYS)}"
        raise DomainError("--against", known, key, suggestion(key, KEYS))
    try:
        first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError:
        raise DomainError("--against", FORM, text) from None
    if not (math.isfinite(first) and math.isfinite(last) and first < last and 2 <= count <= MOST_POINTS):
        raise DomainError("--against", f"must have A < B and N from 2 to {MOST_POINTS}", text)
    values = np.linspace(first, last, count)
    if key in WHOLE:
        values = np.unique(np.rint(values).astype(int))
    return key, values


def _spectrum(request: Request) -> Axes:
    prediction = predict(request.setting, method=request.method)
    of, seen = str(request.quantity), [None]
    if request.trials:
        seen = request.simulated([request.setting], request.trials, weights=of == WEIGHTS)  # type: ignore[assignment]
    return plot.spectrum(prediction, seen[0], of=of)


def _features(request: Request) -> Axes:
    prediction = predict(request.setting, method=request.method)
    published = None
    if is_published(request.setting):
        published = predict(request.setting, method=request.method, features=Features.PUBLISHED)
    seen: Sequence[Observation | None] = [None]
    spike = request.spike or 1
    if spike > len(prediction.spikes):
        count = Word(f"{spike} of {len(prediction.spikes)}")
        raise DomainError("--spike", "must be the number of a predicted spike", count)
    if request.trials:
        seen = request.simulated([request.setting], request.trials, keep_vectors=True)
    return plot.features(prediction, seen[0], spike=spike, published=published)


def _losses(request: Request) -> Axes:
    ((key, values),) = request.ranges(1, "step_exponent=0:0.5:26") if request.against else (DEFAULT_STEPS,)
    table = _table(request, (key, values))
    published = (
        _table(request, (key, values), features=Features.PUBLISHED) if is_published(request.setting) else None
    )
    seen = []
    if request.trials:
        chosen = np.unique(np.rint(np.linspace(0, len(values) - 1, SIMULATED_POINTS)).astype(int))
        settings = [request.setting.replace(**{key: values[i].item()}) for i in chosen]
        seen = request.simulated(settings, request.trials)
    return plot.losses(table, seen, published=published)


def _residuals(request: Request) -> Axes:
    trials = request.needed_trials()
    settings = [request.setting]
    if request.against:
        ((key, values),) = request.ranges(1, "step_exponent=0:0.5:6")
        settings = [request.setting.replace(**{key: value.item()}) for value in values]
    seen = request.simulated(settings, trials)
    return plot.residuals([compare(predict(each.setting, method=request.method), each) for each in seen])


def _phase_diagram(request: Request) -> Axes:
    example = "--against step_exponent=0:0.5:60 --against noise_std=0:2:60"
    ranges = request.ranges(2, example)
    if len({key for key, _ in ranges}) < 2 or all(key in STEPS for key, _ in ranges):
        raise DomainError("--against", "must have two different keys", Word(ranges[0][0]), example)
    if request.quantity == COUNT:
        counting = COUNTING_METHOD if is_published(request.setting) else None
        fast = replace(request, method=request.method or counting)
        return plot.phase_diagram(_table(fast, *ranges, quantity=COUNT))
    table = _table(request, *ranges, quantity="losses.test")
    others = tuple(each for each in ranges if each[0] not in STEPS)
    still = replace(request, setting=request.setting.replace(step_size=0.0))
    return plot.phase_diagram(table, reference=_table(still, *others, quantity="losses.test"))


def _scaling(request: Request) -> Axes:
    ((key, values),) = request.ranges(1, "n=300:1200:4")
    if key != "n" or len(values) < 3:
        raise DomainError(
            "--against", "must be n with three sizes at least", Word(f"{key} with {len(values)}")
        )
    trials = request.needed_trials()
    base = request.setting
    settings = [
        base.replace(**{name: max(1, round(getattr(base, name) * value / base.n)) for name in WHOLE})
        for value in values
    ]
    comparisons = [
        compare(predict(each.setting, method=request.method), each, claims=["losses"])
        for each in request.simulated(settings, trials)
    ]
    sizes = [setting.n for setting in settings]
    kind = Rate(str(request.quantity))
    rows = zip(*(comparison.rows for comparison in comparisons), strict=True)
    return plot.scaling([fit_rate(sizes, each, kind, FAMILY_RATE) for each in rows])


def _given(request: Request) -> Axes:
    setting, ask = request.setting, partial(predict, request.setting, method=request.method)
    if setting.second_batch != "fresh":
        raise DomainError("second_batch", "must be 'fresh' for this figure", setting.second_batch)
    (seen,) = request.simulated([setting], request.needed_trials())
    latent = [trial.latent for trial in seen.trials]
    predictions: dict[str, Any] = {
        "nothing given": ask(),
        "first stage given": [ask(given=each.first_stage()) for each in latent],
        "both batches given": [ask(given=each) for each in latent],
    }
    return plot.given(seen, predictions)


def _table(request: Request, *ranges: Range, quantity: str = "", features: str = Features.CORRECTED) -> Any:
    """Predictions over ranges, losses interpolated along the step."""
    points = math.prod(len(values) for _, values in ranges)
    if points > MOST_POINTS:
        raise DomainError("--against", f"must make at most {MOST_POINTS} points", points)
    axes: dict[str, Any] = dict(ranges)
    wanted: dict[str, Any] = {"quantities": [quantity]} if quantity else {}
    along = any(key in STEPS for key in axes)
    table = sweep(
        request.setting,
        axes,
        method=request.method,
        features=features,
        rtol=RTOL if along else None,
        jobs=request.jobs,
        progress=partial(request.tell, "predicting"),
        **wanted,
    )
    if table.failures:
        failed, reason = len({each.index for each in table.failures}), table.failures[0].reason
        if failed > points - 2:
            required = "must make two points that can be predicted"
            raise DomainError("--against", required, Word(f"{failed} of {points} that cannot"), reason)
        warn_of_accuracy(f"{failed} of {points} points cannot be predicted: {reason}")
    return table


@dataclass(frozen=True)
class Recipe:
    """How a figure is made, and which parts of a request it takes beside the setting."""

    make: Callable[[Request], Axes]
    takes: frozenset[str]


def _recipe(make: Callable[[Request], Axes], *takes: str) -> Recipe:
    return Recipe(make, frozenset(takes))


FIGURES = {
    "spectrum": _recipe(_spectrum, "trials", "quantity"),
    "losses": _recipe(_losses, "against", "trials"),
    "features": _recipe(_features, "trials", "spike"),
    "residuals": _recipe(_residuals, "against", "trials"),
    "phase_diagram": _recipe(_phase_diagram, "against", "quantity"),
    "scaling": _recipe(_scaling, "against", "trials", "quantity"),
    "given": _recipe(_given, "trials"),
}
