"""Guesses of states inside the spectrum: slopes and the interpolation between states."""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.density.angles import eigenvalue_at, slope_at
from rmt_spikes.theory.methods.uniform.density.guess import interpolated, newton_terms, with_slope
from rmt_spikes.theory.methods.uniform.density.states import CutStates
from rmt_spikes.theory.methods.uniform.equations import State
from rmt_spikes.theory.methods.uniform.pencil.levels import Pencil
from tests.theory.test_bands import covariance

RATIO = 0.5
EDGES = (1.0 - RATIO**0.5) ** 2, (1.0 + RATIO**0.5) ** 2


def marchenko_pastur(z):
    """Solution of ``z R^2 + (z + 1 - ratio) R + 1 = 0``, without the channels."""
    (right,) = (root for root in np.roots([z, z + 1.0 - RATIO, 1.0]) if root.imag > 0.0)
    return State(np.array([right]), np.array([1.0 / (1.0 + right)]), 0.0)


def with_parts(equations, z):
    state = marchenko_pastur(z)
    return equations.solve(np.asarray(-complex(z)), (state.resolvent, state.omega))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_polynomials_are_interpolated_exactly(count):
    """Through values and slopes at m nodes there is one polynomial of degree 2 m - 1."""
    random = np.random.default_rng(count)
    polynomial = np.poly1d(random.standard_normal(2 * count))
    nodes, x = random.uniform(-1.0, 1.0, count), 0.3
    known = np.stack([polynomial(nodes), polynomial.deriv()(nodes)], axis=1).ravel()
    terms = newton_terms(nodes, x) @ known
    assert terms.sum() == pytest.approx(polynomial(x), rel=1e-10)
    assert abs(terms[:-1].sum() - polynomial(x)) > 1e-5


@pytest.mark.parametrize("z", [0.3, 1.0, 2.5])
def test_slopes_of_marchenko_and_pastur(z):
    """``R' = -(R^2 + R) / (2 z R + z + 1 - ratio)`` by implicit differentiation."""
    equations = covariance([1.0], RATIO)
    slope = with_slope(equations, with_parts(equations, z)).slope
    r = marchenko_pastur(z).resolvent
    expected = -(r**2 + r) / (2.0 * z * r + z + 1.0 - RATIO)
    assert slope.resolvent == pytest.approx(expected, rel=1e-12)
    assert slope.omega == pytest.approx(-expected / (1.0 + r) ** 2, rel=1e-12)


@pytest.mark.parametrize("low", [EDGES[0], 0.0])
def test_speed_of_the_eigenvalue_in_the_angle(low):
    """A central difference of step 1e-5 is exact to 1e-10."""
    for angle in (0.2, 1.5, 3.0):
        steps = [eigenvalue_at(low, EDGES[1], angle + h) for h in (0.0, 1e-5, -1e-5)]
        speed = slope_at(low, EDGES[1], angle, steps[0])
        assert speed == pytest.approx((steps[1] - steps[2]) / 2e-5, rel=1e-7)


@pytest.mark.parametrize("angles", [(-1.0, 1.0, 3.0), (1.0, 2.0, 3.0)])
@pytest.mark.parametrize("middle", [1.5, 0.02])
def test_guesses_are_of_sixth_order(angles, middle):
    """Values and slopes at three states: half the distance leaves 1/64. At 0.02 of an edge, some mirrored."""
    equations, errors = covariance([1.0], RATIO), []
    for h in (0.1, 0.05):
        places = [eigenvalue_at(*EDGES, abs(middle + h * angle)) for angle in angles]
        near = [(z, with_slope(equations, with_parts(equations, z))) for z in sorted(places)]
        z = eigenvalue_at(*EDGES, middle)
        guess = interpolated(equations, EDGES, near, z)
        errors.append(abs(guess.resolvent[0] / marchenko_pastur(z).resolvent[0] - 1.0))
    assert errors[0] < 1e-5
    assert errors[1] < errors[0] / 20.0


def test_slopes_of_a_pencil_are_those_between_two_states():
    """A central difference of step 1e-4 is exact to 1e-7. By the matrix that led there: some 1e-3."""
    setting = rs.Setting(
        n=800, d=400, width=600, activation="relu", target={"hermite": [0.0, 1.0, 0.7]}, step_exponent=0.4,
        ridge=0.01,
    )  # fmt: skip
    equations = rs.predict(setting).solution.spectrum.cut.states.equations
    z, h = 1.0, 1e-4
    states = CutStates(equations)
    start = states.from_above(z)
    here, above, below = (
        equations.solve(np.asarray(-complex(at)), start) for at in (z, z * (1.0 + h), z * (1.0 - h))
    )
    rough = equations.solve(np.asarray(-complex(z)), above, tolerance=1e-10, fresh=False)
    for state, tolerance in ((State(here.resolvent, here.omega, 0.0, here.parts), 1e-6), (rough, 0.02)):
        slope = with_slope(equations, state).slope
        for value in (
            lambda x: x.resolvent,
            lambda x: x.omega,
            lambda x: x.parts[0].detail.levels.k,
            lambda x: x.parts[0].detail.levels.nu,
        ):
            expected = (value(above) - value(below)) / (2.0 * h * z)
            assert np.max(np.abs(value(slope) - expected)) < tolerance * np.max(np.abs(expected))
            assert np.max(np.abs(value(slope) + expected)) > np.max(np.abs(expected))


def test_samples_without_a_response_are_a_convergence_error(monkeypatch):
    """Their matrices are singular where one sample has left the bulk."""
    sizes = {"n": 300, "d": 150, "width": 200, "step_exponent": 0.4}
    setting = rs.Setting(**sizes, activation="relu", target="tanh", ridge=0.01)
    equations = rs.predict(setting).solution.spectrum.problem.equations
    start = np.ones(equations.q_weights.size), np.ones(equations.a_weights.size)

    def singular(*_):
        raise np.linalg.LinAlgError("Singular matrix")

    equations.responses(*start)
    monkeypatch.setattr(Pencil, "response_of", singular)
    with pytest.raises(rs.ConvergenceError, match="the response of the samples is singular"):
        equations.responses(*start)
