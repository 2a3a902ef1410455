"""Memory that a simulation needs, and the refusal of one that cannot fit."""

import os
from pathlib import Path

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.sampling import BLOCK_ROWS

WORD = 8
"""Bytes of a float64."""

CONTROL_WORDS = 110
"""Numbers held per test sample: 34 control polynomials, three times while they are fitted, and a few more."""


def trial_bytes(setting: Setting, test_samples: int) -> int:
    """Estimate the peak memory of one trial.

    The first step holds the weights, the gradient and one block's contribution to it, the second stage
    the weights, the features and two copies of their Gram matrix, the test the weights and the control
    variates; all hold a block of samples.

    Parameters
    ----------
    setting : Setting
        Gives the sizes.
    test_samples : int
        Number of fresh samples behind the test loss.

    Returns
    -------
    int
        Bytes.
    """
    layer = setting.width * setting.d
    gram = min(setting.width, setting.n_ridge) ** 2
    block = BLOCK_ROWS * (setting.d + 5 * setting.width)
    matrix = setting.n_ridge * setting.width + 2 * gram
    return WORD * (max(3 * layer, layer + matrix, layer + CONTROL_WORDS * test_samples) + block)


def available_bytes() -> int | None:
    """Return the memory that is free or can be freed, None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(setting: Setting, *, trials: int, jobs: int, test_samples: int, kept_vectors: int) -> None:
    """Refuse a simulation whose arrays exceed the available memory.

    Parameters
    ----------
    setting : Setting
        Gives the sizes.
    trials : int
        Number of trials, whose results are all held.
    jobs : int
        Number of trials at work at the same time.
    test_samples : int
        Number of fresh samples behind each test loss.
    kept_vectors : int
        Number of singular vectors that each trial keeps.

    Raises
    ------
    DomainError
        Naming the largest dimension, `jobs` or `trials`, whichever has to be reduced.
    """
    available = available_bytes()
    if available is None:
        return
    one = trial_bytes(setting, test_samples)
    if one > available:
        sizes = {"width": setting.width, "d": setting.d, "n_ridge": setting.n_ridge}
        field = max(sizes, key=lambda name: sizes[name])
        raise DomainError(
            field,
            f"must let a trial, of {_text(one)}, fit in the {_text(available)} of available memory",
            sizes[field],
            f"its features are n_ridge x width = {setting.n_ridge} x {setting.width}, its weights "
            f"width x d = {setting.width} x {setting.d}",
        )
    if jobs * one > available:
        raise DomainError(
            "jobs",
            f"must let the jobs, of {_text(one)} each, fit in the {_text(available)} of available memory",
            jobs,
            f"take at most {available // one}",
        )
    kept = WORD * (2 * setting.width + 2 * setting.n_ridge + kept_vectors * (setting.width + setting.n_ridge))
    if jobs * one + trials * kept > available:
        raise DomainError(
            "trials",
            f"must let the results, of {_text(kept)} each, fit in the {_text(available)} of available memory",
            trials,
            f"take at most {(available - jobs * one) // kept} and combine several seeds",
        )


def _text(size: int) -> str:
    """Write a number of bytes in a readable unit."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000.0:
            return f"{value:.3g} {unit}"
        value /= 1000.0
    return f"{value:.3g} PB"
