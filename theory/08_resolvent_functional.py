# %% [markdown]
# # The resolvent functional by leaving one out
#
# **Assumptions.** The conditional Gaussian equivalent: given readout weights $\alpha_j$ and latent variables
# $q_i$, a feature is $F_{ij} = m_0 + m_1 \sum_k w_{jk} x_{ik} + m_*\, \xi_{ij}$ with the functions
# $m(\alpha_j, q_i)$, independent noise $\xi$, inputs $x_{ik}$ in the $d$ directions other than $\hat\beta$,
# and weights $w_{jk}$ of variance $1/d$. Quadratic forms of independent vectors concentrate on their means:
# this is where the calculation is not a proof. Readout weights take finitely many values $a$ with
# probabilities $p_a$.
#
# **Result.** With $h_a(q) = \sqrt{\omega_a p_a}\, m_1(a, q)$, the diagonal of
# $(F F^\top/\tilde n + \mathrm{diag}\,L)^{-1}$ and its counterpart for neurons solve
#
# $$\begin{aligned}
# \frac1{R(q)} &= L(q) + \frac N{\tilde n} \Bigl[\sum_a p_a \omega_a m_*^2 + h^\top P h\Bigr], \qquad
#   P = \Bigl(I + \frac Nd \mathbb E_q[R\, h h^\top]\Bigr)^{-1},\\
# \frac1{\omega_a} &= 1 + \mathbb E_q[R\, m_*^2] + \frac dN \frac{1 - P_{aa}}{\omega_a p_a},
# \end{aligned}$$
#
# and the quadratic form of the labels is
# $T = \mathbb E_q[R\,(f_0^2 + f_1^2 + V)] - \frac Nd g^\top P g - u^\top (I + S)^{-1} u$.

# %%
import numpy as np
import sympy as sp
from numpy.polynomial import hermite_e

import rmt_spikes as rs
from rmt_spikes.theory import symbolic

# %% [markdown]
# ## Leave a sample out
#
# Let $G = (F F^\top/\tilde n + \mathrm{diag}\, L)^{-1}$. By the Schur complement, its diagonal entry of
# sample 1 is
#
# $$\frac1{G_{11}} = L_1 + \frac1{\tilde n} f_1^\top\, \Omega^{(1)} f_1, \qquad \Omega^{(1)} = \Bigl(I + \frac1{\tilde n} F_-^\top \mathrm{diag}(L_-)^{-1} F_-\Bigr)^{-1},$$
#
# with $F_-$ the other samples. For two samples and two neurons:

# %%
entries = sp.symbols("f_11 f_12 f_21 f_22", real=True)
L_1, L_2, n = sp.symbols("L_1 L_2 n", positive=True)
F = sp.Matrix(2, 2, entries)
G = (F * F.T / n + sp.diag(L_1, L_2)).inv()
own, other = F[0, :].T, F[1, :].T
omega_matrix = (sp.eye(2) + other * other.T / (L_2 * n)).inv()
schur = L_1 + (own.T * omega_matrix * own)[0] / n
assert sp.simplify(1 / G[0, 0] - schur) == 0

# %% [markdown]
# $f_1$ is independent of $\Omega^{(1)}$. Its noise part contributes
# $\frac1{\tilde n}\sum_j m_*^2\, \Omega_{jj} \to \frac N{\tilde n} \sum_a p_a m_*^2 \omega_a$. Its linear
# part is a sum over directions $k$ of $x_{1k}$ times the vector $(m_1(\alpha_j, q_1)\, w_{jk})_j$.
#
# ## Leave an input direction out
#
# Direction $k$ enters the features of all samples as
# $\sum_a (m_1(a, q_i)\, x_{ik})_i\, (w_{jk})_{j \in a}^\top$: a matrix with one rank for each value of the
# readout weight. Without it, $\Omega^{(k)}$ has the quadratic forms
# $w_k^\top \Omega^{(k)} w_k = \frac Nd p_a\omega_a$ within the neurons of weight $a$, and the resolvent of
# the samples has the diagonal $R$. So with $D = \mathrm{diag}(p_a \omega_a)$ and
# $K = \mathbb E_q[R\, m_1 m_1^\top]$ Woodbury's formula gives, in the coordinates of the groups,
#
# $$w_k^\top \Omega\, w_k = \tfrac Nd \bigl(D^{-1} + \tfrac Nd K\bigr)^{-1} = \tfrac Nd\, D^{1/2} P\, D^{1/2} .$$

# %%
gamma = symbolic.symbol("gamma")
p_1, p_2, w_1, w_2 = sp.symbols("p_1 p_2 omega_1 omega_2", positive=True)
K_11, K_12, K_22 = sp.symbols("K_11 K_12 K_22", real=True)
K = sp.Matrix([[K_11, K_12], [K_12, K_22]])
D = sp.diag(p_1 * w_1, p_2 * w_2)
root = sp.diag(sp.sqrt(p_1 * w_1), sp.sqrt(p_2 * w_2))
P = (sp.eye(2) + gamma * root * K * root).inv()
assert sp.simplify((D.inv() + gamma * K).inv() - root * P * root) == sp.zeros(2, 2)

# %% [markdown]
# Each of the $d$ directions contributes $x_{1k}^2 \to 1$ times
# $\frac1{\tilde n} \frac Nd\, m_1^\top D^{1/2} P D^{1/2} m_1$ to sample 1, together
# $\frac N{\tilde n} h^\top P h$: the first equation.
#
# ## Leave a neuron out
#
# In the same way $\Omega_{jj}^{-1} = 1 + \frac1{\tilde n} f_j^\top G^{(j)} f_j$ for a column $f_j$ of $F$.
# Its noise gives $\mathbb E_q[R\, m_*^2]$, and each direction $w_{jk}^2 \to \frac1d$ times the quadratic form
# of $(m_1(a, q_i)\, x_{ik})_i$ in the resolvent *with* that direction of the other neurons:
# $K - \frac Nd K D^{1/2} P D^{1/2} K$, which is $(K^{-1} + \frac Nd D)^{-1}$. Its diagonal is what the second
# equation says.

# %%
with_direction = K - gamma * K * root * P * root * K
assert sp.simplify(with_direction - (K.inv() + gamma * D).inv()) == sp.zeros(2, 2)
for a in range(2):
    assert sp.simplify(with_direction[a, a] - (1 - P[a, a]) / (gamma * D[a, a])) == 0

# %% [markdown]
# ## The equations are those of a stationary point
#
# They are the derivatives of one function of $R$ and $\omega$,
#
# $$\Psi = \mathbb E_q\,[L R - \log R] + \frac N{\tilde n}\Bigl\{\sum_a p_a\,(\omega_a - \log\omega_a) + \sum_a p_a\omega_a\, \mathbb E_q[R\, m_*^2]
#   + \frac dN \log\det P^{-1}\Bigr\},$$
#
# written with $D^{1/2} P D^{1/2} = (D^{-1} + \frac Nd K)^{-1}$. And $\partial \Psi/\partial L$ at fixed $R$
# is the mean diagonal of the resolvent, as it must be for a log-determinant. For two values of $q$ and two of
# $\alpha$:

# %%
r = symbolic.symbol("ratio")
R = sp.symbols("R_1 R_2", positive=True)
profile = (L_1, L_2)
weights = sp.symbols("w_1 w_2", positive=True)
m_linear = sp.Matrix(2, 2, sp.symbols("m_11 m_12 m_21 m_22", real=True))
m_noise = sp.Matrix(2, 2, sp.symbols("s_11 s_12 s_21 s_22", real=True))
omega, p = (w_1, w_2), (p_1, p_2)
second_moments = sum(
    (weights[i] * R[i] * m_linear[:, i] * m_linear[:, i].T for i in range(2)), sp.zeros(2, 2)
)
inverse_P = sp.eye(2) + gamma * D * second_moments
psi = sum(weights[i] * (profile[i] * R[i] - sp.log(R[i])) for i in range(2))
psi += r * sum(p[a] * (omega[a] - sp.log(omega[a])) for a in range(2))
psi += r * sum(p[a] * omega[a] * weights[i] * R[i] * m_noise[a, i] ** 2 for a in range(2) for i in range(2))
psi += r / gamma * sp.log(inverse_P.det())
response = (D.inv() + gamma * second_moments).inv()
for i in range(2):
    inner = sum(p[a] * omega[a] * m_noise[a, i] ** 2 for a in range(2))
    inner += (m_linear[:, i].T * response * m_linear[:, i])[0]
    assert sp.cancel(sp.diff(psi, R[i]) / weights[i] - (profile[i] - 1 / R[i] + r * inner)) == 0
for a in range(2):
    inner = 1 + sum(weights[i] * R[i] * m_noise[a, i] ** 2 for i in range(2))
    inner += (second_moments * (sp.eye(2) + gamma * D * second_moments).inv())[a, a]
    assert sp.cancel(sp.diff(psi, omega[a]) / (r * p[a]) - (inner - 1 / omega[a])) == 0

# %% [markdown]
# With one value of the readout weight, these are the library's equations:

# %%
one = {p_1: 1, p_2: 0, w_1: symbolic.symbol("omega"), K_11: symbolic.symbol("v_linear"), K_12: 0, K_22: 1}
m, m_star = symbolic.symbol("m_linear"), symbolic.symbol("m_noise")
quadratic = (root * P * root)[0, 0].subs(one) * m**2
sample = symbolic.symbol("L") + r * (symbolic.symbol("omega") * m_star**2 + quadratic)
assert sp.simplify(sample - symbolic.sample_equation()) == 0
neuron = 1 + symbolic.symbol("v_noise") + ((1 - P[0, 0]) / (gamma * D[0, 0])).subs(one)
assert sp.simplify(neuron - symbolic.neuron_equation()) == 0
symbolic.sample_equation()

# %% [markdown]
# ## The labels
#
# A label is $y = f_0(q) + f_1(q)\, t + \text{rest}$ with $t$ the input along one further direction. The rest
# sees the diagonal $R$ alone. The direction of $t$ is one of the directions left out above; by Woodbury's
# formula its part of the quadratic form is $\mathbb E[R f_1^2] - \frac Nd\, g^\top P g$ with
# $g = \mathbb E_q[R\, h f_1]$. The means $m_0$ and the component along $\hat\beta$ (whose input is $q$) are
# of finite rank too: their groups have the quadratic forms $N p_a\omega_a$ (a vector of ones on the neurons
# of weight $a$) and $\frac Nd p_a \omega_a$, hence the stack
# $U = [\sqrt{N\omega_a p_a}\, m_0,\ \sqrt{N/d}\; h_a q]$, $S = \mathbb E_q[R\,U U^\top]$ and the term
# $- u^\top (I + S)^{-1} u$. The formula behind both, for a rank-two stack on two samples:

# %%
A_1, A_2 = sp.symbols("A_1 A_2", positive=True)
y = sp.Matrix(sp.symbols("y_1 y_2", real=True))
U = sp.Matrix(2, 2, sp.symbols("u_11 u_12 u_21 u_22", real=True))
base = sp.diag(A_1, A_2)
woodbury = y.T * base * y - y.T * base * U * (sp.eye(2) + U.T * base * U).inv() * U.T * base * y
assert sp.simplify((y.T * (base.inv() + U * U.T).inv() * y - woodbury)[0]) == 0

# %% [markdown]
# A spike is a zero of $\det(I + S)$ on the real axis above the bulk: there $G$ has a pole that the bulk has
# not.
#
# ## Losses
#
# For ridge regression with features $F$, the objective is $\lambda T$, the training loss
# $-\lambda^2\, \partial T/\partial\lambda$, and the squared errors on samples left out of the regression one
# at a time are $(G y)_i^2/G_{ii}^2$. In the limit $G_{ii} = R(q_i)$, and their mean is the derivative of $-T$
# when $L$ moves along $R^{-2}$. Two samples and one neuron, exactly:

# %%
f_1, f_2, lam = sp.symbols("f_1 f_2 lambda", positive=True)
f = sp.Matrix([f_1, f_2])
G = (f * f.T / 2 + lam * sp.eye(2)).inv()
T = (y.T * G * y)[0] / 2
fitted = (f.T * y)[0] / 2 / ((f.T * f)[0] / 2 + lam)
train = sum((y[i] - fitted * f[i]) ** 2 for i in range(2)) / 2
assert sp.simplify(lam * T - train - lam * fitted**2) == 0
assert sp.simplify(-(lam**2) * sp.diff(T, lam) - train) == 0
# Left out: the penalty stays lambda beside the sum over the other sample divided by the same 2.
left_out = [y[i] - f[i] * (f[1 - i] * y[1 - i] / 2) / (f[1 - i] ** 2 / 2 + lam) for i in range(2)]
assert all(sp.simplify(left_out[i] - (G * y)[i] / G[i, i]) == 0 for i in range(2))
epsilon = sp.Symbol("epsilon")
moved = (f * f.T / 2 + sp.diag(lam + epsilon / G[0, 0] ** 2, lam + epsilon / G[1, 1] ** 2)).inv()
slope = sp.diff((y.T * moved * y)[0] / 2, epsilon).subs(epsilon, 0)
assert sp.simplify(-slope - sum(e**2 for e in left_out) / 2) == 0

# %% [markdown]
# ## The library's numbers
#
# A literal solution of these equations for random signs as readout, by plain iteration and Gauss-Hermite
# quadrature of $q$, with derivatives of $T$ by central differences. Rows are isotropic
# (`features="isotropic"`: without section 4.1), and the norm mode $m_r$ of section 3 is one more independent
# input with one rank. The sizes are huge so that the law of $\tilde n$ draws, which the library takes for
# $q$, is Gaussian.

# %%
SIZE = 10**8
setting = rs.Setting(
    n=SIZE,
    d=2 * SIZE // 5,
    width=SIZE // 2,
    n_ridge=SIZE,
    activation={"hermite": [0, 0.8, 0.3, 0.1]},
    target={"hermite": [0, 1, 0.5]},
    noise_std=0.5,
    readout="rademacher",
    ridge=0.05,
    step_size=0.5 * SIZE**0.5,
)
library = rs.predict_losses(setting, features="isotropic")
latent = rs.predict(setting, method="closed_form", features="isotropic").latent
nodes, node_weights = hermite_e.hermegauss(40)
node_weights = node_weights / node_weights.sum()
alpha = np.array([-1.0, 1.0])
share = np.array([0.5, 0.5])
z, z_weights = nodes, node_weights
q, q_weights = nodes, node_weights
tau = np.sqrt((1 + latent.drift * alpha) ** 2 + latent.inflation * alpha**2)
u = tau[:, None, None] * z + latent.shift * alpha[:, None, None] * q[:, None]
value = hermite_e.hermeval(u, [0, 0.8, 0.3, 0.1])
m_0, m_1 = value @ z_weights, (value * z) @ z_weights
m_r = (value * (z**2 - 1) / 2) @ z_weights
m_star2 = (value**2) @ z_weights - m_0**2 - m_1**2
cosine = latent.beta_cosine
label = hermite_e.hermeval(cosine * q[:, None] + np.sqrt(1 - cosine**2) * z, [0, 1, 0.5])
f_0, f_1 = label @ z_weights, (label * z) @ z_weights
square = (label**2) @ z_weights + 0.25
N, d, n_ridge = setting.width, setting.d, setting.n_ridge


def solve(profile, start):
    """Damped iteration of the two equations."""
    R, omega = start
    for _ in range(4000):
        h = np.sqrt(omega * share)[:, None] * m_1
        P = np.linalg.inv(np.eye(2) + N / d * (h * (q_weights * R)) @ h.T)
        R_new = 1 / (profile + N / n_ridge * ((share * omega) @ m_star2 + np.sum(h * (P @ h), axis=0)))
        inverse = 1 + m_star2 @ (q_weights * R) + d / N * (1 - np.diag(P)) / (omega * share)
        change = np.max(np.abs(R_new / R - 1)) + np.max(np.abs(1 / (inverse * omega) - 1))
        R, omega = 0.5 * (R + R_new), 0.5 * (omega + 1 / inverse)
        if change < 1e-14:
            break
    return R, omega, h, P


def kernel(R, omega, h):
    stack = np.concatenate([np.sqrt(N * omega * share)[:, None] * m_0, np.sqrt(N / d) * h * q])
    norm = np.concatenate([np.sqrt(2 / d) * np.sqrt(N * omega * share)[:, None] * m_r, 0 * h])
    S = (stack * (q_weights * R)) @ stack.T + (norm * (q_weights * R)) @ norm.T
    return stack, S


def functional(profile):
    R, omega, h, P = solve(profile, (np.ones_like(q), np.ones(2)))
    stack, S = kernel(R, omega, h)
    u, g = stack @ (q_weights * R * f_0), h @ (q_weights * R * f_1)
    explained = N / d * g @ P @ g + u @ np.linalg.solve(np.eye(4) + S, u)
    return q_weights @ (R * square) - explained, R


T, R = functional(0.05 + 0 * q)
step = 1e-5
ridge_slope = (functional(0.05 + step + 0 * q)[0] - functional(0.05 - step + 0 * q)[0]) / (2 * step)
along = step * R**-2 / np.max(R**-2)
test = -(functional(0.05 + along)[0] - functional(0.05 - along)[0]) / (2 * step) * np.max(R**-2)
losses = {"objective": 0.05 * T, "train": -(0.05**2) * ridge_slope, "test": test}
deviations = {name: abs(losses[name] / getattr(library, name) - 1) for name in losses}

# Central differences err by the square of a relative step of 2e-4, and the fourth moment of q by about 1e-6.
assert max(deviations.values()) < 1e-6
