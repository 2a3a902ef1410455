"""Properties over the whole declared domain: right, or a `ConvergenceError`."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform.solution import Uniform
from rmt_spikes.theory.predict import predict_losses

MANY = settings().max_examples
EXAMPLES = {"losses": MANY // 2, "spectra": MANY // 50, "resolvent": MANY // 50}
"""Fifty, two and two, none of which may be refused; three times as many, and one refusal, when the run is
thorough (conftest.py)."""
few = settings(
    max_examples=EXAMPLES["spectra"],
    phases=[Phase.explicit, Phase.generate],  # a slow failure is not worth shrinking
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TRIED: Counter[str] = Counter()
ratios = st.floats(-1.0, 1.0).map(lambda x: 10.0**x)


@st.composite
def problems(draw):
    """Settings with ratios of sizes from 0.1 to 10, steps to ``3 sqrt(N)``, ridge 1e-6 to 1e3."""
    width = draw(st.integers(100, 5000))
    n = draw(st.integers(100, 5000))
    coefficients = draw(st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=5))
    assume(abs(coefficients[1]) > 0.05)
    setting = rs.Setting(
        n=n,
        d=max(2, round(n * draw(ratios))),
        width=width,
        n_ridge=max(10, round(width * draw(ratios))),
        activation=draw(
            st.sampled_from(["relu", "tanh", "erf", "gelu", "softplus", "sigmoid", "sin", "silu"])
        ),
        center=draw(st.booleans()),
        target={"hermite": coefficients},
        noise_std=draw(st.floats(0.0, 2.0)),
        ridge=10.0 ** draw(st.floats(-6.0, 3.0)),
        step_size=draw(st.floats(0.0, 3.0)) * math.sqrt(width),
        readout=draw(st.sampled_from(["gaussian", "rademacher", "constant"])),
    )
    # Labels with less energy than the initial output are refused.
    assume(setting.activation_expansion.second_moment < setting.width * setting.label_energy)
    return setting


@pytest.mark.filterwarnings("ignore::rmt_spikes.AccuracyWarning")
@given(setting=problems(), method=st.sampled_from(["uniform", "closed_form"]))
@settings(few, max_examples=EXAMPLES["losses"])
def test_losses_are_in_their_order(setting, method):
    """``0 <= train <= objective <= E y^2`` and ``test >= noise``; 1e-6 is rounding at a ridge of 1e-6."""
    TRIED["losses"] += 1
    losses = predict_losses(setting, method=method)  # always found
    size = 1e-6 * setting.label_energy
    assert 0.0 <= losses.train <= losses.objective + size
    assert losses.objective <= setting.label_energy + size  # that of no readout at all
    assert losses.test >= setting.noise_std**2 - size


@pytest.mark.filterwarnings("ignore::rmt_spikes.AccuracyWarning")
@given(setting=problems())
@few
def test_spectra_are_spectra(setting):
    """Mass one with the atom, positive imaginary part, spikes above the edge, overlaps below one."""
    TRIED["spectra"] += 1
    prediction = rs.predict(setting)
    try:
        bulk = prediction.bulk
    except rs.ConvergenceError:
        TRIED["refused spectra"] += 1
        return
    assert abs(bulk.mass - 1) < 1e-5
    assert prediction.certificate.imaginary_part > 0
    assert np.all(np.diff(bulk.edges.ravel()) > 0)
    assert bulk.edges[0, 0] >= 0
    assert all(spike.singular_value > bulk.edges[-1, 1] for spike in prediction.spikes)
    assert all(np.all(spike.alignment <= 1 + 1e-6) for spike in prediction.spikes)


@pytest.mark.filterwarnings("ignore::rmt_spikes.AccuracyWarning")
@given(setting=problems(), share=st.floats(0.1, 0.9))
@few
def test_resolvent_is_in_the_upper_half_plane(setting, share):
    """Every component of the resolvent, not the mean alone, has a positive imaginary part inside the bulk."""
    TRIED["resolvent"] += 1
    try:
        solution = Uniform(setting)
        low, high = solution.bulk.edges[0]
        z = np.array([(low + share * (high - low)) ** 2])
        cut = solution.spectrum.cut
        values, residual = cut.imaginary(z), cut.residual(z)
    except rs.ConvergenceError:
        TRIED["refused"] += 1
        return
    assert values[0] >= 0
    assert residual < 1e-8


def test_failures_are_few():
    """The properties above are of something: spectra and resolvents are found.

    Measured by benchmarks/random_settings.py over 60 other draws: one bulk is refused. Two would be seen
    by chance once in 250 thorough runs.
    """
    untried = [name for name in EXAMPLES if not TRIED[name]]
    if untried:
        pytest.skip(f"not tried in this run: {', '.join(untried)}; run the whole file")
    assert all(TRIED[name] >= count for name, count in EXAMPLES.items())
    allowed = MANY // 300
    assert TRIED["refused"] <= allowed
    assert TRIED["refused spectra"] <= allowed
