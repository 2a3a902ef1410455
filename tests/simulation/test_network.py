"""The gradient step, its rank, the features and the random streams, against independent formulas."""

import numpy as np
import pytest
import small_settings
from refusals import refused

from rmt_spikes.simulation.network.layer import FirstLayer, rank_one_error
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import (
    Block,
    Streams,
    blocks,
    draw_batch,
    draw_readout,
    draw_weights,
    open_streams,
)
from rmt_spikes.simulation.trial import run_trial


def make(**changes):
    """A small setting, worked out."""
    return Model.of(small_settings.make(**({"n": 12, "width": 7, "n_ridge": 10} | changes)))


def whole(setting, size, inputs, noise):
    """All blocks of a batch put together."""
    parts = list(draw_batch(setting, size, inputs, noise))
    return np.concatenate([p.inputs for p in parts]), np.concatenate([p.labels for p in parts])


@pytest.mark.parametrize("scale", ["mean_field", "standard"])
def test_gradient_is_the_scaled_negative_gradient_of_half_the_mean_squared_error(scale):
    """G = -(1/factor) dL/dW with L = ||y - factor sigma(X W^T) a||^2 / (2 n)."""
    setting = make(output_scale=scale)
    rng = np.random.default_rng(1)
    inputs, labels = rng.standard_normal((12, 5)), rng.standard_normal(12)
    weights, readout = rng.standard_normal((7, 5)), rng.standard_normal(7) / 7**0.5
    factor = setting.output_factor
    assert factor == pytest.approx(7**-0.5 if scale == "mean_field" else 1.0)

    def loss(first_layer):
        residual = labels - factor * np.tanh(inputs @ first_layer.T) @ readout
        return residual @ residual / (2 * 12)

    step = 1e-5
    differences = np.empty((7, 5))
    for entry in np.ndindex(7, 5):
        change = np.zeros((7, 5))
        change[entry] = step
        differences[entry] = (loss(weights + change) - loss(weights - change)) / (2 * step)
    batch = [Block(slice(0, 12), inputs, labels)]
    result = FirstLayer(setting.activation, weights).first_step(readout, factor, batch)
    # Central differences at 1e-5 are right to about 1e-10 (step^2 and rounding / step).
    np.testing.assert_allclose(result.gradient, -differences / factor, atol=1e-9)
    # A gradient off by the output factor must not pass (it is 2.6 in the mean-field scale).
    if scale == "mean_field":
        assert not np.allclose(result.gradient, -differences, rtol=0.1)


def test_gradient_does_not_depend_on_the_blocks():
    setting = make(n=9)
    streams = open_streams(3, 0)
    inputs, labels = whole(setting, 9, streams.first_inputs, streams.first_noise)
    weights, readout = draw_weights(setting, streams.weights), draw_readout(setting, streams.readout)
    layer = FirstLayer(setting.activation, weights)
    one = layer.first_step(readout, 0.4, [Block(slice(0, 9), inputs, labels)])
    parts = [Block(slice(a, b), inputs[a:b], labels[a:b]) for a, b in ((0, 4), (4, 5), (5, 9))]
    three = layer.first_step(readout, 0.4, parts)
    # The sums are taken in another order: a few rounding units.
    np.testing.assert_allclose(one.gradient, three.gradient, atol=1e-15)
    np.testing.assert_allclose(one.beta, three.beta, atol=1e-14)
    assert one.residual_energy == pytest.approx(three.residual_energy, rel=1e-14)


def test_blocks_cover_a_batch_exactly_once():
    for total in (1, 2047, 2048, 2049, 10_001):
        parts = list(blocks(total))
        assert np.array_equal(np.concatenate([np.arange(p.start, p.stop) for p in parts]), np.arange(total))
        assert max(p.stop - p.start for p in parts) <= 2048


def test_drawing_in_blocks_is_drawing_at_once(monkeypatch):
    setting = make()
    first, second = open_streams(5, 2), open_streams(5, 2)
    at_once = whole(setting, 10, first.second_inputs, first.second_noise)
    monkeypatch.setattr("rmt_spikes.simulation.network.sampling.BLOCK_ROWS", 3)
    in_blocks = whole(setting, 10, second.second_inputs, second.second_noise)
    assert all(map(np.array_equal, at_once, in_blocks))


def test_streams_are_independent_and_reproducible():
    draws = [stream.random() for i in (0, 1) for stream in open_streams(7, i)]
    assert len(set(draws)) == 2 * len(Streams._fields)
    assert draws == [stream.random() for i in (0, 1) for stream in open_streams(7, i)]
    child = np.random.SeedSequence(entropy=7, spawn_key=(1,)).spawn(1)[0]
    assert draws[len(Streams._fields)] == np.random.Generator(np.random.PCG64(child)).random()


def test_initial_rows_are_uniform_on_the_sphere():
    weights = draw_weights(make(width=20_000, d=4), np.random.default_rng(0))
    np.testing.assert_allclose((weights**2).sum(axis=1), 1.0, atol=1e-14)
    # Second moments are 1/4 with a standard error of sqrt(1/4 / 8 / 20000) = 1.3e-3: five of them.
    np.testing.assert_allclose(weights.T @ weights / 20_000, np.eye(4) / 4, atol=6.5e-3)


def test_overflowing_features_are_refused_with_the_field():
    setting = make(activation={"hermite": [0.0, 1.0, 0.0, 1.0]})
    with refused("step_size"):
        FirstLayer(setting.activation, np.full((2, 1), 1e25)).features(np.ones((3, 1)))


@pytest.mark.parametrize("shape", [(40, 25), (25, 40), (2, 9), (1, 1)])
def test_rank_one_error_is_an_operator_norm(shape):
    rng = np.random.default_rng(1)
    gradient, readout, beta = map(rng.standard_normal, (shape, shape[0], shape[1]))
    rank_one = 0.7 * np.outer(readout, beta)
    expected = np.linalg.svd(gradient - rank_one)[1][0] / np.linalg.svd(rank_one)[1][0]
    kept = gradient.copy()
    # ARPACK stops at 1e-4.
    assert rank_one_error(gradient, 0.7, readout, beta) == pytest.approx(expected, rel=2e-4)
    assert np.array_equal(gradient, kept)


def test_a_rank_one_gradient_has_no_error():
    rng = np.random.default_rng(2)
    readout, beta = rng.standard_normal(30), rng.standard_normal(20)
    assert rank_one_error(0.5 * np.outer(readout, beta), 0.5, readout, beta) < 1e-12
    # Negative control: another coefficient leaves |0.5 - 0.4| / 0.4.
    assert rank_one_error(0.5 * np.outer(readout, beta), 0.4, readout, beta) == pytest.approx(0.25, rel=1e-3)


def test_a_trial_has_its_rank_one_error_when_asked():
    """The gradient of a linear activation is exactly of rank one."""
    setting = small_settings.make(n=60, d=20, width=30, activation="identity", target="tanh")
    options = {"top": 2, "test_samples": 1000, "keep_vectors": False}
    plain = run_trial(setting, 1, 0, **options)
    measured = run_trial(setting, 1, 0, **options, gradient_error=True)
    assert plain.rank_one_error is None
    assert measured.rank_one_error < 1e-10
    assert measured.objective == plain.objective
    curved = run_trial(setting.replace(activation="relu"), 1, 0, **options, gradient_error=True)
    assert curved.rank_one_error > 0.1
