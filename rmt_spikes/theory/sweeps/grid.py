"""Predictions on a grid of settings, in this process or in several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmt_spikes.arguments import choice, function, integer, number
from rmt_spikes.console.progress import Progress, shown_progress
from rmt_spikes.errors import DomainError, warn_of_accuracy
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.methods import CONTINUOUS, look_up
from rmt_spikes.theory.sweeps.lines import SCAN, WITH_BARS, solve_lines
from rmt_spikes.theory.sweeps.names import COUNT, named
from rmt_spikes.theory.sweeps.points import Plan, Point, Solved, solve_points
from rmt_spikes.theory.sweeps.table import MOST_POINTS, SweepTable, axis_of, point_of, read_only

RUN = 25
"""Most points of one task: a task takes seconds, so that progress is seen and work is shared evenly."""

OnPoints = Callable[[int, int], object]


def sweep(
    setting: Setting,
    axes: Mapping[str, ArrayLike | Iterable[Any]],
    quantities: Sequence[str] = WITH_BARS,
    *,
    method: str | None = None,
    features: str = Features.CORRECTED,
    rtol: float | None = None,
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
        Names; losses and their error bars when left out. ``"spike_count"`` (number of `Prediction.spikes`),
        ``"method"``, and paths into a `Prediction` such as ``"losses.test"``, ``"losses.error.test"``,
        ``"spikes[0].singular_value"``, ``"spikes[1].alignment[2]"``,
        ``"bulk.edges[-1][1]"``, ``"bulk.quantiles[0.5]"``, ``"outliers.expected_beyond_edge"``,
        ``"weights.singular_values[0]"``, ``"weights.right_alignment[0]"``,
        ``"weights.outliers.expected_beyond_edge"``, ``"latent.shift"``, ``"regime.degree"`` or
        ``"certificate.residual"``.
    method, features
        As in `predict`.
    rtol
        None to predict every point. Else the relative error allowed to losses, which are interpolated along
        the step, with their error bars, where there are more than 21 of them; `spike_count` is then filled in
        between points of equal counts, at most an eighth of the range of steps apart, and of one other key if
        that has ascending or descending numbers.
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
        For an unknown key, quantity, method or features, for more than 100,000 points, for a value outside
        the domain of its key, and for an `rtol` without steps, for the method ``"limit"``, or where there is
        nothing to interpolate.

    Warns
    -----
    AccuracyWarning
        Once, if any prediction warned of its accuracy; `SweepTable.warned` has them all.

    Notes
    -----
    A point that cannot be predicted, such as a step that is too large for one of the widths, is NaN, and
    `SweepTable.failures` has its reason. With `rtol` the losses, which are analytic in the step size, are
    interpolated at Chebyshev points of ``asinh(s sqrt(N))``, linear in the step below the critical size and
    its logarithm above; the last coefficients of the series tell the error. Where 161 points do not reach
    `rtol`, or one of them fails, every point is predicted.
    """
    require_setting(setting)
    listed = _axes(axes)
    names = _names(quantities)
    name = look_up(method, batch=setting.second_batch).name
    # Where the batch is swept, each point has the default of its own.
    own = method is None and "second_batch" in listed
    plan = Plan(setting, names, None if own else name, str(Features.of(features)))
    jobs = integer("jobs", jobs, 1)
    if not isinstance(progress, bool):
        function("progress", progress)
    points = [
        Point(index, point_of(listed, index)) for index in product(*(range(len(v)) for v in listed.values()))
    ]
    solve: Callable[[Any], Solved] = partial(solve_points, plan)
    tasks: Sequence[Any] = [points[i : i + RUN] for i in range(0, len(points), RUN)]
    if rtol is not None:
        step = _refuse_bad_rtol(rtol, listed, names, method)
        solve = partial(solve_lines, plan, step=step, rtol=float(rtol))
        tasks = _blocks(_lines(points, step), listed, step)
    done: list[Solved] = []
    with _told(progress) as tell, closing(work_through(solve, tasks, jobs)) as results:
        for solved in results:
            done.append(solved)
            tell(sum(len(each.found) for each in done), len(points))
    found = sorted((each for solved in done for each in solved.found), key=lambda each: each.point.index)
    shape = tuple(map(len, listed.values()))
    table = SweepTable(
        setting=setting,
        axes=listed,
        arrays={name: read_only(np.array([each.values[name] for each in found]), shape) for name in names},
        method=name,
        features=plan.features,
        failures=tuple(failure for each in found for failure in each.failures),
        warned=tuple(warning for each in found for warning in each.warned),
        error=max(each.error for each in done),
        solves=sum(each.solves for each in done),
    )
    if table.warned:
        first = table.warned[0]
        count = len({each.index for each in table.warned})
        text = f"{count} of {len(points)} points are less accurate, first at {dict(first.values)}"
        warn_of_accuracy(f"{text}: {first.reason}")
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
    points = math.prod(map(len, listed.values()))
    if points > MOST_POINTS:
        raise DomainError("axes", f"must make at most {MOST_POINTS} points", points)
    return listed


def _names(given: Any) -> tuple[str, ...]:
    """Check the quantities of a sweep; one that is named twice counts once."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise DomainError("quantities", "must be a list of names", given)
    return tuple(dict.fromkeys(named(name).name for name in given))


def _refuse_bad_rtol(rtol: Any, axes: Mapping[str, Any], names: Sequence[str], method: str | None) -> str:
    """Check that something can be interpolated, and return the key of the step."""
    number("rtol", rtol, 1e-10, 1.0, "must be a number in [1e-10, 1], or None")
    look_up(method, CONTINUOUS)
    step = next((key for key in ("step_size", "step_exponent") if key in axes), "")
    if not step:
        raise DomainError("rtol", "must be None unless step_size or step_exponent is swept", rtol)
    if not {*WITH_BARS, COUNT} & {*names}:
        raise DomainError("rtol", "must be None unless losses or spike_count are wanted", rtol)
    return step


def _lines(points: Sequence[Point], step: str) -> list[Sequence[Point]]:
    """Points that differ in the step only, line by line."""
    lines: dict[tuple[int, ...], list[Point]] = {}
    for point in points:
        others = tuple(i for i, key in zip(point.index, point.values, strict=True) if key != step)
        lines.setdefault(others, []).append(point)
    return list(lines.values())


def _blocks(lines: list[Sequence[Point]], axes: Mapping[str, Any], step: str) -> list[list[Sequence[Point]]]:
    """Lines that are solved together: neighbours along one other key, an eighth of its range at most."""
    others = [np.asarray(values) for key, values in axes.items() if key != step]
    if len(others) != 1 or others[0].dtype.kind not in "iuf":
        return [[line] for line in lines]
    rises = np.diff(others[0])
    if not (np.all(rises > 0) or np.all(rises < 0)):
        return [[line] for line in lines]
    ends = np.linspace(0, len(lines), SCAN + 1).round().astype(int)
    return [lines[i:j] for i, j in pairwise(ends) if j > i]


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
