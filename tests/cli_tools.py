"""Small files for the commands, and ways to run them."""

import json
import subprocess
import sys
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


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-W", "error", "-m", "rmt_spikes.cli", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False, **options)


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
