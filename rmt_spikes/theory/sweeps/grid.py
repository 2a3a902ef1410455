"""Predictions on a grid of settings, in this process or in several."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmt_spikes.arguments import choice, function, integer
from rmt_spikes.console.progress import Progress, shown_progress
from rmt_spikes.errors import AccuracyWarning, DomainError, RmtSpikesError
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.methods import look_up
from rmt_spikes.theory.predict import predict
from rmt_spikes.theory.sweeps.names import METHOD, NamedQuantity, named
from rmt_spikes.theory.sweeps.table import Failure, SweepTable, axis_of, point_of, read_only

LOSSES = ("losses.objective", "losses.train", "losses.test")
"""Quantities when none are asked for."""

RUN = 25
"""Most points of one task: a task takes seconds, so that progress is seen and work is shared evenly."""

FAILURES = (RmtSpikesError, ArithmeticError, np.linalg.LinAlgError)
"""What a point may raise without ending the sweep."""

OnPoints = Callable[[int, int], object]


@dataclass(frozen=True)
class Plan:
    """What is predicted at each point."""

    setting: Setting
    names: tuple[str, ...]
    method: str
    features: str


@dataclass(frozen=True)
class Point:
    """One point of a grid: its index and the values of the swept keys."""

    index: tuple[int, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """Values at a point, and which of them failed or were warned of, with reasons."""

    point: Point
    values: tuple[Any, ...]
    failures: tuple[Failure, ...]
    warned: tuple[Failure, ...]


def sweep(
    setting: Setting,
    axes: Mapping[str, ArrayLike | Iterable[Any]],
    quantities: Sequence[str] = LOSSES,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    jobs: int = 1,
    progress: bool | OnPoints = False,
) -> SweepTable:
    """Predict quantities over all combinations of some values of keys of a setting.

    Parameters
    ----------
    setting
        What is predicted, where `axes` does not say otherwise. A second batch of the size of the first keeps
        that size when only `n` is swept.
    axes
        Values by key of the setting. ``step_size`` or ``step_exponent`` takes the place of the step of the
        setting.
    quantities
        Names: ``"spike_count"`` (number of `Prediction.spikes`), ``"method"``, and paths into a `Prediction`
        such as ``"losses.test"``, ``"spikes[0].singular_value"``, ``"spikes[1].alignment[2]"``,
        ``"bulk.edges[-1][1]"``, ``"bulk.quantiles[0.5]"``, ``"outliers.expected_beyond_edge"``,
        ``"latent.shift"``, ``"regime.degree"`` or ``"certificate.residual"``.
    method, features
        As in `predict`.
    jobs
        Number of processes.
    progress
        True for a bar on stderr, or a function that is called with the numbers of points that are done and
        of all.

    Returns
    -------
    SweepTable

    Raises
    ------
    DomainError
        For an unknown key, quantity, method or features, and for a value outside the domain of its key.

    Warns
    -----
    AccuracyWarning
        Once, if any prediction warned of its accuracy; `SweepTable.warned` has them all.

    Notes
    -----
    A point that cannot be predicted, such as a step that is too large for one of the widths, is NaN, and
    `SweepTable.failures` has its reason.
    """
    require_setting(setting)
    listed = _axes(axes)
    names = _names(quantities)
    plan = Plan(setting, names, look_up(method).name, str(Features.of(features)))
    jobs = integer("jobs", jobs, 1)
    if not isinstance(progress, bool):
        function("progress", progress)
    points = [
        Point(index, point_of(listed, index)) for index in product(*(range(len(v)) for v in listed.values()))
    ]
    tasks = [points[i : i + RUN] for i in range(0, len(points), RUN)]
    shape = tuple(map(len, listed.values()))
    arrays = {
        name: np.full(shape, "", dtype=object) if name == METHOD else np.full(shape, np.nan) for name in names
    }
    done: list[Found] = []
    with _told(progress) as tell, closing(work_through(partial(_solve, plan), tasks, jobs)) as results:
        for found in results:
            done += found
            tell(len(done), len(points))
    done.sort(key=lambda each: each.point.index)
    for each in done:
        for name, value in zip(names, each.values, strict=True):
            arrays[name][each.point.index] = value
    table = SweepTable(
        setting=setting,
        axes=listed,
        arrays={name: read_only(a.astype(str) if name == METHOD else a, shape) for name, a in arrays.items()},
        method=plan.method,
        features=plan.features,
        failures=tuple(failure for each in done for failure in each.failures),
        warned=tuple(warning for each in done for warning in each.warned),
    )
    if table.warned:
        first = table.warned[0]
        count = len({each.index for each in table.warned})
        text = f"{count} of {len(points)} points are less accurate, first at {dict(first.values)}"
        warnings.warn(f"{text}: {first.reason}", AccuracyWarning, stacklevel=2)
    return table


def _axes(given: Any) -> dict[str, Any]:
    """Check the axes of a sweep."""
    if not isinstance(given, Mapping) or not given:
        raise DomainError("axes", "must be a mapping from keys of a setting to values", given)
    listed = {
        choice("axes", key, Setting.model_fields): axis_of(str(key), values) for key, values in given.items()
    }
    if {"step_size", "step_exponent"} <= listed.keys():
        raise DomainError("axes", "must have step_size or step_exponent, not both", list(listed))
    return listed


def _names(given: Any) -> tuple[str, ...]:
    """Check the quantities of a sweep; one that is named twice counts once."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise DomainError("quantities", "must be a list of names", given)
    return tuple(dict.fromkeys(named(name).name for name in given))


@contextmanager
def _told(progress: bool | OnPoints) -> Iterator[OnPoints]:
    """Yield what is told of the progress."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        with shown_progress() as show:
            yield lambda done, total: show(Progress("predicting", done, total))


def _solve(plan: Plan, points: Sequence[Point]) -> list[Found]:
    """Predict one task."""
    wanted = [named(name) for name in plan.names]
    return [_predict(plan, wanted, point) for point in points]


def _predict(plan: Plan, wanted: Sequence[NamedQuantity], point: Point) -> Found:
    """Predict one point; what cannot be predicted is NaN with a reason."""
    values: list[Any] = []
    failed: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    prediction = None
    for quantity in wanted:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                if prediction is None:
                    setting = plan.setting.replace(**point.values)
                    prediction = predict(setting, method=plan.method, features=plan.features)
                values.append(quantity.of(prediction))
            except FAILURES as error:
                values.append("" if quantity.name == METHOD else np.nan)
                text = str(error) if isinstance(error, RmtSpikesError) else f"{type(error).__name__}: {error}"
                failed.setdefault(text, []).append(quantity.name)
        for warning in caught:
            if issubclass(warning.category, AccuracyWarning):
                warned.setdefault(str(warning.message), []).append(quantity.name)
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return Found(point, tuple(values), _listed(point, failed), _listed(point, warned))


def _listed(point: Point, reasons: Mapping[str, list[str]]) -> tuple[Failure, ...]:
    return tuple(
        Failure(point.index, dict(point.values), tuple(dict.fromkeys(names)), reason)
        for reason, names in reasons.items()
    )
