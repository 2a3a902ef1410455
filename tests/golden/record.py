"""Golden numbers: what the code computed when they were written.

They guard moves and refactorings. They say nothing about correctness: for that, other tests compare with
independent values.

    python tests/golden/record.py              compare, within the tolerances below
    python tests/golden/record.py --exact      demand the same bits, as on one machine before and after a move
    python tests/golden/record.py --measure    largest difference of each quantity, in units of its scale
    python tests/golden/record.py --write      write them anew; CHANGELOG.md must then say what changed

The files name the versions of the theory and of the simulation. Numbers that change beyond the tolerances are
written only after one of their versions was raised.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import mpmath
import numpy as np
from programme import PROGRAMMES, Entry

import rmt_spikes as rs
from rmt_spikes.simulation import SIMULATION_VERSION

HERE = Path(__file__).parent
VERSIONS = {
    "predictions": {"theory": rs.theory.THEORY_VERSION},
    "trials": {"theory": rs.theory.THEORY_VERSION, "simulation": SIMULATION_VERSION},
}
SPIKE = ("singular_value", "distance", "alignment", "feature", "right_alignment")
LOSSES = ("objective", "train", "test")
ROW = ("quantity", "predicted", "observed", "se", "allowance", "verdict")

SMALL = 1e-4  # The scale of a number is itself or this: one that vanishes up to rounding has none of its own.

# The first pattern found in "file entry quantity" counts. Beside it: the largest difference, in units of the
# largest number of the quantity, between kernels of OpenBLAS (Haswell, Zen, SkylakeX), numpy with and
# without AVX-512, and between one and two threads.
TOLERANCES = (
    (r"(certificate\.(residual|edge_error)|trials \S+ residual)$", math.inf),  # 0.8: rounding itself
    (r"trials ill-conditioned ", 2e-5),  # 1.5e-6: ridge 1e-10
    (r"trials \S*single ", 2e-6),  # 1.5e-7: single precision
    (r"given-trial both_batches", 2e-6),  # 1.2e-7: Gauss rule of the samples
    (r"both_batches", 4e-8),  # 2.1e-9: the same
    (r"trials .*test_error$", 1e-5),  # 3.6e-7: a bound on the error of the next
    (r"trials .*test$", 1e-10),  # 2.6e-12: a series that stops at a tolerance
    (r"neglected$", 1e-9),  # 3.7e-11: small differences
    (r"predictions sweep.* error$", 1e-4),  # 3.1e-6: a small difference
    (r"imaginary_part$", 5e-9),  # 2.6e-10: at 1e-6 of an edge
    (r"deviations|quantiles|distance$", 2e-10),  # 8.5e-12: small differences, bisection
    (r"", 1e-12),  # below 1e-13
)


def some(thing: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Some attributes of a result."""
    return {name: getattr(thing, name) for name in names}


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
        **{
            name: getattr(prediction, name).to_dict()
            for name in ("latent", "regime", "losses", "certificate")
        },
        "given": prediction.given,
        "bulk": bulk.to_dict() | {"density": bulk.density(inside), "cdf": bulk.cdf(inside)},
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
    found = some(precise, ("hermite", "latent")) | {"regime": precise.regime.to_dict()}
    found |= some(precise.losses, LOSSES)
    found |= some(bulk, ("edges", "atom_at_zero", "quantiles"))
    with mpmath.workdps(digits):
        return plain(found | {"density": density, "spikes": spikes, "nodes": nodes})


def sweep(setting: rs.Setting, **options: Any) -> dict[str, Any]:
    """Losses over step sizes."""
    result = rs.sweep_losses(setting, np.linspace(0.0, math.sqrt(setting.width), 25), **options)
    return some(result, (*LOSSES, "error", "solves"))


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
    return {name: rs.predict_losses(setting, given=given).to_dict() for name, given in stages.items()}


COMPUTE = {
    "losses": lambda setting, **o: rs.predict_losses(setting, **with_given(setting, o)).to_dict(),
    "critical_step_sizes": lambda setting, **o: {"critical_step_sizes": rs.critical_step_sizes(setting, **o)},
    "limit_losses": lambda setting: rs.theory.limit_losses(setting).to_dict(),
    "coefficients": lambda setting: {"coefficients": setting.activation_expansion.coefficients[:12]},
    "regimes": lambda _, exponents: {"degrees": [rs.theory.regime_degree(e) for e in exponents]},
    "derive": lambda _, name, **options: {"latex": rs.theory.symbolic.derive(name, **options).latex()},
    "mean": lambda setting, **options: rs.simulate(setting, **options).mean_se(),
}  # fmt: skip
for function in (
    predict,
    predict_precisely,
    sweep,
    standard_deviations,
    simulate,
    cluster,
    compare,
    given_trial,
):
    COMPUTE[function.__name__] = function


def compute(entry: Entry) -> Any:
    """The numbers of an entry, as JSON has them."""
    return json.loads(json.dumps(plain(COMPUTE[entry.kind](entry.setting, **entry.options))))


def stored(name: str) -> tuple[dict[str, int], dict[str, Any]]:
    """Versions and entries of a file of golden numbers."""
    entries = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return entries.pop("versions"), entries


def refusals(name: str, versions: dict[str, int], old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Numbers that changed without a version that was raised."""
    if versions != VERSIONS[name]:
        return []
    return [line for key in new if key in old for line in failures(f"{name} {key}", old[key], new[key])]


def write(name: str, entries: dict[str, Any]) -> None:
    """Write a file of golden numbers, one entry a line."""
    document = {"versions": VERSIONS[name], **entries}
    lines = [f"{json.dumps(key)}:{json.dumps(document[key], separators=(',', ':'))}" for key in document]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Path of each quantity and its largest difference in units of its scale; inf if of another shape."""
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        for key in old:
            yield from differences(old[key], new[key], f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and isinstance((old or [0])[0], dict):
        yield path, 0.0 if len(old) == len(new) else math.inf
        for one, other in zip(old, new, strict=False):
            yield from differences(one, other, path)
    else:
        yield path, 0.0 if json.dumps(old) == json.dumps(new) else _distance(old, new)


def _distance(old: Any, new: Any) -> float:
    try:
        left, right = np.array(old, dtype=float), np.array(new, dtype=float)
    except (TypeError, ValueError):
        return math.inf
    known = np.isfinite(left)
    if isinstance(old, str) or left.shape != right.shape or not np.array_equal(known, np.isfinite(right)):
        return math.inf
    scale, error = (np.max(np.abs(x[known]), initial=0.0) for x in (left, left - right))
    return float(error / max(scale, SMALL))


def failures(place: str, old: Any, new: Any, exact: bool = False) -> list[str]:
    """What differs by more than is allowed."""
    found = []
    for path, size in differences(old, new):
        line = f"{place} {path}"
        allowed = next(allowed for pattern, allowed in TOLERANCES if re.search(pattern, line))
        if size > (0.0 if exact else allowed):
            found.append(f"{line}: {size:.2g}")
    return found


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for option in ("exact", "measure", "write"):
        parser.add_argument(f"--{option}", action="store_true")
    options = parser.parse_args()
    bad: list[str] = []
    worst: list[tuple[float, str]] = []
    for name, programme in PROGRAMMES.items():
        entries = {key: compute(entry) for key, entry in programme.items()}
        versions, old = stored(name)
        if options.write and not (bad := bad + refusals(name, versions, old, entries)):
            write(name, entries)
            versions, old = stored(name)
        bad += [f"{name}: written with {versions}, now {VERSIONS[name]}"] * (versions != VERSIONS[name])
        bad += [f"{name} {key}: not in both" for key in old.keys() ^ entries.keys()]
        for key in [key for key in entries if key in old]:
            bad += failures(f"{name} {key}", old[key], entries[key], options.exact)
            worst += [(size, f"{name} {key} {path}") for path, size in differences(old[key], entries[key])]
    if options.measure:
        bad += [f"{size:.2g} {path}" for size, path in sorted(worst, reverse=True) if size > 1e-13]
    print("\n".join(bad or ["no difference"]))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
