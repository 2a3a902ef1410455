"""Commands that are stopped: by Ctrl-C, by SIGTERM, and by what Ctrl-C does to their workers."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tools import run, started

from rmt_spikes import simulation
from rmt_spikes.console.interruption import Terminated


def while_interrupted(stop: type[BaseException]) -> None:
    try:
        raise stop
    except BaseException:
        raise RuntimeError("a worker process was killed")  # noqa: B904


def because_of_one() -> None:
    try:
        while_interrupted(KeyboardInterrupt)
    except RuntimeError as error:
        raise ValueError("no result") from error


@pytest.mark.parametrize(
    ("fail", "status", "message"),
    [
        (lambda: while_interrupted(KeyboardInterrupt), 130, "rmt-spikes: interrupted."),
        (lambda: while_interrupted(Terminated), 143, "rmt-spikes: terminated."),
        (because_of_one, 130, "rmt-spikes: interrupted."),
    ],
)
def test_an_interrupt_prevails_over_the_errors_that_it_causes(
    setting: str, monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None], status: int, message: str
) -> None:
    monkeypatch.setattr(simulation, "simulate", lambda *_, **__: fail())
    result = run("simulate", setting)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.splitlines()[-1] == message


def test_other_errors_remain_errors(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "simulate", lambda *_, **__: while_interrupted(ValueError))
    assert isinstance(run("simulate", setting).exception, RuntimeError)


def test_a_command_leaves_the_handling_of_signals_as_it_was(setting: str) -> None:
    def mine(*_: object) -> None: ...

    for handler in (signal.SIG_DFL, mine):
        before = signal.signal(signal.SIGTERM, handler)
        try:
            assert run("predict", setting, "--json").exit_code == 0
            assert signal.getsignal(signal.SIGTERM) == handler
        finally:
            signal.signal(signal.SIGTERM, before)


def alive(group: int) -> list[str]:
    """Processes of a group, but for those that have ended and wait to be collected."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.append((folder / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_sigterm_ends_the_workers_and_removes_their_files(setting: str) -> None:
    arguments = ("simulate", setting, "--trials", "200", "--jobs", "2")
    with started(*arguments, until="simulating 20/") as process:
        # Itself and two workers.
        assert len(alive(process.pid)) >= 3
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 143
        assert rest.splitlines()[-1] == "rmt-spikes: terminated."
        assert "Traceback" not in rest
        # What keeps track of the workers' files outlives them by a moment.
        deadline = time.monotonic() + 30
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert alive(process.pid) == []
        # Where there is enough shared memory, joblib's folder is in it.
        assert list(Path("/dev/shm").glob(f"joblib_memmapping_folder_{process.pid}_*")) == []
