"""Formulas of `derive` against quadrature, numbers by hand, and the numerical limit."""

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


def numbers(quantity: str, given: Mapping[str, Any] | None = None, **values: float) -> float:
    expression = derive(quantity, **(given or {})).expression
    return float(expression.subs({symbol(name): value for name, value in values.items()}))


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


@pytest.mark.parametrize("features", ["corrected", "published"])
def test_improvement_is_that_of_the_numerical_limit(features: str) -> None:
    setting = Setting(
        n=1000, d=400, width=700, activation={"hermite": [0, 1, 0.4, 0.3]},
        target={"hermite": [0, 1, 0.6, 0.3]}, ridge=0.05, step_size=1.0,
    )  # fmt: skip
    none, three = (limit_losses(setting, features, degree=degree).objective for degree in (0, 3))
    activation = setting.activation_expansion
    bulk = {"c_tail2": float(activation.tail), "gamma": setting.gamma}

    def trace(kappa: float) -> float:
        return numbers("marchenko-pastur", kappa=kappa, c_1=1.0, **bulk)

    def excess(kappa: float) -> float:
        return numbers("ridge", kappa=kappa, ratio=setting.ridge_ratio, g=trace(kappa)) - setting.ridge

    kappa = float(mpmath.findroot(lambda x: excess(float(x)), setting.ridge + 0.1))
    mu = numbers("mu", kappa=kappa, g=trace(kappa), **bulk)
    labels = {"phi": setting.phi, "E_y2": setting.label_energy}
    norm2 = numbers("beta-norm2", c_star_1=1.0, **labels)
    chi = numbers("chi", V=activation.derivative_variance, c_1=1.0, B=norm2, **labels)
    values = {"c_star_1": 1.0, "c_star_2": 0.6, "c_star_3": 0.3, "rho": 1.0 / norm2, "chi": chi}
    # Both in double precision, the root to 1e-15.
    given = {"spikes": 3, "features": features}
    got = numbers("improvement", given, lambda_=setting.ridge, kappa=kappa, mu=mu, **values)
    assert got == pytest.approx(none - three, rel=1e-8)
