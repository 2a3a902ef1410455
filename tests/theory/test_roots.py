"""Root finding and interpolation, against scipy's and against what is known in closed form."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from rmt_spikes.errors import ConvergenceError
from rmt_spikes.theory.numerics.interpolation import Monotone
from rmt_spikes.theory.numerics.roots import bracketed_root

FUNCTIONS = [
    (math.cos, 0.0, 3.0, math.pi / 2),
    (lambda x: x**3 - 2.0, 0.0, 5.0, 2.0 ** (1 / 3)),
    (lambda x: math.expm1(x - 40.0), 0.0, 50.0, 40.0),
    (lambda x: math.copysign(abs(x - 0.3) ** 0.2, x - 0.3), -1.0, 2.0, 0.3),
    (lambda x: x, -1.0, 0.0, 0.0),
    (lambda x: x, 0.0, 1.0, 0.0),
]


@pytest.mark.parametrize(("function", "low", "high", "root"), FUNCTIONS)
@pytest.mark.parametrize("ends", [(0, 1), (1, 0)], ids=["ascending", "descending"])
def test_roots(function, low, high, root, ends):
    low, high = ((low, high)[end] for end in ends)
    for xtol, rtol in ((1e-15, 8.9e-16), (1e-6, 1e-10)):
        found = bracketed_root(function, low, high, xtol=xtol, rtol=rtol)
        # The sign of a rounded value may change a few roundings beside the root itself.
        assert abs(found - root) <= xtol + (rtol + 1e-15) * abs(root)
        assert found == brentq(function, low, high, xtol=xtol, rtol=rtol)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x * x + 1.0, "no change of sign"),
        (lambda x: math.nan if x == 1.0 else x, "no value"),
        (lambda x: math.nan if abs(x) < 0.3 else x + 0.1, "no value"),
    ],
)
def test_a_function_without_a_root_between_its_ends_is_refused(function, message):
    with pytest.raises(ConvergenceError, match=message):
        bracketed_root(function, -1.0, 1.0, xtol=1e-12)


@pytest.mark.parametrize("count", [2, 3, 4, 11])
def test_interpolation_is_that_of_scipy(count):
    rng = np.random.default_rng(count)
    for _ in range(20):
        nodes = np.sort(rng.random(count))
        # Values of few digits: some neighbours are equal, and some turn.
        values = np.round(rng.standard_normal((count, 2)), 1)
        x = np.concatenate([nodes, 1.4 * rng.random(40) - 0.2])
        expected = PchipInterpolator(nodes, values)(x)
        # Beyond the ends cubics with slopes up to 1e3 amplify rounding.
        np.testing.assert_allclose(Monotone(nodes, values)(x), expected, rtol=1e-12, atol=1e-12)


def test_interpolation_goes_through_its_values_and_is_monotone():
    nodes, values = np.array([0.0, 1.0, 1.1, 4.0]), np.array([[0.0], [0.1], [5.0], [5.0]])
    table = Monotone(nodes, values)
    np.testing.assert_allclose(table(nodes), values, atol=1e-15)
    assert np.all(np.diff(table(np.linspace(0.0, 4.0, 401)), axis=0) >= -1e-14)


def test_the_command_predict_loads_no_library_that_it_does_not_use(tmp_path):
    setting = tmp_path / "setting.toml"
    setting.write_text(
        'n = 300\nd = 150\nwidth = 200\nactivation = "relu"\ntarget = {hermite = [0, 1]}\nridge = 0.1\n'
        "step_exponent = 0.4\n"
    )
    libraries = ("scipy.linalg", "scipy.optimize", "scipy.interpolate", "scipy.stats", "sympy", "flint")
    code = (
        "import sys\nfrom rmt_spikes.cli import app\n"
        f"try: app(['predict', {str(setting)!r}, '--json'], prog_name='rmt-spikes')\n"
        "except SystemExit: pass\n"
        f"print(sorted({{*{libraries}, 'matplotlib', 'jinja2', 'dask'}} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("{")
    assert result.stderr.splitlines()[-1] == "['scipy.linalg']"
