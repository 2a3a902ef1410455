"""Tests and intervals on skewed trials: their rates on known laws, by direct simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import skew

from rmt_spikes.validation.verdicts.statistics import (
    SKEWNESS_ERRORS,
    excess_p_value,
    skewness_error,
    skewness_of,
    t_interval,
    trials_to_tell,
)

LAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "lognormal": lambda rng, shape: np.exp(0.25 * rng.standard_normal(shape)) - math.exp(0.03125),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}
"""Laws of mean zero, with a skewness of 0, 0.78 and 2."""

DRAWS = 100_000


def p_values(law: str, trials: int, allowance: float, side: float) -> tuple[np.ndarray, np.ndarray]:
    """P-values of a theory that is off by its allowance to one side: Student's, and for the skewness."""
    x = side * allowance + LAWS[law](np.random.default_rng(trials), (trials, DRAWS))
    mean, se = x.mean(axis=0), x.std(axis=0, ddof=1) / math.sqrt(trials)
    return tuple(excess_p_value(mean, se, allowance, trials, g) for g in (math.nan, skewness_of(x)))


def most(level: float, factor: float = 1.0) -> float:
    """Share of the draws that a test of `factor` times a level has at most: four standard deviations."""
    return factor * level + 4.0 * math.sqrt(factor * level / DRAWS)


@pytest.mark.parametrize(
    ("law", "trials"), [("normal", 30), ("lognormal", 30), ("exponential", 30), ("exponential", 60)]
)
def test_each_tail_keeps_its_level(law: str, trials: int) -> None:
    """A large allowance leaves one tail. Student's t is the negative control: its longer tail does not."""
    tails = [p_values(law, trials, 10.0, side) for side in (-1.0, 1.0)]
    for level in (1e-2, 1e-3):
        for student, found in tails:
            assert np.mean(found <= level) <= most(level, 1.0 if level == 1e-2 else 1.05)
            # It never says more than Student's t.
            assert np.all(found >= student)
        longer = max(np.mean(student <= level) for student, _ in tails)
        if law != "normal":
            assert longer > most(level, 1.3)


@pytest.mark.parametrize("law", LAWS)
def test_a_theory_off_by_its_margin_is_called_right_in_five_per_cent(law: str) -> None:
    trials, margin = 30, 10.0
    for side in (-1.0, 1.0):
        x = side * margin + LAWS[law](np.random.default_rng(7), (trials, DRAWS))
        mean, se = x.mean(axis=0), x.std(axis=0, ddof=1) / math.sqrt(trials)
        low, high = t_interval(mean, se, trials, 0.9, skewness_of(x)).T
        assert np.mean((-margin <= low) & (high <= margin)) <= most(0.05)


def test_skewness_is_that_of_scipy_and_its_error_that_of_normal_data() -> None:
    x = np.random.default_rng(3).exponential(size=(12, 5))
    assert skewness_of(x) == pytest.approx(skew(x, axis=0, bias=False), rel=1e-12)
    assert skewness_of(np.ones(7)) == 0.0
    normal = np.random.default_rng(4).standard_normal((12, 40_000))
    # A standard deviation of 40,000 draws is known to 1 in 283; five of these, as the law has longer tails.
    assert np.std(skewness_of(normal)) == pytest.approx(float(skewness_error(12)), rel=5.0 / 283.0)


@pytest.mark.parametrize(("trials", "skewness"), [(12, 0.3), (30, 2.0), (30, -1.0), (200, -0.1)])
def test_interval_ends_where_halls_transformation_reaches_students_t(trials: int, skewness: float) -> None:
    """Hall's cubic, as published, at the skewness of the safe side, solved by bisection."""
    n = trials
    error = math.sqrt(6.0 * n * (n - 1.0) / ((n - 2.0) * (n + 1.0) * (n + 3.0)))
    q = float(stdtrit(n - 1, 0.95))

    def reach(safe: float) -> float:
        a = min(0.0, safe) / math.sqrt(n)

        def hall(t: float) -> float:
            return t + a * t**2 / 3.0 + a**2 * t**3 / 27.0 + a / 6.0

        return max(q, brentq(lambda t: hall(t) - q, 0.0, 1e3))

    below, above = (reach(sign * skewness - SKEWNESS_ERRORS * error) for sign in (1.0, -1.0))
    low, high = t_interval(1.0, 0.5, n, 0.9, skewness)
    assert (low, high) == pytest.approx((1.0 - 0.5 * below, 1.0 + 0.5 * above), rel=1e-9)
    # The ends of the interval are the values that a one-sided test at 5 % just rejects.
    for end, side in ((low, 1.0), (high, -1.0)):
        at = excess_p_value(side * 1e3 + 1.0 - end, 0.5, 1e3, n, skewness)
        assert float(at) == pytest.approx(0.05, rel=1e-6)


def test_no_scatter_and_many_trials() -> None:
    """Without scatter the p-value is a decision; with many trials skewness does not matter."""
    decided = excess_p_value([0.0, 0.1, 0.3], [0.0] * 3, [0.0, 0.2, 0.2], 4, [0.0] * 3)
    assert decided.tolist() == [1.0, 1.0, 0.0]
    student, found = (t_interval(0.0, 1.0, 1_000_000, 0.9, g) for g in (math.nan, 1.0))
    assert found == pytest.approx(student, rel=2e-3)


def test_trials_to_tell_allow_for_the_skewness() -> None:
    plain = trials_to_tell(0.0, 1.0, 0.0, 0.3, 0.001)
    skewed = trials_to_tell(0.0, 1.0, 0.0, 0.3, 0.001, skewness=2.0)
    assert plain is not None
    assert skewed is not None
    assert skewed > plain
    for count, inside in ((skewed, True), (skewed - 1, False)):
        low, high = t_interval(0.0, 1.0 / math.sqrt(count), count, 0.9, 2.0)
        assert (max(-low, high) <= 0.3) == inside
