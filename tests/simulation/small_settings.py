"""A setting so small that loops over its samples and neurons are quick, and programs apart."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rmt_spikes.setting import Setting


def make(**changes: Any) -> Setting:
    """The setting with some values changed."""
    base = {"n": 14, "d": 5, "width": 8, "n_ridge": 11, "activation": "tanh", "noise_std": 0.5, "ridge": 0.05}
    return Setting(**(base | {"target": {"hermite": [0.2, 1.0, 0.7]}, "step_size": 2.0} | changes))


def printed(code: str, **environment: str) -> list[str]:
    """Words that a program prints in a process of its own."""
    options: dict[str, Any] = {"capture_output": True, "text": True, "check": True}
    run = subprocess.run(
        [sys.executable, "-c", code], **options, cwd=Path(__file__).parents[1], env=os.environ | environment
    )
    return str(run.stdout).split()
