"""Trained rows along the learnt and the teacher's direction go together: losses against a simulated step."""

from functools import cache

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.norms.losses import NormLosses
from rmt_spikes.theory.methods.uniform.norms.nodes import OF_LOSSES
from rmt_spikes.theory.methods.uniform.norms.problem import norm_problem
from rmt_spikes.theory.methods.uniform.solution import Uniform

ACTIVATION, TEACHER = (0.5, 0.175), (0.475, 0.936, 0.341)
NOISE, NETWORKS, FRESH = 0.069, 300, 2000
SETTING = rs.Setting(
    n=413,
    d=31,
    width=90,
    n_ridge=409,
    activation={"hermite": [0, *ACTIVATION]},
    target={"hermite": [0, *TEACHER]},
    noise_std=NOISE,
    ridge=0.1856,
    readout="constant",
    step_size=12.8,
)
"""Rows grow by four fifths along the teacher, which is at 43 degrees to the learnt direction."""


def activation(z):
    """A polynomial of degree two, so that a step is the same linear map of all rows."""
    return ACTIVATION[0] * z + ACTIVATION[1] * (z**2 - 1.0)


def batch(rng, count):
    """Inputs and labels, and functions of the samples of known means: these lessen the scatter."""
    x = rng.standard_normal((count, SETTING.d))
    u = x[:, 0]
    y = TEACHER[0] * u + TEACHER[1] * (u**2 - 1.0) + TEACHER[2] * (u**3 - 3.0 * u)
    y = y + NOISE * rng.standard_normal(count)
    energy = TEACHER[0] ** 2 + 2.0 * TEACHER[1] ** 2 + 6.0 * TEACHER[2] ** 2 + NOISE**2
    return x, y, [np.mean(y**2) - energy, np.mean(u), np.mean(u**2) - 1.0, np.mean(u**4) - 3.0]


@cache
def simulated():
    """Means and standard errors of objective, training and test loss: shape (2, 3)."""
    losses, known = [], []
    s, theta = SETTING, SETTING.step_size / SETTING.width**0.5
    for i in range(NETWORKS):
        rng = np.random.default_rng([413, i])
        w = rng.standard_normal((s.width, s.d))
        w /= np.linalg.norm(w, axis=1)[:, None]
        (x, y, _), (seen, labels, one), (new, truth, two) = (batch(rng, k) for k in (s.n, s.n_ridge, FRESH))
        z = w @ x.T
        residual = y - activation(z).mean(axis=0)
        w = w + theta * ((ACTIVATION[0] + 2.0 * ACTIVATION[1] * z) * residual) @ x / s.n
        f = activation(seen @ w.T)
        a = np.linalg.solve(f.T @ f / s.n_ridge + s.ridge * np.eye(s.width), f.T @ labels / s.n_ridge)
        train = np.mean((labels - f @ a) ** 2)
        test = np.mean((truth - activation(new @ w.T) @ a) ** 2)
        losses.append([train + s.ridge * a @ a, train, test])
        known.append([1.0, *one, *two])
    fit, design = np.array(losses), np.array(known)
    best = np.linalg.lstsq(design, fit, rcond=None)[0]
    errors = (fit - design @ best).std(axis=0, ddof=design.shape[1]) / NETWORKS**0.5
    return np.array([best[0], errors])


def worst(together: bool) -> float:
    """Largest distance of the losses from the simulated ones, over 2.5 standard errors and 1 %."""
    uniform = Uniform(setting=SETTING)
    problem = norm_problem(SETTING, uniform.latent, None, uniform.kept, OF_LOSSES)
    if not together:
        own = np.diagonal(problem.rows.own, axis1=1, axis2=2)
        problem.rows.__dict__["root"] = np.sqrt(own)[:, :, None] * np.eye(own.shape[1])
    found = NormLosses(problem, uniform.untrained).losses
    mean, error = simulated()
    distance = np.abs(np.array([found.objective, found.train, found.test]) - mean)
    return float(np.max(distance / (2.5 * error + 0.01 * mean)))


@pytest.mark.parametrize("together", [True, False])
def test_components_go_together(together):
    # Negative control: components along the two directions that are independent.
    assert (worst(together) < 1.0) == together
