# %% [markdown]
# # The published equations for $m_1$ and $m_2$
#
# **Assumptions.** As for the [bulk](04_bulk_quartic.py), with as many samples in the second batch as in the
# first: $N/\tilde n = \phi/\psi$ with $\phi = d/n$ and $\psi = d/N = 1/\gamma$.
#
# **Result.** MLHD describe the resolvent by two numbers that solve
#
# $$\phi\,(m_1 - m_2)(c_{>1}^2 m_1 + c_1^2 m_2) + c_1^2 m_1 m_2 \Bigl(\frac{\lambda\psi m_1}\phi - 1\Bigr) = 0, \qquad
# \frac\phi\psi\,\bigl(c_1^2 m_1 m_2 + \phi\,(m_2 - m_1)\bigr) + c_1^2 m_1 m_2 \Bigl(\frac{\lambda\psi m_1}\phi - 1\Bigr) = 0 .$$
#
# They are $m_1 = (\phi/\psi)/\kappa$ and $m_2 = \mu\, m_1$: both equations follow from the two lines of
# section 5, which have one unknown.

# %%
import mpmath as mp
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

names = ("g", "kappa", "gamma", "ratio", "phi", "psi", "lambda_", "m_1", "m_2")
g, kappa, gamma, ratio, phi, psi, lambda_, m_1, m_2 = (symbolic.symbol(name) for name in names)
first, second = symbolic.published_equation(1), symbolic.published_equation(2)
first

# %%
second

# %% [markdown]
# Everything is a rational function of $g$: $\kappa(g)$ from the Marchenko-Pastur equation, $\lambda$ from the
# leave-one-out equation of a sample, $\mu = 1/(1 + \gamma c_1^2 g)$. Inserted, both left-hand sides vanish
# identically.

# %%
same_batches = {ratio: phi / psi, gamma: 1 / psi}
ridge_of_g = symbolic.effective_ridge()
curve = {
    m_1: (phi / psi) / ridge_of_g,
    m_2: (phi / psi) / ridge_of_g * symbolic.mu().subs(kappa, ridge_of_g),
    lambda_: symbolic.ridge().subs(kappa, ridge_of_g),
}
curve = {name: value.subs(same_batches) for name, value in curve.items()}
residuals = [sp.cancel(sp.together(equation.subs(curve))) for equation in (first, second)]
assert residuals == [0, 0]

# %% [markdown]
# ## The solution with $m_1 > m_2 > 0$
#
# The effective ridge is positive and $0 < \mu < 1$. As a check, the two equations are solved for such a pair
# without any use of $\kappa$, and the result is compared with the library's objective without spikes (section
# 7):
#
# $$\text{objective} = \frac{\lambda\psi}{\phi}\, \bigl[c_{*,1}^2\, m_2 + (\mathbb E y^2 - c_{*,1}^2)\, m_1\bigr].$$

# %%
setting = rs.Setting(
    n=1000,
    d=300,
    width=500,
    activation={"hermite": [0, 0.5, 0.3]},
    target={"hermite": [0, 1, 0.5]},
    noise_std=0.5,
    ridge=0.01,
    step_size=1.0,
)
c_1, tail = symbolic.symbol("c_1"), symbolic.symbol("c_tail2")
values = {phi: 0.3, psi: 0.6, lambda_: 0.01, c_1: 0.5, tail: 2 * 0.3**2}
equations = sp.lambdify((m_1, m_2), [equation.subs(values) for equation in (first, second)], "mpmath")
found = mp.findroot(equations, (mp.mpf(1) / (0.6 * 0.03), mp.mpf(1) / (0.6 * 0.1)), tol=1e-25)
assert found[0] > found[1] > 0
energy = 1 + 2 * 0.5**2 + 0.5**2
objective = 0.01 * 0.6 / 0.3 * (found[1] + (energy - 1) * found[0])
library = rs.theory.limit_losses(setting, degree=0).objective

# The root of one equation in double precision.
assert abs(float(objective) / library - 1) < 1e-12
