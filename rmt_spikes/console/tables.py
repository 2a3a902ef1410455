"""Tables on a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rmt_spikes.values import jsonable
from rmt_spikes.verdict import Verdict

LARGE = 0.05
"""Error bar, as a share of its number, that the first line tells of: from there on Python warns."""

LEGEND = "He_k: squared correlation of the left singular vector with He_k(q); --explain says what each row is"
"""Below the table of spikes."""


class Terminal(Console):
    """A console whose closed pipes are errors like those of other output."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is handled."""
        raise


NEGLIGIBLE = 1e-12
"""Numbers that are shown as zero: rounding of numbers of order one."""


def print_prediction(document: dict[str, Any], console: Console) -> None:
    """Print the JSON document of a prediction as tables."""
    title = f"Prediction: method {document['method']}, {document['features']} features"
    exponent = document["regime"]["step_exponent"]
    if exponent is not None:
        title += f", step exponent {exponent:.4g}"
    title += _warning(document)
    console.print(title, style="bold", markup=False, soft_wrap=True)
    _print_sections(document, console)
    _print_limits(document, console)
    certificate = document["certificate"]
    text = f"certificate: mass {certificate['mass']:.8f}, residual {certificate['residual']:.1g}"
    console.print(text, style="dim", markup=False, soft_wrap=True)


def print_precise(document: dict[str, Any], console: Console) -> None:
    """Print the JSON document of a precise prediction, one number a line, all digits."""
    title = f"Prediction: closed form, {document['features']} features, {document['digits']} digits"
    title += _warning(document)
    console.print(title, style="bold", markup=False, soft_wrap=True)
    sections = ("latent", "losses", "limits", "bulk", "spikes", "certificate")
    lines = [line for section in sections for line in _lines(section, document[section])]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        console.print(f"{name:<{width}}  {value}", markup=False, soft_wrap=True)
    console.print("enclosures: lower and upper bounds, proved", style="dim")
    for name, value in _lines("", document["enclosures"]):
        console.print(f"{name.strip():<{width}}  {value}", markup=False, soft_wrap=True)


def _lines(name: str, value: Any) -> list[tuple[str, str]]:
    """Leaves of a document with their names; numbers of spikes and edges count from 1."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _lines(f"{name} {key}", item)]
    if isinstance(value, list):
        # Coefficients and alignments are numbered by degree.
        start = 0 if name.endswith(("feature", "alignment")) else 1
        return [line for k, item in enumerate(value, start) for line in _lines(f"{name} {k}", item)]
    return [] if value is None else [(name, f"{value:.1e}" if isinstance(value, float) else str(value))]


def _warning(document: dict[str, Any]) -> str:
    """What the first line says of an error bar that is large; it names the largest."""
    losses, spikes = document["losses"], document["spikes"]
    bars = {f"{name} loss": (error, losses[name]) for name, error in losses.get("error", {}).items()}
    bars |= {f"spike {k}": (spike["error"], spike["singular_value"]) for k, spike in enumerate(spikes, 1)}
    bars["bulk"] = document["bulk"]["error"], 1.0
    sizes = {
        name: error / float(value)
        for name, (error, value) in bars.items()
        if error is not None and float(value) > 0.0
    }
    name = max(sizes, key=lambda each: sizes[each], default="")
    return f"; NOT ACCURATE: error bar of {name} {sizes[name]:.0%}" if name and sizes[name] > LARGE else ""


def _print_limits(document: dict[str, Any], console: Console) -> None:
    """Print the regime and its limits for growing ``n``."""
    regime, limits = document["regime"], document["limits"]
    if limits is None:
        exponent = regime["step_exponent"]
        if exponent is None:
            why = "no step exponent is defined at n = 1"
        elif exponent < 0.49:
            why = "none for several directions, a covariance or one batch"
        else:
            why = "the step exponent is not below 0.49"
        console.print(f"no limit for growing n: {why}\n", markup=False)
        return
    names = list(limits)
    rows = [(key, *(cell(limits[name][key]) for name in names)) for key in limits[names[0]]]
    count = regime["spike_count"]
    spikes = f"{count} spike{'s' * (count != 1)} as n grows, with the losses"
    console.print(f"regime {regime['degree']}: {spikes}", markup=False)
    console.print(table(["limit", *names], rows))


def print_observation(document: dict[str, Any], console: Console) -> None:
    """Print the JSON document of an observation as tables, standard errors in parentheses."""
    title = f"Simulation: trials {document['trials']}, seed {document['seed']}"
    console.print(f"{title}; mean(error of the last digits)", style="bold", markup=False)
    _print_sections(document, console)


def print_measurement(document: dict[str, Any], console: Console) -> None:
    """Print the JSON document of a measurement as tables."""
    sizes = document["sizes"]
    title = f"Network of {sizes['width']} neurons on {sizes['n_ridge']} samples"
    console.print(title, style="bold", markup=False)
    _print_sections(jsonable(document), console)
    if "beyond" not in document:
        console.print("no edge of the bulk: give the features before the step as the array `untrained`")
        return
    rows = []
    for each in document["beyond"]:
        carried = {
            "learnt": f"He_{each['degree']} of direction {each['direction']}, {cell(each['alignment'])}",
            "sample": f"sample {each['sample']}, {cell(each['sample_alignment'])}",
            "bulk": "neither",
            None: "not examined",
        }[each["origin"]]
        rows.append((carried, cell(each["singular_value"]), cell(each["distance"])))
    console.print(table(["beyond the edge of the untrained bulk", "value", "distance"], rows))


def print_report(document: Mapping[str, Any], page: Path, console: Console) -> None:
    """Print the verdicts of the JSON document of a report, and where its page is."""
    for case in document["cases"]:
        rows, notes = [], []
        for point in case["points"]:
            met = Counter(row["verdict"] for row in point["rows"])
            label = ", ".join(f"{key} {value}" for key, value in point["values"].items()) or "-"
            rows.append((label, *(str(met[verdict]) for verdict in Verdict), point["verdict"]))
            notes += [f"{label}: {point['error']}"] if point["error"] else []
        console.print(case["title"], style="bold", markup=False)
        console.print(table(["point", *Verdict, "verdict"], rows))
        fits = case["scaling"] or {"rates": [], "limits": []}
        for kind, name in (("slopes", "rates"), ("limits", "limits")):
            met = Counter(fit["verdict"] for fit in fits[name])
            if met:
                text = ", ".join(f"{met[verdict]} {verdict}" for verdict in Verdict if met[verdict])
                console.print(f"{kind}: {text}", markup=False)
        for note in notes:
            console.print(note, style="dim", markup=False, soft_wrap=True)
        for control in case["negative_controls"]:
            fate = "rejected" if control["rejected"] else "NOT rejected"
            console.print(f"wrong theory {control['name']}: {fate}", markup=False)
        for theory in case["own_theories"]:
            console.print(f"own theory {theory['name']}: {theory['verdict']}", markup=False)
        console.print()
    for known in document["exceptions"]:
        seen = f"seen in {len(known['seen'])} comparisons" if known["seen"] else "not seen"
        text = f"known exception of {known['case']}, up to {known['size']:.2g} of the value, {seen}: "
        console.print(f"{text}{known['reason']} ({known['link']})", markup=False, soft_wrap=True)
    console.print(f"verdict: {document['verdict']}", style="bold")
    if document["verdict"] == Verdict.INCONCLUSIVE:
        for case in document["cases"]:
            for text in case["undecided"]:
                console.print(f"  {case['name']}: {text}", markup=False, soft_wrap=True)
    console.print(f"report: {page}", markup=False, soft_wrap=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Table whose first column is text and whose others are numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, head in enumerate(heads):
        made.add_column(head, justify="right" if i else "left", no_wrap=i > 0)
    for row in rows:
        made.add_row(*row)
    return made


def cell(value: Any, most_digits: int = 6) -> str:
    """Text of a number, or of a mean with its standard error: ``0.530(12)`` means 0.530 +- 0.012."""
    if value is None:
        return "-"
    if not isinstance(value, dict):
        return f"{value:.4g}" if abs(value) > NEGLIGIBLE else "0"
    mean, se = value["mean"], value["se"]
    if mean is None or not se:
        return cell(mean)
    digits = min(max(0, 1 - math.floor(math.log10(se))), most_digits)
    return f"{mean:.{digits}f}({se * 10**digits:.0f})"


def _cells(name: str, value: Any) -> list[tuple[str, str]]:
    """Name and text of a number, or of each of several under one name."""
    if isinstance(value, dict) and "mean" not in value:
        return [(f"{name} {key}", cell(number)) for key, number in value.items()]
    return [(name, cell(value))]


def share_cell(value: Any) -> str:
    """Text of a squared correlation."""
    return f"{value:.4f}" if isinstance(value, float) else cell(value, most_digits=4)


def _bars(spikes: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Row of the error bars of spikes, where they have any."""
    if any(spike.get("error") is None for spike in spikes):
        return []
    return [("error bar", *(f"±{spike['error']:.2g}" for spike in spikes))]


def _print_sections(document: dict[str, Any], console: Console) -> None:
    for section in ("latent", "losses"):
        bars = dict(document[section].get("error", {}))
        numbers = []
        for k, value in document[section].items():
            if k == "error":
                continue
            # Several numbers under one name have their error bars beside them.
            own = value.get("error", {}) if isinstance(value, dict) else {}
            shown = {key: number for key, number in value.items() if key != "error"} if own else value
            bars |= {f"{k} {key}": bar for key, bar in own.items()}
            numbers += _cells(k, shown)
        if bars:
            with_bars = [(k, text, f"±{bars[k]:.2g}" if k in bars else "") for k, text in numbers]
            console.print(table([section, "", "error bar"], with_bars))
        else:
            console.print(table([section, ""], numbers))
    spikes = document["spikes"]
    if spikes:
        extra = [key for key in ("distance", "critical_step_size") if key in spikes[0]]
        # An observation lists its largest singular values, whether or not they have left the bulk.
        heads = ["spike" if extra else "largest", *(str(number) for number in range(1, len(spikes) + 1))]
        shares = zip(*(spike["alignment"] for spike in spikes), strict=True)
        rows = [
            ("value", *(cell(spike["singular_value"]) for spike in spikes)),
            *_bars(spikes),
            *((key.replace("_size", ""), *(cell(spike[key]) for spike in spikes)) for key in extra),
            *((f"He_{degree}", *map(share_cell, row)) for degree, row in enumerate(shares)),
        ]
        console.print(table(heads, rows))
        console.print(LEGEND, style="dim", soft_wrap=True)
        console.print()
    else:
        console.print("no spike outside the bulk\n")
    layer = document.get("weights")
    if layer is not None:
        pairs = zip(layer["singular_values"], layer["right_alignment"], strict=True)
        rows = [(str(k), cell(value), share_cell(share)) for k, (value, share) in enumerate(pairs, 1)]
        heads = ["trained weights", "singular value", "teacher"]
        if "origin" in layer:
            more = zip(layer["error"], layer["origin"], strict=True)
            rows = [(*row, f"±{error:.2g}", origin) for row, (error, origin) in zip(rows, more, strict=True)]
            heads += ["error bar", "origin"]
        console.print(table(heads, rows))
    quantiles = document["bulk"]["quantiles"]
    if quantiles:
        rows = [(level, cell(value)) for level, value in quantiles.items()]
        console.print(table(["bulk quantile", "singular value"], rows))
    if document["bulk"].get("error") is not None:
        console.print(f"error bar of these quantiles {document['bulk']['error']:.2%}", markup=False)
    for low, high in document["bulk"].get("edges", []):
        console.print(f"bulk from {low:.6g} to {high:.6g}", markup=False)
    if document["bulk"].get("atom_at_zero"):
        console.print(f"share of zeros {document['bulk']['atom_at_zero']:.4g}", markup=False)
