"""Cosine sums against scipy's, and crossings of functions whose zeros are known."""

import math

import numpy as np
import pytest
from scipy.fft import dct

from rmt_spikes.theory.bulk.interval import cosine_sums
from rmt_spikes.theory.methods.thresholds import Scan, close_crossing


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


def test_a_scan_knows_the_crossing_of_each_component():
    """Components cross at 2, at 0.3, without a step, below the scan, and never; a guess is good to 1e-6."""
    zeros = np.array([2.0, 0.3, 0.0, 1e-5, 7.0])

    def excess(step):
        return np.log(np.maximum(step, 1e-300) / np.maximum(zeros, 1e-300)) + (zeros == 0.0)

    scan = Scan(excess, 5.0)
    found = np.array([scan.crossing(k) for k in range(6)])
    assert found[:4] == pytest.approx(zeros[:4], rel=1e-9)
    assert np.all(np.isinf(found[4:]))
    assert [scan.guess(k) for k in range(6)] == pytest.approx(found.tolist(), rel=1e-6)


def test_what_is_negative_at_the_largest_step_is_not_sought_in_between():
    """A function that falls off towards the largest argument and stays below zero is tried there first."""
    tried = []

    def excess(step):
        tried.append(step)
        return -1.0 / (1.0 + step)

    assert close_crossing(excess, 3.0, 100.0) == math.inf
    assert len(tried) <= 4
