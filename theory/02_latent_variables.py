# %% [markdown]
# # The latent variables of the step
#
# **Assumptions.** $x \sim N(0, I_d)$, labels $y = \sigma_*(u) + \varepsilon$ with
# $u = \langle\beta_*, x\rangle$ and independent noise; a row $w$ of $W_0$ of norm one, asymptotically
# orthogonal to $\beta_*$; $d/n \to \phi$. The residual of the step is the label (mean-field output scale).
#
# **Result.** With $\beta = \frac1n X^\top y$ and $\theta = \eta/\sqrt N$,
#
# $$\lVert\beta\rVert^2 \to B = c_{*,1}^2 + \phi\,\mathbb E y^2, \qquad \cos^2(\beta, \beta_*) \to \rho = c_{*,1}^2/B,$$
#
# and a trained row has a part $c_1 \theta \alpha_j \beta$ along $\beta$, grows along itself by
# $2 c_2\, \mathbb E[y]\, \theta\alpha_j$, and carries a part that is incoherent between neurons, of squared
# norm $\nu \alpha_j^2$ with $\nu = \theta^2 \phi\, \mathbb E y^2\, \mathrm{Var}\,\sigma'$.

# %%
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

u, v, e = sp.symbols("u v varepsilon", real=True)
n, d, phi = sp.symbols("n d phi", positive=True)
noise = sp.Symbol("sigma_epsilon", positive=True)


def gaussian_mean(expression, *variables):
    """Mean over independent standard normal variables of a polynomial."""
    for x in variables:
        terms = sp.Poly(sp.expand(expression), x).terms()
        expression = sum(c * (sp.factorial2(p - 1) if p else 1) for (p,), c in terms if p % 2 == 0)
    return sp.expand(expression)


# %% [markdown]
# The teacher and the activation are general polynomials of degree four, with symbolic Hermite coefficients.
# (For other functions the identities are those of the expansions, term by term.)

# %%
teacher = sp.symbols("c_*0:5", real=True)
activation = sp.symbols("c_0:5", real=True)
label = sum(c * sp.hermite_prob(k, u) for k, c in enumerate(teacher)) + noise * e
sigma = sum(c * sp.hermite_prob(k, v) for k, c in enumerate(activation))
energy = gaussian_mean(label**2, u, e)
energy

# %% [markdown]
# ## Norm and direction of $\beta$
#
# $\beta$ is a mean of $n$ independent vectors $y x$. Along $\beta_*$ such a vector has the mean
# $\mathbb E[y u]$; orthogonally to it the mean is zero. So
# $\mathbb E \lVert\beta\rVert^2 = (1 - \frac1n)\, \mathbb E[y u]^2 + \frac1n \mathbb E[y^2 \lVert x\rVert^2]$,
# with $\lVert x\rVert^2 = u^2 + \text{(a chi-square of } d - 1 \text{ degrees, independent of } y)$.

# %%
projection = gaussian_mean(label * u, u, e)
assert projection == teacher[1]
square = (1 - 1 / n) * projection**2 + (gaussian_mean(label**2 * u**2, u, e) + (d - 1) * energy) / n
norm2 = sp.limit(sp.expand(square.subs(d, phi * n)), n, sp.oo)
E_y2 = symbolic.symbol("E_y2")
names = {symbolic.symbol("phi"): phi, symbolic.symbol("c_star_1"): teacher[1], E_y2: energy}
assert sp.expand(norm2 - symbolic.beta_norm2().subs(names)) == 0
symbolic.beta_norm2()

# %% [markdown]
# The variance of each coordinate of $\beta$ is of order $1/n$, so that norm and projection concentrate, and
# the cosine is the ratio of the two.

# %%
assert sp.simplify(projection**2 / norm2 - symbolic.beta_cosine2().subs(names)) == 0
symbolic.beta_cosine2()

# %% [markdown]
# ## The gradient of one row
#
# Row $j$ of $\eta G$ is $\theta \alpha_j$ times $\frac1n \sum_i y_i\, \sigma'(v_i)\, x_i$ with
# $v = \langle w, x\rangle$. Split $\sigma'$ into its mean $c_1$ and the rest. The mean gives $c_1 \beta$,
# hence the shift $s = c_1 \theta \sqrt B$ per unit of $\alpha_j q$ with
# $q = \langle\beta/\lVert\beta\rVert, x\rangle$. The rest has the following means along $\beta_*$ and along
# $w$ itself ($u$ and $v$ are independent):

# %%
slope = sp.diff(sigma, v)
assert gaussian_mean(slope, v) == activation[1]
rest = slope - activation[1]
along_teacher = gaussian_mean(label * rest * u, u, v, e)
along_itself = gaussian_mean(label * rest * v, u, v, e)
assert along_teacher == 0
along_itself

# %% [markdown]
# That is the *drift*, $2 c_2\, \mathbb E[y]$ per unit of $\theta\alpha_j$. Around its mean the rest is a sum
# of $n$ independent vectors of mean square norm $d\; \mathbb E[y^2]\, \mathbb E[(\sigma' - c_1)^2]$ to
# leading order, divided by $n$:

# %%
variance = gaussian_mean(rest**2, v)
assert sp.expand(along_itself - 2 * activation[2] * teacher[0]) == 0
scatter = gaussian_mean(label**2 * rest**2, u, v, e) * d / n
incoherent = sp.limit(scatter.subs(d, phi * n), n, sp.oo)
V, theta = symbolic.symbol("V"), symbolic.symbol("theta")
inflation = symbolic.inflation().subs({**names, V: variance})
assert sp.expand(theta**2 * incoherent - inflation) == 0
symbolic.inflation()

# %% [markdown]
# with $\mathrm{Var}\,\sigma' = \sum_{k \ge 2} k\, k!\, c_k^2$:

# %%
assert sp.expand(variance - sum(k * sp.factorial(k) * activation[k] ** 2 for k in range(2, 5))) == 0

# %% [markdown]
# Two neurons with orthogonal rows have incoherent parts whose inner product has the mean
# $\theta^2 \alpha_j\alpha_k\, \phi\, \mathbb E[y^2]\, \mathbb E[\sigma'(v) - c_1]^2 = 0$: the incoherent part
# makes no direction of its own, which is why it is absent from the operator norm of $G$. But each row is
# longer by it. The squared norm of a row, apart from $\beta$, is

# %%
symbolic.row_norm2()

# %% [markdown]
# ## The library's latent variables

# %%
setting = rs.Setting(
    n=1000,
    d=400,
    width=700,
    activation={"hermite": [0, 0.8, 0.4, -0.1, 0.05]},
    target={"hermite": [0.3, 1.0, 0.6, 0.3, -0.1]},
    noise_std=0.5,
    ridge=0.05,
    step_size=5.0,
)
latent = rs.predict(setting, method="closed_form").latent
numbers = dict(zip(teacher, (sp.Rational(x) for x in ("0.3", "1", "0.6", "0.3", "-0.1")), strict=True))
numbers |= dict(zip(activation, (sp.Rational(x) for x in ("0", "0.8", "0.4", "-0.1", "0.05")), strict=True))
numbers |= {noise: sp.Rational(1, 2), phi: sp.Rational(2, 5)}
B = norm2.subs(numbers)
theta_value = 5 / sp.sqrt(700)
derived = {
    "beta_norm2": B,
    "beta_cosine": 1 / sp.sqrt(B),
    "inflation": (theta**2 * incoherent).subs({**numbers, theta: theta_value}),
    "drift": (theta * along_itself).subs({**numbers, theta: theta_value}),
    "residual_energy": energy.subs(numbers),
}
s = symbolic.shift().subs({symbolic.symbol("c_1"): sp.Rational(4, 5), theta: theta_value})
derived["shift"] = s.subs(symbolic.symbol("B"), B)
derived["chi"] = derived["inflation"] / derived["shift"] ** 2
# Double precision of expressions without cancellation.
assert all(abs(getattr(latent, name) / float(value) - 1) < 1e-13 for name, value in derived.items())
