"""Rows of a norm: the theory of the scaled activation and step, to rounding."""

import pytest

import rmt_spikes as rs

BASE = rs.Setting(
    n=400, d=200, width=300, activation="tanh", target="sin", noise_std=0.3, ridge=0.1, step_size=4.0
)


@pytest.mark.parametrize("norm", [0.5, 2.0**0.5])
def test_theory_is_that_of_the_scaled_activation(norm: float) -> None:
    by_key = BASE.replace(row_norm=norm)
    by_hand = BASE.replace(activation={"expression": f"tanh({norm!r}*z)"}, step_size=4.0 / norm**2)
    one, other = (rs.predict(each, method="closed_form") for each in (by_key, by_hand))
    for name in ("objective", "train", "test"):
        assert getattr(one.losses, name) == pytest.approx(getattr(other.losses, name), rel=1e-12)
    assert one.latent.shift == pytest.approx(other.latent.shift, rel=1e-12)
    assert one.bulk.edges[0][1] == pytest.approx(other.bulk.edges[0][1], rel=1e-12)
    # A critical step is one of the weights as they are.
    critical, scaled = (
        rs.critical_step_sizes(each, 1, method="closed_form")[0] for each in (by_key, by_hand)
    )
    assert critical == pytest.approx(norm**2 * scaled, rel=1e-8)
    # Negative control: the norm matters.
    assert abs(rs.predict(BASE, method="closed_form").losses.test / one.losses.test - 1) > 1e-3


def test_relu_is_homogeneous() -> None:
    """``relu(s z) = s relu(z)``: the ridge divided by ``s^2``, the step by ``s``."""
    norm = 3.0**-0.5
    rows = BASE.replace(activation="relu", row_norm=norm, ridge=0.1 * norm**2, step_size=4.0 * norm)
    plain, scaled = (
        rs.predict(each, method="closed_form").losses for each in (BASE.replace(activation="relu"), rows)
    )
    assert scaled.test == pytest.approx(plain.test, rel=1e-10)
    assert scaled.objective == pytest.approx(plain.objective, rel=1e-10)


def test_digits_agree_with_double_precision() -> None:
    setting = BASE.replace(activation={"expression": "abs(z - 0.3) + z"}, row_norm=0.5)
    precise = rs.predict(setting, method="closed_form", digits=16).losses
    plain = rs.predict(setting, method="closed_form").losses
    assert float(precise.test) == pytest.approx(plain.test, rel=1e-9)
