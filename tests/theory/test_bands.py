"""Bulks of many bands: they are followed from the top down, inside and across the gaps between them."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.channels import LevelChannel
from rmt_spikes.theory.methods.uniform.continuation import RealCurve
from rmt_spikes.theory.methods.uniform.density.edges import edge_of
from rmt_spikes.theory.methods.uniform.density.missing import place_in_a_gap
from rmt_spikes.theory.methods.uniform.density.states import CutStates
from rmt_spikes.theory.methods.uniform.density.walk import Walk
from rmt_spikes.theory.methods.uniform.equations import FixedPoint, State

COMB = {
    "n": 368753, "d": 17156, "width": 2736963, "activation": "tanh", "target": "selu", "noise_std": 0.5,
    "ridge": 0.005, "step_exponent": 0.5, "readout": "constant",
}  # fmt: skip
TWO_EDGES = {
    "n": 285, "d": 6238, "width": 65, "activation": "selu", "noise_std": 1.0, "ridge": 4.6e-6,
    "step_exponent": 0.25, "target": {"hermite": [-0.6103982489, -0.8810526326, 0.7652842892]},
}  # fmt: skip
CLOSE_EDGES = {
    "n": 540, "d": 62, "width": 126, "activation": "silu", "target": {"hermite": [0, 1, 0.3, 0.3]},
    "ridge": 0.051, "step_size": 1.303, "readout": "constant",
}  # fmt: skip


def covariance(levels, ratio):
    """Equations of rows of noise with variances `levels`, of equal shares, ``1 / ratio`` per column."""
    levels = np.array(levels)
    shares = np.full(levels.size, 1.0 / levels.size)
    none = LevelChannel(np.zeros((1, levels.size)), 1.0, np.ones((1, 1)), np.ones(1))
    return FixedPoint(shares, np.ones(1), levels[None], ratio, (none,))


def edges_of_covariance(levels, ratio):
    """Edges by Silverstein and Choi: extrema of ``z(u) = -ratio u (1 - E[t / (t + u)] / ratio)``."""
    levels = np.array(levels)
    below = np.poly1d(np.poly(-levels))
    parts = [t * np.poly1d(np.poly(-np.delete(levels, i))) for i, t in enumerate(levels)]
    mean = sum(parts, np.poly1d([0.0])) / levels.size
    above = np.poly1d([-1.0, 0.0]) * (ratio * below - mean)
    roots = (above.deriv() * below - above * below.deriv()).roots
    real = roots[np.abs(roots.imag) < 1e-9 * np.abs(roots)].real
    return np.sort(above(real) / below(real))


@pytest.mark.parametrize("levels", [(1.0, 10.0), (0.01, 1.0, 2.5, 40.0), 1.5 ** np.arange(0.0, 24.0, 4.0)])
def test_bands_are_those_of_a_covariance_with_levels(levels):
    ratio = 40.0
    equations, expected = covariance(levels, ratio), edges_of_covariance(levels, ratio)
    curve, states = RealCurve(equations, (-1.0, 1.0)), CutStates(equations)
    top = 4.0 * expected[-1]
    far = states.from_above(top)
    high = edge_of(curve, curve.follow(curve.at_eigenvalue(top, far.resolvent.real, far.omega.real, -1.0)))
    states.enter(high)
    found = Walk(states, float(expected[0])).bands(high.at)
    assert np.ravel(found) == pytest.approx(expected, rel=1e-9)
    assert states.gaps[::-1] == [(below, above) for (_, below), (above, _) in pairwise(found)]


def test_a_band_that_was_passed_over_is_found_in_its_gap():
    """Bands of a covariance with levels, of which one is left out; with all of them there is none."""
    levels, ratio = (0.01, 1.0, 2.5, 40.0), 40.0
    bands = edges_of_covariance(levels, ratio).reshape(-1, 2)
    assert len(bands) == len(levels)
    states = CutStates(covariance(levels, ratio))
    assert np.isnan(place_in_a_gap(SimpleNamespace(edges=np.sqrt(bands)), states))
    for i in (1, 2):
        found = place_in_a_gap(SimpleNamespace(edges=np.sqrt(np.delete(bands, i, axis=0))), states)
        assert bands[i, 0] < found < bands[i, 1]


@pytest.mark.parametrize("keywords", [COMB, TWO_EDGES, CLOSE_EDGES])
def test_there_is_spectrum_in_bands_alone(keywords):
    """Against solutions that come down from far above the axis, each on its own."""
    prediction = rs.predict(rs.Setting(**keywords))
    bulk, equations = prediction.bulk, prediction.solution.spectrum.cut.states.equations
    assert bulk.mass == pytest.approx(1.0, abs=2e-6)
    squares = bulk.edges**2
    gaps = np.sqrt(squares[:-1, 1] * squares[1:, 0]).tolist()
    for places, inside in ((gaps, False), ([1.1 * squares[-1, 1]], False), (squares.mean(axis=1), True)):
        for z in places:
            states = CutStates(equations)
            assert states.physical(states.from_above(float(z))) == inside


@pytest.mark.parametrize(("z", "ratio"), [(1.0, 0.5), (2.5, 0.5), (3.0, 2.0)])
def test_a_residual_is_of_the_equations(z, ratio):
    """Marchenko and Pastur: ``z R^2 + (z + 1 - ratio) R + 1 = 0``. A state that is off by 1e-6 is seen."""
    equations, profile = covariance([1.0], ratio), np.asarray(-complex(z))
    (right,) = (root for root in np.roots([z, z + 1.0 - ratio, 1.0]) if root.imag > 0.0)

    def state(resolvent):
        return State(np.array([resolvent]), np.array([1.0 / (1.0 + right)]), 0.0)

    assert equations.residual(profile, state(right)) < 1e-14
    assert equations.residual(profile, state(right * (1.0 + 1e-6))) == pytest.approx(1e-6, rel=0.5)
    near = equations.solve(profile, state(right * 1.01), tolerance=1e-10, fresh=False)
    assert abs(near.resolvent[0] / right - 1.0) < 1e-9
    assert equations.residual(profile, near) < 1e-9
