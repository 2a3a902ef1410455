"""Cases that run in a second: of the theory to first orders, whose spectra cost less."""

from typing import Any

from rmt_spikes.validation import Case

SETTING: dict[str, Any] = {
    "n": 120,
    "d": 60,
    "width": 80,
    "activation": "relu",
    "target": {"hermite": [0.0, 1.0, 0.7]},
    "noise_std": 0.5,
    "ridge": 0.05,
}
CASE: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny case <b>&",
    "seed": 3,
    "trials": 4,
    "features": "first_orders",
    "setting": SETTING,
    "sweep": {"step_exponent": [0.1, 0.4]},
    "negative_controls": [
        {
            "name": "no-step",
            "meaning": "nothing is learnt",
            "at": {"step_exponent": 0.4},
            "setting": {"step_size": 0.0},
            "quantities": ["losses.test"],
        }
    ],
    "figures": [
        {"kind": "spectrum", "sweep": {"step_exponent": [0.4]}, "trials": 1},
        {"kind": "losses", "against": "step_exponent", "points": 2},
        {"kind": "features", "setting": {"step_exponent": 0.4}, "trials": 2},
    ],
    "quick": {"trials": 2, "setting": {"n": 60, "d": 30, "width": 40}},
}


PLAIN: dict[str, Any] = {"figures": [], "negative_controls": [], "quick": None}
"""Without what is simulated and drawn beside the points."""


def case(**changes: Any) -> Case:
    return Case(**{**CASE, **changes})


HOSTILE = (
    '</title><script>window.broken = 1</script><img src="x" onerror="window.broken = 2">'
    "{{ 7 * 7 }} | *a* [b](javascript:alert(1)) `c` <!-- \u202e\x07 & $d$"
)
"""Text that tries to be HTML, a script, a template, a Markdown table, a link, a formula."""


def hostile_cases() -> list[Case]:
    control = {**CASE["negative_controls"][0], "meaning": HOSTILE}
    known = {"quantities": ["losses.*"], "size": 0.5, "reason": HOSTILE, "link": HOSTILE}
    text: dict[str, Any] = {"title": HOSTILE, "description": HOSTILE, "exceptions": [known]}
    small: dict[str, Any] = {"figures": CASE["figures"][:1], "trials": 2, "claims": ["losses"]}
    scaling = {"n": [40, 80, 120], "scatter_rates": ["*"], "limits": ["*"]}
    sizes = {"sweep": {}, "scaling": scaling, "setting": {**SETTING, "step_exponent": 0.1}}
    return [
        case(**small, **text, negative_controls=[control]),
        case(name="sizes", claims=["losses"], figures=[], negative_controls=[], trials=3, **sizes),
    ]
