# %% [markdown]
# # Singular vectors of a spike
#
# **Assumptions.** Those of the [resolvent functional](08_resolvent_functional.py). A spike is a simple zero
# $z$ of the eigenvalue $e$ of $I + S(-z)$, above the bulk, with the null vector $\xi$, $\lVert\xi\rVert = 1$.
#
# **Result.** With $R$ and $\omega$ at $L = -z$ and $e' = de/dz$,
#
# $$\mathbb E[\sqrt{\tilde n}\, u_i \mid q_i = q] = \frac{R(q)\, U(q)^\top \xi}{\sqrt{e'}}, \qquad
#   \mathbb E[\sqrt N v_j \mid \alpha_j = a] = -\xi_a \sqrt{\frac{\omega_a/p_a}{z\, e'}},$$
#
# and the squared correlation of the left vector with $f(q)$ is
# $(\mathbb E_q[R\, U f]^\top\xi)^2/(e'\, \mathbb E f^2)$.

# %%
import numpy as np
import sympy as sp
from numpy.polynomial import hermite_e
from scipy.optimize import brentq

import rmt_spikes as rs

# %% [markdown]
# ## Left vector: a residue
#
# Near $z$ the resolvent of $F F^\top/\tilde n$ is $-u u^\top/(x - z)$ plus what is regular. Averaged given
# the latent variables it is, by Woodbury's formula, $R - R\, U^\top (I + S)^{-1} U R/\tilde n$, and
# $(I + S)^{-1}$ has the pole $\xi\xi^\top/(e'\,(x - z))$. Comparing the two gives the first result. For a
# matrix that is *exactly* diagonal plus rank one, with $R_i = 1/(b_i - x)$ and $\xi = 1$:

# %%
b_1, b_2, u_1, u_2, place = sp.symbols("b_1 b_2 u_1 u_2 z", positive=True)
U = sp.Matrix([u_1, u_2])
# b_1 from the condition that z is an eigenvalue: 1 + sum u_i^2 / (b_i - z) = 0.
pole = 1 + u_1**2 / (b_1 - place) + u_2**2 / (b_2 - place)
level = sp.solve(pole, b_1)[0]
matrix = sp.diag(b_1, b_2) + U * U.T
vector = sp.Matrix([u_1 / (b_1 - place), u_2 / (b_2 - place)]) / sp.sqrt(sp.diff(pole, place))
assert sp.simplify(((matrix - place * sp.eye(2)) * vector).subs(b_1, level)) == sp.zeros(2, 1)
assert sp.simplify((vector.T * vector)[0].subs(b_1, level)) == 1

# %% [markdown]
# ## Right vector
#
# $v = F^\top u/\sqrt{\tilde n z}$. The mean features give neuron $j$ the field
# $\frac1{\sqrt{\tilde n}}\sum_i m_0(a, q_i)\, u_i = \mathbb E_q[m_0\, R\, U^\top\xi]/\sqrt{e'}$, and its
# response to a field, its own noise left out, is $\omega_a$. Because $(I + S)\,\xi = 0$, the first block says
# $\sqrt{N\omega_a p_a}\; \mathbb E_q[m_0\, R\, U^\top\xi] = -\xi_a$. So
# $v_j = \omega_a\, \mathbb E_q[m_0\, R\, U^\top\xi]/\sqrt{z e'}$ is the second result:

# %%
omega_a, p_a, xi_a, N, z, e_slope = sp.symbols("omega_a p_a xi_a N z e'", positive=True)
received = -xi_a / sp.sqrt(N * omega_a * p_a) / sp.sqrt(e_slope)
right = sp.sqrt(N) * omega_a * received / sp.sqrt(z)
assert sp.simplify(right + xi_a * sp.sqrt(omega_a / p_a) / sp.sqrt(z * e_slope)) == 0
right

# %% [markdown]
# ## Where the bulk is untrained
#
# For one direction of strength $a$ (section 5) $e = 1 + a g$, $R = 1/\kappa$, and
# $\mathbb E_q[R U q]^\top\xi = \sqrt{a\,\omega}/\kappa$ with $\omega = \kappa g = -\kappa/a$. The squared
# correlation becomes $-1/(\kappa D)$ with $D = a\, dg/dz$, as found [there](07_two_level_transition.py).

# %%
a, kappa, slope = (
    sp.Symbol("a", positive=True),
    sp.Symbol("kappa", negative=True),
    sp.Symbol("D", positive=True),
)
alignment = (sp.sqrt(a * (-kappa / a)) / kappa) ** 2 / slope
assert sp.simplify(alignment + 1 / (kappa * slope)) == 0

# %% [markdown]
# ## The library's coefficients
#
# Their squares are the alignments with the polynomials of many samples.
#
# Random signs as readout and a step of order one, so that the spikes stand next to the bulk and have a share
# of their vectors only. Everything is computed anew: damped iteration for $R$ and $\omega$ at $L = -x$, the
# zeros of the eigenvalues of $I + S$, and $e'$ by central differences.

# %%
SIZE = 10**8
setting = rs.Setting(
    n=SIZE,
    d=2 * SIZE // 5,
    width=SIZE // 2,
    n_ridge=SIZE,
    activation={"hermite": [0, 0.8, 0.3, 0.1]},
    target={"hermite": [0, 1, 0.5]},
    noise_std=0.5,
    readout="rademacher",
    ridge=0.05,
    step_size=4.0,
)
prediction = rs.predict(setting, features="isotropic")
spike, latent = prediction.spikes[0], prediction.latent
q, weights = hermite_e.hermegauss(32)
weights = weights / weights.sum()
alpha, share = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
tau = np.sqrt(1 + latent.inflation * alpha**2)
u = tau[:, None, None] * q + latent.shift * alpha[:, None, None] * q[:, None]
value = hermite_e.hermeval(u, [0, 0.8, 0.3, 0.1])
m_0, m_1, m_r = value @ weights, (value * q) @ weights, (value * (q**2 - 1) / 2) @ weights
m_star2 = (value**2) @ weights - m_0**2 - m_1**2
width, d, n_ridge = setting.width, setting.d, setting.n_ridge


def solve(x):
    """R and omega on the real axis at x above the bulk, and the stack U with the kernel S."""
    R, omega = -np.ones_like(q) / x, np.ones(2)
    for _ in range(20000):
        root = np.sqrt(omega * share)[:, None]
        h = root * m_1
        P = np.linalg.inv(np.eye(2) + width / d * (h * (weights * R)) @ h.T)
        inverse = -x + width / n_ridge * ((share * omega) @ m_star2 + np.sum(h * (P @ h), axis=0))
        other = 1 + m_star2 @ (weights * R) + d / width * (1 - np.diag(P)) / (omega * share)
        change = max(np.max(np.abs(inverse * R - 1)), np.max(np.abs(other * omega - 1)))
        R, omega = 0.5 * (R + 1 / inverse), 0.5 * (omega + 1 / other)
        if change < 1e-15:
            break
    stack = np.concatenate([np.sqrt(width) * root * m_0, np.sqrt(width / d) * h * q])
    norm = np.concatenate([np.sqrt(2 * width / d) * root * m_r, 0 * h])
    kernel = (stack * (weights * R)) @ stack.T + (norm * (weights * R)) @ norm.T
    return R, omega, stack, np.eye(4) + kernel


def margin(x):
    return np.linalg.eigvalsh(solve(x)[3])[0]


guess = spike.singular_value**2
x = brentq(margin, 0.99 * guess, 1.01 * guess, xtol=1e-14 * guess)
step = 1e-5 * x
e_slope = (margin(x + step) - margin(x - step)) / (2 * step)
R, omega, stack, matrix = solve(x)
xi = np.linalg.eigh(matrix)[1][:, 0]
left = (R * (xi @ stack)) / np.sqrt(e_slope)
he = [hermite_e.hermeval(q, [0] * k + [1]) / np.sqrt(float(sp.factorial(k))) for k in range(5)]
alignment = np.array([(weights @ (left * f)) ** 2 for f in he])
right = -xi[:2] * np.sqrt(omega / share) / np.sqrt(x * e_slope)
right_alignment = np.array([(share @ right) ** 2, (share @ (right * alpha)) ** 2])
differences = {
    "place": x / guess - 1,
    "left": np.max(np.abs(alignment - spike.feature**2)),
    "right": np.max(np.abs(right_alignment - spike.right_feature[:2] ** 2)),
}

# Central differences with a relative step of 1e-5: measured 1e-10.
assert max(abs(float(difference)) for difference in differences.values()) < 1e-8
