"""Rates in n and extrapolated limits: what is found when it is there, and only then."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from rmt_spikes.validation.verdicts.claims import TOLERANCES, Claim
from rmt_spikes.validation.verdicts.comparison import Row
from rmt_spikes.validation.verdicts.scaling import Rate, ScalingResult, fit_limit, fit_rate

SIZES = (300, 600, 1200, 2400)
RATE = 0.01
TOLERANCE = TOLERANCES[Claim.LOSSES]


def row(observed: float, se: float) -> Row:
    """A row of 60 trials with prediction 1 and scale 1."""
    constant: dict[str, Any] = {"predicted": 1.0, "scale": 1.0, "allowance": 0.0, "margin": 0.03}
    constant |= {"coefficient": TOLERANCE.coefficient, "exponent": TOLERANCE.exponent, "trials": 60}
    return Row(quantity="losses.test", claim=Claim.LOSSES, observed=observed, se=se, **constant)


def series(
    rng: np.random.Generator, exponent: float, limit: float = 0.0, scatter: float = 2.0, power: float = 0.5
) -> list[Row]:
    """Rows of ``limit + 10 n^-exponent`` with scatter ``scatter n^-power`` between 60 trials."""
    rows = []
    for n in SIZES:
        values = 1.0 + limit + 10.0 * n**-exponent + scatter * n**-power * rng.standard_normal(60)
        rows.append(row(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(60)))
    return rows


def wishart_deviation(rng: np.random.Generator, n: int) -> float:
    """Kolmogorov distance of a white Wishart spectrum, 2 n / 3 values, from its law (Marchenko, Pastur)."""
    size = 2 * n // 3
    phi = size / n
    x = rng.standard_normal((size, n))
    values = np.linalg.eigvalsh(x @ x.T / n)
    angle = np.linspace(0.0, math.pi, 4001)
    nodes = 1.0 + phi - 2.0 * math.sqrt(phi) * np.cos(angle)
    law = cumulative_trapezoid(np.sin(angle) ** 2 / nodes, angle, initial=0.0)
    at = np.interp(values, nodes, law / law[-1])
    steps = np.arange(size + 1) / size
    return float(max(np.max(steps[1:] - at), np.max(at - steps[:-1])))


def test_an_exact_power_law() -> None:
    rows = [row(1.0 + 10.0 / n, 1e-6 / math.sqrt(n)) for n in SIZES]
    fit = fit_rate(SIZES, rows, Rate.ERROR, RATE)
    assert fit.slope == pytest.approx(-1.0, abs=1e-5)
    assert fit.verdict == "agrees"
    scatter = fit_rate(SIZES, rows, Rate.SCATTER, RATE)
    assert scatter.slope == pytest.approx(-0.5, abs=1e-10)
    assert scatter.expected == -0.5
    assert scatter.values == pytest.approx([1e-6 * math.sqrt(60.0 / n) for n in SIZES])
    limit = fit_limit(SIZES, rows, TOLERANCE, RATE)
    assert (limit.limit, limit.coefficient) == pytest.approx((0.0, 10.0), abs=1e-6)
    # The allowance of a limit is of the next order.
    assert limit.allowance == pytest.approx((TOLERANCE.coefficient / 300.0) ** 2)


def test_right_rates_are_seldom_called_wrong() -> None:
    """At most 1 % each: 300 families with more than 9 wrong calls have probability below 0.2 %."""
    rng = np.random.default_rng(31)
    errors = [fit_rate(SIZES, series(rng, 1.0, scatter=0.02), Rate.ERROR, RATE) for _ in range(300)]
    scatters = [fit_rate(SIZES, series(rng, 1.0), Rate.SCATTER, RATE) for _ in range(300)]
    for fits in (errors, scatters):
        assert sum(fit.verdict == "disagrees" for fit in fits) <= 9
    covered = np.mean([fit.interval[0] <= -0.5 <= fit.interval[1] for fit in scatters if fit.interval])
    # 90 % intervals, the widening for misfit makes them longer; four binomial standard errors.
    assert covered >= 0.9 - 4.0 * math.sqrt(0.09 / 300)


def test_wrong_rates_are_found() -> None:
    """Negative control: an error of n^(-1/2) is not one of 1/n, nor a scatter of 1/n one of n^(-1/2)."""
    rng = np.random.default_rng(32)
    for _ in range(20):
        assert fit_rate(SIZES, series(rng, 0.5, scatter=0.02), Rate.ERROR, RATE).verdict == "disagrees"
        assert fit_rate(SIZES, series(rng, 1.0, power=1.0), Rate.SCATTER, RATE).verdict == "disagrees"


def test_a_logarithm_is_divided_out() -> None:
    """The largest deviation of a white Wishart spectrum from its law, of the shapes of the case `bulk-law`.

    The law is in closed form. Negative control: an error of n^(-1/2) is not one of log(n)/n.
    """
    rng = np.random.default_rng(35)
    sizes = (90, 180, 360, 720)
    rows = []
    for n in sizes:
        found = [wishart_deviation(rng, n) for _ in range(18000 // n)]
        rows.append(row(1.0 + float(np.mean(found)), float(np.std(found)) / math.sqrt(len(found))))
    right = fit_rate(sizes, rows, Rate.ERROR_OVER_LOG, RATE)
    assert right.verdict == "agrees"
    assert right.values == pytest.approx(
        [(each.observed - 1.0) / math.log(n) for n, each in zip(sizes, rows, strict=True)]
    )
    wrong = fit_rate(SIZES, series(rng, 0.5, scatter=0.02), Rate.ERROR_OVER_LOG, RATE)
    assert wrong.verdict == "disagrees"


def test_an_error_that_is_not_seen_has_no_rate() -> None:
    rows = [row(1.0 + 0.001, 0.001) for _ in SIZES]
    fit = fit_rate(SIZES, rows, Rate.ERROR, RATE)
    assert (fit.slope, fit.verdict) == (None, "inconclusive")
    assert fit.reason
    changing = [row(1.0 + sign * 10.0 / n, 1e-4) for n, sign in zip(SIZES, (1, 1, -1, 1), strict=True)]
    assert fit_rate(SIZES, changing, Rate.ERROR, RATE).reason


def test_right_limits_agree_and_wrong_ones_do_not() -> None:
    rng = np.random.default_rng(33)
    right = [fit_limit(SIZES, series(rng, 1.0, scatter=0.5), TOLERANCE, RATE) for _ in range(200)]
    assert sum(fit.verdict == "disagrees" for fit in right) <= 7
    # Each interval misses with probability 10 %.
    covered = np.mean([fit.interval[0] <= 0.0 <= fit.interval[1] for fit in right])
    assert abs(covered - 0.9) < 4.0 * math.sqrt(0.09 / 200)
    wrong = [fit_limit(SIZES, series(rng, 1.0, limit=0.05, scatter=0.5), TOLERANCE, RATE) for _ in range(20)]
    assert {fit.verdict for fit in wrong} == {"disagrees"}


def test_the_whole_takes_the_worst() -> None:
    rng = np.random.default_rng(34)
    good = fit_limit(SIZES, series(rng, 1.0, scatter=0.1), TOLERANCE, RATE)
    bad = fit_rate(SIZES, series(rng, 0.5, scatter=0.02), Rate.ERROR, RATE)
    assert good.verdict == "agrees"
    assert ScalingResult(rates=(), limits=(good,), rate=RATE).verdict == "agrees"
    result = ScalingResult(rates=(bad,), limits=(good,), rate=RATE)
    assert result.verdict == "disagrees"
    document = result.to_dict()
    assert document["rates"][0]["n"] == list(SIZES)
    assert document["limits"][0]["interval"] == list(good.interval)
