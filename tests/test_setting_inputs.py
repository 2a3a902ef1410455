"""Keys about the inputs and the teacher: covariance, several directions, norm of the rows."""

import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from refusals import refused

from rmt_spikes.functions.teacher import Teacher, target_from
from rmt_spikes.setting import Covariance, Setting

BASE: dict[str, Any] = {
    "n": 300,
    "d": 150,
    "width": 200,
    "activation": "tanh",
    "ridge": 0.1,
    "step_size": 3.0,
}
LEVELS = {"eigenvalues": [0.2, 1.0, 3.0], "proportions": [0.5, 0.3, 0.2], "teacher": [0.1, 0.2, 0.7]}


def make(**changes: Any) -> Setting:
    return Setting(**{**BASE, "target": "tanh", **changes})


def formula(text: str, **changes: Any) -> Setting:
    return make(target={"expression": text}, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"covariance": LEVELS},
        {"covariance": {"power": 0.5, "teacher_power": 1.0}},
        {"covariance": {"spikes": [{"strength": 5.0, "overlap": 0.5}, {"strength": 1.0, "overlap": 0.0}]}},
        {"row_norm": 0.5},
        {"target": {"expression": "z1 + z1*z2"}},
    ],
)
def test_documents_hold_what_was_given(changes: dict[str, Any]) -> None:
    setting = make(**changes)
    document = json.loads(json.dumps(setting.to_dict()))
    assert {key: document[key] for key in changes} == changes
    again = Setting.from_dict(document)
    assert again == setting
    assert hash(again) == hash(setting)
    assert pickle.loads(pickle.dumps(setting)) == setting
    assert setting != make()


def test_documents_without_the_keys_are_as_they_were() -> None:
    assert not {"row_norm", "covariance"} & make(covariance=None, row_norm=1).to_dict().keys()


@pytest.mark.parametrize(
    ("covariance", "mention"),
    [
        ({**LEVELS, "proportions": [0.5, 0.3, 0.3]}, "add up to 1"),
        ({**LEVELS, "proportions": [0.8, 0.3, -0.1]}, "add up to 1"),
        ({**LEVELS, "proportions": [0.7, 0.3, 0.0]}, "above 0"),
        ({**LEVELS, "teacher": [0.5, 0.5]}, "one entry an eigenvalue, 3"),
        ({**LEVELS, "teacher": [0.5, 0.6, 0.1]}, "teacher must be >= 0 and add up to 1"),
        ({**LEVELS, "eigenvalues": [-0.2, 1.0, 4.0]}, "eigenvalues must be >= 0"),
        ({**LEVELS, "eigenvalues": [0.0, 0.0, 0.0]}, "one of them above 0"),
        ({**LEVELS, "eigenvalues": [0.4, 2.0, 6.0]}, "divide the eigenvalues by 2"),
        ({**LEVELS, "eigenvalues": ["a", 1.0, 3.0]}, "eigenvalues must be a list of numbers"),
        ({"eigenvalues": [0.5, 1.5]}, "must have proportions"),
        ({"eigenvalues": [0.0, 2.0], "proportions": [0.5, 0.5], "teacher": [1.0, 0.0]}, "must not lie where"),
        ({**LEVELS, "power": 1.0}, "keys of one form"),
        ({"proportions": [1.0]}, "keys of one form"),
        ({**LEVELS, "teachers": [1.0]}, "keys among eigenvalues proportions teacher"),
        ({"power": -1.0}, "power must be a number from 0 to 10"),
        ({"spikes": []}, "list of {strength, overlap}"),
        ({"spikes": [{"overlap": 1.0}]}, "spikes[0] must have strength and overlap"),
        ({"spikes": [{"strength": -2.0}]}, "spikes[0].strength"),
        ({"spikes": [{"strength": 2.0, "overlap": 0.8}] * 2}, "add up to at most 1"),
        ({"spikes": [{"strength": -1.0, "overlap": 1.0}]}, "leave the teacher an eigenvalue above 0"),
        ({"eigenvalues": [1.0] * 151, "proportions": [1 / 151] * 151}, "at most d = 150"),
        ("identity", "must be {eigenvalues"),
    ],
)
def test_a_covariance_is_refused(covariance: Any, mention: str) -> None:
    with refused("covariance", mention):
        make(covariance=covariance)


def test_eigenspaces_have_whole_dimensions_and_mean_eigenvalue_1() -> None:
    inputs = make(covariance=LEVELS).inputs
    assert inputs is not None
    assert inputs.multiplicities.tolist() == [75, 45, 30]
    np.testing.assert_allclose(inputs.eigenvalues, LEVELS["eigenvalues"], rtol=1e-15)
    assert inputs.signal == pytest.approx(0.1 * 0.2 + 0.2 * 1.0 + 0.7 * 3.0, rel=1e-14)
    # Seven dimensions: 3.5, 2.1 and 1.4; what is left goes where most was lost.
    few = Covariance(**LEVELS).in_dimension(7)
    assert few.multiplicities.tolist() == [4, 2, 1]
    assert few.multiplicities @ few.eigenvalues == pytest.approx(7, rel=1e-14)
    # A share of less than a dimension has one.
    rare = Covariance(eigenvalues=[0.9, 100.9], proportions=[0.999, 0.001]).in_dimension(50)
    assert rare.multiplicities.tolist() == [49, 1]


def test_power_laws_and_spikes() -> None:
    power = Covariance(power=1.0, teacher_power=2.0).in_dimension(4)
    # 1, 1/2, 1/3, 1/4 have the sum 25/12; 1, 1/4, 1/9, 1/16 have 205/144.
    np.testing.assert_allclose(power.eigenvalues, np.array([12, 6, 4, 3]) * 4 / 25, rtol=1e-14)
    np.testing.assert_allclose(power.teacher, np.array([144, 36, 16, 9]) / 205, rtol=1e-14)
    spikes = Covariance(spikes=[{"strength": 9.0, "overlap": 0.6}]).in_dimension(11)
    # (10 + 10)/11 is the mean before scaling.
    np.testing.assert_allclose(spikes.eigenvalues, [0.55, 5.5], rtol=1e-14)
    np.testing.assert_allclose(spikes.teacher, [0.64, 0.36], rtol=1e-14)
    assert spikes.multiplicities.tolist() == [10, 1]


def test_equal_eigenvalues_are_isotropic() -> None:
    assert make(covariance={"eigenvalues": [1, 1], "proportions": [0.5, 0.5]}).inputs is None
    assert make(covariance={"power": 0}).inputs is None


@pytest.mark.parametrize(
    ("text", "field", "mention"),
    [
        ("z1 + z3", "target", "z2 is missing"),
        ("z2", "target", "z1 is missing"),
        ("z + z1", "target", "not in both"),
        ("z1 + z6", "target", "at most five directions"),
        ("z1 + z2 + z3 + z4 + z5 + z6", "target", "at most five directions"),
        ("z1*z2", "target", "learns nothing"),
        ("z1**2 + z2**2", "target", "learns nothing"),
        ("1/(z1 - z2)", "target", "pole"),
        ("log(z1 + z2)", "target", "real and finite"),
        ("sqrt(z1*z2)", "target", "real"),
        ("exp(z1*z2)", "target", "finite"),
        ("z1 + zz*z2", "target", "in the variable z1 z2"),
    ],
)
def test_a_target_of_several_directions_is_refused(text: str, field: str, mention: str) -> None:
    with refused(field, mention):
        formula(text)


def test_directions_need_room() -> None:
    with refused("target", "as many directions as d, got 3 in 2"):
        formula("z1 + z2*z3", d=2)
    with refused("target", "eigenspace that the teacher lies in, got 2 in 1"):
        formula("z1 + z1*z2", covariance={"spikes": [{"strength": 2.0, "overlap": 0.5}]})
    with refused("activation", "are for targets"):
        make(activation={"expression": "z1"})


def test_without_a_step_nothing_has_to_be_learnt() -> None:
    assert formula("z1*z2", step_size=0.0).label_energy == pytest.approx(1.0, rel=1e-12)


MOMENTS = {
    # Wick's formula.
    "z1 + 0.8*z1*z2": (0.0, [1.0, 0.0], 1.64),
    "z1**2*z2 + z3 + 2": (2.0, [0.0, 1.0, 1.0], 3.0 + 1.0 + 4.0),
    # E |N(0, 2)|, and the half-space of z1 + z2.
    "abs(z1 + z2) + z1": (2 / math.sqrt(math.pi), [1.0, 0.0], 3.0),
    "sign(z1 + z2)": (0.0, [1 / math.sqrt(math.pi)] * 2, 1.0),
    "sign(z1)*abs(z2)": (0.0, [2 / math.pi, 0.0], 1.0),
    # The largest of three: mean 3/(2 sqrt pi), and by symmetry a third of the sum.
    "max(z1, z2, z3)": (1.5 / math.sqrt(math.pi), [1 / 3] * 3, 1 + math.sqrt(3) / (2 * math.pi)),
    # Products of independent factors; a disc.
    "exp(z1/2)*cos(z2)": (
        math.exp(1 / 8 - 1 / 2),
        [math.exp(-3 / 8) / 2, 0.0],
        math.exp(0.5) * (1 + math.exp(-2)) / 2,
    ),
    "sign(z1 + z1*z2)": (0.0, [math.sqrt(2 / math.pi) * math.erf(1 / math.sqrt(2)), 0.0], 1.0),
}


@pytest.mark.parametrize("text", MOMENTS)
def test_moments_have_their_closed_forms_within_the_stated_error(text: str) -> None:
    mean, linear, second = MOMENTS[text]
    found = Teacher(target_from({"expression": text})).moments
    assert found.error < 1e-8
    allowed = max(10 * found.error, 1e-12)
    assert found.mean == pytest.approx(mean, abs=allowed)
    np.testing.assert_allclose(found.linear, linear, atol=allowed)
    assert found.second == pytest.approx(second, abs=allowed)


def test_the_error_of_a_curved_kink_is_larger_and_stated() -> None:
    """The disc of radius 1 has the Gaussian measure ``1 - exp(-1/2)``."""
    found = Teacher(target_from({"expression": "sign(z1**2 + z2**2 - 1) + z1"})).moments
    error = abs(found.mean - (2 * math.exp(-0.5) - 1))
    assert 1e-12 < error < found.error < 1e-3
    with refused("target", "must be integrable to a relative 0.001"):
        formula("sign(z1**2 + z2**2 + z3**2 - 1) + z1")


def test_a_teacher_of_one_direction_is_its_function() -> None:
    named, numbered = make(target="tanh").teacher, formula("tanh(z1)").teacher
    u = np.linspace(-2, 2, 7)[None]
    np.testing.assert_array_equal(named(u), np.tanh(u[0]))
    np.testing.assert_array_equal(numbered(u), np.tanh(u[0]))
    assert numbered.moments.second == pytest.approx(named.moments.second, rel=1e-14)
    assert named.directions == numbered.directions == 1
    assert named.first.tolist() == [1.0]


def test_signs_are_recognised() -> None:
    for text in ("sign(z1 + z2)", "where(z1 > z2, 1, -1)", "sign(z)"):
        assert formula(text).sign_labels
    assert not formula("sign(z)", noise_std=0.1).sign_labels
    assert not formula("sign(z1) + sign(z2)").sign_labels
    assert not make().sign_labels


def test_the_first_direction_is_that_of_the_correlation() -> None:
    first = formula("3*z1 - 4*z2 + z1*z2").teacher.first
    np.testing.assert_allclose(first, [0.6, -0.8], rtol=1e-12)


@pytest.mark.parametrize("norm", [0.5, 2.0])
def test_rows_of_a_norm_scale_the_activation_and_the_step(norm: float) -> None:
    setting = make(row_norm=norm)
    z = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(setting.activation_function(z), np.tanh(norm * z), atol=1e-14)
    np.testing.assert_allclose(setting.neuron_function(z), np.tanh(z), atol=1e-14)
    assert setting.step == 3.0
    assert setting.theta == pytest.approx(3.0 / norm**2 / math.sqrt(200), rel=1e-14)
    relu = make(row_norm=norm, activation="relu")
    mean = norm / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(relu.activation_function(z), np.maximum(norm * z, 0) - mean, atol=1e-14)
    np.testing.assert_allclose(relu.neuron_function(z), np.maximum(z, 0) - mean, atol=1e-14)
    with refused("step_size", "10 sqrt(width) row_norm**2"):
        make(row_norm=0.1)
