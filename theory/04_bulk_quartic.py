# %% [markdown]
# # The quartic of the bulk and its edges
#
# **Assumptions.** Untrained features are equivalent to $c_1 Z + c_{>1}\, \Xi$ with $Z = \tilde X W_0^\top$
# and independent noise $\Xi$ (Gaussian equivalence); rows of $W_0$ are independent, isotropic, of norm one;
# $\gamma = N/d$ and $r = N/\tilde n$ are fixed.
#
# **Result.** With $g(\kappa) = \frac1N \mathrm{tr}\,(c_1^2 W_0 W_0^\top + c_{>1}^2 + \kappa)^{-1}$ and the
# effective ridge $\kappa$,
#
# $$\frac1g = \kappa + c_{>1}^2 + \frac{c_1^2}{1 + \gamma c_1^2 g}, \qquad \lambda = \kappa\, [1 - r\,(1 - \kappa g)] .$$
#
# Eliminating $\kappa$ makes $g$ the root of a quartic whose coefficients are linear in the eigenvalue
# $z = -\lambda$; the edges of the spectrum are roots of its discriminant.

# %%
import flint
import mpmath as mp
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

g, z, kappa, gamma, ratio = (symbolic.symbol(name) for name in ("g", "z", "kappa", "gamma", "ratio"))
c_1, tail = symbolic.symbol("c_1"), symbolic.symbol("c_tail2")

# %% [markdown]
# ## Population: leave one neuron out
#
# Let $K = (c_1^2 W_0 W_0^\top + m)^{-1}$ with $m = c_{>1}^2 + \kappa$. For an invertible matrix in blocks,
# the first diagonal entry of the inverse is the inverse of the Schur complement. For the first neuron the
# complement is $m + c_1^2 w^\top [1 - c_1^2 W^\top K^{(1)} W] w$, with $W$ and $K^{(1)}$ those of the other
# rows, and $I - c_1^2 W^\top K^{(1)} W = m\,(c_1^2 W^\top W + m)^{-1}$:

# %%
m, a, b, e, f = sp.symbols("m a b e f", real=True)
W = sp.Matrix([[a, b], [e, f]])
others = (c_1**2 * W * W.T + m * sp.eye(2)).inv()
push = sp.eye(2) - c_1**2 * W.T * others * W - m * (c_1**2 * W.T * W + m * sp.eye(2)).inv()
assert sp.simplify(push) == sp.zeros(2, 2)

# %% [markdown]
# $w$ is independent of the other rows and isotropic, so the quadratic form concentrates on
# $\frac md \mathrm{tr}\,(c_1^2 W^\top W + m)^{-1} = 1 - \gamma\,(1 - m g)$: the two Gram matrices share their
# nonzero eigenvalues, and one has $d - N$ more zeros. This is $\mu$, the share of a linear signal that the
# regression leaves unexplained, and $1/g = m + c_1^2 \mu$:

# %%
share = 1 - gamma * (1 - (tail + kappa) * g)
assert sp.expand(share - symbolic.mu()) == 0
equation = sp.numer(sp.together(1 / g - (tail + kappa) - c_1**2 * share))
equation

# %% [markdown]
# A quadratic in $g$: the library's root, and its inverse $\kappa(g)$, solve it. The inverse also gives
# $\mu = 1/(1 + \gamma c_1^2 g)$.

# %%
root = symbolic.marchenko_pastur()
assert sp.simplify(equation.subs(g, root)) == 0
inverse = symbolic.effective_ridge()
assert sp.simplify(equation.subs(kappa, inverse)) == 0
assert sp.simplify(share.subs(kappa, inverse) - 1 / (1 + gamma * c_1**2 * g)) == 0
inverse

# %% [markdown]
# It is the root that is positive for $\kappa > 0$: the product of the two roots of the quadratic is
# $-1/(\gamma c_1^2 m) < 0$.
#
# ## Sample: leave one sample out
#
# Given the neurons, rows of the features are independent with covariance
# $\Sigma = c_1^2 W_0 W_0^\top + c_{>1}^2$. The same argument for the resolvent
# $(F F^\top/\tilde n + \lambda)^{-1}$, whose diagonal is $R = 1/\kappa$, gives
# $1/R = \lambda + \frac1{\tilde n} \mathrm{tr}\,\Sigma\,(1 + R\,\Sigma)^{-1}$, and
# $\frac1N\mathrm{tr}\,\Sigma\,(\kappa + \Sigma)^{-1} = 1 - \kappa g$:

# %%
ridge = sp.expand(kappa - ratio * kappa * (1 - kappa * g))
assert sp.expand(ridge - symbolic.ridge()) == 0

# %% [markdown]
# ## Derivatives
#
# They enter the test loss and the vectors of spikes.

# %%
g_slope = symbolic.trace_slope().subs(symbolic.symbol("mu"), 1 / (1 + gamma * c_1**2 * g))
assert sp.simplify(g_slope * sp.diff(inverse, g) - 1) == 0
mu_slope = symbolic.linear_share_slope().subs(symbolic.symbol("mu"), 1 / (1 + gamma * c_1**2 * g))
slope = sp.Symbol("g_slope", real=True)
assert sp.simplify(mu_slope - sp.diff(1 / (1 + gamma * c_1**2 * g), g) * slope) == 0
along = sp.diff(ridge, kappa) + sp.diff(ridge, g) * slope
assert sp.simplify(symbolic.effective_ridge_slope() * along - 1) == 0

# %% [markdown]
# ## Elimination
#
# Inserting $\kappa(g)$ into $z = -\lambda$ and clearing the denominator $g\,(1 + \gamma c_1^2 g)^2$ leaves a
# polynomial in $g$.

# %%
location = -ridge.subs(kappa, inverse)
quartic = sp.expand(sp.together((z - location) * g * (1 + gamma * c_1**2 * g) ** 2).simplify())
assert sp.expand(quartic - symbolic.bulk_polynomial()) == 0
polynomial = sp.Poly(quartic, g)
assert polynomial.degree() == 4
for power, coefficient in enumerate(reversed(polynomial.all_coeffs())):
    assert sp.degree(coefficient, z) <= 1, power
sp.factor(polynomial.LC())

# %% [markdown]
# The degree falls to three when $c_{>1} = 0$ (a linear activation).
#
# ## Edges
#
# Inside the bulk two roots are a complex pair; at an edge they meet, so an edge is a root of the discriminant
# in $z$. At rational parameters python-flint computes the discriminant exactly. Its roots also contain points
# where other branches meet, so they are as many as or more than the edges.

# %%
values = {
    c_1: sp.Rational(1, 2),
    tail: sp.Rational(1, 10),
    gamma: sp.Rational(4, 3),
    ratio: sp.Rational(2, 3),
}
numeric = sp.Poly(quartic.subs(values), g, z)
ring = flint.fmpq_mpoly_ctx.get(("g", "z"), "lex")
exact = ring.from_dict({powers: flint.fmpq(int(c.p), int(c.q)) for powers, c in numeric.terms()})
discriminant = exact.discriminant("g")
in_z = {powers[1]: c for powers, c in discriminant.to_dict().items()}
dense = flint.fmpq_poly([in_z.get(power, 0) for power in range(max(in_z) + 1)])
candidates = [
    float(root.real)
    for factor, _ in dense.numer().factor()[1]
    for root, _ in factor.complex_roots()
    if root.imag.contains(0) and float(root.real) > 0
]
sorted(candidates)

# %% [markdown]
# ## The library's edges and density
#
# $\sigma = \frac12 \mathrm{He}_1 + \sqrt{1/20}\, \mathrm{He}_2$ has $c_1 = \frac12$ and
# $c_{>1}^2 = \frac1{10}$.

# %%
setting = rs.Setting(
    n=900,
    d=450,
    width=600,
    activation={"hermite": [0, 0.5, float(mp.sqrt(mp.mpf(1) / 20))]},
    target={"hermite": [0, 1]},
    ridge=0.05,
    step_size=1.0,
)
bulk = rs.predict(setting, method="closed_form").bulk
edges = bulk.edges.ravel() ** 2
distances = [min(abs(edge / candidate - 1) for candidate in candidates) for edge in edges]
# Critical points of z(g) in double precision: the location is stationary there, so rounding is all that is left.
assert max(distances) < 1e-12

# %% [markdown]
# The density of the singular values $x = \sqrt z$ is $2x\, \mathrm{Im}\,(1/\kappa)/(\pi r)$ on the branch
# with $\mathrm{Im}\, g > 0$ and $\mathrm{Im}\,\kappa^{-1} > 0$.

# %%
low, high = bulk.edges[0]
errors = []
for share in ("0.1", "0.5", "0.9"):
    x = low + float(share) * (high - low)
    coefficients = [mp.mpf(c.p) / c.q for c in sp.Poly(numeric.subs(z, sp.Rational(x) ** 2), g).all_coeffs()]
    inverse_at = sp.lambdify(g, 1 / inverse.subs(values), "mpmath")
    pairs = [(r, inverse_at(r)) for r in mp.polyroots(coefficients, maxsteps=200, extraprec=200)]
    (branch,) = [inverse for r, inverse in pairs if r.imag > 1e-10 and inverse.imag > 0]
    density = 2 * x * branch.imag / (mp.pi * mp.mpf(2) / 3)
    errors.append(abs(float(density) / float(bulk.density(x)) - 1))

# Eigenvalues of a companion matrix in double precision, away from the edges.
assert max(errors) < 1e-10
