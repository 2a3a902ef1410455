"""Each wrong theory makes the mistake it is named for, and no other."""

import math

import pytest

from rmt_spikes.errors import DomainError
from rmt_spikes.functions.hermite import expand
from rmt_spikes.setting import Setting
from rmt_spikes.theory import limit_losses, predict
from rmt_spikes.validation.verdicts.controls import WRONG_THEORIES, predict_wrongly

SETTING = Setting(
    n=900, d=450, width=600, n_ridge=700, activation="relu", target={"hermite": [0.1, 1.0, 0.5]},
    noise_std=0.5, ridge=0.05, step_exponent=0.4,
)  # fmt: skip


def test_missing_factorial() -> None:
    """``E[sigma He_2]`` of ReLU is ``1/sqrt(2 pi)``: twice its coefficient; the others are kept."""
    wrong = WRONG_THEORIES["missing_factorial"].setting(SETTING)
    coefficients = wrong.activation_expansion.coefficients
    right = expand(SETTING.activation_function).coefficients
    assert coefficients[2] == pytest.approx(1.0 / math.sqrt(2.0 * math.pi), rel=1e-9)
    assert coefficients[:2] == pytest.approx(right[:2], abs=1e-9)
    assert coefficients[4:7] == pytest.approx(right[4:7], abs=1e-9)
    # tanh: c_3 = E[tanh He_3] / 6.
    odd = SETTING.replace(activation="tanh")
    wrong = WRONG_THEORIES["missing_factorial"].setting(odd)
    right = odd.activation_expansion.coefficients
    assert wrong.activation_expansion.coefficients[3] == pytest.approx(6.0 * right[3], rel=1e-9)
    with pytest.raises(DomainError, match="must be a name"):
        WRONG_THEORIES["missing_factorial"].setting(SETTING.replace(activation={"hermite": [0.0, 1.0, 1.0]}))


def test_exchanged_proportions() -> None:
    wrong = WRONG_THEORIES["exchanged_proportions"].setting(SETTING)
    assert (wrong.phi, wrong.psi) == (SETTING.psi, SETTING.phi)
    assert wrong.theta == pytest.approx(SETTING.theta, rel=1e-12)


def test_no_inflation() -> None:
    wrong = predict_wrongly(WRONG_THEORIES["no_inflation"], SETTING)
    assert (wrong.features, wrong.latent.chi, wrong.latent.inflation) == ("published", 0.0, 0.0)


def test_no_linear_direction() -> None:
    wrong = WRONG_THEORIES["no_linear_direction"].setting(SETTING)
    assert wrong.target_expansion.coefficients[:3] == pytest.approx([0.1, 0.0, 0.5])
    assert wrong.noise_std == pytest.approx(math.sqrt(0.25 + 1.0))
    assert wrong.label_energy == pytest.approx(SETTING.label_energy)
    # A teacher that is no polynomial: what is left of its series beyond degree 8 is noise as well.
    wrong = WRONG_THEORIES["no_linear_direction"].setting(SETTING.replace(target="tanh"))
    assert wrong.label_energy == pytest.approx(SETTING.replace(target="tanh").label_energy)


def test_one_spike_fewer() -> None:
    right = predict(SETTING)
    wrong = predict_wrongly(WRONG_THEORIES["one_spike_fewer"], SETTING)
    assert len(right.spikes) == 2
    assert [s.singular_value for s in wrong.spikes] == [right.spikes[0].singular_value]
    assert wrong.losses == right.losses
    limit = predict_wrongly(WRONG_THEORIES["one_spike_fewer"], SETTING, method="limit")
    assert limit.losses == limit_losses(SETTING, degree=3)
    with pytest.raises(DomainError, match="needs a spike"):
        predict_wrongly(WRONG_THEORIES["one_spike_fewer"], SETTING.replace(step_size=0.0))


def test_no_values_of_samples() -> None:
    large = SETTING.replace(step_exponent=0.5, readout="constant")
    right, wrong = predict(large), predict_wrongly(WRONG_THEORIES["no_values_of_samples"], large)
    assert right.outliers.expected_beyond_edge > 0.1
    assert (wrong.outliers.expected_beyond_edge, wrong.outliers.places.size) == (0.0, 0)
    assert wrong.losses == right.losses
    with pytest.raises(DomainError, match="needs such a value"):
        predict_wrongly(WRONG_THEORIES["no_values_of_samples"], SETTING.replace(step_size=0.0))


LAYER = Setting(
    n=300, d=120, width=150, activation="relu", target={"hermite": [0.0, 1.0, 0.7]}, noise_std=0.5,
    ridge=0.1, readout="rademacher", step_size=20.0,
)  # fmt: skip


def test_rank_one_gradient() -> None:
    """The bulk of the layer is that of Marchenko and Pastur; one half is ``E[relu(z) z]``."""
    theory = WRONG_THEORIES["rank_one_gradient"]
    assert theory.setting(LAYER).activation_expansion.coefficients[:3] == pytest.approx([0.0, 0.5, 0.0])
    wrong = predict_wrongly(theory, LAYER)
    width = math.sqrt(LAYER.width / LAYER.d)
    assert wrong.weights.bulk.edges.ravel() == pytest.approx([width - 1.0, width + 1.0], rel=1e-6)


def test_no_samples_in_weights() -> None:
    theory = WRONG_THEORIES["no_samples_in_weights"]
    right, wrong = predict(LAYER).weights, predict_wrongly(theory, LAYER).weights
    count = right.origin.count("sample")
    assert count >= 1
    assert set(wrong.origin) == {"learnt", "bulk"}
    assert wrong.outliers.expected_beyond_edge == 0.0
    assert wrong.singular_values[0] == right.singular_values[0]
    bulk = right.singular_values[1 + count :]
    assert wrong.singular_values[1 : 1 + len(bulk)] == pytest.approx(bulk, rel=1e-12)
    with pytest.raises(DomainError, match="needs a value of the trained layer"):
        predict_wrongly(theory, LAYER.replace(step_size=0.0))


def test_ridge_not_normalised() -> None:
    wrong = WRONG_THEORIES["ridge_not_normalised"].setting(SETTING)
    # ridge ||a||^2 beside the sum over the samples, divided by the neurons: 0.05 * 700 / 600.
    assert wrong.ridge == pytest.approx(0.05 * 7.0 / 6.0)


def test_first_direction() -> None:
    """Of ``z1 + 0.8 z1 z2`` the learnt direction sees ``z1``; the rest is noise."""
    wrong = WRONG_THEORIES["first_direction"].setting(OF_THEIR_OWN["first_direction"])
    assert wrong.target_expansion.coefficients[:3] == pytest.approx([0.0, 1.0, 0.0], abs=1e-12)
    assert wrong.noise_std**2 == pytest.approx(0.25 + 0.64)
    with pytest.raises(DomainError, match="must have several directions"):
        WRONG_THEORIES["first_direction"].setting(SETTING)


def test_isotropic_inputs() -> None:
    assert WRONG_THEORIES["isotropic_inputs"].setting(OF_THEIR_OWN["isotropic_inputs"]) == SETTING
    with pytest.raises(DomainError, match="must not be the identity"):
        WRONG_THEORIES["isotropic_inputs"].setting(SETTING)


OF_THEIR_OWN = {
    "first_direction": SETTING.replace(target={"expression": "z1 + 0.8*z1*z2"}),
    "isotropic_inputs": SETTING.replace(
        covariance={"eigenvalues": [0.5, 2.5], "proportions": [0.75, 0.25], "teacher": [0.5, 0.5]}
    ),
}
"""Settings in which a mistake can be made at all."""


@pytest.mark.parametrize(
    "name", sorted(WRONG_THEORIES.keys() - {"no_values_of_samples", "no_samples_in_weights"})
)
def test_every_wrong_theory_is_wrong(name: str) -> None:
    setting = OF_THEIR_OWN.get(name, SETTING)
    right, wrong = predict(setting), predict_wrongly(WRONG_THEORIES[name], setting)
    numbers = [
        [p.losses.objective, p.losses.train, p.losses.test, *(s.singular_value for s in p.spikes)]
        for p in (right, wrong)
    ]
    if len(numbers[0]) == len(numbers[1]):
        assert max(abs(a / b - 1.0) for a, b in zip(*numbers, strict=True)) > 0.01
