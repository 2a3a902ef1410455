"""Case files: what they declare, and what is refused."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from layout_rules import toml_blocks
from small_case import CASE, PLAIN, SETTING, case

from rmt_spikes.errors import CaseError, DomainError
from rmt_spikes.functions.table import TABLE
from rmt_spikes.setting import Setting
from rmt_spikes.validation import Case
from rmt_spikes.validation.cases.case import built_in_cases
from rmt_spikes.validation.verdicts.claims import TOLERANCES, Claim
from rmt_spikes.validation.verdicts.controls import WRONG_THEORIES

ROOT = Path(__file__).parents[2]
ACTIVATIONS = Case.built_in("activations").sweep["activation"]
STEADY = {**SETTING, "step_exponent": 0.3}
RANGE = {"start": 0.0, "stop": 0.4, "points": 2}
KNOWN = {"quantities": ["*"], "size": 0.1, "reason": "x", "link": "y"}
SCALED: dict[str, Any] = {**PLAIN, "setting": STEADY, "sweep": {}}


def control(**changes: Any) -> dict[str, Any]:
    return {"negative_controls": [{**CASE["negative_controls"][0], **changes}]}


FOLDER = ROOT / "rmt_spikes" / "validation" / "cases" / "built_in"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def test_built_in_cases_are_known_by_name() -> None:
    assert set(built_in_cases()) == set(NAMES)
    assert built_in_cases()[0] == "headline"
    assert Case.built_in() == Case.load(FOLDER / "headline.toml")
    with pytest.raises(CaseError, match="must be a built-in case or a file"):
        Case.built_in("../secrets")


@pytest.mark.parametrize("name", NAMES)
def test_a_declared_case_can_fail(name: str) -> None:
    declared = Case.load(FOLDER / f"{name}.toml")
    assert declared.name == name
    assert declared.negative_controls
    assert declared.description
    assert declared.quick is not None
    quick = declared.quickened()
    costs = [sum(p.setting.n**3 * p.trials for p in each.points()) for each in (quick, declared)]
    assert costs[0] < costs[1]


def test_the_declared_cases_cover_what_they_must() -> None:
    cases = [Case.load(FOLDER / f"{name}.toml") for name in NAMES]
    assert {claim for each in cases for claim in each.claims} == set(Claim)
    controls = [control for each in cases for control in each.negative_controls]
    assert {control.theory for control in controls} - {None} == set(WRONG_THEORIES)
    settings = [point.setting for each in cases for point in each.points()]
    assert {s.activation for s in settings if isinstance(s.activation, str)} == set(ACTIVATIONS)
    assert {s.readout for s in settings} >= {"gaussian", "constant"}
    assert {s.output_scale for s in settings} == {"mean_field", "standard"}
    assert {s.center for s in settings} == {True, False}
    assert any(s.n_ridge != s.n for s in settings)
    assert any(s.width > s.n_ridge for s in settings)
    assert any(s.target_expansion.mean != 0.0 for s in settings)
    assert any(s.step == 0.0 for s in settings)
    assert sum(each.scaling is not None for each in cases) >= 3
    assert {each.given for each in cases} == {"none", "first_stage", "both_batches"}
    # The second feature and the two-spike loss, published against corrected.
    for name in ("second-feature", "two-spike-loss", "improvement-two-spikes"):
        found = Case.load(FOLDER / f"{name}.toml").negative_controls
        assert any(c.features == "published" or c.theory == "no_inflation" for c in found)


def test_every_activation_that_can_be_trained_is_there() -> None:
    """The list of the case is that of all names for which a setting is accepted."""
    accepted = set()
    for name in TABLE:
        with suppress(DomainError):
            Setting(**{**SETTING, "activation": name, "step_size": 1.0})
            accepted.add(name)
    assert accepted == set(ACTIVATIONS)


def test_the_headline_case_is_as_declared() -> None:
    headline = Case.built_in()
    points = headline.points()
    assert [p.values["step_exponent"] for p in points] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5]
    assert len({p.seed for p in points}) == 7
    for point in points:
        setting = point.setting
        assert (setting.phi, setting.psi, setting.ridge, setting.noise_std) == (0.5, 0.75, 0.01, 0.5)
        assert setting.step == setting.n ** point.values["step_exponent"]
        assert setting.label_energy == pytest.approx(1.0 + 0.5 * 2.0 + 0.25)
    assert {figure.kind for figure in headline.figures} == {"spectrum", "losses", "features"}
    assert "published" in {control.features for control in headline.negative_controls}


def test_points_are_all_combinations() -> None:
    swept = case(sweep={"ridge": [0.1, 0.2], "step_size": [1.0, 2.0, 3.0]}, negative_controls=[], figures=[])
    points = swept.points()
    assert [tuple(p.values.values()) for p in points][:4] == [(0.1, 1.0), (0.1, 2.0), (0.1, 3.0), (0.2, 1.0)]
    assert [p.seed for p in points] == [3, 4, 5, 6, 7, 8]
    assert (points[4].setting.ridge, points[4].setting.step) == (0.2, 2.0)
    # A swept step replaces the one of the setting.
    swept = case(setting={**SETTING, "step_size": 1.0})
    assert [p.setting.step_exponent for p in swept.points()] == [0.1, 0.4]


def test_a_range_is_a_list_of_values() -> None:
    log = {"start": 0.01, "stop": 1.0, "points": 3, "spacing": "log"}
    swept = case(**{**SCALED, "sweep": {"ridge": log}})
    assert [p.setting.ridge for p in swept.points()] == [0.01, 0.1, 1.0]
    swept = case(sweep={"step_exponent": {"start": 0.1, "stop": 0.4, "points": 4}})
    assert [p.setting.step_exponent for p in swept.points()] == [0.1, 0.2, 0.3, 0.4]


def test_sizes_stay_in_proportion() -> None:
    scaled = case(**SCALED, scaling={"n": [60, 120, 240], "trials": [9, 6, 3]})
    points = scaled.points()
    sizes = [(p.setting.n, p.setting.d, p.setting.width, p.setting.n_ridge) for p in points]
    assert sizes == [(60, 30, 40, 60), (120, 60, 80, 120), (240, 120, 160, 240)]
    assert [p.trials for p in points] == [9, 6, 3]
    assert [dict(p.values) for p in points] == [{"n": 60}, {"n": 120}, {"n": 240}]
    assert len({p.seed for p in points}) == 3


def test_quick_is_smaller() -> None:
    quick = case().quickened()
    assert quick.trials == 2
    assert {p.setting.n for p in quick.points()} == {60}
    drawn = [figure for figure in quick.figures if figure.kind != "losses"]
    assert {p.setting.width for figure in drawn for p in quick.figure_points(figure)} == {40}
    plain = case(quick=None)
    assert plain.quickened() is plain


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": "Not A Name"}, "name"),
        ({"trials": 1}, "trials"),
        ({"trials": 2.5}, "trials"),
        ({"trials": True}, "trials"),
        ({"seed": -1}, "seed"),
        ({"claims": []}, "claims"),
        ({"claims": ["loss"]}, "claims.0"),
        ({"family_rate": 2}, "family_rate"),
        ({"unknown": 1}, "unknown"),
        ({"setting": {**SETTING, "n": -5}}, "setting.n"),
        ({"setting": {**SETTING, "nn": 5}}, "setting.nn"),
        ({"setting": 3}, "setting"),
        ({"sweep": {"step_exponent": []}}, "sweep.step_exponent"),
        ({"sweep": {"ridge": [1.0]}}, "setting.step_size"),
        ({"sweep": {"step_exponent": [0.1, "a"]}}, "setting.step_exponent"),
        ({"sweep": {"step_exponent": [0.1] * 1001}}, "sweep"),
        ({"sweep": {"step_exponent": {"start": 0.0, "stop": 0.4}}}, "sweep.step_exponent.points"),
        ({"sweep": {"step_exponent": {**RANGE, "spacing": "log"}}}, "sweep.step_exponent.start"),
        ({"sweep": {"step_exponent": "0.1"}}, "sweep.step_exponent"),
        ({"tolerances": {"losses": {"margin": 0.0}}}, "tolerances.losses.margin"),
        ({"tolerances": {"losses": {"allowance": 0.2}}}, "tolerances.losses.allowance"),
        ({"tolerances": {"losses": {"coefficient": 20.0}}}, "tolerances.losses.reason"),
        ({"tolerances": {"shape": {"margin": 0.1}}}, "tolerances.shape.[key]"),
        ({"precision": {"share": 0.2}}, "precision.most_trials"),
        ({"precision": {"share": 1.5, "most_trials": 10}}, "precision.share"),
        ({"given": "everything"}, "given"),
        ({"method": "limit", "given": "first_stage"}, "given"),
        ({"given_trials": 5}, "given_trials"),
        ({"scaling": {"n": [100, 200, 400]}}, "scaling"),
        ({**SCALED, "scaling": {"n": [100, 200]}}, "scaling.n"),
        ({**SCALED, "scaling": {"n": [100, 400, 200]}}, "scaling.n"),
        ({**SCALED, "scaling": {"n": [100, 200, 400], "trials": [3, 3]}}, "scaling.trials"),
        ({**SCALED, "quick": {"trials": 2, "sweep": {"ridge": [1.0]}}}, "quick.sweep.ridge"),
        ({"quick": {"trials": 2, "n": [50, 100, 200]}}, "quick.n"),
        ({"quick": {"trials": 2, "sweep": {"step_exponent": [0.1]}}}, "negative_controls.0.at"),
        ({"exceptions": [{"quantities": ["*"], "size": 0.1, "reason": "why"}]}, "exceptions.0.link"),
        ({"exceptions": [{**KNOWN, "size": 0.0}]}, "exceptions.0.size"),
        ({"exceptions": [{**KNOWN, "at": {"n": 3}}]}, "exceptions.0.at"),
        (control(at={"step_exponent": 0.3}), "negative_controls.0.at"),
        (control(at={}), "negative_controls.0.at"),
        (control(features="x"), "negative_controls.0.features"),
        (control(theory="no_inflation"), "negative_controls.0.theory"),
        (control(setting={}, theory="flat_earth"), "negative_controls.0.theory"),
        (control(setting={}), "negative_controls.0.theory"),
        ({"figures": [{"kind": "pie"}]}, "figures.0"),
        ({"figures": [{"kind": "losses", "against": "ridge"}]}, "figures.0.against"),
        ({"figures": [{"kind": "features", "setting": {"d": 0}}]}, "setting.d"),
        ({"quick": {"trials": 2, "setting": {"ridge": -1}}}, "setting.ridge"),
    ],
)
def test_a_bad_case_is_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(CaseError) as caught:
        case(**changes)
    assert caught.value.key == key
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("text", ["", "\x00", "name = ", "a = " + "[" * 5000 + "]" * 5000])
def test_a_file_that_is_no_case_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaseError) as caught:
        Case.load(path)
    assert caught.value.file == str(path)
    with pytest.raises(CaseError, match="absent"):
        Case.load(tmp_path / "absent.toml")


PAGE = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")


def test_the_cases_of_the_documentation_are_cases() -> None:
    blocks = [tomllib.loads(text) for text in toml_blocks(PAGE)]
    first, second = (Case(**block) for block in blocks)
    assert [p.values["step_exponent"] for p in first.points()] == [0.3, 0.4]
    assert [p.setting.d for p in second.points()] == [150, 300, 600]
    # Every key of a case is shown.
    shown = {key for block in blocks for key in block}
    assert shown | {"features", "figures"} == set(Case.model_fields)


def test_the_documented_tolerances_are_those_of_the_package() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \| ([\d.]+)( %)? \|$", PAGE, flags=re.MULTILINE)
    documented = {
        claim: (float(coefficient), float(margin) / (100.0 if percent else 1.0))
        for claim, coefficient, margin, percent in rows
    }
    assert documented == {claim: (t.coefficient, t.margin) for claim, t in TOLERANCES.items()}
    mistakes = re.findall(r"^\| `(\w+)` \|[^|]*\|$", PAGE, flags=re.MULTILINE)
    assert set(mistakes) == set(WRONG_THEORIES)
