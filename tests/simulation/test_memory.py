"""Memory of a simulation: how it is estimated and divided, and what is refused."""

import tracemalloc

import pytest
from refusals import refused
from small_settings import make

from rmt_spikes.errors import DomainError
from rmt_spikes.simulation import memory, simulate

REQUEST = {"trials": 1, "jobs": 1, "test_samples": None, "kept_vectors": 0}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        # The two copies of the first layer; the Gram matrix; both; the singular vectors of the samples.
        ({"width": 10**9}, "width"),
        ({"d": 10**9, "n": 10**9}, "d"),
        ({"n_ridge": 10**9, "width": 10**6}, "width"),
        ({"n_ridge": 10**9, "width": 10**6, "d": 10**8}, "d"),
        ({"n_ridge": 10**9}, "n_ridge"),
        ({"d": 300_000, "width": 300, "n": 2_000_000, "n_ridge": 2_000_000}, "d"),
        ({"d": 1000, "width": 12_000, "n_ridge": 12_000}, "width"),
    ],
)
def test_too_large_settings_are_refused_and_the_size_that_matters_is_named(changes, field, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2 * 10**9)
    for limit, name in ((None, "50% of the available memory"), (1e9, "the memory allowed")):
        with refused(field, f"{name} (1 GB)") as refusal:
            simulate(make(**changes), trials=1, memory=limit)
    # The advice is true.
    half = refusal.value.advice.partition("with half of it ")[2].partition(" would do")[0]
    sizes = make(**changes).to_dict()
    smaller = make(**changes | {field: sizes[field] // 2})
    plans = [memory.Plan(stored=smaller.width > smaller.n_ridge, block_rows=r) for r in (64, 512)]
    assert half == memory.format_bytes(min(memory.trial_bytes(smaller, None, plan) for plan in plans))


def test_a_limit_that_no_size_can_meet_is_named_itself():
    with pytest.raises(DomainError, match="memory: must be at least 9"):
        simulate(make(), trials=1, memory=1e5)


def peak_bytes(setting, **options):
    simulate(setting.replace(n_ridge=200), trials=1, **options | {"memory": None})
    tracemalloc.start()
    simulate(setting, trials=1, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("spectrum", ["full", "top", "density"])
def test_the_limit_holds_for_many_vectors(spectrum):
    """Of all samples the singular vectors, of all neurons those and the Krylov space."""
    setting = make(n=300, d=30, width=150, n_ridge=20_000, step_size=1.0)
    shortest = memory.Plan(stored=False, block_rows=64)
    least = memory.trial_bytes(setting, None, shortest, top=100, density=spectrum == "density")
    peak = peak_bytes(setting, top=100, spectrum=spectrum, memory=1.05 * least)
    assert peak < least
    # Neither is the estimate too careful, nor would one for five vectors do.
    assert peak > 0.6 * least
    assert peak > 2 * memory.trial_bytes(setting, None, shortest)
    with pytest.raises(DomainError, match="n_ridge"):
        simulate(setting, trials=1, top=100, spectrum=spectrum, memory=0.95 * least)


def test_a_tiny_network_needs_little():
    assert peak_bytes(make(n=60, d=30, width=40, n_ridge=60), memory=1e6) < 1e6


def test_memory_of_jobs_and_results_is_counted():
    setting = make(n=2000, d=1000, width=1000, n_ridge=1000)
    one = memory.trial_bytes(setting, None, memory.Plan(stored=False, block_rows=64))
    memory.check_memory(setting, memory=1.5 * one, **REQUEST | {"trials": 2})
    for field, many, most in (("jobs", {"trials": 2, "jobs": 2}, "1"), ("trials", {"trials": 100_000}, "")):
        with refused(field, f"at most {most}"):
            memory.check_memory(setting, memory=1.5 * one, **REQUEST | many)


def test_more_memory_than_there_is_is_refused_and_none_known_means_no_limit(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    with refused("memory"):
        memory.check_memory(make(), memory=2e9, **REQUEST)
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert memory.check_memory(make(width=10**9), **REQUEST) == memory.IN_MEMORY


def test_plans_hold_the_features_when_they_fit_and_shrink_blocks_when_they_do_not():
    setting = make(n=10_000, d=100, width=200, n_ridge=100_000)
    sizes = [memory.trial_bytes(setting, None, memory.Plan(stored=s, block_rows=2048)) for s in (True, False)]
    held = memory.check_memory(setting, memory=1.01 * sizes[0] + 2e6, **REQUEST)
    assert held == memory.Plan(stored=True, block_rows=2048, decomposable=False)
    whole = sizes[0] + memory.decomposition_bytes(setting)
    assert memory.check_memory(setting, memory=1.01 * whole, **REQUEST) == memory.IN_MEMORY
    plan = memory.check_memory(setting, memory=1.01 * sizes[1] + 2e6, **REQUEST)
    assert plan == memory.Plan(stored=False, block_rows=2048, decomposable=False)
    # 100,000 x 200 features are 160 MB; what a stream holds at most, it holds at another time.
    assert 0.8 * 160e6 < sizes[0] - sizes[1] <= 160e6
    tall = make(n=10_000, d=1000, width=1000, n_ridge=20_000)
    least = memory.trial_bytes(tall, None, memory.Plan(stored=False, block_rows=64))
    assert memory.check_memory(tall, memory=1.1 * least, **REQUEST).block_rows < 2048


def test_available_memory_is_known_here():
    available = memory.available_bytes()
    assert available is None or 10**7 < available < 10**15
