"""Formulas of `derive` against quadrature, their defining equations, and numbers of the paper's setting."""

import math
from collections.abc import Mapping
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from numpy.polynomial import hermite_e

from rmt_spikes.setting import Setting
from rmt_spikes.theory import limit_losses
from rmt_spikes.theory.symbolic import derive, symbol

# d/n = .3, d/N = .6, ridge .01, centred ReLU, He_1 + He_2 / sqrt 2 without noise.
PHI, PSI, RIDGE = 0.3, 0.6, 0.01
M_1, M_2 = 27.444656, 8.479930
C_1, TAIL = 0.5, 0.5 - 0.25 - 1.0 / (2.0 * math.pi)


def numbers(quantity: str, given: Mapping[str, Any] | None = None, **values: float) -> float:
    expression = derive(quantity, **(given or {})).expression
    return float(expression.subs({symbol(name): value for name, value in values.items()}))


def published(spikes: int, target: tuple[float, float], energy: float) -> float:
    """An improvement in the setting above, `M_1` and `M_2` being what the paper calls m_1 and m_2."""
    norm2 = target[0] ** 2 + PHI * energy
    values = {"c_star_1": target[0], "c_star_2": target[1], "rho": target[0] ** 2 / norm2, "chi": 0.0}
    kappa = PHI / (PSI * M_1)
    given = {"spikes": spikes, "features": "published"}
    return numbers("improvement", given, lambda_=RIDGE, kappa=kappa, mu=M_2 / M_1, **values)


@pytest.mark.parametrize("degree", range(9))
def test_hermite_coefficients_of_relu(degree: int) -> None:
    with mpmath.workdps(30):
        hermite = np.polynomial.hermite_e.herme2poly([0] * degree + [1])[::-1].tolist()
        integral = mpmath.quad(
            lambda z: z * mpmath.polyval(hermite, z) * mpmath.npdf(z), [0, 2, 5, 10, 20]
        ) / mpmath.factorial(degree)
        exact = derive("hermite-relu").expression.subs(symbol("k"), degree)
        # Quadrature at 30 digits of a smooth function.
        assert abs(mpmath.mpf(str(sympy.N(exact, 30))) - integral) < mpmath.mpf(10) ** -25


@pytest.mark.parametrize("degree", range(1, 7))
def test_feature_is_the_heat_evolved_monomial(degree: int) -> None:
    z, weights = hermite_e.hermegauss(12)
    for q, chi in [(0.0, 0.5), (1.3, 0.0), (-0.7, 2.0)]:
        mean = weights @ (q + math.sqrt(chi) * z) ** degree / weights.sum()
        # Gauss quadrature with 12 nodes is exact for polynomials of degree 6: rounding only.
        assert numbers(f"feature-{degree}", q=q, chi=chi) == pytest.approx(mean, rel=1e-12, abs=1e-12)


def test_feature_two_is_shifted() -> None:
    assert derive("feature-2").text() == "p_2 = chi + q**2"
    assert derive("feature-2").latex() == r"p_2 = \chi + q^{2}"


def test_latent_variables_of_the_headline() -> None:
    energy = 1.0 + 0.5**2 * 2.0 + 0.25
    norm2 = numbers("beta-norm2", c_star_1=1.0, phi=0.5, E_y2=energy)
    assert norm2 == 1.875
    assert numbers("beta-cosine2", c_star_1=1.0, phi=0.5, E_y2=energy) == pytest.approx(1.0 / 1.875)
    # Var of the step function is 1/4, c_1 = 1/2: chi = phi E y^2 / B.
    chi = numbers("chi", phi=0.5, E_y2=energy, V=0.25, c_1=0.5, B=norm2)
    assert chi == pytest.approx(0.875 / 1.875)
    shift = numbers("shift", c_1=0.5, theta=0.3, B=norm2)
    assert numbers("inflation", theta=0.3, phi=0.5, E_y2=energy, V=0.25) == pytest.approx(chi * shift**2)


def test_trace_solves_the_marchenko_pastur_equation() -> None:
    gamma, kappa = 1.7, 0.3
    g = numbers("marchenko-pastur", gamma=gamma, kappa=kappa, c_1=C_1, c_tail2=TAIL)
    # Silverstein's form: 1/g = kappa + c_tail2 + c_1^2 / (1 + gamma c_1^2 g), and g > 0.
    assert 1.0 / g == pytest.approx(kappa + TAIL + C_1**2 / (1.0 + gamma * C_1**2 * g), rel=1e-12)


def test_trace_is_that_of_a_random_matrix() -> None:
    rng = np.random.default_rng(5)
    width, d = 900, 600
    rows = rng.standard_normal((width, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(C_1**2 * rows @ rows.T)
    trace = np.mean(1.0 / (np.maximum(eigenvalues, 0.0) + TAIL + 0.3))
    g = numbers("marchenko-pastur", gamma=width / d, kappa=0.3, c_1=C_1, c_tail2=TAIL)
    # Linear statistics fluctuate like 1/N; measured difference 5e-4.
    assert g == pytest.approx(trace, rel=3e-3)


def test_ridge_and_mu_give_the_numbers_of_the_paper() -> None:
    kappa = PHI / (PSI * M_1)
    g = numbers("marchenko-pastur", gamma=1.0 / PSI, kappa=kappa, c_1=C_1, c_tail2=TAIL)
    # The references have 8 digits.
    assert numbers("ridge", kappa=kappa, ratio=PHI / PSI, g=g) == pytest.approx(RIDGE, rel=1e-6)
    mu = numbers("mu", gamma=1.0 / PSI, kappa=kappa, g=g, c_tail2=TAIL)
    assert mu == pytest.approx(M_2 / M_1, rel=1e-6)


def test_published_improvements() -> None:
    # Six digits of each loss: twice their rounding.
    assert published(1, (1.0, 0.0), 2.0) == pytest.approx(0.718492 - 0.612493, abs=1e-6)
    two = published(2, (1.0, 1.0 / math.sqrt(2.0)), 2.0)
    assert two == pytest.approx(0.718492 - 0.469552, abs=1e-6)


def test_second_improvement_is_corrected() -> None:
    chi = symbol("chi")
    gain = [derive(f"improvement-{k}").expression for k in (1, 2)]
    extra = sympy.simplify(gain[1] - gain[0])
    c_2, rho = symbol("c_star_2"), symbol("rho")
    expected = symbol("lambda_") / symbol("kappa") * 4 * c_2**2 * rho**2 / (2 + (1 + chi) ** 2)
    assert sympy.simplify(extra - expected) == 0


@pytest.mark.parametrize("degree", range(1, 7))
def test_improvement_is_a_projection(degree: int) -> None:
    """``b^T Gamma^{-1} b`` with inner products by quadrature instead of Hermite coefficients."""
    mu, rho, chi, kappa = 0.4, 0.6, 0.35, 0.2
    target = [0.0, 1.0, 0.7, -0.4, 0.2, 0.1, -0.05][: degree + 1]
    q, weights = hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    z, z_weights = hermite_e.hermegauss(12)
    spread = q[:, None] + math.sqrt(chi) * z
    rows = [(spread**k) @ z_weights / z_weights.sum() for k in range(1, degree + 1)]
    teacher = hermite_e.hermeval(q, [c * rho ** (j / 2) for j, c in enumerate(target)])

    def inner(f: np.ndarray, g: np.ndarray) -> float:
        linear = (weights @ (f * q)) * (weights @ (g * q))
        return float(weights @ (f * g) - (1.0 - mu) * linear)

    gram = np.array([[inner(f, g) for g in rows] for f in rows])
    signal = np.array([inner(f, teacher) for f in rows])
    expected = RIDGE / kappa * signal @ np.linalg.solve(gram, signal)
    values = {f"c_star_{j}": target[j] for j in range(1, degree + 1)}
    got = numbers(f"improvement-{degree}", lambda_=RIDGE, kappa=kappa, mu=mu, rho=rho, chi=chi, **values)
    # The Gram matrix of monomials of degree 6 has a condition number near 1e5.
    assert got == pytest.approx(expected, rel=1e-9)
    bare = numbers(f"improvement-{degree}", lambda_=RIDGE, kappa=kappa, mu=mu, rho=rho, chi=0.0, **values)
    given = {"features": "published"}
    same = numbers(f"improvement-{degree}", given, lambda_=RIDGE, kappa=kappa, mu=mu, rho=rho, **values)
    assert same == pytest.approx(bare, rel=1e-12)


@pytest.mark.parametrize("features", ["corrected", "published"])
def test_improvement_is_that_of_the_numerical_limit(features: str) -> None:
    setting = Setting(
        n=1000, d=400, width=700, activation={"hermite": [0, 1, 0.4, 0.3]},
        target={"hermite": [0, 1, 0.6, 0.3]}, ridge=0.05, step_size=1.0,
    )  # fmt: skip
    before, after = (limit_losses(setting, features, degree=k).objective for k in (0, 3))
    activation = setting.activation_expansion
    norm2 = numbers("beta-norm2", c_star_1=1.0, phi=setting.phi, E_y2=setting.label_energy)
    kappa = mpmath.findroot(lambda x: _ridge(setting, float(x)) - setting.ridge, setting.ridge + 0.1)
    g = _trace(setting, float(kappa))
    labels = {"phi": setting.phi, "E_y2": setting.label_energy, "B": norm2}
    chi = numbers("chi", V=activation.derivative_variance, c_1=activation.coefficients[1], **labels)
    values = {"c_star_1": 1.0, "c_star_2": 0.6, "c_star_3": 0.3, "rho": 1.0 / norm2, "chi": chi}
    mu = numbers("mu", gamma=setting.gamma, kappa=float(kappa), g=g, c_tail2=activation.tail)
    # Both in double precision, the root to 1e-15.
    given = {"spikes": 3, "features": features}
    got = numbers("improvement", given, lambda_=setting.ridge, kappa=float(kappa), mu=mu, **values)
    assert got == pytest.approx(before - after, rel=1e-8)


def _trace(setting: Setting, kappa: float) -> float:
    activation = setting.activation_expansion
    given = {"c_1": float(activation.coefficients[1]), "c_tail2": float(activation.tail)}
    return numbers("marchenko-pastur", gamma=setting.gamma, kappa=kappa, **given)


def _ridge(setting: Setting, kappa: float) -> float:
    return numbers("ridge", kappa=kappa, ratio=setting.ridge_ratio, g=_trace(setting, kappa))
