"""Bulks that reach zero, and bulks in many pieces: densities at a hard edge, masses, gaps."""

from dataclasses import replace

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.bulk.interval import MASS_ERROR, Interval, careful_mass_error, mass_error, refinements
from rmt_spikes.theory.methods.uniform.density.missing import place_of_missing
from rmt_spikes.theory.methods.uniform.density.states import CutStates
from rmt_spikes.theory.methods.uniform.solution import Uniform

NEXT_TO_ZERO = (0.0, 1e-12, 1e-9, 1e-6, 1e-5)
SQUARE = {"n": 500, "d": 500, "width": 500, "target": "identity", "ridge": 0.1, "step_size": 0.0}


@pytest.mark.parametrize("options", [{"method": "uniform"}, {"method": "closed_form"}])
def test_a_hard_edge_has_a_finite_density(options):
    # Without a linear part features are noise of variance c^2: a quarter circle, 2 / (pi c) high at zero.
    # Next to zero it is an even function, so that 1e-4 of the edge away 2e-8 of it are missing.
    c = np.sqrt(1.0 - 2.0 / np.pi)
    density = rs.predict(rs.Setting(**SQUARE, activation="abs"), **options).bulk.density
    height, allowed = 2.0 / np.pi / c, 1e-7
    if options["method"] == "uniform":
        # Rows of a sample of squared norm d rho^2 have the variance c^2 rho^2: E[rho^-2]^(1/2) times as high.
        # It has degree two as a channel of its own, d (d + 1) / 2 - 1 dimensions wide.
        height, allowed = height * np.sqrt(SQUARE["d"] / (SQUARE["d"] - 2.0)), 3e-3
    assert density(NEXT_TO_ZERO) == pytest.approx(height, rel=allowed)
    assert np.ptp(density(NEXT_TO_ZERO)) < 1e-6
    assert density([-1e-9, np.nan]) == pytest.approx([0.0, np.nan], nan_ok=True)


def test_a_hard_edge_has_a_finite_density_to_many_digits():
    # In far more dimensions than rows, the inner products of a linear activation are noise to N / d.
    setting = rs.Setting(**SQUARE | {"d": 1_000_000_000}, activation="identity")
    density = rs.predict(setting, digits=20).bulk.density
    found = np.array([float(density(x)) for x in NEXT_TO_ZERO])
    assert found == pytest.approx(2.0 / np.pi, rel=1e-6)


@pytest.mark.parametrize("options", [{"method": "closed_form"}, {"digits": 20}])
def test_a_product_of_square_matrices_has_a_diverging_one(options):
    # The Fuss-Catalan distribution of order two: sqrt(3) / (2 pi) z^(-2/3) next to zero.
    density = rs.predict(rs.Setting(**SQUARE, activation="identity"), **options).bulk.density
    for x in (1e-12, 1e-9, 1e-6):
        assert float(density(x)) * x ** (1 / 3) == pytest.approx(np.sqrt(3.0) / np.pi, rel=2e-3)
    assert float(density(0.0)) == np.inf


def test_the_bulk_of_a_linear_network_stays():
    # A step moves its rows along one direction alone. With fewer dimensions than neurons couplings are
    # singular at a vanishing ridge, where the lowest edge is looked for otherwise.
    setting = rs.Setting(
        n=41188,
        d=17458,
        width=18169,
        activation="identity",
        target="abs",
        noise_std=1.0,
        ridge=0.002,
        step_exponent=0.4,
    )
    uniform, closed = (rs.predict(setting, method=method).bulk for method in ("uniform", "closed_form"))
    # The closed form neglects that samples differ in norm, by a relative variance of 2 / d.
    assert uniform.edges == pytest.approx(closed.edges, rel=2.0 / setting.d)
    levels = [0.1, 0.5, 0.9]
    assert uniform.quantile(levels) == pytest.approx(closed.quantile(levels), rel=2.0 / setting.d)


def semicircles(*parts):
    """Density of semicircles of given ends and masses."""

    def density(x):
        values = np.zeros_like(x)
        for low, high, mass in parts:
            inside = (x > low) & (x < high)
            roots = np.sqrt((x[inside] - low) * (high - x[inside]))
            values[inside] += mass * 8.0 / np.pi / (high - low) ** 2 * roots
        return values

    return density


def sums_over_nodes(width, mass, most):
    """Nodes, real errors of the mass and two estimates, of a semicircle with a small one at its lower end."""
    density = semicircles((0.1, 1.0, 1.0), (0.1, 0.1 + width, mass))
    for values, changes in refinements(density, Interval(0.1, 1.0)):
        error = abs(values.sum() * np.pi / (values.size - 1) - 1.0 - mass)
        yield error, mass_error(values, changes), careful_mass_error(values, changes)
        if values.size > most:
            return


def test_a_mass_that_changed_little_by_chance_is_seen():
    # Of changes alone the second error is ten times underestimated; the cosine series knows it.
    error, by_changes, careful = next(sums_over_nodes(0.1671312, 3e-3, 64))
    assert by_changes < MASS_ERROR < 5.0 * MASS_ERROR < error < careful
    found = [
        row for w in np.geomspace(1e-3, 0.3, 40) for m in (1e-4, 1e-3) for row in sums_over_nodes(w, m, 200)
    ]
    # What passes is right to twice the tolerance: no gap is known here, with one it is cut out first.
    assert all(error < 2.0 * MASS_ERROR for error, _, careful in found if careful < MASS_ERROR)
    assert not all(error < 2.0 * MASS_ERROR for error, by_changes, _ in found if by_changes < MASS_ERROR)


def in_pieces(index, **sizes):
    """Settings of a survey whose bulk was refused once."""
    hermite = {"hermite": [0.2, 1.0, 0.5, 0.2]}
    return [
        {
            "activation": hermite,
            "target": "relu",
            "noise_std": 1.0,
            "readout": "rademacher",
            "step_exponent": 0.5,
        },
        {
            "activation": "gelu",
            "target": "relu",
            "noise_std": 1.0,
            "readout": "constant",
            "step_exponent": 1 / 3,
        },
        {"activation": hermite, "target": "tanh", "noise_std": 0.1, "step_exponent": 0.4},
    ][index] | sizes


@pytest.mark.thorough
@pytest.mark.parametrize(
    "keywords",
    [
        in_pieces(0, n=43390, d=4878, width=81374, ridge=0.41),
        in_pieces(1, n=51559, d=1359299, width=65348, ridge=0.005),
        in_pieces(2, n=4096, d=7536, width=1499, ridge=1.9e-5),
    ],
    ids=["narrow gaps", "a kink", "far below the largest eigenvalue"],
)
def test_bulks_in_pieces_are_whole(keywords):
    prediction = rs.predict(rs.Setting(**keywords))
    bulk = prediction.bulk
    assert abs(bulk.mass - 1.0) < 1e-6
    assert np.all(np.diff(bulk.edges.ravel()) > 0.0)
    # Where two intervals meet there is no density, and inside each there is.
    gaps, middles = 0.5 * (bulk.edges[1:, 0] + bulk.edges[:-1, 1]), bulk.edges.mean(axis=1)
    assert np.all(bulk.density(gaps) == 0.0)
    assert np.all(bulk.density(middles) > 0.0)


def test_a_band_that_stands_apart_is_not_passed_over():
    """In few dimensions of many neurons the linear part has a band far above the rest.

    The closed form, which knows it without following a curve, neglects that rows grow, by 3e-5 here, and that
    samples differ in norm: measured 5 / d at the lowest edge.
    """
    setting = rs.Setting(
        n=104867,
        d=3824,
        width=855627,
        n_ridge=171627,
        activation="atan",
        target={"hermite": [0.8430983078225578, -0.432396728661532, -0.10481770490276343]},
        noise_std=1.0,
        ridge=0.009141557536073638,
        step_exponent=0.25,
        readout="rademacher",
    )
    uniform, closed = (rs.predict(setting, method=method) for method in ("uniform", "closed_form"))
    assert uniform.bulk.edges.shape == (2, 2)
    assert uniform.bulk.edges == pytest.approx(closed.bulk.edges, rel=8.0 / setting.d)
    assert len(uniform.spikes) == len(closed.spikes) == 0


@pytest.mark.parametrize("d", [12, 150])
def test_an_edge_behind_a_sharp_corner_is_that_of_the_density(d):
    """Of many neurons and few samples the curve turns within 1e-4: from above the axis there is no curve."""
    setting = rs.Setting(
        n=118, d=d, width=4168, n_ridge=23572, activation="gelu", target={"hermite": [0.675, -0.451]},
        noise_std=1.5, ridge=2e-6, step_size=126.0, readout="constant",
    )  # fmt: skip
    separated = Uniform(setting).spectrum.separated
    edge = separated.upper.edge.eigenvalue
    for factor, inside in ((1.0 + 1e-5, False), (1.0 - 1e-5, True)):
        states = CutStates(separated.problem.equations)
        assert states.physical(states.from_above(factor * edge)) == inside


def test_states_next_to_the_ends_of_a_gap_are_those_from_far_above():
    """From an edge along the imaginary arc, and down from above the axis: one resolvent by two ways."""
    keywords = {"n": 579, "d": 3595, "width": 2976, "activation": "gelu", "readout": "constant"}
    setting = rs.Setting(**keywords, target="tanh", ridge=1e-5, step_exponent=0.5)
    spectrum = rs.predict(setting).solution.spectrum
    equations, _ = spectrum._with_linear_norms
    middle = 0.485**2  # between the lowest bands
    ends = CutStates(equations).followed(middle, CutStates(equations).from_above(middle))
    for end, outside in zip(ends, (1.0 + 1e-6, 1.0 - 1e-6), strict=True):
        states = CutStates(equations)
        assert not states.physical(states.from_above(end.at * outside))
        assert states.physical(states.from_above(end.at / outside))
        states.enter(end)
        z = end.inside[0][0]
        ((at, _, found),) = states.around(z)[-1:]
        assert at == z
        expected = CutStates(equations).from_above(z)
        assert found.resolvent == pytest.approx(expected.resolvent, rel=1e-8)
        assert found.omega == pytest.approx(expected.omega, rel=1e-8)


@pytest.mark.parametrize("keywords", [{}, {"d": 900, "width": 150}])
def test_a_density_between_nodes_is_that_of_the_equations(keywords):
    """Rational interpolation against the equations at points between the nodes of the scan."""
    setting = rs.Setting(
        n=600, d=300, width=400, activation="relu", target={"hermite": [0.0, 1.0, 0.7]}, noise_std=0.3,
        ridge=0.01, step_exponent=0.4,
    ).replace(**keywords)  # fmt: skip
    cut = Uniform(setting).spectrum.cut
    assert cut.known
    low, high = np.sqrt(cut.states.bands[-1])
    x = low + (high - low) * (1.0 - np.cos(np.linspace(0.0, np.pi, 12)[1:-1])) / 2.0
    exact = replace(cut, interpolates=False).density(x)
    assert np.max(np.abs(cut.density(x) - exact)) < 1e-7 * np.max(exact)


NARROW_GAP = {"n": 628, "d": 6041, "width": 1840, "n_ridge": 628, "activation": "softplus", "noise_std": 0.5,
    "target": {"hermite": [0.2, 1.0, 0.5, 0.2]}, "ridge": 0.004354, "step_exponent": 1 / 3}  # fmt: skip
CUSPS = {"n": 90026, "d": 2162270, "width": 112148, "n_ridge": 90026, "activation": "mish", "target": "tanh",
    "ridge": 0.0352, "step_exponent": 0.5}  # fmt: skip


@pytest.mark.parametrize("keywords", [NARROW_GAP, CUSPS])
def test_a_density_is_that_of_the_equations_beside_narrow_gaps_and_cusps(keywords):
    """Interpolation across the gap of the first, 1e-3 wide, is wrong by a fifth of the density below it."""
    cut = Uniform(rs.Setting(**keywords, readout="constant")).spectrum.cut
    below, above = np.sqrt(cut.states.bands[-2:])
    assert below[1] < above[0] < 1.02 * below[1]
    for (low, high), angles in ((below, np.linspace(2.5, 3.1, 12)), (above, np.linspace(0.02, 0.4, 40))):
        x = low + (high - low) * np.sin(0.5 * angles) ** 2
        exact = replace(cut, interpolates=False).density(x)
        assert np.max(np.abs(cut.density(x) - exact)) < 1e-6 * np.max(exact)


def test_a_band_that_went_unseen_is_placed_at_its_mean_eigenvalue():
    sizes = {"n": 20_000, "d": 200, "width": 1000, "activation": "relu", "target": "relu"}
    solution = Uniform(rs.Setting(**sizes, ridge=0.1, step_size=0.0))
    whole, states = solution.bulk, solution.spectrum.cut.states
    low, high = whole.edges[0]
    angles = (np.arange(500) + 0.5) * np.pi / 500
    x = low + (high - low) * np.sin(0.5 * angles) ** 2
    density = whole.density(x) * np.sin(angles)
    part = replace(whole, edges=whole.edges[1:])
    place = place_of_missing(part, states)
    # To second order in the width of the band over the eigenvalue z, four times the upper edge.
    assert low**2 < place < high**2
    assert place == pytest.approx(np.sum(density * x**2) / np.sum(density), rel=0.03)
