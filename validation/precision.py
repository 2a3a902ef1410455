"""Digits of the closed form in double precision, measured against more digits (docs/precision.md).

Four scans where digits could get lost: a tiny or huge ridge at and off interpolation, two intervals of the
bulk that meet, a spike at its threshold, and settings drawn from the declared domain. Prints the worst
relative error of each and writes a figure. A few minutes on one core.
"""

import argparse
import math
from collections.abc import Iterable

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import rmt_spikes as rs

DIGITS, FEWER_DIGITS = 25, 18
FLOOR = 1e-17
SETTING = rs.Setting(
    n=3000, d=1500, width=2000, activation="relu", target={"hermite": [0, 1, 0.7]}, noise_std=0.5,
    step_exponent=0.4, ridge=0.01, readout="rademacher",
)  # fmt: skip
COLOURS, MARKERS = ("#1f5fa8", "#c55a11", "#2a7f4f", "#7a3b8f"), "osD^"
Errors = dict[str, float]
Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def relative(found: float, exact: object) -> float:
    """Relative error of a double, at least `FLOOR` so that it can be drawn."""
    return max(FLOOR, abs(float((found - exact) / exact)))


def loss_error(double: rs.Prediction, exact: rs.PrecisePrediction) -> float:
    """Largest relative error of the three losses."""
    names = ("objective", "train", "test")
    return max(relative(getattr(double.losses, name), getattr(exact.losses, name)) for name in names)


def both(setting: rs.Setting, digits: int = DIGITS) -> tuple[rs.Prediction, rs.PrecisePrediction]:
    """The closed form in double precision, and to more digits."""
    return rs.predict(setting, method="closed_form"), rs.predict(setting, digits=digits)


def all_errors(setting: rs.Setting) -> Errors:
    """Relative errors of losses, edges and spikes, absolute ones of alignments; the worst of each kind."""
    double, exact = both(setting, FEWER_DIGITS)
    errors = {"losses": loss_error(double, exact)}
    pairs = zip(double.bulk.edges.ravel(), [edge for pair in exact.bulk.edges for edge in pair], strict=True)
    errors["edges"] = max(relative(a, b) for a, b in pairs if b > 0)
    if len(double.spikes) != len(exact.spikes):
        errors["number of spikes"] = 1.0
        return errors
    for a, b in zip(double.spikes, exact.spikes, strict=True):
        errors["spikes"] = max(errors.get("spikes", 0.0), relative(a.singular_value, b.singular_value))
        shares = max(FLOOR, *(abs(float(x - y)) for x, y in zip(a.alignment, b.alignment, strict=True)))
        errors["alignments"] = max(errors.get("alignments", 0.0), shares)
    return errors


def scan_ridge() -> Curves:
    """Losses over the declared domain of the ridge, with fewer, as many and more neurons than samples."""
    ridges = 10.0 ** np.arange(-12, 13)
    curves = {}
    for label, samples in (("N/ñ = 1/2", 4000), ("N/ñ = 1", 2000), ("N/ñ = 2", 1000)):
        settings = [SETTING.replace(n_ridge=samples, ridge=float(ridge)) for ridge in ridges]
        curves[label] = ridges, np.array([loss_error(*both(setting)) for setting in settings])
    return curves


def scan_gap() -> Curves:
    """Edges when the gap between two intervals of the bulk closes, against the width of the gap."""
    base = SETTING.replace(
        n=10**9, d=10**8, width=3 * 10**8, activation={"hermite": [0, 1, 0.2]}, step_size=0.0
    )

    def intervals(samples: int) -> int:
        return len(rs.predict(base.replace(n_ridge=samples), digits=DIGITS).bulk.edges)

    low, high = 10**8, 2 * 10**8
    assert intervals(low) == 1
    assert intervals(high) == 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if intervals(middle) == 2 else (middle, high)
    gaps, inner, outer = [], [], []
    for distance in np.geomspace(1e-8, 1.0, 17):
        setting = base.replace(n_ridge=min(10**9, high + round(distance * high)))
        exact = rs.predict(setting, digits=DIGITS).bulk.edges
        gap = float(exact[1][0] / exact[0][1] - 1)
        try:
            double = rs.predict(setting, method="closed_form").bulk.edges
        except rs.ConvergenceError as error:
            print(f"gap {gap:.1e}: refused in double precision, {error}")
            continue
        if len(double) != 2:
            print(f"gap {gap:.1e}: not seen in double precision")
            continue
        gaps.append(gap)
        inner.append(max(relative(double[0, 1], exact[0][1]), relative(double[1, 0], exact[1][0])))
        outer.append(max(relative(double[0, 0], exact[0][0]), relative(double[1, 1], exact[1][1])))
    return {
        "edges of the gap": (np.array(gaps), np.array(inner)),
        "outer edges": (np.array(gaps), np.array(outer)),
    }


def scan_threshold() -> Curves:
    """Singular value and alignment of the first spike above its critical step size."""
    base = SETTING.replace(n=10**9, d=5 * 10**8, width=7 * 10**8)
    critical = float(rs.critical_step_sizes(base, 1, method="closed_form")[0])
    kept, values, shares = [], [], []
    for excess in np.geomspace(1e-3, 1e4, 22):
        setting = base.replace(step_size=float(critical * (1 + excess)))
        double = rs.predict(setting, method="closed_form").spikes
        exact = rs.predict(setting, digits=DIGITS).spikes
        if double and exact:
            kept.append(excess)
            values.append(relative(double[0].singular_value, exact[0].singular_value))
            shares.append(relative(double[0].alignment[1], exact[0].alignment[1]))
    x = np.array(kept)
    return {"singular value": (x, np.array(values)), "alignment with q": (x, np.array(shares))}


def draw_settings(count: int) -> Iterable[rs.Setting]:
    """Settings from the declared domain: sizes, ratios and ridges log-uniform, steps to ``sqrt(N)``.

    With a Gaussian readout to 0.6 of it, where the quadrature of more digits is still cheap.
    """
    rng = np.random.default_rng(0)
    for _ in range(count):
        width, n = (round(10.0 ** rng.uniform(2, 4)) for _ in range(2))
        readout = str(rng.choice(["gaussian", "rademacher", "constant"]))
        largest = (0.6 if readout == "gaussian" else 1.0) * math.sqrt(width)
        yield rs.Setting(
            n=n,
            d=max(2, round(n * 10.0 ** rng.uniform(-1, 1))),
            width=width,
            n_ridge=max(10, round(width * 10.0 ** rng.uniform(-1, 1))),
            activation=str(rng.choice(["relu", "erf", "gelu", "tanh", "sin", "softplus"])),
            target={"hermite": [0.0, 1.0, *np.round(rng.uniform(-1, 1, 2), 3).tolist()]},
            noise_std=round(float(rng.uniform(0, 1)), 3),
            ridge=float(10.0 ** rng.uniform(-12, 6)),
            step_size=float(rng.uniform(0, 1)) * largest,
            readout=readout,
        )


def scan_domain(count: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Errors over drawn settings, by kind, and the refusals of the higher precision."""
    table: dict[str, list[float]] = {"losses": [], "edges": [], "spikes": [], "alignments": []}
    refused = []
    for setting in draw_settings(count):
        try:
            errors = all_errors(setting)
        except rs.ConvergenceError as error:
            refused.append(f"{setting.activation} {setting.readout} theta {setting.theta:.2f}: {error}")
            continue
        if "number of spikes" in errors:
            refused.append(f"spikes at the edge differ: {setting}")
        for kind in table:
            if kind in errors:
                table[kind].append(errors[kind])
    return {kind: np.sort(values) for kind, values in table.items()}, refused


def draw(scans: list[Curves], table: dict[str, np.ndarray], path: str) -> None:
    """Four panels: relative error against what makes it grow, and its distribution."""
    figure = Figure(figsize=(6.75, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    titles = (
        "(a) losses, tiny to huge ridge",
        "(b) edges, two intervals that meet",
        "(c) a spike above its threshold",
    )
    labels = ("ridge λ", "relative width of the gap", "step size / critical step size \N{MINUS SIGN} 1")
    for axis, title, label, curves in zip(axes.flat, titles, labels, scans, strict=False):
        for colour, marker, (name, (x, y)) in zip(COLOURS, MARKERS, curves.items(), strict=False):
            axis.loglog(x, y, marker + "-", ms=3.5, lw=0.8, color=colour, label=name)
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_xlabel(label)
        axis.set_ylabel("relative error")
    last = axes[1, 1]
    for colour, marker, (name, values) in zip(COLOURS, MARKERS, table.items(), strict=True):
        share = np.arange(1, values.size + 1) / values.size
        last.semilogx(
            values, share, marker + "-", ms=2.5, lw=0.8, color=colour, label=f"{name} ({values.size})"
        )
    last.set_title("(d) settings drawn from the domain", fontsize=9, loc="left")
    last.set_xlabel("relative error (alignments: absolute)")
    last.set_ylabel("share of settings below")
    for axis in axes.flat:
        axis.legend(fontsize=7, frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[:3]:
        axis.axhline(2.2e-16, color="black", lw=0.5)
        axis.set_ylim(5e-18, max(1e-12, 3 * max(np.max(line.get_ydata()) for line in axis.lines)))
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None, dpi=150)


def main() -> None:
    """Print the table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=int, default=80)
    parser.add_argument("--figure", default="precision.svg")
    arguments = parser.parse_args()
    scans = [scan_ridge(), scan_gap(), scan_threshold()]
    for curves in scans:
        for name, (x, y) in curves.items():
            print(f"{name:<20} {len(x):>3} points, worst relative error {y.max():.1e} at {x[y.argmax()]:.1e}")
    table, refused = scan_domain(arguments.settings)
    print("drawn settings: median, 90 % and largest error")
    for kind, values in table.items():
        median, most = np.quantile(values, (0.5, 0.9))
        print(f"{kind:<20} {values.size:>3} settings, {median:.1e} {most:.1e} {values.max():.1e}")
    print(f"refused or different: {len(refused)}")
    for line in refused:
        print("  " + line)
    draw(scans, table, arguments.figure)


if __name__ == "__main__":
    main()
