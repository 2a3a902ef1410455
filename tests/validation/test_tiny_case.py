"""One tiny case with everything in it, simulated and judged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import SETTING

from rmt_spikes.simulation import simulate
from rmt_spikes.theory import predict
from rmt_spikes.validation import Case
from rmt_spikes.validation.campaign.results import CaseResult
from rmt_spikes.validation.campaign.run import run
from rmt_spikes.validation.campaign.store import Store

EVERYTHING: dict[str, Any] = {
    "name": "everything",
    "title": "Everything",
    "seed": 4,
    "trials": 6,
    "precision": {"share": 0.2, "most_trials": 16},
    "claims": ["gradient", "latent", "losses", "improvement", "count", "spikes", "edge", "bulk_law"],
    "given": "both_batches",
    "given_trials": 5,
    "features": "first_orders",
    "setting": {**SETTING, "n": 200, "d": 100, "width": 140},
    "sweep": {"step_exponent": [0.48]},
    "negative_controls": [
        {"name": "no-inflation", "meaning": "m", "theory": "no_inflation"},
        {"name": "one-fewer", "meaning": "m", "theory": "one_spike_fewer", "quantities": ["spike_count"]},
        {"name": "no-step", "meaning": "m", "setting": {"step_size": 0.0}, "quantities": ["improvement.*"]},
    ],
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CaseResult:
    with Store(tmp_path_factory.mktemp("store") / "trials.sqlite") as store:
        return run(Case(**EVERYTHING), store)


def test_rows_are_what_they_say(result: CaseResult) -> None:
    (point,) = result.points
    # Trials are added up to the cap.
    assert len(point.trials) == point.comparison.trials == 16
    setting = point.point.setting
    trials = simulate(setting, trials=len(point.trials), seed=4).trials
    still = simulate(setting.replace(step_size=0.0), trials=len(point.trials), seed=4).trials
    assert [t.test for t in point.trials] == pytest.approx([t.test for t in trials], rel=1e-12)

    (gained,) = point.comparison.select("improvement.train")
    gains = [a.train - b.train for a, b in zip(still, trials, strict=True)]
    assert gained.observed == pytest.approx(np.mean(gains))
    before, after = (predict(s, features="first_orders") for s in (setting.replace(step_size=0.0), setting))
    assert gained.predicted == pytest.approx(before.losses.train - after.losses.train, rel=1e-12)
    assert gained.given == "none"

    (loss,) = point.comparison.select("losses.test")
    trials = trials[:5]
    given = [predict(setting, features="first_orders", given=t.latent).losses.test for t in trials]
    assert (loss.given, loss.trials, loss.missing) == ("both_batches", 5, 0)
    assert loss.predicted == pytest.approx(np.mean(given), rel=1e-9)
    difference = np.array([t.test for t in trials]) - given
    assert loss.se == pytest.approx(np.std(difference, ddof=1) / len(trials) ** 0.5, rel=1e-6)
    np.testing.assert_allclose(point.differences["losses.test"], difference, atol=1e-9)

    (gradient,) = point.comparison.select("gradient.rank_one_error")
    assert gradient.predicted == 0.0
    assert 0.05 < gradient.observed < 1.0
    (count,) = point.comparison.select("spike_count")
    assert (count.predicted, count.scale) == (2.0, 1.0)


def test_wrong_theories_see_the_same_trials(result: CaseResult) -> None:
    inflation, fewer, still = result.controls
    assert {row.given for row in inflation.comparison.rows if row.claim == "losses"} == {"both_batches"}
    assert {row.given for row in fewer.comparison.rows} == {"none"}
    assert fewer.rejected
    # Without a step nothing is gained, and the limits of what is gained are relative to the loss without.
    assert {row.predicted for row in still.comparison.rows} == {0.0}
    assert still.rejected
    (right,) = result.points[0].comparison.select("improvement.test")
    (wrong,) = (row for row in still.comparison.rows if row.quantity == "improvement.test")
    assert wrong.observed == right.observed


@pytest.mark.thorough
def test_the_result_is_a_document_and_the_executor_does_not_matter(
    result: CaseResult, tmp_path: Path
) -> None:
    document = result.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["given"] == "both_batches"
    assert {control["name"]: control["rejected"] for control in document["negative_controls"]}["one-fewer"]
    with Store(tmp_path / "trials.sqlite") as store:
        assert run(Case(**EVERYTHING), store, jobs=2).to_dict() == document


def test_sizes_are_scaled(tmp_path: Path) -> None:
    asked = Case(
        name="scaled",
        title="Scaled",
        trials=30,
        claims=["bulk_law", "latent"],
        setting={**SETTING, "step_size": 0.5},
        scaling={"n": [60, 120, 240], "error_rates": ["bulk_law.*"], "scatter_rates": ["latent.*"]},
    )
    with Store(tmp_path / "trials.sqlite") as store:
        result = run(asked, store)
    assert [point.point.setting.width for point in result.points] == [40, 80, 160]
    assert result.scaling is not None
    rates = {(fit.quantity, fit.kind): fit for fit in result.scaling.rates}
    fit = rates["bulk_law.wasserstein", "error"]
    assert fit.slope is not None
    # Between n = 60 and 240 the slope is not yet the limiting one; it is nearer to -1 than to -1/2.
    assert fit.slope < -0.75
    assert rates["latent.beta_norm2", "scatter"].n == (60, 120, 240)
