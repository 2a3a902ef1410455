"""What the golden numbers are: named computations, each through the public API alone.

`programme.toml` lists them with their settings and options.
"""

import math
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np

import rmt_spikes as rs

SPIKE = ("singular_value", "distance", "alignment", "feature", "right_alignment")
LOSSES = ("objective", "train", "test")
ROW = ("quantity", "predicted", "observed", "se", "allowance", "verdict")


def some(thing: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Some attributes of a result."""
    return {name: getattr(thing, name) for name in names}


def without_bar(document: dict[str, Any]) -> dict[str, Any]:
    """A document without its error bar: these are checked against observations alone (error_bars.csv)."""
    return {name: value for name, value in document.items() if name != "error"}


def plain(value: Any) -> Any:
    """What JSON knows: doubles exactly, numbers of more digits as texts."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, mpmath.mpf):
        return mpmath.nstr(value, mpmath.mp.dps)
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def with_given(setting: rs.Setting, options: dict[str, Any]) -> dict[str, Any]:
    """Options with latent variables for a stage; drawn here, so that they do not move with the simulation."""
    if "given" not in options:
        return options
    rng, q, labels = np.random.Generator(np.random.PCG64(7)), None, None
    alpha = rng.standard_normal(setting.width)
    if options["given"] == "both_batches":
        q = rng.standard_normal(setting.n_ridge)
        labels = q + 0.7 * (q**2 - 1.0) + rng.standard_normal(setting.n_ridge)
    alpha = np.sign(alpha) if setting.readout == "rademacher" else alpha
    numbers = {"beta_norm2": 2.1, "beta_cosine": 0.7, "label_energy": 2.0}
    return options | {"given": SimpleNamespace(**numbers, alpha=alpha, q=q, labels=labels)}


def predict(setting: rs.Setting, *, thresholds: bool = False, **options: Any) -> dict[str, Any]:
    """Everything about a prediction; critical step sizes are slow and come when they are asked for."""
    prediction = rs.predict(setting, **with_given(setting, options))
    bulk, points = prediction.bulk, np.array([-2.0, -0.5, 0.0, 1.0, 3.0])
    inside = bulk.edges[0, 0] + np.ptp(bulk.edges) * np.array([0.02, 0.3, 0.6, 0.98])
    names = (*SPIKE, *(("critical_step_size",) if thresholds else ()))
    return {
        **{name: part.to_dict() for name, part in some(prediction, ("latent", "regime")).items()},
        "losses": some(prediction.losses, LOSSES),
        "certificate": prediction.certificate.to_dict(),
        "given": prediction.given,
        "bulk": without_bar(bulk.to_dict()) | {"density": bulk.density(inside), "cdf": bulk.cdf(inside)},
        "spikes": [
            some(s, names) | {"profile": s.profile(points), "right_profile": s.right_profile(points)}
            for s in prediction.spikes
        ],
        "limits": prediction.limits and {k: losses.to_dict() for k, losses in prediction.limits.items()},
    }


def predict_precisely(setting: rs.Setting, *, digits: int) -> dict[str, Any]:
    """A prediction in higher precision, to its digits."""
    precise = rs.predict(setting, digits=digits)
    bulk, nodes = precise.bulk, precise.certificate.nodes
    density, spikes = bulk.density(sum(bulk.edges[0]) / 2), [some(s, SPIKE) for s in precise.spikes]
    found = {"hermite": precise.hermite, "latent": precise.latent.to_dict()}
    found["regime"] = precise.regime.to_dict()
    found |= some(precise.losses, LOSSES) | some(bulk, ("edges", "atom_at_zero", "quantiles"))
    with mpmath.workdps(digits):
        return plain(found | {"density": density, "spikes": spikes, "nodes": nodes})


def sweep(setting: rs.Setting, **options: Any) -> dict[str, Any]:
    """Losses over step sizes."""
    steps = np.linspace(0.0, math.sqrt(setting.width), 25)
    table = rs.sweep(setting, {"step_size": steps}, **{"rtol": 1e-4, **options})
    found = {name: table[f"losses.{name}"] for name in LOSSES}
    return plain(found | {"error": table.error, "solves": table.solves})


def standard_deviations(setting: rs.Setting) -> dict[str, Any]:
    """Fluctuations of spikes and losses."""
    spikes = rs.theory.spike_standard_deviations(setting)
    return {"spike_deviations": spikes, "loss_deviations": rs.theory.loss_standard_deviations(setting)}


def simulate(setting: rs.Setting, *, latent: bool = True, **options: Any) -> dict[str, Any]:
    """One trial."""
    trial = rs.simulate(setting, **{"trials": 1, **options}).trials[0]
    drawn = some(trial.latent, ("label_energy", "alpha", "q", "labels")) if latent else {}
    return trial.to_dict() | drawn | some(trial, ("left_vectors", "right_vectors", "density"))


def cluster(setting: rs.Setting, **options: Any) -> dict[str, Any]:
    """One trial on a dask cluster of two threads in this process."""
    from distributed import Client, LocalCluster

    kind = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**kind) as local, Client(local, set_as_default=False) as client:
        return simulate(setting, scheduler=client, **options)


def compare(setting: rs.Setting, **options: Any) -> dict[str, Any]:
    """The rows of a comparison."""
    comparison = rs.compare(rs.predict(setting, **options), rs.simulate(setting, trials=4, seed=2))
    return {name: [getattr(row, name) for row in comparison.rows] for name in ROW}


def given_trial(setting: rs.Setting) -> dict[str, Any]:
    """Losses given a trial that was simulated."""
    latent = rs.simulate(setting, trials=1, seed=8).latent
    stages = {"first_stage": latent.first_stage(), "both_batches": latent}
    return {name: some(rs.predict_losses(setting, given=given), LOSSES) for name, given in stages.items()}


def losses(setting: rs.Setting, **options: Any) -> dict[str, Any]:
    """The losses alone."""
    return some(rs.predict_losses(setting, **with_given(setting, options)), LOSSES)


def formula(name: str, **options: Any) -> dict[str, Any]:
    """A formula as text."""
    return {"latex": rs.theory.symbolic.derive(name, **options).latex()}


COMPUTATIONS: dict[str, Callable[..., Any]] = {
    **{function.__name__: function for function in (predict, predict_precisely, sweep, simulate, cluster)},
    **{function.__name__: function for function in (standard_deviations, compare, given_trial)},
    "losses": losses,
    "critical_step_sizes": lambda setting, **o: {"critical_step_sizes": rs.critical_step_sizes(setting, **o)},
    "limit_losses": lambda setting: rs.theory.limit_losses(setting).to_dict(),
    "coefficients": lambda setting: {"coefficients": setting.activation_expansion.coefficients[:12]},
    "mean": lambda setting, **options: rs.simulate(setting, trials=3, seed=9, **options).mean_se(),
}


def programmes() -> dict[str, dict[str, Callable[[], Any]]]:
    """Computations of each file of golden numbers, by name."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    base, small, symbolic = rs.Setting(**table["base"]), rs.Setting(**table["trial"]), rs.theory.symbolic
    settings = {name: base.replace(**changes) for name, changes in table["settings"].items()}
    groups = table["groups"] | {"all": list(settings)}
    predictions: dict[str, Callable[[], Any]] = {
        f"{label}/{name}": partial(COMPUTATIONS[kind], settings[name], **options)
        for label, (kind, names, options) in table["predictions"].items()
        for name in (groups[names] if isinstance(names, str) else names)
    }
    exponents = table["limits"]["exponents"]
    predictions["regimes"] = lambda: {"degrees": [rs.theory.regime_degree(e) for e in exponents]}
    simple = [[name, {}] for name in symbolic.quantities() if None not in symbolic.options(name).values()]
    for number, (name, options) in enumerate(simple + table["derive"]["formulas"]):
        predictions[f"formula-{number:02}/{name}"] = partial(formula, name, **options)
    trials = {
        name: partial(COMPUTATIONS[kind], small.replace(**changes), **options)
        for name, (kind, changes, options) in table["trials"].items()
    }
    return {"predictions": predictions, "trials": trials}


PROGRAMMES = programmes()
