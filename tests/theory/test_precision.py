"""Predictions to any number of digits: their enclosures, their errors, and what is refused."""

import dataclasses
import json
import math
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest
import reference
from flint import acb, arb, arb_poly, ctx, fmpq
from function_reference import REFERENCE
from refusals import refused

import rmt_spikes as rs
from rmt_spikes.functions.scalar import NamedFunction, function_from
from rmt_spikes.functions.table import NAMES, TABLE
from rmt_spikes.theory.bulk.balls import (
    enclosure,
    from_mpf,
    midpoint,
    power,
    square,
    working_digits,
)
from rmt_spikes.theory.bulk.certified_curve import CertifiedCurve, certified_roots
from rmt_spikes.theory.bulk.certified_edges import edge_error
from rmt_spikes.theory.methods.certified import solution
from rmt_spikes.theory.methods.certified.expansion import BallExpansion
from rmt_spikes.theory.methods.certified.functions import pair_at
from rmt_spikes.theory.methods.certified.moments import LatticeMoments, closed_form, refined_kinks
from rmt_spikes.theory.methods.certified.rules import gaussian_draws
from rmt_spikes.theory.quadrature_rules import gaussian_draws as double_draws

FAST = rs.Setting(
    n=300, d=150, width=200, activation="relu", target={"hermite": [0, 1, 0.7]}, ridge=0.01,
    step_exponent=0.4, readout="rademacher",
)  # fmt: skip

LOSSES = ("objective", "train", "test")


def function(name):
    return function_from(name, "activation")


@pytest.mark.parametrize(
    ("change", "options", "field"),
    [
        ({}, {"method": "uniform"}, "digits"),
        ({}, {"method": "limit"}, "digits"),
        ({}, {"digits": 15}, "digits"),
        ({}, {"digits": 301}, "digits"),
        ({}, {"digits": True}, "digits"),
        ({}, {"digits": 20.0}, "digits"),
        ({"output_scale": "standard"}, {}, "output_scale"),
    ],
)
def test_refusals(change, options, field):
    with refused(field):
        rs.predict(FAST.replace(**change), **({"digits": 30} | options))


def test_realisations_are_refused():
    small = FAST.replace(n=40, d=20, width=30)
    with pytest.raises(rs.DomainError, match="double precision"):
        rs.predict(small, digits=20, given=rs.simulate(small, trials=1, seed=0).latent)


def test_a_pole_that_so_many_digits_see_is_refused():
    """At 40, where a Gaussian density is 1e-348: double precision does not reach it, 200 digits do."""
    setting = FAST.replace(activation={"expression": "z + 1/(40 - z)"})
    assert rs.predict(setting, digits=16).losses.test > 0
    with pytest.raises(rs.ConvergenceError, match="200 digits"):
        rs.predict(setting, digits=200).compute()


def leaves(document):
    """Decimal strings of a document, with their places."""
    if not isinstance(document, dict | list):
        return {"": document}
    items = document.items() if isinstance(document, dict) else enumerate(document)
    return {f"{key}.{place}": leaf for key, item in items for place, leaf in leaves(item).items()}


@pytest.mark.parametrize("change", [{}, {"activation": "tanh", "readout": "constant", "n_ridge": 90}])
def test_more_digits_change_nothing(change):
    """Every number asked for in 20 digits is that of 45 digits, rounded: a difference of 1e-20 at most."""
    setting = FAST.replace(**change)
    few, many = (leaves(rs.predict(setting, digits=digits).to_dict()) for digits in (20, 45))
    assert few.keys() == many.keys()
    # No numbers, or bounds on numbers.
    others = ("setting", "schema", "method", "features", "given", "enclosures")
    compared = [k for k, value in few.items() if isinstance(value, str) and not k.startswith(others)]
    assert len(compared) > 50
    with mp.workdps(45):
        for place in compared:
            a, b = mp.mpf(few[place]), mp.mpf(many[place])
            assert abs(a - b) <= mp.mpf("1e-19") * max(abs(b), mp.mpf("1e-3")), place


def test_enclosures_are_nested():
    """Bounds from 16 digits hold for the numbers of 60."""
    loose, tight = rs.predict(FAST, digits=16), rs.predict(FAST, digits=60)
    with mp.workdps(60):
        for pair, values in zip(loose.bulk.enclosures, tight.bulk.edges, strict=True):
            for (low, high), value in zip(pair, values, strict=True):
                assert low <= value <= high
                assert 0 < high - low < 1e-20
        for name, (low, high) in loose.certificate.enclosures.items():
            assert low <= sum(tight.certificate.enclosures[name]) / 2 <= high
        # Printed ends are rounded outwards.
        printed = loose.to_dict()["enclosures"]
        low, high = loose.certificate.enclosures["kappa"]
        assert mp.mpf(printed["kappa"][0]) <= low < high <= mp.mpf(printed["kappa"][1])


def test_the_error_of_a_gaussian_readout_is_not_understated():
    """The nodes stop where the estimated error is below the digits: the same number from twice the digits."""
    few, many = (rs.predict(FAST.replace(readout="gaussian"), digits=digits) for digits in (16, 32))
    assert many.certificate.nodes > few.certificate.nodes
    error = max(abs(getattr(few.losses, name) / getattr(many.losses, name) - 1) for name in LOSSES)
    assert error <= few.certificate.error <= few.certificate.change
    assert few.certificate.error < 1e-16


@pytest.mark.parametrize(("step", "found"), [(0.0, "rounding errors"), (1e-9, "the quadrature")])
def test_rounding_is_told_from_a_quadrature_that_moves(monkeypatch, step, found):
    """Balls that are too wide and move no more ask for guard digits; those that move ask for nodes."""
    radius = arb("0.6e-21")  # below the 1e-21 that 20 digits need, but not twice
    counts = []

    def quantities(count):
        counts.append(count)
        return [arb(1 + step * count, radius)], [1.0]

    monkeypatch.setattr(solution, "BallClosedForm", lambda variables, count: count)
    monkeypatch.setattr(solution, "_quantities", quantities)
    with pytest.raises(rs.ConvergenceError, match=found) as caught:
        solution._converged(None, 20, 20)
    assert isinstance(caught.value, solution._RoundingError) is (step == 0.0)
    assert len(counts) == (2 if step == 0.0 else len(solution.NODES))


def test_the_double_prediction_has_the_same_keys_and_numbers():
    """24 nodes and double precision: measured 2e-12."""
    setting = FAST.replace(readout="gaussian")
    precise = rs.predict(setting, digits=16).to_dict()
    double = rs.predict(setting, method="closed_form").to_dict()
    assert double.keys() <= precise.keys()
    assert json.loads(json.dumps(precise)) == precise
    expected, found = leaves(double), leaves(precise)
    assert expected.keys() <= found.keys()
    for place, value in expected.items():
        if place.startswith(("bulk", "losses", "latent", "limits", "hermite")) and value is not None:
            assert float(found[place]) == pytest.approx(value, rel=1e-10, abs=1e-13), place


def test_the_bulk_integrates():
    """The distribution function is a closed form: here it is the integral of the density, and its inverse."""
    bulk = rs.predict(FAST.replace(n_ridge=150), digits=20).bulk
    low, high = bulk.edges[-1]
    with mp.workdps(20):
        a, b = low + (high - low) / 4, high - (high - low) / 4
        mass = mp.quad(bulk.density, [a, b])
        assert abs(bulk.cdf(b) - bulk.cdf(a) - mass) < 1e-15  # quad's own accuracy
        for p in (mp.mpf("0.5"), mp.mpf("0.9")):
            assert abs(bulk.cdf(bulk.quantile(p)) - p) < 1e-20
    assert bulk.quantile(0.2) == 0
    assert bulk.cdf(high + 1) == 1
    assert bulk.cdf(-1) == bulk.density(high + 1) == 0
    assert bulk.atom_at_zero == 0.25
    with pytest.raises(rs.DomainError):
        bulk.quantile(1.5)


def test_the_critical_step_is_where_the_spike_appears():
    spike = rs.predict(FAST, digits=25).spikes[0]
    critical = spike.critical_step_size
    at = rs.predict(FAST.replace(step_exponent=None, step_size=float(critical * 2)), digits=25)
    assert abs(at.spikes[0].critical_step_size / critical - 1) < 1e-23
    double = rs.predict(FAST, method="closed_form").spikes[0].critical_step_size
    assert float(critical) == pytest.approx(double, rel=1e-9)


def test_fuss_catalan_edge_is_enclosed():
    """``n = d = N`` and a linear activation: the squared edge is 27/4."""
    with working_digits(60):
        curve = CertifiedCurve(arb(1), arb(0), fmpq(1), fmpq(1))
        ((low, high),) = curve.edges
        assert low.is_zero()
        assert high.contains(fmpq(27, 4))
        assert float(high.rad()) < 1e-58
        assert not high.contains(fmpq(27, 4) + fmpq(1, 10**50))


def test_roots_that_cannot_be_told_apart_are_refused():
    with working_digits(30):
        apart = certified_roots(arb_poly.from_roots([1, arb("1.00001"), -3]))
        assert sum(root.real.contains(arb("1.00001")) for root in apart) == 1
        uncertain = arb(1, 1e-12)
        with pytest.raises(rs.ConvergenceError, match="told apart"):
            certified_roots(arb_poly([uncertain, -2, 1]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("relu", lambda e: (e.coefficient(2), 1 / (2 * mp.sqrt(2 * mp.pi)))),
        ("relu", lambda e: (e.derivative_variance, mp.mpf(1) / 4)),
        ("relu", lambda e: (e.tail, mp.mpf(1) / 4 - 1 / (2 * mp.pi))),
        ("erf", lambda e: (e.coefficient(1), 2 / mp.sqrt(3 * mp.pi))),
        ("erf", lambda e: (e.second_moment, 2 / mp.pi * mp.asin(mp.mpf(2) / 3))),
        ("erf", lambda e: (e.coefficient(3), -2 / (9 * mp.sqrt(3 * mp.pi)))),
        ("sin", lambda e: (e.second_moment, (1 - mp.exp(-2)) / 2)),
        ("gelu", lambda e: (e.offset, 1 / (2 * mp.sqrt(mp.pi)))),
    ],
)
def test_expansions_enclose_known_values(name, value):
    with working_digits(60):
        found, known = value(BallExpansion(function(name), True, 40))
        low, high = enclosure(found)
        beyond = mp.mpf("1e-45")  # what lies beyond the range of integration
        assert low - beyond <= known <= high + beyond
        assert high - low < 1e-40


@pytest.mark.parametrize("name", sorted(TABLE))
def test_elementary_functions_and_slopes(name):
    """Values against numpy, slopes against differences; a ball over a kink is not analytic."""
    row = TABLE[name]
    f = NamedFunction(name, ())
    with working_digits(30):
        for x in (0.3, 1.7) if row.domain != "real" else (-1.4, 0.3, 1.7):
            value, slope = (part.real for part in pair_at(f, acb(x)))
            assert float(value) == pytest.approx(float(f(np.array(x))), rel=1e-14)
            h = arb(10) ** -12
            ends = [pair_at(f, acb(x) + sign * h)[0].real for sign in (1, -1)]
            assert abs((ends[0] - ends[1]) / (2 * h) - slope) < 1e-11
        if row.kink:
            assert not pair_at(f, acb(0, 0) + acb(arb(0, 1), arb(0, 1)), True)[0].is_finite()


CLOSED = [*(name for name in NAMES if TABLE[name].mean is not None), {"hermite": [0.1, 1, 0.5]}]


@pytest.mark.parametrize("name", CLOSED, ids=str)
def test_lattice_rules_agree_with_closed_forms(name):
    f = function(name)
    with working_digits(45):
        rule = LatticeMoments(f, [arb(-2), arb(2)], [arb(1), arb("1.3")], 25)
        exact = closed_form(f)
        for m, t in (("0.7", "1.1"), ("-1.9", "1.3"), ("0", "1")):
            for a, b in zip(rule(arb(m), arb(t)), exact(arb(m), arb(t)), strict=True):
                assert abs(a - b).upper() < 1e-26


def test_moments_without_a_closed_form():
    """Against the literal quadrature, which is good to 30 digits."""
    m, t = mp.mpf("0.4"), mp.mpf("1.2")
    with working_digits(45):
        for name in ("tanh", "elu"):
            value = LatticeMoments(function(name), [arb(1)], [arb("1.2")], 25)(from_mpf(m), from_mpf(t))[0]
            kinks = [-m / t] if name == "elu" else []
            expected = reference.gaussian_mean(lambda z, f=REFERENCE[name]: f(t * z + m), kinks)
            assert abs(midpoint(value) - expected) < 1e-25


def test_kinks_are_found_to_all_digits():
    f = function({"expression": "abs(z**2 - 0.3) + z"})
    with working_digits(60):
        low, high = refined_kinks(f, 10.0)
        assert abs(high - (arb(3) / 10).sqrt()).upper() < 1e-58
        assert abs(low + (arb(3) / 10).sqrt()).upper() < 1e-58
        value, slope = pair_at(f, acb(arb(1) / 10))
        assert abs(value.real - arb("0.39")).upper() < 1e-58
        assert abs(slope.real - arb("0.8")).upper() < 1e-58


@pytest.mark.parametrize("draws", [8, 12, 2000])
def test_the_law_of_draws(draws):
    """Gauss quadrature of the cells: their points for few draws, the double rule for many."""
    with working_digits(30):
        rule = gaussian_draws(draws, 24, ctx.prec)
        energy = sum((w * x * x for x, w in zip(rule.nodes, rule.weights, strict=True)), arb(0))
        assert abs(energy - 1).upper() < 1e-25
        if draws < 24:
            for node, (x, _) in zip(rule.nodes, reference.law_of_draws(draws), strict=True):
                assert abs(midpoint(node) - x) < 1e-25
        nodes, weights = double_draws(draws, 24)
        assert [float(x) for x in rule.nodes] == pytest.approx(nodes.tolist(), abs=1e-12)
        assert [float(w) for w in rule.weights] == pytest.approx(weights.tolist(), abs=1e-12)


@pytest.mark.parametrize("n_ridge", [100, 200, 400])
def test_double_precision_keeps_its_digits_at_a_tiny_ridge(n_ridge):
    """Fewer, as many and more samples than neurons, at the smallest ridge allowed: measured 2e-15.

    With ``lambda / kappa`` as ``1 - r (1 - kappa g)`` in this order the error was 5e-5, 2e-11 and 2e-15.
    """
    setting = FAST.replace(n_ridge=n_ridge, ridge=1e-12, noise_std=0.5)
    exact, double = rs.predict(setting, digits=20), rs.predict_losses(setting, method="closed_form")
    for name in LOSSES:
        assert abs(getattr(double, name) / getattr(exact.losses, name) - 1) < 1e-13


def test_the_error_of_edges_is_certified():
    """Measured 3e-16; an edge that is wrong by 1e-9 is seen, and refused when wrong by 1e-5."""
    prediction = rs.predict(FAST, method="closed_form")
    assert 0 < prediction.certificate.edge_error < 1e-14
    expansion = FAST.activation_expansion
    c_12, tail, edges = expansion.linear**2, expansion.tail, prediction.bulk.edges
    assert edge_error(c_12, tail, FAST, edges * (1 + 1e-9)) == pytest.approx(1e-9, rel=1e-4)
    assert edge_error(c_12, tail, FAST, np.array([[0.1, 0.2], [0.3, 0.4]])) == math.inf
    wrong = dataclasses.replace(prediction.certificate, edge_error=1e-5)
    with pytest.raises(rs.ConvergenceError, match="edge"):
        wrong.check()


def test_powers_of_balls_around_zero():
    small = arb(0, 1e-20)
    assert square(small).contains(0)
    assert power(small, 3).is_finite()
    assert power(small, 0) == 1
    assert power(arb(-2), 3) == -8


def test_precision_is_restored():
    before = ctx.prec, mp.mp.prec
    rs.predict(FAST, digits=30)
    assert (ctx.prec, mp.mp.prec) == before


def test_the_command(tmp_path):
    (tmp_path / "setting.toml").write_text(
        'n=300\nd=150\nwidth=200\nactivation="relu"\ntarget={hermite=[0,1,0.7]}\nridge=0.01\nstep_size=2\n'
        'readout="constant"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "rmt_spikes.cli", "predict", "setting.toml", "--digits", "18"]
    shown, printed = (
        subprocess.run([*command, *extra], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for extra in ([], ["--json"])
    )
    document = json.loads(printed)
    assert document["digits"] == 18
    assert document["losses"]["objective"] in shown
    assert document["enclosures"]["kappa"][0] in shown
