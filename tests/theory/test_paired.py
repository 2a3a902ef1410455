"""One ingredient changed in simulated networks, all else the same: the change that the theory gives to it.

Each pair shares its random numbers, so that a change of a few per cent is seen in two dozen networks.
A theory without the ingredient says that nothing changes, and is rejected.
"""

import math

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.latent import latent, readout_rule
from rmt_spikes.theory.methods.uniform.pencil.batch import first_batch
from rmt_spikes.theory.methods.uniform.pencil.directions import SpecialDirections
from rmt_spikes.theory.methods.uniform.pencil.rows import Terms, row_lengths

TARGET = {"hermite": [0.0, 1.0, math.sqrt(0.5)]}
FRESH = 3000
PAIRS = 24
ROUNDING = 0.01
"""Of a loss, beyond 3 standard errors: changes of 4 % to a fifth, and 5/n of what the pair shares."""


def constant_readout(activation: str, theta: float) -> rs.Setting:
    return rs.Setting(
        n=600, d=300, width=400, activation=activation, readout="constant", target=TARGET, noise_std=0.3,
        ridge=0.03, step_size=theta * math.sqrt(400),
    )  # fmt: skip


def losses(train, test, ridge):
    """Objective and test loss of the ridge regression of labels on features."""
    features, labels = train
    gram = features.T @ features / labels.size + ridge * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, features.T @ labels / labels.size)
    objective = np.mean((labels - features @ weights) ** 2) + ridge * weights @ weights
    return objective, np.mean((test[1] - test[0] @ weights) ** 2)


def data(setting, rng, *sizes):
    """Inputs, and labels of the teacher with noise."""
    for size in sizes:
        x = rng.standard_normal((size, setting.d))
        yield x, setting.target_function(x[:, 0]) + setting.noise_std * rng.standard_normal(size)


def initial_rows(setting, rng):
    rows = rng.standard_normal((setting.width, setting.d))
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def changed_rows(setting, seed):
    """Losses of the exact step, with all rows equally long, and with the incoherent part of other neurons."""
    rng = np.random.default_rng(seed)
    (x, y), ridge, test = data(setting, rng, setting.n, setting.n_ridge, FRESH)
    own, other = initial_rows(setting, rng), initial_rows(setting, rng)
    activation, c = setting.activation_function, setting.activation_expansion.coefficients
    r = y - activation(own @ x.T).mean(axis=0)

    def gradient(w):
        return (activation.derivative(w @ x.T) * r) @ x / setting.n

    def coherent(w):
        return ((c[1] + 2.0 * c[2] * (w @ x.T)) * r) @ x / setting.n

    exact = own + setting.theta * gradient(own)
    q = x.T @ r
    along = np.outer(exact @ q, q) / (q @ q)
    length = np.linalg.norm(exact - along, axis=1)[:, None]
    equal = along + (exact - along) * np.sqrt(np.mean(length**2)) / length
    blind = own + setting.theta * (coherent(own) + gradient(other) - coherent(other))
    for rows in (exact, equal, blind):
        features = (activation(ridge[0] @ rows.T), ridge[1]), (activation(test[0] @ rows.T), test[1])
        yield losses(*features, setting.ridge)


def changes(runs):
    """Mean relative changes of objective and test loss from the first kind of run, and standard errors."""
    table = np.array(runs)
    relative = (table[:, 1:] - table[:, :1]) / table[:, :1].mean(axis=0)
    return relative.mean(axis=0), relative.std(axis=0, ddof=1) / math.sqrt(len(runs))


def predicted(setting, *theories):
    """Relative changes of objective and test loss when an ingredient is dropped."""
    numbers = [
        [getattr(rs.predict_losses(setting, features=name), loss) for loss in ("objective", "test")]
        for name in ("corrected", *theories)
    ]
    return np.array(numbers[1:]) / numbers[0] - 1.0


@pytest.mark.parametrize(
    ("activation", "theta"), [pytest.param("gelu", 1.5, marks=pytest.mark.thorough), ("relu", 1.2)]
)
def test_lengths_and_the_own_neuron(activation, theta):
    """Rows of equal length, and a gradient that does not know its own neuron.

    For ReLU at ``theta = 1.2`` the error of the first orders of the step in the objective, which have neither
    lengths nor matrices that do not commute, cancels to .1 %: there the objective cannot tell, though lengths
    alone change it by 1 %. The test loss can.
    """
    setting = constant_readout(activation, theta)
    mean, error = changes([list(changed_rows(setting, seed)) for seed in range(PAIRS)])
    expected = predicted(setting, "equal_lengths", "blind_gradient", "first_orders")
    assert np.all(np.abs(mean - expected[:2]) < 3.0 * error + ROUNDING)
    # Dropped, the ingredient changes nothing: one of the two losses must reject that, for each ingredient.
    assert np.all(np.max(np.abs(mean) / error, axis=1) > 4.0)
    if activation == "relu":
        assert abs(expected[2, 0]) < 0.001
        assert expected[2, 1] > 0.02


def test_degree_two():
    """The part of degree two of the features taken for noise of its size, without a step."""
    setting = rs.Setting(
        n=900, d=60, width=300, activation="relu", target=TARGET, noise_std=0.3, ridge=0.05, step_size=0.0
    )
    c_2, d = setting.activation_expansion.coefficients[2], setting.d
    runs = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        ridge, test = data(setting, rng, setting.n_ridge, FRESH)
        w = initial_rows(setting, rng)
        kept, noisy = [], []
        for x, y in (ridge, test):
            u = x @ w.T
            f = setting.activation_function(u)
            two = u**2 - np.sum(x**2, axis=1)[:, None] / d
            noise = math.sqrt(2.0 - 2.0 / d) * rng.standard_normal(u.shape)
            kept.append((f, y))
            noisy.append((f + c_2 * (noise - two), y))
        runs.append([losses(*kept, setting.ridge), losses(*noisy, setting.ridge)])
    mean, error = changes(runs)
    assert np.all(np.abs(mean - predicted(setting, "degree_two_as_noise")) < 3.0 * error + ROUNDING)
    assert np.all(mean > 4.0 * error)


def test_trace_of_the_special_directions():
    """Mean squared length of rows off their mean, which is the shift, against the exact gradient step.

    For tanh. For ReLU this term alone is not enough: times n, 2.1 (0.65) were seen at ``theta = 0.6`` and 5.8
    (1.7) at 1.2, where it gives 5.0 and 14.1; other terms of order 1/d are left out (docs/limits.md).
    """
    setting = constant_readout("tanh", 1.2).replace(n=200, d=100)
    special = SpecialDirections(first_batch(setting, latent(setting), readout_rule(setting)))
    kept, dropped = (row_lengths(special, Terms(trace=trace)).tau[0] ** 2 for trace in (True, False))
    seen = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        ((x, y),) = data(setting, rng, setting.n)
        w = initial_rows(setting, rng)
        u = w @ x.T
        r = y - setting.activation_function(u).mean(axis=0)
        rows = w + setting.theta * (setting.activation_function.derivative(u) * r) @ x / setting.n
        seen.append(np.sum(np.var(rows, axis=0, ddof=1)))
    mean, error = np.mean(seen), np.std(seen, ddof=1) / math.sqrt(len(seen))
    assert abs(kept - mean) < 3.0 * error
    assert abs(dropped - mean) > 4.0 * error


def test_levels_of_the_bulk():
    """Quantiles of the bulk with a constant readout, within 2.5 standard errors and 1.2 % of them.

    Rows to the first orders of the step, and isotropic ones, are rejected by what this grants, twice.
    """
    setting = constant_readout("relu", 1.2)
    levels = np.array([0.25, 0.5, 0.75, 0.9])
    trials = rs.simulate(setting, trials=16, seed=3).trials
    seen = np.array([np.quantile(t.singular_values[1:], levels, method="hazen") for t in trials])
    mean = seen.mean(axis=0)
    granted = 2.5 * seen.std(axis=0, ddof=1) / math.sqrt(len(seen)) + 0.012 * mean

    def off(features):
        return np.abs(rs.predict(setting, features=features).bulk.quantile(levels) - mean) / granted

    assert np.all(off("corrected") < 1.0)
    assert off("first_orders").max() > 2.0
    assert off("isotropic").max() > 2.0
