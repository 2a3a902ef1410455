# %% [markdown]
# # Special cases: a small shift, and one readout weight
#
# **Assumptions.** The equations of the [resolvent functional](08_resolvent_functional.py).
#
# **Results.** When $s \to 0$ they become the closed form of section 5, whose bulk is that of untrained
# features. When all readout weights are equal they are the self-consistent equations of Cui et al. (2024,
# arXiv:2402.04980) for spiked random features.

# %%
import numpy as np
import sympy as sp
from numpy.polynomial import hermite_e

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

names = ("g", "kappa", "gamma", "ratio", "omega", "L", "c_1", "c_tail2", "lambda_", "a")
g, kappa, gamma, ratio, omega, L, c_1, tail, lambda_, strength = map(symbolic.symbol, names)
R = sp.Symbol("R", positive=True)

# %% [markdown]
# ## No shift in the bulk
#
# For $s \to 0$ (and $\nu = \chi s^2 \to 0$) the functions $m_1 = c_1$ and $m_*^2 = c_{>1}^2$ depend neither
# on $\alpha$ nor on $q$. Then a solution with constant $R$ and equal $\omega_a$ exists:
# $h_a = c_1 \sqrt{\omega p_a}$ is a multiple of the unit vector $(\sqrt{p_a})_a$. For two values of the
# readout weight:

# %%
p_1 = sp.Symbol("p", positive=True)
unit = sp.Matrix([sp.sqrt(p_1), sp.sqrt(1 - p_1)])
h = c_1 * sp.sqrt(omega) * unit
P = (sp.eye(2) + gamma * R * h * h.T).inv()
quadratic = sp.simplify((h.T * P * h)[0])
assert sp.simplify(quadratic - omega * c_1**2 / (1 + gamma * R * omega * c_1**2)) == 0
shares = [sp.simplify((1 - P[i, i]) / (gamma * omega * share)) for i, share in enumerate((p_1, 1 - p_1))]
assert sp.simplify(shares[0] - shares[1]) == 0
shares[0]

# %% [markdown]
# Both equations have one unknown value each, and are the library's equations for one readout weight with
# $\hat V_1 = R c_1^2$, $\hat V_2 = R c_{>1}^2$. With $R = 1/\kappa$ and $\omega = \kappa g$, that of a neuron
# is the Marchenko-Pastur equation, and that of a sample the equation of the ridge:

# %%
small = {
    symbolic.symbol("v_linear"): c_1**2 / kappa,
    symbolic.symbol("v_noise"): tail / kappa,
    symbolic.symbol("m_linear"): c_1,
    omega: kappa * g,
}
neuron = symbolic.neuron_equation().subs(small) - 1 / (kappa * g)
assert sp.simplify(neuron.subs(kappa, symbolic.effective_ridge())) == 0
sample = symbolic.sample_equation().subs(symbolic.symbol("m_noise"), sp.sqrt(tail)).subs(small) - kappa
ridge = sp.solve(sample, L)[0]
assert sp.simplify((ridge - symbolic.ridge()).subs(kappa, symbolic.effective_ridge())) == 0
symbolic.ridge()

# %% [markdown]
# In $T$ the constant $R$ leaves every expectation. $S$ has the same nonzero eigenvalues as
# $R\,\omega\, A = g A$ with the operator $A$ of section 5 on functions of $q$, so that
# $\mathbb E[R f_0^2] - u^\top(I + S)^{-1}u = \frac1\kappa \langle f_0, (1 + g A)^{-1} f_0\rangle$: along an
# eigenfunction of strength $a$

# %%
projection = sp.Symbol("f", positive=True)
column = sp.sqrt(strength * omega)
one_mode = R * projection**2 - (R * column * projection) ** 2 / (1 + R * column**2)
assert (
    sp.simplify(one_mode.subs({R: 1 / kappa, omega: kappa * g}) - projection**2 / kappa / (1 + strength * g))
    == 0
)

# %% [markdown]
# and the linear part, $\frac Nd g^\top P g$ with $g = R\, h\, \mathbb E f_1$, leaves the share $\mu$:

# %%
source = R * h * projection
linear = R * projection**2 - gamma * (source.T * P * source)[0]
linear = linear.subs({R: 1 / kappa, omega: kappa * g})
assert sp.simplify(linear - projection**2 / kappa / (1 + gamma * c_1**2 * g)) == 0
linear.simplify()

# %% [markdown]
# The test loss of section 4 becomes $-\kappa^2\, dT/d\lambda$, since $L$ moves by
# $\epsilon R^{-2} = \epsilon\kappa^2$ everywhere.
#
# ## One readout weight: Cui et al.
#
# Their spiked random features have a single spike and features that depend on $\kappa = q$ through
# $\mu_0, \mu_1, \mu_2$: our $m_0, m_1, m_*$. As we read them, with $\alpha = \tilde n/N$,
# $V(q) = \mu_1^2 V_1 + \mu_2^2 V_2$ and the spectrum $x$ of $W_0 W_0^\top$,
#
# $$\hat V_i = \alpha\, \mathbb E_q \frac{\mu_i^2}{1 + V(q)}, \qquad V_1 = \mathbb E_x \frac{x}{\lambda' + \hat V_1 x + \hat V_2}, \qquad
#   V_2 = \mathbb E_x \frac1{\lambda' + \hat V_1 x + \hat V_2} .$$
#
# The dictionary is $\lambda' = \alpha\lambda$, $R = 1/(\lambda\,(1 + V))$, $\omega = \lambda' V_2$. The
# Marchenko-Pastur law of $x$ turns their expectations into ours: $V_2 = g$ and
# $V_1 = g/(1 + \gamma \hat V_1 g)$ at $c_1^2 = \hat V_1$ and $c_{>1}^2 + \kappa = \lambda' + \hat V_2$.

# %%
hat_1, hat_2, prime = sp.symbols("Vhat_1 Vhat_2 lambda'", positive=True)
V_2 = sp.Symbol("V_2", positive=True)
V_1 = V_2 / (1 + gamma * hat_1 * V_2)
theirs = {
    symbolic.symbol("v_linear"): hat_1 / prime,
    symbolic.symbol("v_noise"): hat_2 / prime,
    omega: prime * V_2,
}
ours = symbolic.neuron_equation().subs(theirs) - 1 / (prime * V_2)
# 1/V_2 = lambda' + hat V_2 + hat V_1 / (1 + gamma hat V_1 V_2) is the equation of the trace g.
trace = symbolic.effective_ridge().subs({g: V_2, tail: 0}).subs(c_1, sp.sqrt(hat_1)) - (prime + hat_2)
assert sp.simplify(ours * prime + trace) == 0
# E[x / (m + hat V_1 x)] from the trace: (1 - m V_2) / hat V_1.
assert sp.simplify((1 - (1 / V_2 - hat_1 / (1 + gamma * hat_1 * V_2)) * V_2) / hat_1 - V_1) == 0
m, m_star = symbolic.symbol("m_linear"), symbolic.symbol("m_noise")
sample = symbolic.sample_equation().subs(theirs).subs({L: lambda_, ratio: lambda_ / prime})
assert sp.simplify(sample - lambda_ * (1 + m**2 * V_1 + m_star**2 * V_2)) == 0
sample

# %% [markdown]
# Their remaining unknowns describe the estimator: $m$ its mean, $\vartheta$ and $\psi$ its overlaps with the
# spike and with the rest of the teacher, $q_1, q_2$ its norms. A literal solution, with expectations over $x$
# by a trapezoidal rule that converges geometrically,
#
# $$\begin{aligned}
# e(q) &= \mathbb E[y^2|q] + c^2 - 2 c f_0 - 2 \mu_1 \psi f_1 + \mu_1^2 q_1 + \mu_2^2 q_2, \quad c = \mu_0 m + \mu_1 q\,\vartheta, \\
# \hat q_i &= \alpha\,\mathbb E\frac{\mu_i^2\, e}{(1 + V)^2}, \quad \hat\vartheta = \alpha\,\mathbb E \frac{q \mu_1 (f_0 - c)}{1 + V}, \quad
#   \hat\psi = \alpha\,\mathbb E \frac{\mu_1 f_1}{1 + V}, \quad \mathbb E \frac{\mu_0 (f_0 - c)}{1 + V} = 0,
# \end{aligned}$$
#
# $\vartheta = \gamma\hat\vartheta V_2$, $\psi = \gamma\hat\psi V_1$ ($\gamma = N/d$),
# $q_1 = \mathbb E_x\, x\, Q$, $q_2 = \mathbb E_x\, Q$ with
# $Q = (\hat q_1 x + \hat q_2 + \gamma\hat\vartheta^2 + \gamma\hat\psi^2 x)/(\lambda' + \hat V_1 x + \hat V_2)^2$,
# gives the test loss $\mathbb E_q\, e$. Against the library:

# %%
SIZE = 10**8
setting = rs.Setting(
    n=SIZE,
    d=SIZE,
    width=SIZE // 2,
    n_ridge=SIZE,
    activation="tanh",
    target="sin",
    noise_std=0.3,
    readout="constant",
    ridge=0.1,
    step_size=SIZE**0.5,
)
library = rs.predict_losses(setting, features="isotropic").test
latent = rs.predict(setting, method="closed_form", features="isotropic").latent
nodes, weights = hermite_e.hermegauss(80)
weights = weights / weights.sum()
q = nodes
tau = np.sqrt(1 + latent.inflation)
value = np.tanh(tau * nodes + latent.shift * q[:, None])
mu_0, mu_1 = value @ weights, (value * nodes) @ weights
# Where tanh saturates the noise is zero up to rounding.
mu_2 = np.sqrt(np.maximum(value**2 @ weights - mu_0**2 - mu_1**2, 0))
label = np.sin(latent.beta_cosine * q[:, None] + np.sqrt(1 - latent.beta_cosine**2) * nodes)
f_0, f_1, square = label @ weights, (label * nodes) @ weights, label**2 @ weights + 0.3**2
size = 0.5
angle = np.pi * (np.arange(400) + 0.5) / 400
x = 1 + size + 2 * np.sqrt(size) * np.cos(angle)
x_weights = 2 / np.pi * np.sin(angle) ** 2 / x * np.pi / 400
assert abs(x_weights.sum() - 1) < 1e-13
assert abs(x_weights @ x - 1) < 1e-13
samples = setting.n_ridge / setting.width
prime_value = samples * setting.ridge
mean_1, mean_2, overlap_1, overlap_2, norm_1, norm_2 = 1.0, 1.0, 0.0, 0.0, 0.0, 0.0
for _ in range(600):
    damping = 1 / (1 + mu_1**2 * mean_1 + mu_2**2 * mean_2)
    linear_part = mu_1 * q * overlap_1
    level = weights @ (mu_0 * (f_0 - linear_part) * damping) / (weights @ (mu_0**2 * damping))
    c = mu_0 * level + linear_part
    error = square + c**2 - 2 * c * f_0 - 2 * mu_1 * overlap_2 * f_1 + mu_1**2 * norm_1 + mu_2**2 * norm_2
    hats = [samples * weights @ (power * damping) for power in (mu_1**2, mu_2**2)]
    norms = [samples * weights @ (power * error * damping**2) for power in (mu_1**2, mu_2**2)]
    along = samples * weights @ (q * mu_1 * (f_0 - c) * damping)
    across = samples * weights @ (mu_1 * f_1 * damping)
    stiffness = prime_value + hats[0] * x + hats[1]
    spread = (norms[0] * x + norms[1] + size * (along**2 + across**2 * x)) / stiffness**2
    old = np.array([mean_1, mean_2, overlap_1, overlap_2, norm_1, norm_2])
    new = [
        x_weights @ (x / stiffness),
        x_weights @ (1 / stiffness),
        0,
        0,
        x_weights @ (x * spread),
        x_weights @ spread,
    ]
    new[2], new[3] = size * along * new[1], size * across * new[0]
    mean_1, mean_2, overlap_1, overlap_2, norm_1, norm_2 = 0.5 * old + 0.5 * np.array(new)
test = weights @ error
deviation = abs(test / library - 1)

# The fourth moment of the library's q is below 3 by about 1e-6; measured 2e-8.
assert deviation < 1e-6
