"""Theories of a user's own beside the wrong theories of a case."""

import json
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import validate as follows
from refusals import refused
from report_words import contradictions, page_contradictions
from small_case import case

import rmt_spikes as rs

TINY = case(figures=[], trials=24, claims=["losses", "spikes"])


def right(setting):
    return rs.predict(setting, features="first_orders")


def numbers(setting):
    losses = right(setting).losses
    return {"losses.train": losses.train, "losses.test": (losses.test, 0.1 * losses.test)}


def wrong(setting):
    return {name: 1.5 * value for name, value in numbers(setting).items() if name == "losses.train"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    return rs.validate(TINY, out=folder, theories={"as here": right, "numbers": numbers, "half | <b>": wrong})


def test_each_theory_has_its_verdict(report):
    (result,) = report.cases
    own = {each.name: each for each in result.own}
    assert own["half | <b>"].verdict == "disagrees"
    assert own["numbers"].verdict != "disagrees"
    assert len(own["numbers"].comparisons) == len(result.points) == 2
    # The theory of the case, given as one's own, has the rows of the case.
    for point, comparison in zip(result.points, own["as here"].comparisons, strict=True):
        assert [row.quantity for row in comparison.rows] == [row.quantity for row in point.comparison.rows]
        assert [row.predicted for row in comparison.rows] == [row.predicted for row in point.comparison.rows]
        assert comparison.verdict == point.verdict
    error = own["numbers"].comparisons[0].select("losses.test")[0]
    assert error.allowance == pytest.approx(0.1 * error.predicted)


def test_the_verdict_of_the_case_does_not_depend_on_them(report, tmp_path):
    alone = rs.validate(TINY, out=tmp_path)
    assert alone.verdict == report.verdict
    assert alone.document["cases"][0]["points"] == report.document["cases"][0]["points"]
    assert alone.document["cases"][0]["own_theories"] == []
    assert "heories of one" not in alone.html.read_text()


def test_the_report_has_them(report):
    schema = resources.files("rmt_spikes.validation") / "report.schema.json"
    document = json.loads(report.json.read_text())
    follows(document, json.loads(schema.read_text()))
    shown = document["cases"][0]["own_theories"]
    assert {each["name"]: each["verdict"] for each in shown}["half | <b>"] == "disagrees"
    page, text = report.html.read_text(), report.markdown.read_text()
    assert 'half | &lt;b&gt;: <span class="badge disagrees">' in page
    assert contradictions(document) == page_contradictions(document, report.html.parent) == []
    assert 'id="own"' in page
    assert r"### half \| " in text


@pytest.mark.parametrize(
    ("theories", "field", "mention"),
    [
        ([right], "theories", "mapping"),
        ({"": right}, "theories", "names"),
        ({3: right}, "theories", "names"),
        ({"no-step": right}, "theories", "wrong theories"),
        ({"mine": 3.0}, "theories[mine]", "callable"),
        ({"mine": lambda setting: 3.0}, "theories[mine]", "mapping"),
        ({"mine": lambda setting: {"loss": 3.0}}, "theories[mine]", "losses.*"),
        ({"mine": lambda setting: {"losses.test": None}}, "theories[mine][losses.test]", "number"),
        ({"mine": lambda setting: right(setting.replace(ridge=1))}, "theories[mine]", "setting"),
    ],
)
def test_what_is_no_theory_is_refused_before_anything_is_simulated(theories, field, mention, tmp_path):
    with refused(field, mention):
        rs.validate(TINY, out=tmp_path, theories=theories)


def test_what_a_theory_raises_is_seen(tmp_path: Path):
    with pytest.raises(ZeroDivisionError):
        rs.validate(TINY, out=tmp_path, theories={"mine": lambda setting: 1 / 0})
