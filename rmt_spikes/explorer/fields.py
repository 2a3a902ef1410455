"""Fields of the page: texts that a person types, and the setting that they spell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args, get_origin

from rmt_spikes.errors import DomainError, shorten
from rmt_spikes.explorer.writing import toml_value
from rmt_spikes.functions.scalar import Specification
from rmt_spikes.functions.table import FORMULAS, TABLE
from rmt_spikes.setting import Setting

Texts = Mapping[str, str]
"""Text of each field that is not empty, by its key."""

LONGEST = 1000
"""Characters of a text: an expression has at most some hundred."""

_VARIABLE = re.compile("z[1-9]?")
"""What an expression is a function of."""

STEPS = ("step_exponent", "step_size")
"""Two keys that share one place on the page."""


@dataclass(frozen=True)
class Slider:
    """Range of a slider; text fields take any number of the domain."""

    low: float
    high: float
    logarithmic: bool = False


@dataclass(frozen=True)
class Look:
    """Name of a key on the page, its group, and its slider if it has one."""

    label: str
    group: str
    slider: Slider | None = None


SIZES = Slider(20, 5000, logarithmic=True)
"""Sizes that a trial simulates in seconds."""

LOOKS = {
    "activation": Look("Activation", "Functions"),
    "target": Look("Target", "Functions"),
    "n": Look("Samples n", "Shapes", SIZES),
    "d": Look("Input dimension d", "Shapes", SIZES),
    "width": Look("Neurons N", "Shapes", SIZES),
    "n_ridge": Look("Samples of the second batch ñ", "Shapes", SIZES),
    "step_exponent": Look("Step exponent a (η = nᵃ)", "Training", Slider(0.0, 0.6)),
    "step_size": Look("Step size η", "Training", Slider(0.01, 100.0, logarithmic=True)),
    "noise_std": Look("Label noise", "Training", Slider(0.0, 2.0)),
    "ridge": Look("Ridge λ", "Training", Slider(1e-5, 10.0, logarithmic=True)),
    "readout": Look("Readout weights", "Training"),
}
"""Keys with a place of their own; all others are under "More"."""

MORE = "More"


def controls() -> list[dict[str, Any]]:
    """Describe the fields of the page, ready for JSON: all keys of a setting, those with a look first."""
    order = {key: place for place, key in enumerate(LOOKS)}
    keys = sorted(Setting.model_fields, key=lambda key: order.get(key, len(order)))
    return [_control(key) for key in keys]


def _control(key: str) -> dict[str, Any]:
    field = Setting.model_fields[key]
    look = LOOKS.get(key, Look(key.replace("_", " ").capitalize(), MORE))
    shown: dict[str, Any] = {
        "key": key,
        "label": look.label,
        "group": look.group,
        "about": field.description,
        "slider": look.slider and asdict(look.slider),
        "whole": field.annotation is int,
        "default": "" if field.is_required() or field.default is None else text_of(field.default),
    }
    if field.annotation == Specification:
        shown["names"] = [*TABLE, *FORMULAS]
    elif (options := _options(field.annotation)) is not None:
        shown["options"] = options
    return shown


def _options(kind: Any) -> list[str] | None:
    """Words of a key that takes nothing else."""
    if kind is bool:
        return ["true", "false"]
    return list(get_args(kind)) if get_origin(kind) is Literal else None


def setting_of(texts: Texts) -> Setting:
    """Return the setting that the fields spell.

    Raises
    ------
    DomainError
        For the first field that is wrong.
    """
    for key, text in texts.items():
        if len(text) > LONGEST:
            raise DomainError(key, f"must have at most {LONGEST} characters", text)
    return Setting(**{key: _value(key, text.strip()) for key, text in texts.items() if text.strip()})


def _value(key: str, text: str) -> Any:
    """Value that a text spells; a text that spells none is left for the setting to refuse."""
    field = Setting.model_fields.get(key)
    kind = None if field is None else field.annotation
    if kind == Specification:
        return _function(key, text)
    if get_origin(kind) is Literal:
        return text
    parsed = _toml(text)
    return text if parsed is None else parsed


def _function(key: str, text: str) -> Any:
    """A name, ``[c_0, c_1, ...]`` for Hermite coefficients, a table of TOML, or else an expression."""
    if text.isidentifier() and not _VARIABLE.fullmatch(text):
        return text
    if text.startswith(("[", "{")):
        parsed = _toml(text)
        if parsed is None:
            required = "must be a list such as [0, 1, 0.5], or a table of TOML"
            raise DomainError(key, required, text)
        return {"hermite": parsed} if isinstance(parsed, list) else parsed
    return {"expression": text}


def _toml(text: str) -> Any:
    """Value of a text in TOML, numbers also as Python writes them; None where it has none."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        try:
            return float(text)
        except ValueError:
            return None
    return parsed["value"] if set(parsed) == {"value"} else None


def texts_of(setting: Setting) -> dict[str, str]:
    """Return the texts of the fields of a setting; defaults and sizes that follow others are left out."""
    plain = setting.to_dict()
    if setting.n_ridge == setting.n:
        del plain["n_ridge"]
    fields = Setting.model_fields
    return {key: text_of(value) for key, value in plain.items() if value != fields[key].default}


def text_of(value: Any) -> str:
    """Text of a field with a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and set(value) == {"expression"}:
        return str(value["expression"])
    if isinstance(value, Mapping) and set(value) == {"hermite"}:
        return toml_value(value["hermite"])
    return toml_value(value)


def checked_texts(given: Any) -> dict[str, str]:
    """Return the texts that came from a page.

    Raises
    ------
    DomainError
        If they are anything else than a table of texts.
    """
    good = isinstance(given, dict) and all(isinstance(each, str) for pair in given.items() for each in pair)
    if not good:
        raise DomainError("setting", "must be a table of texts", shorten(given))
    return dict(given)
