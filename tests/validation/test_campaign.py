"""Campaigns that are killed, starved of disk, run twice at once, or run elsewhere: the report is the same."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_tools import case, run
from warm import run_command

from rmt_spikes.errors import CaseError
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.validation import Case
from rmt_spikes.validation.campaign.schedule import Task, _run

FIGURE = '[[figures]]\nkind = "spectrum"\nsweep = { step_exponent = [0.1] }\n'

ORPHANS_END = 30.0
"""Seconds in which the processes of a killed run have to end: mostly 1, where 300 was before."""


def case_file(folder: Path, trials: int, more: str = "") -> str:
    """A case without spikes and wrong theories, whose theory is quick: what is tested here is the rest."""
    path = Path(case(folder, 0.9, 0.9, control=False))
    text = path.read_text(encoding="utf-8").replace("step_exponent = 0.4", "step_exponent = 0.1")
    path.write_text(text.replace("trials = 3", f"trials = {trials}") + more, encoding="utf-8")
    return str(path)


def arguments(path: str, out: Path, jobs: int = 1) -> list[str]:
    return ["validate", path, "--out", str(out), "--jobs", str(jobs)]


def start(*args: str, **options: Any) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "rmt_spikes.cli", *args]
    return subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options)


def wait_for(process: "subprocess.Popen[str]", text: str = "") -> str:
    """The first line of progress that contains a text."""
    assert process.stderr is not None
    return next(line for line in process.stderr if text in line)


def report_of(path: str, out: Path) -> tuple[bytes, str]:
    """The report of a run that ends here, and what the run said."""
    done = run(*arguments(path, out))
    assert done.exit_code in {0, 3}, done.stderr
    return (out / "report.json").read_bytes(), done.stderr


def test_kill_at_any_moment(tmp_path: Path) -> None:
    """Killed at random moments between the first line of progress and the end, in either way of working.

    The seed of the moments is drawn anew each time and shown by a failure: the promise is for any moment.
    """
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed of the moments: {seed}")
    moments = random.Random(seed)
    path = case_file(tmp_path, 20, FIGURE)
    begun = time.monotonic()
    expected, _ = report_of(path, tmp_path / "straight")
    lasted = time.monotonic() - begun
    killed = 0
    for jobs in (1, 2):
        with start(*arguments(path, tmp_path / "killed", jobs)) as process:
            wait_for(process)
            time.sleep(moments.uniform(0.0, lasted))
            process.kill()
            # Its local processes end with it: they hold its standard error open.
            process.communicate(timeout=ORPHANS_END)
            killed += process.returncode == -signal.SIGKILL
    assert killed > 0
    assert report_of(path, tmp_path / "killed")[0] == expected
    assert not list((tmp_path / "killed").rglob("*.partial"))


def test_a_full_disk_is_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A limit on the size of a file stands in for the disk: the log of the store outgrows it."""
    path = case_file(tmp_path, 60)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with start(*arguments(path, tmp_path / "out"), preexec_fn=limit) as process:
        _, said = process.communicate()
    assert process.returncode == 2
    assert "trials.sqlite: cannot be written: " in said
    assert "the trials that were finished are kept" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "report.json").exists()
    report, said = report_of(path, tmp_path / "out")
    first = next(line for line in said.splitlines() if line.startswith("simulating"))
    assert int(first.split()[1].split("/")[0]) > 10
    assert report == report_of(path, tmp_path / "straight")[0]


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    """The second refuses, and the first is not disturbed."""
    path = case_file(tmp_path, 400)
    with start(*arguments(path, tmp_path / "out")) as first:
        wait_for(first, "simulating")
        first.send_signal(signal.SIGSTOP)  # it does not end before the second begins
        second = run_command(*arguments(path, tmp_path / "out"))
        assert second.returncode == 2
        assert "is in use by another run: wait until it has ended, or choose another folder" in second.stderr
        assert first.poll() is None
        first.kill()


def test_another_case_does_not_overwrite_a_report(tmp_path: Path) -> None:
    path = case_file(tmp_path, 3)
    report_of(path, tmp_path / "out")
    before = {each: each.read_bytes() for each in (tmp_path / "out").rglob("*") if each.is_file()}
    text = Path(path).read_text(encoding="utf-8")
    Path(path).write_text(text.replace('name = "tiny"', 'name = "other"'), encoding="utf-8")
    refused = run(*arguments(path, tmp_path / "out"))
    assert refused.exit_code == 2
    assert "trials.sqlite: belongs to the case 'tiny', which is not among those to run" in refused.stderr
    assert {each: each.read_bytes() for each in (tmp_path / "out").rglob("*") if each.is_file()} == before


SETTING = Setting(**{**Case.built_in().setting, "n": 60, "d": 30, "width": 40, "step_exponent": 0.4})
TASKS = [Task(SETTING, 5, number, True) for number in range(8)]


def numbers(trial: Trial) -> np.ndarray:
    """Everything that a trial holds, as one array."""
    arrays = [array for array in trial.to_arrays().values() if array.dtype.kind in "if"]
    return np.concatenate([np.ravel(array).astype(float) for array in arrays])


def assert_same(left: dict[int, Trial], right: dict[int, Trial]) -> None:
    """The same to 1e-12 of the largest number, which is what is promised; mostly the same bits."""
    assert left.keys() == right.keys()
    for number, trial in left.items():
        np.testing.assert_allclose(numbers(trial), numbers(right[number]), rtol=1e-12, atol=1e-12)


def collect(*where: Any) -> dict[int, Trial]:
    return {task.trial: trial for task, trial in work_through(_run, TASKS, *where)}


@pytest.fixture(scope="module")
def here() -> dict[int, Trial]:
    return collect(1)


def test_local_processes_give_the_same(here: dict[int, Trial]) -> None:
    assert_same(collect(2), here)


def exit_hard(task: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_dead_process_is_said() -> None:
    with pytest.raises(CaseError, match=r"jobs: a worker process died.*fewer jobs than 2"):
        list(work_through(exit_hard, [1, 2, 3], 2))


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")
    monkeypatch.setattr("rmt_spikes.execution.cluster.TIMEOUT_SECONDS", 0.3)
    for address in ("tcp://127.0.0.1:9", "nonsense://x", ""):
        with pytest.raises(CaseError, match="scheduler: "):
            collect(1, address)


@pytest.fixture
def cluster() -> Iterator[tuple[str, "list[subprocess.Popen[str]]"]]:
    """A dask scheduler and two worker processes of one thread each, none of which is started again."""
    pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    scheduler = subprocess.Popen([*dask, "--port", "0", "--no-dashboard", "--host", "127.0.0.1"], **options)
    processes = [scheduler]
    try:
        assert scheduler.stderr is not None
        line = next(line for line in scheduler.stderr if "Scheduler at:" in line)
        address = line.split()[-1]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        quiet = {**options, "stderr": subprocess.DEVNULL}
        for _ in range(2):
            processes.append(subprocess.Popen([*worker, "--no-nanny", "--no-dashboard"], **quiet))
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_cluster_that_loses_a_worker_gives_the_same(
    cluster: tuple[str, "list[subprocess.Popen[str]]"], here: dict[int, Trial]
) -> None:
    from distributed import Client

    address, (_, victim, survivor) = cluster
    with Client(address, timeout=20) as client:
        client.wait_for_workers(2, timeout=60)
    found: dict[int, Trial] = {}
    for task, trial in work_through(_run, TASKS, 1, address):
        if not found:
            victim.kill()
        found[task.trial] = trial
    assert victim.wait(10) == -signal.SIGKILL
    assert survivor.poll() is None
    assert_same(found, here)
    # The survivor goes as well, or the scheduler: an error, not a wait without end.
    rest = work_through(time.sleep, [0.2] * 100, 1, address)
    next(rest)
    cluster[1][0].kill()
    with pytest.raises(CaseError, match=r"scheduler: lost .*finished are kept"):
        list(rest)
