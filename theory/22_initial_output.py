# %% [markdown]
# # The initial output at the mean-field scale
#
# **Assumptions.** $f_0(x) = \frac1{\sqrt N} a^\top\sigma(W_0 x)$ with $a_j = \alpha_j/\sqrt N$. The residual
# $y - f_0(x)$ lacks an output of order $N^{-1/2}$, which no number of order one sees. Its linear part is
# along $b = W_0^\top a$, which rows have in common along the readout, so that there it acts on all of them.
#
# **Result.** The energy of the rows along the readout is less than without it by the share
#
# $$\ell = 2\theta c_1^2 - \theta^2 c_1^4 - \theta^2 c_1^2\,\phi\,\mathbb E\sigma^2 ,$$
#
# of order one, and the stiffness of the means is $J - \ell\,\frac{\alpha\alpha'}N \circ y$ with the response
# $y = (K^{-1} + \gamma D)^{-1}$ of the linear channel between neurons. In narrow networks with clean labels
# losses are lower by up to a fifth.

# %%
import numpy as np
import sympy as sp

import rmt_spikes as rs

# %% [markdown]
# ## Energy along the readout
#
# The step adds $-\eta\, c_1 a\,(\frac1n X^\top f_0)^\top$, with $\eta = \theta\sqrt N$, and
# $\frac1n X^\top f_0 = \frac1{\sqrt N}(c_1 b + \sqrt{\phi\,\mathbb E\sigma^2}\,\zeta)$: $f_0$ has the energy
# $\mathbb E\sigma^2/N$, and the scatter of $n$ samples spreads it over directions $\zeta$ independent of $b$.
# Along the readout rows are $a^\top W = b^\top$ before the step, $\lVert b\rVert = 1$; after it the linear
# part of the features has

# %%
theta, c, phi, energy = sp.symbols("theta c_1 phi E_sigma2", positive=True)
kept = 1 - theta * c**2
squared = kept**2 + (theta * c) ** 2 * phi * energy
lost = 2 * theta * c**2 - theta**2 * c**4 - theta**2 * c**2 * phi * energy
assert sp.expand(squared + lost - 1) == 0

# %% [markdown]
# ## Stiffness
#
# Take $b$ out of the rows. What is left is orthogonal to the readout, and $\langle b, x\rangle$ is one more
# variable of a sample, with the function $\sqrt{1-\ell}\,\alpha\, m_1/\sqrt N$ in the means and the rows' own
# components along it, of stiffness $(\gamma D)^{-1}$. Rows that are orthogonal to the readout leave it without
# their response $y$ (section 8). Eliminating the variable gives $(1 - \ell)\,\alpha\alpha'/N$ times the same
# $y$: without a step nothing is left, as must be.

# %%
rng = np.random.default_rng(22)
root = rng.normal(size=(3, 3))
K, D, alpha, share = root @ root.T, np.diag(rng.uniform(0.5, 2.0, 3)), np.diag(rng.normal(size=3)), 0.3
y = np.linalg.inv(np.linalg.inv(K) + D)
mean, mixed, own = (1 - share) * alpha @ K @ alpha, np.sqrt(1 - share) * alpha @ K, np.linalg.inv(D) + K
eliminated = mean - mixed @ np.linalg.inv(own) @ mixed.T
assert np.allclose(eliminated - alpha @ y @ alpha, -share * alpha @ y @ alpha)

# %% [markdown]
# ## A linear network, exactly
#
# With $\sigma(z) = z$, $\tilde n, d > N$ and no ridge the regression projects on the rows. Off the $N$ rows of
# $W_0$ (but one) the teacher has $P = 1 - N/d$, and the learnt row $b\sqrt{1-\ell} + \theta\sqrt N\beta$ finds
# it up to the noise of $\beta$ and what is left of $b$:
#
# $$\text{fresh loss without ridge} = \Bigl(\frac{P\,T}{P+T} + \sigma_\epsilon^2\Bigr)\frac1{1 - N/\tilde n}, \qquad
#   T = P\,\Bigl(\phi\,\mathbb E y^2 + \frac{1 - \ell}{\theta^2 N}\Bigr) .$$

# %%
setting = rs.Setting(
    n=2000, d=400, width=100, n_ridge=1500, activation="identity", target="identity", ridge=1e-7,
    step_size=8.0, noise_std=0.5, readout="rademacher",
)  # fmt: skip
width, noise = setting.width, setting.noise_std**2
values = {theta: setting.theta, c: 1.0, phi: setting.phi, energy: 1.0}
P = 1.0 - width / setting.d


def fresh(share):
    """Loss of fresh samples at a share of the energy along the readout that is lost."""
    T = P * (setting.phi * (1.0 + noise) + (1.0 - share) / (setting.theta**2 * width))
    return (P * T / (P + T) + noise) / (1.0 - width / setting.n_ridge)


predicted = rs.predict_losses(setting).test
assert abs(predicted / fresh(float(lost.subs(values))) - 1.0) < 1e-6 < abs(predicted / fresh(0.0) - 1.0)
