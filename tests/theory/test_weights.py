"""The predicted spectrum of the trained first layer."""

import json
import math
import pickle

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs

LARGE = rs.Setting(
    n=1000, d=500, width=400, activation="relu", target={"hermite": [0.0, 1.0, math.sqrt(0.5)]},
    noise_std=0.5, ridge=0.01, step_size=30.0,
)  # fmt: skip
VALUES = {
    ("relu", "gaussian", 30.0): (
        (22.00, 4.116, 3.732, 3.496, 3.340, 3.222),
        (0.24, 0.061, 0.052, 0.042, 0.038, 0.035),
    ),
    ("relu", "gaussian", 10.0): (
        (7.434, 2.035, 1.982, 1.950, 1.926, 1.907),
        (0.079, 0.010, 0.007, 0.005, 0.004, 0.004),
    ),
    ("relu", "rademacher", 30.0): (
        (22.10, 3.874, 3.497, 3.280, 3.122, 3.000),
        (0.21, 0.067, 0.048, 0.036, 0.036, 0.031),
    ),
    ("relu", "constant", 30.0): (
        (22.15, 4.495, 4.097, 3.866, 3.701, 3.570),
        (0.21, 0.069, 0.049, 0.040, 0.039, 0.036),
    ),
    ("tanh", "gaussian", 30.0): (
        (26.48, 2.818, 2.611, 2.472, 2.373, 2.327),
        (0.29, 0.040, 0.028, 0.024, 0.017, 0.016),
    ),
}
"""Values 1 to 4 in 40 networks of an independent program, 5 and 6 in 48 of `simulate`, with standard errors.

Those of values 2 to 4 that the program did not give are those of the 48 networks.
"""

LIGHT = ("tanh", "gaussian", 30.0)
CASES = [
    pytest.param(case, marks=[] if case == LIGHT else pytest.mark.thorough, id="-".join(map(str, case)))
    for case in VALUES
]


def allowed(case: tuple[str, str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Simulated values, and 2 % plus three standard errors."""
    values, errors = np.array(VALUES[case])
    return values, 0.02 * values + 3.0 * errors


@pytest.mark.parametrize("case", CASES)
def test_against_simulated_values(case):
    """Values 1 to 6 within 2 % and three standard errors; theories that leave something out are not."""
    activation, readout, step = case
    setting = LARGE.replace(activation=activation, readout=readout, step_size=step)
    weights = rs.predict(setting).weights
    values, margins = allowed(case)
    assert np.all(np.abs(weights.singular_values[:6] - values) < margins)
    assert weights.origin[0] == "learnt"
    # Simulated: .470 of ReLU and .473 of tanh, to .002, and below .003 for the others.
    assert weights.right_alignment[0] == pytest.approx(0.471, abs=0.015)
    assert not weights.right_alignment[1:].any()
    # A rank-one gradient leaves the bulk of Marchenko and Pastur as it is.
    assert values[1] - (1.0 + math.sqrt(0.8)) > min(margins[1], 0.1)
    if step == 30.0:
        # Single samples make the second value: the bulk alone is too low. At a step of 10 it is not.
        assert weights.origin[1] == "sample"
        highest = float(weights.bulk.quantile(1.0 - 0.5 / setting.width))
        assert values[1] - highest > 0.5 * margins[1]


def linear(readout: str, **sizes: int) -> rs.Setting:
    return rs.Setting(
        n=800, activation="identity", target="identity", ridge=0.1, readout=readout, step_size=0.0, **sizes
    )


@pytest.mark.parametrize(
    ("sizes", "step"), [({"d": 300, "width": 200}, 9.0), ({"d": 200, "width": 300}, 9.0)]
)
def test_a_linear_network_is_a_spiked_random_matrix(sizes, step):
    """Benaych-Georges and Nadakuditi: place and right vector; Marchenko and Pastur: edges and atom."""
    setting = linear("rademacher", **sizes).replace(step_size=step)
    weights = rs.predict(setting).weights
    n, d, width = setting.n, setting.d, setting.width
    norm = math.sqrt(1.0 + d / n)  # of beta: the labels have energy one
    t = step * norm - 1.0 / (math.sqrt(width) * norm)  # the residual lacks the initial output
    ratio = width / d
    place = math.sqrt((1.0 + t**2) * (ratio + t**2)) / t
    cosine2 = 1.0 - (ratio + t**2) / (t**2 * (1.0 + t**2))
    # The equations are solved to 1e-12.
    assert weights.singular_values[0] == pytest.approx(place, rel=1e-9)
    assert weights.right_alignment[0] == pytest.approx(cosine2 / norm**2, rel=1e-9)
    edges = abs(1.0 - math.sqrt(ratio)), 1.0 + math.sqrt(ratio)
    np.testing.assert_allclose(weights.bulk.edges, [edges], rtol=1e-6)
    assert weights.bulk.atom_at_zero == pytest.approx(max(0.0, 1.0 - d / width), abs=1e-12)
    assert weights.bulk.mass == pytest.approx(1.0, abs=1e-6)
    assert weights.outliers.places.size == 0


LEVELS = {"eigenvalues": [0.2, 1.0, 3.0], "proportions": [0.5, 0.3, 0.2], "teacher": [0.1, 0.2, 0.7]}
HALVES = {"eigenvalues": [0.5, 1.5], "proportions": [0.5, 0.5], "teacher": [0.5, 0.5]}
OF_INPUTS = [
    (
        ("relu", "gaussian", LEVELS),
        (11.999, 2.5145, 2.3074, 2.1860, 2.1098, 2.0501),
        (0.130, 0.0200, 0.0140, 0.0104, 0.0081, 0.0062),
        (0.5857, 0.0029),
    ),
    (
        ("tanh", "gaussian", LEVELS),
        (14.205, 2.0570, 1.9696, 1.9226, 1.8924, 1.8650),
        (0.150, 0.0097, 0.0052, 0.0034, 0.0030, 0.0024),
        (0.5911, 0.0028),
    ),
    (
        ("relu", "constant", HALVES),
        (9.491, 2.8606, 2.6155, 2.4775, 2.3785, 2.2956),
        (0.076, 0.0224, 0.0153, 0.0121, 0.0108, 0.0100),
        (0.4141, 0.0028),
    ),
]
"""Values 1 to 6 with a covariance of the inputs, and the squared cosine of the first: means over 150 networks
of a few lines of numpy, and their standard errors."""


@pytest.mark.parametrize(("case", "values", "errors", "cosine2"), OF_INPUTS)
def test_inputs_with_a_covariance(case, values, errors, cosine2):
    """Within 2 % and three standard errors, as without: largest difference 3.0 %, of the third of a constant
    readout. The covariance is what makes the first one: inputs taken for isotropic are rejected.
    """
    activation, readout, covariance = case
    setting = LARGE.replace(
        n=500, n_ridge=500, d=250, width=200, step_size=12.0,
        activation=activation, readout=readout, covariance=covariance,
    )  # fmt: skip
    margins = 0.02 * np.array(values) + 3.0 * np.array(errors)
    weights, isotropic = (rs.predict(each).weights for each in (setting, setting.replace(covariance=None)))
    assert np.all(np.abs(weights.singular_values[:6] - values) < margins)
    assert weights.right_alignment[0] == pytest.approx(cosine2[0], abs=0.005 + 3.0 * cosine2[1])
    assert abs(isotropic.right_alignment[0] - cosine2[0]) > 0.03
    if covariance is LEVELS:
        assert values[0] - isotropic.singular_values[0] > 3.0 * margins[0]


def test_directions_without_inputs():
    """Eigenvalues 0 of the covariance are the limit of small ones; means over 150 networks of the same lines
    are within error bars and three standard errors, and isotropic inputs are not.
    """
    halves = {"eigenvalues": [0.0, 2.0], "proportions": [0.5, 0.5]}
    setting = LARGE.replace(n=500, n_ridge=500, d=250, width=200, step_size=12.0, covariance=halves)
    weights = rs.predict(setting).weights
    values = np.array([10.7876, 2.5331, 2.3213, 2.2052, 2.1189, 2.0558])
    errors = np.array([0.1004, 0.0191, 0.0121, 0.0093, 0.0076, 0.0060])
    assert np.all(np.abs(weights.singular_values[:6] - values) < weights.error[:6] + 3.0 * errors)
    assert weights.right_alignment[0] == pytest.approx(0.3175, abs=0.005 + 3.0 * 0.0019)
    assert rs.predict(setting.replace(covariance=None)).weights.right_alignment[0] > 0.3175 + 0.03
    nearly = setting.replace(covariance=halves | {"eigenvalues": [1e-8, 2.0 - 1e-8]})
    limit = rs.predict(nearly).weights
    np.testing.assert_allclose(weights.singular_values, limit.singular_values, rtol=1e-5)
    np.testing.assert_allclose(weights.right_alignment, limit.right_alignment, rtol=1e-5)


def test_a_linear_network_of_inputs_with_a_covariance():
    """Only the length of ``beta`` and its cosine with the teacher depend on it; the bulk does not."""
    setting = linear("rademacher", d=300, width=200).replace(step_size=9.0, covariance=LEVELS)
    levels, shares = np.array(LEVELS["eigenvalues"]), np.array(LEVELS["teacher"])
    levels = levels / (np.array(LEVELS["proportions"]) @ levels)
    first, second = shares @ levels, shares @ levels**2
    norm = math.sqrt(second / first + 300 / 800)
    t, ratio = 9.0 * norm - 1.0 / (math.sqrt(200) * norm), 200 / 300
    weights = rs.predict(setting).weights
    assert weights.singular_values[0] == pytest.approx(math.sqrt((1.0 + t**2) * (ratio + t**2)) / t, rel=1e-9)
    cosine2 = (1.0 - (ratio + t**2) / (t**2 * (1.0 + t**2))) * first / norm**2
    assert weights.right_alignment[0] == pytest.approx(cosine2, rel=1e-9)
    np.testing.assert_allclose(
        weights.bulk.edges, [[1.0 - math.sqrt(ratio), 1.0 + math.sqrt(ratio)]], rtol=1e-6
    )


def test_without_a_step_rows_keep_their_norm():
    """A square layer is a quarter circle, here of radius ``2 row_norm``."""
    setting = linear("constant", d=100, width=100).replace(row_norm=1.5)
    weights = rs.predict(setting).weights
    np.testing.assert_allclose(weights.bulk.edges, [[0.0, 3.0]], atol=1e-6)
    x = np.array([0.3, 1.0, 2.5])
    # The density of a quarter circle, to the tolerance of a cosine series.
    np.testing.assert_allclose(weights.bulk.density(x), 4.0 * np.sqrt(9.0 - x**2) / (9.0 * np.pi), rtol=1e-6)
    assert set(weights.origin) == {"bulk"}


SMALL = rs.Setting(
    n=200, d=100, width=60, activation="tanh", readout="rademacher", target="identity", ridge=0.1,
    step_size=4.0,
)  # fmt: skip


def test_it_is_asked_for_and_kept(tmp_path):
    prediction = rs.predict(SMALL)
    plain = prediction.to_dict()
    assert "weights" not in plain
    weights = prediction.weights
    document = prediction.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert document == plain | {"weights": weights.to_dict()}
    assert set(document["weights"]) >= {"singular_values", "right_alignment"}
    assert len(weights.singular_values) == len(weights.right_alignment) == len(weights.error) == 10
    prediction.save(tmp_path / "p.json")
    loaded = rs.Prediction.load(tmp_path / "p.json")
    assert loaded == prediction
    assert loaded.weights == weights
    assert pickle.loads(pickle.dumps(prediction)).weights == weights
    # A prediction that was not asked says the same of everything else.
    assert rs.Prediction.from_dict(plain) == prediction
    # The layer does not see the second batch.
    assert rs.predict(SMALL.replace(second_batch="same")).weights == weights


@pytest.mark.thorough
def test_a_given_batch_says_which_sample_makes_a_value():
    setting = LARGE.replace(n=400, d=200, width=160)
    trial = rs.simulate(setting, trials=1, seed=5, weights=True).trials[0]
    weights = rs.predict(setting, given=trial.latent.first_stage()).weights
    assert weights.outliers.samples[0] == np.argmax(np.abs(trial.latent.residuals))
    # The learnt value of one network scatters by 1 %, that of a sample by its norm: by 5 to 10 %.
    assert weights.singular_values[0] == pytest.approx(trial.weights[0], rel=0.03)
    assert weights.singular_values[1] == pytest.approx(trial.weights[1], rel=0.2)


@pytest.mark.parametrize(
    ("field", "changes", "options"),
    [
        ("output_scale", {"output_scale": "standard"}, {}),
        ("features", {}, {"features": "published"}),
        ("method", {}, {"method": "closed_form"}),
        ("method", {}, {"digits": 20}),
    ],
)
def test_what_is_not_worked_out_is_refused(field, changes, options):
    with refused(field, "the spectrum of the trained weights"):
        _ = rs.predict(SMALL.replace(**changes), **options).weights
    prediction = rs.predict(SMALL.replace(**changes), **options)
    with refused(field, "the spectrum of the trained weights"):
        prediction.compute(weights=True)
    assert not prediction.parts, "refused before anything was predicted"


def test_the_learnt_value_does_not_go_missing():
    """At steps at which an eigenvalue of ``J`` next to the edge passes zero.

    4.550(27) is the mean in 300 networks of a few lines of numpy. There is one such value at all steps.
    """
    setting = LARGE.replace(n=500, n_ridge=500, d=250, width=250, noise_std=0.3, ridge=0.05, step_size=6.0)
    setting = setting.replace(target={"hermite": [0.0, 1.0, 0.7]})
    weights = rs.predict(setting).weights
    assert weights.singular_values[0] == pytest.approx(4.550, abs=3 * 0.027 + 0.02 * 4.55)
    narrow = setting.replace(n=300, n_ridge=300, d=150, width=300)
    for step in (11.9, 12.0, 19.0, 19.5, 20.027):
        origin = rs.predict(narrow.replace(step_size=step)).weights.origin
        assert list(origin).count("learnt") == 1
        assert origin[0] == "learnt"
