"""Singular values of the trained first layer."""

import math

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.simulation.memory import trial_bytes
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Draws

LARGE = rs.Setting(
    n=1000, d=500, width=400, activation="relu", target={"hermite": [0.0, 1.0, math.sqrt(0.5)]},
    noise_std=0.5, ridge=0.01, step_size=30.0,
)  # fmt: skip
VALUES = {
    ("relu", 30.0): ([22.00, 4.116, 3.732, 3.496], [0.24, 0.061, 0.052, 0.042]),
    ("tanh", 30.0): ([26.48, 2.818, 2.611, 2.472], [0.29, 0.029, 0.026, 0.021]),
}
"""Values 1 to 4 and their standard errors in 40 networks of an independent program. Those of tanh after the
first are known to two digits; their errors are taken to be 1 %, as those of ReLU."""


@pytest.mark.parametrize("sizes", [{"width": 40, "d": 60}, {"width": 60, "d": 40}])
def test_against_a_singular_value_decomposition(sizes):
    """The step by its own formula in plain numpy, and LAPACK's decomposition of its result."""
    setting = rs.Setting(n=90, activation="tanh", target="identity", ridge=0.1, step_size=9.0, **sizes)
    trial = rs.simulate(setting, trials=1, seed=2, weights=True, top=4).trials[0]
    model = Model.of(setting)
    draws = Draws(model, 2, 0)
    alpha, rows = draws.network()
    (block,) = draws.first_batch(1000)
    activity, a = block.inputs @ rows.T, alpha / math.sqrt(setting.width)
    r = block.labels - model.output_factor * model.activation(activity) @ a
    rows = rows + model.step * (r[:, None] * model.activation.derivative(activity) * a).T @ block.inputs / 90
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    np.testing.assert_allclose(trial.weights, values, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(trial.weights_alignment, right[:4, 0] ** 2, atol=1e-10)


def test_without_a_step_it_is_a_wide_random_matrix():
    """Marchenko and Pastur: edges ``1 +- sqrt(N/d)``, with fluctuations of ``N^(-2/3)``."""
    still = rs.simulate(LARGE.replace(step_size=0.0, n=100), trials=2, weights=True)
    ratio = math.sqrt(0.8)
    for trial in still.trials:
        assert trial.weights[0] == pytest.approx(1.0 + ratio, abs=3 * 400 ** (-2 / 3))
        assert trial.weights[-1] == pytest.approx(1.0 - ratio, abs=3 * 400 ** (-2 / 3))
        assert trial.weights_alignment.max() < 0.05


@pytest.mark.parametrize(("activation", "step"), VALUES)
def test_against_an_independent_program(activation, step):
    """Ordered values within three standard errors of the difference; a third of the step is told from it."""
    setting = LARGE.replace(activation=activation, step_size=step)
    observed = rs.simulate(setting, trials=8, seed=1, weights=True).mean_se()["weights"]
    values, errors = map(np.array, VALUES[activation, step])
    seen, se = (np.array([each[k] for each in observed["singular_values"][:4]]) for k in ("mean", "se"))
    assert np.all(np.abs(seen - values) < 3 * np.hypot(se, errors))
    # The first is the learnt direction, the others are no teacher's.
    shares = [each["mean"] for each in observed["right_alignment"]]
    assert shares[0] > 0.3
    assert max(shares[1:]) < 0.02
    small = rs.simulate(setting.replace(step_size=step / 3), trials=8, seed=1, weights=True).mean_se()[
        "weights"
    ]
    assert abs(small["singular_values"][0]["mean"] - values[0]) > 10 * errors[0]


def test_it_is_asked_for_and_kept(tmp_path):
    setting = LARGE.replace(n=60, d=30, width=40)
    plain = rs.simulate(setting, trials=1)
    assert "weights" not in plain.to_dict()
    assert plain.trials[0].weights is None
    both = rs.simulate(setting, trials=2, weights=True)
    np.testing.assert_array_equal(both.trials[0].singular_values, plain.trials[0].singular_values)
    assert len(both.to_dict()["weights"]["singular_values"]) == 5
    both.save(tmp_path / "o.npz")
    assert rs.Observation.load(tmp_path / "o.npz") == both
    with refused("weights", "True or False"):
        rs.simulate(setting, weights=1)
    wide = setting.replace(d=900, width=1000)
    assert trial_bytes(wide, None, weights=True) >= trial_bytes(wide, None)
