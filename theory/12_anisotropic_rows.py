# %% [markdown]
# # Rows that are not isotropic
#
# **Assumptions.** As for the [latent variables](02_latent_variables.py), to second order in $\theta$;
# $H = \frac1n X^\top \mathrm{diag}(r)\, X$ with residuals $r$ that depend on the input through
# $u = \langle\beta_*, x\rangle$ (and noise) only, mean-field output scale.
#
# **Result.** Row $j$ is $(1 + 2 c_2\theta\alpha_j H)\, w_j$ plus the shift along $\beta$ and an incoherent
# part, so that along an eigenvector of $H$ with eigenvalue $\ell$ its squared length is, in units of $1/d$,
#
# $$\Omega(a, \ell) = (1 + 2 c_2\theta a \ell)^2 + \theta^2 a^2 \phi\, (\mathrm{Var}\,\sigma' - 4 c_2^2)\, \mathbb E r^2, \qquad \mathbb E_\ell\, \Omega = \tau_a^2 ,$$
#
# and the resolvent $Q(z) = (H - z)^{-1}$ between the directions $\beta_*$ and $\beta$, which $H$ singles out,
# is given by averages of $w = r/(1 + \phi r m)$, $m = \frac1d\mathrm{tr}\, Q$.

# %%
import numpy as np
import sympy as sp
from numpy.polynomial import hermite_e

import rmt_spikes as rs

# %% [markdown]
# ## The part of the gradient that is linear in the row
#
# In $\frac1n\sum_i r_i\, \sigma'(\langle w, x_i\rangle)\, x_i$ expand
# $\sigma' = c_1 + 2 c_2 \mathrm{He}_1 + \dots$: the first term gives $c_1\beta$, the second $2 c_2 H w$, and
# the rest, of variance $\mathrm{Var}\,\sigma' - 4 c_2^2$, is incoherent with covariance
# $\frac1{n}\,(\mathrm{Var}\,\sigma' - 4c_2^2)\; \frac1n X^\top\mathrm{diag}(r^2) X$. The spectrum of $H$ has
# the mean $\mathbb E r$ and the second moment
#
# $$\frac1d\mathrm{tr}\, H^2 = \frac1{d n^2}\sum_{ij} r_i r_j \langle x_i, x_j\rangle^2 \to \phi\, \mathbb E r^2 + (\mathbb E r)^2$$
#
# ($i = j$: $\lVert x\rVert^4 = d^2$; $i \ne j$: $\langle x_i, x_j\rangle^2 = d$). So $\ell$ has the variance
# $\phi\,\mathbb E r^2$, and $\mathbb E_\ell\,\Omega$ is the squared norm of section 2:

# %%
c_2, theta, a, phi, V = sp.symbols("c_2 theta a phi V", real=True)
mean, square = sp.symbols("Er Er2", real=True)
level = sp.Symbol("ell", real=True)
omega = (1 + 2 * c_2 * theta * a * level) ** 2 + theta**2 * a**2 * phi * (V - 4 * c_2**2) * square
moments = {1: mean, 2: mean**2 + phi * square}
averaged = sum(c * moments.get(power, 1) for (power,), c in sp.Poly(sp.expand(omega), level).terms())
drift, inflation = 2 * c_2 * mean * theta, theta**2 * phi * square * V
assert sp.expand(averaged - (1 + drift * a) ** 2 - inflation * a**2) == 0
omega

# %% [markdown]
# ## Leaving one sample out of $H$
#
# By the Sherman-Morrison formula, adding a sample to $H$ turns $Q x$ into $Q x/(1 + \frac rn x^\top Q x)$,
# with $Q$ that of the other samples; $\frac1n x^\top Q x \to \phi m$. So each sample acts with the weight
# $w = r/(1 + \phi r m)$, and $1 + z\, Q = H Q$ gives, for the trace and for $\beta_*$,
#
# $$1 + z m = m\, \mathbb E w, \qquad 1 + z\, \beta_*^\top Q \beta_* = \mathbb E[w u^2]\, \beta_*^\top Q\beta_* .$$
#
# (In the first, the sample's own direction is one of $d$; in the second, $\langle x, Q\beta_*\rangle$ has the
# part $u\, \beta_*^\top Q\beta_*$.) With $\beta = \frac1n\sum_i r_i x_i$ likewise
#
# $$\beta_*^\top Q\beta = \mathbb E[w u]\, \beta_*^\top Q\beta_*, \qquad \beta^\top Q\beta = \phi\, m\, \mathbb E[r w] + \mathbb E[w u]^2\, \beta_*^\top Q\beta_* .$$

# %%
s, t, r, n = sp.symbols("s t r n", positive=True)
x = sp.Matrix([s, t])
base = sp.Matrix(2, 2, sp.symbols("Q_11 Q_12 Q_12 Q_22", real=True))
updated = (base.inv() + r / n * x * x.T).inv() * x
assert sp.simplify(updated - base * x / (1 + r / n * (x.T * base * x)[0])) == sp.zeros(2, 1)

# %% [markdown]
# The first moments $D^\top H^k D$ for $D = (\beta_*, \beta)$ can also be counted directly, sample by sample.
# With $M_{ab} = \mathbb E[r^a u^b]$, and
# $\langle x_i, \beta\rangle = \phi\, r_i + \langle x_i, \beta_{-i}\rangle$ where $\beta_{-i}$ has the mean
# $M_{11}\beta_*$ and an independent part of squared norm $\phi M_{20}$:

# %%
M = {(i, j): sp.Symbol(f"M_{i}{j}", real=True) for i in range(6) for j in range(3)}
direct = {
    "teacher": [1, M[1, 2], phi * M[2, 2] + M[1, 2] ** 2],
    "mixed": [M[1, 1], phi * M[2, 1] + M[1, 2] * M[1, 1]],
    "learnt": [
        M[1, 1] ** 2 + phi * M[2, 0],
        phi**2 * M[3, 0] + 2 * phi * M[1, 1] * M[2, 1] + M[1, 1] ** 2 * M[1, 2] + phi * M[2, 0] * M[1, 0],
    ],
}

# %% [markdown]
# The series of the resolvent, $Q = -\sum_k H^k z^{-k-1}$, has the same coefficients:

# %%
e = sp.Symbol("e")  # 1 / z
ORDER = 4


def cut(expression):
    return sum(sp.expand(expression).coeff(e, k) * e**k for k in range(ORDER))


def weighted(trace, power_r, power_u):
    """E[r^i w u^j] as a series in 1/z."""
    total, power = 0, sp.Integer(1)
    for k in range(ORDER):
        total += (-phi) ** k * power * M[1 + k + power_r, power_u]
        power = cut(power * trace)
    return cut(total)


def inverse(series):
    """1 / (series - z) = -e / (1 - e series)."""
    total, power = 0, sp.Integer(1)
    for _ in range(ORDER):
        total, power = total + power, cut(power * e * series)
    return cut(-e * total)


trace = sp.Integer(0)
for _ in range(ORDER):
    trace = inverse(weighted(trace, 0, 0))
teacher = inverse(weighted(trace, 0, 2))
mixed = cut(weighted(trace, 0, 1) * teacher)
learnt = cut(phi * trace * weighted(trace, 1, 0) + weighted(trace, 0, 1) * mixed)
for name, series in (("teacher", teacher), ("mixed", mixed), ("learnt", learnt)):
    for k, moment in enumerate(direct[name]):
        assert sp.expand(series.coeff(e, k + 1) + moment) == 0
sp.Matrix([[direct["teacher"][1], direct["mixed"][1]], [direct["mixed"][1], direct["learnt"][1]]])

# %% [markdown]
# ## The incoherent part along the two directions
#
# It is proportional to $\frac1n X^\top\mathrm{diag}(r^2) X$, which is $\mathbb E r^2$ on most directions.
# Between $\beta_*$ and $\beta$ the same counting, with $v = M_{11} u + \phi r$ for the part of
# $\langle x_i, \beta\rangle$ that depends on sample $i$, gives $\mathbb E[r^2 u^2]$, $\mathbb E[r^2 u v]$ and
# $\mathbb E[r^2 (v^2 + \phi\, \mathbb E r^2)]$.
#
# ## In the equations
#
# The directions of the input were left out one at a time in the [resolvent
# functional](08_resolvent_functional.py). A direction along which rows of weight $a$ have the relative
# standard deviation $s_a(\ell) = \sqrt{\Omega(a, \ell)}/\tau_a$ contributes with $h_a s_a$ instead of $h_a$:
# the sums over directions become averages over $\ell$ of $P(\ell) \circ s s^\top$ and $P(\ell)_{aa}$. For the
# two directions $q$ and $t$ the mass at each level is a matrix $\mu(\ell)$, and their response to a field is
# $\mathcal P = \sum_\ell \mu(\ell) \otimes [P(\ell) \circ s s^\top]$ in units of isotropic rows.
#
# ## The library, for an odd activation
#
# With $c_2 = 0$ the levels do not matter, and only the incoherent part tells $q$ and $t$ from other
# directions. A literal solution for equal readout weights: damped iteration for the bulk, then the three
# blocks (means, $q$, $t$) with the stiffness $\mathcal P^{-1} - \frac Nd\mathbb E_q[R h^2]$ of the last two.

# %%
SIZE = 10**8
setting = rs.Setting(
    n=SIZE,
    d=SIZE // 2,
    width=SIZE // 2,
    n_ridge=SIZE,
    activation={"hermite": [0, 0.8, 0, 0.2]},
    target={"hermite": [0, 1, 0.5, 0.1]},
    noise_std=0.3,
    readout="constant",
    ridge=0.1,
    step_size=SIZE**0.5,
)
nodes, weights = hermite_e.hermegauss(60)
weights = weights / weights.sum()
aspect, ratio, gamma = setting.phi, setting.ridge_ratio, setting.gamma
c_1, variance = 0.8, 3 * 6 * 0.2**2
residual = hermite_e.hermeval(nodes, [0, 1, 0.5, 0.1])
noise = setting.noise_std**2


def average(values):
    return float(weights @ values)


energy = average(residual**2) + noise
projection = average(residual * nodes)
norm2 = projection**2 + aspect * energy
cosine = projection / np.sqrt(norm2)
shift = c_1 * setting.theta * np.sqrt(norm2)
inflation_value = setting.theta**2 * aspect * energy * variance
# Averages of powers of r = residual + noise, with u the node.
second = residual**2 + noise
third = residual**3 + 3 * residual * noise
fourth = residual**4 + 6 * residual**2 * noise + 3 * noise**2
seen = np.array(
    [
        [average(second * nodes**2), average(projection * second * nodes**2 + aspect * third * nodes)],
        [
            0,
            average(
                projection**2 * second * nodes**2
                + 2 * aspect * projection * third * nodes
                + aspect**2 * fourth
            ),
        ],
    ]
)
seen[1, 0] = seen[0, 1]
seen[1, 1] += aspect * energy**2
sine = np.sqrt(1 - cosine**2)
basis = np.array([[0, 1 / np.sqrt(norm2)], [1 / sine, -cosine / (sine * np.sqrt(norm2))]])
growth = basis @ seen @ basis.T / energy
values, vectors = np.linalg.eigh(growth)
tau2 = 1 + inflation_value
relative = (1 + inflation_value * values) / tau2

u = np.sqrt(tau2) * nodes + shift * nodes[:, None]
feature = hermite_e.hermeval(u, [0, 0.8, 0, 0.2])
m_0, m_1 = feature @ weights, (feature * nodes) @ weights
m_star2 = feature**2 @ weights - m_0**2 - m_1**2
label = hermite_e.hermeval(cosine * nodes[:, None] + sine * nodes, [0, 1, 0.5, 0.1])
f_0, f_1, squares = label @ weights, (label * nodes) @ weights, label**2 @ weights + noise


def functional(ridge, anisotropic=True):
    R, w = np.ones_like(nodes), 1.0
    for _ in range(3000):
        K = weights @ (R * m_1**2)
        P = 1 / (1 + gamma * w * K)
        R_new = 1 / (ridge + ratio * w * (m_star2 + P * m_1**2))
        w_new = 1 / (1 + weights @ (R * m_star2) + K * P)
        change = np.max(np.abs(R_new / R - 1)) + abs(w_new / w - 1)
        R, w = 0.5 * (R + R_new), 0.5 * (w + w_new)
        if change < 1e-15:
            break
    h = np.sqrt(w) * m_1
    strength = gamma * weights @ (R * h**2)
    levels = relative if anisotropic else np.ones(2)
    response = (vectors * (levels / (1 + strength * levels))) @ vectors.T
    stiffness = np.eye(3)
    stiffness[1:, 1:] = np.linalg.inv(response) - strength * np.eye(2)
    stack = np.stack([np.sqrt(setting.width * w) * m_0, np.sqrt(gamma) * h * nodes, 0 * nodes])
    across = np.stack([0 * nodes, 0 * nodes, np.sqrt(gamma) * h])
    kernel = (stack * (weights * R)) @ stack.T + (across * (weights * R)) @ across.T
    source = stack @ (weights * R * f_0) + across @ (weights * R * f_1)
    return weights @ (R * squares) - source @ np.linalg.solve(stiffness + kernel, source)


deviations = {}
for features, anisotropic in (("first_orders", True), ("isotropic", False)):
    library = rs.predict_losses(setting, features=features).objective
    deviations[features] = abs(setting.ridge * functional(setting.ridge, anisotropic) / library - 1)

# The library takes moments of the n draws of the first batch, of up to the eighth degree in u: they are lower than
# Gaussian ones by a share of 1e-5 (measured 4e-6, and 5e-8 with isotropic rows, which need none of them). Between
# the two features the objective differs by 6 %.
assert max(deviations.values()) < 2e-5
