"""Limits in a regime: published numbers, published formulas, and what they leave out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.functions.hermite import gaussian_moments
from rmt_spikes.theory import Features, limit_losses, regime_degree
from rmt_spikes.theory.bulk.equivalent import BulkEquivalent
from rmt_spikes.theory.limits import latent_polynomials
from rmt_spikes.theory.regimes import spike_degrees

QUADRATIC = {"hermite": [0.0, 1.0, 1 / math.sqrt(2)]}


EXAMPLE = rs.Setting(
    n=10_000, d=3_000, width=5_000, activation="relu", target=QUADRATIC, ridge=0.01, step_exponent=0.3
)
"""phi = .3, psi = .6, ridge .01, centred ReLU, no noise."""


def test_published_traces():
    """Solutions of MLHD's fixed-point equations, to the seven digits known."""
    point = BulkEquivalent.of(EXAMPLE).at_ridge(0.01)
    m_1 = 0.5 / point.kappa
    assert m_1 == pytest.approx(27.444656, abs=5e-7)
    assert point.mu * m_1 == pytest.approx(8.479930, abs=5e-7)


@pytest.mark.parametrize(
    ("degree", "objective", "test"),
    [(0, 0.718492, 2.165035), (1, 0.612493, 1.869265), (2, 0.469552, 1.428691)],
)
def test_published_limits(degree, objective, test):
    """Computed from the published closed forms by an independent program, to six digits."""
    losses = limit_losses(EXAMPLE, "published", degree=degree)
    assert losses.objective == pytest.approx(objective, abs=6e-7)
    assert losses.test == pytest.approx(test, abs=6e-7)


@given(
    phi=st.floats(0.1, 2.0), psi=st.floats(0.2, 2.0), ridge=st.floats(1e-3, 1.0), noise=st.floats(0.0, 1.0),
    quadratic=st.floats(0.1, 1.0),
)  # fmt: skip
def test_published_improvement_formulas(phi, psi, ridge, noise, quadratic):
    """``Delta_1`` and ``Delta_2`` as printed, and the corrected ``4 / (2 + (1 + chi)^2)``."""
    n, d, target = 100_000, round(phi * 100_000), {"hermite": [0, 1, quadratic]}
    setting = EXAMPLE.replace(n=n, d=d, width=round(d / psi), ridge=ridge, noise_std=noise, target=target)
    phi, psi = setting.phi, setting.psi
    point = BulkEquivalent.of(setting).at_ridge(ridge)
    m_1 = phi / psi / point.kappa
    m_2 = point.mu * m_1
    energy = 1 + 2 * quadratic**2 + noise**2
    b = 1 + phi * energy
    # ReLU: c_1 = 1/2 and E sigma'^2 = 1/2, so Var sigma' / c_1^2 = 1.
    chi = phi * energy / b
    first = psi * ridge * m_2 / (phi * b)
    expected = {"published": 4 / 3, "corrected": 4 / (2 + (1 + chi) ** 2)}
    for features, factor in expected.items():
        at = [limit_losses(setting, features, degree=k).objective for k in (0, 1, 2)]
        second = factor * psi * ridge * quadratic**2 * m_1 / (phi * b**2)
        assert at[0] - at[1] == pytest.approx(first, rel=1e-9)
        assert at[1] - at[2] == pytest.approx(second, rel=1e-8)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_teacher_without_linear_part_is_the_limit_of_a_small_one(degree):
    """Nothing of it is learnt in the degrees below two, and the correlation with the teacher is zero."""
    losses, near = (
        limit_losses(EXAMPLE.replace(target={"hermite": [0.0, linear, 1.0]}), degree=degree)
        for linear in (0.0, 1e-5)
    )
    for name in ("objective", "train", "test"):
        # Losses are even in the linear part: off by its square.
        assert getattr(losses, name) == pytest.approx(getattr(near, name), rel=1e-8)


def test_intercept_turns_four_thirds_into_two():
    """With ``c_0 != 0`` the constant is a free direction too: what is left of ``q^2`` is ``He_2``."""

    def gain(setting):
        one, two = (limit_losses(setting, "published", degree=k).objective for k in (1, 2))
        return one - two

    assert gain(EXAMPLE.replace(center=False)) / gain(EXAMPLE) == pytest.approx(2 / (4 / 3), rel=1e-10)


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 9])
def test_test_loss_is_the_derivative(degree):
    """``test = -kappa^2 d(objective/ridge)/dridge`` and train alike, by central differences."""
    setting = EXAMPLE.replace(activation="sigmoid", noise_std=0.3, target="tanh")
    point = BulkEquivalent.of(setting).at_ridge(setting.ridge)
    h = 1e-5 * setting.ridge
    ridges = setting.ridge + h, setting.ridge - h
    up, down = (limit_losses(setting.replace(ridge=r), degree=degree).objective / r for r in ridges)
    slope = (up - down) / (2 * h)
    losses = limit_losses(setting, degree=degree)
    assert losses.test == pytest.approx(-(point.kappa**2) * slope, rel=1e-6)  # h^2 and cancellation
    assert losses.train == pytest.approx(-(setting.ridge**2) * slope, rel=1e-6)


def test_infinitely_many_spikes_explain_the_latent_part():
    """As ``l`` grows the free directions span all functions of ``q``: the objective tends to what is left."""
    activation, target = {"expression": "exp(z/2)"}, {"hermite": [0, 1, 0.6, 0.3]}
    setting = EXAMPLE.replace(activation=activation, target=target, noise_std=0.2, center=False)
    point = BulkEquivalent.of(setting).at_ridge(setting.ridge)
    cosine = rs.predict(setting, method="closed_form").latent.beta_cosine
    explained = sum(math.factorial(k) * c**2 * cosine ** (2 * k) for k, c in enumerate([0, 1, 0.6, 0.3]))
    linear = (1 - cosine**2) * point.mu  # the linear part orthogonal to beta
    total = linear + setting.label_energy - explained - (1 - cosine**2)
    objective = limit_losses(setting, degree=12).objective
    assert objective == pytest.approx(setting.ridge / point.kappa * total, rel=1e-9)


REGIMES = {-0.5: 0, 0.0: 0, 0.01: 1, 0.25: 1, 0.2501: 2, 1 / 3: 2, 0.34: 3, 0.375: 3, 0.4: 4, 0.45: 9}


@pytest.mark.parametrize(("exponent", "degree"), REGIMES.items())
def test_regimes(exponent, degree):
    assert regime_degree(exponent) == degree
    if degree:
        assert (degree - 1) / (2 * degree) < exponent <= degree / (2 * degree + 2) + 1e-15


def test_no_regime_from_one_half_on():
    assert regime_degree(0.5) is None
    assert regime_degree(math.nan) is None
    for exponent in ("a", None):
        with refused("step_exponent", "number"):
            regime_degree(exponent)
    setting = EXAMPLE.replace(step_exponent=0.5)
    assert rs.predict(setting, method="closed_form").limits is None
    with pytest.raises(rs.DomainError, match="step_exponent"):
        rs.predict(setting, method="limit")


def test_degrees_that_exist():
    """Odd activations have no even spikes, ReLU no odd ones after the first; a sign has two powers."""
    assert spike_degrees(EXAMPLE, 6) == [1, 2, 4, 6]
    assert spike_degrees(EXAMPLE.replace(activation="tanh"), 6) == [1, 3, 5]
    assert spike_degrees(EXAMPLE.replace(center=False), 3) == [0, 1, 2]
    assert spike_degrees(EXAMPLE.replace(readout="rademacher"), 6) == [1, 2]
    assert spike_degrees(EXAMPLE.replace(readout="constant"), 6) == [1]
    assert rs.predict(EXAMPLE.replace(step_exponent=0.4), method="closed_form").regime.spike_count == 3


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_polynomials_are_heat_evolved_monomials(k):
    """``E (q + sqrt(chi) Z)^k`` by Gauss-Hermite quadrature, at a few points."""
    setting = EXAMPLE.replace(activation="softplus", center=False)
    chi = rs.predict(setting, method="closed_form").latent.chi
    polynomial = latent_polynomials(setting, [k])[0]
    z, w = np.polynomial.hermite_e.hermegauss(12)
    for q in (-1.3, 0.0, 0.7, 2.0):
        exact = np.sum(w * (q + math.sqrt(chi) * z) ** k) / np.sum(w)
        assert np.polynomial.polynomial.polyval(q, polynomial) == pytest.approx(exact, rel=1e-12, abs=1e-12)
    bare = latent_polynomials(setting, [k], Features.PUBLISHED)[0]
    assert bare == [0.0] * k + [1.0]


def test_polynomials_with_a_mean_of_the_labels():
    """With ``c_{*,0} != 0`` the rows grow along themselves: the exact mean feature as theta -> 0."""
    setting = EXAMPLE.replace(activation="softplus", center=False, target={"hermite": [0.7, 1.0]})
    activation = setting.activation_expansion.coefficients
    q, errors = 0.8, []
    polynomials = latent_polynomials(setting, [0, 1, 2])
    table = [activation[k] * np.polynomial.polynomial.polyval(q, p) for k, p in enumerate(polynomials)]
    slope = activation[1] * math.sqrt(rs.predict(setting, method="closed_form").latent.beta_norm2)
    for theta in (0.02, 0.01):
        moved = setting.replace(step_size=theta * math.sqrt(setting.width))
        variables = rs.predict(moved, method="closed_form").latent
        alpha = np.array([1.0])
        exact = gaussian_moments(
            setting.activation_function, variables.shift * alpha * q, variables.scale(alpha)
        ).first[0]
        series = sum(term * (theta * slope) ** k for k, term in enumerate(table))
        errors.append(abs(exact - series))
    # The series stops at theta^2, so the error falls by 2^3 = 8 when theta is halved (7 to 9 allows theta^4).
    assert 7 < errors[0] / errors[1] < 9


def test_second_feature_tends_to_the_heat_evolved_monomial():
    """The constant beside ``q^2`` in the second spike falls to ``chi`` as ``n`` grows, and not to zero."""
    excess = []
    for n in (10**4, 10**6, 10**8):
        setting = EXAMPLE.replace(n=n, d=3 * n // 10, width=n // 2, step_exponent=0.4)
        prediction = rs.predict(setting, method="closed_form")
        feature = prediction.spikes[1].feature
        constant = feature[0] / feature[2] * math.sqrt(2) - 1
        excess.append(constant / prediction.latent.chi - 1)
    # The next spike is smaller by n^{-0.1} only, so the approach is slow: about 0.6 a factor of 100.
    assert 0 < excess[2] < 0.8 * excess[1] < 0.64 * excess[0]
