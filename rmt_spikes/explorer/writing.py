"""What the page exports: a setting as TOML, and the Python lines that make its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rmt_spikes.setting import Setting

CURVE_POINTS = 26
"""Step exponents of the figure of losses, a fiftieth apart: more than are predicted one by one."""

CURVE_RTOL = 1e-3
"""Of losses that are interpolated along the step: a tenth of the width of a line."""


def toml_of(setting: Setting) -> str:
    """Return the TOML of a setting, one key a line."""
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in setting.to_dict().items())


def toml_value(value: Any) -> str:
    """Write a value of a setting as TOML on one line."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {toml_value(each)}" for key, each in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    # Strings of JSON are basic strings of TOML; what both refuse is in no setting.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def python_of(setting: Setting, spike: int = 1, seed: int | None = None) -> str:
    """Write the Python lines that make the figures of the page, one trial in them if a seed is given."""
    keys = "".join(f"    {key}={value!r},\n" for key, value in setting.to_dict().items())
    seen = "" if seed is None else ", observation"
    lines = [
        "import numpy as np",
        "import rmt_spikes as rs",
        "",
        f"setting = rs.Setting(\n{keys})",
        "prediction = rs.predict(setting)",
    ]
    if seed is not None:
        lines.append(f"observation = rs.simulate(setting, trials=1, seed={seed}, keep_vectors=True)")
    lines += [
        f"rs.plot.save(rs.plot.spectrum(prediction{seen}), 'spectrum.svg')",
        f"exponents = np.linspace(0.0, 0.5, {CURVE_POINTS})",
        f"table = rs.sweep(setting, {{'step_exponent': exponents}}, rtol={CURVE_RTOL})",
        f"rs.plot.save(rs.plot.losses(table{seen and ', [observation]'}), 'losses.svg')",
        f"if len(prediction.spikes) >= {spike}:",
        f"    rs.plot.save(rs.plot.features(prediction{seen}, spike={spike}), 'features.svg')",
    ]
    return "\n".join(lines) + "\n"
