"""Rows that grow unevenly, as degree two sees them along pairs of directions."""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.norms.growths import growths, pair_growths
from rmt_spikes.theory.methods.uniform.norms.nodes import OF_LOSSES
from rmt_spikes.theory.methods.uniform.norms.problem import NormProblem, norm_problem
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms
from rmt_spikes.theory.methods.uniform.solution import Uniform

LEVELS = (0.05, 0.1, 0.25)

WIDE = rs.Setting(
    n=347,
    d=40,
    width=600,
    activation="gelu",
    target={"hermite": [0, 1, -0.78, -0.04]},
    noise_std=0.53,
    ridge=0.0656,
    readout="constant",
    step_size=1.8 * 600**0.5,
)


CONSTANT = rs.Setting(
    n=579,
    d=42,
    width=456,
    n_ridge=1115,
    activation="relu",
    target={"hermite": [0, 1, 0.25, -0.12]},
    noise_std=0.63,
    ridge=0.0456,
    readout="constant",
    step_size=1.9 * 456**0.5,
)
TWO_VALUED = WIDE.replace(d=36, n=473, width=373, n_ridge=473, readout="rademacher", noise_std=0.58)


def problem_of(setting: rs.Setting) -> NormProblem:
    return norm_problem(setting, Uniform(setting=setting).latent, None, Terms(), OF_LOSSES)


@pytest.mark.parametrize("readout", ["constant", "rademacher", "gaussian"])
def test_moments_of_the_growth_are_traces(readout: str) -> None:
    # Without an incoherent part all eigenvectors are common, and traces of two covariances are exact.
    setting = WIDE.replace(activation={"hermite": [0, 0.5, 0.2]}, readout=readout)
    problem = problem_of(setting)
    lengths, d = problem.rows.lengths, setting.d
    growth, shares = growths(problem.rows.special.batch)
    mean = shares @ growth
    np.testing.assert_allclose(mean, lengths.coherent, rtol=1e-11)
    # docs/theory.md section 9: the norm of a sample acts on two neurons by 2/d (1 - 2/d) tr C_a C_b / d.
    pairs = np.einsum("l,la,lb->ab", shares, growth, growth) / (lengths.tau[:, None] * lengths.tau) ** 2
    np.testing.assert_allclose(2.0 / d * (1.0 - 2.0 / d) * pairs, lengths.norm_covariance, rtol=1e-11)


def test_growth_agrees_with_a_large_batch() -> None:
    problem = problem_of(WIDE.replace(readout="rademacher", activation="relu"))
    batch, rng, d = problem.rows.special.batch, np.random.default_rng(31), 1500
    # As many samples of each residual as its law says.
    r = np.repeat(batch.whole.r, np.round(d / batch.phi * batch.whole.weights).astype(int))
    x = rng.standard_normal((r.size, d))
    h, g = ((x.T * r**power) @ x / (d / batch.phi) for power in (1, 2))
    rows = [
        np.linalg.matrix_power(np.eye(d) + batch.curvature * a * h, 2) + batch.incoherent * a**2 * g
        for a in batch.law.nodes
    ]
    growth, shares = growths(batch)
    found, seen = (np.einsum("l,la,lb->ab", shares, growth, growth), np.empty((2, 2)))
    seen[:] = [[np.sum(one * other) / d for other in rows] for one in rows]
    # Traces of one matrix scatter by 1/d, with a factor of some units; G varies little at equal h.
    np.testing.assert_allclose(found, seen, rtol=0.02)
    # Negative control: levels that weights do not share.
    assert abs(np.prod(shares @ growth) / seen[0, 1] - 1.0) > 0.1


def test_pairs_have_mean_square_one_and_fade() -> None:
    batch = problem_of(WIDE).rows.special.batch
    by_share = []
    for share in (0.0, 1e-6, 1.0):
        levels, shares = pair_growths(batch, share)
        np.testing.assert_allclose(shares @ levels**2, 1.0, rtol=1e-12)
        by_share.append(np.abs(levels - 1.0).max())
    assert by_share[0] == 0.0 < by_share[1] < 1e-5 < 0.5 < by_share[2]


def test_pairs_are_alike_in_many_dimensions_and_without_a_step() -> None:
    for setting in (WIDE.replace(d=150), WIDE.replace(step_size=0.0)):
        np.testing.assert_array_equal(problem_of(setting).pair_growths[0], 1.0)


def off(setting: rs.Setting, networks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantiles over the simulated ones less one, with pairs and with all rows alike, and standard errors."""
    simulated = [trial.singular_values for trial in rs.simulate(setting, trials=networks, seed=41).trials]
    seen = np.array([np.quantile(values, LEVELS, method="hazen") for values in simulated])
    right, alike = (
        np.array([Uniform(setting=setting, terms=Terms(pair_growths=kept)).bulk.quantile(x) for x in LEVELS])
        for kept in (True, False)
    )
    mean, error = seen.mean(axis=0), seen.std(axis=0) / networks**0.5
    return right / mean - 1.0, alike / mean - 1.0, error / mean


def test_quantiles_of_wide_networks_agree_with_simulation() -> None:
    right, alike, error = off(CONSTANT, 50)
    assert np.all(np.abs(right) < 2.5 * error + 0.012)
    # Negative control: rows alike in all directions, measured 4 to 5 % off.
    assert np.all(alike > 2.5 * error + 0.012)


@pytest.mark.thorough
def test_levels_of_several_readout_weights_are_nearer_to_simulation() -> None:
    right, alike, error = off(TWO_VALUED, 100)
    assert np.all(alike > 6.0 * error)
    assert np.all(np.abs(alike) - np.abs(right) > 2.5 * error)
