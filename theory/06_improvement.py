# %% [markdown]
# # The fall of the losses with $l$ spikes
#
# **Assumptions.** $n \to \infty$ within the regime of $l$ spikes: along the features $p_k$ of the spikes
# ($k \le l$, $c_k \ne 0$) the ridge penalty vanishes, and everything else is as for untrained features.
# Labels without a mean, a Gaussian readout (its powers are linearly independent).
#
# **Result.** With weights $w_1 = \mu$, $w_j = 1$ otherwise, the inner product
# $\langle f, h\rangle = \sum_j w_j\, j!\, f_j h_j$ of Hermite series in $q$, and the label's series
# $c_{*,j} \cos^j$,
#
# $$\Delta_l = \frac\lambda\kappa\, b^\top \Gamma^{-1} b, \qquad \Gamma_{kk'} = \langle p_k, p_{k'}\rangle, \quad b_k = \langle p_k, \text{label}\rangle,$$
#
# and when all $c_1, \dots, c_l$ differ from zero this is, with $\rho = \cos^2$ and $x = (1 + \chi)/2$,
#
# $$\Delta_l = \frac\lambda\kappa\Biggl[\mu\, c_{*,1}^2 \rho + \sum_{j=2}^{l} j!\, c_{*,j}^2 \rho^j
#   - \frac{\Bigl(\sum_{i=1}^{\lfloor l/2\rfloor} \frac{(2i)!}{i!} (-x)^i c_{*,2i}\, \rho^i\Bigr)^2}
#          {\sum_{i=0}^{\lfloor l/2\rfloor} \binom{2i}{i} x^{2i}}\Biggr].$$

# %%
import random

import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

names = ("mu", "rho", "chi", "kappa", "lambda_", "q", "l")
mu, rho, chi, kappa, lambda_, q, l = (symbolic.symbol(name) for name in names)
teacher = {j: symbolic.symbol(f"c_star_{j}") for j in range(1, 13)}
scale = lambda_ / kappa

# %% [markdown]
# ## Regression on free features
#
# The objective is $\lambda T$ with $T = y^\top (\text{resolvent})\, y/\tilde n$. Untrained features reduce
# $y$ to $\kappa T = \mathbb E y^2 - (1 - \mu)\, c_{*,1}^2$: of a linear signal the share $\mu$ is left, of
# all else everything. A direction without penalty is projected out in this metric (the limit $a \to \infty$
# of $1/(1 + a g)$ in section 5), so that with features $p_1, \dots, p_l$ the reduction is the squared length
# of the projection of the label on their span. The metric is diagonal in Hermite polynomials.
#
# ## The span, without gaps among the degrees
#
# $p_k$ is monic of degree $k$ with the parity of $k$. So the odd ones span
# $\mathrm{He}_1, \mathrm{He}_3, \dots$: everything odd up to degree $l$ is explained, for any $\chi$. The
# even ones, $p_2, \dots, p_{2m}$, are one short of spanning $\mathrm{He}_0, \dots, \mathrm{He}_{2m}$. The
# direction $v = \sum_i v_i \mathrm{He}_{2i}$ that they leave out is found from the generating function:
#
# $$\sum_k \langle p_k, v\rangle \frac{t^k}{k!} = \mathbb E\bigl[v(q)\, e^{tq + \chi t^2/2}\bigr] = e^{(1 + \chi) t^2/2} \sum_i v_i t^{2i},$$
#
# which must have no powers $t^2, \dots, t^{2m}$: the sum is $e^{-(1 + \chi) t^2/2}$ cut after $t^{2m}$, that
# is $v_i = (-x)^i/i!$.

# %%
x = (1 + chi) / 2


def gaussian_mean(expression):
    """Mean over a standard normal q of a polynomial."""
    terms = sp.Poly(sp.expand(expression), q).terms()
    return sp.expand(sum(c * (sp.factorial2(p - 1) if p else 1) for (p,), c in terms if p % 2 == 0))


for m in range(1, 4):
    v = sum((-x) ** i / sp.factorial(i) * sp.hermite_prob(2 * i, q) for i in range(m + 1))
    assert all(gaussian_mean(v * symbolic.feature(2 * i)) == 0 for i in range(1, m + 1))
    norm = sum(sp.binomial(2 * i, i) * x ** (2 * i) for i in range(m + 1))
    assert sp.expand(gaussian_mean(v**2) - norm) == 0

# %% [markdown]
# The projection is then the whole even part minus its component along $v$, which is the stated formula. For a
# symbolic number of spikes:

# %%
general = symbolic.improvement("l")
general

# %% [markdown]
# ## $l = 1, \dots, 6$
#
# Corrected features:

# %%
corrected = {spikes: symbolic.improvement(spikes) for spikes in range(1, 7)}
sp.Matrix([corrected[spikes] / scale for spikes in range(1, 7)])

# %% [markdown]
# Published ones, $\chi = 0$:

# %%
published = {spikes: symbolic.improvement(spikes, features="published") for spikes in range(1, 7)}
sp.Matrix([sp.expand(published[spikes] / scale) for spikes in range(1, 7)])

# %% [markdown]
# The general formula gives these, and so does the definition $b^\top\Gamma^{-1}b$ with inner products
# computed anew from polynomials in $q$.

# %%
array = sp.IndexedBase(symbolic.symbol("c_star"))


def explicit(expression, spikes):
    """The general formula at an integer number of spikes."""
    expression = expression.subs(l, spikes).doit()
    return expression.subs({array[j]: c for j, c in teacher.items()})


def by_definition(degrees, spread):
    """``b^T Gamma^{-1} b`` with inner products by integration."""
    features = [symbolic.feature(k).subs(chi, spread) for k in degrees]
    label = sum(teacher[j] * sp.sqrt(rho) ** j * sp.hermite_prob(j, q) for j in range(1, max(degrees) + 1))

    def inner(f, h):
        return gaussian_mean(f * h) - (1 - mu) * gaussian_mean(f * q) * gaussian_mean(h * q)

    gram = sp.Matrix([[inner(f, h) for h in features] for f in features])
    signal = sp.Matrix([inner(f, label) for f in features])
    return (signal.T * gram.LUsolve(signal))[0]


assert all(sp.simplify(explicit(general, spikes) - corrected[spikes]) == 0 for spikes in range(1, 7))
for spikes in range(1, 5):
    assert sp.simplify(scale * by_definition(range(1, spikes + 1), 0) - published[spikes]) == 0
for spikes in range(1, 4):
    assert sp.simplify(scale * by_definition(range(1, spikes + 1), chi) - corrected[spikes]) == 0

# %% [markdown]
# Beyond these, exact rational arithmetic at random parameters: both sides are then the same fraction.

# %%
draw = random.Random(7)
for spikes in (5, 6, 8):
    point = {
        name: sp.Rational(draw.randint(1, 9), draw.randint(10, 19)) for name in (mu, chi, kappa, lambda_)
    }
    # The square of a fraction, so that its root is one as well.
    point[rho] = sp.Rational(draw.randint(1, 9), draw.randint(10, 19)) ** 2
    point |= {c: sp.Rational(draw.randint(-9, 9), draw.randint(10, 19)) for c in teacher.values()}
    features = [symbolic.feature(k).subs(point) for k in range(1, spikes + 1)]
    label = sum(
        point[teacher[j]] * sp.sqrt(point[rho]) ** j * sp.hermite_prob(j, q) for j in range(1, spikes + 1)
    )

    def inner(f, h, weight=point[mu]):
        return gaussian_mean(f * h) - (1 - weight) * gaussian_mean(f * q) * gaussian_mean(h * q)

    gram = sp.Matrix([[inner(f, h) for h in features] for f in features])
    signal = sp.Matrix([inner(f, label) for f in features])
    direct = point[lambda_] / point[kappa] * (signal.T * gram.LUsolve(signal))[0]
    assert direct == symbolic.improvement(spikes).subs(point) == explicit(general, spikes).subs(point)

# %% [markdown]
# ## The published closed forms
#
# In MLHD's variables $m_1 = (\phi/\psi)/\kappa$, $m_2 = \mu m_1$, and with $\rho = c_{*,1}^2/B$:

# %%
phi, psi, m_1, m_2, B = (symbolic.symbol(name) for name in ("phi", "psi", "m_1", "m_2", "B"))
theirs = {kappa: phi / psi / m_1, mu: m_2 / m_1, rho: teacher[1] ** 2 / B}
delta_1 = psi * lambda_ * teacher[1] ** 4 * m_2 / (phi * B)
delta_2 = delta_1 + sp.Rational(4, 3) * psi * lambda_ * teacher[1] ** 4 * teacher[2] ** 2 * m_1 / (phi * B**2)
assert sp.simplify(published[1].subs(theirs) - delta_1) == 0
assert sp.simplify(published[2].subs(theirs) - delta_2) == 0
delta_2

# %% [markdown]
# The correction turns the $4/3$ into $4/(2 + (1 + \chi)^2)$:

# %%
second = sp.simplify((corrected[2] - corrected[1]) / scale / (teacher[2] * rho) ** 2)
assert sp.simplify(second - 4 / (2 + (1 + chi) ** 2)) == 0
assert second.subs(chi, 0) == sp.Rational(4, 3)
second

# %% [markdown]
# ## Intercept and missing degrees
#
# An activation with a mean ($c_0 \ne 0$) makes the constant a feature. Then the even span has no gap, nothing
# depends on $\chi$, and $4/3$ becomes $2$: the published and the corrected theory agree.

# %%
with_constant = {k: symbolic.improvement(2, intercept=True, features=k) for k in ("corrected", "published")}
for expression in with_constant.values():
    assert sp.simplify((expression - corrected[1]) / scale - 2 * (teacher[2] * rho) ** 2) == 0
symbolic.improvement("l", intercept=True)

# %% [markdown]
# An odd activation has no even features, and gains nothing from the even part of the label. A centred ReLU
# has no odd ones beyond the first.

# %%
odd = symbolic.improvement(6, missing="even")
assert not odd.free_symbols & {teacher[2], teacher[4], teacher[6], chi}
even = symbolic.improvement(6, missing="odd")
assert not even.free_symbols & {teacher[3], teacher[5]}
assert sp.simplify(odd + even - corrected[6] - scale * mu * teacher[1] ** 2 * rho) == 0
odd

# %% [markdown]
# Other gaps leave a linear system:

# %%
gap = symbolic.improvement(4, missing=[2])
assert sp.simplify(gap - scale * by_definition([1, 3, 4], chi)) == 0
gap

# %% [markdown]
# As $l \to \infty$ the denominator $\sum_i \binom{2i}{i} x^{2i}$ diverges, because $x \ge \frac12$ and the
# terms are at least of the size $1/\sqrt{\pi i}$. The missing direction then costs less and less: all of
# $\mathbb E[y \mid q]$ is learnt in the end, with either theory.
#
# ## The companion for the test loss
#
# The test loss is $-\kappa^2\, \frac{d}{d\lambda} (\text{objective}/\lambda)$ (generalised cross-validation,
# [resolvent](08_resolvent_functional.py)). Only $\mu$ and $\kappa$ depend on $\lambda$, and $\mu$ only enters
# with the linear part.

# %%
k_of = sp.Function("kappa")(lambda_)
m_of = sp.Function("mu")(k_of)
for spikes in (1, 2, 3):
    over_ridge = (corrected[spikes] / lambda_).subs({mu: m_of, kappa: k_of})
    test = -(k_of**2) * sp.diff(over_ridge, lambda_)
    library = symbolic.improvement(spikes, loss="test")
    slopes = {
        symbolic.symbol("kappa_slope"): sp.diff(k_of, lambda_),
        symbolic.symbol("mu_slope"): sp.Subs(sp.diff(sp.Function("mu")(kappa), kappa), kappa, k_of),
    }
    assert sp.simplify((test - library.subs({mu: m_of, kappa: k_of}).subs(slopes)).doit()) == 0
symbolic.improvement(2, loss="test")

# %% [markdown]
# ## The library's limits
#
# `limit_losses` solves the linear system in extended precision; the formulas take $\kappa$ from its own
# equation.

# %%
differences = []
for activation, missing in (([0, 1, 0.4, 0.3, 0.1], ()), ([0, 1, 0, 0.3, 0], "even")):
    setting = rs.Setting(
        n=1000,
        d=400,
        width=700,
        activation={"hermite": activation},
        target={"hermite": [0, 1, 0.6, 0.3, 0.2]},
        noise_std=0.3,
        ridge=0.05,
        step_size=1.0,
    )
    expansion = setting.activation_expansion
    sizes = {
        "gamma": setting.gamma,
        "ratio": setting.ridge_ratio,
        "c_1": float(expansion.coefficients[1]),
        "c_tail2": float(expansion.tail),
    }
    sizes = {symbolic.symbol(name): value for name, value in sizes.items()}
    g, trace = symbolic.symbol("g"), symbolic.marchenko_pastur().subs(sizes)
    equation = symbolic.ridge().subs(sizes).subs(g, trace) - setting.ridge
    at = {kappa: sp.nsolve(equation, kappa, (setting.ridge, 10), solver="bisect", prec=25)}
    at[g] = trace.subs(at)
    at[mu] = symbolic.mu().subs(sizes).subs(at)
    at[symbolic.symbol("g_slope")] = symbolic.trace_slope().subs(sizes).subs(at)
    at[symbolic.symbol("mu_slope")] = symbolic.linear_share_slope().subs(sizes).subs(at)
    at[symbolic.symbol("kappa_slope")] = symbolic.effective_ridge_slope().subs(sizes).subs(at)
    latent = rs.predict(setting, method="limit").latent
    at |= {rho: latent.beta_cosine**2, lambda_: setting.ridge}
    at |= {teacher[j]: c for j, c in enumerate((1, 0.6, 0.3, 0.2), 1)}
    at[symbolic.symbol("E_y2")] = setting.label_energy
    for features in ("corrected", "published"):
        for loss in ("objective", "test"):
            gain = symbolic.improvement(4, features=features, loss=loss, missing=missing)
            formula = symbolic.untrained_loss(loss) - gain
            formula = float(formula.subs({**at, chi: latent.chi}))
            numeric = getattr(rs.theory.limit_losses(setting, features, degree=4), loss)
            differences.append(abs(formula / numeric - 1))

# kappa of the library is a root in double precision; the objective and the test loss are of its order.
assert max(differences) < 1e-11
