"""Numbers of a user's own against a simulation."""

import math
import re

import numpy as np
import pytest
from refusals import refused
from synthetic import draw

import rmt_spikes as rs
from rmt_spikes.validation.verdicts.claims import Claim
from rmt_spikes.verdict import Verdict

SETTING = rs.Setting(
    n=1800, d=900, width=1200, activation="relu", target={"hermite": [0.0, 1.0, math.sqrt(0.5)]},
    noise_std=0.5, ridge=0.01, step_exponent=0.4,
)  # fmt: skip
TRIALS = 16


@pytest.fixture(scope="module")
def prediction():
    return rs.predict(SETTING, method="closed_form")


@pytest.fixture(scope="module")
def observation(prediction):
    return draw(prediction, TRIALS, 0.01, 4)


def numbers_of(prediction):
    """What a prediction says, under the names of own numbers."""
    numbers = {f"losses.{k}": getattr(prediction.losses, k) for k in ("objective", "train", "test")}
    numbers |= {
        name: getattr(prediction.latent, name[7:]) for name in ("latent.beta_norm2", "latent.beta_cosine")
    }
    for i, spike in enumerate(prediction.spikes):
        numbers[f"spikes[{i}].singular_value"] = spike.singular_value
        for claim in ("alignment", "right_alignment", "feature"):
            numbers |= {f"spikes[{i}].{claim}[{k}]": getattr(spike, claim)[k] for k in range(5)}
    quantiles = prediction.bulk.to_dict()["quantiles"]
    numbers |= {f"bulk.quantiles[{level}]": value for level, value in quantiles.items()}
    return numbers | {"bulk.edge": prediction.bulk.edges[-1, 1], "spike_count": len(prediction.spikes)}


def test_the_numbers_of_a_prediction_have_its_rows(prediction, observation):
    claims = [
        Claim.LATENT, Claim.LOSSES, Claim.SPIKES, Claim.ALIGNMENT, Claim.RIGHT_ALIGNMENT, Claim.FEATURE,
        Claim.BULK, Claim.EDGE, Claim.COUNT,
    ]  # fmt: skip
    whole = {row.quantity: row for row in rs.compare(prediction, observation, claims=claims).rows}
    own = {row.quantity: row for row in rs.compare(numbers_of(prediction), observation).rows}
    assert own.keys() >= whole.keys()
    for name, row in whole.items():
        shared = ("claim", "predicted", "observed", "se", "allowance", "margin", "p_value")
        assert [getattr(own[name], each) for each in shared] == pytest.approx(
            [getattr(row, each) for each in shared]
        ), name
    assert rs.compare(numbers_of(prediction), observation).verdict == "agrees"


@pytest.mark.parametrize("name", ["losses.test", "spikes[0].singular_value", "spikes[1].alignment[2]"])
def test_a_wrong_number_disagrees(prediction, observation, name):
    right = numbers_of(prediction)[name]
    assert rs.compare({name: right}, observation).rows[0].verdict is Verdict.AGREES
    assert rs.compare({name: 0.7 * right}, observation).rows[0].verdict is Verdict.DISAGREES


def test_an_own_error_takes_the_place_of_the_allowance(prediction, observation):
    wrong = 0.9 * numbers_of(prediction)["losses.test"]

    def row(given):
        return rs.compare({"losses.test": given}, observation).rows[0]

    assert row(wrong).verdict is Verdict.DISAGREES
    generous, exact = row((wrong, 0.3 * wrong)), row((wrong, 0.0))
    assert generous.verdict is Verdict.AGREES
    assert generous.allowance == generous.margin == pytest.approx(0.3 * wrong)
    assert exact.verdict is Verdict.DISAGREES
    assert exact.allowance == 0.0
    assert exact.margin == row(wrong).margin


def test_a_feature_has_the_sign_that_is_closest(prediction, observation):
    numbers = {f"spikes[1].feature[{k}]": -prediction.spikes[1].feature[k] for k in range(5)}
    assert rs.compare(numbers, observation).verdict == "agrees"
    numbers["spikes[1].feature[0]"] *= -1.0
    assert rs.compare(numbers, observation).verdict == "disagrees"


def test_comparisons_of_own_numbers_are_values(observation, tmp_path):
    comparison = rs.compare({"losses.test": np.float64(2.0), "losses.train": np.array(1.0)}, observation)
    comparison.save(tmp_path / "own.json")
    assert rs.Comparison.load(tmp_path / "own.json") == comparison


@pytest.mark.parametrize(
    ("changes", "mention"),
    [
        ({"schema": "x"}, "schema: must be rmt-spikes/comparison/3, got 'x'"),
        ({"verdict": "agrees with 7 known exceptions"}, "verdict: must be that of the rows"),
        ({"trials": -1}, "trials: "),
        ({"confidence": -1.0}, "confidence: "),
        ({"rows": [{}]}, "must be a comparison as `save` wrote it, got one with rows.0"),
    ],
)
def test_damaged_documents_are_refused(observation, changes, mention):
    document = rs.compare({"losses.test": 2.0}, observation).to_dict()
    assert rs.Comparison.from_dict(document).to_dict() == document
    with pytest.raises(rs.DomainError, match=re.escape(mention)):
        rs.Comparison.from_dict({**document, **changes})
    with pytest.raises(rs.DomainError, match="document: must be a dictionary"):
        rs.Comparison.from_dict(None)


@pytest.mark.parametrize(
    ("numbers", "field", "mentions"),
    [
        ({}, "prediction", ("mapping",)),
        (3.0, "prediction", ("predict",)),
        ({"losses.tset": 2.0}, "prediction", ("losses.*", "did you mean 'losses.test'?")),
        ({3: 2.0}, "prediction", ("losses.*",)),
        ({"losses.test": "2"}, "prediction[losses.test]", ("number",)),
        ({"losses.test": math.nan}, "prediction[losses.test]", ("nan",)),
        ({"losses.test": (2.0, -0.1)}, "prediction[losses.test]", ("error", "-0.1")),
        ({"losses.test": (2.0, math.nan)}, "prediction[losses.test]", ("error",)),
        ({"losses.test": (2.0, 0.1, 3)}, "prediction[losses.test]", ("number",)),
        ({"spikes[7].singular_value": 2.0}, "prediction", ("record 5 vectors",)),
        ({"spikes[0].alignment[5]": 0.1}, "prediction", ("alignment[k]",)),
        ({"bulk.quantiles[1.5]": 0.1}, "prediction", ("quantiles[p]",)),
        ({"spike_count": 2}, "prediction", ("bulk.edge",)),
        ({"spike_count": 1e9, "bulk.edge": 1.0}, "prediction", ("record",)),
    ],
)
def test_what_cannot_be_compared_is_refused(observation, numbers, field, mentions):
    with refused(field, *mentions):
        rs.compare(numbers, observation)


def test_own_numbers_have_no_claims(observation):
    with refused("claims", "None"):
        rs.compare({"losses.test": 2.0}, observation, claims=["losses"])
    with refused("observation", "simulate"):
        rs.compare({"losses.test": 2.0}, 3.0)
