"""Numbers of nodes of a Gaussian readout weight: rows that grow much need more of them.

Expected values are means of simulated networks, with their standard errors.
"""

import numpy as np
import pytest

import rmt_spikes as rs
from rmt_spikes.theory.methods.uniform import solution
from rmt_spikes.theory.methods.uniform.density import nodes
from rmt_spikes.theory.methods.uniform.norms.nodes import ProductNodes

WIDE = rs.Setting(
    n=673,
    d=68,
    width=647,
    activation="sin",
    target="identity",
    noise_std=0.5,
    ridge=0.006521609844850228,
    step_size=45.36220023483862,
)
WIDE_LOSSES = [0.06181157, 0.03780187, 0.77011977], [0.0080, 0.0104, 0.0054]
"""Objective, train and test losses of 100 networks, and their relative standard errors."""

STEEP = rs.Setting(
    n=480,
    d=240,
    width=320,
    activation="tanh",
    target={"hermite": [0, 1, 0.7]},
    noise_std=1.0,
    ridge=0.1,
    step_size=53.7,
)
STEEP_QUANTILES = [0.184271, 0.337556, 0.618543, 0.929324], [0.0030, 0.0025, 0.0027, 0.0023]
"""At the levels .25, .5, .75 and .9, of 64 networks."""


def losses(setting):
    found = rs.predict_losses(setting)
    return np.array([found.objective, found.train, found.test])


def quantiles(setting):
    bulk = rs.predict(setting).bulk
    return np.array([float(bulk.quantile(level)) for level in (0.25, 0.5, 0.75, 0.9)])


def excess(found, expected, allowed):
    """Largest distance, in what is allowed beside 2.5 standard errors."""
    mean, error = map(np.array, expected)
    return np.max(np.abs(found / mean - 1.0) - 2.5 * error) / allowed


@pytest.mark.filterwarnings("ignore::rmt_spikes.AccuracyWarning")
def test_the_pencil_of_losses_has_all_readout_nodes(monkeypatch):
    """Measured: -1.1, -1.1, -.1 %; of the wrong pencil -5.4, -6.5, -4.5 %."""
    assert excess(losses(WIDE), WIDE_LOSSES, 0.01) < 1.0
    few = ProductNodes(q=24, norm=5, readout=10, component=5, pencil=6, powers=2)
    monkeypatch.setattr(ProductNodes, "with_readout", lambda *_: few)
    assert excess(losses(WIDE), WIDE_LOSSES, 0.01) > 1.5


@pytest.mark.filterwarnings("ignore::rmt_spikes.AccuracyWarning")
def test_densities_have_more_readout_nodes_where_rows_grow_much(monkeypatch):
    """At a step of ``3 sqrt(N)``. Measured: -1.2 to -2.3 %; with eight nodes -4 to -6 %."""
    assert excess(quantiles(STEEP), STEEP_QUANTILES, 0.025) < 1.0
    monkeypatch.setitem(nodes.DENSITY_NODES, 1, (((8,), 1.0),) * 3)
    assert excess(quantiles(STEEP), STEEP_QUANTILES, 0.025) > 1.5


def test_what_nodes_leave_out_is_in_the_error_bar():
    """With two blocks of the pencil at most ten nodes are taken."""
    far = {
        "activation": "relu",
        "n": 480,
        "d": 240,
        "width": 320,
        "ridge": 0.1,
        "target": {"hermite": [0, 1, 0.7]},
    }
    near, much = (rs.Setting(**far, step_size=step * 320**0.5) for step in (0.5, 10.0))
    lost = [solution.Uniform(setting=each).spectrum.lost_coupling for each in (near, much)]
    assert lost[0] == 0.0
    assert lost[1] > 0.01
    assert rs.predict(much).bulk.error > 0.05 > 3.0 * rs.predict(near).bulk.error
