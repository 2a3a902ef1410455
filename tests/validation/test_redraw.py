"""Synthetic observations: rates of Student's t among them against those of the laws behind them."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import stdtrit

from rmt_spikes.validation.campaign.redraw import FEWEST, Shape, l_ratios, redrawn, shape_with

LAWS: dict[str, Callable[..., np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "lognormal": lambda rng, shape: np.exp(0.25 * rng.standard_normal(shape)) - math.exp(0.03125),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}
LEVELS = (1e-2, 1e-3)
ROWS, CASES, SYNTHETIC, DIRECT = 30, 8, 700, 150_000


def tails(t: np.ndarray, trials: int) -> np.ndarray:
    """Shares of Student's t below and above its critical values, in units of their levels."""
    critical = np.array([stdtrit(trials - 1, 1.0 - level) for level in LEVELS])
    return np.array([[np.mean(side * t > q) for q in critical] for side in (-1.0, 1.0)]) / LEVELS


def direct(law: str, trials: int) -> np.ndarray:
    x = LAWS[law](np.random.default_rng(5), (trials, DIRECT))
    return tails(x.mean(axis=0) * math.sqrt(trials) / x.std(axis=0, ddof=1), trials)


def synthetic(law: str, trials: int) -> np.ndarray:
    rates = []
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        rows = list(LAWS[law](rng, (ROWS, trials)))
        drawn = redrawn([rows], ["losses"] * ROWS, rng)
        found = [next(drawn) for _ in range(SYNTHETIC)]
        rates.append(tails(np.array([each.mean / each.se for each in found]), trials))
    return np.mean(rates, axis=0)


def bootstrap(law: str, trials: int) -> np.ndarray:
    rates = []
    for seed in range(10 * CASES):
        rng = np.random.default_rng(seed)
        x = LAWS[law](rng, trials)
        again = x[rng.integers(trials, size=(trials, 5000))]
        t = (again.mean(axis=0) - x.mean()) * math.sqrt(trials) / again.std(axis=0, ddof=1)
        rates.append(tails(t, trials))
    return np.mean(rates, axis=0)


@pytest.mark.parametrize(
    ("law", "trials"),
    [
        ("normal", 12),
        ("lognormal", 24),
        ("exponential", 24),
        pytest.param("exponential", 80, marks=pytest.mark.thorough),
    ],
)
def test_rates_are_those_of_the_law(law: str, trials: int) -> None:
    """Both tails of Student's t at 1 % and 0.1 %: within 15 %, and four binomial standard errors.

    The shapes of as many rows are known to some percent. Measured with 15 times as many draws: within 18 % at
    12 trials, 12 % at 24.
    """
    found, right = synthetic(law, trials), direct(law, trials)
    counted = 1.0 / DIRECT + 1.0 / (ROWS * CASES * SYNTHETIC)
    assert np.all(np.abs(found - right) <= 0.15 * right + 4.0 * np.sqrt(right / LEVELS * counted))


def test_a_bootstrap_is_not() -> None:
    """Negative control: 12 normal values drawn again have 2.5 times the rate at 0.1 %."""
    assert np.mean(bootstrap("normal", 12)[:, 1]) > 2.0
    # 150 draws below 0.1 %: two standard errors and more.
    assert direct("normal", 12) == pytest.approx(np.ones((2, 2)), rel=0.25)


def test_l_ratios_of_known_laws() -> None:
    """Exponential 1/3 and 1/6; normal 0 and 30 atan(sqrt 2) / pi - 9 (Hosking 1990)."""
    rng = np.random.default_rng(8)
    # Their standard deviations at n values are about 0.6 and 0.5 over the root of n.
    n = 200_000
    close = 4.0 * 0.6 / math.sqrt(n)
    assert l_ratios(rng.exponential(size=n)) == pytest.approx([1.0 / 3.0, 1.0 / 6.0], abs=close)
    normal = [0.0, 30.0 * math.atan(math.sqrt(2.0)) / math.pi - 9.0]
    assert l_ratios(rng.standard_normal(n)) == pytest.approx(normal, abs=close)
    # Unbiased already for six values.
    small = np.mean([l_ratios(rng.uniform(size=6)) for _ in range(4000)], axis=0)
    assert small == pytest.approx([0.0, 0.0], abs=0.03)


@pytest.mark.parametrize(("bend", "cube"), [(0.0, 0.0), (0.1, 0.05), (-0.3, 0.02), (0.2, -0.03)])
def test_shapes_are_found_again(bend: float, cube: float) -> None:
    z = np.random.default_rng(9).standard_normal(400_000)
    values = Shape(bend, cube)(z)
    assert np.std(values) == pytest.approx(Shape(bend, cube).deviation, rel=0.02)
    found = shape_with(*l_ratios(values).tolist())
    # The L-moments of the nodes are good to 0.002, and a bend of 0.1 makes an L-skewness of 0.1.
    assert found == pytest.approx((bend, cube), abs=0.006)


def test_scatter_and_correlations_are_kept() -> None:
    rng = np.random.default_rng(10)
    x = rng.standard_normal((3, 60))
    rows = [x[0], 3.0 * x[0], x[0] + x[1], 0.1 * x[2] ** 2, np.full(60, 0.7), (x[1] > 0.0).astype(float)]
    drawn = redrawn([rows[:4], rows[4:]], ["a", "a", "a", "b", "c", "c"], rng)
    found = [next(drawn) for _ in range(4000)]
    means = np.array([each.mean for each in found])
    ses = np.array([each.se for each in found])
    # A row and three times it stay together.
    assert means[:, 1] == pytest.approx(3.0 * means[:, 0], rel=1e-6, abs=1e-9)
    for k, row in enumerate(rows):
        # Standard deviations of 4000 draws are known to 1.1 %: four of these, and 1 % for those of a count.
        assert np.std(means[:, k]) == pytest.approx(np.std(row, ddof=1) / math.sqrt(60), rel=0.055)
        assert abs(np.mean(means[:, k])) <= 4.0 * np.std(means[:, k]) / math.sqrt(4000)
    # Correlations of ranks in place of values, which differ by some hundredths for 60 normal values.
    expected = np.corrcoef(x[0], x[0] + x[1])[0, 1]
    assert np.corrcoef(means[:, 0], means[:, 2])[0, 1] == pytest.approx(expected, abs=0.06)
    assert np.all(ses[:, 4] == 0.0)
    assert np.all(means[:, 4] == 0.0)


def test_few_values_are_drawn_as_they_are() -> None:
    """Fewer than five, and counts: no values but those that were seen."""
    values = np.arange(FEWEST - 1.0)
    (each,) = [next(redrawn([[values]], ["a"], np.random.default_rng(k))) for k in range(1)]
    total = values.size * (each.mean[0] + values.mean())
    assert total == pytest.approx(round(total), abs=1e-9)
