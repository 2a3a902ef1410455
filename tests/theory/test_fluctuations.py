"""Standard deviations of spikes: against simulations of an independent program, and by hand."""

import math

import pytest
from observed import CASES, independent, predicted
from refusals import refused
from usual import only

import rmt_spikes as rs
from rmt_spikes import theory
from rmt_spikes.theory import spike_standard_deviations

FAR = 1.5  # a spike this far above the edge, as a ratio, has no fluctuations of the edge in it
# 99.8 % interval of a standard deviation from 24 trials (chi squared, 23 degrees of freedom).
LOW, HIGH = 0.62, 1.45


@pytest.mark.parametrize("name", only(list(CASES)[1::4], CASES))
def test_scatter_of_the_reference(name):
    seen = independent(name)
    setting, observed = seen.setting, seen.scatter("singular_values")
    prediction = predicted(name)
    scatter = spike_standard_deviations(setting)
    edge = prediction.bulk.edges[-1, 1]
    for k, spike in enumerate(s for s in prediction.spikes if s.singular_value > FAR * edge):
        assert LOW < observed[k] / scatter[k] < HIGH
        # Negative control: the second batch and the readout alone, as if the first batch were its limit.
        own = spike.singular_value * math.sqrt(0.5 / setting.n_ridge + 0.5 / setting.width)
        if name.startswith("relu"):
            assert not LOW < observed[k] / own < HIGH


def test_by_hand():
    """A linear spike is ``s |alpha| |q|``: relative variances of the three factors add up.

    With a nearly linear activation, a linear teacher without noise and ``N s^2`` large, ``B = b^2 + phi E``.
    """
    setting = rs.Setting(
        n=4000, d=1000, width=3000, activation={"hermite": [0, 1, 0, 0.003]}, target={"hermite": [0, 1]},
        ridge=0.1, step_size=15.0,
    )  # fmt: skip
    phi = setting.phi
    norm2 = 1 + phi
    # Of b = mean x^2 and E = mean x^2 (the same number here), variance 2/n, and of the rest of beta.
    variance = ((2 + phi) ** 2 * 2 / setting.n + phi**2 * 2 / setting.d) / norm2**2 / 4
    variance += 0.5 / setting.n_ridge + 0.5 / setting.width
    spike = rs.predict(setting).spikes[0].singular_value
    by_hand = spike * math.sqrt(variance)
    # Left out by hand: gamma c_1^2 = 3 beside N s^2 = 280, and the cubic part, below 1 % of a feature.
    assert spike_standard_deviations(setting)[0] == pytest.approx(by_hand, rel=0.03)


def test_standard_scale_is_refused():
    setting = independent("relu-quadratic-alpha0.4").setting.replace(output_scale="standard")
    with refused("output_scale"):
        spike_standard_deviations(setting)


@pytest.mark.parametrize(
    "function", [theory.spike_standard_deviations, theory.loss_standard_deviations, theory.limit_losses]
)
@pytest.mark.parametrize("given", [None, 3])
def test_what_is_no_setting_is_refused(function, given):
    with refused("setting", "Setting("):
        function(given)


@pytest.mark.parametrize("function", [theory.spike_standard_deviations, theory.loss_standard_deviations])
def test_unknown_features_are_refused(function):
    setting = rs.Setting(n=60, d=30, width=40, activation="relu", target="tanh", ridge=0.1, step_size=1.0)
    with refused("features"):
        function(setting, features="spread")
