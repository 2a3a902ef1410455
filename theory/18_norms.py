# %% [markdown]
# # Norms and components as latent variables
#
# **Assumptions.** Rows of the first layer start on a sphere in $d$ dimensions, inputs are isotropic, $d$ is of
# order $10^1$ to $10^2$, and the labels have a direction $q$ that the step learns.
#
# **Derived.** The trained row given the component $u = w/\sqrt d$ of the initial row along $q$, for a step in
# expectation; what the noise of the batch adds; the samples of the batch given the direction that they make; and the
# rule that a sample sees a row through its two norms.
# **Assumed** elsewhere (`uniform/norms`): what the noise adds depends on $u$ to first order in $1/d$, and functions of
# the initial $w$ are seen by the trained row through the correlation of initial and trained component alone. Section 10 of
# [the theory](../docs/theory.md).

# %%
import numpy as np
import sympy as sp

# %% [markdown]
# ## The step of a row, given its component
#
# The gradient of a row $w_0 = (u, \sqrt{1 - u^2})$ in the plane of $q$ and the rest of the row is
# $a\,\mathbb E[r\,\sigma'(z)\,x]$ with $z = \langle w_0, x\rangle = uq + \sqrt{1 - u^2}\,\zeta$. All other components of $x$ are even and
# independent of $z$ and of the residual $r$: their mean vanishes. So, with $\theta$ the step,
#
# $$\text{along } q:\ u + \theta a\,\mathbb E[r\,q\,\sigma'(z)], \qquad \text{off } q:\ \sqrt{1 - u^2} + \theta a\,\mathbb E[r\,\zeta\,\sigma'(z)] .$$
#
# For a quadratic activation and residual the integrals are polynomials in $u$:

# %%
u, c1, c2, b1, b2 = sp.symbols("u c_1 c_2 b_1 b_2", real=True)
q, zeta = sp.symbols("q zeta", real=True)


def mean(expression: sp.Expr) -> sp.Expr:
    """Expectation over independent standard normal variables."""
    for x in (q, zeta):
        powers = sp.Poly(sp.expand(expression), x).terms()
        expression = sum(value * (0 if k % 2 else sp.factorial2(k - 1)) for (k,), value in powers)
    return sp.expand(expression)


root = sp.sqrt(1 - u**2)
slope = c1 + 2 * c2 * (u * q + root * zeta)
residual = b1 * q + b2 * (q**2 - 1)
along, off = (mean(residual * x * slope) for x in (q, zeta))
assert sp.simplify(along - (c1 * b1 + 4 * c2 * b2 * u)) == 0
assert sp.simplify(off) == 0  # a label without the direction zeta pulls the row along q alone

# %% [markdown]
# A kink does more: for ReLU the length off $q$ depends on $u$, which a theory that is linear in the components does
# not have. Here against gradients of 400 batches, with and without the noise of the batch, whose square
# $\theta^2 a^2\,\mathbb E[r^2 \sigma'^2]/n$ is added in each of the $d - 1$ directions.

# %%
d, n, theta, batches = 20, 2000, 1.5, 400
nodes, weights = np.polynomial.hermite_e.hermegauss(200)
weights = weights / weights.sum()
rng = np.random.default_rng(18)


def label(x):
    """A residual of degrees one and two."""
    return x + 0.7 * (x**2 - 1)


def expected(component):
    """Row along ``q`` and squared length off it: of the mean step, and what the noise of a batch adds to it."""
    rest = np.sqrt(1 - component**2)
    # Given q, the integrals of a step function and of zeta times it are known.
    edge = component * nodes / rest
    density = np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi)
    above = np.array([0.5 * (1 + float(sp.erf(x / np.sqrt(2)))) for x in edge])
    r = label(nodes)
    on = component + theta * weights @ (r * nodes * above)
    beside = rest + theta * weights @ (r * density)
    noise = theta**2 * (d - 1) / n * weights @ (r**2 * above)
    return on, beside**2, noise


def simulated(component):
    """Means over batches of the same two numbers, and their standard errors."""
    row = np.zeros(d)
    row[:2] = component, np.sqrt(1 - component**2)
    found = []
    for _ in range(batches):
        x = rng.normal(size=(n, d))
        trained = row + theta / n * (label(x[:, 0]) * (x @ row > 0)) @ x
        found.append([trained[0], np.sum(trained[1:] ** 2)])
    return np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(batches)


excess, linear = [], []
for component in (-0.4, 0.0, 0.4):
    on, square, noise = expected(component)
    (seen_on, seen_square), (se_on, se_square) = simulated(component)
    excess += [abs(seen_on - on) / se_on]
    # The noise is that of independent samples to order 1/d: its mean square off q has one direction of d - 1 that
    # is not, and the square of the mean is taken once too often, 1/n.
    excess += [max(0.0, abs(seen_square - square - noise) - noise / (d - 1)) / se_square]
    # Wrong theory: lengths to first order in the components, the same for u and -u, and no noise.
    flat = expected(0.0)
    linear += [abs(seen_square - flat[1] - flat[2]) / se_square]
assert max(excess) < 3.5  # six Gaussian numbers: one in 350
assert min(linear[0], linear[2]) > 20.0

# %% [markdown]
# ## Samples of the batch, given the direction that they make
#
# $\beta = X^\top r/n$ has the length $\lVert\beta\rVert^2 = o^2 + \phi\,\mathbb E r^2$, $o = \mathbb E[r u]$, so that
# $\cos = o/\lVert\beta\rVert$, and its noise has the component $\sqrt{\phi/\mathbb E r^2}\; r + \xi$ in a sample: what the sample
# itself has added, and a normal variable. Off $q$ the inputs are $P G$ with $G$ normal and $P$ the projection off the
# residuals, $P r = 0$, so that $H = X^\top \mathrm{diag}(r) X/n$ has there the level
#
# $$\tfrac1n\, \mathrm{tr}\, P\, \mathrm{diag}(r) = \mathbb E r - \tfrac1n\, \mathbb E r^3/\mathbb E r^2 .$$
#
# With equal readout weights the residual lacks $c_2 (\lVert x\rVert^2/d - 1)$, the mean of degree two over the sphere, and $H$
# lacks $2 c_2/d$ along every direction.

# %%
dim = sp.symbols("d", positive=True)
assert mean(c2 / dim * ((q**2 - 1) + (zeta**2 - 1)) * q**2) == 2 * c2 / dim

d, n, batches = 100, 600, 200
u_nodes, r_nodes = nodes, label(nodes)
energy, linear, third = (weights @ x for x in (r_nodes**2, r_nodes * u_nodes, r_nodes**3))
cosine = linear / np.sqrt(linear**2 + d / n * energy)
nu = np.sqrt(d / n / energy)


def square(own):
    """``E[r^2 q^2]`` where a sample adds `own` times its residual to the noise."""
    given = cosine * u_nodes + np.sqrt(1 - cosine**2) * own * r_nodes
    return weights @ (r_nodes**2 * (given**2 + 1 - cosine**2))


found = []
for _ in range(batches):
    x = rng.normal(size=(n, d))
    r = label(x[:, 0])
    beta = r @ x
    direction = x @ beta / np.linalg.norm(beta)
    off = np.sum(x**2, axis=1) - direction**2
    found.append([np.mean(r**2 * direction**2), np.mean(r * off) / (d - 1) - r.mean()])
seen, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(batches)
# A sample's squared norm is d to order 1/sqrt(d), and the component of the teacher in `off` has E[r (t^2 - 1)]/d.
t_square = weights @ (
    r_nodes * ((np.sqrt(1 - cosine**2) * u_nodes - cosine * nu * r_nodes) ** 2 + cosine**2 - 1)
)
level = -third / energy / n + t_square / (d - 1)
assert abs(seen[0] - square(nu)) < 3.5 * error[0] + 2 * square(nu) / d
assert abs(seen[0] - square(0.0)) > 3.5 * error[0] + 2 * square(nu) / d  # wrong theory: no part of its own
assert abs(seen[1] - level) < 3.5 * error[1]
assert (
    abs(seen[1] - level - third / energy / n) > 5.0 * error[1]
)  # wrong theory: the inputs know nothing of it

# %% [markdown]
# ## A sample and a row on spheres
#
# $\langle w, x\rangle = u q + \sqrt{1 - u^2}\,\rho\,\zeta$ where $\rho^2$ is the squared norm of the sample off $q$ over its mean and $\zeta$
# a coordinate of a uniform point, of variance one: its density is $\propto (1 - \zeta^2/D)^{(D - 3)/2}$ with $D = d - 1$, so that degree two
# of it is $\zeta^2 - 1$ with the second moment $2(D - 1)/(D + 2)$ in place of 2.

# %%
big, x = sp.symbols("D x", positive=True)
seconds = {}
for size in (5, 7, 9):
    density = (1 - x**2 / size) ** sp.Rational(size - 3, 2)
    end = sp.sqrt(size)
    zero, two, four = (sp.integrate(sp.expand(x**k * density), (x, -end, end)) for k in (0, 2, 4))
    assert sp.simplify(two / zero) == 1
    seconds[size] = sp.simplify(four / zero - 1)
formula = 2 * (big - 1) / (big + 2)
assert all(second == formula.subs(big, size) != 2 for size, second in seconds.items())

# %% [markdown]
# ## Components along the learnt and the teacher's direction
#
# Trained components $(p, s)$ along $q$ and $t$ have a covariance $X/d$, and are $L (w, v)/\sqrt d$ with $L L^\top = X$ and $v$ independent of
# $w$. Given $w$, the mean of $s$ and of $s^2$ beyond their own are $L_{tq} w/\sqrt d$ and $L_{tq}^2 (w^2 - 1)/d$. Where the step is the linear map
# $A = 1 + kH$ of initial rows, plus independent noise of covariance $(X - A^2)/d$, initial components given the trained ones are
# $B (w, v)/\sqrt d$ with $B = A L^{-\top}$; so the length that a form $M$ of them adds is the form $B^\top M B$ of $(w, v)$.

# %%
w, v = q, zeta
lq, lt = sp.symbols("l_q l_t", real=True)
s = (lq * w + lt * v) / sp.sqrt(dim)
given_w = sp.expand(s**2).coeff(v, 0) + sp.expand(s**2).coeff(v, 2)  # E[v] = 0, E[v^2] = 1
assert sp.expand(s).coeff(v, 0) == lq * w / sp.sqrt(dim)
assert sp.simplify(given_w - mean(s**2) - lq**2 * (w**2 - 1) / dim) == 0
# Independent pairs, as before, lack the covariance of the squares.
assert sp.simplify(mean(w**2 * s**2) - mean(w**2) * mean(s**2) - 2 * lq**2 / dim) == 0

step = np.array([[1.1, 0.5], [0.5, 0.6]])
covariance = step @ step + np.array([[0.3, 0.1], [0.1, 0.2]])
lower = np.linalg.cholesky(covariance)
initial = rng.normal(size=(2, 10**6))
trained = step @ initial + np.linalg.cholesky(covariance - step @ step) @ rng.normal(size=initial.shape)
seen = initial @ np.linalg.solve(lower, trained).T / initial.shape[1]
assert np.max(np.abs(seen - step @ np.linalg.inv(lower).T)) < 5e-3  # five standard errors
assert np.max(np.abs(seen - np.linalg.inv(lower) @ step)) > 0.05  # wrong theory: its transpose

# %% [markdown]
# ## A form of the sample
#
# Rows $(1 + kaH)\,w_0$ see the norm of a sample as $x^\top (1 + kaH)^2 x/d$, on average over $w_0$. Beyond what they have in common that is
# $2ka\,x^\top H x/d$, so that its covariance between neurons is $\frac2d\,4k^2 ab\,\langle H^2\rangle$ to that order. The form is one of the
# $D_2$ directions of degree two: beside its part $\mu_a$ in the means, each neuron has a component along it of variance $1/D_2$. Without that
# block, the form adds $R\,\mu\mu^\top$ to $S$; with it, $R\,\mu\mu^\top/(1 + K_2)$, nothing where neurons are many.

# %%
k, a, b, spread = sp.symbols("k a b H2", real=True)
h = sp.diag(*(sp.sqrt(spread) * sign for sign in (1, -1, 1, -1)))  # of trace zero, with <H^2> = H2
grown = [(sp.eye(4) + k * each * h) ** 2 for each in (a, b)]
both = sp.expand((2 * (grown[0] * grown[1]).trace() / 4**2).subs(k, sp.sqrt(k)))
common = sp.expand(2 * (1 + k * (a**2 + b**2) * spread) / 4)
assert sp.simplify((both - common).coeff(k, 1) - 2 * 4 * a * b * spread / 4) == 0

mu, root_k, resolvent = sp.symbols("mu root_K R", positive=True)
functions = sp.Matrix([mu, root_k / sp.sqrt(resolvent)])  # K_2 = R times the square of the block's function
both = resolvent * functions * functions.T
left = both[0, 0] - both[0, 1] * both[1, 0] / (1 + both[1, 1])
assert sp.simplify(left - resolvent * mu**2 / (1 + root_k**2)) == 0
