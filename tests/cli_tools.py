"""Small files for the commands, and ways to run them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from rmt_spikes import cli

SETTING = """
n = 120
d = 60
width = 80
activation = "relu"
target = { hermite = [0.0, 1.0, 0.7] }
noise_std = 0.5
ridge = 0.05
step_exponent = 0.4
"""
CASE = """
name = "tiny"
title = "A tiny case"
trials = 3
features = "first_orders"
claims = ["losses"]
[setting]
n = 60
d = 30
width = 40
activation = "relu"
target = { hermite = [0.0, 1.0, 0.7] }
noise_std = 0.5
ridge = 0.05
step_exponent = 0.4
[tolerances]
losses = { coefficient = ALLOWANCE, exponent = 0.0, margin = MARGIN, reason = "a test" }
[[negative_controls]]
name = "unpenalised"
meaning = "a far too small ridge"
at = {}
setting = { ridge = 1e-6 }
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def run_cold(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a new interpreter."""
    program = [sys.executable, "-W", "error", "-m", "rmt_spikes.cli", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def listening() -> None:
    """Undo what a shell does to jobs in the background: it lets them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def started(*arguments: str, until: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command in its own session, wait for a line that begins so; in the end kill what is left."""
    program = [sys.executable, "-m", "rmt_spikes.cli", *arguments]
    options: dict[str, Any] = {"start_new_session": True, "preexec_fn": listening, "text": True}
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, **options, **pipes) as process:
        try:
            next(line for line in process.stderr if line.startswith(until))
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def case(
    tmp_path: Path, allowance: float, margin: float, control: bool = True, trials: int = 3, n: int = 60
) -> str:
    text = CASE.replace("ALLOWANCE", str(allowance)).replace("MARGIN", str(margin))
    text = text.replace("trials = 3", f"trials = {trials}").replace("n = 60", f"n = {n}")
    path = tmp_path / "case.toml"
    path.write_text(text if control else text.partition("[[neg")[0], encoding="utf-8")
    return str(path)


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)
