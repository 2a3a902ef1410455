"""One trial by several routes: held or streamed, in double or single precision, full or iterated."""

import tempfile
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from peak_memory import STATUS
from small_settings import make, printed
from threadpoolctl import threadpool_info, threadpool_limits

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.scalar import function_from
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import simulate
from rmt_spikes.simulation.linalg.density import PROBES, RESOLUTION, STEPS, estimate_density
from rmt_spikes.simulation.memory import IN_MEMORY, Plan, decomposition_bytes
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.sampling import Block
from rmt_spikes.simulation.trial import run_trial

DIRECTIONS = {"expression": "z1 + z1*z2"}
OPTIONS = {"top": 2, "test_samples": None, "keep_vectors": False}


@st.composite
def drawn_settings(draw):
    same = draw(st.booleans())
    n = draw(st.integers(90, 150))
    return Setting(
        n=n, d=draw(st.integers(20, 80)), width=(width := draw(st.integers(20, 90))),
        n_ridge=n if same else draw(st.integers(width, 150)), second_batch="same" if same else "fresh",
        activation=draw(st.sampled_from(["relu", "tanh", "elu", {"expression": "z + abs(z - 0.5)"}])),
        target=draw(st.sampled_from([{"hermite": [0.3, 1.0, 0.5]}, "tanh", "sign", DIRECTIONS])),
        noise_std=draw(st.sampled_from([0.0, 0.5])), ridge=draw(st.sampled_from([1e-2, 1.0])),
        step_exponent=draw(st.sampled_from([0.0, 0.3, 0.5])),
        readout=draw(st.sampled_from(["gaussian", "rademacher"])),
        output_scale=draw(st.sampled_from(["mean_field", "standard"])),
        row_norm=draw(st.sampled_from([1.0, 0.7])),
        covariance=draw(st.sampled_from([None, {"eigenvalues": [0.5, 2.5], "proportions": [0.75, 0.25]}])),
    )  # fmt: skip


def figures(trial):
    """Losses, and the two largest singular values."""
    return np.array([trial.objective, trial.train, trial.test, *trial.singular_values[:2]])


def wrong_signs(trial):
    """Classification errors; they are numbers of samples, so that a rounding may change one by one of 90."""
    return np.zeros(2) if trial.sign_error is None else trial.sign_error


@given(drawn_settings(), st.integers(0, 1000))
@hypothesis_settings(max_examples=12, deadline=None)
def test_all_routes_agree(setting, seed):
    held = run_trial(setting, seed, 0, **OPTIONS)
    # Tolerances are about ten times the largest difference in 300 settings drawn from these ranges.
    # Sums over other blocks, 1.4e-13.
    streamed = run_trial(setting, seed, 0, **OPTIONS, plan=Plan(stored=False, block_rows=17))
    np.testing.assert_allclose(figures(streamed), figures(held), rtol=2e-12)
    np.testing.assert_allclose(streamed.singular_values, held.singular_values, atol=1e-7)
    np.testing.assert_allclose(wrong_signs(streamed), wrong_signs(held), atol=0.015)
    # Blocks of the same length are the same sums: nothing differs by a bit.
    again = run_trial(setting, seed, 0, **OPTIONS, plan=Plan(stored=False, block_rows=IN_MEMORY.block_rows))
    assert np.array_equal(figures(again), figures(held))
    # Iterations stop at 1e-11 of the right-hand side, 8e-11.
    iterated = run_trial(setting, seed, 0, **OPTIONS, spectrum="top")
    np.testing.assert_allclose(figures(iterated), figures(held), rtol=1e-9)
    # An entry of the preactivations errs by a few 1e-7: 2.6e-6, with a median of 5e-8.
    single = run_trial(setting, seed, 0, **OPTIONS, precision="single")
    np.testing.assert_allclose(figures(single), figures(held), rtol=2e-5)
    assert not np.array_equal(figures(single), figures(held))


def test_kinks_are_not_mistaken_in_single_precision(monkeypatch):
    """Each sample on the wrong side of a kink would turn the row of a neuron by ``1/sqrt(n)``."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((40, 30))
    weights = rng.standard_normal((40, 30)) / 30**0.5
    # Neuron j sees sample j at a distance of 1e-9 from the kink at 1: beyond single, within double precision.
    gaps = 1e-9 * rng.choice([-1.0, 1.0], 40)
    miss = np.einsum("ik,ik->i", inputs, weights) - 1.0 - gaps
    weights -= (miss / (inputs**2).sum(axis=1))[:, None] * inputs
    activation = function_from({"expression": "abs(z - 1)"}, "activation")
    readout, batch = np.ones(40) / 40, [Block(slice(0, 40), inputs, rng.standard_normal(40))]

    def gradient(precision):
        return FirstLayer(activation, weights, precision).first_step(readout, 0.0, batch).gradient

    size = np.abs(gradient("double")).max()
    # A few rounding units of single precision.
    np.testing.assert_allclose(gradient("single"), gradient("double"), atol=1e-6 * size)
    monkeypatch.setattr("rmt_spikes.simulation.network.layer.KINK_MARGIN", 0.0)
    assert np.abs(gradient("single") - gradient("double")).max() > 0.1 * size


def density_scores(estimate, values, width):
    """Differences from the density of all values, smoothed like the estimate, in stated errors.

    Where there is some: at the ends nothing but quadrature error is left.
    """
    points, density, error = estimate.T
    smoothing = 2 * (points[1] - points[0])
    kernel = np.exp(-(((points - values[:, None]) / smoothing) ** 2) / 2)
    exact = kernel.sum(axis=0) / (smoothing * (2 * np.pi) ** 0.5) / width
    return ((density - exact) / error)[density > 0.1 * density.max()]


@pytest.mark.parametrize(("rows", "width"), [(1000, 600), (450, 600)])
def test_density_agrees_with_the_full_spectrum_within_its_error(rows, width):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((rows, width)) / rows**0.5
    matrix[:, 0] *= 8.0
    values = np.linalg.svd(matrix, compute_uv=False)
    gram = matrix.T @ matrix if width < rows else matrix @ matrix.T
    estimate = estimate_density(lambda block: gram @ block, len(gram), width, np.random.default_rng(1))
    points, density, error = estimate.T
    score = density_scores(estimate, values, width)
    # The points of one smoothing length share their noise, some twenty are independent: the root mean square
    # of their scores is 1 to 16 %, and three of those are allowed; 4.5 bounds all with certainty 0.9995.
    assert 0.4 < np.sqrt(np.mean(score**2)) < 1.5
    assert np.abs(score).max() < 4.5
    assert error[density > 0.1 * density.max()].max() < 0.1 * density.max()
    # Negative control: singular values off by 5 % are noticed.
    assert np.abs(density_scores(estimate, 1.05 * values, width)).max() > 6
    steps = min(STEPS, len(gram) // PROBES)
    # The zeros are not part of it, and neither is the outlier: its mass of 1/width is beyond the last point.
    mass = np.trapezoid(density, points)
    assert mass == pytest.approx(min(rows, width) / width, rel=0.02)
    assert points[-1] < 4.0
    assert points[1] == pytest.approx(RESOLUTION * points[-1] / steps / 2, rel=0.3)


def test_trials_have_a_density_when_it_is_asked_for():
    setting = make(n=300, d=150, width=200, n_ridge=None, activation="relu", ridge=0.01, step_size=9.0)
    (some,) = simulate(setting, trials=1, spectrum="density").trials
    (full,) = simulate(setting, trials=1).trials
    assert np.isfinite(some.singular_values).sum() == 5
    assert full.density is None
    assert np.sqrt(np.mean(density_scores(some.density, full.singular_values, 200) ** 2)) < 2.0
    # What was not computed is not reported.
    document = simulate(setting, trials=1, spectrum="top").to_dict()
    assert document["bulk"]["quantiles"] == {}


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc")
def test_a_tall_matrix_is_streamed_within_its_memory_limit():
    """Features of 320 MB under a limit of 60 MB; the interpreter itself takes about 100 MB."""
    code = """
import rmt_spikes as rs
from peak_memory import peak_memory
small = dict(activation="relu", target="tanh", ridge=0.1, step_size=1.0)
setting = rs.Setting(n=500, d=50, width=400, n_ridge=100_000, **small)
rs.simulate(setting.replace(n_ridge=400), trials=1)
before = peak_memory()
for memory in (6e7, 1e9):
    rs.simulate(setting, trials=1, memory=memory)
    print(peak_memory() - before)
"""
    limited, free = map(float, printed(code))
    assert limited < 6e7 < free
    # What cannot fit is refused beforehand.
    with pytest.raises(DomainError, match="MB"):
        simulate(make(n=500, d=50, width=400, n_ridge=100_000), trials=1, memory=1e7)


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc")
def test_memory_of_a_singular_value_decomposition_is_estimated_from_above():
    """For 1500 x 700 features; at most 1.5 times what it takes."""
    code = """
import numpy as np, scipy.linalg
from peak_memory import peak_memory
scipy.linalg.svd(np.eye(9), full_matrices=False)
matrix = np.random.default_rng(0).standard_normal((1500, 700))
before = peak_memory()
scipy.linalg.svd(matrix, full_matrices=False, check_finite=False)
print(peak_memory() - before)
"""
    setting = make(n=500, d=50, width=700, n_ridge=1500)
    (peak,) = map(float, printed(code))
    assert peak < decomposition_bytes(setting) < 1.5 * peak


OVERLAP = """
import threading
import numpy, scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits
from rmt_spikes.execution.threads import one_blas_thread

def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

inside, leave = threading.Event(), threading.Event()

def hold():
    with LIMIT():
        inside.set()
        leave.wait(10)

before = threads()
holder = threading.Thread(target=hold)
holder.start()
inside.wait(10)
with LIMIT():
    leave.set()
    holder.join()
    within = threads()
print(before, within, threads())
"""


@pytest.mark.parametrize(
    ("limit", "after"),
    [("one_blas_thread", "{2}"), ("(lambda: threadpool_limits(limits=1))", "{1}")],
    ids=["shared", "each its own: a wrong way"],
)
def test_threads_of_one_process_hold_the_limit_at_the_same_time(limit, after):
    """Two that overlap: the later must not take the limit of the earlier for the caller's setting."""
    before, within, left = printed(OVERLAP.replace("LIMIT", limit), OPENBLAS_NUM_THREADS="2")
    assert (before, left) == ("{2}", after)
    assert limit != "one_blas_thread" or within == "{1}"


@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_and_temporary_files_are_left_as_they_were(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # Joblib would take /dev/shm.
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    setting = make(n=60, d=30, width=40, n_ridge=60)

    def threads():
        return [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]

    with threadpool_limits(limits=1, user_api="blas"):
        before = threads()
        simulate(setting, trials=3, jobs=jobs)
        with pytest.raises(KeyboardInterrupt):
            simulate(setting, trials=3, jobs=jobs, on_trial=Mock(side_effect=KeyboardInterrupt))
        assert threads() == before
    # Joblib's workers outlive the call, and their folder with them: nothing may lie in it.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
