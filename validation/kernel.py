"""One batch for the gradient step and the ridge regression: theory given the samples, network never drawn.

Given inputs and labels the columns of the features are independent with one distribution for each readout
weight. The deterministic equivalent needs their mean and covariance alone, which are matrices of the size of
the batch (docs/theory.md section 14). Norms of samples and all their quadratic forms are those of the samples
here; only the parts ``c_1``, ``c_22`` and ``zeta`` of the slope are those at the mean norm, which leaves out
terms of order ``1/d``, and so does degree two as noise. Nothing is shared with the closed equations of the
package but Gaussian moments of functions and the idea of a deterministic equivalent. Prints three columns for
some settings: the closed equations, this theory for one drawn batch, and networks on the very same batch;
about a minute.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

import rmt_spikes as rs
from rmt_spikes.theory import gaussian_moments

NODES = 60
"""Gauss-Legendre nodes of the initial pre-activation on each side of zero, where slopes have a kink."""


READOUTS = {"rademacher": ([-1.0, 1.0], [0.5, 0.5]), "constant": ([1.0], [1.0])}
"""Readout weights of few values, and their shares; a Gaussian one takes minutes."""


@dataclass(frozen=True)
class Kept:
    """What is kept: a sample's own part in its features, its fluctuation, and the modes of neurons."""

    own: float = 1.0
    fluctuation: float = 1.0
    modes: bool = True


ALL = Kept()


@dataclass(frozen=True)
class Column:
    """Features of a neuron of one readout weight, at the samples of the batch and then the fresh ones."""

    mean: np.ndarray
    covariance: np.ndarray
    square: np.ndarray


def slope_nodes(setting):
    """Nodes and weights of a standard normal variable, and the parts of the slope there."""
    nodes, weights = legendre.leggauss(NODES)
    z = np.concatenate([4.25 * (nodes - 1.0), 4.25 * (nodes + 1.0)])
    w = np.concatenate([weights, weights]) * np.exp(-(z**2) / 2)
    slope, c = setting.activation_function.derivative(z), setting.activation_expansion.coefficients
    return z, w / w.sum(), slope, slope - c[1] - 2.0 * c[2] * z


def columns(setting, x, y, fresh, alpha, kept):
    """Features of neurons of a readout weight, given the samples ``x``, labels ``y`` and fresh samples."""
    n, d = x.shape
    everything = np.concatenate([x, fresh])
    total, ta = len(everything), setting.theta * alpha
    expansion = setting.activation_expansion
    c1, c22 = expansion.coefficients[1], 2.0 * expansion.coefficients[2]
    z, w, slope, zeta = slope_nodes(setting)
    slope = kept.own * (c1 + kept.fluctuation * (slope - c1))
    spread = float(w @ zeta**2)
    r = np.concatenate([y, np.zeros(total - n)])
    gram = everything @ everything.T
    rr, kernel = gram / d, gram / n
    rho, own = np.diagonal(rr), np.diagonal(kernel) * r
    ko = kernel - np.diag(np.diagonal(kernel))
    low = ko * (r * c22)
    low_own = np.sum(low * rr, axis=1)
    lr = low @ rr
    noise = ta**2 * (np.sum(lr * low, axis=1) - low_own**2 / rho + ko**2 @ (r**2 * spread))

    # Two-dimensional integrals of every sample; the incoherent part of the step is integrated exactly.
    zs = np.sqrt(rho)[:, None] * z
    mean = (1.0 + ta * low_own / rho)[:, None] * zs + ta * own[:, None] * slope
    mean += ta * (ko @ (c1 * r))[:, None]
    scale = np.sqrt(np.maximum(noise, 1e-12))[:, None]
    known = gaussian_moments(setting.activation_function, mean, np.broadcast_to(scale, mean.shape))
    f, first, bend = known.first, known.linear / scale, 2.0 * known.norm / scale**2
    m0, e2, p, b = f @ w, known.second @ w, first @ w, bend @ w
    fz = (f * zs) @ w
    dd, ww = (fz - ta * low_own * p) / rho, f @ (w * zeta)

    response = np.diag(dd) + ta * p[:, None] * low
    c = response @ rr @ response.T
    c += ta**2 * (p[:, None] * ko * (r**2 * spread)) @ (ko * p)
    cross = ta * p[:, None] * ko * (r * ww)
    c += cross + cross.T
    if kept.modes:
        kernels, features = (rho, own, ko, rr, low_own, lr, noise), (f, first, b, p, dd, zs)
        moved, size, shared = modes(x, y, ta, (c22, spread), kernels, (z, w, zeta), features)
        c += moved.T @ size @ moved + moved.T @ shared + shared.T @ moved
    c[np.diag_indices_from(c)] = e2 - m0**2
    return Column(m0, c, e2)


def modes(x, y, ta, slopes, kernels, nodes, features):
    """Two scalars of a neuron that move all samples at once.

    What a unit of each does to a feature, their covariance, and what a feature shares with them beyond that.
    """
    (c22, spread), (rho, own, ko, rr, low_own, lr, noise) = slopes, kernels
    (z, w, zeta), (f, first, b, p, dd, zs) = nodes, features
    n, d = x.shape
    total, k = len(rho), ta * c22
    r = np.concatenate([y, np.zeros(total - n)])
    h = x.T @ (y[:, None] * x) / n
    traces = [np.trace(np.linalg.matrix_power(h, j)) / d for j in range(5)]
    # phi^a and phi^b of each sample on the nodes, without the part of phi^b along e.
    a = (ta * r)[:, None] * zs * zeta
    quadratic = 2.0 * ta * (low_own / rho + own * c22)[:, None] * zs + ta * own[:, None] * zeta
    bb = (ta * r)[:, None] * zeta * quadratic
    along_e = 2.0 * ta * r[:, None] * zeta
    phis = np.stack([a, bb])
    means = phis @ w
    shared = np.einsum("kij,ij,j->ki", phis, f, w) - means * (f @ w)
    # Its linear part is in the quadratic form of the others as well, but not its covariance with features.
    shared[1] += noise * (((along_e + 2.0 * ta * c22 * r[:, None] * zs) * first) @ w)
    pulls = np.zeros((2, total))
    # Only samples of the batch are in H, so that only they see more of it than its trace.
    forms = [np.sum((x @ np.linalg.matrix_power(h, j)) * x, axis=1) / d - rho[:n] * traces[j] for j in (1, 2)]
    pulls[0, :n], pulls[1, :n] = k * 2.0 / d * forms[0], k**2 * 2.0 / d * forms[1]
    bends = zs**2 - rho[:, None]
    bent = (f * bends) @ w / (2.0 * rho**2)
    bent_phi = np.einsum("kij,ij,j->ki", phis, bends, w) / (2.0 * rho**2)
    along_z = np.einsum("kij,ij,j->ki", phis, zs, w) / (n * rho)
    along_zeta = np.einsum("kij,j->ki", phis, w * zeta) / n + pulls * float(w @ (zeta * (z**2 - 1.0))) / 2.0
    ro, lo = rr - np.diag(rho), lr - np.diag(np.diagonal(lr))
    moved = np.stack([(first * zs) @ w - ta * low_own * b, rho * b / 2.0])
    c = shared / n + pulls * bent
    c += (along_z @ ro) * dd + ta * p * (along_z @ lo.T) + ta * p * ((r * along_zeta) @ ko.T)
    powers = np.array([k, k**2])
    size = np.einsum("kij,lij,j->kl", phis, phis, w) - means @ means.T
    # Pairs of incoherent parts are below, once: each is beside both of its samples.
    coherent = noise - ta**2 * ko**2 @ (r**2 * spread)
    size[1, 1] += float(np.sum(coherent[:, None] * along_e**2 @ w[:, None]))
    size = size / n**2 + 2.0 / d * np.outer(powers, powers) * np.array(
        [[traces[i + j] - traces[i] * traces[j] for j in (1, 2)] for i in (1, 2)]
    )
    bends_of = pulls @ bent_phi.T / n
    size += bends_of + bends_of.T + along_z @ ro @ along_z.T
    off = ko[:n, :n] ** 2
    size[1, 1] += 2.0 * ta**4 * spread**2 * float(y**2 @ off @ y**2) / n**2
    return moved, size, c


def losses(setting, x, y, fresh, y_fresh, kept=ALL):
    """Objective, training and test loss of a batch; the last from the fresh samples."""
    n, width, ridge = setting.n, setting.width, setting.ridge
    alphas, shares = READOUTS[setting.readout]
    found = [columns(setting, x, y, fresh, alpha, kept) for alpha in alphas]
    s = [each.covariance[:n, :n] + np.outer(each.mean[:n], each.mean[:n]) for each in found]
    cross = [each.covariance[n:, :n] + np.outer(each.mean[n:], each.mean[:n]) for each in found]
    shares, omega = np.array(shares) * width / n, np.full(len(s), 0.5)
    for _ in range(2000):
        q = np.linalg.inv(ridge * np.eye(n) + mixed(shares * omega, s))
        new = 1.0 / (1.0 + np.array([np.sum(each * q) for each in s]) / n)
        if np.max(np.abs(new - omega)) < 1e-13:
            break
        omega = 0.5 * (omega + new)
    sq = [each @ q for each in s]
    matrix = np.diag(omega**-2.0) - np.array([[np.sum(a * b.T) / n for b in sq] for a in sq]) * shares
    weights = q @ y
    slopes = np.linalg.solve(matrix, [np.sum(each * (q @ q)) / n for each in s])
    turned = mixed(shares * slopes, s) + np.eye(n)
    train = ridge**2 * weights @ turned @ weights / n
    g = mixed(shares * omega, cross)
    gq = g @ q
    pull = [
        np.mean(each.square[n:] - 2.0 * np.sum(c * gq, axis=1) + np.sum(gq @ a * gq, axis=1)) / ridge
        for each, c, a in zip(found, cross, s, strict=True)
    ]
    moved = np.linalg.solve(matrix, -np.array(pull))
    rest = weights @ mixed(shares * moved, s) @ weights / n
    test = np.mean((y_fresh - g @ weights) ** 2) - ridge * rest
    return ridge * float(y @ weights) / n, float(train), float(test)


def mixed(weights, matrices):
    """Sum of matrices with weights."""
    return sum(weight * each for weight, each in zip(weights, matrices, strict=True))


def drawn(setting, seed, fresh=400):
    """Inputs and labels of a batch and of fresh samples."""
    rng = np.random.default_rng(seed)
    teacher = rng.standard_normal(setting.d)
    teacher /= np.linalg.norm(teacher)
    x = rng.standard_normal((setting.n + fresh, setting.d))
    y = setting.target_function(x @ teacher) + setting.noise_std * rng.standard_normal(len(x))
    n = setting.n
    return x[:n], y[:n], x[n:], y[n:]


def networks(setting, batch, trials, seed=0):
    """Mean losses of networks on a batch and their standard errors, shape ``(2, 3)``."""
    x, y, fresh, y_fresh = batch
    data = rs.Data(x, y, x, y, fresh, y_fresh)
    seen = rs.simulate(setting, trials=trials, seed=seed, data=data).trials
    values = np.array([[trial.objective, trial.train, trial.test] for trial in seen])
    return np.stack([values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(trials)])


SETTINGS = {
    "gelu, rademacher, theta 1.5": {"activation": "gelu", "readout": "rademacher", "step_size": 1.5},
    "tanh, constant, theta 1": {"activation": "tanh", "readout": "constant", "step_size": 1.0},
    "relu, rademacher, theta 0.86": {"activation": "relu", "readout": "rademacher", "step_size": 0.86},
}


def setting_of(name, n):
    """Setting of a name with a number of samples."""
    keys = {**SETTINGS[name], "target": {"hermite": [0, 1, 0.7071]}, "noise_std": 0.5, "ridge": 0.05}
    keys["step_size"] *= (2 * n // 3) ** 0.5
    return rs.Setting(n=n, d=n // 2, width=2 * n // 3, second_batch="same", **keys)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--networks", type=int, default=60)
    arguments = parser.parse_args()
    for name in SETTINGS:
        setting = setting_of(name, arguments.samples)
        batch = drawn(setting, 1)
        closed = rs.predict(setting).losses
        mean, error = networks(setting, batch, arguments.networks)
        kernel = losses(setting, *batch)
        print(name)
        for k, loss in enumerate(("objective", "train", "test")):
            numbers = f"closed {getattr(closed, loss):.4f}, given the batch {kernel[k]:.4f}"
            print(f"  {loss:9} {numbers}, networks {mean[k]:.4f} +- {error[k]:.4f}")


if __name__ == "__main__":
    main()
