"""Speed of predictions and simulations at the size of the headline case."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import rmt_spikes as rs


@pytest.fixture
def setting() -> rs.Setting:
    """One point of the headline case."""
    return rs.Setting(
        n=1800,
        d=900,
        width=1200,
        activation="relu",
        target={"hermite": [0, 1, 0.5**0.5]},
        noise_std=0.5,
        step_exponent=0.3,
        ridge=0.01,
    )


@pytest.mark.parametrize("method", ["uniform", "closed_form", "limit"])
def bench_predict(benchmark: BenchmarkFixture, setting: rs.Setting, method: str) -> None:
    """A prediction by each method."""
    prediction = benchmark(rs.predict, setting, method=method)
    assert prediction.losses.test > setting.noise_std**2


def bench_simulate(benchmark: BenchmarkFixture, setting: rs.Setting) -> None:
    """One trial, a third of the size."""
    small = setting.replace(n=600, d=300, width=400)
    observation = benchmark(rs.simulate, small, trials=1)
    assert len(observation.trials) == 1
