# %% [markdown]
# # Fluctuations of a spike between networks
#
# **Assumptions.** Those of the [resolvent functional](08_resolvent_functional.py), mean-field output scale.
# To order $n^{-1/2}$ a spike far from the edge moves because the variables fluctuate that the theory takes at
# their limits; the randomness of the two matrices themselves adds less.
#
# **Result.** The independent sources are: the projection $b = \frac1n\sum_i r_i u_i$ together with the energy
# $e = \frac1n\sum_i r_i^2$ (correlated; $u = \langle\beta_*, x\rangle$); the norm of the rest of $\beta$,
# $\phi e$ with relative variance $2/d$; and the empirical laws of $\alpha$ and $q$ along their orthonormal
# polynomials, of variances $1/N$ and $1/\tilde n$. The standard deviation follows by the delta method.

# %%
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

u, v = sp.symbols("u varepsilon", real=True)


def gaussian_mean(expression, *variables):
    """Mean over independent standard normal variables of a polynomial."""
    for x in variables:
        terms = sp.Poly(sp.expand(expression), x).terms()
        expression = sum(c * (sp.factorial2(p - 1) if p else 1) for (p,), c in terms if p % 2 == 0)
    return sp.expand(expression)


# %% [markdown]
# ## The first batch
#
# $\beta = b\,\beta_* + $ a Gaussian vector in the $d - 1$ other directions, whose entries have, given the
# residuals, the variance $e/n$. Its squared norm is $\frac en$ times a chi-square with $d - 1$ degrees of
# freedom: $\phi e$ with relative variance $2/d$. $b$ and $e$ are averages over samples. For a teacher of
# degree two with noise:

# %%
c_1, c_2, noise = sp.symbols("c_*1 c_*2 sigma_epsilon", positive=True)
residual = c_1 * u + c_2 * (u**2 - 1) + noise * v
b, e = gaussian_mean(residual * u, u, v), gaussian_mean(residual**2, u, v)
variance_b = gaussian_mean(residual**2 * u**2, u, v) - b**2
variance_e = gaussian_mean(residual**4, u, v) - e**2
covariance = gaussian_mean(residual**3 * u, u, v) - b * e
sp.Matrix([[variance_b, covariance], [covariance, variance_e]])

# %% [markdown]
# So $\lVert\beta\rVert^2 = b^2 + \phi e\,(1 + \sqrt{2/d}\,\zeta)$ has, with $\phi = d/n$, $n$ times the
# variance

# %%
phi = sp.Symbol("phi", positive=True)
variance_norm = 4 * b**2 * variance_b + 4 * b * phi * covariance + phi**2 * variance_e + 2 * phi * e**2
sp.factor(variance_norm.subs(c_2, 0))

# %% [markdown]
# ## Empirical laws
#
# An average over $N$ draws, $\frac1N \sum_j f(\alpha_j)$, differs from $\mathbb E f$ by $N^{-1/2}$ times a
# normal variable of variance $\mathrm{Var} f = \sum_{k \ge 1} \langle f, \pi_k\rangle^2$, with the
# orthonormal polynomials $\pi_k$ of the law. So the empirical law is the law times
# $1 + N^{-1/2} \sum_k \zeta_k \pi_k$ with independent standard normal $\zeta_k$. For $f = \alpha^2$ and
# $\alpha$ normal, $\pi_2 = \mathrm{He}_2/\sqrt2$ alone counts:

# %%
square = u**2
coefficients = [gaussian_mean(square * sp.hermite_prob(k, u), u) / sp.sqrt(sp.factorial(k)) for k in range(5)]
assert sum(c**2 for c in coefficients[1:]) == gaussian_mean(square**2, u) - gaussian_mean(square, u) ** 2 == 2
coefficients

# %% [markdown]
# ## A spike in closed form
#
# For a linear activation with slope $c$ nothing but second moments of $\alpha$ and $q$ enters: the strength
# of section 5 is $a = c^2\,(c^2\eta^2 \lVert\beta\rVert^2\, \overline{\alpha^2} + \gamma)\, \overline{q^2}$
# at any step size, and the spike is at $z(a)$. Each factor fluctuates independently:

# %%
slope, eta, gamma, norm2, N, n_ridge, n = sp.symbols("c eta gamma B N n_ridge n", positive=True)
alpha2, q2 = sp.symbols("alpha2 q2", positive=True)
strength = slope**2 * (slope**2 * eta**2 * norm2 * alpha2 + gamma) * q2
typical = {alpha2: 1, q2: 1}
variance_a = (
    sp.diff(strength, norm2).subs(typical) ** 2 * variance_norm / n
    + sp.diff(strength, alpha2).subs(typical) ** 2 * 2 / N
    + sp.diff(strength, q2).subs(typical) ** 2 * 2 / n_ridge
)
a = symbolic.symbol("a")
names = {"gamma": gamma, "c_1": slope, "c_tail2": 0}
location = symbolic.spike_location().subs({symbolic.symbol(name): value for name, value in names.items()})
standard_deviation = sp.sqrt(variance_a) * sp.diff(location, a) / (2 * sp.sqrt(location))

# %% [markdown]
# (the last factor turns the eigenvalue into a singular value). The library moves every source by a finite
# step and solves the whole problem again:

# %%
deviations = []
for readout, step in (("gaussian", 4), ("gaussian", 40), ("rademacher", 40)):
    setting = rs.Setting(
        n=10**6,
        d=5 * 10**5,
        width=4 * 10**5,
        n_ridge=2 * 10**6,
        activation={"hermite": [0, 0.8]},
        target={"hermite": [0, 1, 0.5]},
        noise_std=0.5,
        readout=readout,
        ridge=0.05,
        step_size=float(step),
    )
    values = {c_1: 1, c_2: sp.Rational(1, 2), noise: sp.Rational(1, 2), phi: sp.Rational(1, 2), eta: step}
    values |= {
        slope: sp.Rational(4, 5),
        gamma: sp.Rational(4, 5),
        symbolic.symbol("ratio"): sp.Rational(1, 5),
    }
    values |= {n: 10**6, N: 4 * 10**5, n_ridge: 2 * 10**6}
    values[norm2] = (b**2 + phi * e).subs(values)
    values[a] = strength.subs(typical).subs(values)
    derived = standard_deviation
    if readout == "rademacher":
        # The square of a sign does not fluctuate.
        fixed = sp.diff(strength, alpha2).subs(typical) ** 2 * 2 / N
        derived = sp.sqrt(variance_a - fixed) * sp.diff(location, a) / (2 * sp.sqrt(location))
    library = rs.theory.spike_standard_deviations(setting)[0]
    deviations.append(abs(float(derived.subs(values)) / library - 1))

# One-sided steps of 1e-3 in each source, along which the spike is nearly linear: measured 1e-4.
assert max(deviations) < 1e-3
