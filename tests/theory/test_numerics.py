"""Roots, monotone interpolation and cosine sums, against scipy's, which are other programs."""

import math

import numpy as np
import pytest
from scipy.fft import dct
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from rmt_spikes.theory.bulk.interval import cosine_sums
from rmt_spikes.theory.bulk.monotone import monotone_interpolation
from rmt_spikes.theory.bulk.roots import bracketed_root
from rmt_spikes.theory.methods.thresholds import close_crossing


@pytest.mark.parametrize(
    ("function", "low", "high", "root"),
    [
        (lambda x: x**3 - 2.0, 0.0, 2.0, 2.0 ** (1 / 3)),
        (lambda x: math.exp(-50.0 * x) - 0.5, 0.0, 1.0, math.log(2.0) / 50.0),
        (lambda x: math.copysign(1.0, x - 0.7), 0.0, 1.0, 0.7),
        (lambda x: x, 0.0, 1.0, 0.0),
    ],
)
def test_roots(function, low, high, root):
    """To the tolerance that is asked for, also where secants are of no use."""
    found = bracketed_root(function, low, high, 1e-13)
    assert found == pytest.approx(root, abs=1e-12)
    assert found == pytest.approx(brentq(function, low, high, xtol=1e-13), abs=1e-12)


def test_a_root_needs_a_change_of_sign():
    with pytest.raises(ValueError, match="different signs"):
        bracketed_root(lambda x: x + 1.0, 0.0, 1.0)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_monotone_interpolation(count):
    """To rounding; the values rise, fall and stay."""
    rng = np.random.default_rng(count)
    nodes, values = np.cumsum(rng.uniform(0.1, 1.0, count)), rng.standard_normal((count, 4))
    values[:, 1] = np.sort(values[:, 1])
    values[:, 2] = 1.0
    x = np.linspace(nodes[0], nodes[-1], 40)
    assert monotone_interpolation(nodes, values, x) == pytest.approx(
        PchipInterpolator(nodes, values)(x), abs=1e-13
    )


def test_cosine_sums():
    values = np.random.default_rng(0).standard_normal((3, 17))
    assert cosine_sums(values) == pytest.approx(dct(values, type=1, axis=1), abs=1e-13)


@pytest.mark.parametrize("guess", [0.0, 0.1, 1.9, 2.1, 5.0, math.inf])
def test_a_crossing_is_found_from_guesses_near_and_far(guess):
    """``(s / 2)^3 - 1`` and its logarithm are positive from 2 on; up to 1.5 they are not."""
    for excess in (lambda s: (s / 2.0) ** 3 - 1.0, lambda s: 3.0 * math.log(max(s, 1e-300) / 2.0)):
        assert close_crossing(excess, guess, 5.0) == pytest.approx(2.0, rel=1e-9)
        assert close_crossing(excess, guess, 1.5) == math.inf
    assert close_crossing(lambda s: 1.0, 0.0, 5.0) == 0.0
