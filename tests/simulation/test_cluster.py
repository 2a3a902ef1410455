"""Trials on a dask cluster, and one trial over all its workers, against the same trial in this process."""

import os
import re
from collections.abc import Iterator
from unittest.mock import Mock

import numpy as np
import pytest
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from peak_memory import STATUS, peak_memory
from refusals import refused
from small_settings import printed
from test_routes import drawn_settings, figures, wrong_signs

from rmt_spikes.execution.cluster import ExecutionError, connected
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import simulate
from rmt_spikes.simulation.distributed.tiling import Tiling, worker_bytes

LIMIT = 290_000_000
"""Bytes that a worker of the test cluster may take: at 95 % of it, dask kills the worker."""

SMALL = Setting(
    n=150, d=60, width=90, n_ridge=170, activation="relu", target={"hermite": [0, 1, 0.7]},
    noise_std=0.5, ridge=0.05, step_exponent=0.4,
)  # fmt: skip
WIDE = SMALL.replace(d=10_000, width=1300, n_ridge=200, step_size=1.0)
"""Its first layer, 104 MB, and its gradient of the same size do not fit a worker together."""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    options = {"n_workers": 4, "threads_per_worker": 1, "memory_limit": LIMIT, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as connected:
        yield connected


def agree(one, other, count, rtol):
    for name in ("objective", "train", "test", "beta_norm2", "beta_cosine"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=rtol)
    np.testing.assert_allclose(one.singular_values[:count], other.singular_values[:count], rtol=rtol)
    for name in ("alignment", "feature", "right_alignment"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=100 * rtol)
    for name in ("q", "labels", "alpha"):
        np.testing.assert_allclose(getattr(one.latent, name), getattr(other.latent, name), atol=1e-12)


def test_a_campaign_on_a_cluster_is_the_same_as_here(client):
    seen = []
    there = simulate(SMALL, trials=3, seed=3, scheduler=client, on_trial=seen.append)
    here = simulate(SMALL, trials=3, seed=3)
    assert [trial.index for trial in there.trials] == [0, 1, 2]
    assert len(seen) == 3
    for one, other in zip(there.trials, here.trials, strict=True):
        # Another number of threads: sums in another order.
        agree(one, other, 90, 1e-10)
    # By its address, and with less memory than a worker has.
    by_address = simulate(SMALL, trials=1, seed=3, scheduler=client.scheduler.address, memory=2e6)
    agree(by_address.trials[0], here.trials[0], 90, 1e-10)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "erf", "readout": "rademacher", "output_scale": "standard", "n_ridge": 2500},
        {"n_ridge": 40, "readout": "constant"},
        {"n_ridge": 150, "second_batch": "same"},
    ],
)
def test_a_spread_trial_is_the_same_as_here(client, changes):
    setting = SMALL.replace(**changes)
    (there,) = simulate(
        setting, trials=1, seed=8, top=3, spectrum="top", scheduler=client, spread=True
    ).trials
    (here,) = simulate(setting, trials=1, seed=8, top=3).trials
    # Conjugate gradients stop at 1e-11 of the right-hand side, the condition number is below 1e3.
    agree(there, here, 3, 1e-8)
    assert there.method == "lanczos"
    assert there.residual < 1e-8
    assert there.test_samples == 0


@given(drawn_settings(), st.integers(0, 1000))
@hypothesis_settings(max_examples=3, deadline=None)
def test_drawn_trials_are_the_same_on_a_cluster_and_spread_over_it(client, setting, seed):
    (here,) = simulate(setting, trials=1, seed=seed, top=2).trials
    (there,) = simulate(setting, trials=1, seed=seed, top=2, scheduler=client).trials
    np.testing.assert_allclose(figures(there), figures(here), rtol=2e-12)
    options = {"top": 2, "spectrum": "top", "scheduler": client, "spread": True}
    (spread,) = simulate(setting, trials=1, seed=seed, **options).trials
    # As for the iterations of `test_all_routes_agree`; series of other tiles end elsewhere, within bounds.
    bounds = np.array([0, 0, here.test_error + spread.test_error, 0, 0])
    assert np.all(np.abs(figures(spread) - figures(here)) <= 1e-9 * figures(here) + bounds)
    np.testing.assert_allclose(wrong_signs(spread), wrong_signs(here), atol=0.015)


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc")
@pytest.mark.thorough
def test_a_trial_that_breaks_the_limit_of_a_worker_runs_on_all_of_them(client):
    """Undistributed it takes more than a worker may have: its own peak is measured."""
    with refused("d"):
        simulate(WIDE, trials=1, top=2, scheduler=client)
    (there,) = simulate(WIDE, trials=1, top=2, spectrum="top", scheduler=client, spread=True).trials
    code = f"""
import rmt_spikes as rs
from peak_memory import peak_memory
trial = rs.simulate(rs.Setting(**{WIDE.to_dict()!r}), trials=1, top=2).trials[0]
print(peak_memory(), trial.objective, trial.test)
"""
    peak, objective, test = map(float, printed(code))
    assert peak > LIMIT
    assert there.objective == pytest.approx(objective, rel=1e-8)
    assert there.test == pytest.approx(test, rel=2e-6)
    # Nobody was killed, and nobody ever had more than its limit.
    peaks = client.run(peak_memory)
    assert len(peaks) == 4
    assert max(peaks.values()) < LIMIT


def test_workers_of_another_version_are_refused(client):
    with connected(client, version=int) as same:
        assert same is client
    with pytest.raises(ExecutionError, match="another version of rmt-spikes"), connected(client, os.getpid):
        pass


def test_what_does_not_fit_all_workers_is_refused_with_the_figure(client):
    with refused("scheduler") as refusal:
        simulate(WIDE.replace(d=200_000), trials=1, top=2, spectrum="top", scheduler=client, spread=True)
    assert re.search(r"\d+ MB free", str(refusal.value))


def test_more_memory_than_a_worker_has_is_refused_before_anything_is_submitted(client, monkeypatch):
    monkeypatch.setattr(client, "submit", Mock(side_effect=AssertionError("a task was submitted")))
    # 70 % of 290 MB, less 110 MB.
    for memory in (1e12, 0.7 * LIMIT - 109e6):
        with refused("memory", "93 MB that the smallest worker may take"):
            simulate(WIDE, trials=1, scheduler=client, memory=memory)
    with refused("d", "the memory allowed a thread (90 MB)"):
        simulate(WIDE, trials=1, scheduler=client, memory=9e7)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("spread", {"spread": True, "scheduler": None}),
        ("spread", {"spread": 1}),
        ("spectrum", {"spread": True}),
        ("spectrum", {"spread": True, "spectrum": "density", "n_ridge": 40}),
        ("precision", {"spread": True, "spectrum": "top", "precision": "single"}),
        ("test_samples", {"spread": True, "spectrum": "top", "test_samples": 2000}),
        ("keep_vectors", {"spread": True, "spectrum": "top", "keep_vectors": True}),
        ("memory", {"spread": True, "spectrum": "top", "memory": 1e9}),
        ("top", {"spread": True, "spectrum": "top", "width": 6}),
        ("jobs", {"jobs": 2}),
        ("jobs", {"jobs": 2, "trials": 1}),
        ("scheduler", {"scheduler": 5}),
        ("scheduler", {"scheduler": "not an address"}),
    ],
)
def test_arguments_that_do_not_go_together_are_named(field, arguments):
    sizes = {key: arguments.pop(key) for key in ("width", "n_ridge") if key in arguments}
    request = {"scheduler": "tcp://127.0.0.1:1", "trials": 2} | arguments
    with refused(field):
        simulate(SMALL.replace(**sizes), **request)


def test_every_tile_has_a_home_and_more_workers_need_less_each():
    tiling = Tiling(SMALL, ["a", "b", "c"], 2, 64)
    assert np.array_equal(np.concatenate([np.arange(90)[tile] for tile in tiling.neurons]), np.arange(90))
    homes = [tiling.gram_home(j, k) for j in range(6) for k in range(j + 1)]
    assert all(homes.count(worker) >= 5 for worker in "abc")
    needs = [worker_bytes(WIDE, workers, 2, 64) for workers in (1, 2, 4, 8)]
    assert needs == sorted(needs, reverse=True)


@pytest.mark.parametrize(
    ("workers", "per_worker", "count"), [(2, 1, 1), (2, 2, 3), (2, 4, 7), (4, 2, 18), (3, 4, 24)]
)
def test_tiles_of_the_gram_matrix_lack_one_side_at_most(workers, per_worker, count):
    tiling = Tiling(SMALL, [f"w{i}" for i in range(workers)], per_worker, 64)
    tiles = len(tiling.neurons)
    seen = []
    fetched = 0
    for home, groups in tiling.groups().items():
        for foreign, pairs in groups.items():
            fetched += foreign is not None
            for pair in pairs:
                assert {p for p in pair if tiling.home(p) != home} == ({foreign} - {None})
                seen.append(pair)
        # docs/large.md: k (T / 2 + 1) tiles on a worker at most.
        assert sum(map(len, groups.values())) <= per_worker * (tiles / 2 + 1)
    assert sorted(seen) == [(j, k) for j in range(tiles) for k in range(j + 1)]
    # By hand: of T (w - 1) pairs of a tile and another worker, 1/2, 3/4, 7/8 for 1, 2, 4 tiles a worker when
    # the number of workers is even; all of them for four tiles on each of three.
    assert fetched == count
