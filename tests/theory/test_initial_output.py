"""The initial output at the mean-field scale: a closed form, and networks whose step is without it."""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.solution import Uniform

NARROW = rs.Setting(
    n=600,
    d=160,
    width=100,
    activation="tanh",
    target="identity",
    ridge=0.01,
    step_size=5.0,
    readout="rademacher",
)


def without_ridge(setting, share):
    """Losses of a linear network that projects on its rows: theory/22_initial_output.py."""
    left, noise = 1.0 - setting.width / setting.d, setting.noise_std**2
    off = setting.phi * (1.0 + noise) + (1.0 - share) / (setting.theta**2 * setting.width)
    rest = 1.0 - setting.width / setting.n_ridge
    population = left * off / (1.0 + off) + noise
    return population * rest, population / rest


def share_of(setting):
    """Share of the energy along the readout that a linear network loses."""
    theta = setting.theta
    return 2.0 * theta - theta**2 * (1.0 + setting.phi)


@pytest.mark.parametrize("readout", ["rademacher", "constant"])
@pytest.mark.parametrize(("n", "noise_std", "step"), [(688, 0.0, 5.0), (2752, 0.0, 5.0), (2000, 0.5, 8.0)])
def test_losses_of_a_linear_network_are_those_of_a_projection(n, noise_std, step, readout):
    """And those with the whole energy along the readout are not."""
    setting = rs.Setting(
        n=n, d=168, width=114, n_ridge=700, activation="identity", target="identity", ridge=1e-8,
        noise_std=noise_std, step_size=step, readout=readout,
    )  # fmt: skip
    found = rs.predict_losses(setting)
    # At this ridge they are off by 1e-7 of themselves.
    assert (found.train, found.test) == pytest.approx(without_ridge(setting, share_of(setting)), rel=1e-6)
    assert found.test != pytest.approx(without_ridge(setting, 0.0)[1], rel=1e-3)


def networks(setting, trials):
    """Objectives and first singular values of networks, and of those that step without their output."""
    found = np.empty((trials, 2, 2))
    n, d, width = setting.n, setting.d, setting.width
    for trial in range(trials):
        rng = np.random.default_rng([22, trial])
        rows = rng.standard_normal((width, d))
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        readout = rng.choice([-1.0, 1.0], width) / np.sqrt(width)
        inputs, fresh = rng.standard_normal((2, n, d))
        z = inputs @ rows.T
        output = np.tanh(z) @ readout / np.sqrt(width)
        for k, residual in enumerate((inputs[:, 0] - output, inputs[:, 0])):
            step = (residual[:, None] * readout / np.cosh(z) ** 2).T @ inputs / n
            features = np.tanh(fresh @ (rows + setting.step * step).T)
            gram = features.T @ features / n
            solved = np.linalg.solve(gram + setting.ridge * np.eye(width), features.T @ fresh[:, 0] / n)
            found[trial, k] = (
                fresh[:, 0] @ (fresh[:, 0] - features @ solved) / n,
                np.sqrt(np.linalg.eigvalsh(gram)[-1]),
            )
    return found


def predicted(setting, terms):
    method = Uniform(setting, Features.CORRECTED, terms=terms)
    return np.array([method.losses().objective, method.spikes()[0].singular_value])


@pytest.mark.parametrize("d", [80, 160])
def test_networks_that_step_without_their_output_have_larger_losses(d):
    """By as much as predicted, and by far more than nothing; with norms as latent variables and without."""
    setting = NARROW.replace(d=d)
    ratio = np.log(networks(setting, 40))
    gain = ratio[:, 1] - ratio[:, 0]
    mean, se = gain.mean(axis=0), gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
    theory = np.log(predicted(setting, Terms(output=False)) / predicted(setting, Terms()))
    # A tenth of it, for what is of the next order in 1/N.
    assert np.all(np.abs(mean - theory) < 3.0 * se + 0.1 * theory)
    assert np.all(mean > 10.0 * se)
    assert mean[0] > 0.05


def test_nothing_is_lost_without_a_step():
    still = NARROW.replace(step_size=0.0)
    assert Uniform(still, Features.CORRECTED).blocks.readout_coupling is None
    both = [Uniform(still, Features.CORRECTED, terms=Terms(output=kept)).losses() for kept in (True, False)]
    assert both[0] == both[1]
