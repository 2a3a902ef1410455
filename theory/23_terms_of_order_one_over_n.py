# %% [markdown]
# # Terms of order $1/n$ without a step
#
# **Assumptions.** $F_{ij} = \sigma(\langle w_j, x_i\rangle)$ with rows on the unit sphere and isotropic inputs in $d$
# dimensions, $d$, $\tilde n$ and $N$ alike, no step. Section 4 of [the theory](../docs/theory.md) is the limit.
#
# **Result.** Let $\Phi$ be the functional whose stationary value is $\log\det(\lambda + FF^\top/\tilde n)$, with
# $\eta\,\tilde n\, T$ added: labels are one more neuron of weight $\eta$. To the next order
#
# $$\log\det = \Phi + A, \qquad
#   A = \tfrac12 \log\det\Phi''/\Phi''_0 + \sum_{ij} \mathbb E\log\bigl(1 + x_i Y_{ij}^2\bigr) - \mathbb E\log\bigl(1 + x_i G_{ij}^2\bigr),
#   \qquad x_i = R_i\,\omega/\tilde n .$$
#
# The first term is there because matrices are real. The second is that of *pairs* of a sample and a neuron, which the limit
# knows by their variance alone: $Y$ is the feature less what the other pairs explain of it, $G$ normal with the variance of $Y$.
# Since $\Phi$ is stationary, $A$ is taken at the solution of the limit, and $T$ changes by $\frac1{\tilde n}\partial_\eta A$ there.
#
# Not in the library: with a step there are more terms of this order
# ([measurements](../validation/measurements.md), *Terms of order 1/n*).

# %%
from math import comb

import numpy as np
import sympy as sp
from scipy.optimize import root

import rmt_spikes as rs

# %% [markdown]
# ## The loop of real matrices
#
# Average over $k$ copies of a Gaussian integral. Fluctuations of $R$ and $\omega$ are symmetric matrices over the copies, all
# $k(k+1)/2$ entries with the second derivative of $\Phi$ at equal copies: $\frac k2\log\det$ remains as $k \to 0$. For normal
# features and no ridge, $\log\det$ is a sum of logarithms of $\chi^2$ variables, whose next order is $-1/k$ for $k$ degrees of
# freedom, twice that of complex ones:

# %%
share = sp.symbols("n_over_N", positive=True)
omega = 1 - share
resolvent = share / omega  # 1/R = (N/n) omega and 1/omega = 1 + R
loop = sp.log(1 - omega**2 * resolvent**2 / share) / 2
degrees = sp.symbols("k", positive=True)
exact = -sp.integrate(1 / (2 * degrees), (degrees, 1 - share, 1))
assert sp.simplify(1 / omega - 1 - resolvent) == 0
assert sp.simplify(loop.diff(share) - exact.diff(share)) == 0
assert loop.subs(share, 0) == 0

# %% [markdown]
# ## Pairs
#
# A pair is $e^{i s F_{ij}}$ with $s = \sum_k \varphi_i^k \psi_j^k/\sqrt{\tilde n}$, and $\varphi$, $\psi$ normal with variances $R_i$,
# $\omega$: its mean over them is $(1 + x F_{ij}^2)^{-k/2}$. The limit keeps the second moment of $F_{ij}$. At a small $x$ the
# difference is the fourth cumulant, which a screened feature has:

# %%
x, m2, m4 = sp.symbols("x m_2 m_4", positive=True)
moments = {2: m2, 4: m4}
normal = {2: m2, 4: 3 * m2**2}
series = sp.series(sp.log(1 + x), x, 0, 3).removeO()
pair, gaussian = (sum(series.coeff(x, k) * x**k * m[2 * k] for k in (1, 2)) for m in (moments, normal))
assert sp.expand(pair - gaussian + x**2 * (m4 - 3 * m2**2) / 2) == 0

# %% [markdown]
# **What others explain.** Degree $k$ is a channel of $D$ dimensions: $F_{ij}$ has the part $a(q)\,h_k$ there, and
# $K = \frac{N\omega}{D}\mathbb E R a^2$. Other neurons and samples are chains from $x_i$ to $w_j$, which sum to $1 - (1 + K)^{-1}$ of
# it. The labels, with the part $l(q)\,h_k$ along one of the $D$ directions, are a neuron in these chains. To first order in
# $\eta$, with $B = \mathbb E[R a l]$,
#
# $$Y = F - \sum_k (u\,a + v\,l)\, h_k, \qquad u = \frac K{1+K} - \frac{\eta\tilde n}{D}\,\frac{N\omega}D\,\frac{B^2}{(1+K)^2},
#   \qquad v = \frac{\eta\tilde n}D\,\frac B{1+K} .$$

# %%
K, B, weight, labels, eta, a, l = sp.symbols("K B Nomega_over_D ERll eta_n_over_D a l", positive=True)
coupling = sp.Matrix([[K, sp.sqrt(weight * eta) * B], [sp.sqrt(weight * eta) * B, eta * labels]])
functions = sp.Matrix([sp.sqrt(weight) * a, sp.sqrt(eta) * l])
chain = ((sp.eye(2) - (sp.eye(2) + coupling).inv()) * functions)[0] / sp.sqrt(weight)
u, v = K / (1 + K) - eta * weight * B**2 / (1 + K) ** 2, eta * B / (1 + K)
assert sp.simplify(sp.series(sp.simplify(chain), eta, 0, 2).removeO() - u * a - v * l) == 0

# %% [markdown]
# ## Losses
#
# Samples are nodes of their norm, channels have the harmonics of degree 0 to 3. Fresh samples of weight $t$ and $R = 1$ give the
# test loss: they have no pairs.

# %%
DEGREES, NORMS, NODES = 4, 5, 100
setting = rs.Setting(
    n=100, d=40, width=300, n_ridge=150, activation="sin", target={"hermite": [0, 0.8, 0.3]}, noise_std=0.3, ridge=0.003,
    step_size=0.0,
)  # fmt: skip
d, n, width = setting.d, setting.n_ridge, setting.width
dimensions = np.array([1, d, d * (d + 1) / 2 - 1, comb(d + 2, 3) - d])

k = np.arange(1, NORMS)
jacobi = np.diag(2.0 * np.arange(NORMS) + 0.5 * d) + np.diag(np.sqrt(k * (k + 0.5 * d - 1)), 1)
square, vectors = np.linalg.eigh(jacobi, UPLO="U")
p, rho = vectors[0] ** 2, np.sqrt(2.0 * square / d)[:, None]

z, weights = np.polynomial.legendre.leggauss(NODES)
weights *= (1 - z**2) ** (0.5 * (d - 3))
z, weights = z * np.sqrt(d), weights / weights.sum()
harmonics = np.linalg.qr(np.sqrt(weights)[:, None] * z[:, None] ** np.arange(DEGREES))[0].T / np.sqrt(weights)
feature = setting.activation_function(rho * z)
label = setting.target_function(rho * z)
of_feature, of_label = (np.einsum("qz,kz,z->kq", f, harmonics, weights) for f in (feature, label))
energies = [feature**2 @ weights - (of_feature**2).sum(axis=0), label**2 @ weights + setting.noise_std**2]
# Sums over samples: noise, K, B, label energy.
sums = p * np.array([energies[0], *of_feature**2, *(of_feature * of_label), energies[1]])

noise, energy, om, *both = sp.symbols(f"noise energy omega M:{DEGREES} B:{DEGREES}")
couplings = [width * om * m / int(size) for m, size in zip(both[:DEGREES], dimensions, strict=True)]
bulk = width * om * noise + sum(
    int(size) * sp.log(1 + c) for size, c in zip(dimensions, couplings, strict=True)
)
explained = [
    width * om * b**2 / int(size) / (1 + c)
    for size, b, c in zip(dimensions, both[DEGREES:], couplings, strict=True)
]
unknowns = (noise, *both, energy, om)
parts = [
    [
        sp.lambdify(unknowns, f, cse=True)
        for f in (of, [of.diff(y) for y in unknowns], sp.hessian(of, unknowns))
    ]
    for of in (bulk, energy - sum(explained))
]
to_sums = np.zeros((len(sums) + 1, NORMS + 1))
to_sums[:-1, :-1], to_sums[-1, -1] = sums, 1.0
sizes = np.append(n * p, width)
gauss, gauss_weights = np.polynomial.hermite_e.hermegauss(40)
gauss_weights /= gauss_weights.sum()


def solution(ridge, fresh=0.0, share=0.0):
    """Logarithms of ``R`` and ``omega``, and the sums, with fresh samples and with labels as a neuron."""

    def values(state):
        return (*(sums @ np.exp(state[:-1]) + fresh * sums.sum(axis=1)), np.exp(state[-1]))

    def inverses(state):
        bulk, labels = (np.array(part[1](*values(state)), dtype=float) for part in parts)
        return np.append(np.full(NORMS, ridge), 1.0) + to_sums.T @ (bulk + share * n * labels) / sizes

    start = np.zeros(NORMS + 1)
    for _ in range(200):
        start = 0.5 * (start - np.log(inverses(start)))
    found = root(lambda state: np.exp(state) * inverses(state) - 1.0, start, tol=1e-14).x
    return found, values(found)


def beyond(ridge, fresh=0.0, share=0.0):
    """``A``: the loop, and pairs."""
    state, values = solution(ridge, fresh, share)
    bulk, labels = (np.array(part[2](*values), dtype=float) for part in parts)
    second = to_sums.T @ (bulk + share * n * labels) @ to_sums
    loop = 0.5 * np.linalg.slogdet(np.eye(NORMS + 1) + (np.exp(2 * state) / sizes)[:, None] * second)[1]
    m, b = np.array(values[1 : 1 + DEGREES]), np.array(values[1 + DEGREES : 1 + 2 * DEGREES])
    weight = width * np.exp(state[-1]) / dimensions
    k, neuron = weight * m, share * n / dimensions
    own = k / (1 + k) - neuron * weight * b**2 / (1 + k) ** 2
    through = own[:, None] * of_feature + (neuron * b / (1 + k))[:, None] * of_label
    left = feature - through.T @ harmonics
    x = np.exp(state[:-1] + state[-1])[:, None] / n
    normal = np.log1p(x * (left**2 @ weights)[:, None] * gauss**2) @ gauss_weights
    return np.array([loop, width * n * p @ (np.log1p(x * left**2) @ weights - normal)])


def losses(of):
    """Objective, training and test loss of a change of ``T``."""
    ridge, h, t = setting.ridge, 1e-3, 1e-3
    slopes = [
        (of(ridge * (1 + h)) - of(ridge * (1 - h))) / (2 * h * ridge),
        (of(ridge, t) - of(ridge, -t)) / (2 * t),
    ]
    return np.array([ridge * of(ridge), -(ridge**2) * slopes[0], slopes[1]])


SHARE, NEAR = 1e-5, 1e-3
limit = losses(lambda *at: parts[1][0](*solution(*at)[1]))
more = losses(lambda *at: (beyond(*at, share=SHARE) - beyond(*at, share=-SHARE)).sum() / (2 * SHARE * n))

state, _ = solution(setting.ridge)
mean = p @ np.exp(state[:-1])
moved = sum(sign * beyond(setting.ridge * (1 + sign * NEAR)).sum() for sign in (-1, 1))
moved /= 2 * NEAR * setting.ridge * n

# %% [markdown]
# ## Matrices
#
# The limit is several per cent off. With $A$ half a per cent of the resolvent is left, and 2 % of the training loss: the next order.

# %%
rng = np.random.default_rng(23)


def network():
    """Training loss and mean resolvent of one network."""
    rows = rng.normal(size=(width, d))
    inputs = rng.normal(size=(n, d))
    features = np.sin(inputs @ (rows / np.linalg.norm(rows, axis=1)[:, None]).T)
    y = setting.target_function(inputs[:, 0]) + setting.noise_std * rng.normal(size=n)
    inverse = np.linalg.inv(features @ features.T / n + setting.ridge * np.eye(n))
    return setting.ridge**2 * np.mean((inverse @ y) ** 2), np.trace(inverse) / n


seen = np.array([network() for _ in range(500)])
simulated, error = seen.mean(axis=0), seen.std(axis=0) / np.sqrt(len(seen))
of_limit = np.array([limit[1], mean])
of_both = of_limit + np.array([more[1], moved])
assert np.all(np.abs(of_limit - simulated) > 5 * error)
assert np.all(np.abs(of_both - simulated) < 3 * error + 0.2 * np.abs(of_limit - simulated))
