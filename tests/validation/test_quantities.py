"""Quantities of a comparison: which there are, and which of them trials show."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from refusals import refused
from synthetic import draw

import rmt_spikes as rs
from rmt_spikes.setting import Setting
from rmt_spikes.theory import Prediction, predict
from rmt_spikes.validation import compare
from rmt_spikes.validation.verdicts.claims import TOLERANCES, Claim
from rmt_spikes.validation.verdicts.compare import Evidence, measure
from rmt_spikes.validation.verdicts.quantities import quantities

SETTING = Setting(
    n=1800, d=900, width=1200, activation="relu", target={"hermite": [0.0, 1.0, math.sqrt(0.5)]},
    noise_std=0.5, ridge=0.01, step_exponent=0.4,
)  # fmt: skip


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return predict(SETTING)


def test_a_trial_without_a_vector_of_the_spike_is_left_out_and_counted(prediction: Prediction) -> None:
    """Spike 1 stands in its place where no vector is a sample's, and nowhere where all are."""
    trials = list(draw(prediction, 6, 0.01, seed=1).trials)
    recorded = len(trials[0].alignment)
    plain = [replace(trial, sample_alignment=np.zeros(recorded)) for trial in trials]
    lost = [replace(plain[0], sample_alignment=np.ones(recorded), alignment=0.0 * plain[0].alignment)]
    rows = {}
    for name, some in (("all", plain), ("lost", lost + plain[1:])):
        (rows[name], *_) = measure(prediction, Evidence(trials=some), [Claim.SPIKES], TOLERANCES)
    assert (rows["all"].trials, rows["all"].unseen) == (6, 0)
    assert (rows["lost"].trials, rows["lost"].unseen) == (5, 1)
    seen = [trial.singular_values[0] for trial in plain[1:]]
    assert rows["lost"].observed == pytest.approx(np.mean(seen), rel=1e-14)
    assert measure(prediction, Evidence(trials=lost * 3), [Claim.SPIKES], TOLERANCES) == []


@pytest.mark.parametrize(("expected", "rows"), [(0.1, 1), (0.9, 0)])
def test_the_edge_is_compared_where_samples_leave_it_alone(
    prediction: Prediction, expected: float, rows: int
) -> None:
    outliers = replace(prediction.outliers, expected_beyond_edge=expected)
    listed = quantities(prediction.replace(outliers=outliers), Claim.EDGE, 5)
    assert sum(each.path == "bulk.edge" for each in listed) == rows


def test_the_polynomial_of_a_spike_is_compared_up_to_its_degree() -> None:
    """The second spike of sin, which has no part of degree two, is that of degree three."""
    setting = Setting(
        n=1000, d=500, width=666, activation="sin", target={"hermite": [0, 1, 0, 0.2]}, noise_std=0.3,
        ridge=0.05, step_exponent=0.5,
    )  # fmt: skip
    odd = predict(setting)
    rows = [quantity.path for quantity in quantities(odd, Claim.ALIGNMENT, 5)]
    assert "spikes[1].alignment[3]" in rows
    assert "spikes[0].alignment[3]" not in rows


def test_an_atom_at_zero_is_compared_but_not_the_level_at_its_end() -> None:
    wide = predict(SETTING.replace(n_ridge=400))
    comparison = compare(wide, draw(wide, 4, 0.01, seed=7), claims=["bulk"])
    (row,) = comparison.select("bulk.quantiles[0.5]")
    assert (row.predicted, row.observed, row.se, row.z, row.verdict) == (0.0, 0.0, 0.0, None, "agrees")
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))["verdict"] == comparison.verdict
    # Half of the singular values are zero: the empirical median lies anywhere between zero and the rest.
    half = predict(SETTING.replace(n_ridge=SETTING.width // 2))
    levels = [row.quantity for row in compare(half, draw(half, 4, 0.01, seed=7), claims=["bulk"]).rows]
    assert "bulk.quantiles[0.5]" not in levels
    assert {"bulk.quantiles[0.25]", "bulk.quantiles[0.75]"} <= set(levels)


def test_more_spikes_than_vectors_are_left_out(prediction: Prediction) -> None:
    observation = draw(prediction, 3, 0.02, seed=9)
    short = tuple(replace(trial, alignment=trial.alignment[:1]) for trial in observation.trials)
    comparison = compare(prediction, replace(observation, trials=short))
    assert comparison.select("spikes[0].*")
    assert not comparison.select("spikes[1].*")


LAYER = Setting(
    n=200, d=60, width=100, activation="tanh", readout="rademacher", target="identity", ridge=0.1,
    step_size=5.0,
)  # fmt: skip


def test_the_trained_layer_is_compared_where_it_was_decomposed() -> None:
    """Each row from the singular values themselves; 40 of the 100 are zero, as there are 60 dimensions."""
    predicted = predict(LAYER)
    seen = rs.simulate(LAYER, trials=8, seed=4, weights=True)
    table = {row.quantity: row for row in compare(predicted, seen, claims=["weights"]).rows}
    values = np.array([np.append(trial.weights, np.zeros(40)) for trial in seen.trials])
    layer = predicted.weights
    assert layer.origin[:2] == ("learnt", "bulk")
    for k in range(4):
        row = table[f"weights.singular_values[{k}]"]
        assert (row.predicted, row.scale) == (layer.singular_values[k], layer.singular_values[k])
        assert row.observed == pytest.approx(values[:, k].mean(), rel=1e-12)
    share = table["weights.right_alignment[0]"]
    assert (share.predicted, share.scale) == (layer.right_alignment[0], 1.0)
    assert share.observed == pytest.approx(np.mean([trial.weights_alignment[0] for trial in seen.trials]))
    assert "weights.right_alignment[1]" not in table
    count = table["weights.outliers.expected_beyond_edge"]
    beyond = np.sum(values > layer.bulk.edges[-1, 1], axis=1) - 1.0
    assert (count.claim, count.observed) == (Claim.OUTLIERS, pytest.approx(beyond.mean()))
    middle = table["weights.bulk.quantiles[0.75]"]
    assert middle.observed == pytest.approx(np.quantile(values[:, 1:], 0.75, axis=1, method="hazen").mean())
    own = compare({"weights.singular_values[0]": share.predicted, "weights.right_alignment[0]": 0.9}, seen)
    assert {row.verdict for row in own.rows} == {"disagrees"}
    with refused("observation", "must have the trained layer", "weights=True"):
        compare(predicted, rs.simulate(LAYER, trials=2), claims=["weights"])
    with refused("prediction", "must have quantities that a trial shows"):
        compare({"weights.singular_values[0]": 1.0}, rs.simulate(LAYER, trials=2))
