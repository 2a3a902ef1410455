"""Running the trials of a simulation, in this process or in several."""

import math
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import Any, get_args

from rmt_spikes.arguments import boolean, choice, function, integer, number
from rmt_spikes.errors import DomainError
from rmt_spikes.execution.cluster import ExecutionError, connected, run_on_cluster, workers_of
from rmt_spikes.execution.tasks import work_through
from rmt_spikes.setting import Setting, require_setting
from rmt_spikes.simulation.data import Data
from rmt_spikes.simulation.linalg.decomposition import Spectrum
from rmt_spikes.simulation.memory import DEFAULT_TOP, check_memory, plan_for_workers
from rmt_spikes.simulation.observation import Observation
from rmt_spikes.simulation.products import Precision
from rmt_spikes.simulation.test_loss.estimate import MOST_SAMPLES
from rmt_spikes.simulation.trial import Trial, run_trial, simulation_version

MOST_TRIALS = 100_000
"""Standard errors are then 0.3 % of the scatter between trials."""

LARGEST_SEED = 2**63 - 1
"""What TOML and the database of a campaign can hold."""

FEWEST_TEST_SAMPLES = 1000
"""Each half of the samples determines 34 slopes of controls: fewer would leave them to noise."""


def simulate(
    setting: Setting,
    *,
    data: Data | None = None,
    trials: int = 8,
    seed: int = 0,
    jobs: int = 1,
    top: int | None = None,
    test_samples: int | None = None,
    keep_vectors: bool = False,
    spectrum: Spectrum = "full",
    precision: Precision = "double",
    memory: float | None = None,
    scheduler: Any = None,
    spread: bool = False,
    weights: bool = False,
    on_trial: Callable[[Trial], object] | None = None,
    on_stage: Callable[[str], object] | None = None,
    on_start: Callable[[], object] | None = None,
) -> Observation:
    """Simulate the network of a setting exactly (docs/theory.md section 1).

    Each trial draws a network and two batches, takes the exact gradient step, and decomposes the features
    of the second batch. Trial `i` of seed `s` sees the same random numbers whatever `trials` and `jobs`,
    and so do two settings that differ in the step size, ridge, noise, activation or target. Numbers agree to
    rounding (1e-10) between machines and numbers of BLAS threads, not always to the last bit.

    Parameters
    ----------
    setting : Setting
        What to simulate.
    data : Data, optional
        Inputs and labels of one's own: each trial draws another network, and takes its sizes and both batches
        from them. Target and noise of the setting play no part then; the test loss is that on held-out
        samples, and cosines with a teacher are NaN (docs/own.md).
    trials : int
        Number of independent trials, 1 to 100,000.
    seed : int
        Non-negative seed, below ``2**63``.
    jobs : int
        Number of worker processes; 1 works in this one.
    top : int, optional
        Number of leading singular vectors examined, at most ``min(width, n_ridge)``; 5 by default, or as many
        as there are.
    test_samples : int, optional
        Number of fresh samples behind each test loss, 1000 to 1,000,000. By default it is computed as an
        expectation over the population, and `Trial.test_error` bounds its error. Where that is not possible
        (rows almost parallel and an activation with kinks or a steep one) the larger of 8000 and
        ``2 * n_ridge`` samples are taken, `Trial.test_samples` has their number and `Trial.test_error` the
        standard error.
    keep_vectors : bool
        Whether trials keep their singular vectors.
    spectrum : {"full", "top", "density"}
        All singular values, or the `top` ones by Lanczos iterations and the ridge solution by conjugate
        gradients, for large networks; "density" adds an estimate of the bulk, `Trial.density`.
        `Trial.residual` says how well the equations hold.
    precision : {"double", "single"}
        Floating type of the three products with the inputs, the largest part of the work. Single precision
        halves their time and moves singular values by about 1e-7, losses by less than 1e-6 of themselves.
    memory : float, optional
        Bytes that the arrays of all jobs together may take, the interpreter apart; half of the available
        memory by default. Features that do not fit are computed twice, block by block. With `scheduler`, of
        each worker.
    scheduler : str or distributed.Client, optional
        A dask cluster that does the work, each thread of a worker one trial at a time (docs/large.md).
    spread : bool
        Whether all workers of the cluster together do one trial after the other, for matrices that fit none
        of them; needs a `scheduler`, ``spectrum="top"`` or ``"density"``, and double precision.
    weights : bool
        Whether the trained first layer is decomposed as well: `Trial.weights`.
    on_trial : callable, optional
        Called in this process with each trial as it finishes, in any order when ``jobs > 1``.
    on_stage : callable, optional
        Called with each stage of a trial as it begins: ``"gradient step"``, ``"spectrum"``, ``"test loss"``.
        Only where this process does the work: one job, no scheduler.
    on_start : callable, optional
        Called once, when nothing is left to refuse.

    Returns
    -------
    Observation
        The trials, in the order of their indices.

    Raises
    ------
    DomainError
        When an argument is out of its domain, or the arrays would not fit in memory.
    ConvergenceError
        When a decomposition fails.

    Examples
    --------
    The ridge objective is never above its value at zero, the mean squared label:

    >>> from rmt_spikes.setting import Setting
    >>> setting = Setting(n=60, d=30, width=40, activation="relu", target="tanh", ridge=0.1, step_size=1.0)
    >>> trial = simulate(setting, trials=1).trials[0]
    >>> bool(trial.objective <= (trial.latent.labels**2).mean())
    True
    """
    require_setting(setting)
    if data is not None:
        setting = Data.checked(data).fitted(setting)
        if spread or test_samples is not None:
            field, given = ("spread", True) if spread else ("test_samples", test_samples)
            raise DomainError(field, "must be left out with data", given)
    trials = integer("trials", trials, 1, MOST_TRIALS)
    seed = integer("seed", seed, 0, LARGEST_SEED)
    jobs = integer("jobs", jobs, 1)
    boolean("spread", spread)
    boolean("weights", weights)
    if jobs != 1 and (spread or scheduler is not None):
        raise DomainError("jobs", "must be 1 with a scheduler, whose workers are the processes", jobs)
    jobs = min(jobs, trials)
    rank = min(setting.width, setting.n_ridge)
    top = min(DEFAULT_TOP, rank) if top is None else integer("top", top, 1, rank)
    if test_samples is not None:
        test_samples = integer("test_samples", test_samples, FEWEST_TEST_SAMPLES, MOST_SAMPLES)
    boolean("keep_vectors", keep_vectors)
    choice("spectrum", spectrum, get_args(Spectrum))
    choice("precision", precision, get_args(Precision))
    if setting.ridge == 0.0 and spectrum != "full":
        advice = "the smallest eigenvalue bounds the error, and iterations do not find it"
        raise DomainError("ridge", 'must be above 0 unless spectrum is "full"', setting.ridge, advice)
    if on_trial is not None:
        function("on_trial", on_trial)
    if on_stage is not None:
        function("on_stage", on_stage)
        if jobs != 1 or scheduler is not None:
            raise DomainError("on_stage", "must be left out where other processes do the work", on_stage)
    if on_start is not None:
        function("on_start", on_start)
    limit = memory
    if limit is not None:
        limit = number("memory", limit, math.ulp(0.0), math.inf, "must be a positive number of bytes")
    options: dict[str, Any] = {
        "top": top,
        "test_samples": test_samples,
        "keep_vectors": keep_vectors,
        "spectrum": spectrum,
        "precision": precision,
    }
    if data is not None:
        options["data"] = data
    if weights:
        options["weights"] = True
    if on_stage is not None:
        options["on_stage"] = on_stage
    needs = {name: options[name] for name in ("test_samples", "precision", "top")}
    needs |= {"density": spectrum == "density", "weights": weights}
    if spread:
        _check_spread(setting, options, memory, scheduler)
    if scheduler is not None:
        running = _run_on_cluster(setting, seed, trials, options, needs, limit, scheduler, spread)
    else:
        kept = top if keep_vectors else 0
        plan = check_memory(setting, trials=trials, jobs=jobs, kept_vectors=kept, memory=limit, **needs)
        running = work_through(partial(run_trial, setting, seed, plan=plan, **options), range(trials), jobs)
    if on_start is not None:
        on_start()
    done: list[Trial] = []
    try:
        with closing(running) as arriving:
            for trial in arriving:
                done.append(trial)
                if on_trial is not None:
                    on_trial(trial)
    except ExecutionError as error:
        given = jobs if error.key == "jobs" else scheduler
        raise DomainError(error.key, error.reason, given) from None
    done.sort(key=lambda trial: trial.index)
    described = None if data is None else data.described()
    return Observation(setting=setting, seed=seed, trials=tuple(done), data=described)


def _run_on_cluster(
    setting: Setting,
    seed: int,
    trials: int,
    options: dict[str, Any],
    needs: dict[str, Any],
    memory: float | None,
    scheduler: Any,
    spread: bool,
) -> Generator[Trial, None, None]:
    """Yield the trials as a cluster finishes them: one on each thread of a worker, or each on all workers."""
    with connected(scheduler, simulation_version) as client:
        if spread:
            from rmt_spikes.simulation.distributed.trial import run_distributed_trial

            given = {name: options[name] for name in ("top", "spectrum")}
            for index in range(trials):
                yield run_distributed_trial(client, setting, seed, index, **given)
        else:
            plan = plan_for_workers(setting, workers_of(client), memory, **needs)
            trial = partial(run_trial, setting, seed, plan=plan, **options)
            yield from run_on_cluster(client, trial, range(trials))


def _check_spread(setting: Setting, options: dict[str, Any], memory: float | None, scheduler: Any) -> None:
    """Refuse what a trial over all workers cannot do."""
    if scheduler is None:
        raise DomainError("spread", "needs a scheduler", True)
    if options["spectrum"] == "full":
        raise DomainError("spectrum", 'must be "top" or "density" with spread', "full")
    if options["spectrum"] == "density" and setting.n_ridge < setting.width:
        raise DomainError("spectrum", 'must be "top" with spread and n_ridge < width', "density")
    if not options["top"] < setting.width - 1:
        raise DomainError("top", "must be below width - 1 with spread", options["top"])
    required = {"precision": "double", "test_samples": None, "keep_vectors": False, "weights": False}
    for field, value in required.items():
        if options.get(field, value) != value:
            raise DomainError(field, f"must be {value!r} with spread", options[field])
    if memory is not None:
        raise DomainError("memory", "must not be given with spread: the limits of the workers count", memory)
