"""Memory that a simulation needs, how it is divided, and the refusal of one that cannot fit."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rmt_spikes.errors import DomainError
from rmt_spikes.execution.cluster import SAFE_FRACTION, free_bytes
from rmt_spikes.setting import Setting
from rmt_spikes.simulation.linalg.density import PROBES, STEPS
from rmt_spikes.simulation.network.first_batch import CANDIDATES
from rmt_spikes.simulation.network.sampling import BLOCK_ROWS
from rmt_spikes.simulation.network.second_batch import IN_MEMORY, Plan
from rmt_spikes.simulation.products import Precision
from rmt_spikes.simulation.test_loss.population import ORDERS, TILE

WORD = 8
"""Bytes of a float64."""

FRACTION = 0.5
"""Part of the available memory that a simulation takes by default."""

FEWEST_ROWS = 64
"""Samples of the shortest blocks: with fewer, the matrix products no longer run at full speed."""

CONTROL_WORDS = 110
"""Numbers held per test sample: 34 control polynomials, three times while they are fitted, and a few more."""

QUADRATURE_WORDS = 115_000
"""Numbers held while Hermite coefficients of one function are computed (measured: 0.88 MB)."""

FEWEST_KRYLOV = 40
"""Vectors of the shortest Krylov space of Lanczos iterations; they take four for each that is wanted."""

ALIKE = 0.05
"""Relative difference in what is needed that does not decide which size is named."""

USELESS = 0.9
"""When half of the best size still needs this part, it is the memory that is too small."""

DEFAULT_TOP = 5
"""Singular vectors examined by default, where there are as many."""


class Sizes(NamedTuple):
    """Sizes of a setting."""

    n: int
    d: int
    width: int
    n_ridge: int


def trial_bytes(
    setting: Setting | Sizes,
    test_samples: int | None,
    plan: Plan = IN_MEMORY,
    precision: Precision = "double",
    *,
    top: int = DEFAULT_TOP,
    density: bool = False,
    weights: bool = False,
) -> int:
    """Estimate the peak memory of the arrays of one trial, in bytes.

    The first step holds the weights, the gradient and a block of samples with their preactivations; the
    second stage the weights, a block, perhaps all features, and the Gram matrix with the vectors of an
    iteration, then the singular vectors; the test the weights, these vectors and what its method needs.
    Neither counted are samples that are drawn because the test loss cannot be computed, nor what is kept.

    Parameters
    ----------
    test_samples, precision, top
        As for `simulate`; single precision needs second copies of the weights and of a block.
    plan : Plan
        How the memory is used.
    density : bool
        Whether the density of the singular values is estimated.
    weights : bool
        Whether the trained layer is decomposed: a copy of it and a Gram matrix.
    """
    width, d, samples = setting.width, setting.d, setting.n_ridge
    layer = width * d
    size = min(width, samples)
    columns = min(top, size) + 1
    extra = 0 if precision == "double" else layer // 2
    rows = min(plan.block_rows, max(setting.n, samples))
    block = rows * (d + width) * (1.0 if precision == "double" else 1.5)
    # One number a sample and one a neuron: latent variables, labels, readout, spectrum, ridge solution.
    results = 8 * (width + samples) + 2 * setting.n
    iteration = size * (size + min(size, max(4 * columns, FEWEST_KRYLOV)) + 2 * columns)
    if density:
        steps = min(PROBES * STEPS, size)
        iteration = max(iteration, size * (size + steps + 6 * PROBES) + 4 * steps**2)
    # The products of a block, the sums over blocks and their residuals.
    vectors = columns * (samples + 5 * width + 3 * rows) + (columns * size if width > samples else 0)
    # Directions of samples of the first batch, and the components of the second along them.
    candidates = min(CANDIDATES, setting.n)
    second = layer + extra + block + max(iteration, vectors) + candidates * (samples + 2 * d)
    if plan.stored:
        second += samples * width
    if test_samples is None:
        tile = min(TILE, width)
        tiles = 3 * (ORDERS[-1] + 1) * width + tile * (4 * tile + 4 * d)
        test = layer + max(QUADRATURE_WORDS, tiles)
    else:
        test = layer + CONTROL_WORDS * test_samples + min(BLOCK_ROWS, test_samples) * (d + width)
    if weights:
        test = max(test, 2 * layer + 2 * min(width, d) ** 2)
    test += columns * (width + samples)
    return int(WORD * (max(2 * layer + 2 * extra + block, second + results, test + results)))


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
    top: int = DEFAULT_TOP,
    density: bool = False,
    weights: bool = False,
    local: bool = True,
    limit_name: str = "the memory allowed",
) -> Plan:
    """Choose how a simulation uses memory: the fastest plan that fits; refuse one whose arrays cannot fit.

    Features are held if possible, and blocks are as long as possible.

    Parameters
    ----------
    trials : int
        Number of trials, whose results are all held.
    jobs : int
        Number of trials at work at the same time.
    kept_vectors : int
        Number of singular vectors that each trial keeps.
    memory : float, optional
        Bytes that may be used; by default half of what is available.
    test_samples, precision, top, density, weights
        As for `trial_bytes`.
    local : bool
        Whether the memory of this machine counts: False for workers elsewhere.
    limit_name : str
        What `memory` is, for messages.

    Raises
    ------
    DomainError
        Naming the size whose halving saves most, `jobs` or `trials`, whichever has to be reduced.
    """
    available = available_bytes() if local else None
    if memory is None:
        if available is None:
            return IN_MEMORY
        memory, limit_name = FRACTION * available, f"{FRACTION:.0%} of the available memory"
    elif available is not None and memory > available:
        reason = f"must not exceed the {format_bytes(available)} that are available"
        raise DomainError("memory", reason, memory)
    limit = f"{limit_name} ({format_bytes(memory)})"
    sizes = Sizes(setting.n, setting.d, setting.width, setting.n_ridge)

    def need(sizes: Sizes, plan: Plan) -> int:
        return trial_bytes(sizes, test_samples, plan, precision, top=top, density=density, weights=weights)

    needed = {plan: need(sizes, plan) for plan in _plans(sizes)}
    least = min(needed.values())
    if least > memory:
        field, half = _largest_saving(sizes, lambda half: min(need(half, plan) for plan in _plans(half)))
        if half > USELESS * least:
            raise DomainError("memory", f"must be at least {format_bytes(least)} for a trial", memory)
        raise DomainError(
            field,
            f"must let a trial, of at least {format_bytes(least)}, fit in {limit}",
            getattr(sizes, field),
            f"with half of it {format_bytes(half)} would do; otherwise allow more memory, or spread the "
            "trial over several machines (docs/large.md)",
        )
    if jobs * least > memory:
        raise DomainError(
            "jobs",
            f"must let the jobs, of at least {format_bytes(least)} each, fit in {limit}",
            jobs,
            f"take at most {int(memory // least)}",
        )
    batches = 2 * (setting.n + setting.n_ridge)
    kept = WORD * (2 * setting.width + batches + kept_vectors * (setting.width + setting.n_ridge))
    if jobs * least + trials * kept > memory:
        fitting = int((memory - jobs * least) // kept)
        raise DomainError(
            "trials",
            f"must let the results, of {format_bytes(kept)} each, fit in {limit} beside the jobs",
            trials,
            f"take at most {fitting} and combine several seeds" if fitting else "allow more memory",
        )
    share = (memory - trials * kept) / jobs
    plan, size = next((plan, size) for plan, size in needed.items() if size <= share)
    return replace(plan, decomposable=plan.stored and size + decomposition_bytes(setting) <= share)


def plan_for_workers(
    setting: Setting, workers: dict[str, dict[str, Any]], memory: float | None, **needs: Any
) -> Plan:
    """Choose how each thread of a cluster's workers uses memory; refuse trials that do not fit one.

    `workers` is what the scheduler knows of its workers. Each may take `memory` bytes, by default what its
    own limit leaves. `needs` are `test_samples`, `precision`, `top`, `density` and `weights` of
    `check_memory`.
    """
    every = workers.values()
    known = [(free, worker["nthreads"]) for worker in every if (free := free_bytes(worker)) is not None]
    least = min((free for free, _ in known), default=math.inf)
    if memory is not None and memory > least:
        raise DomainError(
            "memory",
            f"must not exceed the {format_bytes(least)} that the smallest worker may take: "
            f"{SAFE_FRACTION:.0%} of its limit, less what it takes itself",
            memory,
        )
    if memory is None:
        share = min((free / threads for free, threads in known), default=None)
    else:
        share = memory / max(worker["nthreads"] for worker in every)
    name = "the memory of a worker's thread" if memory is None else "the memory allowed a thread"
    request: dict[str, Any] = {"trials": 1, "jobs": 1, "kept_vectors": 0, "local": False}
    return check_memory(setting, memory=share, limit_name=name, **request, **needs)


def _largest_saving(sizes: Sizes, need: Callable[[Sizes], int]) -> tuple[str, int]:
    """Return the size whose halving saves most, and what is needed then; of equals the largest."""
    halves = {name: need(sizes._replace(**{name: (size + 1) // 2})) for name, size in sizes._asdict().items()}
    least = min(halves.values())
    equal = [name for name, half in halves.items() if half <= (1.0 + ALIKE) * least]
    field = max(equal, key=lambda name: getattr(sizes, name))
    return field, halves[field]


def _plans(sizes: Sizes) -> list[Plan]:
    """List the plans that are possible, the fastest first."""
    lengths = [BLOCK_ROWS >> halvings for halvings in range(BLOCK_ROWS.bit_length())]
    return [
        Plan(stored=stored, block_rows=rows)
        for stored, shortest in ((True, 512), (False, FEWEST_ROWS))
        if stored or sizes.width <= sizes.n_ridge
        for rows in lengths
        if rows >= shortest
    ]


def format_bytes(size: float) -> str:
    """Write a number of bytes in a readable unit."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000.0:
            return f"{value:.3g} {unit}"
        value /= 1000.0
    return f"{value:.3g} PB"
