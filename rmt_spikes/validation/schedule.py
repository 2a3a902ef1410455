"""Trials that a campaign needs: which are missing, where they run, and what is known meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits

from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.memory import check_memory, trial_bytes
from rmt_spikes.simulation.trial import run_trial
from rmt_spikes.validation.archive import fingerprint
from rmt_spikes.validation.case import Point
from rmt_spikes.validation.executor import work_through
from rmt_spikes.validation.progress import OnProgress, Progress
from rmt_spikes.validation.statistics import Verdict
from rmt_spikes.validation.store import Store

TOP = 5


@dataclass(frozen=True)
class Task:
    """One trial to be run."""

    setting: Setting
    seed: int
    trial: int
    keep_vectors: bool = False
    gradient_error: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `run_trial`: the defaults of `simulate`, so that its trials are those of a report."""
        return {
            "top": min(TOP, self.setting.width, self.setting.n_ridge),
            "test_samples": None,
            "keep_vectors": self.keep_vectors,
            "gradient_error": self.gradient_error,
        }

    @property
    def group(self) -> tuple[str, int]:
        """Key and seed in the store: what the trial shares with the others of its point."""
        return fingerprint(self.setting, **self.options), self.seed


@dataclass(frozen=True)
class Batch:
    """Trials that are wanted together: those of a point, or of a panel of a figure.

    Attributes
    ----------
    point
        What is simulated.
    count
        Number of trials; they are numbered from 0.
    keep_vectors
        Whether they keep their singular vectors.
    gradient_error
        Whether the distance of the gradient from rank one is measured.
    """

    point: Point
    count: int
    keep_vectors: bool = False
    gradient_error: bool = False

    def tasks(self) -> list[Task]:
        """The trials."""
        setting, seed = self.point.setting, self.point.seed
        extras = (self.keep_vectors, self.gradient_error)
        return [Task(setting, seed, number, *extras) for number in range(self.count)]


def provide(
    batches: Mapping[Hashable, Batch],
    store: Store,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    judge: Callable[[Hashable, Sequence[Trial]], Verdict | None] | None = None,
    on_progress: OnProgress | None = None,
    case: str = "",
) -> dict[Hashable, tuple[Trial, ...]]:
    """Trials of batches: simulated where the store does not hold them, and then taken from the store.

    Parameters
    ----------
    batches
        What is wanted, under keys of the caller's choice; a trial in several of them is simulated once.
    store
        Where each trial is committed as soon as it is finished.
    jobs, scheduler
        As for `work_through`.
    judge
        Verdict on a complete batch, None if there is none to give; only `Progress.verdicts` depends on it.
    on_progress, case
        What is told as trials finish, and the name of the case to tell it with.

    Returns
    -------
    dict
        Trials of each batch in the order of their numbers: the same bits whatever `jobs` is and however
        often the work was interrupted.
    """
    wanted = {key: batch.tasks() for key, batch in batches.items()}
    unique = {(task.group, task.trial): task for tasks in wanted.values() for task in tasks}
    stored = {group: store.finished(*group) for group, _ in unique}
    missing = {place: task for place, task in unique.items() if place[1] not in stored[place[0]]}
    done = held = len(unique) - len(missing)
    collected: dict[Hashable, tuple[Trial, ...]] = {}
    verdicts: Counter[str] = Counter()

    def collect(keys: Iterable[Hashable]) -> None:
        for key in list(keys):
            places = [(task.group, task.trial) for task in wanted[key]]
            if not any(place in missing for place in places):
                collected[key] = tuple(store.get(*places[0][0], [number for _, number in places]))
                verdict = judge(key, collected[key]) if judge is not None else None
                verdicts.update([verdict] if verdict else [])

    def tell() -> None:
        if on_progress is not None:
            on_progress(Progress("simulating", done, len(unique), held, dict(verdicts), case))

    collect(wanted)
    tell()
    # The largest first, so that no process is left with a long one at the end.
    todo = sorted(missing.values(), key=lambda task: -trial_bytes(task.setting, None))
    if scheduler is None:
        for setting in {task.setting for task in todo}:
            check_memory(setting, trials=1, jobs=jobs, test_samples=None, kept_vectors=TOP)
    for task, trial in work_through(_run, todo, jobs, scheduler):
        store.put(*task.group, task.setting, trial)
        del missing[task.group, task.trial]
        done += 1
        collect(key for key in wanted.keys() - collected.keys() if task in wanted[key])
        tell()
    return {key: collected[key] for key in batches}


def _run(task: Task) -> tuple[Task, Trial]:
    # One BLAS thread whatever the executor: sums are taken in the same order, results are the same bits.
    with threadpool_limits(limits=1):
        trial = run_trial(task.setting, task.seed, task.trial, **task.options)
    return task, trial
