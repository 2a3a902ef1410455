# %% [markdown]
# # The two-level transition and the critical step of spike 1
#
# **Assumptions.** The bulk is that of untrained features ([quartic](04_bulk_quartic.py)): the shift $s$ tends
# to zero, while $N s^2$ stays of order one. Labels without a mean, mean-field output scale.
#
# **Result.** A latent direction of strength $a$ (its eigenvalue in the population covariance of the features,
# the bulk left out) makes an eigenvalue of $F F^\top/\tilde n$ at $z(g)$ with $g = -1/a$, provided that
# $a > -1/g_+$, where $g_+$ is the value of $g$ at the upper edge. Spike 1 has $a_1 = c_1^2 (N s^2 + \gamma)$,
# and leaves the bulk at the step
#
# $$\eta_1 = \frac{1}{c_1 \sqrt B} \sqrt{\frac{-1}{c_1^2 g_+} - \gamma} .$$

# %%
import mpmath as mp
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

names = ("a", "g", "kappa", "gamma", "ratio", "s", "q", "alpha", "g_edge", "B", "width")
a, g, kappa, gamma, ratio, s, q, alpha, g_edge, B, N = (symbolic.symbol(name) for name in names)
c_1, tail = symbolic.symbol("c_1"), symbolic.symbol("c_tail2")

# %% [markdown]
# ## First level: the population
#
# Let $\Sigma_0 = c_1^2 W_0 W_0^\top + c_{>1}^2$ be the covariance of untrained features and $a\, v v^\top$ an
# additional direction, $\lVert v\rVert = 1$, independent of $W_0$. By the matrix determinant lemma
# $\det(\Sigma_0 + a v v^\top + \kappa) = \det(\Sigma_0 + \kappa)\,(1 + a\, v^\top(\Sigma_0 + \kappa)^{-1} v)$,
# and the quadratic form concentrates on $g(\kappa)$. So the covariance has an eigenvalue $-\kappa$ where
# $1 + a\, g(\kappa) = 0$.

# %%
entries = sp.symbols("A11 A12 A22 v1 v2", real=True)
matrix = sp.Matrix([[entries[0], entries[1]], [entries[1], entries[2]]])
v = sp.Matrix(entries[3:])
lemma = (matrix + a * v * v.T).det() - matrix.det() * (1 + a * (v.T * matrix.inv() * v)[0])
assert sp.simplify(lemma) == 0

# %% [markdown]
# ## Second level: the sample
#
# The resolvent of $F F^\top/\tilde n$ at $z = -\lambda$ has that population resolvent at the effective ridge
# $\kappa(\lambda)$, so the pole $1 + a g = 0$ becomes an eigenvalue at $z = -\lambda(\kappa)$ with
# $\kappa = \kappa(g)$ at $g = -1/a$:

# %%
at_pole = symbolic.effective_ridge().subs(g, -1 / a)
location = -symbolic.ridge().subs(kappa, symbolic.effective_ridge()).subs(g, -1 / a)
assert sp.simplify(location - symbolic.spike_location()) == 0
symbolic.spike_location()

# %% [markdown]
# The curve $z(g)$ covers $z$ above the bulk once, for $g$ from $g_+ < 0$, where $dz/dg = 0$, to zero. So the
# pole is above the bulk exactly when $-1/a > g_+$, that is $a > -1/g_+$: at this value two transitions of
# Baik, Ben Arous and Péché, of the population and of the sample, have taken place. For infinitely many
# samples ($r = 0$) only the first is left, and $g_+$ has a closed form: $z = -\kappa(g)$ is stationary at
# $c_1^2 g_+ = -1/(\gamma + \sqrt\gamma)$.

# %%
slope = sp.diff(symbolic.effective_ridge(), g)
population_edge = -1 / (c_1**2 * (gamma + sp.sqrt(gamma)))
assert sp.simplify(slope.subs(g, population_edge)) == 0
edge = -symbolic.effective_ridge().subs(g, population_edge)
assert sp.simplify(edge - c_1**2 * (1 + sp.sqrt(gamma)) ** 2 - tail) == 0
edge.simplify()

# %% [markdown]
# (the upper edge of the Marchenko-Pastur law, shifted). In general $g_+$ is the largest negative root of the
# numerator of $dz/dg$, a polynomial:

# %%
z_of_g = -symbolic.ridge().subs(kappa, symbolic.effective_ridge())
numerator = sp.Poly(sp.numer(sp.together(sp.diff(z_of_g, g))), g)
numerator.degree()

# %% [markdown]
# ## The strength of spike 1
#
# The mean feature is $c_1 s \alpha q + O(s^2)$: for $\mathbb E\alpha^2 = 1$ it acts on functions of $q$ as
# $N c_1^2 s^2\, q q'$. Untrained rows also see $q$, through their component along $\hat\beta$, of variance
# $1/d$ each: $c_1^2 (N/d)\, q q'$. Rows and readout are independent, so the two add up:

# %%
learnt = N * (c_1 * s) ** 2
strength = sp.expand(learnt + gamma * c_1**2)
assert sp.expand(strength - symbolic.spike_strength()) == 0
symbolic.spike_strength()

# %% [markdown]
# With $N s^2 = c_1^2 \eta^2 B$ the condition $a_1 = -1/g_+$ can be solved for the step:

# %%
eta = sp.Symbol("eta", positive=True)
theta = eta / sp.sqrt(N)
a_of_step = strength.subs(s, symbolic.shift().subs(symbolic.symbol("theta"), theta))
critical = symbolic.critical_step()
assert sp.simplify(a_of_step.subs(eta, critical) + 1 / g_edge) == 0
critical

# %% [markdown]
# and for infinitely many samples $\eta_1 = \gamma^{1/4}/(|c_1| \sqrt B)$: a wide network needs a larger step.

# %%
many = critical.subs(g_edge, population_edge)
assert sp.simplify(many - gamma ** sp.Rational(1, 4) / (sp.Abs(c_1) * sp.sqrt(B))) == 0

# %% [markdown]
# ## Vectors
#
# Near the pole the resolvent is $\frac1\kappa (1 + a g)^{-1}$ along the direction. Its residue in $z$ is the
# squared projection of the left singular vector on the latent function (here $q$):
# $\langle u, q\rangle^2 = -1/(\kappa D)$ with $D = a\, dg/dz$.

# %%
overlap2 = -1 / (at_pole * a * (1 / sp.diff(z_of_g, g)).subs(g, -1 / a))

# %% [markdown]
# ## The library
#
# An odd activation has no other direction of comparable strength. The library keeps the latent part to all
# orders in $s$; the difference to leading order must fall like $1/N$ (the third-order part of the mean
# feature, relative to the first, is of order $s^2$).

# %%
COEFFICIENTS = [0, 0.8, 0, 0.1]
errors = {"location": [], "alignment": [], "step": []}
sizes = (10**4, 10**6)
for size in sizes:
    setting = rs.Setting(
        n=size,
        d=size // 2,
        width=size,
        n_ridge=2 * size,
        activation={"hermite": COEFFICIENTS},
        target={"hermite": [0, 1, 0.5]},
        noise_std=0.5,
        ridge=0.05,
        step_size=3.0,
    )
    prediction = rs.predict(setting, method="closed_form")
    values = {gamma: 2, ratio: sp.Rational(1, 2), c_1: sp.Rational(4, 5), tail: 6 * sp.Rational(1, 100)}
    values |= {N: size, B: sp.Float(prediction.latent.beta_norm2, 20)}
    roots = mp.polyroots(
        [mp.mpf(c.p) / c.q for c in sp.Poly(numerator.as_expr().subs(values), g).all_coeffs()], maxsteps=200
    )
    values[g_edge] = max(root.real for root in roots if abs(root.imag) < 1e-10 and root.real < 0)
    at = {**values, a: a_of_step.subs(eta, 3).subs(values)}
    assert at[a] > -1 / values[g_edge]
    spike = prediction.spikes[0]
    pairs = {
        "location": (float(location.subs(at)), spike.singular_value**2),
        "alignment": (float(overlap2.subs(at)), spike.alignment[1]),
        "step": (float(critical.subs(values)), rs.critical_step_sizes(setting, 1, method="closed_form")[0]),
    }
    for name, (formula, library) in pairs.items():
        errors[name].append(abs(formula / library - 1))

# A hundred times the size should be a hundred times closer; measured 99.6 to 99.9.
ratios = [before / after for before, after in errors.values()]
assert all(98 < r < 102 for r in ratios)
