"""Matrices from elsewhere, measured like a simulation."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.simulation.linalg.edge import fitted_edge
from rmt_spikes.simulation.network.layer import FirstLayer
from rmt_spikes.simulation.network.model import Model
from rmt_spikes.simulation.network.sampling import Draws

SETTING = rs.Setting(
    n=300, d=150, width=200, n_ridge=260, activation="relu", target={"hermite": [0.0, 1.0, 0.7]},
    noise_std=0.3, ridge=0.05, step_exponent=0.45,
)  # fmt: skip
SEED = 3


class Tensor:
    """Stands for a tensor of another library: nothing but ``__array__``."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self._values, dtype=dtype)


def together(batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of a batch."""
    inputs, labels = zip(*((block.inputs.copy(), block.labels.copy()) for block in batch), strict=True)
    return np.concatenate(inputs), np.concatenate(labels)


def arrays_of(setting: rs.Setting, index: int = 0) -> dict[str, np.ndarray]:
    """Matrices of a trial of `simulate`, the step by its own formula in plain numpy."""
    model = Model.of(setting)
    draws = Draws(model, SEED, index)
    alpha, before = draws.network()
    first_inputs, first_labels = together(draws.first_batch(1000))
    inputs, labels = together(draws.second_batch(1000))
    a, f = alpha / math.sqrt(setting.width), model.activation
    activity = first_inputs @ before.T
    residuals = first_labels - model.output_factor * f(activity) @ a
    slopes = residuals[:, None] * f.derivative(activity) * a
    after = before + model.step * slopes.T @ first_inputs / setting.n
    return {
        "features": f(inputs @ after.T), "labels": labels, "inputs": inputs, "first_inputs": first_inputs,
        "residuals": residuals, "weights_before": before, "weights_after": after, "readout": alpha,
        "teacher": np.eye(setting.d)[0], "untrained": f(inputs @ before.T),
    }  # fmt: skip


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return arrays_of(SETTING)


@pytest.fixture(scope="module")
def simulated() -> rs.Observation:
    return rs.simulate(SETTING, trials=2, seed=SEED, keep_vectors=True, weights=True)


def agree(measured: rs.Trial, simulated: rs.Trial, tolerance: float) -> None:
    """All that both have: test losses are computed one way here and another there."""
    skipped = {"latent", "test", "test_error", "test_samples", "residual", "method"}
    skipped |= {"index", "directions", "untrained"}
    for name in {field.name for field in fields(simulated)} - skipped:
        ours, theirs = getattr(measured, name), getattr(simulated, name)
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=name)
    for field in fields(simulated.latent):
        ours, theirs = (getattr(each.latent, field.name) for each in (measured, simulated))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=field.name)


@pytest.mark.parametrize("kind", [np.asarray, Tensor])
def test_arrays_of_a_simulation_give_its_numbers(arrays, simulated, kind):
    """The step is taken in another order of sums: singular vectors next to a gap of 1e-2 turn by 1e-13."""
    given = {name: kind(array) for name, array in arrays.items()}
    measured = rs.observe(**given, setting=SETTING)
    agree(measured.trials[0], simulated.trials[0], 1e-12)
    assert measured.trials[0].origin == simulated.trials[0].origin


SEVERAL = rs.Setting(
    n=500, d=120, width=200, activation="relu", target={"expression": "sign(z1 + 0.5*z2 + 0.6*z1*z2)"},
    covariance={"eigenvalues": [0.2, 1.0, 3.0], "proportions": [0.5, 0.3, 0.2], "teacher": [0.1, 0.2, 0.7]},
    ridge=0.05, step_size=9.0,
)  # fmt: skip


def test_correlated_inputs_and_several_directions():
    """Variances of components are measured, to 1.41/sqrt(500) = .06; all else is as simulated.

    The plain cosine of the learnt direction is not its correlation with the teacher's variable.
    """
    inputs = Model.of(SEVERAL).inputs
    teacher = np.array([inputs.direction(row, SEVERAL.d) for row in np.eye(2)])
    given = arrays_of(SEVERAL) | {"teacher": teacher}
    (seen,) = rs.observe(**given, setting=SEVERAL).trials
    (trial,) = rs.simulate(SEVERAL, trials=1, seed=SEED, weights=True, keep_vectors=True).trials
    for name in ("singular_values", "beta_norm2", "objective", "weights_alignment"):
        np.testing.assert_allclose(getattr(seen, name), getattr(trial, name), rtol=1e-9, err_msg=name)
    assert seen.sign_error[0] == trial.sign_error[0]
    assert np.isnan(seen.sign_error[1])
    q = trial.latent.q / np.sqrt(np.mean(trial.latent.q**2))
    np.testing.assert_allclose(seen.latent.q, q, rtol=1e-9)
    curved = q**2 - 1.0
    expected = (curved @ trial.left_vectors[:, 1]) ** 2 / (curved @ curved)
    assert seen.alignment[1, 2] == pytest.approx(expected, rel=1e-6)
    assert expected > 0.2
    assert seen.beta_cosine == pytest.approx(trial.beta_cosine, abs=0.05)
    beta = given["first_inputs"].T @ given["residuals"]
    toward = Model.of(SEVERAL).teacher.first @ teacher
    assert abs(toward @ beta / np.linalg.norm(beta) - trial.beta_cosine) > 0.07
    for ours, theirs in zip(seen.latent.teacher, trial.latent.teacher, strict=True):
        assert np.ptp(ours / theirs) < 1e-9
    assert rs.predict(SEVERAL, given=seen.latent.first_stage()).latent.beta_cosine == seen.beta_cosine
    # The direction of the gradient alone is known from one vector, and no trial can be given.
    (alone,) = rs.observe(**given | {"teacher": toward}, setting=SEVERAL).trials
    assert alone.beta_cosine == pytest.approx(seen.beta_cosine, rel=1e-12)
    assert alone.latent.teacher is None
    with refused("teacher", "orthogonal"):
        rs.observe(**given | {"teacher": teacher[[0, 0]]}, setting=SEVERAL)
    with refused("teacher", "(2, 120)"):
        rs.observe(**given | {"teacher": np.eye(3, 120)}, setting=SEVERAL)


def test_weights_that_did_not_move_say_nothing_of_a_direction(arrays):
    kept = {name: arrays[name] for name in ("features", "inputs", "weights_before")}
    (trial,) = rs.observe(**kept, weights_after=arrays["weights_before"]).trials
    assert np.isnan(trial.latent.q).all()
    assert trial.weights is not None


def test_another_network_does_not(simulated):
    """Negative control."""
    other = rs.observe(**arrays_of(SETTING, 1), setting=SETTING)
    agree(other.trials[0], simulated.trials[1], 1e-12)
    with pytest.raises(AssertionError):
        agree(other.trials[0], simulated.trials[0], 1e-3)


def test_held_out_losses(arrays, simulated):
    """Fresh samples of the same network, within five standard errors of the computed expectation."""
    x = np.random.default_rng(8).standard_normal((40_000, SETTING.d))
    model = Model.of(SETTING)
    layer = FirstLayer(model.activation, arrays["weights_after"])
    y = model.teacher(x[:, :1].T) + 0.3 * np.random.default_rng(9).standard_normal(len(x))
    shown = rs.observe(
        features=arrays["features"], labels=arrays["labels"], test_features=layer.features(x), test_labels=y,
        ridge=SETTING.ridge,
    ).trials[0]  # fmt: skip
    assert shown.test_samples == 40_000
    assert abs(shown.test - simulated.trials[0].test) < 5 * shown.test_error
    assert shown.objective == pytest.approx(simulated.trials[0].objective, rel=1e-12)


def test_directions_from_what_is_there(arrays, simulated):
    """The components themselves are scaled by their own size, which is 1 up to ``1/sqrt(2 n_ridge)``."""
    trial, features = simulated.trials[0], arrays["features"]
    q = trial.latent.q
    noise = np.random.default_rng(1).standard_normal(q.size)
    bare = rs.observe(features=features, direction=np.stack([7.0 * q, noise], axis=1)).trials[0]
    np.testing.assert_allclose(bare.directions[:, 0], q / np.sqrt(np.mean(q**2)), rtol=1e-12)
    np.testing.assert_allclose(bare.alignment[:, 1], trial.alignment[:, 1], atol=1e-12)
    assert math.isnan(bare.beta_norm2)
    assert math.isnan(bare.objective)
    update = rs.observe(
        features=features, labels=arrays["labels"], inputs=arrays["inputs"],
        weights_before=arrays["weights_before"], weights_after=arrays["weights_after"],
    ).trials[0]  # fmt: skip
    # The update is of rank one up to 1/sqrt(n) at each neuron, and their mean is closer.
    assert np.corrcoef(update.latent.q, q)[0, 1] > 0.95
    nothing = rs.observe(features=features).trials[0]
    assert np.isnan(nothing.alignment[:, 1:]).all()
    assert nothing.origin is None
    np.testing.assert_allclose(nothing.singular_values, trial.singular_values, rtol=1e-12)


def test_what_lies_beyond_the_edge():
    """A planted spike of degree two of the second direction, in noise."""
    n, width = 500, 300
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((n, width))
    q, z = rng.standard_normal((2, n))
    right = rng.standard_normal(width) / math.sqrt(width)
    planted = noise + 4.0 * np.outer((z**2 - 1.0) / math.sqrt(2.0), right)
    measured = rs.observe(features=planted, untrained=noise, direction=np.stack([q, z], axis=1))
    first, *rest = measured.beyond()
    assert (first.direction, first.degree, first.origin) == (1, 2, "learnt")
    assert first.alignment > 0.8
    assert first.distance > 20.0
    assert all(each.distance < 5.0 for each in rest)
    profile = measured.trials[0].profile(0, direction=1, bins=10)
    expected = profile.q**2 - 1.0
    sign = np.sign(expected @ profile.mean)
    # Cells of q^2 - 1 are curved by the variance of q in them, .5 in the outer ones of ten.
    assert np.all(np.abs(sign * profile.mean - expected / math.sqrt(2.0)) < 4 * profile.se + 0.4)
    assert measured.to_dict()["beyond"][0]["degree"] == 2
    assert not [each for each in rs.observe(features=noise, untrained=noise).beyond() if each.distance > 5.0]


@pytest.mark.parametrize(("n", "width"), [(900, 600), (300, 200), (400, 700)])
def test_fitted_edge(n, width):
    """Against Marchenko and Pastur, spikes or not; the largest value itself scatters by 1.3 units."""
    rng = np.random.default_rng(2)
    scale = (math.sqrt(n) + math.sqrt(width)) * (n**-0.5 + width**-0.5) ** (1 / 3) / n
    edge = 1.0 + math.sqrt(width / n)
    errors, scales = [], []
    for i in range(20):
        values = np.linalg.svd(rng.standard_normal((n, width)) / math.sqrt(n), compute_uv=False)
        fitted = fitted_edge(np.concatenate([[9.0, 5.0, 4.9, 4.88], values]) if i % 2 else values)
        errors.append((fitted.edge - edge) / (scale / (2 * edge)))
        scales.append(fitted.scale / (scale / (2 * edge)))
    assert abs(np.mean(errors)) < 1.0
    assert np.max(np.abs(errors)) < 4.5
    assert np.mean(scales) == pytest.approx(1.0, abs=0.1)


def test_comparison_with_a_prediction():
    """Networks measured from their arrays are compared like a simulation of them; a wrong theory is seen."""

    def joined(**known: Any) -> rs.Measurement:
        networks = [rs.observe(**arrays_of(SETTING, i), **known) for i in range(4)]
        return networks[0].joined(*networks[1:])

    measured, prediction = joined(ridge=SETTING.ridge), rs.predict(SETTING)
    assert rs.compare(prediction, measured).verdict != "disagrees"
    seen = rs.compare(prediction, joined(setting=SETTING))
    plain = rs.compare(prediction, rs.simulate(SETTING, trials=4, seed=SEED))
    rows = {row.quantity: row for row in seen.rows}
    for row in plain.rows:
        if row.quantity != "losses.test":
            assert rows[row.quantity].observed == pytest.approx(row.observed, rel=1e-9)
    assert "losses.test" not in rows
    assert seen.verdict != "disagrees"
    assert rs.compare(rs.predict(SETTING.replace(step_exponent=0.2)), measured).verdict == "disagrees"
    with refused("observation", "setting"):
        rs.compare({"losses.train": 0.3}, measured)
    with refused("observation", "n_ridge"):
        rs.compare(rs.predict(SETTING.replace(width=150)), measured)


def test_measurements_are_kept(arrays, tmp_path):
    for setting in (None, SETTING):
        measured = rs.observe(**arrays, setting=setting)
        measured.save(tmp_path / "m.npz")
        assert rs.Measurement.load(tmp_path / "m.npz") == measured
    assert "trials=" in repr(measured)
    assert "<svg" in measured._repr_html_()


@pytest.mark.parametrize(
    ("field", "change", "mentions"),
    [
        ("features", {"features": "text"}, ["real numbers"]),
        ("features", {"features": np.zeros(5)}, ["(5,)"]),
        ("features", {"features": np.ones((4, 4)) * 1j}, ["complex128"]),
        ("features", {"features": np.array([[1.0, np.nan]])}, ["nan at [0, 1]"]),
        ("features", {"features": np.array([[1.0, 1e80]])}, ["of size 1e+70 at most", "1e+80 at [0, 1]"]),
        ("features", {"features": object()}, ["object"]),
        ("labels", {"labels": np.ma.masked_less(np.arange(260.0), 1.0)}, ["masked"]),
        ("labels", {"labels": np.ones(3)}, ["(260,)", "(3,)"]),
        ("direction", {"direction": np.zeros(260)}, ["zero"]),
        ("inputs", {"inputs": np.ones((259, 150))}, ["(260, d)", "(259, 150)"]),
        ("beta", {"beta": np.ones(150)}, ["inputs"]),
        ("residuals", {"first_inputs": np.ones((9, 150))}, ["together"]),
        ("weights_after", {"weights_before": np.ones((200, 150))}, ["together"]),
        ("test_labels", {"test_features": np.ones((9, 200))}, ["together"]),
        ("readout", {"readout": np.ones(3)}, ["(200,)"]),
        ("untrained", {"untrained": np.ones((3, 3))}, ["(260, 200)"]),
        ("ridge", {"ridge": -1.0}, ["-1.0"]),
        ("top", {"top": 201}, ["200"]),
        ("setting", {"setting": "relu"}, ["Setting"]),
        ("features", {"setting": SETTING.replace(width=150)}, ["150", "200"]),
    ],
)
def test_what_is_refused(arrays, field, change, mentions):
    given = {"features": arrays["features"], **change}
    with refused(field, *mentions):
        rs.observe(**given)


def test_large_features(arrays):
    """Up to the largest that are taken singular values are in proportion, and what is fitted the same."""
    features = arrays["features"] / np.abs(arrays["features"]).max()
    ones, large = (
        rs.observe(features=size * features, labels=arrays["labels"], ridge=0.0).trials[0]
        for size in (1.0, 1e70)
    )
    np.testing.assert_allclose(large.singular_values / 1e70, ones.singular_values, rtol=1e-7)
    assert large.train == pytest.approx(ones.train, rel=1e-6)


def test_an_edge_needs_something(arrays):
    measured = rs.observe(features=arrays["features"])
    with refused("bulk", "untrained"):
        measured.beyond()
    assert measured.beyond(rs.predict(SETTING).bulk)[0].distance > 3.0
    with refused("direction"):
        measured.trials[0].profile(0)


def test_a_tensor_with_a_graph_is_refused(arrays):
    class Attached:
        def detach(self) -> None: ...

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    with refused("features", "detach"):
        rs.observe(features=Attached())


def test_a_network_trained_by_pytorch(simulated):
    """One step of autograd in double precision; run with the extra `torch` installed."""
    torch = pytest.importorskip("torch")
    given = arrays_of(SETTING)
    x, xs = (torch.tensor(given[name]) for name in ("first_inputs", "inputs"))
    alpha = torch.tensor(given["readout"])
    shift = 1.0 / math.sqrt(2.0 * math.pi)
    layer = torch.nn.Linear(SETTING.d, SETTING.width, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(given["weights_before"]))

    def network(z: Any) -> Any:
        return (torch.relu(layer(z)) - shift) @ alpha / SETTING.width

    y = torch.tensor(given["residuals"]) + network(x).detach()
    optimizer = torch.optim.SGD(layer.parameters(), lr=SETTING.step * math.sqrt(SETTING.width))
    before = layer.weight.detach().clone()
    residuals = y - network(x)
    (0.5 * (residuals**2).mean()).backward()
    optimizer.step()
    with pytest.raises(rs.DomainError, match="detach"):
        rs.observe(features=torch.relu(layer(xs)))
    measured = rs.observe(
        features=torch.relu(layer(xs)).detach(), center=shift, labels=torch.tensor(given["labels"]),
        inputs=xs, first_inputs=x, residuals=residuals.detach(), weights_before=before,
        weights_after=layer.weight.detach(), readout=alpha, teacher=torch.eye(SETTING.d)[0], setting=SETTING,
    )  # fmt: skip
    agree(measured.trials[0], simulated.trials[0], 1e-5)
