"""Where a report comes from: what is the same whenever it is repeated, and what belongs to one run."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rmt_spikes.console.progress import OnProgress, Progress, duration

LIBRARIES = ("numpy", "scipy", "matplotlib", "joblib")


def provenance(files: Sequence[str], quick: bool, repetition: int = 0) -> dict[str, Any]:
    """Versions, linear algebra and the command to repeat a report: nothing that changes from run to run.

    Parameters
    ----------
    files
        Cases as they were named; none for the built-in headline case.
    quick, repetition
        As for `validate`.
    """
    from threadpoolctl import threadpool_info

    from rmt_spikes import __version__

    parts = ("internal_api", "version", "architecture")
    pools = [info for info in threadpool_info() if info["user_api"] == "blas"]
    blas = sorted({" ".join(str(info[key]) for key in parts if info.get(key)) for info in pools})
    # A folder of this machine says nothing to others: of an absolute path the name is kept.
    names = [Path(file).name if Path(file).is_absolute() else file for file in files]
    command = ["rmt-spikes", "validate", *names, "--out", "DIR", *(["--quick"] if quick else [])]
    command += ["--repetition", str(repetition)] if repetition else []
    return {
        "versions": {"rmt_spikes": __version__, "python": platform.python_version(), **_versions()},
        "blas": blas,
        "machine": f"{platform.system()} {platform.machine()}",
        "command": shlex.join(command),
    }


def processors() -> int:
    """Number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a campaign, for the HTML pages only.

    Attributes
    ----------
    written, duration
        Date and time at its end, in UTC, and how long it took.
    simulated, stored
        Trials that it simulated, and that it found in the store.
    processors, where
        Of the machine that wrote the report; number of processes, or the cluster.
    """

    written: str
    duration: str
    simulated: int
    stored: int
    processors: int
    where: str


class Stopwatch:
    """Times a run and counts its trials, from what it is told of its progress."""

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._start = time.monotonic()
        self._tell = on_progress
        self._simulated: dict[str, int] = {}
        self._stored: dict[str, int] = {}

    def see(self, progress: Progress) -> None:
        """Take note of a progress, and pass it on."""
        if progress.stage == "simulating":
            first = self._stored.setdefault(progress.case, progress.stored)
            # Trials that are added for precision find the earlier ones stored.
            self._simulated[progress.case] = progress.done - first
        if self._tell is not None:
            self._tell(progress)

    def stop(self, jobs: int, scheduler: str | None) -> Run:
        """Return what is known at the end."""
        where = f"on {jobs} {'process' if jobs == 1 else 'processes'}"
        return Run(
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            duration=duration(time.monotonic() - self._start),
            simulated=sum(self._simulated.values()),
            stored=sum(self._stored.values()),
            processors=processors(),
            where=where if scheduler is None else "on a dask cluster",
        )


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return found
