"""Polynomials on pieces of the line, against the functions that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.functions.piecewise import Pieces, pieces

Array = NDArray[np.float64]

ENDS = np.array([-3.0, 0.0, 50.0])
POINTS = np.linspace(-3.0, 50.0, 2001).reshape(3, 667)


def waves(x: Array) -> tuple[Array, Array]:
    """``sin x`` and a narrow bump, and the coefficients that do not count."""
    return np.stack([np.sin(x), 1.0 / (1.0 + 100.0 * (x - 7.0) ** 2)]), np.full((2, *x.shape), 1e-11)


@pytest.fixture(scope="module")
def found() -> Pieces:
    """The waves on pieces."""
    return pieces(waves, ENDS)


def test_values_are_those_of_the_functions(found: Pieces) -> None:
    """Coefficients of degree eight and nine are below 1e-11, and those beyond fall further."""
    values = found.at(found.places(POINTS))
    np.testing.assert_allclose(values, waves(POINTS)[0], atol=1e-11)


def test_second_derivatives_are_those_of_the_functions(found: Pieces) -> None:
    """The derivatives of the bump are ``O(100)`` times larger."""
    derivatives = found.second_derivatives()
    sine, bump = derivatives.at(derivatives.places(POINTS))
    u = 10.0 * (POINTS - 7.0)
    np.testing.assert_allclose(sine, -np.sin(POINTS), atol=1e-7)
    np.testing.assert_allclose(bump, 200.0 * (3.0 * u**2 - 1.0) / (1.0 + u**2) ** 3, atol=1e-5)


def test_pieces_are_short_where_a_function_bends(found: Pieces) -> None:
    """The bump of width .1 asks for shorter pieces than the sine, whose own are alike."""
    halves = 1.0 / found.scales
    near = np.abs(found.middles - 7.0) < 0.1
    assert halves[near].max() < 0.1
    assert halves[np.abs(found.middles - 7.0) > 5.0].min() > 0.15


def test_a_polynomial_needs_no_more_pieces_than_are_given() -> None:
    """A polynomial of degree seven is itself on each of them."""

    def power(x: Array) -> tuple[Array, Array]:
        return (x**7)[None], 1e-10 * np.full((1, *x.shape), 50.0**7)

    found = pieces(power, ENDS)
    assert found.middles.tolist() == [-1.5, 25.0]
    np.testing.assert_allclose(found.at(found.places(POINTS))[0], POINTS**7, atol=1e-13 * 50.0**7)


def test_a_wave_that_is_too_fast_is_refused() -> None:
    """It takes too many pieces."""

    def wave(x: Array) -> tuple[Array, Array]:
        return np.sin(1e9 * x**2)[None], np.full((1, *x.shape), 1e-9)

    with pytest.raises(ConvergenceError, match="do not resolve"):
        pieces(wave, ENDS)
