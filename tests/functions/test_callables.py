"""Python functions as activations and targets."""

import pickle

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs

KEYS = {"n": 400, "d": 200, "width": 300, "ridge": 0.01, "step_exponent": 0.3}
PLAIN = {**KEYS, "target": {"hermite": [0, 1, 0.7]}}


def tanh(z):
    return np.tanh(z)


def slope(z):
    return 1.0 / np.cosh(z) ** 2


def ramp(z):
    return np.maximum(z, 0.0)


def quadratic(z):
    return z + 0.7 * (z**2 - 1.0)


def changing(z):
    z *= 2.0
    return z


def counting(z, calls=[0.0]):  # noqa: B006
    calls[0] += 1.0
    return z + calls[0]


def setting(activation, **changes):
    return rs.Setting(**{**PLAIN, "activation": activation, **changes})


@pytest.mark.parametrize("method", ["uniform", "closed_form"])
@pytest.mark.parametrize(
    ("given", "options", "name"),
    [
        (tanh, {}, "tanh"),
        (tanh, {"derivative": slope}, "tanh"),
        (rs.Function(ramp, kinks=(0,)), {}, "relu"),
        (rs.Function(ramp, derivative=lambda z: 1.0 * (z > 0), kinks=(0,)), {}, "relu"),
    ],
    ids=["differences", "derivative", "kink", "both"],
)
def test_a_function_predicts_what_its_name_predicts(given, options, name, method):
    own, named = (
        rs.predict(each, method=method)
        for each in (setting(given, **options), setting(name, target="identity"))
    )
    own = rs.predict(own.setting.replace(target=lambda z: z), method=method)
    # Differences are good to 1e-11, quadrature to 1e-13.
    for key, loss in [(k, getattr(named.losses, k)) for k in ("objective", "train", "test")]:
        assert getattr(own.losses, key) == pytest.approx(loss, rel=1e-9)
    if method == "closed_form":
        values = [spike.singular_value for spike in named.spikes]
        assert [spike.singular_value for spike in own.spikes] == pytest.approx(values, rel=1e-9)


def test_a_wrong_function_predicts_something_else():
    losses = [rs.predict_losses(setting(f), method="closed_form").test for f in (tanh, "tanh", np.sin)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    assert abs(losses[2] / losses[1] - 1) > 1e-3


def test_a_function_is_simulated_like_its_name():
    own, named = (
        rs.simulate(each, trials=1, seed=3, top=2).trials[0]
        for each in (setting(tanh, target=quadratic), setting("tanh"))
    )
    assert own.test == pytest.approx(named.test, rel=1e-9)
    assert own.singular_values == pytest.approx(named.singular_values, rel=1e-9)
    single = rs.simulate(setting(tanh), trials=1, seed=3, top=2, precision="single").trials[0]
    assert single.test == pytest.approx(named.test, rel=1e-3)


def test_differences_say_their_error_and_do_not_cross_a_kink():
    assert rs.Function(tanh, derivative=slope).derivative_error == 0.0
    z = np.linspace(-4, 4, 101)
    smooth = rs.Function(tanh)
    real = np.max(np.abs(smooth.slope_at(z) - slope(z)))
    assert real < 2 * smooth.derivative_error < 1e-9
    assert rs.Function(ramp).derivative_error > 1e-2
    kinked = rs.Function(ramp, kinks=[0.0])
    near = np.array([-1e-3, -1e-9, 0.0, 1e-9, 1e-3, 1.0])
    assert kinked.slope_at(near) == pytest.approx([0, 0, 1, 1, 1, 1], abs=1e-9)
    assert kinked.slope_at(np.float32(2.0)).dtype == np.float32
    assert kinked.at(near.reshape(2, 3)).shape == (2, 3)


def test_settings_with_functions_are_values_that_cannot_be_written(tmp_path):
    own = setting(tanh, target=rs.Function(quadratic))
    assert own == pickle.loads(pickle.dumps(own))
    assert hash(own) == hash(own.replace(ridge=0.01))
    assert own != setting(tanh)
    assert own.replace(ridge=0.1).activation == rs.Function(tanh)
    assert "activation=tanh" in repr(own)
    for write in (
        own.to_dict,
        rs.predict(own, method="closed_form").to_dict,
        lambda: rs.simulate(own, trials=1, top=1).save(tmp_path / "trials.npz"),
        rs.sweep(own, {"ridge": [0.1]}, method="closed_form").to_dict,
    ):
        with refused("activation", "cannot be written down"):
            write()
    table = rs.sweep(own, {"activation": [tanh, "tanh"]}, method="closed_form")
    assert table["losses.test"][0] == pytest.approx(table["losses.test"][1], rel=1e-9)


def test_functions_of_one_name_are_told_apart():
    steps, kind = np.linspace(0.0, 9.0, 24), {"method": "closed_form", "rtol": 1e-6}
    pair = [lambda z: np.tanh(z), lambda z: np.sin(z)]
    table = rs.sweep(setting("relu"), {"activation": pair, "step_size": steps}, **kind)
    for i, name in enumerate(("tanh", "sin")):
        named = rs.sweep(setting(name), {"step_size": steps}, **kind)
        assert table["losses.test"][i] == pytest.approx(named["losses.test"], rel=1e-5)
    with refused("activation", "cannot be written down"):
        table.to_dict()


def test_an_object_that_has_no_hash_is_a_function():
    cubic = np.polynomial.Polynomial([0.0, 1.0, 0.0, 0.1])
    losses = [
        rs.predict_losses(setting(each), method="closed_form").test
        for each in (cubic, {"expression": "z + 0.1*z**3"})
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    assert setting(cubic) == setting(np.polynomial.Polynomial([0.0, 1.0, 0.0, 0.1]))
    assert setting(cubic) != setting(np.polynomial.Polynomial([0.0, 1.0, 0.0, 0.2]))
    assert hash(setting(cubic)) == hash(setting(cubic))


def test_functions_go_to_other_processes():
    table = rs.sweep(setting(tanh), {"ridge": np.geomspace(0.01, 1, 30)}, jobs=2, method="closed_form")
    assert not table.failures
    assert len(rs.simulate(setting(tanh), trials=2, jobs=2, top=1).trials) == 2


@pytest.mark.parametrize(
    ("given", "mentions"),
    [
        (lambda z: z if z > 0 else 0.0, ("function of arrays", "ValueError", "numpy.vectorize")),
        (lambda z: np.sum(z), ("shape ()", "numpy.vectorize")),
        (lambda z: z[:3], ("shape (3,)",)),
        (lambda z: 1j * z, ("complex128",)),
        (lambda z: z / np.max(np.abs(z)), ("one entry at a time",)),
        (counting, ("one entry at a time",)),
        (changing, ("must not change its argument",)),
        (np.log, ("finite", "z = -3.1")),
        (lambda z: np.where(np.abs(z) > 20, np.nan, z), ("finite",)),
        (lambda z: np.exp(z**2), ("finite",)),
        (ramp, ("differences", "kinks=(0,)")),
        (np.cos, ("c_1",)),
        (rs.Function(tanh, derivative=np.cos), ("derivative of the function",)),
        (rs.Function(tanh, derivative=lambda z: 1.0), ("derivative", "shape ()")),
        (rs.Function(lambda z: z + 1.0 * (z > 0), kinks=(0,)), ("continuous",)),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_activation_is_refused(given, mentions):
    with refused("activation", *mentions):
        setting(given)


def test_other_refusals():
    with refused("derivative"):
        setting("tanh", derivative=slope)
    with refused("derivative"):
        setting(rs.Function(tanh), derivative=slope)
    with refused("digits", "double precision"):
        rs.predict(setting(tanh), method="closed_form", digits=20).losses  # noqa: B018
    with refused("target", "function of arrays"):
        setting("tanh", target=lambda z: z.sum())
    for arguments, field in (
        ({"value": 3}, "value"),
        ({"value": tanh, "derivative": 3}, "derivative"),
        ({"value": tanh, "kinks": "0"}, "kinks"),
        ({"value": tanh, "kinks": [np.nan]}, "kinks"),
        ({"value": tanh, "kinks": range(100)}, "kinks"),
    ):
        with refused(field):
            rs.Function(**arguments)
