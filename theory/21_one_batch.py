# %% [markdown]
# # The same batch for the gradient step and the ridge regression
#
# **Assumptions.** Isotropic inputs, one direction of the teacher, mean-field output scale, initial rows $w \sim
# \mathcal N(0, I/d)$; sizes grow together.
#
# **Derived.** A sample's own part in its features and the mean features for small steps; the matrix pencil whose inverse
# is the resolvent of the samples, exactly, with the equations of two of its blocks; two terms of the modes; the test loss as a derivative in the
# weight of fresh samples, and why leaving samples out says something else; the closed form for small steps and its rate.
# Section 14 of [the theory](../docs/theory.md) has all equations.

# %%
import math

import numpy as np
import sympy as sp

import rmt_spikes as rs
from rmt_spikes.theory import predict_losses

# %% [markdown]
# ## A sample's own part in its features
#
# The step moves the pre-activation of sample $i$ by $\theta\alpha \sum_k K_{ik} r_k\, \sigma'(z_k)$, $K = XX^\top/n$. For $k \neq i$ the
# pre-activations are independent to leading order, and the mean over neurons of $\sigma'(z_i)\,\sigma'(z_k)$ is $c_1^2$; for $k = i$ it is
# $\mathbb E\,\sigma'^2 = c_1^2 + \operatorname{Var}\sigma'$, with $K_{ii} = \phi$. To first order the mean features are therefore
# $u = \theta\alpha\, [c_1^2 K + \phi \operatorname{Var}\sigma'\, I]\, r$: the second term is the sample's own label.

# %%
z, c1, c2, c3, theta, alpha, phi, r = sp.symbols("z c_1 c_2 c_3 theta alpha phi r", real=True)


def mean(expression: sp.Expr) -> sp.Expr:
    """Expectation over a standard normal variable."""
    powers = sp.Poly(sp.expand(expression), z).terms()
    return sp.expand(sum(value * (0 if k % 2 else sp.factorial2(k - 1)) for (k,), value in powers))


sigma = c1 * z + c2 * (z**2 - 1) + c3 * (z**3 - 3 * z)
slope = sp.diff(sigma, z)
variance = mean(slope**2) - mean(slope) ** 2
others = mean(slope) ** 2 * phi * r  # what any other sample of the same inputs' product would add
own = mean(slope * slope) * phi * r
assert sp.expand(own - others - phi * variance * r) == 0
assert sp.expand(variance - (4 * c2**2 + 18 * c3**2)) == 0

# %% [markdown]
# ## The pencil
#
# Given inputs and labels the columns of the features are independent, with mean $m_0$ and, off the diagonal, the covariance
#
# $$C = (D_d + k D_p K D_r) R\, (\cdot)^\top + \vartheta^2 D_p K D_{r^2 V} K D_p + \vartheta\,(D_p K D_{r w} + D_{r w} K D_p) + D_\chi ,\qquad R = XX^\top/d .$$
#
# It is quadratic in $XX^\top$, so fields $(v, y, \eta)$ of each sample and $(m, \gamma, g)$ of each dimension make it linear in $X$. With
# weights $\pi$: $B_{vv} = \lambda + \pi\chi$, $B_{vy} = \pi\vartheta r w$, $B_{yy} = \pi\vartheta^2 r^2 V$, $B_{y\eta} = 1$; $D_{mm} = -\phi/\pi$,
# $D_{\gamma g} = 1$; and $S$: $m \leftarrow d v + k r y$, $\gamma \leftarrow -p v$, $g \leftarrow -\eta$. Exactly, for any inputs:

# %%
n, d = 3, 2
numbers = iter([sp.Rational(k * k + 3, 2 * k + 5) * (-1) ** (k // 3) for k in range(1, 60)])


def diagonal() -> sp.Matrix:
    """A diagonal matrix of some rational numbers."""
    return sp.diag(*[next(numbers) for _ in range(n)])


ridge, weight, step, growth, spread = (
    sp.Rational(*pair) for pair in ((1, 7), (3, 5), (2, 3), (4, 9), (5, 11))
)
x = sp.Matrix(n, d, lambda i, j: next(numbers))
dd, dp, dr, dw, chi = (diagonal() for _ in range(5))
ratio = sp.Rational(d, n)
gram, correlation = x * x.T / n, x * x.T / d
low = dd + growth * dp * gram * dr
covariance = low * correlation * low.T + step**2 * spread * dp * gram * dr**2 * gram * dp
covariance += step * (dp * gram * dr * dw + dr * dw * gram * dp) + chi

zero, one = sp.zeros(n, n), sp.eye(n)
local = sp.Matrix(
    sp.BlockMatrix(
        [
            [ridge * one + weight * chi, weight * step * dr * dw, zero],
            [weight * step * dr * dw, weight * step**2 * spread * dr**2, one],
            [zero, one, zero],
        ]
    )
)
fields = sp.Matrix(sp.BlockMatrix([[dd, growth * dr, zero], [-dp, zero, zero], [zero, zero, -one]]))
stiffness = sp.Matrix([[-ratio / weight, 0, 0], [0, 0, 1], [0, 1, 0]])
inputs = sp.kronecker_product(stiffness.inv(), gram)
pencil = local - fields.T * inputs * fields
assert pencil.inv()[:n, :n] == (ridge * one + weight * covariance).inv()

# %% [markdown]
# ## One block of the matrix Dyson equation
#
# Averaged over the inputs, $G_i = (B_i - S_i^\top Y S_i)^{-1}$ with $Y = \phi\,(D - Z)^{-1}$, $Z = \mathbb E\,S G S^\top$: each input dimension sees
# the mean of the samples. Without a step only $m$ is left, $S = c_1$ and $B = \lambda + \pi c_{>1}^2$, and the block is the equation of Marchenko
# and Pastur for $\pi c_1^2 R$:

# %%
g, lam, pi, tail = sp.symbols("g lambda pi tail", positive=True)
block = phi / (-phi / pi - c1**2 * g)
dyson = 1 / (lam + pi * tail - c1**2 * block)
published = 1 / (lam + pi * tail + pi * c1**2 / (1 + pi * c1**2 * g / phi))
assert sp.simplify(dyson - published) == 0

# %% [markdown]
# Norms of inputs are those of samples, $|x_i|^2 = \rho_i d$: a sample's coupling $S_i$ to the inputs has the factor $\sqrt{\rho_i}$, as one sees in the
# pencil if $X$ is replaced by $D_{\sqrt\rho} X$. Functions of degree two are a second set of inputs, of dimension $D_2 = d(d+1)/2 - 1$: given a sample the
# matrices $(xx^\top - \rho I)/\sqrt 2\rho$ have the norm $\sqrt{D_2}$, and $\mathrm{He}_2(\langle w, x\rangle)$ of two samples have
# the covariance $2\,(\langle x, x'\rangle^2/d^2 - 1/d)$ on the sphere, so that $S_2 = \sqrt 2\rho\, h_2$:

# %%
dim, dot = sp.symbols("d t", positive=True)
fourth = 1 / (dim * (dim + 2))  # E w_i^2 w_j^2 on the sphere, i != j; three times as much for i = j
covariance_two = (
    fourth * (dim**2 + 2 * dot**2) - 1
)  # of <w, x>^2 and <w, x'>^2, |x|^2 = |x'|^2 = d, <x, x'> = t
assert sp.simplify(covariance_two - 2 * (dot**2 / dim**2 - 1 / dim) * dim / (dim + 2)) == 0
functions = dim * (dim + 1) / 2 - 1
assert (
    sp.simplify((dim**2 - dim) / 2 / functions - dim / (dim + 2)) == 0
)  # |x x' - I|^2 / 2 over their number

# %% [markdown]
# These inputs, $X_2$ with $K_2 = X_2 X_2^\top/D_2$, add $D_{S_2} K_2 D_{S_2}$ to the covariance. One more field of them, coupled to $v$ alone with
# $-1/\pi$ for its stiffness, adds it to the pencil, exactly:

# %%
kept, second = diagonal(), sp.Matrix(n, 4, lambda i, j: next(numbers))
second = second * second.T / 4
coupled = sp.Matrix.vstack(kept, sp.zeros(2 * n, n))
more = coupled * (-weight * second) * coupled.T  # the stiffness is -1/pi
both = (pencil - more).inv()[:n, :n]
assert both == (ridge * one + weight * (covariance + kept * second * kept)).inv()

# %% [markdown]
# Averaged over $X_2$, with $\phi_2 = D_2/n$ and several readout weights, both equations of this block follow from $\phi_2 \log\det(1 + \Pi Z_2/\phi_2)$, the
# determinant of a sample covariance matrix: its derivative in $Z_2 = \mathbb E\, S_2 S_2^\top G_{vv}$ is what $G_{vv}^{-1}$ sees of the field, $-Y_2$, and its
# derivative in $\pi_a$ is the share of degree two in $1/\omega_a$. With two weights:

# %%
pi_1, pi_2, phi_2 = sp.symbols("pi_1 pi_2 phi_2", positive=True)
z_11, z_12, z_22 = sp.symbols("z_11 z_12 z_22", positive=True)
shares, z_2 = sp.diag(pi_1, pi_2), sp.Matrix([[z_11, z_12], [z_12, z_22]])
value_2 = phi_2 * sp.log((sp.eye(2) + shares * z_2 / phi_2).det())
y_2 = -(shares.inv() + z_2 / phi_2).inv()
assert sp.simplify(sp.diff(value_2, z_11) + y_2[0, 0]) == 0
assert sp.simplify(sp.diff(value_2, z_12) + 2 * y_2[0, 1]) == 0
share_of_two = z_2 + z_2 * y_2 * z_2 / phi_2
for k, weight_of in enumerate((pi_1, pi_2)):
    assert sp.simplify(sp.diff(value_2, weight_of) - share_of_two[k, k]) == 0

# %% [markdown]
# With one weight it is the equation of Marchenko and Pastur again, and with infinitely many functions the part is noise, $\pi S_2^2$:

# %%
s_2 = sp.symbols("s_2", positive=True)
one_weight = -1 / (1 / pi + s_2**2 * g / phi_2)
published = lam + pi * tail + pi * s_2**2 / (1 + pi * s_2**2 * g / phi_2)
assert sp.simplify(lam + pi * tail - s_2**2 * one_weight - published) == 0
assert sp.limit(-(s_2**2) * one_weight, phi_2, sp.oo) == pi * s_2**2

# %% [markdown]
# ## The modes of neurons
#
# Sample $r$ adds $\varphi = \vartheta r\, z\,(\sigma'(z) - c_1)$ to the first scalar of a neuron. What it shares with the incoherent part $\zeta$ of the same sample's
# slope goes to all samples through $K$: $\mathbb E z\zeta^2$, and, where the activation has degrees two and three, $c_{22}\, \mathbb E z^2\zeta$ from the coherent part:

# %%
curvature = mean(slope * z)
rest_of_slope = sp.expand(slope - mean(slope) - curvature * z)
gamma = mean(rest_of_slope * (z**2 - 1)) / 2
shared = mean(z * (slope - mean(slope)) * rest_of_slope)
assert sp.expand(shared - mean(z * rest_of_slope**2) - 2 * curvature * gamma) == 0
assert sp.expand(2 * curvature * gamma - 12 * c2 * c3) == 0

# %% [markdown]
# The covariance with $w$ itself, $s_k = \mathbb E\varphi_k z_k$, goes to all samples through $R$, and through the coherent part of the step, $L = K^\circ D_{r c_{22}}$
# ($K^\circ$ without diagonal). What a sample shares with its own features is in its self-term, so that the diagonal of $LR$ is left out; what it shares with the
# coherent part of its own slope, $c_{22} s_k$, is not: it is in the slope that the others see. In the pencil $L$ has the diagonal of $K$ too.

# %%
counted = 4
kernel = sp.Matrix(counted, counted, lambda i, j: sp.Symbol(f"K_{min(i, j)}{max(i, j)}"))
bent = sp.diag(*sp.symbols("b_1:5"))  # r c_22
share = sp.Matrix(sp.symbols("s_1:5"))
low, relation = (kernel - sp.diag(*kernel.diagonal())) * bent, kernel / phi
wanted = (low * relation - sp.diag(*(low * relation).diagonal())) * share
own_share = sp.diag(*relation.diagonal()) * share
beyond = relation * share - own_share  # what a sample shares with the others
field = bent * (beyond + own_share)
diagonals = sp.diag(*kernel.diagonal()) * field + sp.diag(*(low * relation).diagonal()) * share
assert (wanted - kernel * field + diagonals).expand() == sp.zeros(counted, 1)

# %% [markdown]
# $X^\top s/n$ has a part along the teacher. Of the rest of the inputs $s$ takes two combinations, where it has $r$ and $r^2$: that of the learnt direction, and
# $X^\top\psi/n$ with $\psi \perp r$. A sample has the coordinate $\xi_2 + \sqrt{\phi/\mathbb E\psi^2}\,\psi$ along it: $X^\top\psi/n$ has the
# squared norm $\phi\,\mathbb E\psi^2$, and its covariance with the sample's input is $\psi_i/n$ in each of $d$ dimensions. $\mathbb E\varphi_b z$ has a part of $r^2$ only where
# $2 c_{22}\,\mathbb E z^2\zeta + \mathbb E z\zeta^2$ is not zero: neither for odd activations, nor for $z$ and an even one.

# %%
samples, psi, energy = sp.symbols("n psi E", positive=True)
squared_norm = phi * samples * energy / samples  # d values of variance E / n
along_it = phi * samples * psi / samples / sp.sqrt(squared_norm)
assert sp.simplify(along_it - sp.sqrt(phi / energy) * psi) == 0
squared_part = sp.expand(2 * curvature * mean(rest_of_slope * z**2) + mean(z * rest_of_slope**2))
assert squared_part.subs(c2, 0) == 0  # odd
assert squared_part.subs(c3, 0) == 0  # degree one and an even one
assert squared_part != 0

# %% [markdown]
# The second is $|g|^2$. Incoherent parts of two samples are in it as $\sum_{k \neq l} A_{kl}\,\zeta_k\zeta_l$ with a symmetric $A$; the variance is $2 V^2 \sum_{k\neq l} A_{kl}^2$,
# while $\zeta_k$ alone has $2\zeta_k e_k$, $e_k = \sum_l A_{kl}\zeta_l$, with everything else:

# %%
v = sp.symbols("V", positive=True)
zetas = sp.symbols("zeta_1:4", real=True)
links = {(i, j): sp.Symbol(f"A_{i}{j}", real=True) for i in range(3) for j in range(i)}
links |= {(j, i): value for (i, j), value in links.items()}
pairs = sp.expand(sum(value * zetas[i] * zetas[j] for (i, j), value in links.items()))
square = sp.Poly(sp.expand(pairs**2), *zetas)
found = sum(
    value * v ** (sum(powers) // 2) for powers, value in square.terms() if all(p in (0, 2) for p in powers)
)
assert sp.expand(found - 2 * v**2 * sum(value**2 for value in links.values())) == 0
own = sum(links[0, j] * zetas[j] for j in (1, 2))
assert sp.expand(sp.diff(pairs, zetas[0]) - 2 * own) == 0

# %% [markdown]
# ## The test loss
#
# With fresh samples of weight $\mu$ in the regression, the derivative of the least value is the test loss at $\mu = 0$ (the minimiser does not
# move it to first order). Leaving sample $i$ out of the regression gives its error $\lambda$-free as $(Qy)_i/Q_{ii}$; that is the error of a
# *fresh* sample only if features are independent of their labels' noise. They are not: the step has put $\theta\alpha\phi\operatorname{Var}\sigma'\,r_i$ in.

# %%
f, y, fresh, label, mu, a = sp.symbols("f y f_* y_* mu a", real=True)
value = (y - f * a) ** 2 + lam * a**2 + mu * (label - fresh * a) ** 2
best = sp.solve(sp.diff(value, a), a)[0]
derivative = sp.diff(value.subs(a, best), mu).subs(mu, 0)
assert sp.simplify(derivative - (label - fresh * best.subs(mu, 0)) ** 2) == 0

base = rs.Setting(
    n=1200, d=600, width=800, activation="tanh", target={"hermite": [0, 1, 0.3]}, noise_std=0.5, ridge=0.05,
    step_size=0, readout="rademacher", second_batch="same",
)  # fmt: skip
tests = {}
for size in (0.0, 20.0):
    setting = base.replace(step_size=size)
    tests[size] = [predict_losses(setting, features=name).test for name in ("corrected", "leave_one_out")]
# Without a step the batch is as good as a fresh one, but for norms: one mean stands for all samples here.
assert abs(tests[0.0][1] / tests[0.0][0] - 1) < 1 / base.d  # measured .2 / d
assert tests[20.0][1] / tests[20.0][0] < 0.95

# %% [markdown]
# ## Small steps
#
# To first order in $\theta$ the features are the untrained ones plus $\alpha_j u_i$, one direction. With $Q = (\lambda + \frac Nn \omega\,(c_1^2 K/\phi +
# c_{>1}^2))^{-1}$ the objective is $\lambda T$,
#
# $$T = \tfrac1n \Big[y^\top Q y - \frac{N\omega\, (y^\top Q u)^2/n}{1 + N\omega\, u^\top Q u/n}\Big],$$
#
# and $y = c_{*,1} X\beta_* + e$ with $e$ free of the inputs turns all forms into integrals over the law of Marchenko and Pastur. What is left
# out is of the order of $\theta^2$:

# %%
width = 10**8
expansions = base.activation_expansion, base.target_expansion
c_1, signal = expansions[0].linear, expansions[1].linear
rest, spread_of = expansions[0].second_moment - c_1**2, expansions[0].derivative_variance
noise, ratio_of = base.label_energy - signal**2, 0.5
low_edge, high_edge = (1 - math.sqrt(ratio_of)) ** 2, (1 + math.sqrt(ratio_of)) ** 2
angle = np.pi * (np.arange(400) + 0.5) / 400
levels = 0.5 * (low_edge + high_edge) + 0.5 * (high_edge - low_edge) * np.cos(angle)
masses = 0.5 * (high_edge - low_edge) ** 2 * np.sin(angle) ** 2 / (4 * 400 * ratio_of * levels)


def form(function):
    """``y' f(K) y / n`` for a function of the eigenvalues; ``1 - phi`` of them are zero."""
    of_noise = ratio_of * np.sum(masses * function(levels)) + (1 - ratio_of) * function(0.0)
    return float(signal**2 * np.sum(masses * levels * function(levels)) + noise * of_noise)


omega = 0.5
for _ in range(500):
    pull = 2 / 3 * omega
    resolvent = lambda k, pull=pull: 1 / (base.ridge + pull * (c_1**2 * k / ratio_of + rest))  # noqa: E731
    weights = lambda k, q=resolvent: q(k) * (c_1**2 * k / ratio_of + rest)  # noqa: E731
    trace = ratio_of * np.sum(masses * weights(levels)) + (1 - ratio_of) * weights(0.0)
    omega = 0.5 * (omega + 1 / (1 + trace))
direction = lambda k: c_1**2 * k + ratio_of * spread_of  # noqa: E731
overlap, size_of = (
    form(lambda k: resolvent(k) * direction(k)),
    form(lambda k: resolvent(k) * direction(k) ** 2),
)
errors = []
for size in (0.04, 0.02):
    strength = width * omega * size**2
    closed = base.ridge * (form(resolvent) - strength * overlap**2 / (1 + strength * size_of))
    sizes = {"n": 3 * width // 2, "d": 3 * width // 4, "width": width}
    setting = base.replace(**sizes, step_size=size * math.sqrt(width))
    errors.append(predict_losses(setting).objective / closed - 1)
assert abs(errors[1]) < 1e-3
assert abs(errors[0] / errors[1] - 4) < 0.1
