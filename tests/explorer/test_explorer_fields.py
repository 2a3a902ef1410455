"""Texts of the page and the settings that they spell."""

import ast
import tomllib

import pytest

from rmt_spikes import DomainError, Setting
from rmt_spikes.explorer.fields import STEPS, checked_texts, controls, setting_of, texts_of
from rmt_spikes.explorer.writing import python_of, toml_of

TEXTS = {
    "n": "300",
    "d": "150",
    "width": "200",
    "activation": "relu",
    "target": "[0, 1, 0.7]",
    "ridge": "0.01",
    "step_exponent": "0.3",
}
SETTINGS = [
    Setting(**{"n": 80, "d": 40, "width": 60, "ridge": 1e-5, "step_exponent": 0.3, **given})
    for given in (
        {"activation": "relu", "target": {"hermite": [0, 1, 0.7]}},
        {"activation": {"expression": "tanh(z) + z**2/10"}, "target": "tanh", "center": False},
        {"activation": "tanh", "target": "identity", "n_ridge": 90, "noise_std": 0.5, "readout": "constant"},
        {"activation": "tanh", "target": {"expression": "z1*z2 + z1"}, "output_scale": "standard"},
        {"activation": "tanh", "target": "sign", "covariance": {"power": 0.5, "teacher_power": 1.0}},
        {"activation": "tanh", "target": "identity", "second_batch": "same"},
    )
]


@pytest.mark.parametrize("setting", SETTINGS, ids=range(len(SETTINGS)))
def test_a_setting_comes_back_from_its_texts_and_its_exports(setting: Setting) -> None:
    assert setting_of(texts_of(setting)) == setting
    assert Setting(**tomllib.loads(toml_of(setting))) == setting
    # The lines are data here: what stands between the brackets is read as the literals that they must be.
    lines = python_of(setting).split("rs.Setting(\n")[1].split("\n)")[0]
    call = ast.parse(f"f({lines})", mode="eval").body
    assert isinstance(call, ast.Call)
    assert Setting(**{each.arg: ast.literal_eval(each.value) for each in call.keywords}) == setting


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("ridge", "1e-3", 0.001),
        ("ridge", ".5", 0.5),
        ("n", "120", 120),
        ("activation", "tanh(z) + z**2/10", {"expression": "tanh(z) + z**2/10"}),
        ("activation", '{ expression = "tanh(z)" }', {"expression": "tanh(z)"}),
        ("target", "z", {"expression": "z"}),
        ("center", "false", False),
    ],
)
def test_texts_spell_values(key: str, text: str, value: object) -> None:
    plain = setting_of({**TEXTS, key: text}).to_dict()
    assert plain[key] == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("ridge", text) for text in ("abc", "-1", "nan", "1\n2", "[1]", "1e999", "2020-01-01")),
        *(("n", text) for text in ("1.5", "1e3", "0", "many", "10 000", "true", "9" * 400)),
        *(
            ("activation", text)
            for text in ("tan h", "relo", "__import__('os')", "[1", "{ a = 1 }", "z" * 2000)
        ),
        *(("target", text) for text in ("z9", "[[0]]", "{ hermite = 1 }", "0", "[]", "(" * 900)),
        ("readout", "Gaussian"),
        ("center", "yes"),
        ("step_exponent", "7"),
        ("covariance", "identity"),
    ],
)
def test_nonsense_is_refused_at_its_field(key: str, text: str) -> None:
    with pytest.raises(DomainError) as found:
        setting_of({**TEXTS, key: text})
    assert found.value.field == key
    assert len(found.value.reason) < 400


@pytest.mark.parametrize("given", [None, [], "n", {"n": 1}, {1: "n"}, {"n": None}, {"n": ["1"]}])
def test_only_texts_are_taken(given: object) -> None:
    with pytest.raises(DomainError, match="must be a table of texts"):
        checked_texts(given)


def test_an_unknown_key_of_a_link_is_named() -> None:
    with pytest.raises(DomainError, match="not a parameter"):
        setting_of({**TEXTS, "wdth": "5"})


def test_every_key_of_a_setting_has_a_control() -> None:
    found = {each["key"]: each for each in controls()}
    assert set(found) == set(Setting.model_fields)
    assert list(found)[:2] == ["activation", "target"]
    assert all(found[key]["slider"] for key in ("n", "d", "width", "noise_std", "ridge", *STEPS))
    assert found["readout"]["options"] == ["gaussian", "rademacher", "constant"]
    # Text of a default, for the page leaves out of the address what is the default.
    assert found["center"]["default"] == "true"
    assert {"relu", "mish"} <= set(found["activation"]["names"])
