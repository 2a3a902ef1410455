"""How a campaign says where it is: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True)
class Progress:
    """Where a campaign is: how many predictions, trials or figures of a case are done.

    `stage` is predicting, simulating or drawing; `stored` of those done were in the store when it began.
    While simulating, `verdicts` counts the verdicts over the points whose trials are complete.
    """

    stage: str
    done: int
    total: int
    stored: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    case: str = ""

    def describe(self, seconds: float) -> str:
        """Rate, time left and verdicts, given how long the stage has lasted; empty when nothing is known."""
        parts = []
        made = self.done - self.stored
        if self.stage == "simulating":
            if made and seconds > 0.0:
                left = (self.total - self.done) * seconds / made
                parts.append(rate(made / seconds) + (f", {duration(left)} left" if left else ""))
            elif self.stored:
                parts.append(f"{self.stored} were stored")
            counts = [f"{verdict} {count}" for verdict, count in sorted(self.verdicts.items()) if count]
            if counts:
                parts.append(f"points: {', '.join(counts)}")
        return "; ".join(parts)


OnProgress = Callable[[Progress], None]


def rate(per_second: float) -> str:
    """Trials per second, minute or hour, whichever is at least one."""
    if per_second >= 1000.0:
        return "over 1000 trials/s"
    for seconds, unit in ((1.0, "s"), (MINUTE, "min")):
        if per_second * seconds >= 1.0:
            return f"{per_second * seconds:.3g} trials/{unit}"
    return f"{per_second * HOUR:.3g} trials/h"


def duration(seconds: float) -> str:
    """A time in two figures: seconds, minutes or hours."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    if seconds < 100.0 * MINUTE:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """Yield what shows a `Progress` on stderr: a bar on a terminal, else a line for each tenth."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    clock = _Clock()
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(clock)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, details="")

        def show(progress: Progress) -> None:
            text = f"{progress.case} {progress.stage}".strip()
            details = progress.describe(clock.seconds(progress))
            bar.update(task, description=text, completed=progress.done, total=progress.total, details=details)

        yield show


class _Clock:
    """How long the present stage has lasted."""

    def __init__(self) -> None:
        self._stage: tuple[str, str] | None = None
        self._start = 0.0

    def seconds(self, progress: Progress) -> float:
        if self._stage != (progress.case, progress.stage):
            self._stage = (progress.case, progress.stage)
            self._start = time.monotonic()
        return time.monotonic() - self._start


def _lines(clock: _Clock) -> OnProgress:
    last: tuple[str, str, int] | None = None

    def show(progress: Progress) -> None:
        nonlocal last
        seconds = clock.seconds(progress)
        tenth = (progress.case, progress.stage, 10 * progress.done // max(progress.total, 1))
        if tenth != last:
            last = tenth
            line = f"{progress.stage} {progress.done}/{progress.total} {progress.case}".strip()
            details = progress.describe(seconds)
            print(f"{line}: {details}" if details else line, file=sys.stderr, flush=True)

    return show
