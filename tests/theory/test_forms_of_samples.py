"""Rows that grow along forms of the inputs, with clean labels: losses against a simulated step."""

from functools import cache

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.latent import latent, readout_rule
from rmt_spikes.theory.methods.uniform.norms.losses import NormLosses
from rmt_spikes.theory.methods.uniform.pencil.batch import first_batch
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.solution import Uniform

LINEAR, SQUARE = 0.5, 0.21
NETWORKS, FRESH = 150, 1000
SETTING = rs.Setting(
    n=350,
    d=22,
    width=420,
    n_ridge=350,
    activation={"hermite": [0, LINEAR, SQUARE]},
    target="identity",
    ridge=0.0016,
    readout="rademacher",
    step_size=0.9 * 420**0.5,
)
"""More neurons than forms of degree two. With clean labels losses are what these leave of them."""


def activation(z):
    """A polynomial of degree two, so that a step is the same linear map of all rows."""
    return LINEAR * z + SQUARE * (z**2 - 1.0)


@cache
def simulated(mean_residual: bool = True):
    """Means and standard errors of objective, training and test loss, shape (2, 3).

    Without a mean residual the trace of its form is taken out of each batch.
    """
    losses, s, theta = [], SETTING, SETTING.step_size / SETTING.width**0.5
    for i in range(NETWORKS):
        rng = np.random.default_rng([23, i])
        w = rng.standard_normal((s.width, s.d))
        w /= np.linalg.norm(w, axis=1)[:, None]
        a = rng.choice([-1.0, 1.0], s.width)
        x, seen, new = (rng.standard_normal((count, s.d)) for count in (s.n, s.n_ridge, FRESH))
        z = w @ x.T
        residual = x[:, 0] - a @ activation(z) / s.width
        if not mean_residual:
            squares = np.sum(x**2, axis=1)
            residual = residual - residual @ squares / squares.sum()
        w = w + theta * a[:, None] * (((LINEAR + 2.0 * SQUARE * z) * residual) @ x / s.n)
        f = activation(seen @ w.T)
        inverse = np.linalg.solve(f @ f.T / s.n_ridge + s.ridge * np.eye(s.n_ridge), seen[:, 0])
        weights = f.T @ inverse / s.n_ridge
        train = s.ridge**2 * np.mean(inverse**2)
        test = np.mean((new[:, 0] - activation(new @ w.T) @ weights) ** 2)
        losses.append([train + s.ridge * weights @ weights, train, test])
    return np.array([np.mean(losses, axis=0), np.std(losses, axis=0) / NETWORKS**0.5])


@cache
def predicted(**terms: bool):
    """The three losses, some terms left out."""
    found = Uniform(SETTING, terms=Terms(**terms)).losses()
    return np.array([found.objective, found.train, found.test])


def test_losses_agree_with_simulation() -> None:
    mean, error = simulated()
    assert np.all(np.abs(predicted() - mean) < 3.0 * error + 0.02 * mean)


def test_a_form_that_is_a_variable_of_its_own_is_rejected() -> None:
    mean, error = simulated()
    assert np.all(predicted(forms=False) - mean > 10.0 * error)


def test_losses_agree_where_batches_have_no_mean_residual() -> None:
    mean, error = simulated(mean_residual=False)
    assert np.all(np.abs(predicted(mean_residual=False) - mean) < 3.0 * error + 0.02 * mean)


def test_a_mean_residual_that_does_not_scatter_is_rejected() -> None:
    mean, error = simulated()
    assert np.all(mean - predicted(mean_residual=False) > 3.0 * error)


@pytest.mark.parametrize("target", ["identity", {"hermite": [0.3, 0.8, 0.5]}])
def test_batches_at_both_sides_have_the_energy_of_the_mean_one(target) -> None:
    setting = SETTING.replace(target=target, noise_std=0.2)
    batch = first_batch(setting, latent(setting), readout_rule(setting, 2))
    mean = float(batch.whole.mean(batch.whole.r))
    sides = [batch.drawn(deviations) for deviations in (-1.0, 1.0)]
    means = np.array([float(side.whole.mean(side.whole.r)) for side in sides])
    assert np.mean([side.energy for side in sides]) == pytest.approx(batch.energy, rel=1e-12)
    # The variance of the mean of n draws.
    variance = (batch.energy - mean**2) / setting.n
    assert means - mean == pytest.approx([-(variance**0.5), variance**0.5], rel=1e-12)
    assert [side.excess for side in sides] == pytest.approx(list(means - mean), rel=1e-12)


def test_a_side_without_a_solution_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = NormLosses.losses.func  # type: ignore[attr-defined]

    def on_one_side(each: NormLosses) -> rs.Losses[float]:
        if each.problem.deviations > 0.0:
            raise rs.ConvergenceError("no solution", residual=1.0)
        return whole(each)

    monkeypatch.setattr(NormLosses, "losses", property(on_one_side))
    with pytest.warns(rs.AccuracyWarning, match="the scatter of the mean residual is left out of the losses"):
        found = Uniform(SETTING).losses()
    mean = Uniform(SETTING, terms=Terms(mean_residual=False)).losses()
    assert found == mean
