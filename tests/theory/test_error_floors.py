"""Error bars of numbers next to nothing, and what losses answer to."""

import math
from itertools import pairwise

import pytest

import rmt_spikes as rs
from rmt_spikes.theory.accuracy.bars import of_sign_error
from rmt_spikes.theory.accuracy.sensitivity import sensitivity, untrained_losses

LINEAR = {"n": 300, "d": 50, "width": 200, "activation": "identity", "target": "identity"}
CUBIC = rs.Setting(
    n=600,
    d=20,
    width=400,
    activation="tanh",
    target={"expression": "sign(z1*z2*z3)"},
    ridge=0.01,
    step_size=0.0,
)


@pytest.mark.parametrize("step", [0.0, 14.0])
def test_losses_that_vanish_with_the_ridge_are_not_known_exactly(step):
    """Readout weights that fit all samples have at most the norm of ``(W W^T)^{-1}`` along the teacher.

    So training loss and objective are below the ridge times that, which is below what is predicted with a
    step: that is left of an extrapolation.
    """
    setting = rs.Setting(**LINEAR, ridge=1e-12, step_size=step)
    found = rs.predict_losses(setting)
    most = setting.ridge / (math.sqrt(setting.width / setting.d) - 1.0) ** 2
    for name in ("objective", "train"):
        value, error = getattr(found, name), getattr(found.error, name)
        assert value - error < most
        assert 0.0 < error < 1e-7 * setting.label_energy
    if step:
        assert found.train > 10.0 * most


def test_of_other_losses_nothing_is_extrapolated():
    """Least squares in the inputs: the floor is far below what noisy labels leave."""
    noisy, still = (rs.Setting(**LINEAR, ridge=1e-7, step_size=0.0, noise_std=noise) for noise in (0.5, 0.0))
    losses = rs.predict_losses(noisy)
    assert losses.train == pytest.approx(0.25 * (1.0 - 50 / 300), rel=1e-5)
    assert losses.error.train > 1e4 * rs.predict_losses(still).error.train
    fitted = rs.predict_losses(
        rs.Setting(**{**LINEAR, "activation": "relu", "width": 500}, ridge=0.0, step_size=0.0)
    )
    assert fitted.train == fitted.error.train == 0.0


def test_a_classification_error_of_one_half_is_not_known_exactly():
    """Part of degree three is learnt in 20 dimensions, and is noise to the theory, which misses half.

    Networks miss fewer, by more than 10 standard errors, and by less than the error bar.
    """
    predicted = rs.predict_losses(CUBIC).sign_error
    observed = rs.simulate(CUBIC, trials=12, seed=1).to_dict()["losses"]["sign_error"]["test"]
    assert predicted.test == pytest.approx(0.5, abs=1e-12)
    missing = predicted.test - observed["mean"]
    assert 8.0 * observed["se"] < missing < predicted.error.test
    assert missing > 0.0 == of_sign_error(0.0, 0.1)


def test_the_error_bar_of_a_classification_error_is_continuous():
    """In the mean of the score; it grows up to where the loss of a typical sample is as much off as ``x``."""
    shares = [0.5 - 1e-9, 0.4, 0.32, 0.30, 0.2]
    bars = [of_sign_error(share, 0.01) for share in shares]
    assert bars[0] == pytest.approx(0.01 / math.sqrt(2.0 * math.pi), rel=1e-6)
    assert all(0.5 < one / other < 2.0 for one, other in pairwise(bars))


def test_one_sample_more_moves_losses_as_it_does_those_of_a_regression():
    """Least squares: ``noise^2 (1 - d/n)`` and ``noise^2 / (1 - d/n)``."""
    setting = rs.Setting(
        n=900, d=60, n_ridge=90, width=2000, activation="identity", target="identity", noise_std=0.5,
        ridge=1e-9, step_size=0.0,
    )  # fmt: skip
    found = sensitivity(setting)

    def train(n):
        return 1.0 - setting.d / n

    moved = abs(math.log(train(90 * math.exp(1 / 90)) / train(90 * math.exp(-1 / 90)))) / 2.0
    assert found["train"] == pytest.approx(moved, rel=1e-3)
    assert found["test"] == pytest.approx(moved, rel=1e-3)
    assert untrained_losses(setting)["train"] == pytest.approx(0.25 * train(90), rel=1e-4)


@pytest.mark.parametrize("width", [130, 200, 1000])
def test_features_of_noise_answer_like_wishart_matrices(width):
    """Their objective over the ridge is ``n / (N - n)`` times the labels' energy, as the ridge vanishes."""
    setting = rs.Setting(
        n=100, d=3000, width=width, activation="abs", target="tanh", ridge=1e-9, step_size=0.0
    )
    gap = width - setting.n_ridge
    found = sensitivity(setting)["objective"]
    # Of differences over two steps: the next term is a third of the square of one over the gap.
    assert found == pytest.approx(1.0 / setting.n_ridge + 2.0 / gap, rel=2.0 / gap**2 + 1e-2)


def test_losses_answer_most_next_to_interpolation():
    """The training loss most of all, as simulated: docs/accuracy.md."""
    near = rs.Setting(n=850, d=1400, width=910, activation="sigmoid", target="abs", ridge=1e-6, step_size=0.0)
    close, far = sensitivity(near), sensitivity(near.replace(width=1820))
    assert close["train"] > 2.0 * close["test"]
    assert all(close[name] > 5.0 * far[name] for name in close)
