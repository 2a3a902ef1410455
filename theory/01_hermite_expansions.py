# %% [markdown]
# # Hermite expansions of the activations
#
# **Assumptions.** $Z$ is standard normal and $\mathbb E f(Z)^2 < \infty$. The probabilists' Hermite
# polynomials are those of the generating function
#
# $$e^{tz - t^2/2} = \sum_{k \ge 0} \mathrm{He}_k(z)\, \frac{t^k}{k!},$$
#
# and $f = \sum_k c_k \mathrm{He}_k$ with $c_k = \mathbb E[f(Z)\, \mathrm{He}_k(Z)] / k!$.
#
# **Result.** The coefficients are the Taylor coefficients of the smoothed function, since $e^{tz - t^2/2}$ is
# the density of $N(t, 1)$ relative to that of $N(0, 1)$:
#
# $$F(t) := \mathbb E f(Z + t) = \mathbb E\bigl[f(Z)\, e^{tZ - t^2/2}\bigr] = \sum_k c_k\, t^k .$$
#
# So one Gaussian integral for each activation gives all coefficients at once.

# %%
import mpmath as mp
import numpy as np
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

z, t = sp.Symbol("z", real=True), symbolic.symbol("t")
k = symbolic.symbol("k")


def mean(function, low=-sp.oo, high=sp.oo):
    """Integral of a function against the density of N(t, 1)."""
    density = sp.exp(-((z - t) ** 2) / 2) / sp.sqrt(2 * sp.pi)
    return sp.integrate(sp.expand(function * density), (z, low, high)).rewrite(sp.erf)


def same(left, right):
    return sp.simplify(sp.expand((left - right).rewrite(sp.erf))) == 0


# %% [markdown]
# ## ReLU, and what is made of it
#
# $F$ is the mean of the positive part of a Gaussian of mean $t$.

# %%
relu = mean(z, low=0)
relu

# %%
assert same(relu, symbolic.smoothed("relu"))

# %% [markdown]
# $F''$ is the Gaussian density at $t$: the second derivative of ReLU is a point mass at zero. Its Taylor
# coefficients are those of $e^{-t^2/2}$, and two integrations give the coefficients of ReLU. Written with the
# Gamma function, one expression covers all degrees; its poles are the odd degrees from 3 on, where the
# coefficients vanish.

# %%
assert sp.simplify(sp.diff(relu, t, 2) - sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi)) == 0
symbolic.hermite("relu")

# %% [markdown]
# $|z| = \mathrm{relu}(z) + \mathrm{relu}(-z)$, and the leaky ReLU is
# $\tfrac{99}{100}\, \mathrm{relu}(z) + \tfrac1{100}\, z$. The exponential part of ELU is another Gaussian
# integral.

# %%
elu = mean(z, low=0) + mean(sp.exp(z) - 1, high=0)
assert same(elu, symbolic.smoothed("elu"))

# %% [markdown]
# ## erf, sign and GELU
#
# For these it is easier to integrate the derivative, $F'(t) = \mathbb E f'(Z + t)$, and fix the constant at
# $t = 0$.

# %%
erf_slope = mean(2 / sp.sqrt(sp.pi) * sp.exp(-(z**2)))
assert sp.simplify(erf_slope - sp.diff(symbolic.smoothed("erf"), t)) == 0
erf_slope

# %% [markdown]
# The sign is the limit of $\mathrm{erf}(z/\epsilon)$; directly, $F(t) = P(Z + t > 0) - P(Z + t < 0)$. The
# second derivative of GELU, $z\,\Phi(z)$, is $(2 - z^2)$ times the Gaussian density: a polynomial times a
# Gaussian.

# %%
sign = mean(sp.Integer(1), low=0) - mean(sp.Integer(1), high=0)
assert same(sign, symbolic.smoothed("sign"))
gelu_curvature = mean((2 - z**2) * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi))
gelu = symbolic.smoothed("gelu")
assert sp.simplify(sp.diff(gelu, t, 2) - gelu_curvature) == 0
# At t = 0: E Z Phi(Z) = E phi(Z) = 1 / (2 sqrt(pi)), and E gelu'(Z) = E Phi(Z) + E Z phi(Z) = 1/2.
assert gelu.subs(t, 0) == 1 / (2 * sp.sqrt(sp.pi))
assert sp.diff(gelu, t).subs(t, 0) == sp.Rational(1, 2)
gelu

# %% [markdown]
# ## Sine and cosine
#
# $\mathbb E e^{i(Z + t)} = e^{-1/2} e^{it}$, so a wave is only damped.

# %%
sine = sp.simplify(sp.exp(-sp.Rational(1, 2)) * (sp.exp(sp.I * t) - sp.exp(-sp.I * t)) / (2 * sp.I))
assert sp.simplify((sine - symbolic.smoothed("sin")).rewrite(sp.exp)) == 0
symbolic.hermite("sin")

# %% [markdown]
# ## Polynomials, and polynomials times Gaussians
#
# Completing the square in $P(z)\, e^{-az^2/2 + bz}$ against the density of $N(t, 1)$ leaves a Gaussian of
# variance $v = 1/(1 + a)$ and mean $v\,(t + b)$:
#
# $$F(t) = \sqrt v\; e^{\frac12 v (t + b)^2 - \frac12 t^2}\; \mathbb E\, P\bigl(v (t + b) + \sqrt v\, Z\bigr),$$
#
# a polynomial times an exponential of a quadratic. For $a = b = 0$ it is a polynomial, and the expansion
# ends.

# %%
bump = (z**3 - 2 * z + 1) * sp.exp(-(z**2) / 2 + z / 3)
coefficients = symbolic.hermite_coefficients(bump, 6)
he = [sp.hermite_prob(degree, z) for degree in range(7)]
weight = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
with mp.workdps(30):
    for degree, coefficient in enumerate(coefficients):
        integrand = sp.lambdify(z, bump * he[degree] * weight / sp.factorial(degree), "mpmath")
        # Quadrature at 30 digits of an entire function; beyond 15 it is below exp(-200).
        assert abs(mp.quad(integrand, [-15, -5, 0, 5, 15]) - sp.N(coefficient, 30)) < mp.mpf(10) ** -25
coefficients[3]

# %%
polynomial = sum((degree + 1) * he[degree] for degree in range(5))
assert symbolic.hermite_coefficients(sp.expand(polynomial), 6) == (1, 2, 3, 4, 5, 0, 0)

# %% [markdown]
# ## The library has the same coefficients
#
# The formula in $k$ is the Taylor coefficient of $F$ for each activation. The coefficients that predictions
# use, in double precision, are these numbers; where the library integrates numerically, its stated error
# bound covers the difference.

# %%
ORDER = 7
differences = {}
for name in ("relu", "leaky_relu", "abs", "elu", "identity", "erf", "sign", "gelu", "sin", "cos"):
    exact = symbolic.hermite_coefficients(name, ORDER)
    if name != "elu":
        general = symbolic.hermite(name)
        assert all(sp.simplify(general.subs(k, j) - c) == 0 for j, c in enumerate(exact))
    network = rs.Setting(
        n=100,
        d=50,
        width=50,
        activation="relu",
        target=name,
        ridge=0.1,
        step_size=1.0,
    )
    expansion = network.target_expansion
    numbers = np.array([float(c) for c in exact])
    excess = np.abs(expansion.coefficients[: ORDER + 1] - numbers) - expansion.error[: ORDER + 1]
    differences[name] = float(excess.max())

# The rounding of the exact numbers themselves, none of which exceeds 1 in size.
assert max(differences.values()) < 2e-16
