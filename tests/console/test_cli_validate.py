"""The command `validate`: its exit statuses, and what an interruption leaves."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from cli_tools import case, run, started, strict
from warm import run_command

from rmt_spikes import validation
from rmt_spikes.setting import Setting
from rmt_spikes.theory import predict
from rmt_spikes.validation.campaign import theories


@pytest.mark.parametrize(
    ("allowance", "margin", "control", "status", "verdict"),
    [
        (0.9, 0.9, False, 0, "agrees"),
        (0.0, 1e-9, False, 3, "inconclusive"),
        (0.9, 0.9, True, 3, "inconclusive"),
    ],
)
def test_validate_tells_its_verdict(
    tmp_path: Path, allowance: float, margin: float, control: bool, status: int, verdict: str
) -> None:
    path = case(tmp_path, allowance, margin, control)
    result = run("validate", path, "--out", str(tmp_path / "out"), "--jobs", "1", "--json")
    assert result.exit_code == status, result.output
    assert strict(result.stdout)["verdict"] == verdict
    assert "simulating 3/3" in result.stderr


def test_validate_can_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def halved(setting: Setting, **options: Any) -> Any:
        right = predict(setting, **options)
        return right.replace(losses=replace(right.losses, test=0.2 * right.losses.test))

    monkeypatch.setattr(theories, "predict", halved)
    # With 3 trials Student's t has 2 degrees of freedom and no power.
    path = case(tmp_path, 0.05, 0.1, control=False, trials=12)
    result = run("validate", path, "--out", str(tmp_path / "out"), "--jobs", "1")
    assert result.exit_code == 1
    assert "verdict: disagrees" in result.stdout
    assert f"report: {tmp_path / 'out' / 'report.html'}" in result.stdout


def test_validate_names_the_report(tmp_path: Path) -> None:
    result = run("validate", case(tmp_path, 0.9, 0.9), "--out", str(tmp_path / "out"), "--jobs", "1")
    assert "wrong theory unpenalised: NOT rejected" in result.stdout
    assert result.stdout.splitlines()[-1] == f"report: {tmp_path / 'out' / 'report.html'}"


def test_an_interrupt_says_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "validate", Mock(side_effect=KeyboardInterrupt))
    result = run("validate", "--out", str(tmp_path / "out"))
    assert result.exit_code == 130
    assert f"Finished trials are kept in {tmp_path / 'out'}; the same command continues." in result.stderr


@pytest.mark.parametrize(("jobs", "kill"), [("1", signal.SIGINT), ("2", signal.SIGKILL)])
def test_a_stopped_run_continues(tmp_path: Path, jobs: str, kill: signal.Signals) -> None:
    path = case(tmp_path, 0.9, 0.9, control=False, trials=400, n=300)
    arguments = ["validate", path, "--out", str(tmp_path / "out"), "--jobs", jobs]
    with started(*arguments, until="simulating 40") as process:
        # As from a terminal: to the whole group, workers included.
        os.killpg(process.pid, kill)
        rest = process.stderr.read()
        status = process.wait(timeout=60)
    assert status == (130 if kill == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in rest
    case(tmp_path, 0.9, 0.9, control=False, trials=42, n=300)
    result = run_command(*arguments)
    assert result.returncode == 0, result.stderr
    first = next(line for line in result.stderr.splitlines() if line.startswith("simulating")).split()[1]
    # The tenth that was reported was committed before; what was in the hands of a worker may be lost.
    assert int(first.split("/")[0]) >= 40


def test_a_closed_pipe_is_no_error(setting: str) -> None:
    program = f"{sys.executable} -m rmt_spikes.cli derive | head -1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["derive", "predict {}"])
def test_a_closed_pipe_is_no_verdict(command: str, setting: str) -> None:
    """Status 141, that of a program ended by SIGPIPE; 1 would say that theory and simulation disagree."""
    words = command.format(setting)
    program = f"{sys.executable} -m rmt_spikes.cli {words} | (exec 0<&-; sleep 3); echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "141\n"
