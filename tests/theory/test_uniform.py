"""The uniform theory: its own identities, its limits, and the closed form it must reduce to."""

import dataclasses

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.features import Features, Rows
from rmt_spikes.theory.methods.closed_form import ClosedForm
from rmt_spikes.theory.methods.uniform.solution import Uniform

SIZES = {"n": 2000, "d": 1000, "width": 1300, "ridge": 0.02, "noise_std": 0.4}
TARGET = {"hermite": [0.0, 1.0, 0.5, 0.2]}
SETTINGS = {
    "relu": rs.Setting(**SIZES, activation="relu", target=TARGET, step_size=20.0),
    "tanh-wide": rs.Setting(**{**SIZES, "width": 4000}, activation="tanh", target=TARGET, step_size=40.0),
    "unequal-rademacher": rs.Setting(
        **SIZES, n_ridge=900, activation="gelu", target="tanh", readout="rademacher", step_size=15.0
    ),
}
SETTINGS["standard"] = SETTINGS["relu"].replace(output_scale="standard")
SETTINGS["mean-and-constant"] = SETTINGS["relu"].replace(
    activation="softplus", center=False, target={"hermite": [0.5, 1.0]}, step_size=10.0, readout="constant"
)


@pytest.fixture(params=list(SETTINGS), name="solution")
def _solution(request):
    return Uniform(SETTINGS[request.param], rows=Rows.LEVELS)


def solved(equations, solution, ridge):
    """State of equations at a ridge, from the solution on."""
    start = solution.state.resolvent, solution.state.omega
    return equations.solve(np.asarray(ridge), start, positive=True)


def test_derivatives_are_exact(solution):
    """Implicit differentiation against central differences of the functional, in two directions."""
    state = solution.state
    ridge = solution.setting.ridge
    for direction in (np.ones_like(state.resolvent), state.resolvent**-2):
        h = 1e-5 * ridge / np.max(direction)
        ends = (solved(solution.equations, solution, ridge + step * direction) for step in (h, -h))
        up, down = map(solution.functional, ends)
        difference = (up - down) / (2 * h)
        # The difference loses about 1e-16 / 1e-5 of its digits.
        assert solution.functional_slope(state, direction) == pytest.approx(difference, rel=1e-7)


def test_equations_as_written(solution):
    """The two equations of section 4, written with loops and square roots as on the page."""
    equations, state = solution.equations, solution.state
    (channel,) = equations.channels
    p_a, p_q, m_1, noise = equations.a_weights, equations.q_weights, channel.functions, equations.noise
    omega, r = state.omega, state.resolvent
    h = np.sqrt(omega * p_a)[:, None] * m_1
    k = (h * (p_q * r)) @ h.T
    total, diagonal = np.zeros((p_a.size, p_a.size)), np.zeros(p_a.size)
    for s, weight in zip(channel.levels, channel.level_weights, strict=True):
        inner = np.linalg.inv(np.eye(p_a.size) + solution.setting.gamma * np.outer(s, s) * k)
        total += weight * np.outer(s, s) * inner
        diagonal += weight * np.diag(inner)
    ratio = solution.setting.ridge_ratio
    for j in range(p_q.size):
        e = ratio * np.sum(p_a * omega * noise[:, j])
        wanted = solution.setting.ridge + e + ratio * h[:, j] @ total @ h[:, j]
        assert r[j] * wanted == pytest.approx(1.0, abs=1e-10)  # the solver stops at 1e-12
    for a in range(p_a.size):
        wanted = 1 + np.sum(p_q * r * noise[a])
        wanted += (1 - diagonal[a]) / (solution.setting.gamma * omega[a] * p_a[a])
        assert omega[a] * wanted == pytest.approx(1.0, abs=1e-8)  # 1 - P cancels


def with_channel(solution, gamma):
    """The equations and the finite-rank part with one channel more, of other functions and dimension."""
    equations, finite = solution.equations, solution.finite_rank
    (channel,) = equations.channels
    second = dataclasses.replace(channel, functions=0.7 * channel.functions**2, gamma=gamma)
    more = dataclasses.replace(equations, channels=(channel, second))
    return more, dataclasses.replace(finite, equations=more)


def test_derivatives_of_several_channels(solution):
    """State and stiffness along a tangent against central differences."""
    equations, finite = with_channel(solution, 2.5)
    ridge = solution.setting.ridge
    low, centre, high = (solved(equations, solution, ridge * (1.0 + h)) for h in (-1e-5, 0.0, 1e-5))
    tangent = equations.tangent(centre, np.full(centre.resolvent.size, ridge))
    for name, slope in zip(("resolvent", "omega"), tangent, strict=True):
        difference = (getattr(high, name) - getattr(low, name)) / 2e-5
        assert slope == pytest.approx(difference, rel=1e-6, abs=1e-6 * np.abs(slope).max())
    assert_form_slope(finite, (low, centre, high), tangent)


def assert_form_slope(finite, states, tangent, step=1e-5):
    """Derivative of a quadratic form in ``J + S`` along a tangent against central differences."""
    low, centre, high = states
    vector = np.random.default_rng(0).standard_normal(finite.functions.shape[1])
    vector = vector / np.sqrt(finite.equal_rows(centre))
    ends = (vector @ finite.total(state) @ vector for state in (high, low))
    difference = np.subtract(*ends) / (2.0 * step)
    assert finite.form_slope(centre, tangent, vector) == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "tanh", "readout": "rademacher"},
        {"target": {"expression": "z1 + z1 * z2"}},
        {"covariance": {"eigenvalues": [0.5, 1.5], "proportions": [0.5, 0.5], "teacher": [0.3, 0.7]}},
        {"step_size": 0.0},
    ],
    ids=["relu", "one-block", "two-directions", "levels", "no-step"],
)
def test_derivatives_of_the_pencil(changes):
    """The same with the rows of a first batch, along a tangent that moves each sample by its own amount."""
    solution = Uniform(SETTINGS["relu"].replace(**changes))
    equations, centre, ridge = solution.equations, solution.state, solution.setting.ridge
    profile = ridge * np.random.default_rng(1).uniform(0.5, 1.5, centre.resolvent.size)
    low, high = (equations.solve(ridge + step * profile, centre, positive=True) for step in (-1e-5, 1e-5))
    assert_form_slope(solution.finite_rank, (low, centre, high), equations.tangent(centre, profile))


def test_noise_is_the_channel_of_infinite_dimension(solution):
    """To first order in the inverse dimension, at two of them; a channel of finite dimension is none."""
    equations = with_channel(solution, 1.0)[0]
    first, second = equations.channels
    energy = equations.noise + second.functions**2
    noise = dataclasses.replace(equations, channels=(first,), noise=energy)
    ridge = solution.setting.ridge
    wanted = solved(noise, solution, ridge).resolvent
    errors = []
    for gamma in (1.0, 1e-3, 1e-4):
        channels = (first, dataclasses.replace(second, gamma=gamma))
        got = solved(dataclasses.replace(equations, channels=channels), solution, ridge)
        errors.append(np.max(np.abs(got.resolvent / wanted - 1.0)))
    assert errors[0] > 1e-3  # negative control
    assert errors[2] < 1e-5
    assert errors[1] / errors[2] == pytest.approx(10.0, rel=0.05)


def test_spike_vectors_are_consistent(solution):
    """A profile evaluated anywhere must pass through its own nodes, and fill at most a unit vector."""
    spikes = solution.spikes()
    assert spikes
    grid = solution.grid
    for spike in spikes:
        left = spike.profile(grid.q)
        right = spike.right_profile(grid.law.nodes)
        h = np.array([np.ones_like(grid.q), grid.q, (grid.q**2 - 1) / np.sqrt(2)])
        norm = np.sqrt(h**2 @ grid.q_weights)  # one up to what a finite sample lacks
        assert h @ (grid.q_weights * left) / norm == pytest.approx(spike.feature[:3], abs=1e-8)
        assert grid.law.weights @ right == pytest.approx(spike.right_feature[0], abs=1e-8)
        assert grid.q_weights @ left**2 <= 1 + 1e-9
        assert grid.law.weights @ right**2 <= 1 + 1e-9


def test_residue_is_the_pole_of_the_functional(solution):
    """``T`` at a ridge just off a pole is dominated by the residue that the spike reports."""
    spike_pole = solution.upper.poles[0]
    z = spike_pole.point.eigenvalue
    finite, state = solution.finite_rank, spike_pole.point.state
    f = solution.grid.q
    labels = np.zeros((finite.functions.shape[0], f.size))
    labels[0] = f
    source = finite.source(state.resolvent, labels)
    residue = (source @ spike_pole.vector) ** 2 / spike_pole.slope
    delta = 1e-4 * z
    values = []
    for sign in (1, -1):
        start = (state.resolvent, state.omega)
        moved = solution.equations.solve(np.asarray(-(z + sign * delta)), start)
        moved_source = finite.source(moved.resolvent, labels)
        values.append(moved_source @ finite.response(moved, moved_source))
    # The regular part is even in delta, so it drops out of the difference up to delta / z = 1e-4.
    assert delta * (values[0] - values[1]) / 2 == pytest.approx(residue, rel=1e-3)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_uniform_tends_to_the_closed_form(activation):
    """The relative difference falls like ``theta^2``: slope 2 of its logarithm, here between 1.9 and 2.1."""
    steps = np.array([0.02, 0.04, 0.08, 0.16])
    base = rs.Setting(**SIZES, activation=activation, target=TARGET, step_size=1.0)
    for quantity in ("objective", "train"):
        differences = []
        for step in steps:
            setting = base.replace(step_size=float(step))
            closed = ClosedForm(setting)
            uniform = Uniform(setting, rows=Rows.LEVELS)
            exact = getattr(closed.losses(), quantity)
            differences.append(abs(getattr(uniform.losses(), quantity) / exact - 1))
        slope = np.polyfit(np.log(steps), np.log(differences), 1)[0]
        assert 1.9 < slope < 2.1, (quantity, differences)


def test_one_readout_node_is_cui():
    """One readout weight, rows alike in all directions: scalar equations, solved here by plain iteration.

    With ``c_2 = 0`` the matrix ``P`` of section 4 is a number, and the equations are those of Cui et al.
    (2024): a variance for each sample and one for the neurons.
    """
    setting = rs.Setting(
        **SIZES, activation="tanh", target="tanh", step_size=36.0, readout="constant", n_ridge=2500
    )
    solution = Uniform(setting, Features.ISOTROPIC)
    grid, weights = solution.grid, solution.grid.q_weights
    assert grid.law.nodes.tolist() == [1.0]
    m_1, noise = grid.linear[0], grid.second[0] - grid.mean[0] ** 2 - grid.linear[0] ** 2
    v = 1.0
    for _ in range(5000):
        p = 1.0
        for _ in range(50):
            r = 1 / (setting.ridge + setting.ridge_ratio * v * (noise + p * m_1**2))
            p = 1 / (1 + setting.gamma * v * (weights @ (r * m_1**2)))
        new = 1 / (1 + weights @ (r * (noise + p * m_1**2)))
        if abs(new / v - 1) < 1e-14:
            break
        v = new
    assert solution.state.omega[0] == pytest.approx(v, rel=1e-9)
    assert solution.state.resolvent == pytest.approx(r, rel=1e-9)


@pytest.mark.parametrize("step", [0.0, 1e-3, 1.0, 50.0, 150.0])
@pytest.mark.parametrize("ridge", [1e-6, 1e-2, 1e3])
@pytest.mark.parametrize("n_ridge", [200, 2000, 20000])
def test_declared_range_of_the_solver(step, ridge, n_ridge):
    """Step 0 to ``3 sqrt(N)``, ridge 1e-6 to 1e3, ``n_ridge / width`` 0.1 to 10: losses in their order."""
    setting = rs.Setting(
        n=3000, d=1500, width=2000, n_ridge=n_ridge, activation="relu", target=TARGET, noise_std=0.5,
        step_size=min(step, 3 * np.sqrt(2000)), ridge=ridge,
    )  # fmt: skip
    losses = Uniform(setting).losses()
    assert 0.0 <= losses.train <= losses.objective <= setting.label_energy * (1 + 1e-9)
    assert losses.test >= setting.noise_std**2


@pytest.mark.parametrize("wrong", [[1.0, 1.001], [0.999, 1.0]])
def test_a_wrong_edge_fails_its_certificate(wrong):
    """Negative control of the certificate: an edge a tenth of a per cent outside the spectrum.

    Its mass or its density gives it away.
    """
    solution = Uniform(SETTINGS["relu"])
    solution.evidence("bulk").check()
    spectrum = solution.spectrum
    spectrum.__dict__["bulk"] = dataclasses.replace(spectrum.bulk, edges=spectrum.bulk.edges * wrong)
    with pytest.raises(rs.ConvergenceError, match=r"density is not positive|has mass"):
        solution.evidence("bulk").check()
