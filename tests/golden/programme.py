"""What the golden numbers are: a list of named computations, each through the public API alone.

An entry is the name of a computation of `record.py`, a setting (None where there is none) and its options.
"""

import math
from typing import Any, NamedTuple

import rmt_spikes as rs


class Entry(NamedTuple):
    """One computation."""

    kind: str
    setting: rs.Setting | None
    options: dict[str, Any]


BASE = rs.Setting(
    n=600, d=300, width=400, activation="relu", target={"hermite": [0, 1, 0.7]},
    noise_std=0.3, ridge=0.01, step_exponent=0.4,
)  # fmt: skip

FUNCTIONS = ("tanh", "erf", "gelu", "softplus", "sigmoid", "sin", "silu", "elu", "identity")
MEAN = {"hermite": [0.5, 1, 0.7]}
# fmt: off
CHANGES: dict[str, dict[str, Any]] = {
    "base": {}, "no-step": {"step_size": 0}, "step-sqrt-width": {"step_size": 20.0},
    **{f"step-exponent-{power}": {"step_exponent": power} for power in (0.0, 0.25, 0.3)},
    "many-samples": {"n_ridge": 1500}, "few-samples": {"n_ridge": 250}, "square": {"n_ridge": 400},
    "few-dimensions": {"d": 30}, "many-dimensions": {"d": 900}, "wide": {"width": 1300},
    "narrow": {"width": 90}, "tiny-ridge": {"ridge": 1e-7}, "large-ridge": {"ridge": 5.0},
    "uncentred": {"center": False}, "label-mean": {"target": MEAN}, "odd-target": {"target": "tanh"},
    "no-noise": {"noise_std": 0.0},
    "label-mean-uncentred": {"target": MEAN, "center": False, "activation": "softplus"},
    "target-expression": {"target": {"expression": "z + abs(z)/2 - cos(z)"}},
    "rademacher": {"readout": "rademacher"}, "constant": {"readout": "constant"},
    "constant-label-mean": {"readout": "constant", "target": MEAN, "step_size": 10.0},
    "standard": {"output_scale": "standard"},
    "standard-rademacher": {"output_scale": "standard", "readout": "rademacher", "activation": "tanh"},
    "standard-constant": {"output_scale": "standard", "readout": "constant", "activation": "erf"},
    **{name: {"activation": name, "step_exponent": 0.35} for name in FUNCTIONS},
    "hermite": {"activation": {"hermite": [0, 1, 0.3, 0.1]}},
    "expression": {"activation": {"expression": "tanh(z) + z**2/10"}},
}
# fmt: on
SETTINGS = {name: BASE.replace(**changes) for name, changes in CHANGES.items()}

CLOSED = (
    *("base", "no-step", "step-exponent-0.0", "step-exponent-0.25", "few-samples", "many-samples"),
    *("many-dimensions", "wide", "tiny-ridge", "uncentred", "label-mean", "rademacher", "constant"),
    *("tanh", "gelu", "hermite", "expression"),
)
LIMIT = ("base", "no-step", "step-exponent-0.3", "few-samples", "constant", "rademacher", "tanh", "hermite")
FEATURES = ("base", "step-sqrt-width", "rademacher", "few-dimensions", "label-mean")
GIVEN = ("few-samples", "narrow", "rademacher")
BOTH = ("uniform", "closed_form")

# Label, computation, settings, options.
TABLE: list[tuple[str, str, tuple[str, ...], dict[str, Any]]] = [
    ("uniform", "predict", tuple(SETTINGS), {}),
    ("closed_form", "predict", CLOSED, {"method": "closed_form"}),
    ("limit", "predict", LIMIT, {"method": "limit"}),
    *((f"{m}-{f}", "predict", FEATURES, {"method": m, "features": f})
      for m in BOTH for f in ("published", "isotropic")),
    *((f"{m}-{g}", "predict", GIVEN, {"method": m, "given": g})
      for m in BOTH for g in ("first_stage", "both_batches")),
    *((f"losses-{m}", "losses", ("gelu", "sin"), {"method": m}) for m in (*BOTH, "limit")),
    *((f"losses-{g}", "losses", ("narrow",), {"given": g}) for g in ("first_stage", "both_batches")),
    *((f"critical-{m}", "predict", ("base", "tanh"), {"method": m, "thresholds": True}) for m in BOTH),
    *((f"thresholds-{m}", "critical_step_sizes", ("base",), {"method": m, "count": 2}) for m in BOTH),
    *((f"sweep-{m}", "sweep", ("base",), {"method": m}) for m in BOTH),
    ("sweep-published", "sweep", ("tanh",), {"features": "published", "rtol": 1e-8}),
    ("digits-50", "predict_precisely", ("base", "rademacher"), {"digits": 50}),
    ("digits-30", "predict_precisely", ("tanh", "few-samples"), {"digits": 30}),
    ("limits", "limit_losses", ("base", "elu", "hermite"), {}),
    ("deviations", "standard_deviations", ("base", "few-samples", "constant", "rademacher", "tanh"), {}),
    ("coefficients", "coefficients", FUNCTIONS, {}),
]  # fmt: skip

FORMULAS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in rs.theory.symbolic.quantities()
      if None not in rs.theory.symbolic.options(name).values()),
    *(("hermite", {"activation": name}) for name in ("relu", "erf", "gelu", "sin")),
    *(("smoothed", {"activation": name}) for name in ("relu", "erf", "gelu", "sin")),
    *(("feature", {"degree": degree}) for degree in (1, 2, 3, 4)),
    *(("growth", {"degree": degree}) for degree in (1, 2, 3)),
    *(("published-equation", {"number": number}) for number in (1, 2)),
    ("untrained-loss", {"loss": "test"}),
    *(("improvement", {"spikes": spikes, "features": features, "loss": loss})
      for spikes, features in ((1, "corrected"), (2, "published"), (3, "corrected"))
      for loss in ("objective", "test")),
    ("improvement", {"spikes": 3, "intercept": True}),
    ("improvement", {"spikes": 3, "missing": "2"}),
]  # fmt: skip

PREDICTIONS = {
    f"{label}/{name}": Entry(kind, SETTINGS[name], options)
    for label, kind, names, options in TABLE
    for name in names
}
PREDICTIONS["regimes"] = Entry("regimes", None, {"exponents": [-math.inf, 0.0, 0.1, 0.25, 0.3, 0.45, 0.5]})
for number, (quantity, given) in enumerate(FORMULAS):
    PREDICTIONS[f"formula-{number:02}/{quantity}"] = Entry("derive", None, {"name": quantity, **given})

SMALL = rs.Setting(
    n=90, d=40, width=60, n_ridge=100, activation="relu", target={"hermite": [0, 1, 0.7]},
    noise_std=0.3, ridge=0.05, step_exponent=0.4,
)  # fmt: skip

# Its features are the largest part of its memory: 64 MB hold them, 1.3 MB do not.
TALL = SMALL.replace(n=150, d=20, width=100, n_ridge=1500)

TRIALS: dict[str, Entry] = {
    "tall": Entry("simulate", SMALL, {}),
    "wide": Entry("simulate", SMALL.replace(n_ridge=45, readout="constant"), {}),
    "no-step": Entry("simulate", SMALL.replace(step_size=0), {}),
    "rademacher": Entry("simulate", SMALL.replace(readout="rademacher", activation="tanh"), {"seed": 3}),
    "standard": Entry("simulate", SMALL.replace(output_scale="standard", activation="erf"), {"seed": 4}),
    "uncentred": Entry("simulate", SMALL.replace(center=False, target=MEAN, activation="gelu"), {"seed": 5}),
    "ill-conditioned": Entry("simulate", SMALL.replace(n_ridge=60, ridge=1e-10), {"seed": 6}),
    "sampled-test": Entry("simulate", SMALL, {"test_samples": 1000, "seed": 1}),
    "vectors": Entry("simulate", SMALL, {"keep_vectors": True, "top": 2, "seed": 2}),
    "single": Entry("simulate", SMALL.replace(d=80), {"precision": "single"}),
    "top": Entry("simulate", SMALL, {"spectrum": "top", "top": 2}),
    "top-wide": Entry("simulate", SMALL.replace(width=120, n_ridge=80), {"spectrum": "top", "top": 3}),
    "density": Entry("simulate", SMALL.replace(activation="silu"), {"spectrum": "density", "top": 2}),
    "held": Entry("simulate", TALL, {"memory": 64e6}),
    "streamed": Entry("simulate", TALL, {"latent": False, "memory": 1.3e6}),
    "streamed-single": Entry("simulate", TALL, {"latent": False, "memory": 1.3e6, "precision": "single"}),
    "mean": Entry("mean", SMALL, {"trials": 3, "seed": 9}),
    "processes": Entry("mean", SMALL, {"trials": 3, "seed": 9, "jobs": 2}),
    "cluster": Entry("cluster", SMALL, {"trials": 1}),
    "spread": Entry("cluster", SMALL.replace(n_ridge=200), {"spectrum": "top", "top": 3, "spread": True}),
    "spread-density": Entry("cluster", SMALL, {"spectrum": "density", "top": 2, "spread": True}),
    "comparison": Entry("compare", SMALL, {}),
    "comparison-closed-form": Entry("compare", SMALL.replace(activation="tanh"), {"method": "closed_form"}),
    "given-trial": Entry("given_trial", SMALL, {}),
}

PROGRAMMES = {"predictions": PREDICTIONS, "trials": TRIALS}
