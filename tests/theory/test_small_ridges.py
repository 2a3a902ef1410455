"""Losses at small ridges of features that lack rank, where rounding grows like the square of its inverse."""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.ridgeless import larger_ridges, least_eigenvalue
from tests.usual import only

NOISE = 0.5
LINEAR = {"n": 1500, "d": 300, "activation": "identity", "target": "identity", "noise_std": NOISE}


@pytest.mark.parametrize(
    ("readout", "width", "step"),
    [("gaussian", 700, 0.0), ("gaussian", 4000, 30.0), ("rademacher", 700, 30.0), ("constant", 700, 30.0)],
)
def test_a_linear_network_is_least_squares_in_the_inputs(readout, width, step):
    setting = rs.Setting(**LINEAR, step_size=step, width=width, readout=readout, ridge=1e-7)
    found = rs.predict_losses(setting)
    # With more neurons than dimensions all linear functions are fitted: d parameters, whatever the neurons.
    share = setting.d / setting.n_ridge
    # The ridge moves them by less than 1e-6 of themselves.
    assert found.train == pytest.approx(NOISE**2 * (1.0 - share), rel=1e-6)
    assert found.test == pytest.approx(NOISE**2 / (1.0 - share), rel=1e-6)
    assert 0.0 < found.objective - found.train < 1e-6 * found.train


@pytest.mark.parametrize("ridge", [1e-6, 1e-8])
def test_linear_networks_that_are_large_are_least_squares_as_well(ridge):
    n, d = 125_475, 23_462
    setting = rs.Setting(
        n=n,
        d=d,
        width=30_376,
        activation="identity",
        target="relu",
        noise_std=NOISE,
        ridge=ridge,
        step_exponent=0.5,
    )
    losses, noise = rs.predict_losses(setting), NOISE**2 + 0.5 - 0.25  # a linear function explains a quarter
    assert losses.train == pytest.approx(noise * (1.0 - d / n), rel=10.0 * ridge + 1e-9)
    assert losses.test == pytest.approx(noise / (1.0 - d / n), rel=10.0 * ridge + 1e-9)


@pytest.mark.parametrize(
    ("d", "activation"),
    only([(300, "identity")], [(300, "identity"), (60, "identity"), (30, {"hermite": [0, 1, 0.3]})]),
)
def test_the_norm_of_the_weights_is_smooth_in_the_ridge(d, activation):
    sizes = {"n": 20_000, "d": d, "width": 2000, "activation": activation, "target": "tanh"}
    setting = rs.Setting(**sizes, noise_std=NOISE, ridge=1.0, step_size=2.0)
    least, objective = least_eigenvalue(setting), rs.predict_losses(setting).objective

    def norm(ridge):
        losses = rs.predict_losses(setting.replace(ridge=ridge))
        return (losses.objective - losses.train) / ridge

    last, first = norm(1e-7), norm(1e-3)
    # It falls with the ridge, by a share of the order of the ridge over the least eigenvalue. In few
    # dimensions losses settle to 1e-7, which extrapolation from .01 of that eigenvalue makes 15 times more.
    settled = 15.0 * 1e-7 * objective / (0.01 * least * last) if d < 150 else 1e-6
    assert last == pytest.approx(first, rel=3.0 * 1e-3 / least + settled)
    assert last != first


def test_the_least_eigenvalue_is_that_of_draws():
    rng = np.random.default_rng(3)
    n, d, width = 400, 60, 240
    rows = rng.standard_normal((width, d))
    inputs = rng.standard_normal((n, d))
    projected = inputs @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
    for coefficients, function in (([0, 2], 2.0 * projected), ([0, 1, 0.3], None)):
        setting = rs.Setting(
            n=n, d=d, width=width, activation={"hermite": coefficients}, target="tanh", ridge=0.1, step_size=0
        )
        bound = least_eigenvalue(setting)
        if function is None:  # 60 + 1829 monomials are more than the neurons
            assert bound is None
            continue
        values = np.linalg.svd(function / np.sqrt(n), compute_uv=False)[:d] ** 2
        # A product of two Wishart matrices: its least eigenvalue is above the product of theirs.
        assert bound < values[-1] < 4.0 * bound


def test_other_features_and_larger_ridges_are_left_alone():
    setting = rs.Setting(**LINEAR, width=700, ridge=1e-7, step_size=0)
    assert len(larger_ridges(setting)) == 4
    assert larger_ridges(setting.replace(ridge=0.1)) == ()
    assert larger_ridges(setting.replace(activation="tanh")) == ()
    assert larger_ridges(setting.replace(d=701)) == ()


def test_rows_far_longer_than_without_a_step_take_few_solutions(monkeypatch):
    from rmt_spikes.theory.methods.uniform.pencil.channel import PencilChannel

    setting = rs.Setting(
        n=198637, d=4468133, width=116987, activation={"hermite": [0.2, 1, 0.5, 0.2]}, target="tanh",
        noise_std=0.5, ridge=0.002, step_exponent=0.5,
    )  # fmt: skip
    assert setting.theta == pytest.approx(1.303, abs=1e-3)
    own, counts = PencilChannel._slopes, []
    monkeypatch.setattr(PencilChannel, "_slopes", lambda *given: counts.append(1) or own(*given))
    rs.predict_losses(setting)
    # Each takes .08 s with all nodes of the pencil: followed down from large ridges it was 139 of them.
    assert len(counts) < 40


@pytest.mark.parametrize("ridge", [1e-4, 1e-5])
def test_linear_networks_in_few_dimensions_are_least_squares(ridge):
    """Derivatives of the degrees of freedom end where rounding ends them, not after minutes."""
    setting = rs.Setting(**LINEAR | {"n": 143, "d": 51}, width=58, step_exponent=0.5, ridge=ridge)
    found, (n, d) = rs.predict_losses(setting), (setting.n, setting.d)
    assert found.train == pytest.approx(NOISE**2 * (1.0 - d / n), rel=1e-4)
    # The mean of the inverse of a Wishart matrix, in which the ridge and rounding are .1 %.
    assert found.test == pytest.approx(NOISE**2 * (1.0 + d / (n - d - 1)), rel=2e-3)
