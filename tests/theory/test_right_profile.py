"""Right singular vectors at any readout weight: the closed form at small steps, and their own nodes."""

from dataclasses import replace

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.features import Rows
from rmt_spikes.theory.methods.one_batch.equations import Growth, equations_of
from rmt_spikes.theory.methods.one_batch.moments import moments_of
from rmt_spikes.theory.methods.one_batch.problem import ROUGH, Kept, spectral_problem
from rmt_spikes.theory.methods.one_batch.solver import solved
from rmt_spikes.theory.methods.one_batch.spectrum.others import omega_of_others
from rmt_spikes.theory.methods.uniform import vectors
from rmt_spikes.theory.methods.uniform.solution import Uniform

TARGET = {"hermite": [0.0, 1.0, 0.7]}
SIZES = {"n": 600, "d": 300, "width": 400, "ridge": 0.01, "noise_std": 0.3}
BASE = rs.Setting(**SIZES, activation="relu", target=TARGET, step_exponent=0.4)
LEVELS = {"eigenvalues": [0.4, 2.4], "proportions": [0.7, 0.3], "teacher": [0.5, 0.5]}
# The nodes of 90 neurons end at 2.6, those of millions at 5.2.
ALPHA = np.array([-5.5, -3.5, -1.0, 0.5, 2.0, 3.0, 4.0, 5.5])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_closed_form_at_small_steps(activation):
    """Beyond the nodes too: the difference falls like the inverse number of samples."""
    errors = []
    for n in (200_000, 2_000_000):
        sizes = {"n": n, "d": n // 2, "width": n // 2, "ridge": 0.01, "step_exponent": 0.25}
        setting = rs.Setting(**sizes, activation=activation, target=TARGET)
        found, wanted = (
            rs.predict(setting, method=name).spikes[0].right_profile(ALPHA)
            for name in ("uniform", "closed_form")
        )
        errors.append(np.max(np.abs(found / wanted - 1.0)))
    # Measured 2.6e-4 with ReLU and 1.1e-4 with tanh, and ten times less.
    assert errors[0] < 4e-4
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.15)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({"readout": "rademacher"}, None),
        ({"readout": "rademacher", "covariance": LEVELS, "target": {"expression": "z1 + z1*z2"}}, None),
        ({}, Rows.LEVELS),
        ({"output_scale": "standard"}, None),
    ],
)
def test_neurons_of_no_weight_are_those_at_the_nodes(changes, rows):
    """Where the pencil sees all nodes, and with levels: to rounding."""
    method = Uniform(BASE.replace(**changes), rows=rows)
    problem = method.spectrum.separated.problem
    poles = method.upper.poles
    assert poles
    for pole in poles:
        wanted = vectors.right_node_profile(problem, pole)
        found = vectors.right_profile(problem, pole, problem.grid.law.nodes)
        assert found == pytest.approx(wanted, rel=1e-10)
        # By the components of the null vector themselves, which inner nodes know well.
        weights = problem.grid.law.weights
        direct = -pole.vector[: weights.size] * vectors._scale(problem, pole) / BASE.width
        assert weights * found == pytest.approx(direct, abs=1e-11)


def test_pencil_of_few_nodes_and_many_values():
    """What the pencil leaves out is 1e-5 of the vector; many readout weights are those one by one."""
    method = Uniform(BASE.replace(width=90))
    problem = method.spectrum.separated.problem
    alpha = np.linspace(-6.0, 6.0, vectors.TOGETHER + 3)
    for pole in method.upper.poles:
        wanted = vectors.right_node_profile(problem, pole)
        found = vectors.right_profile(problem, pole, problem.grid.law.nodes)
        # Measured 6e-5 at the outermost node of the second spike.
        assert found == pytest.approx(wanted, rel=2e-4, abs=1e-5)
        values = vectors.right_profile(problem, pole, alpha)
        assert values[-1:] == pytest.approx(vectors.right_profile(problem, pole, alpha[-1:]), rel=1e-10)
        assert vectors.right_profile(problem, pole, alpha[:0]).shape == (0,)


@pytest.mark.parametrize(("activation", "readout"), [("gelu", "rademacher"), ("softplus", "gaussian")])
def test_neurons_of_no_weight_beside_those_of_one_batch(activation, readout):
    """Those at the nodes to rounding; elsewhere those of a node with 1e-7 of the neurons, to as much."""
    setting = BASE.replace(activation=activation, readout=readout, second_batch="same", step_size=20.0)
    problem, ridge, alpha = spectral_problem(setting, Kept(), ROUGH), 0.05, np.array([-2.5, 0.4])
    equations = problem.equations
    batch, law = equations.batch, equations.law

    def moments(nodes):
        return moments_of(setting, batch, (batch.train, batch.test), nodes)

    def beside(nodes):
        on, state = Growth(batch, setting.theta * nodes), solved(equations, ridge)
        return omega_of_others(equations, on, moments(nodes)[0], state, equations.resolvent(state, ridge))

    assert beside(law.nodes) == pytest.approx(solved(equations, ridge).omega, rel=1e-10)
    few = 1e-7
    more = replace(
        law, nodes=np.append(law.nodes, alpha), weights=np.append((1.0 - 2.0 * few) * law.weights, [few, few])
    )
    whole = equations_of(setting, batch, more, moments(more.nodes))
    assert beside(alpha) == pytest.approx(solved(whole, ridge).omega[-2:], rel=1e-6)
    assert np.ptp(solved(whole, ridge).omega) > 1e-3
