import json
import math
import pickle
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from rmt_spikes.console.documents import read_toml
from rmt_spikes.errors import CaseError, DomainError
from rmt_spikes.functions.scalar import FunctionSpecification
from rmt_spikes.functions.table import NAMES
from rmt_spikes.setting import Setting, bounds, checked, domain
from rmt_spikes.setting.keys import LEAST_POSITIVE

TARGET = {"hermite": [0, 1, 0.5]}
TOML = """
n = 300
d = 150
width = 200
activation = "relu"
target = {hermite = [0, 1, 0.5]}
noise_std = 0.5
ridge = 0.01
step_exponent = 0.4
"""
BASE: dict[str, Any] = tomllib.loads(TOML)


def make(**changes: Any) -> Setting:
    return Setting(**{**BASE, **changes})


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**BASE, **changes}.items() if name not in names}


def test_ratios_and_the_step() -> None:
    setting = make(n_ridge=600)
    assert (setting.phi, setting.psi, setting.gamma) == (0.5, 0.75, 200 / 150)
    assert setting.ridge_ratio == 200 / 600
    assert setting.step == pytest.approx(math.exp(0.4 * math.log(300)), rel=1e-15)
    assert setting.exponent == 0.4
    assert setting.theta == pytest.approx(setting.step / math.sqrt(200), rel=1e-15)
    # E (He_1 + He_2/2)^2 = 1 + 2/4, and the noise.
    assert setting.label_energy == pytest.approx(1.5 + 0.25, rel=1e-14)


@pytest.mark.parametrize(
    ("step", "n", "exponent"),
    [(0.0, 300, -math.inf), (1.0, 300, 0.0), (300.0**0.25, 300, 0.25), (2.0, 1, math.nan)],
)
def test_the_exponent_of_a_step_size(step: float, n: int, exponent: float) -> None:
    setting = Setting(**without("step_exponent", step_size=step, width=2000, n=n))
    assert setting.step == step
    assert setting.exponent == pytest.approx(exponent, abs=1e-15, nan_ok=True)


def test_the_activation_is_centred_unless_told_otherwise() -> None:
    z = np.linspace(-2, 2, 5)
    mean = 1 / math.sqrt(2 * math.pi)
    assert make().activation_expansion.mean == 0.0
    np.testing.assert_allclose(make().activation_function(z), np.maximum(z, 0) - mean, rtol=1e-15)
    assert np.array_equal(make(center=False).activation_function(z), np.maximum(z, 0))
    assert make(center=False).activation_expansion.mean == mean
    assert make().target_function(np.array(2.0)) == 2 + 0.5 * 3
    assert np.array_equal(make().target_expansion.coefficients[:4], [0, 1, 0.5, 0])


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_target_and_with_a_linear_part_an_activation(name: str) -> None:
    assert make(target=name).target_expansion.second_moment > 0
    if name not in {"cos", "abs", "sign"}:
        assert make(activation=name).activation_expansion.linear > 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"n": np.int64(300), "ridge": np.float32(0.25), "center": np.True_},
        {"ridge": 1, "noise_std": 0, "step_exponent": 0},
        {"target": {"hermite": np.array([0.0, 1.0])}},
        {"target": {"hermite": (0, 1)}},
    ],
)
def test_values_are_brought_to_plain_types(changes: dict[str, Any]) -> None:
    setting = make(**changes)
    assert type(setting.n) is int
    assert {type(setting.ridge), type(setting.noise_std), type(setting.step_exponent)} == {float}
    assert type(setting.center) is bool
    assert json.loads(json.dumps(setting.to_dict())) == setting.to_dict()


@pytest.mark.parametrize("changes", [{}, {"target": {"expression": "sin(z) + z"}}, {"target": "tanh"}])
def test_a_setting_is_a_value(changes: dict[str, Any]) -> None:
    setting = make(**changes)
    again = Setting.from_dict(setting.to_dict())
    assert again == setting
    assert hash(again) == hash(setting)
    assert setting != make(ridge=0.02)
    assert len({setting, again, make(ridge=0.02)}) == 2
    copy = pickle.loads(pickle.dumps(setting))
    assert copy == setting
    assert copy.activation_function == setting.activation_function
    assert "width=200" in repr(setting)
    assert "step_size" not in repr(setting)


def test_a_setting_cannot_be_changed() -> None:
    setting = make()
    for change in (lambda: setattr(setting, "n", 3), lambda: delattr(setting, "n")):
        with pytest.raises(AttributeError, match=r"n: settings do not change; setting\.replace"):
            change()
    with pytest.raises(TypeError):
        setting.target["hermite"] = [1]  # type: ignore[index]
    with pytest.raises(AttributeError):
        setting.target["hermite"].append(1)  # type: ignore[index]


def test_to_dict_has_the_keys_of_the_toml_and_one_step_key() -> None:
    assert make().to_dict() == {
        **{"n": 300, "d": 150, "width": 200, "n_ridge": 300, "activation": "relu", "target": TARGET},
        **{"center": True, "noise_std": 0.5, "ridge": 0.01, "step_exponent": 0.4},
        **{"readout": "gaussian", "output_scale": "mean_field"},
    }
    assert "step_exponent" not in make().replace(step_size=2).to_dict()
    assert make(second_batch="same").to_dict() == {**make().to_dict(), "second_batch": "same"}


def test_replacing_validates_and_drops_the_other_step_key() -> None:
    assert make().replace(step_size=2).step == 2.0
    assert make().replace(step_size=2).replace(step_exponent=0.1).exponent == 0.1
    assert make().replace(ridge=0.5).step_exponent == 0.4
    with refused("ridge", "must be"):
        make().replace(ridge=-1)


def test_a_second_batch_of_the_size_of_the_first_follows_it() -> None:
    assert make().replace(n=700).n_ridge == 700
    assert make(n_ridge=400).replace(n=700).n_ridge == 400
    assert make().replace(n=700, n_ridge=300).n_ridge == 300
    assert make(second_batch="same").replace(n=700).n_ridge == 700
    with refused("n_ridge", "must be n = 300 when second_batch is 'same', got 400"):
        make(second_batch="same", n_ridge=400)


def test_settings_can_be_parts_of_other_models() -> None:
    assert Setting.model_validate(BASE) == make()
    assert json.loads(make().model_dump_json(exclude_none=True)) == make().to_dict()


WHOLE, NUMBER = "a whole number from 1 to 1e9", "a number from"
BAD: list[tuple[str, str, list[Any]]] = [
    ("n", WHOLE, [-1, 10**9 + 1, 10**5000, "300", [300], None, True]),
    ("d", WHOLE, [0]),
    ("width", WHOLE, [1.5]),
    ("n_ridge", "write 300", [300.0]),
    ("noise_std", f"{NUMBER} 0 to 1e6", [-0.5, -math.inf]),
    (
        "ridge",
        f"must be 0, or {NUMBER} 1e-12 to 1e12",
        [1e-13, math.nan, 1e13, 10**400, 1j, True, "small"],
    ),
    ("step_exponent", f"{NUMBER} -2 to 1", [math.nan, 1.5]),
    ("step_exponent", "at most 10 sqrt(width) = 141.421", [0.95]),
    ("center", "true or false", [1, "yes"]),
    ("readout", "did you mean 'gaussian'?", ["gausian"]),
    ("readout", "one of gaussian, rademacher, constant", [3]),
    ("output_scale", "did you mean 'mean_field'?", ["meanfield"]),
    ("second_batch", "one of fresh, same", [True]),
    ("activation", "did you mean 'relu'?", ["rellu"]),
    ("target", "did you mean 'tanh'?", ["tahn"]),
    ("target", "exactly one key", [{}]),
    ("activation", "list of 1 to 21 numbers", [{"hermite": [1] * 10_000}]),
    ("activation", "pole at z = 0", [{"expression": "1/z"}]),
    ("target", "known functions only", [{"expression": "lambda: z"}]),
    ("activation", "square-integrable", [{"expression": "z*exp(z**2/4)"}]),
    ("target", "square-integrable", [{"expression": "exp(z**2/4)"}]),
    ("activation", "c_1", [{"hermite": [0, 0, 1]}, "cos"]),
    ("activation", "constant", [{"expression": "2"}]),
    ("activation", "square is above 0", [{"hermite": [0.0]}]),
    ("activation", "continuous", ["sign", {"expression": "z + heaviside(z)"}]),
    ("activation", "derivative", [{"expression": "z + sqrt(abs(z))"}]),
    ("target", "smooth enough", [{"expression": "sin(1e6*z)"}]),
]


@pytest.mark.parametrize(("field", "fragment", "values"), BAD)
def test_bad_values_are_refused(field: str, fragment: str, values: list[Any]) -> None:
    for value in values:
        with refused(field, fragment):
            make(**{field: value})


@pytest.mark.parametrize("name", ["n", "d", "width", "activation", "target", "ridge"])
def test_missing_values_are_named(name: str) -> None:
    with pytest.raises(DomainError, match=f"^{name}: must be .*, got nothing"):
        Setting(**without(name))


@pytest.mark.parametrize(
    ("steps", "given"),
    [({}, "neither"), ({"step_size": 1, "step_exponent": 0.1}, "both"), ({"step_size": None}, "neither")],
)
def test_exactly_one_step_key(steps: dict[str, Any], given: str) -> None:
    with refused("step_size", f"exactly one of the two, got {given}"):
        Setting(**{**without("step_exponent"), **steps})


@pytest.mark.parametrize("step", [-1.0, 10.001 * math.sqrt(200), 1e7, math.nan, True, "1"])
def test_bad_step_sizes_are_refused(step: Any) -> None:
    with refused("step_size"):
        Setting(**without("step_exponent", step_size=step))


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("widht", "did you mean 'width'?"),
        ("noise", "did you mean 'noise_std'?"),
        ("lambda", "keys: n d width"),
        ("k" * 10_000, "keys: n d width"),
        ("a\x1b[31m", "keys: n d width"),
    ],
)
def test_unknown_keys_are_refused_with_a_suggestion(key: str, advice: str) -> None:
    with pytest.raises(DomainError) as caught:
        make(**{key: 1})
    assert advice in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_a_misspelt_key_is_named_before_the_one_that_is_then_missing() -> None:
    with refused("rigde", "did you mean 'ridge'"):
        Setting(**without("ridge", rigde=0.1))


def test_a_target_must_not_vanish_without_noise() -> None:
    zero = {"hermite": [0.0]}
    assert make(target=zero).label_energy == 0.25
    with pytest.raises(DomainError, match="target: must not be 0 everywhere"):
        make(target=zero, noise_std=0)


@pytest.mark.parametrize("field", ["activation", "target"])
@pytest.mark.parametrize("scale", [1e-51, 1e-155, 1e-160, 1e-170])
def test_functions_of_which_squares_are_lost_are_refused(field: str, scale: float) -> None:
    # Error bars and spikes need fourth powers: at 1e-100 these are not numbers any more.
    with pytest.raises(DomainError, match=f"{field}: must have a root mean square of at least 1e-50, got"):
        make(**{field: {"hermite": [0, scale, scale]}, "noise_std": 0})
    larger = make(**{field: {"hermite": [0, 1e-49, 1e-49]}, "noise_std": 0})
    assert 0.0 < larger.label_energy < np.inf


def test_noise_alone_must_have_a_square() -> None:
    with pytest.raises(DomainError, match="target: must not be 0 everywhere when noise_std is below 1e-50"):
        make(target={"hermite": [0.0]}, noise_std=1e-200)


@pytest.mark.parametrize("name", Setting.model_fields)
def test_every_key_is_documented(name: str) -> None:
    assert Setting.model_fields[name].description
    assert domain(name)


@given(data=st.data(), name=st.sampled_from([n for n in Setting.model_fields if math.isfinite(bounds(n)[0])]))
def test_the_declared_domain_is_what_is_checked(data: st.DataObject, name: str) -> None:
    low, high = bounds(name)
    whole = Setting.model_fields[name].annotation is int
    check = partial(checked, name)
    value = data.draw(st.integers(int(low), int(high)) if whole else st.floats(low, high))
    if 0.0 < value < LEAST_POSITIVE.get(name, 0.0):
        with pytest.raises(DomainError, match=name):
            check(value)
        return
    assert check(value) == value
    outside = st.integers() if whole else st.floats()
    value = data.draw(outside.filter(lambda value: not low <= value <= high))
    with pytest.raises(DomainError, match=name):
        check(value)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "setting.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@contextmanager
def case_refused(file: str | None, key: str, mention: str) -> Iterator[None]:
    """Require an error about a key of a file whose message mentions this, on one short printable line."""
    with pytest.raises(CaseError) as caught:
        yield
    message = str(caught.value)
    assert (caught.value.file, caught.value.key) == (file, key)
    assert mention in message
    assert len(message) < 300
    assert message.isprintable()


def test_a_file_is_the_same_setting(tmp_path: Path) -> None:
    assert Setting.from_toml(write(tmp_path, TOML)) == make()
    assert Setting.from_toml(write(tmp_path, "\ufeff" + TOML)) == make(), "a byte order mark is no text"
    assert Setting.from_toml(str(write(tmp_path, f"name = 'case'\n[setting]{TOML}[report]\nx = 1"))) == make()


@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        (["ridge=0.5", "width = 400"], {"ridge": 0.5, "width": 400}),
        (["activation=tanh"], {"activation": "tanh"}),
        (['activation="tanh"'], {"activation": "tanh"}),
        (["target = {hermite = [0, 2]}"], {"target": {"hermite": [0, 2]}}),
        (['target={expression = "z**2 + z"}'], {"target": {"expression": "z**2 + z"}}),
        (["center=false"], {"center": False}),
        (["n=600"], {"n": 600}),
        (["ridge=0.5", "ridge=0.25"], {"ridge": 0.25}),
        (["step_size=2"], {"step_exponent": None, "step_size": 2}),
    ],
)
def test_overrides(overrides: list[str], changes: dict[str, Any], tmp_path: Path) -> None:
    assert Setting.from_toml(write(tmp_path, TOML), overrides) == make(**changes)


@pytest.mark.parametrize(
    ("key", "fragment", "overrides"),
    [
        ("", "key=value", ["ridge", "=1", "ridge="]),
        ("ridge", "one TOML value", ["ridge=1 2", "ridge=1\nn=2", "ridge=[[["]),
        ("target", "one TOML value", ["target={hermite=" + "[" * 5000]),
        ("ridge", "a number from 1e-12", ["ridge=-1"]),
        ("rigde", "did you mean 'ridge'?", ["rigde=1"]),
        ("activation", "did you mean 'relu'?", ["activation=rellu"]),
    ],
)
def test_bad_overrides_name_the_key_and_no_file(
    key: str, fragment: str, overrides: list[str], tmp_path: Path
) -> None:
    for override in overrides:
        with case_refused(None, key, fragment):
            Setting.from_toml(write(tmp_path, TOML), [override])


BAD_FILES: list[tuple[str, str, list[str | bytes]]] = [
    ("", "empty file", ["", "# nothing\n"]),
    ("", "binary data", [bytes(range(256)), b"n = 300 # \xff"]),
    ("", "TOML file", [b"\x7fELF\x02\x01\x01\x00" * 100, "n: 300\n", '{"n": 300}', "n = 1\nn = 2\n"]),
    ("", "TOML file", ["n = " + "[" * 100_000, "n = " + "9" * 5000]),
    ("", "at most 1 MB", ["#" * (1 << 20) + "\nn = 1"]),
    ("setting", "table of parameters", ["setting = 3\n", "[[setting]]\nn = 3\n"]),
    ("ridge", "a number from 1e-12", [TOML.replace("0.01", x) for x in ("-0.01", "nan", "2026-01-01")]),
    ("ridge", "got true", [TOML.replace("0.01", "true")]),
    ("ridge", "got 2026-01-01", [TOML.replace("0.01", "2026-01-01")]),
    ("widht", "did you mean 'width'?", [TOML + "widht = 3\n"]),
    ("ridge", "got nothing", [TOML.replace("ridge = 0.01", "")]),
    ("step_size", "got both", [TOML + "step_size = 1\n"]),
    ("step_size", "got neither", [TOML.replace("step_exponent = 0.4", "")]),
    ("setting.n", "a whole number", ["[setting]" + TOML.replace("300", "0")]),
    ("setting.n", "got nothing", ["[setting]\n"]),
    ("activation", "pole at z = 0", [TOML.replace('"relu"', '{expression = "1/z"}')]),
]


@pytest.mark.parametrize(("key", "fragment", "contents"), BAD_FILES)
def test_bad_files_are_refused(key: str, fragment: str, contents: list[str | bytes], tmp_path: Path) -> None:
    for content in contents:
        path = write(tmp_path, content)
        with case_refused(str(path), key, fragment):
            Setting.from_toml(path)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent.toml", "a\0b"):
        with pytest.raises(CaseError, match="cannot be read") as caught:
            read_toml(place)
        assert caught.value.file == str(place)


def test_a_function_specification_is_an_immutable_mapping() -> None:
    specification = FunctionSpecification({"hermite": [0, np.float64(1)]})
    assert dict(specification) == {"hermite": (0, 1.0)}
    assert len(specification) == 1
    assert specification.to_dict() == {"hermite": [0, 1.0]}
    assert repr(specification) == "{'hermite': [0, 1.0]}"
    assert pickle.loads(pickle.dumps(specification)) == specification
    assert hash(specification) == hash(FunctionSpecification({"hermite": (0, 1)}))
