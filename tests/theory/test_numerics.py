"""Cosine sums against scipy's, and crossings of closed forms."""

import math

import numpy as np
import pytest
from scipy.fft import dct

from rmt_spikes.theory.bulk.interval import cosine_sums
from rmt_spikes.theory.methods.thresholds import close_crossing


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
