"""Cosine sums against scipy's, and crossings of functions whose zeros are known."""

import math

import numpy as np
import pytest
from scipy.fft import dct

from rmt_spikes.theory.bulk.interval import cosine_sums
from rmt_spikes.theory.methods.thresholds import Scan, close_crossing
from rmt_spikes.theory.methods.uniform.density.rational import Rational


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


def test_a_rational_function_tells_what_a_series_does_not():
    """A branch point near the band: 31 values tell the rest to 1e-8, by a series of sines to 5e-4."""
    near = 1.12 * np.exp(0.7j)

    def function(t):
        w = np.exp(1j * np.asarray(t))
        return np.sqrt(1.0 - w / near) * np.sqrt(1.0 - w / near.conj())

    angles, fine = np.arange(1, 32) * np.pi / 32, np.linspace(0.0, np.pi, 1001)[1:-1]
    values, ends = function(angles), tuple(function([0.0, np.pi]).real)
    fit = Rational.through(angles, values, ends)
    assert fit(fine) == pytest.approx(function(fine), abs=1e-8)
    assert fit(angles) == pytest.approx(values, abs=1e-11)
    sines = 2.0 / 32 * np.sin(np.outer(np.arange(1, 32), angles)) @ values.imag
    assert np.max(np.abs(sines @ np.sin(np.outer(np.arange(1, 32), fine)) - function(fine).imag)) > 1e-4
