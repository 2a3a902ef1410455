"""What the Makefile makes of exit statuses and of missing or old interpreters, with stand-ins for both."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPORT = "mkdir -p report && touch report/report.html"


def worded(verdict: str) -> str:
    """Command that writes a report in which the whole and a row have other words."""
    lines = ("{", f' "verdict": "{verdict}",', ' "cases": [', '  "verdict": "inconclusive",')
    return f"{REPORT} && printf '%s\\n' {' '.join(repr(line) for line in lines)} > report/report.json"


def script(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without the variables by which a `make test` that runs this would pass its own arguments on.
    own = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "OUT"}
    place: dict[str, Any] = {"cwd": folder, "env": {k: v for k, v in os.environ.items() if k not in own}}
    return subprocess.run(["make", *arguments], **place, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile, and nothing installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


@pytest.fixture
def installed(project: Path) -> Path:
    """The same, where everything seems to be installed."""
    script(project / ".venv" / "bin" / "python", "exit 99")
    for extra in ("base", "test", "docs"):
        (project / ".venv" / f".installed-{extra}").touch()
    return project


@pytest.mark.parametrize(
    ("status", "succeeds", "text"),
    [
        (0, True, "agrees"),
        (0, True, "agrees with 2 known exceptions"),
        (1, False, "disagrees"),
        (3, True, "inconclusive"),
    ],
)
def test_report_passes_the_verdict_on(installed: Path, status: int, succeeds: bool, text: str) -> None:
    script(installed / ".venv" / "bin" / "rmt-spikes", 'echo "$*"', worded(text), f"exit {status}")
    result = make(installed, "report")
    assert (result.returncode == 0) is succeeds
    assert "validate --out report" in result.stdout
    assert f"Report: {installed}/report/report.html: {text} (exit status {status})" in result.stdout


@pytest.mark.parametrize(("status", "lines"), [(2, [REPORT]), (3, []), (0, []), (130, [REPORT])])
def test_report_fails_without_a_report(installed: Path, status: int, lines: list[str]) -> None:
    script(installed / ".venv" / "bin" / "rmt-spikes", *lines, f"exit {status}")
    result = make(installed, "report")
    assert result.returncode != 0
    assert "Report:" not in result.stdout


@pytest.mark.parametrize(
    ("status", "runs", "succeeds"), [(0, 3, True), (1, 3, True), (3, 3, True), (2, 1, False)]
)
def test_validate_runs_every_repetition(installed: Path, status: int, runs: int, succeeds: bool) -> None:
    """Also after a disagreement, which is a result; not after an error."""
    script(installed / ".venv" / "bin" / "rmt-spikes", 'echo "$*" >> calls', f"exit {status}")
    script(installed / ".venv" / "bin" / "python", 'echo "$*" >> tables')
    result = make(installed, "validate")
    assert (result.returncode == 0) is succeeds
    assert (installed / "tables").exists() is succeeds
    calls = (installed / "calls").read_text(encoding="utf-8").splitlines()
    assert [call.split(" --repetition ")[1] for call in calls] == [
        f"{i} --out validation/campaigns/repetition-{i}" for i in range(runs)
    ]


def test_a_newer_pyproject_is_installed_again(installed: Path) -> None:
    script(installed / ".venv" / "bin" / "rmt-spikes", REPORT)
    os.utime(installed / "pyproject.toml", (2**32, 2**32))
    result = make(installed, "report")
    assert "Installing rmt-spikes" in result.stdout
    assert "99" in result.stderr  # the status of the stand-in for Python: it was asked to install


@pytest.mark.parametrize(
    "target", ["report", "quick", "validate", "calibration", "test", "lint", "docs", "bench"]
)
def test_an_old_interpreter_is_refused(project: Path, target: str) -> None:
    old = project / "old python"
    script(old, 'if [ "$1" = -V ]; then echo Python 3.9.2; else exit 1; fi')
    result = make(project, target, f"PYTHON={old}")
    assert result.returncode == 2
    assert f"Python 3.11 or newer is needed, '{old}' is Python 3.9.2" in result.stderr


def test_a_missing_interpreter_is_named(project: Path) -> None:
    result = make(project, "test", "PYTHON=no-such-python")
    assert result.returncode == 2
    assert "'no-such-python' was not found" in result.stderr


def test_help_is_the_default_and_lists_every_target(project: Path) -> None:
    listed = [line.split()[1] for line in make(project).stdout.splitlines()]
    expected = "help report quick validate calibration test thorough lint format docs bench clean"
    assert listed == expected.split()
