"""Formulas that are written once: what is derived is what is run, and stable forms are forms of them."""

import mpmath as mp
import numpy as np
import pytest
from flint import arb, fmpq

import rmt_spikes as rs
from rmt_spikes.theory import formulas, symbolic
from rmt_spikes.theory.bulk.balls import midpoint, working_digits
from rmt_spikes.theory.bulk.certified_curve import CertifiedCurve
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.methods.uniform.channels import LevelChannel
from rmt_spikes.theory.methods.uniform.equations import FixedPoint

SETTING = rs.Setting(
    n=90, d=50, width=60, activation="relu", target={"hermite": [0.2, 1, 0.5]}, ridge=0.1, step_size=2.0
)
ONCE = {
    "beta_norm2": lambda p: p.latent.beta_norm2,
    "shift": lambda p: p.latent.shift,
    "chi": lambda p: p.latent.chi,
    "inflation": lambda p: p.latent.inflation,
    "effective_ridge": lambda p: p.solution.equivalent.kappa(0.7),
}
"""Formulas that have a quantity of the same name, and where a prediction shows them."""


@pytest.mark.parametrize(
    ("name", "digits"), [*((name, None) for name in ONCE), *((name, 20) for name in list(ONCE)[:4])]
)
def test_what_is_derived_is_what_is_run(monkeypatch, name, digits):
    """A formula that is doubled doubles the symbolic expression and the prediction alike."""

    def value():
        return float(ONCE[name](rs.predict(SETTING, method="closed_form", digits=digits)))

    expression, number = getattr(symbolic, name)(), value()
    formula = getattr(formulas, name)
    monkeypatch.setattr(formulas, name, lambda *args, **options: 2 * formula(*args, **options))
    assert getattr(symbolic, name)() == 2 * expression
    assert value() == pytest.approx(2 * number, rel=1e-14)


def points(count=20):
    """Random populations and effective ridges over many magnitudes, as exact doubles."""
    rng = np.random.Generator(np.random.PCG64(1))
    return [tuple(map(float, 10.0 ** rng.uniform(-2, 2, 5))) for _ in range(count)]


@pytest.mark.parametrize("point", points())
def test_stable_forms_are_forms_of_the_formulas(point):
    """The formulas cancel, and are taken in 50 digits. Measured 3e-16 for each quantity: rounding."""
    linear, tail, gamma, ratio, kappa = point
    equivalent = BulkEquivalent(linear, tail, gamma, ratio)
    g = equivalent.trace(kappa)
    with mp.workdps(50):
        exact = [mp.mpf(x) for x in point]
        population = exact[:3]
        root = formulas.marchenko_pastur(exact[4], *population, mp.sqrt)
        assert abs(g / root - 1) < 3e-15
        assert abs(formulas.effective_ridge(root, *population) / exact[4] - 1) < 1e-40
        mu = formulas.linear_share(exact[4], root, exact[1], exact[2])
        assert abs(formulas.linear_share_of_trace(root, exact[0], exact[2]) - mu) < 1e-40
        found = equivalent.point(kappa, g)
        slope = formulas.trace_slope(root, mu, exact[0], exact[2])
        assert abs(found.g_slope / slope - 1) < 3e-15
        ridge = formulas.ridge(exact[4], root, exact[3])
        # A ridge that is a difference of larger numbers keeps their rounding error.
        assert abs(found.ridge - ridge) < 3e-15 * exact[4] * max(1, exact[3])
        ridge_slope = formulas.ridge_slope(exact[4], root, slope, exact[3])
        assert abs(found.ridge_slope - ridge_slope) < 3e-15 * max(1, exact[3])
        a, b, d = formulas.curve(root, *population, exact[3])
        assert abs(-a * b / (root * d**2) + ridge) < 1e-40 * exact[4] * max(1, exact[3])


@pytest.mark.parametrize("point", points(6))
def test_places_of_spikes_and_certified_curves_are_those_of_the_formulas(point):
    linear, tail, gamma, ratio, strength = point
    strength += 1.1 * gamma * linear
    with mp.workdps(50):
        exact = [mp.mpf(x) for x in (linear, tail, gamma, ratio)]
        place = formulas.spike_location(mp.mpf(strength), *exact)
        equivalent = BulkEquivalent(linear, tail, gamma, ratio)
        assert abs(float(equivalent.location(np.array(-1.0 / strength))) / place - 1) < 1e-10
        with working_digits(50):
            ratios = (fmpq(*x.as_integer_ratio()) for x in (gamma, ratio))
            curve = CertifiedCurve(arb(linear), arb(tail), *ratios)
            z = curve.location(-curve.scale / arb(strength)) * curve.scale
            assert abs(midpoint(z) / place - 1) < 1e-40


def test_equations_of_one_readout_weight():
    """The right-hand sides of the fixed-point equations on one node."""
    m_1, m_noise, gamma, ratio, resolvent, omega, profile = 0.8, 0.5, 1.3, 0.7, 2.1, 0.4, 0.05
    one = np.ones(1)
    equations = FixedPoint(
        q_weights=one,
        a_weights=one,
        noise=m_noise**2 * np.ones((1, 1)),
        ratio=ratio,
        channels=(LevelChannel(m_1 * np.ones((1, 1)), gamma, np.ones((1, 1)), one),),
    )
    state = resolvent * one, omega * one
    sample, neuron = equations.inverses(np.asarray(profile), state, equations.responses(*state))
    v_1, v_noise = resolvent * m_1**2, resolvent * m_noise**2
    expected = formulas.sample_equation(profile, ratio, gamma, omega, m_1, m_noise, v_1)
    assert sample == pytest.approx(expected, rel=1e-14)
    assert neuron == pytest.approx(formulas.neuron_equation(gamma, omega, v_1, v_noise), rel=1e-14)
