"""Campaigns that are interrupted and resumed, and the files of a report."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_tools import strict
from refusals import refused
from small_case import case

from rmt_spikes.console.progress import Progress
from rmt_spikes.errors import CaseError, ConvergenceError, DomainError
from rmt_spikes.simulation import simulate
from rmt_spikes.theory.methods import Uniform
from rmt_spikes.validation import Report, validate
from rmt_spikes.validation.campaign import schedule, theories

SMALL: dict[str, Any] = {"figures": [], "negative_controls": [], "trials": 2, "claims": ["losses"]}


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_the_trials_are_those_of_simulate_and_rows_their_mean(small_report: tuple[Path, Report]) -> None:
    result = small_report[1].cases[0].points[1]
    observation = simulate(result.point.setting, trials=4, seed=result.point.seed)
    for ours, theirs in zip(result.trials, observation.trials, strict=True):
        assert ours.test == pytest.approx(theirs.test, rel=1e-12)
        assert ours.objective == pytest.approx(theirs.objective, rel=1e-12)
        np.testing.assert_allclose(ours.singular_values, theirs.singular_values, rtol=1e-9)
    for point in small_report[1].cases[0].points:
        (row,) = point.comparison.select("losses.train")
        assert row.observed == pytest.approx(np.mean([trial.train for trial in point.trials]), rel=1e-14)


def test_a_finished_run_is_not_simulated_again(
    small_report: tuple[Path, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(small_report[0], tmp_path / "copy")
    before = {path.name: path.read_bytes() for path in (copy / "figures").iterdir()}
    text, document = (copy / "report.md").read_bytes(), (copy / "report.json").read_bytes()
    monkeypatch.setattr(schedule, "run_trial", failing(AssertionError("simulated again")))
    validate(case(), out=copy)
    assert (copy / "report.json").read_bytes() == document
    assert (copy / "report.md").read_bytes() == text
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "0 trials simulated and 10 taken from the store" in page
    assert {path.name: path.read_bytes() for path in (copy / "figures").iterdir()} == before
    with pytest.raises(AssertionError, match="simulated again"):
        validate(case(trials=5), out=copy)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if (progress.stage, progress.done, progress.total) == ("simulating", 5, 8):
            raise KeyboardInterrupt

    plain = case(figures=[])
    straight = validate(plain, out=tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        validate(plain, out=tmp_path / "stopped", on_progress=stop)
    assert [p.done for p in seen if p.stage == "simulating"] == list(range(6))
    assert seen[0] == Progress("predicting", 0, 3, case="tiny")
    assert seen[-1].verdicts == {straight.cases[0].points[0].verdict: 1}
    assert not (tmp_path / "stopped" / "report.json").exists()
    seen.clear()
    resumed = validate(plain, out=tmp_path / "stopped", jobs=2, on_progress=seen.append)
    assert [p.done for p in seen if p.stage == "simulating"] == [5, 6, 7, 8]
    assert resumed.json.read_bytes() == straight.json.read_bytes()
    assert resumed.markdown.read_bytes() == straight.markdown.read_bytes()


def test_two_cases_share_a_report(tmp_path: Path) -> None:
    one, two = case(**SMALL), case(**SMALL, name="other", seed=9)
    report = validate([one, two], out=tmp_path)
    assert [case["name"] for case in report.to_dict()["cases"]] == ["tiny", "other"]
    with pytest.raises(CaseError, match="must differ"):
        validate([one, one], out=tmp_path)


def test_a_repetition_has_other_random_numbers(tmp_path: Path) -> None:
    results = [validate(case(**SMALL), out=tmp_path / str(i), repetition=i) for i in (0, 1)]
    seeds = [[point.point.seed for point in result.cases[0].points] for result in results]
    assert seeds == [[3, 4], [1_000_003, 1_000_004]]
    assert results[0].cases[0].points[0].trials[0].test != results[1].cases[0].points[0].trials[0].test
    command = results[1].to_dict()["provenance"]["command"]
    assert command == "rmt-spikes validate tiny.toml --out DIR --repetition 1"
    for wrong in (-1, True, 1.0):
        with pytest.raises(CaseError, match="repetition: must be an integer >= 0"):
            validate(case(**SMALL), out=tmp_path / "wrong", repetition=wrong)  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="seed: leaves no room for repetition 1"):
        validate(case(**SMALL, seed=2**63 - 9), out=tmp_path / "wrong", repetition=1)
    assert not (tmp_path / "wrong").exists()


def test_a_control_that_is_right_spoils_the_case(tmp_path: Path) -> None:
    """The "wrong" theory is the right one: a comparison that agreed with both would prove nothing."""
    idle = {"name": "right", "meaning": "m", "at": {"step_exponent": 0.1}, "features": "corrected"}
    loose = {"losses": {"coefficient": 1.0, "exponent": 0.0, "margin": 1.0, "reason": "a test"}}
    options: dict[str, Any] = {"figures": [], "claims": ["losses"], "tolerances": loose, "trials": 12}
    honest = validate(case(**options, negative_controls=[]), out=tmp_path)
    assert honest.verdict == "agrees"
    spoilt = validate(case(**options, negative_controls=[idle]), out=tmp_path)
    assert spoilt.verdict == "inconclusive"
    assert not spoilt.cases[0].controls[0].rejected


def test_a_setting_without_theory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = DomainError("output_scale", "must be covered", "standard")
    monkeypatch.setattr(theories, "predict", failing(refusal))
    with pytest.raises(CaseError) as caught:
        validate(case(), out=tmp_path)
    assert caught.value.key == "setting.output_scale"


@pytest.mark.parametrize(("field", "given"), [("case", 3), ("case", [3]), ("jobs", "two"), ("quick", "yes")])
def test_bad_arguments_are_refused(tmp_path: Path, field: str, given: Any) -> None:
    arguments = {"case": case(), field: given}
    with refused(field):
        validate(**arguments, out=tmp_path)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine", encoding="utf-8")
    with pytest.raises(CaseError, match="cannot be used as a folder"):
        validate(case(), out=tmp_path / "report")
    assert (tmp_path / "report").read_text(encoding="utf-8") == "mine"


def test_report_json(small_report: tuple[Path, Report]) -> None:
    folder, report = small_report
    text = (folder / "report.json").read_text(encoding="utf-8")
    document = strict(text)
    assert document == report.to_dict()
    assert document["schema"] == "rmt-spikes/report/3"
    assert document["verdict"] == report.verdict
    (only,) = document["cases"]
    assert [p["values"] for p in only["points"]] == [{"step_exponent": 0.1}, {"step_exponent": 0.4}]
    assert [p["seed"] for p in only["points"]] == [3, 4]
    assert {"latent", "losses", "bulk"} <= {row["claim"] for row in only["points"][0]["rows"]}
    assert only["points"][0]["prediction"]["schema"] == "rmt-spikes/prediction/2"
    assert all((folder / name).is_file() for name in only["figures"])
    assert document["provenance"]["command"] == "rmt-spikes validate tiny.toml --out DIR"
    assert str(folder) not in text


def test_a_report_is_a_value(small_report: tuple[Path, Report]) -> None:
    report = small_report[1]
    assert pickle.loads(pickle.dumps(report)) == report
    assert replace(report, cases=report.cases[:0]) != report
    assert repr(report).count("\n") < 20


def test_a_failed_prediction_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a part that is computed only when it is asked for."""
    unsolved = ConvergenceError("the equations were not solved", residual=1.0)
    monkeypatch.setattr(Uniform, "losses", failing(unsolved))
    report = validate(case(trials=2), out=tmp_path)
    assert report.verdict == "inconclusive"
    page = report.html.read_text(encoding="utf-8")
    assert "no prediction at step exponent 0.1: losses: the equations were not solved" in page


def test_a_failed_prediction_given_a_trial_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Uniform.spikes

    def fail_given(method: Uniform) -> Any:
        if method.given is not None:
            raise ConvergenceError("the equations were not solved", residual=1.0)
        return right(method)

    monkeypatch.setattr(Uniform, "spikes", fail_given)
    asked = case(figures=[], negative_controls=[], trials=3, given="first_stage", claims=["spikes"])
    report = validate(asked, out=tmp_path)
    rows = [row for point in report.cases[0].points for row in point.comparison.rows]
    assert {(row.given, row.missing) for row in rows} == {("none", 3)}
