"""Activations that only an untrained first layer may have: without a linear part, or with jumps."""

import math

import numpy as np
import pytest
from refusals import refused
from scipy.optimize import brentq
from scipy.stats import chi2

import rmt_spikes as rs

LOSSES = ("objective", "train", "test")
RANDOM = rs.Setting(
    n=400, d=300, width=200, activation="tanh", target="sign", center=False, ridge=0.01, step_size=0
)  # fmt: skip
JUMPS = ("sign", "step")
EVEN = ("abs", "cos")


@pytest.mark.parametrize("activation", [*JUMPS, *EVEN])
def test_losses_of_random_features(activation):
    """Within 2.5 standard errors and 1 %, what is of order ``1/n``; those of `tanh` are rejected."""
    setting = RANDOM.replace(activation=activation)
    trials = rs.simulate(setting, trials=16, seed=3, top=1).trials
    predicted, wrong = rs.predict_losses(setting), rs.predict_losses(RANDOM)
    far = []
    for loss in LOSSES:
        seen = np.array([getattr(trial, loss) for trial in trials])
        allowed = 2.5 * seen.std(ddof=1) / math.sqrt(seen.size) + 0.01 * seen.mean()
        assert abs(getattr(predicted, loss) - seen.mean()) < allowed, loss
        far.append(abs(getattr(wrong, loss) - seen.mean()) > allowed)
    assert any(far)


def test_an_even_activation_learns_nothing_of_an_odd_target():
    """The kernel of the features is even, and the readout of a large ridge is 0."""
    setting = RANDOM.replace(activation="abs", center=True, ridge=1e3)
    losses = rs.predict_losses(setting)
    assert losses.test == pytest.approx(1.0, abs=2e-3)  # ridge 1000 times the variance of a feature


@pytest.mark.parametrize("method", ["uniform", "closed_form", "limit"])
@pytest.mark.parametrize("activation", [*JUMPS, *EVEN, {"expression": "sqrt(abs(z))"}])
def test_the_spectrum_has_mass_one(activation, method):
    bulk = rs.predict(RANDOM.replace(activation=activation), method=method).bulk
    assert bulk.mass == pytest.approx(1.0, abs=1e-8)


QUARTIC = RANDOM.replace(activation={"hermite": [0, 0, 0, 0, 1 / math.sqrt(24)]}, d=3000)
"""``He_4`` is neither linear nor quadratic: features are noise."""


def test_the_bulk_without_a_linear_part_is_that_of_marchenko_and_pastur():
    """With edges ``1 +- sqrt(N/n)``, where the norms of samples are taken to be equal."""
    edges = rs.predict(QUARTIC, method="closed_form").bulk.edges
    root = math.sqrt(QUARTIC.ridge_ratio)
    np.testing.assert_allclose(edges, [[1 - root, 1 + root]], rtol=1e-9)


def test_norms_of_samples_move_the_edges_of_noise():
    """Rows of variance ``E He_4(rho z)^2 / 24`` given ``rho^2``, with ``z`` a coordinate on a sphere.

    Edges are where ``z(m) = -1/m + E v / (1 + N v m / n)`` turns (Silverstein and Choi). They move by 4e-3,
    and are right to 1e-4: three nodes of the norm.
    """
    d, (share, weights) = QUARTIC.d, np.polynomial.legendre.leggauss(400)
    s, weights = chi2.ppf(0.5 * (share + 1.0), d) / d, 0.5 * weights
    fourth, sixth = d / (d + 2.0), d**2 / ((d + 2.0) * (d + 4.0))
    eighth = sixth * d / (d + 6.0)
    v = (105.0 * eighth * s**4 - 180.0 * sixth * s**3 + 126.0 * fourth * s**2 - 36.0 * s + 9.0) / 24.0
    assert weights @ v == pytest.approx(1.0, rel=1e-5)
    ratio = QUARTIC.ridge_ratio

    def slope(m):
        return 1.0 / m**2 - ratio * float(weights @ (v / (1.0 + ratio * v * m)) ** 2)

    def place(m):
        return -1.0 / m + float(weights @ (v / (1.0 + ratio * v * m)))

    root = math.sqrt(ratio)
    # Those of equal norms are next to them.
    equal = (1.0 / (root * (1.0 - root)), -1.0 / (root * (1.0 + root)))
    expected = [math.sqrt(place(brentq(slope, 0.95 * m, 1.05 * m))) for m in equal]
    edges = rs.predict(QUARTIC, method="uniform").bulk.edges
    np.testing.assert_allclose(edges, [expected], rtol=1e-4)
    assert abs(expected[1] / (1.0 + root) - 1.0) > 3e-3


def test_with_a_step_they_are_refused():
    for activation in EVEN:
        with refused("activation", "c_1", "step_size = 0"):
            RANDOM.replace(activation=activation, step_size=1)
    for activation in JUMPS:
        with refused("activation", "continuous", "step_size = 0"):
            RANDOM.replace(activation=activation, step_size=1)
    with refused("activation"):
        rs.critical_step_sizes(RANDOM.replace(activation="cos"))
    with refused("digits", "c_1"):
        rs.predict(RANDOM.replace(activation="cos"), digits=20)
    with refused("activation", "constant"):
        RANDOM.replace(activation={"expression": "2"})
