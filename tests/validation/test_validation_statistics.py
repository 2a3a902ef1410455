"""P-values, intervals and rates, how many trials would tell, power, exact intervals, weighted lines."""

import math

import mpmath
import numpy as np
import pytest

from rmt_spikes.validation.verdicts.statistics import (
    binomial_interval,
    excess_p_value,
    fit_line,
    holm,
    t_interval,
    trials_to_tell,
)


def told(
    trials: int, difference: float, scatter: float, allowance: float, margin: float, rate: float
) -> bool:
    se = scatter / math.sqrt(trials)
    low, high = t_interval(difference, se, trials)
    agrees = -margin <= low and high <= margin
    return bool(agrees or excess_p_value(difference, se, allowance, trials) <= rate)


@pytest.mark.parametrize(
    ("difference", "scatter"),
    [(0.0, 0.1), (0.02, 0.1), (0.029, 0.05), (0.05, 0.1), (-0.05, 0.3), (0.0, 0.02)],
)
def test_trials_to_tell_is_the_first_that_tells(difference: float, scatter: float) -> None:
    arguments = (difference, scatter, 0.01, 0.03, 0.001)
    needed = trials_to_tell(*arguments)
    assert needed is not None
    assert told(needed, *arguments)
    assert needed == 2 or not told(needed - 1, *arguments)


def test_trials_to_tell_by_hand() -> None:
    """Without a difference the half-width must be the margin; at many trials Student's t is 1.645 normal."""
    needed = trials_to_tell(0.0, 1.0, 0.0, 0.01, 0.001)
    assert needed == pytest.approx((1.6448536 / 0.01) ** 2, rel=2e-4)
    # Between allowance and margin, but so close to both that a million trials leave it open.
    assert trials_to_tell(0.02, 100.0, 0.01, 0.03, 0.001) is None


@pytest.mark.parametrize(("count", "trials"), [(3, 20), (0, 50), (50, 50), (17, 1000)])
def test_binomial_interval_has_exact_tails(count: int, trials: int) -> None:
    low, high = binomial_interval(count, trials)

    def chance(p: float, k: int) -> mpmath.mpf:
        return mpmath.binomial(trials, k) * mpmath.mpf(p) ** k * mpmath.mpf(1.0 - p) ** (trials - k)

    for p, counts, end in ((low, range(count, trials + 1), 0.0), (high, range(count + 1), 1.0)):
        # An interval that reaches an end of [0, 1] has no tail there.
        if len(counts) == trials + 1:
            assert p == end
        else:
            assert float(mpmath.fsum(chance(p, k) for k in counts)) == pytest.approx(0.025, rel=1e-8)


def test_a_line_is_recovered_and_its_errors_are_right() -> None:
    x, se = np.array([1.0, 2.0, 3.0, 5.0]), np.array([0.1, 0.2, 0.1, 0.4])
    exact = fit_line(x, 2.0 - 0.5 * x, se)
    assert (exact.intercept, exact.slope) == pytest.approx((2.0, -0.5), rel=1e-12)
    assert exact.misfit == pytest.approx(0.0, abs=1e-20)
    # The independent route: polyfit with the covariance of known errors.
    coefficients, covariance = np.polyfit(x, 2.0 - 0.5 * x + se, 1, w=1.0 / se, cov="unscaled")
    line = fit_line(x, 2.0 - 0.5 * x + se, se)
    assert (line.slope, line.intercept) == pytest.approx(tuple(coefficients), rel=1e-10)
    assert (line.slope_se, line.intercept_se) == pytest.approx(tuple(np.sqrt(np.diag(covariance))), rel=1e-10)
    rng = np.random.default_rng(22)
    slopes = [fit_line(x, 2.0 - 0.5 * x + se * rng.standard_normal(4), se).slope for _ in range(4000)]
    # A standard deviation of 4000 draws is known to 1/sqrt(8000); four of these.
    assert np.std(slopes) == pytest.approx(line.slope_se, rel=4.0 / math.sqrt(8000.0))


@pytest.mark.parametrize(("difference", "allowance"), [(0.5, 0.0), (-0.5, 0.2), (0.1, 0.2), (3.0, 0.2)])
def test_p_value_is_an_integral_of_the_density(difference: float, allowance: float) -> None:
    trials, se = 6, 0.15
    nu = trials - 1
    norm = mpmath.gamma((nu + 1) / 2) / (mpmath.sqrt(nu * mpmath.pi) * mpmath.gamma(nu / 2))

    def density(x: float) -> mpmath.mpf:
        return norm * (1 + x**2 / nu) ** (-(nu + 1) / 2)

    ends = [(abs(difference) + sign * allowance) / se for sign in (-1, 1)]
    tails = [mpmath.quad(density, [t, t + 5, t + 50, mpmath.inf]) for t in ends]
    found = float(excess_p_value(difference, se, allowance, trials))
    assert found == pytest.approx(float(min(1.0, sum(tails))), rel=1e-8)


def test_interval_and_p_value_by_hand() -> None:
    # 97.5 % point of t with 4 degrees of freedom, from tables: 2.776.
    low, high = t_interval(1.0, 0.5, 5, 0.95)
    assert (low, high) == pytest.approx((1.0 - 2.776445 * 0.5, 1.0 + 2.776445 * 0.5), rel=1e-6)
    # Without scatter the p-value is a decision.
    assert excess_p_value([0.0, 0.1, 0.3], [0.0] * 3, [0.0, 0.2, 0.2], 4).tolist() == [1.0, 1.0, 0.0]


def test_holm_by_hand() -> None:
    # .005 <= .05/4 and .01 <= .05/3, but .03 > .05/2: the last two stay, although .03 and .04 are below .05.
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05).tolist() == [True, False, False, True]
    assert holm([0.04, 0.02], 0.05).tolist() == [True, True]
    assert holm([math.nan, 0.04, 0.02], 0.05).tolist() == [False, True, True]
    assert holm([math.nan], 0.05).tolist() == [False]


def test_family_rate_is_kept() -> None:
    """With independent rows and no allowance, Holm rejects something with probability 1 - (1 - rate/m)^m."""
    rng = np.random.default_rng(11)
    rate, rows, trials, families = 0.1, 12, 8, 4000
    x = rng.standard_normal((families, trials, rows))
    p = excess_p_value(x.mean(axis=1), x.std(axis=1, ddof=1) / math.sqrt(trials), 0.0, trials)
    share = np.mean([holm(each, rate).any() for each in p])
    expected = 1.0 - (1.0 - rate / rows) ** rows
    # Four standard deviations of a binomial share.
    assert abs(share - expected) < 4.0 * math.sqrt(expected * (1.0 - expected) / families)
    assert share <= rate + 4.0 * math.sqrt(rate * (1.0 - rate) / families)


def test_calls_at_the_allowance_and_at_the_margin_are_wrong_at_the_stated_rates() -> None:
    """A theory wrong by its allowance is called wrong in 5 %, one wrong by its margin right in 5 %."""
    binomial = 4.0 * math.sqrt(0.05 * 0.95 / 40_000)
    x = 0.7 + np.random.default_rng(12).standard_normal((40_000, 8))
    p = excess_p_value(x.mean(axis=1), x.std(axis=1, ddof=1) / math.sqrt(8), 0.7, 8)
    assert abs(np.mean(p <= 0.05) - 0.05) < binomial
    x = 1.0 + 0.2 * np.random.default_rng(13).standard_normal((40_000, 8))
    interval = t_interval(x.mean(axis=1), x.std(axis=1, ddof=1) / math.sqrt(8), 8, 0.90)
    assert abs(np.mean((interval[:, 0] >= -1.0) & (interval[:, 1] <= 1.0)) - 0.05) < binomial
