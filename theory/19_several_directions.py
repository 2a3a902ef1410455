# %% [markdown]
# # Teachers with several directions, and sign labels
#
# **Assumptions.** $y = g(\langle b_1, x\rangle, \dots, \langle b_r, x\rangle) + \varepsilon$ with orthonormal $b_k$, isotropic
# inputs, mean-field output scale; the rest as in [the resolvent functional](08_resolvent_functional.py).
#
# **Derived.** One step learns one direction, $e_1 = m/\lvert m\rvert$ with $m_k = \mathbb E[y\, u_k]$:
# $B = \lvert m\rvert^2 + \phi\,\mathbb E y^2$, $\cos = \lvert m\rvert/\sqrt B$. The regression also learns what of the label is linear in
# the others, $f_{1k}(q) = \mathbb E[y\, t_k \mid q]$, if the slope $m_1(\alpha, q)$ of the features is not even in $q$. Classification errors
# follow from the error at each $q$. Section 12 of [the theory](../docs/theory.md).

# %%
import numpy as np
import sympy as sp
from scipy.special import ndtr

import rmt_spikes as rs

# %% [markdown]
# ## What one step learns
#
# $\beta = \frac1n X^\top y$ has the mean $\mathbb E[y x] = \sum_k m_k b_k$, and each of its coordinates the variance
# $\mathbb E y^2/n$ to leading order. For $y = u_1 + \frac12 u_2 + \frac35 u_1 u_2$:


# %%
def gaussian_mean(expression, variables):
    """Expectation of a polynomial in independent standard normal variables."""
    for u in variables:
        polynomial = sp.Poly(expression, u)
        moment = {k: 0 if k % 2 else sp.factorial2(k - 1) for (k,) in polynomial.monoms()}
        expression = sum(c * moment[k] for (k,), c in polynomial.terms())
    return sp.nsimplify(expression)


u = sp.symbols("u_1:3")
y = u[0] + u[1] / 2 + sp.Rational(3, 5) * u[0] * u[1]
m = sp.Matrix([gaussian_mean(y * each, u) for each in u])
noise, phi = sp.Rational(3, 10), sp.Rational(1, 4)
energy = gaussian_mean(y**2, u) + noise**2
norm2 = m.dot(m) + phi * energy
cosine = sp.sqrt(m.dot(m) / norm2)
assert list(m) == [1, sp.Rational(1, 2)]

# %%
setting = rs.Setting(
    n=1200, d=300, width=900, activation="softplus", target={"expression": "z1 + 0.5*z2 + 0.6*z1*z2"},
    noise_std=0.3, ridge=0.02, step_size=30.0, readout="constant",
)  # fmt: skip
latent = rs.predict(setting).latent
assert np.allclose([latent.beta_norm2, latent.beta_cosine], [float(norm2), float(cosine)], rtol=1e-9)

# %% [markdown]
# ## What the regression learns of the other directions
#
# Off $q$ the features are $h(q_i)\,\langle x_i, w_j\rangle$ and noise, so for a label $\sum_k f_k(q)\, t_k$ the directions do not
# mix: each lowers $T$ by $\frac Nd\, g_k^\top P g_k$, $g_k = \mathbb E_q[R\, h f_k]$. A label $q\, t_2$, of which a step sees nothing, has
# $g = \mathbb E_q[R\, h\, q]$, which is zero for an even $h$:

# %%
q, slope = sp.symbols("q c", real=True)
density = sp.exp(-(q**2) / 2) / sp.sqrt(2 * sp.pi)
even, both = 1 + q**2, 1 + slope * q + q**2
assert sp.integrate(even * q * density, (q, -sp.oo, sp.oo)) == 0
assert sp.simplify(sp.integrate(both * q * density, (q, -sp.oo, sp.oo)) - slope) == 0

# %% [markdown]
# The same of matrices, at one readout weight and $m_1 = h$ exactly: $T = \mathbb E_q[R f^2] - \frac Nd\, P\, g^2$ with the scalar equations of
# section 4.

# %%
rng = np.random.default_rng(19)
n, d, width, ridge = 600, 200, 400, 0.1
nodes, weights = np.polynomial.hermite_e.hermegauss(40)
weights = weights / weights.sum()


def functional(h):
    """``T`` of the label ``q t`` with the slope `h`, noise of variance ``ridge`` in the ridge alone."""
    omega, resolvent = 1.0, np.full(nodes.size, 1.0 / ridge)
    for _ in range(2000):
        coupling = width / d * omega * (weights @ (resolvent * h(nodes) ** 2))
        share = 1.0 / (1.0 + coupling)
        resolvent = 0.5 * (resolvent + 1.0 / (ridge + width / n * omega * share * h(nodes) ** 2))
        omega = 0.5 * (omega + 1.0 / (1.0 + d / width * (1.0 - share) / omega))
    source = np.sqrt(omega) * (weights @ (resolvent * h(nodes) * nodes))
    return weights @ (resolvent * nodes**2) - width / d * share * source**2


def simulated(h, trials=6):
    """The same from matrices."""
    values = []
    for _ in range(trials):
        x, w = rng.normal(size=(n, d)), rng.normal(size=(width, d)) / np.sqrt(d)
        along = rng.normal(size=n)
        features = h(along)[:, None] * (x @ w.T)
        label = along * x[:, 0]
        values.append(label @ np.linalg.solve(features @ features.T / n + ridge * np.eye(n), label) / n)
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(trials)


for h, learns in ((lambda q: 1.0 + 1.5 * q, True), (lambda q: np.sqrt(1.0 + 0.6 * q**2), False)):
    mean, error = simulated(h)
    assert abs(functional(h) - mean) < 4 * error + 0.01 * mean  # order 1/d: one direction more
    resolvent_alone = functional(lambda q, h=h: np.sqrt(0.5 * (h(q) ** 2 + h(-q) ** 2)))
    assert (abs(resolvent_alone - mean) > 0.1 * mean) == learns  # without what is learnt, wrong

# %% [markdown]
# ## Classification errors
#
# With $Q = (\frac1n F F^\top + \mathrm{diag}\, L)^{-1}$, a sample left out has the residual $y_i - f_{-i} = (Qy)_i/Q_{ii}$. So the squared
# error on a fresh sample with the latent variable $q$ is $-R^{-2}\,\partial T/\partial L(q)$ over the weight of $q$; less what the mean score
# leaves unexplained it is the variance of the score. A fitted sample has $f_i = y_i - L_i (Qy)_i = (1 - L R)\, y_i + L R\, f_{-i}$.

# %%
features, label = rng.normal(size=(30, 12)), rng.normal(size=30)
penalty = rng.uniform(0.2, 1.0, size=30)
inverse = np.linalg.inv(features @ features.T / 30 + np.diag(penalty))
for i in range(3):
    others = np.arange(30) != i
    gram = features[others] @ features[others].T / 30 + np.diag(penalty[others])
    left_out = features[i] @ features[others].T / 30 @ np.linalg.solve(gram, label[others])
    assert np.isclose(label[i] - left_out, (inverse @ label)[i] / inverse[i, i])
    fitted = (features @ features.T / 30 @ inverse @ label)[i]
    share = penalty[i] * inverse[i, i]
    assert np.isclose(fitted, (1 - share) * label[i] + share * left_out)

# %% [markdown]
# Labels are signs. Given $q$ and $t$ the score is normal with the mean $p(q, t)$ and the variance $v$, so the error is
# $\mathbb E\,\Phi(-y\,p/\sqrt v)$, and of fitted samples $\mathbb E\,\Phi\bigl(-(y\,p + (1 - LR)/(LR))/\sqrt v\bigr)$. Where label and score are
# linear this is an orthant probability, $\arccos(\rho)/\pi$:

# %%
cos, along_q, along_t, variance = 0.7, 0.8, 0.3, 0.5
sin = np.sqrt(1 - cos**2)
fine = np.linspace(-8, 8, 2001)
mass = np.exp(-(fine**2) / 2) / np.exp(-(fine**2) / 2).sum()
sign = np.sign(cos * fine[:, None] + sin * fine)
error = mass @ ndtr(-sign * (along_q * fine[:, None] + along_t * fine) / np.sqrt(variance)) @ mass
correlation = (cos * along_q + sin * along_t) / np.sqrt(along_q**2 + along_t**2 + variance)
assert abs(error - np.arccos(correlation) / np.pi) < 1e-4

# %% [markdown]
# The library, without a step and with a linear activation: score and label are linear in their latent variables, and
# $\mathrm{test} = 1 - 2\sqrt{2/\pi}\,\rho\,\sigma_f + \sigma_f^2$ at the best scale $\sigma_f = \sqrt{2/\pi}\,\rho$ for the best ridge.

# %%
linear = rs.Setting(n=800, d=400, width=2000, activation="identity", target="sign", ridge=1.0, step_size=0.0)
ridges = np.geomspace(0.6, 2.5, 9)
losses = [rs.predict(linear.replace(ridge=each)).losses for each in ridges]
best = min(losses, key=lambda each: each.test)
explained = np.sqrt((1 - best.test) * np.pi / 2)
assert abs(best.sign_error.test - np.arccos(explained) / np.pi) < 2e-3
assert best.sign_error.train < best.sign_error.test
