"""The package against the literal program of reference.py."""

from dataclasses import replace
from functools import partial

import mpmath as mp
import numpy as np
import pytest
import reference
from function_reference import REFERENCE, slope

import rmt_spikes as rs
from rmt_spikes.theory.features import Features
from rmt_spikes.theory.latent import latent, latent_grid
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.quadrature_rules import ReadoutLaw

READOUTS = {"constant": ((1, 1),), "rademacher": ((-1, 0.5), (1, 0.5))}


def problem_of(setting: rs.Setting, alpha=None, q=None) -> reference.Problem:
    """A setting whose numbers have few digits, in mpmath numbers."""
    name = setting.activation
    mean = reference.gaussian_mean(REFERENCE[name], (0,))
    coefficients = [mp.mpf(repr(c)) for c in setting.target["hermite"]]
    exact = mp.mpf
    if alpha is None:
        alpha = READOUTS.get(setting.readout) or reference.law_of_draws(setting.width)
    sizes = {size: getattr(setting, size) for size in ("n", "d", "width", "n_ridge")}
    return reference.Problem(
        **sizes,
        activation=lambda z: REFERENCE[name](z) - mean,
        slope=partial(slope, name),
        kinks=(exact(0),) if name == "relu" else (),
        target=lambda z: mp.fsum(c * reference.he(k, z) for k, c in enumerate(coefficients)),
        ridge=exact(repr(setting.ridge)),
        noise=exact(repr(setting.noise_std)),
        step=exact(repr(setting.step_size)),
        alpha=tuple((exact(a), exact(p)) for a, p in alpha),
        q=tuple((exact(x), exact(p)) for x, p in (q or reference.law_of_draws(setting.n_ridge))),
    )


@pytest.fixture(autouse=True)
def precise():
    with mp.workdps(25):
        yield


def tiny(**changes):
    """A setting whose discrete laws have few points: six neurons, eight samples."""
    values = {
        "n": 9, "d": 5, "width": 6, "n_ridge": 8, "activation": "relu", "target": {"hermite": [0, 1, 0.7]},
        "noise_std": 0.5, "ridge": 0.1, "step_size": 3.0, "readout": "gaussian",
    }  # fmt: skip
    return rs.Setting(**(values | changes))


def distance(found, expected) -> float:
    return max(float(abs(a / b - 1)) for a, b in zip(found, expected, strict=True))


def numbers(losses):
    return losses.objective, losses.train, losses.test


def test_the_reference_refuses_double_precision():
    problem = problem_of(tiny(readout="constant"))
    with mp.workdps(15):
        for call in (
            problem.losses,
            problem.uniform_losses,
            lambda: reference.gaussian_mean(mp.tanh),
            lambda: reference.law_of_draws(4),
            lambda: reference.bisect(lambda x: x, -1, 1),
        ):
            with pytest.raises(ValueError, match="more than 15 digits"):
                call()


def test_the_reference_does_not_know_the_package():
    with open(reference.__file__, encoding="utf-8") as source:
        assert "rmt_spikes" not in source.read()


SETTINGS = [
    tiny(),
    tiny(activation="tanh", readout="rademacher", width=60, d=55, n=45, n_ridge=6, step_size=30.0,
         target={"hermite": [0, 0.8, 0, 0.3]}),
    tiny(readout="rademacher", n=9000, d=400, n_ridge=4, width=3000, ridge=0.003, noise_std=0.0,
         step_size=90.0),
    tiny(activation="softplus", readout="constant", d=2, width=4, n_ridge=6, step_size=1.5, ridge=7.0),
    tiny(activation="sin", width=4, n=4, step_size=0.4, target={"hermite": [0, -1.3, 0.2]}),
]  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s.activation}-{s.readout}")
def test_closed_form(setting):
    """Losses, spikes and the edge of section 5.

    The reference works with 25 digits and loses one in its numerical derivatives: measured 3e-24 for losses,
    1e-25 for the rest. Double precision: measured 7e-14.
    """
    problem, prediction = problem_of(setting), rs.predict(setting, digits=30)
    losses = problem.losses()
    assert distance(numbers(prediction.losses), losses) < 1e-20
    assert distance(numbers(rs.predict_losses(setting, method="closed_form")), losses) < 1e-11
    assert prediction.bulk.edges[-1][1] == pytest.approx(mp.sqrt(problem.location(problem.edge)), rel=1e-20)
    poles = problem.spikes()
    assert len(prediction.spikes) <= len(poles)  # the package leaves out those within the edge's fluctuations
    for spike, (value, shares) in zip(prediction.spikes, poles, strict=False):
        assert abs(spike.singular_value / value - 1) < 1e-20
        assert max(abs(a - b) for a, b in zip(spike.alignment, shares, strict=True)) < 1e-20
    if setting.readout != "gaussian":
        assert distance(numbers(prediction.losses), replace(problem, corrected=False).losses()) > 1e-6


def test_some_settings_have_spikes():
    assert sum(len(rs.predict(setting, digits=16).spikes) for setting in SETTINGS[1:3]) >= 2


THREE = ((-1.5, 0.2), (0.1, 0.5), (1.3, 0.3))
FOUR = ((-1.7, 0.2), (-0.4, 0.3), (0.3, 0.3), (1.8, 0.2))


@pytest.mark.parametrize(
    ("activation", "readout", "alpha"), [("relu", "gaussian", THREE), ("tanh", "constant", None)]
)
def test_uniform_on_a_small_grid(activation, readout, alpha):
    """Losses of section 4 with isotropic rows, both programs on the same nodes.

    The differences of the reference are good to 13 digits, and a third of its digits is their step: measured
    4e-14.
    """
    setting = tiny(activation=activation, readout=readout, n=90, d=50, width=60, n_ridge=80)
    with mp.workdps(20):
        problem = problem_of(setting, alpha, FOUR)
        expected = problem.uniform_losses()
        published = replace(problem, corrected=False)
        wrong = problem.ridge * published.uniform_functional([problem.ridge] * len(FOUR))
    law = ReadoutLaw(readout, *(np.array([float(pair[k]) for pair in problem.alpha]) for k in (0, 1)))
    nodes, weights = np.array(FOUR).T
    # The nodes of the reference take the place of those of the package.
    grid = latent_grid(setting, latent(setting), law=law, q_rule=(nodes, weights), finite=True)
    solution = Uniform(setting, Features.ISOTROPIC, functions=grid)
    losses = numbers(solution.losses())
    assert distance(losses, expected) < 1e-12
    assert abs(losses[0] / float(wrong) - 1) > 1e-4


def test_limit_of_one_spike():
    """``Delta_1`` as printed in section 7, at 25 digits."""
    setting = tiny(n=900, d=450, width=600, n_ridge=900, step_size=None, step_exponent=0.2)
    problem = problem_of(setting.replace(step_size=1.0), alpha=((1, 1),), q=((-1, 0.5), (1, 0.5)))
    kappa = problem.effective_ridge(problem.ridge)
    mu = 1 / (1 + mp.mpf(600) / 450 * problem.c_1**2 * problem.trace(kappa))
    share = problem.ridge / kappa
    before = share * (mu + problem.label_energy - 1)
    limits = rs.predict(setting, digits=25).limits
    for features in ("corrected", "published"):
        assert limits[features].objective == pytest.approx(before - share * mu / problem.norm2, rel=1e-22)
