"""Covariances estimated from data of known covariance."""

import numpy as np
import pytest
from refusals import refused

import rmt_spikes as rs


def sample(seed, n, d, eigenvalues, proportions, teacher, center=0.0):
    """Gaussian inputs in a rotated basis, labels of one direction, with noise."""
    rng = np.random.default_rng(seed)
    counts = np.round(np.array(proportions) * d).astype(int)
    parts = [rng.standard_normal(count) for count in counts]
    b = np.concatenate([np.sqrt(w) * v / np.linalg.norm(v) for w, v in zip(teacher, parts, strict=True)])
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    x = rng.standard_normal((n, d)) * np.sqrt(np.repeat(eigenvalues, counts))
    u = x @ b / np.sqrt(np.dot(teacher, eigenvalues))
    return center + 2.0 * x @ rotation, center + np.tanh(u) + 0.5 * u**2 + 0.3 * rng.standard_normal(n)


CASES = [
    (800, 400, [0.5, 2.5], [0.75, 0.25], [0.6, 0.4]),
    (300, 400, [0.5, 2.5], [0.75, 0.25], [0.6, 0.4]),
    (2000, 300, [0.2, 1.0, 3.0], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]),
]


@pytest.mark.parametrize("case", CASES)
def test_moments_are_those_of_the_population(case):
    """Second and third moments scatter by 0.3 and 0.7 % in 20 samples, by 0.9 and 2.5 % with n below d."""
    n, d, eigenvalues, proportions, _ = case
    x, y = sample(1, *case, center=5.0)
    found = rs.Covariance.from_data(x, y).in_dimension(d)
    for k, scatter in ((2, 0.0035), (3, 0.0068)):
        exact = np.dot(proportions, np.array(eigenvalues) ** k)
        allowed = 4 * scatter * (1 if n > d else 4)
        assert found.proportions @ found.eigenvalues**k == pytest.approx(exact, rel=allowed)
    # Negative control: eigenvalues of the sample covariance have the second moment <l^2> + d/n.
    values = np.linalg.eigvalsh(np.cov(x.T)) / 4
    exact = np.dot(proportions, np.array(eigenvalues) ** 2)
    assert abs(np.mean(values**2) / exact - 1) > 0.06


def test_isotropic_data_are_isotropic():
    x, y = sample(2, 600, 300, [1.0], [1.0], [1.0])
    found = rs.Covariance.from_data(x, y)
    assert np.dot(found.proportions, np.square(found.eigenvalues)) == pytest.approx(1.0, abs=0.03)


def test_shares_are_right_on_average():
    """Shares of one sample scatter by .13, measured in 20: the mean of 24 within three standard errors."""
    shares = []
    for seed in range(24):
        found = rs.Covariance.from_data(*sample(10 + seed, 400, 200, [0.5, 2.5], [0.75, 0.25], [0.6, 0.4]))
        shares.append(np.dot(found.teacher, np.array(found.eigenvalues) > 1.5))
    assert abs(np.mean(shares) - 0.4) < 3 * 0.13 / 24**0.5
    # Negative control: a teacher that lies as every other direction.
    assert abs(np.mean(shares) - 0.25) > 2 * 0.13 / 24**0.5


def test_it_is_a_covariance_of_a_setting():
    x, y = sample(3, 400, 100, [0.5, 2.5], [0.75, 0.25], [0.6, 0.4])
    covariance = rs.Covariance.from_data(x, y)
    sizes = {"n": 400, "d": 100, "width": 80}
    functions = {"activation": "relu", "target": "identity"}
    setting = rs.Setting(**sizes, **functions, ridge=0.1, step_size=1.0, covariance=covariance)
    assert rs.Setting.from_dict(setting.to_dict()) == setting
    assert rs.simulate(setting, trials=1).trials[0].test > 0


def test_what_is_no_data_is_refused():
    x, y = sample(3, 40, 10, [1.0], [1.0], [1.0])
    with refused("X", "at least 20 samples, got 12"):
        rs.Covariance.from_data(x[:12], y[:12])
    with refused("y", "of shape (40,)"):
        rs.Covariance.from_data(x, y[:30])
    with refused("X", "must not be constant"):
        rs.Covariance.from_data(np.ones((40, 10)), y)
    with refused("y", "must not be constant"):
        rs.Covariance.from_data(x, np.ones(40))
