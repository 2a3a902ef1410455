"""A spike checked three ways, its threshold, and predictions given what was realised."""

import dataclasses
import math
import types

import numpy as np
import pytest
from refusals import refused
from scipy.special import ndtri

import rmt_spikes as rs
from rmt_spikes.simulation.latent import RealisedLatent
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.uniform.solution import Uniform

SMALL = rs.Setting(
    n=1200, d=600, width=800, activation="relu", target={"hermite": [0, 1, 0.5]}, noise_std=0.3, ridge=0.05,
    step_size=8.0,
)  # fmt: skip
REALISED = RealisedLatent(
    beta_norm2=2.0,
    beta_cosine=0.7,
    label_energy=2.0,
    alpha=np.random.default_rng(1).standard_normal(SMALL.width),
    q=np.random.default_rng(2).standard_normal(SMALL.n_ridge),
    labels=np.random.default_rng(3).standard_normal(SMALL.n_ridge),
)


def finite_equivalent(setting, latent, seed=3):
    """Eigenvalues and vectors of the population second moment of the features, as an ``N x N`` matrix."""
    rng = np.random.default_rng(seed)
    n, d = setting.width, setting.d
    w = rng.standard_normal((n, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    alpha = rng.permutation(ndtri((np.arange(n) + 0.5) / n))
    alpha /= np.sqrt(np.mean(alpha**2))
    activation = setting.activation_expansion
    c_1, c_2 = activation.coefficients[1:3]
    q, p_q = np.polynomial.hermite_e.hermegauss(40)
    p_q = p_q / p_q.sum()
    # Mean features by brute force: a fine trapezoidal rule over the pre-activation of each neuron.
    z = np.linspace(-9, 9, 3001)
    p_z = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    tau = np.sqrt(1 + latent.inflation * alpha**2)
    mean = np.empty((n, q.size))
    for k, value in enumerate(q):
        preactivation = tau[:, None] * z + latent.shift * value * alpha[:, None]
        mean[:, k] = setting.activation_function(preactivation) @ p_z
    learnt = w[:, 0]
    features = mean + c_1 * learnt[:, None] * q
    rest = w[:, 1:]
    second = (features * p_q) @ features.T + c_1**2 * rest @ rest.T + activation.tail * np.eye(n)
    second += 2 / d * c_2**2 * np.ones((n, n))
    values, vectors = np.linalg.eigh(second)
    return values, vectors, features, p_q, q


def test_a_spike_three_ways():
    """Residue formula, eigendecomposition of the finite equivalent, simulation."""
    prediction = rs.predict(SMALL, method="closed_form")
    spike = prediction.spikes[0]

    values, vectors, features, p_q, q = finite_equivalent(SMALL, prediction.latent)
    bulk, top = values[:-1], values[-1]
    ratio = SMALL.width / SMALL.n_ridge
    spread = np.sum(bulk / (top - bulk)) / SMALL.width
    direct = math.sqrt(top * (1 + ratio * spread))
    slope = 1 - ratio * np.sum(bulk**2 / (top - bulk) ** 2) / SMALL.width  # dz/dw of the sample outlier
    left = vectors[:, -1] @ features / math.sqrt(top)
    # u = F v^ / sqrt(n z) against F v / sqrt(n w): their overlap is sqrt(z / w) <v, v^>, and <v, v^>^2 =
    # slope w / z.
    alignment = (p_q @ (left * q)) ** 2 * slope
    # One draw of W_0: relative fluctuations of order 1/sqrt(N) = 3.5 %, halved in a singular value.
    # Measured .3 % and .002.
    assert spike.singular_value == pytest.approx(direct, rel=0.01)
    assert spike.alignment[1] == pytest.approx(alignment, abs=0.02)
    # Negative control: the learnt direction without its noise (B = c_{*,1}^2 = 1).
    shorter = SMALL.replace(step_size=SMALL.step_size / math.sqrt(prediction.latent.beta_norm2))
    wrong = rs.predict(shorter, method="closed_form").spikes[0].singular_value
    assert wrong != pytest.approx(direct, rel=0.01)

    observation = rs.simulate(SMALL, trials=12, seed=1, top=2)
    observed = np.array([trial.singular_values[0] for trial in observation.trials])
    aligned = np.array([trial.alignment[0, 1] for trial in observation.trials])
    error = observed.std(ddof=1) / math.sqrt(observed.size)
    # 3 standard errors and 1 %: the closed form leaves out the shift in the bulk, of order theta^2 = 0.08.
    assert abs(observed.mean() - spike.singular_value) < 3 * error + 0.01 * spike.singular_value
    assert abs(observed.mean() - wrong) > 3 * error + 0.01 * spike.singular_value
    assert abs(aligned.mean() - spike.alignment[1]) < 3 * aligned.std(ddof=1) / math.sqrt(12) + 0.01


@pytest.mark.parametrize("method", ["closed_form", "uniform"])
def test_a_spike_appears_at_its_critical_step(method):
    """Just below the critical step there is no pole, just above there is, next to the edge and unaligned."""
    critical = rs.critical_step_sizes(SMALL, 2, method=method)
    assert 0 < critical[0] < critical[1]
    for factor, count in ((0.999, 0), (1.001, 1)):
        setting = SMALL.replace(step_size=float(factor * critical[0]))
        poles = ClosedForm(setting).poles if method == "closed_form" else Uniform(setting).upper.poles
        assert len(poles) == count
    edge = rs.predict(setting, method=method).bulk.edges[-1, 1]
    location = poles[0].eigenvalue if method == "closed_form" else poles[0].point.eigenvalue
    if method == "uniform":
        # Norms are linearised in spikes and in the edge that these leave, which moves it by less than 1 / d.
        linearised = math.sqrt(Uniform(setting).upper.edge.eigenvalue)
        assert linearised == pytest.approx(edge, rel=1.0 / setting.d)
        edge = linearised
    # z(rho) has a quadratic minimum at the edge: a distance of 1e-3 in the step is one of order 1e-6 in z.
    assert 0 < math.sqrt(location) / edge - 1 < 1e-4
    assert rs.predict(setting, method=method).spikes == ()  # within the fluctuations of the edge


def test_critical_step_of_the_first_spike_by_hand():
    """With a linear mean feature the strength is ``N s^2 + gamma c_1^2``: the threshold in closed form."""
    setting = SMALL.replace(activation={"hermite": [0, 1, 0, 0.05]}, d=600)
    solution = ClosedForm(setting)
    per_step = solution.latent.shift / setting.step_size
    # Spike 1 of a nearly linear activation: its cubic part changes the strength by order (3 c_3 s^2)^2.
    needed = solution.critical_strength - setting.gamma * setting.activation_expansion.coefficients[1] ** 2
    by_hand = math.sqrt(needed / setting.width) / per_step
    assert rs.critical_step_sizes(setting, 1, method="closed_form")[0] == pytest.approx(by_hand, rel=2e-3)
    odd = SMALL.replace(activation="tanh", readout="constant")  # has one spike only
    assert rs.critical_step_sizes(odd, 2, method="closed_form")[1] == math.inf


def test_a_mean_of_the_activation_is_a_spike_without_a_step():
    setting = SMALL.replace(center=False, step_size=0.0)
    for method in ("closed_form", "uniform"):
        spikes = rs.predict(setting, method=method).spikes
        assert len(spikes) == 1
        assert spikes[0].critical_step_size == 0.0
        assert spikes[0].alignment[0] > 0.98
        # Mean feature c_0 = 1/sqrt(2 pi) on all entries: about sqrt(N) c_0, plus the bulk's share.
        assert spikes[0].singular_value == pytest.approx(math.sqrt(800 / (2 * math.pi)), rel=0.02)


def test_order_of_the_neurons_and_sign_of_the_latent_variables_do_not_matter():
    """Permuted neurons, and the sign of ``(alpha, q, cosine)``, which leaves every feature and label.

    The sign matters to rows that are not isotropic, whose symmetry changes the sign of residuals too.
    """
    latent = rs.simulate(SMALL, trials=1, seed=2, top=2).trials[0].latent
    order = np.random.default_rng(0).permutation(latent.alpha.size)
    flipped = {"alpha": -latent.alpha, "q": -latent.q, "beta_cosine": -latent.beta_cosine}
    for features, change in (("corrected", {"alpha": latent.alpha[order]}), ("isotropic", flipped)):
        base = rs.predict(SMALL, given=latent, features=features)
        moved = rs.predict(SMALL, given=dataclasses.replace(latent, **change), features=features)
        assert moved.losses.test == pytest.approx(base.losses.test, rel=1e-9)
        assert moved.losses.train == pytest.approx(base.losses.train, rel=1e-9)
        assert moved.losses.objective == pytest.approx(base.losses.objective, rel=1e-9)
        assert moved.spikes[0].singular_value == pytest.approx(base.spikes[0].singular_value, rel=1e-9)


def test_scaling_the_network_scales_labels_and_ridge():
    """``sigma`` and labels doubled, the ridge by 4, a quarter of the step: four times the losses.

    The spectrum is doubled. Networks do so exactly: the residual doubles with the initial output, and the
    step moves the first layer by ``step * sigma'`` times that.
    """
    changes = {"ridge": 4 * SMALL.ridge, "step_size": SMALL.step_size / 4, "noise_std": 2 * SMALL.noise_std}
    target = {"hermite": [2 * c for c in SMALL.target["hermite"]]}
    doubled = SMALL.replace(activation={"expression": "2*relu(z)"}, target=target, **changes)
    for method in ("closed_form", "uniform"):
        one, two = rs.predict(SMALL, method=method), rs.predict(doubled, method=method)
        assert two.losses.test == pytest.approx(4 * one.losses.test, rel=1e-9)
        assert two.losses.train == pytest.approx(4 * one.losses.train, rel=1e-9)
        assert two.losses.objective == pytest.approx(4 * one.losses.objective, rel=1e-9)
        assert two.spikes[0].singular_value == pytest.approx(2 * one.spikes[0].singular_value, rel=1e-9)
        assert two.bulk.edges == pytest.approx(2 * one.bulk.edges, rel=1e-7)


@pytest.mark.thorough
def test_given_narrows_the_scatter():
    """Given the first stage, then the second batch too, theory explains what a spike does in each trial.

    The singular value is about ``s |alpha| |q|``: ``||beta||`` and ``|alpha|`` leave the relative
    scatter of ``|q|``, about ``1/sqrt(2 n_ridge)`` = 2 %, of 6 %; ``q`` leaves what is of higher order.
    With 12 trials a ratio of standard deviations is known to a factor 1.5 (two standard errors).
    """
    setting = SMALL.replace(step_size=25.0)
    observation = rs.simulate(setting, trials=12, seed=4, top=2)
    limit = rs.predict(setting).spikes[0].singular_value
    scatter = {}
    for name in ("none", "first_stage", "both_batches"):
        residuals = []
        for trial in observation.trials:
            predicted = limit
            if name != "none":
                latent = trial.latent.first_stage() if name == "first_stage" else trial.latent
                predicted = math.sqrt(Uniform(setting, given=latent).upper.poles[0].point.eigenvalue)
            residuals.append(trial.singular_values[0] - predicted)
        scatter[name] = np.std(residuals, ddof=1)
    assert scatter["none"] / scatter["first_stage"] > 2
    assert scatter["none"] / scatter["both_batches"] > 5


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("alpha", [np.ones(3), [1.0] * 800, "abc", None, np.full(800, "1.0"), np.ones(800, dtype=complex)]),
        ("alpha", [np.full(800, np.nan)]),
        ("q", [[0.0] * 1200, np.full(1200, np.inf)]),
        ("labels", ["abc", np.zeros(7)]),
        ("beta_cosine", [1.5, 1j]),
        ("beta_norm2", [-1.0, 0.0, None, "1", True, math.inf]),
        ("label_energy", [math.nan, -1.0, [1.0]]),
    ],
)
def test_given_that_does_not_fit(name, values):
    for value in values:
        with refused(f"given.{name}"):
            rs.predict(SMALL, given=dataclasses.replace(REALISED, **{name: value}))
    with refused("given"):  # labels without q
        rs.predict(SMALL, given=dataclasses.replace(REALISED, q=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 2653, "d": 645, "width": 1172, "n_ridge": 9332, "target": "relu", "step_size": 29.6},
        {"n": 1152, "d": 1393, "width": 1162, "activation": "gelu", "step_size": 23.4},
    ],
)
def test_a_spike_exists_from_its_critical_step_on(changes):
    """Where the root finder ends at a margin of rounding size, no pole has to be found there."""
    common = {"activation": "relu", "target": {"hermite": [0, 1, 0.56]}, "ridge": 0.02}
    setting = rs.Setting(**{**common, "readout": "rademacher", **changes})
    for k, spike in enumerate(rs.predict(setting).spikes):
        for share, exists in ((0.999, False), (1.001, True)):
            moved = setting.replace(step_size=share * spike.critical_step_size)
            assert (int(np.sum(Uniform(moved).upper.descent.margins < 0.0)) > k) is exists


def test_losses_out_of_order_are_refused():
    """A realisation of a few samples can make nonsense of the theory; it must not be returned."""
    setting = rs.Setting(
        n=100, d=30, width=200, n_ridge=200, step_size=200**0.5 / 2, activation="relu", target="identity",
        ridge=1e-4,
    )  # fmt: skip
    given = rs.simulate(setting, trials=1, seed=0).trials[0].latent
    with pytest.raises(rs.ConvergenceError, match="not in their order"):
        rs.predict_losses(setting, given=given)


@pytest.mark.parametrize("method", ["uniform", "closed_form", "limit"])
def test_given_that_is_no_realisation(method):
    observation = rs.simulate(SMALL.replace(n=12, d=6, width=8), trials=1, seed=0, top=2)
    for given in ({}, "latent", 1.0, observation, observation.trials[0], rs):
        for predicted in (rs.predict, rs.predict_losses):
            with pytest.raises(rs.DomainError, match=r"^given: must") as caught:
                predicted(SMALL, given=given, method=method)
            assert len(str(caught.value)) < 300


def test_given_by_a_type_of_ones_own():
    """Negative control of the refusals: whatever has the attributes will do, integers among them."""
    own = types.SimpleNamespace(**dataclasses.asdict(REALISED))
    own.beta_norm2, own.label_energy = 2, np.float32(2.0)
    assert rs.predict_losses(SMALL, given=own).train == rs.predict_losses(SMALL, given=REALISED).train


def test_learnt_direction_cannot_be_shorter_than_the_initial_one():
    """At the standard output scale ``beta`` has ``c_1^2`` along the initial output: 1/4 for ReLU."""
    standard = SMALL.replace(output_scale="standard", step_size=0.1)
    with refused("given.beta_norm2", "must be a finite number above 0.25, got 0.2"):
        rs.predict_losses(standard, given=dataclasses.replace(REALISED, beta_norm2=0.2))


def test_a_network_has_no_more_spikes_than_singular_values(monkeypatch):
    setting = SMALL.replace(step_size=40.0)
    found = rs.predict(setting, method="closed_form")
    assert len(found.spikes) == found.spike_count == 2
    # The same two spikes, for a network of one neuron.
    monkeypatch.setattr(ClosedForm, "spikes", lambda method: found.spikes)
    for width, expected in ((1, 1), (setting.width, 2)):
        small = rs.predict(setting.replace(width=width, step_size=1.0), method="closed_form")
        assert small.spike_count == len(small.spikes) == expected
