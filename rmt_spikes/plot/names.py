"""Names of quantities in the words of the documentation."""

from __future__ import annotations

import re

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SPIKE = re.compile(r"spikes\[(\d+)\]\.(\w+)(?:\[(\d+)\])?")
QUANTILE = re.compile(r"bulk\.quantiles\[([\d.]+)\]")
DISTANCE = re.compile(r"bulk_law\.(\w+)")
LAYER = re.compile(r"weights\.(.+)")
LAYER_ENTRY = re.compile(r"(singular_values|right_alignment)\[(\d+)\]")
GAIN = re.compile(r"improvement\.(\w+)")

PLAIN = {
    "losses.objective": "ridge objective",
    "losses.train": "training loss",
    "losses.test": "test loss",
    "losses.sign_error.train": "wrong signs of fitted samples",
    "losses.sign_error.test": "wrong signs of fresh samples",
    "latent.beta_norm2": "squared norm of β",
    "latent.beta_cosine": "correlation of q and the teacher",
    "gradient.rank_one_error": "distance of the gradient from rank one",
    "spike_count": "number of spikes",
    "outliers.expected_beyond_edge": "values of samples beyond the edge",
    "bulk.edge": "edge of the bulk",
}
PARTS_OF_SPIKES = {
    "alignment": "spike {spike}: share of He{degree}(q)",
    "feature": "spike {spike}: coefficient of He{degree}(q)",
    "right_alignment": "spike {spike}: share of He{degree}(readout)",
}


SECTIONS = (
    *("latent", "gradient", "losses", "improvement", "spike_count", "outliers", "spikes", "bulk"),
    "weights",
)
"""Sections of a prediction, in the order of a table."""


def section(quantity: str) -> int:
    """Number of the section that a quantity belongs to; unknown ones come last."""
    name = re.split(r"[.\[]", quantity)[0].removesuffix("_law")
    return SECTIONS.index(name) if name in SECTIONS else len(SECTIONS)


def in_words(quantity: str) -> str:
    """Name of a quantity for a reader: ``spike 2`` for ``spikes[1].singular_value``."""
    if quantity in PLAIN:
        return PLAIN[quantity]
    if found := LAYER.fullmatch(quantity):
        return f"trained weights: {_of_layer(found[1])}"
    if found := SPIKE.fullmatch(quantity):
        spike, part, degree = int(found[1]) + 1, found[2], (found[3] or "").translate(SUBSCRIPTS)
        if part in PARTS_OF_SPIKES:
            return PARTS_OF_SPIKES[part].format(spike=spike, degree=degree)
        return f"spike {spike}" if part == "singular_value" else f"spike {spike}, {part.replace('_', ' ')}"
    if found := QUANTILE.fullmatch(quantity):
        return f"bulk, quantile {found[1]}"
    if found := DISTANCE.fullmatch(quantity):
        return f"bulk, {found[1].replace('_', ' ')} distance"
    if found := GAIN.fullmatch(quantity):
        return f"gain in {PLAIN.get(f'losses.{found[1]}', found[1])}"
    return quantity.replace("_", " ").replace(".", ", ")


def _of_layer(quantity: str) -> str:
    """Name of a quantity of the trained layer, of which `quantity` is the rest of the path."""
    if found := LAYER_ENTRY.fullmatch(quantity):
        place = int(found[2]) + 1
        return (
            f"value {place}" if found[1] == "singular_values" else f"share of the teacher in vector {place}"
        )
    return in_words(quantity)
