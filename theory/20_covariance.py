# %% [markdown]
# # Inputs with a covariance
#
# **Assumptions.** $x = \Sigma^{1/2} z$ with $\mathrm{tr}\,\Sigma = d$, eigenvalues $l$ with proportions $p_l$, none of few directions;
# a teacher's direction has the share $w_l$ of its energy in each eigenspace, and $u = \langle b, x\rangle/\sqrt{s_1}$ with
# $s_j = \sum_l w_l\, l^j$. The rest as in [the pencil](14_pencil.py).
#
# **Derived.** With $\langle l^j\rangle = \sum_l p_l\, l^j$ and the signal $m = \mathbb E[r u]$,
#
# $$B = m^2 \frac{s_2}{s_1} + \phi\, \mathbb E r^2, \qquad B_q = \beta^\top\Sigma\beta = m^2\frac{s_3}{s_1} + \phi\, \mathbb E r^2 \langle l^2\rangle, \qquad
# \mathrm{corr}(q, u) = \frac{m\, s_2}{s_1 \sqrt{B_q}}, \qquad s = c_1\theta\sqrt{B_q},$$
#
# and the pencil has one level of blocks for each $l$. Section 13 of [the theory](../docs/theory.md).

# %%
import numpy as np
import sympy as sp

import rmt_spikes as rs

# %% [markdown]
# ## The learnt direction
#
# $\mathbb E[r x] = \Sigma^{1/2}\,\mathbb E[r z]$, and $\mathbb E[r z] = m\,\Sigma^{1/2} b/\sqrt{s_1}$ by Stein's lemma. The rest of $\beta$ is
# $\Sigma^{1/2}$ times a vector with coordinates of variance $\mathbb E r^2/n$. On two eigenspaces:

# %%
m, energy, phi = sp.symbols("m E_r2 phi", positive=True)
l, w, p = (sp.Matrix(sp.symbols(f"{name}_1:3", positive=True)) for name in "lwp")
s = [sum(w[i] * l[i] ** j for i in range(2)) for j in range(4)]
mean = [sum(p[i] * l[i] ** j for i in range(2)) for j in range(3)]
signal = sp.Matrix([m * l[i] * sp.sqrt(w[i] / s[1]) for i in range(2)])  # E[r x] in the eigenspaces


def form(power):
    """``beta^T Sigma^k beta``."""
    rest = phi * energy * mean[power + 1]  # trace of Sigma^{1 + k} times E r^2 / n
    return sum(signal[i] ** 2 * l[i] ** power for i in range(2)) + rest


assert sp.simplify(form(0) - m**2 * s[2] / s[1] - phi * energy * mean[1]) == 0
assert sp.simplify(form(1) - m**2 * s[3] / s[1] - phi * energy * mean[2]) == 0
# Covariance of <beta, x> and u = <b, x> / sqrt(s_1).
overlap = sum(signal[i] * l[i] * sp.sqrt(w[i]) for i in range(2)) / sp.sqrt(s[1])
assert sp.simplify(overlap - m * s[2] / s[1]) == 0

# %% [markdown]
# The library says the same of a network (labels of energy $1 + \frac12 + 0.3^2$, all of signal one).

# %%
levels, proportions, teacher = [0.2, 1.0, 3.0], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]
setting = rs.Setting(
    n=1000, d=400, width=700, activation="relu", target={"hermite": [0, 1, 0.5]}, noise_std=0.3, ridge=0.05,
    step_size=20.0, covariance={"eigenvalues": levels, "proportions": proportions, "teacher": teacher},
)  # fmt: skip
moments = [float(np.dot(teacher, np.power(levels, j))) for j in range(4)]
spread, r2 = float(np.dot(proportions, np.square(levels))), 1.0 + 0.5 + 0.09
norm2 = moments[2] / moments[1] + 0.4 * r2
score2 = moments[3] / moments[1] + 0.4 * r2 * spread
latent = rs.predict(setting).latent
theta, slope = 20.0 / np.sqrt(700.0), 0.5
assert np.isclose(latent.beta_norm2, norm2, rtol=1e-9)
assert np.isclose(latent.beta_cosine, moments[2] / moments[1] / np.sqrt(score2), rtol=1e-9)
assert np.isclose(latent.shift, slope * theta * np.sqrt(score2), rtol=1e-9)

# %% [markdown]
# ## Levels in the pencil
#
# A row is $S (1 + k a\, S H S)\, w$ and an incoherent part of covariance $t^2 a^2 S^2 G S^2$, $S = \Sigma^{1/2}$, with $H$ and $G$ of whitened samples:
# what one sample adds is the same matrix $T(r)$ on both sides of $S$. On the eigenspace of $l$ the blocks of the mean response
# $\mathrm{Nu}$ stand with $l^2$, $l^{3/2}$ and $l$,
#
# $$A_l = l^2\,\mathrm{Nu}_{11}, \quad B_l = l^{3/2}\,\mathrm{Nu}_{12}, \quad E_l = l\,\mathrm{Nu}_{22} - 1, \quad
# X_l = l + A_l - B_l E_l^{-1} B_l^\top, \quad Y = \sum_l p_l\, X_l (1 + K X_l)^{-1},$$
#
# and $M$ collects the inverse blocks with the same powers. One readout weight, one coupling $K$, against matrices:


# %%
def predicted(r, curvature, rough, coupling, phi):
    """``Y`` at the readout weight one; `r` are residuals, all of the same weight."""
    letters = np.array([[2 * curvature * r + rough * r**2, curvature * r], [curvature * r, 0 * r]])
    letters = letters.transpose(2, 0, 1)
    m_blocks = np.diag([0.0, -1.0])
    for _ in range(300):
        om = np.linalg.solve(np.eye(2) + phi * letters @ m_blocks, letters)
        nu, y, new = om.mean(axis=0), 0.0, np.zeros((2, 2))
        for level, share in zip(levels, proportions, strict=True):
            a, b, e = level**2 * nu[0, 0], level**1.5 * nu[0, 1], level * nu[1, 1] - 1.0
            x = level + a - b**2 / e
            green = coupling / (1.0 + coupling * x)
            blocks = np.array([[green, -green * b / e], [-green * b / e, 1 / e + green * b**2 / e**2]])
            powers = np.array([level, np.sqrt(level)])
            new += share * blocks * np.outer(powers, powers)
            y += share * x / (1.0 + coupling * x)
        m_blocks = 0.5 * (m_blocks + new)
    return y


rng = np.random.default_rng(20)
n, d, curvature, rough, coupling = 1500, 500, 0.5, 0.3, 0.7
scale = np.sqrt(np.repeat(levels, (np.array(proportions) * d).astype(int)))
found = []
for _ in range(4):
    z, r = rng.normal(size=(n, d)), rng.exponential(size=n) - 0.7
    h, g = (z.T * r) @ z / n, (z.T * r**2) @ z / n
    grown = np.eye(d) + curvature * scale[:, None] * h * scale
    rows = scale[:, None] * (grown @ grown) * scale + rough * scale[:, None] ** 2 * g * scale**2
    simulated = np.trace(np.linalg.solve(np.eye(d) + coupling * rows, rows)) / d
    found.append(simulated / predicted(r, curvature, rough, coupling, d / n))
assert abs(np.mean(found) - 1.0) < 0.003  # of order 1/d
assert abs(predicted(r, 0.0, 0.0, coupling, d / n) / simulated - 1.0) > 0.1  # without a step

# %% [markdown]
# ## Lengths without a step
#
# A row on the sphere has $\lvert\Sigma^{1/2} w\rvert^2$ of mean one and of the variance $\frac2d(\langle l^2\rangle - 1)$: neurons differ
# before they learn anything.

# %%
rows = rng.normal(size=(4000, d))
rows *= scale / np.linalg.norm(rows, axis=1)[:, None]
squares = np.sum(rows**2, axis=1)
assert abs(np.var(squares) / (2.0 / d * (spread - 1.0)) - 1.0) < 0.1
