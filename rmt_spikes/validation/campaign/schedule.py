"""Trials that a campaign needs: which are missing, where they run, and what is known meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.execution.threads import one_blas_thread
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.memory import check_memory, trial_bytes
from rmt_spikes.simulation.trial import run_trial
from rmt_spikes.validation.campaign.archive import code_version, fingerprint
from rmt_spikes.validation.campaign.store import Store
from rmt_spikes.validation.cases.case import Point
from rmt_spikes.verdict import Conclusion

TOP = 5
"""Leading singular vectors of a trial: the default of `simulate`."""


@dataclass(frozen=True)
class Task:
    """One trial to be run."""

    setting: Setting
    seed: int
    trial: int
    keep_vectors: bool = False
    gradient_error: bool = False
    weights: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `run_trial`: the defaults of `simulate`, so that its trials are those of a report."""
        top = min(TOP, self.setting.width, self.setting.n_ridge)
        extras = {"keep_vectors": self.keep_vectors, "gradient_error": self.gradient_error}
        # A trial without them is known by what it was known by before they could be asked for.
        extras |= {"weights": True} if self.weights else {}
        return {"top": top, "test_samples": None, **extras}

    @property
    def group(self) -> tuple[str, int]:
        """Key and seed in the store: what the trial shares with the others of its point."""
        return fingerprint(self.setting, **self.options), self.seed


@dataclass(frozen=True)
class Ensemble:
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
    weights
        Whether the trained first layer is decomposed.
    """

    point: Point
    count: int
    keep_vectors: bool = False
    gradient_error: bool = False
    weights: bool = False

    def tasks(self) -> list[Task]:
        """The trials."""
        setting, seed = self.point.setting, self.point.seed
        extras = (self.keep_vectors, self.gradient_error, self.weights)
        return [Task(setting, seed, number, *extras) for number in range(self.count)]


def provide(
    ensembles: Mapping[Hashable, Ensemble],
    store: Store,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    judge: Callable[[Hashable, Sequence[Trial]], Conclusion | None] | None = None,
    on_progress: OnProgress | None = None,
    case: str = "",
) -> dict[Hashable, tuple[Trial, ...]]:
    """Trials of ensembles in the order of their numbers, simulated where the store does not hold them.

    They are the same bits whatever `jobs` is and however often the work was interrupted.

    Parameters
    ----------
    ensembles
        What is wanted, under keys of the caller's choice; a trial in several of them is simulated once.
    store
        Where each trial is committed as soon as it is finished.
    jobs, scheduler
        As for `work_through`.
    judge
        Verdict on a complete ensemble, None if there is none to give; only `Progress.verdicts` depends on it.
    on_progress, case
        What is told as trials finish, and the name of the case to tell it with.
    """
    wanted = {key: ensemble.tasks() for key, ensemble in ensembles.items()}
    groups = {key: tasks[0].group for key, tasks in wanted.items()}
    unique = {(groups[key], task.trial): task for key, tasks in wanted.items() for task in tasks}
    stored = {group: store.finished(*group) for group in groups.values()}
    missing = {place: task for place, task in unique.items() if place[1] not in stored[place[0]]}
    done = held = len(unique) - len(missing)
    lacking = {
        key: {n for n in range(len(tasks)) if n not in stored[groups[key]]} for key, tasks in wanted.items()
    }
    collected: dict[Hashable, tuple[Trial, ...]] = {}
    verdicts: Counter[str] = Counter()

    def collect() -> None:
        for key in [key for key, numbers in lacking.items() if not numbers]:
            del lacking[key]
            collected[key] = tuple(store.get(*groups[key], range(len(wanted[key]))))
            verdict = judge(key, collected[key]) if judge is not None else None
            verdicts.update([verdict] if verdict else [])

    def tell() -> None:
        if on_progress is not None:
            on_progress(Progress("simulating", done, len(unique), held, dict(verdicts), case))

    collect()
    tell()
    # The largest first, so that no process is left with a long one at the end.
    sizes = {setting: trial_bytes(setting, None) for setting in {task.setting for task in missing.values()}}
    order = sorted(missing, key=lambda place: -sizes[missing[place].setting])
    if scheduler is None:
        for setting in sizes:
            check_memory(setting, trials=1, jobs=jobs, test_samples=None, kept_vectors=TOP)
    # Looked up: to take the fingerprint of each trial would hold the workers up.
    places = {missing[place]: place for place in order}
    for task, trial in work_through(_run, list(places), jobs, scheduler, code_version):
        group, number = places[task]
        store.put(*group, task.setting, trial)
        done += 1
        for key, numbers in lacking.items():
            if groups[key] == group:
                numbers.discard(number)
        collect()
        tell()
    return {key: collected[key] for key in ensembles}


def _run(task: Task) -> tuple[Task, Trial]:
    # One BLAS thread whatever the executor: sums are taken in the same order, results are the same bits.
    with one_blas_thread():
        return task, run_trial(task.setting, task.seed, task.trial, **task.options)
