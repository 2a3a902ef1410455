"""The server of the page: whom it answers, and what."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from asgi import GOOD, PORT, TOKEN, HereWorker, Response, request
from test_explorer_fields import TEXTS
from warm import run_code

import rmt_spikes as rs
from rmt_spikes.explorer import application
from rmt_spikes.explorer.answers import DEFAULT, PROFILE, QUICK, part
from rmt_spikes.explorer.fields import setting_of
from rmt_spikes.explorer.folder import save
from rmt_spikes.plot.style import DARK, LIGHT

SETTING = setting_of(TEXTS)
ASKED = {"texts": TEXTS, "spike": 1, "seed": None}
STATIC = resources.files("rmt_spikes.explorer").joinpath("static")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    given = tmp_path / "given"
    given.mkdir()
    return given


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    monkeypatch.setattr(application, "Worker", HereWorker)
    return application.Explorer(SETTING, folder).application(PORT, TOKEN)


def post(app: Any, name: str, body: Any = ASKED, **headers: str) -> Response:
    return request(app, "POST", f"/{name}", {**GOOD, **headers}, json.dumps(body).encode())


QUESTIONS = ("start", "preview", "curve", "refine", "trial", "figure", "save")


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": f"evil.example:{PORT}"},
        {"host": "127.0.0.1"},
        {"host": f"127.0.0.1:{PORT + 1}"},
        {"host": f"127.0.0.1.evil.example:{PORT}"},
        {"origin": "http://evil.example"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"authorization": ""},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer \xe9"},
    ],
    ids=str,
)
def test_strangers_are_refused(app: Any, folder: Path, wrong: dict[str, str]) -> None:
    for name in QUESTIONS:
        found = post(app, name, **wrong)
        assert found.status == 403
        assert b"texts" not in found.body
        assert "access-control-allow-origin" not in found.headers
    assert list(folder.iterdir()) == []


def test_requests_need_a_host_and_a_length(app: Any) -> None:
    without = {name: value for name, value in GOOD.items() if name != "host"}
    assert request(app, "POST", "/start", without, b"{}").status == 403
    twice = [*GOOD.items(), ("host", "evil.example")]
    assert request(app, "POST", "/start", twice, b"{}").status == 403
    for length in ("70000", "-1", "x"):
        assert request(app, "POST", "/start", {**GOOD, "content-length": length}, b"{}").status == 413
    assert post(app, "start").status == 200


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}"])
def test_even_the_empty_page_is_for_this_host_alone(app: Any, host: str) -> None:
    assert request(app, "GET", "/", {"host": host}).status == 403
    assert request(app, "GET", "/", {"host": f"localhost:{PORT}"}).status == 200


def test_other_methods_and_places_are_refused(app: Any) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert request(app, method, "/start", GOOD, b"{}").status in (404, 405)
    for path in ("/../serve.py", "/..%2fserve.py", "/static/main.js", "/etc/passwd", "/main.js/x"):
        assert request(app, "GET", path, GOOD).status == 404
    for name in QUESTIONS:
        assert request(app, "GET", f"/{name}", GOOD).status == 405


def test_every_answer_has_the_headers_that_keep_it_here(app: Any) -> None:
    answers = [request(app, "GET", "/", GOOD), post(app, "start"), post(app, "start", authorization="no")]
    for found in answers:
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["cache-control"] == "no-store"
    assert TOKEN.encode() not in answers[0].body + answers[1].body


def test_the_page_asks_for_its_own_files_alone(app: Any) -> None:
    page = request(app, "GET", "/", GOOD).body.decode()
    for name in re.findall(r'(?:src|href)="([^#"]+)"', page):
        assert request(app, "GET", f"/{name}", GOOD).status == 200, name
    texts = [each.read_text(encoding="utf-8") for each in STATIC.iterdir()]
    assert {url for text in texts for url in re.findall(r"https?://[\w./]+", text)} == {
        "http://www.w3.org/2000/svg"
    }


def test_colours_of_the_page_are_those_of_the_figures() -> None:
    css = STATIC.joinpath("style.css").read_text(encoding="utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    for theme, text in ((LIGHT, light), (DARK, dark)):
        for name in ("ink", "bars", "corrected"):
            assert f"--{name}: {getattr(theme, name)};" in text


def test_a_preview_has_the_numbers_of_the_closed_form(app: Any) -> None:
    found = post(app, "preview").json
    expected = rs.predict(SETTING, method=QUICK)
    assert found["losses"] == expected.losses.to_dict()
    assert [each["singular_value"] for each in found["spikes"]] == [
        spike.singular_value for spike in expected.spikes
    ]
    assert found["spikes"][0]["profile"] == pytest.approx(expected.spikes[0].profile(PROFILE), rel=1e-4)
    (curve,) = found["bulk"]["curves"]
    assert curve["x"][-1] == pytest.approx(expected.bulk.edges[-1][1], rel=1e-4)
    # Warnings are told again when the answer is a kept one.
    assert found["losses_by"] == post(app, "preview").json["losses_by"]
    assert found["losses_by"]["method"] == QUICK
    assert found["bulk_by"]["warnings"] == [
        "error bar above 5 % of bulk: the bulk is that of untrained features"
    ]


def test_a_preview_at_another_ridge_moves_the_losses_alone(app: Any) -> None:
    """The features know nothing of the ridge of the regression on them; the objective grows with it."""
    low, high = (post(app, "preview", {**ASKED, "texts": {**TEXTS, "ridge": x}}).json for x in ("0.002", "2"))
    assert low["losses"]["objective"] < high["losses"]["objective"]
    for name in ("spikes", "bulk"):
        assert low[name] == high[name]
    assert "ridge = 2" in high["toml"]


def test_the_whole_theory_follows_part_by_part(app: Any) -> None:
    losses, spikes, bulk, curve = post(app, "refine").lines
    expected = rs.predict(SETTING)
    assert losses["losses"] == expected.losses.to_dict()
    assert [each["error"] for each in spikes["spikes"]] == [spike.error for spike in expected.spikes]
    assert bulk["bulk"]["error"] == expected.bulk.error
    assert curve["curve_by"]["method"] == losses["losses_by"]["method"] == expected.method == "uniform"
    assert len(curve["curve"]["x"]) == len(curve["curve"]["test"]) == len(curve["curve"]["error"]["test"])


def test_the_theory_is_the_one_that_predict_chooses() -> None:
    found = part({**TEXTS, "second_batch": "same"}, "losses", DEFAULT)
    expected = rs.predict(SETTING.replace(second_batch="same"))
    assert found["losses_by"]["method"] == expected.method != "uniform"
    assert found["losses"] == expected.losses.to_dict()


def test_a_setting_that_the_closed_form_does_not_cover_waits_for_the_whole_theory(app: Any) -> None:
    found = post(app, "preview", {**ASKED, "texts": {**TEXTS, "output_scale": "standard"}}).json
    assert "use the uniform method" in found["uncovered"]
    assert "losses" not in found
    assert 'output_scale = "standard"' in found["toml"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**ASKED, "texts": {**TEXTS, "ridge": "abc"}}, "ridge"),
        ({**ASKED, "texts": {}}, "n"),
        ({**ASKED, "texts": None}, "setting"),
        ({**ASKED, "spike": 0}, "spike"),
        ({**ASKED, "spike": "1"}, "spike"),
        ({**ASKED, "seed": -1}, "seed"),
        ({**ASKED, "seed": 2.5}, "seed"),
        ([], "request"),
    ],
)
def test_errors_name_their_field(app: Any, body: Any, field: str) -> None:
    found = post(app, "preview", body)
    assert found.status == 422
    assert found.json["field"] == field
    assert found.json["error"].startswith("must be")


def test_what_is_no_json_is_refused(app: Any) -> None:
    for body in (b"", b"{", b"\xff", b"[" * 60000):
        found = request(app, "POST", "/preview", GOOD, body)
        assert (found.status, found.json["field"]) == (422, "request")


def test_a_trial_is_told_stage_by_stage(app: Any) -> None:
    *progress, last = post(app, "trial", {**ASKED, "seed": 3}).lines
    assert [each["progress"]["number"] for each in progress] == [1, 2, 3]
    (trial,) = rs.simulate(SETTING, trials=1, seed=3).trials
    seen = last["trial"]
    assert seen["losses"]["test"] == trial.test
    assert seen["top"] == pytest.approx(trial.singular_values[: len(seen["top"])], rel=1e-4)
    heights, edges = seen["height"], seen["edges"]
    # The bars have the mass of the values that are drawn: all but those near zero.
    drawn = (trial.singular_values > 1e-3 * trial.singular_values.max()).mean()
    mass = sum(h * (b / a - 1) for h, a, b in zip(heights, edges, edges[1:], strict=False))
    assert mass == pytest.approx(drawn, rel=0.1)  # log(b/a) is b/a - 1 to 7 % at 16 bins a decade


def test_a_figure_is_that_of_the_package(app: Any, tmp_path: Path) -> None:
    rs.plot.save(rs.plot.spectrum(rs.predict(SETTING)), tmp_path / "spectrum.svg")
    svg = post(app, "figure", {**ASKED, "figure": "spectrum"}).json["svg"]
    assert svg == (tmp_path / "spectrum.svg").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_figures_and_their_lines_make_the_same_files(app: Any, folder: Path, tmp_path: Path) -> None:
    """What is saved is what the Python lines make, to the byte, and all of it is in the folder."""
    asked = {**ASKED, "seed": 3}
    found = post(app, "save", asked)
    assert found.status == 200, found.json
    (made,) = folder.iterdir()
    assert found.json["saved"] == str(made)
    assert found.json["missing"] == {}
    lines = (made / "figures.py").read_text(encoding="utf-8")
    again = tmp_path / "again"
    again.mkdir()
    ran = run_code(f"import warnings\nwarnings.simplefilter('ignore')\n{lines}", again)
    assert ran.returncode == 0, ran.stderr
    for name in ("spectrum", "losses", "features"):
        assert (again / f"{name}.svg").read_bytes() == (made / f"{name}.svg").read_bytes()
        svg = post(app, "figure", {**asked, "figure": name}).json["svg"]
        assert svg == (made / f"{name}.svg").read_text(encoding="utf-8")
    assert rs.Setting.from_toml(made / "setting.toml") == SETTING
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again", "given"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "explored-1").write_text("mine")
    for number in (2, 3):
        assert save(tmp_path, {"setting.toml": "n = 1"}) == tmp_path / f"explored-{number}"
    assert (tmp_path / "explored-1").read_text() == "mine"
    assert (tmp_path / "explored-2" / "setting.toml").read_text() == "n = 1"


def test_what_cannot_be_drawn_is_said(app: Any, folder: Path) -> None:
    found = post(app, "save", {**ASKED, "spike": 5}).json
    assert found["missing"].keys() == {"features.svg"}
    assert "must be the number of a predicted spike" in found["missing"]["features.svg"]
    (made,) = folder.iterdir()
    assert sorted(each.name for each in made.iterdir()) == sorted(found["files"])


def test_without_a_folder_nothing_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "Worker", HereWorker)
    app = application.Explorer(SETTING, None).application(PORT, TOKEN)
    assert post(app, "start").json["folder"] is None
    found = post(app, "save")
    assert (found.status, found.json["field"]) == (422, "folder")


def test_a_figure_that_is_unknown_or_has_no_spike_is_refused(app: Any) -> None:
    assert post(app, "figure", {**ASKED, "figure": "../spectrum"}).json["field"] == "figure"
    still = {**{k: v for k, v in TEXTS.items() if k != "step_exponent"}, "step_size": "0"}
    found = post(app, "figure", {"texts": still, "spike": 1, "figure": "features"})
    assert (found.status, found.json["field"]) == (422, "spike")
