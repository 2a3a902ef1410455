"""Numbers of a user's own theory, as quantities that can be compared with a simulation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from rmt_spikes.arguments import number, suggestion
from rmt_spikes.errors import DomainError, Word
from rmt_spikes.validation.verdicts.claims import Claim
from rmt_spikes.validation.verdicts.quantities import (
    POLYNOMIALS,
    SIGN_ERRORS,
    Quantity,
    clear_of,
    coefficient,
    empirical_quantile,
    layer_share,
    layer_value,
    number_above,
    singular_value_at,
    wrong_signs,
)

LARGEST = 1e100
"""Size of an own number: squares of differences from it are finite."""

OwnNumbers = Mapping[str, Any]
"""Numbers, or pairs of a number and its error, by the names of quantities."""

EDGE, COUNT = "bulk.edge", "spike_count"
VECTORS = (Claim.ALIGNMENT, Claim.RIGHT_ALIGNMENT, Claim.FEATURE)

LISTED = (
    "losses.*, latent.*, spike_count, spikes[i].singular_value, spikes[i].alignment[k], "
    "spikes[i].right_alignment[k], spikes[i].feature[k], bulk.edge, bulk.quantiles[p], "
    "weights.*[i]"
)
"""Names of own numbers, in few words."""

_SPIKE = re.compile(r"spikes\[(\d{1,4})\]\.singular_value")
_VECTOR = re.compile(rf"spikes\[(\d{{1,4}})\]\.({'|'.join(VECTORS)})\[(\d)\]")
_LAYER = re.compile(r"weights\.(singular_values|right_alignment)\[(\d{1,4})\]")
_QUANTILE = re.compile(r"bulk\.quantiles\[(0?\.\d+|0|1|1\.0|0\.0)\]")


def own_quantities(numbers: Any, recorded: int, width: int, field: str = "prediction") -> list[Quantity]:
    """Quantities of a mapping from names to numbers.

    Parameters
    ----------
    numbers
        A number, or a number and its error, by name.
    recorded, width
        Numbers of the vectors that a trial records, and of neurons.
    field
        What errors are about.

    Raises
    ------
    DomainError
        For an unknown name, what is no number, or a spike that no trial records.
    """
    if not isinstance(numbers, Mapping) or not numbers:
        came = Word(type(numbers).__name__) if numbers else numbers
        raise DomainError(
            field, "must be a mapping from names of quantities to numbers, or a prediction", came
        )
    known = {name: _number(field, name, given) for name, given in numbers.items()}
    values = {name: value for name, (value, _) in known.items()}
    made = []
    for name, (value, error) in known.items():
        quantity = _quantity(name, value, values, field, recorded, width)
        made.append(Quantity(**{**vars(quantity), "path": name, "error": error}))
    return made


def _number(field: str, name: Any, given: Any) -> tuple[float, float | None]:
    """A number and its error, None where there is none."""
    label = f"{field}[{name}]" if isinstance(name, str) else field
    required = "must be a number up to 1e100 in size, or one and its error"
    if isinstance(given, tuple | list) and len(given) == 2:
        error = number(label, given[1], 0.0, LARGEST, "must have an error from 0 to 1e100")
        return number(label, given[0], -LARGEST, LARGEST, required), error
    if isinstance(given, np.ndarray) and given.ndim == 0:
        given = given.item()
    return number(label, given, -LARGEST, LARGEST, required), None


def _quantity(
    name: Any, value: float, values: Mapping[str, float], field: str, recorded: int, width: int
) -> Quantity:
    """Quantity of one name."""
    size = abs(value) or 1.0
    plain: dict[str, tuple[Claim, Callable[..., float]]] = {
        **{f"losses.{k}": (Claim.LOSSES, attrgetter(k)) for k in ("objective", "train", "test")},
        **{name: (Claim.LOSSES, partial(wrong_signs, place)) for name, place in SIGN_ERRORS.items()},
        "latent.beta_norm2": (Claim.LATENT, attrgetter("beta_norm2")),
        "latent.beta_cosine": (Claim.LATENT, attrgetter("beta_cosine")),
    }
    spikes = 1 + max((int(found[1]) for each in values if (found := _SPIKE.fullmatch(str(each)))), default=-1)
    spikes = max(0, round(min(values.get(COUNT, spikes), width)))
    if name in plain:
        claim, observe = plain[name]
        # The tolerance of the squared norm is that of the norm; a cosine is absolute.
        scale = {"latent.beta_norm2": 2.0 * size, "latent.beta_cosine": 1.0}.get(name, size)
        return Quantity(name, claim, value, scale, observe)
    if name == EDGE:
        return singular_value_at(_recorded(spikes, recorded + 1, field, name), value, Claim.EDGE, EDGE)
    if name == COUNT:
        if EDGE not in values:
            advice = "spikes are counted above it"
            raise DomainError(field, f"must have {EDGE} where it has {COUNT}", Word("none"), advice)
        bound = clear_of(values[EDGE], width)
        return Quantity(COUNT, Claim.COUNT, value, 1.0, partial(number_above, bound))
    text = name if isinstance(name, str) else ""
    if found := _SPIKE.fullmatch(text):
        return singular_value_at(_recorded(int(found[1]), recorded, field, text), value, Claim.SPIKES)
    if (found := _VECTOR.fullmatch(text)) and int(found[3]) < POLYNOMIALS:
        index, claim, degree = _recorded(int(found[1]), recorded, field, text), Claim(found[2]), int(found[3])
        stem = text.rpartition("[")[0]
        predicted = np.array([values.get(f"{stem}[{k}]", 0.0) for k in range(POLYNOMIALS)])
        observe = partial(coefficient, claim, index, degree, predicted)
        return Quantity(text, claim, value, 1.0, observe, spike=index)
    if found := _QUANTILE.fullmatch(text):
        observe = partial(empirical_quantile, float(found[1]), spikes)
        return Quantity(text, Claim.BULK, value, size, observe)
    if found := _LAYER.fullmatch(text):
        made = layer_value if found[1] == "singular_values" else layer_share
        return made(int(found[2]), value, Claim.WEIGHTS)
    advice = suggestion(name, [*plain, *LISTED.split(", ")[2:]])
    raise DomainError(field, f"must have names among {LISTED}", name, advice)


def _recorded(index: int, recorded: int, field: str, name: str) -> int:
    """Number of a spike that trials record."""
    if index >= recorded:
        advice = f"they record {recorded} vectors: simulate with a larger top"
        raise DomainError(field, "must have spikes that the trials record", name, advice)
    return index
