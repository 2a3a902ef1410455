"""Memory that a simulation needs, how it is divided, and the refusal of one that cannot fit."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from rmt_spikes.errors import DomainError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.population_loss import ORDERS, TILE
from rmt_spikes.simulation.products import Precision
from rmt_spikes.simulation.sampling import BLOCK_ROWS

WORD = 8
"""Bytes of a float64."""

FRACTION = 0.5
"""Part of the available memory that a simulation takes by default."""

FEWEST_ROWS = 64
"""Samples of the shortest blocks: with fewer, the matrix products no longer run at full speed."""

CONTROL_WORDS = 110
"""Numbers held per test sample: 34 control polynomials, three times while they are fitted, and a few more."""

VECTORS = 24
"""Vectors of the lengths `width` and `n_ridge` held at a time: singular vectors, and the iteration's own."""


@dataclass(frozen=True)
class Plan:
    """How a trial uses memory.

    Attributes
    ----------
    stored : bool
        Whether the features of the second batch are held, or computed a second time.
    block_rows : int
        Samples handled at a time.
    decomposable : bool
        Whether held features may be decomposed as a whole, which needs several times their memory.
    """

    stored: bool
    block_rows: int
    decomposable: bool = True


IN_MEMORY = Plan(stored=True, block_rows=BLOCK_ROWS)
"""Everything held, blocks of full length."""


def trial_bytes(
    setting: Setting,
    test_samples: int | None,
    plan: Plan = IN_MEMORY,
    precision: Precision = "double",
) -> int:
    """Estimate the peak memory of the arrays of one trial.

    The first step holds the weights, the gradient and a block of samples with their preactivations; the
    second stage the weights, the Gram matrix, a block and perhaps all features; the test the weights and
    what its method needs.

    Parameters
    ----------
    setting : Setting
        Gives the sizes.
    test_samples : int or None
        Number of fresh samples behind the test loss; None when it is computed.
    plan : Plan
        How the memory is used.
    precision : {"double", "single"}
        Single precision needs second copies of the weights and of a block.

    Returns
    -------
    int
        Bytes.
    """
    layer = setting.width * setting.d
    gram = min(setting.width, setting.n_ridge) ** 2
    extra = 0 if precision == "double" else layer // 2
    block = plan.block_rows * (setting.d + setting.width) * (1.0 if precision == "double" else 1.5)
    vectors = VECTORS * (setting.width + setting.n_ridge)
    first = 2 * layer + 2 * extra + block
    second = layer + extra + gram + block + vectors
    if plan.stored:
        second += setting.n_ridge * setting.width
    if test_samples is None:
        test = layer + 3 * (ORDERS[-1] + 1) * setting.width + TILE * (4 * TILE + 4 * setting.d)
    else:
        test = layer + CONTROL_WORDS * test_samples + BLOCK_ROWS * (setting.d + setting.width)
    return int(WORD * (max(first, second, test + 2 * vectors)))


def decomposition_bytes(setting: Setting) -> int:
    """Memory that a singular value decomposition of the features needs beside them: a copy, vectors, work."""
    rank = min(setting.width, setting.n_ridge)
    sides = setting.width + setting.n_ridge
    return WORD * (setting.width * setting.n_ridge + rank * sides + 5 * rank * rank)


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


def check_memory(
    setting: Setting,
    *,
    trials: int,
    jobs: int,
    test_samples: int | None,
    kept_vectors: int,
    memory: float | None = None,
    precision: Precision = "double",
    local: bool = True,
) -> Plan:
    """Choose how a simulation uses memory; refuse one whose arrays cannot fit.

    Parameters
    ----------
    setting : Setting
        Gives the sizes.
    trials : int
        Number of trials, whose results are all held.
    jobs : int
        Number of trials at work at the same time.
    test_samples : int or None
        Number of fresh samples behind each test loss; None when it is computed.
    kept_vectors : int
        Number of singular vectors that each trial keeps.
    memory : float, optional
        Bytes that may be used; by default half of what is available.
    precision : {"double", "single"}
        Floating type of the products.
    local : bool
        Whether the memory of this machine counts: False for workers elsewhere.

    Returns
    -------
    Plan
        The fastest that fits: features held if possible, blocks as long as possible.

    Raises
    ------
    DomainError
        Naming the largest dimension, `jobs` or `trials`, whichever has to be reduced.
    """
    available = available_bytes() if local else None
    if memory is None:
        if available is None:
            return IN_MEMORY
        memory = FRACTION * available
    elif available is not None and memory > available:
        raise DomainError("memory", f"must not exceed the {_text(available)} that are available", memory)
    plans = [
        Plan(stored=stored, block_rows=rows)
        for stored, shortest in ((True, 512), (False, FEWEST_ROWS))
        if stored or setting.width <= setting.n_ridge
        for rows in _halvings(BLOCK_ROWS, shortest)
    ]
    needed = [trial_bytes(setting, test_samples, plan, precision) for plan in plans]
    least = min(needed)
    if least > memory:
        sizes = {"width": setting.width, "d": setting.d, "n_ridge": setting.n_ridge}
        field = max(sizes, key=lambda name: sizes[name])
        gram = min(setting.width, setting.n_ridge)
        raise DomainError(
            field,
            f"must let a trial, of at least {_text(least)}, fit in the {_text(memory)} of available memory",
            sizes[field],
            f"its weights are width x d = {setting.width} x {setting.d}, its Gram matrix {gram} x {gram}: "
            "make them smaller, allow more memory, or spread the trial over several machines (docs/large.md)",
        )
    if jobs * least > memory:
        raise DomainError(
            "jobs",
            f"must let the jobs, of at least {_text(least)} each, fit in the {_text(memory)} of memory",
            jobs,
            f"take at most {int(memory // least)}",
        )
    kept = WORD * (2 * setting.width + 2 * setting.n_ridge + kept_vectors * (setting.width + setting.n_ridge))
    if jobs * least + trials * kept > memory:
        raise DomainError(
            "trials",
            f"must let the results, of {_text(kept)} each, fit in the {_text(memory)} of available memory",
            trials,
            f"take at most {int((memory - jobs * least) // kept)} and combine several seeds",
        )
    share = (memory - trials * kept) / jobs
    plan, size = next((plan, size) for plan, size in zip(plans, needed, strict=True) if size <= share)
    return replace(plan, decomposable=plan.stored and size + decomposition_bytes(setting) <= share)


def _halvings(longest: int, shortest: int) -> list[int]:
    lengths = [longest]
    while lengths[-1] // 2 >= shortest:
        lengths.append(lengths[-1] // 2)
    return lengths


def _text(size: float) -> str:
    """Write a number of bytes in a readable unit."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000.0:
            return f"{value:.3g} {unit}"
        value /= 1000.0
    return f"{value:.3g} PB"
