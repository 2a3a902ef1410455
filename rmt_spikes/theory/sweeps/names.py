"""Numbers of a prediction by their names: paths such as ``spikes[0].singular_value``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from rmt_spikes.arguments import suggestion
from rmt_spikes.errors import DomainError
from rmt_spikes.theory.bulk.weights import SHOWN
from rmt_spikes.theory.latent import Latent
from rmt_spikes.theory.prediction import Prediction
from rmt_spikes.theory.results import LOSSES, Certificate, Regime

METHOD = "method"
"""Name of the only quantity that is a word."""

COUNT = "spike_count"
"""Name of the number of spikes."""

INDICES = {
    "i": r"([0-9]{1,9})",
    "j": r"(-?[0-9]{1,9})",
    "k": r"([0-4])",
    "l": r"([0-9])",
    "e": r"([01])",
    "p": r"(0(?:\.[0-9]+)?|1(?:\.0+)?|0?\.[0-9]+)",
}
"""What the letters of a form stand for: a spike, a band of the bulk (-1 is the last), a degree, a value of
the trained layer, one of two edges, a level."""


@dataclass(frozen=True)
class Form:
    """Names of one kind: a path with letters for its indices, and how it is read off a prediction."""

    text: str
    read: Callable[..., Any]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Pattern of the names."""
        parts = re.split(r"\[([a-z])\]", self.text)
        return re.compile(
            "".join(rf"\[{INDICES[part]}\]" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        )


@dataclass(frozen=True)
class NamedQuantity:
    """A quantity of a prediction.

    Parameters
    ----------
    name
        Its name.
    form
        Kind of name.
    indices
        Indices in the name.
    """

    name: str
    form: Form
    indices: tuple[Any, ...]

    def of(self, prediction: Prediction) -> Any:
        """Value in a prediction; NaN for a spike or a band that it does not have, and for what is None."""
        try:
            value = self.form.read(prediction, *self.indices)
        except IndexError:
            return math.nan
        if self.form.text == METHOD:
            return str(value)
        return math.nan if value is None else float(value)


def _of_spike(name: str, prediction: Prediction, i: int, k: int | None = None) -> Any:
    value = getattr(prediction.spikes[i], name)
    return value if k is None else value[k]


def _of_layer(name: str, prediction: Prediction, i: int) -> Any:
    return getattr(prediction.weights, name)[i]


def _of_part(part: str, name: str, prediction: Prediction) -> Any:
    return getattr(getattr(prediction, part), name)


def _of_loss_part(part: str, name: str, prediction: Prediction) -> Any:
    return getattr(getattr(prediction.losses, part), name, None)


def _of_sign_error(name: str, prediction: Prediction) -> Any:
    return getattr(getattr(prediction.losses.sign_error, "error", None), name, None)


@dataclass(frozen=True)
class _Reader:
    """Reads an attribute of a part or of a spike."""

    function: Callable[..., Any]
    arguments: tuple[str, ...]

    def __call__(self, prediction: Prediction, *indices: Any) -> Any:
        return self.function(*self.arguments, prediction, *indices)


def _forms() -> tuple[Form, ...]:
    parts = {"latent": Latent, "regime": Regime, "certificate": Certificate}
    spike = _of_spike
    return (
        Form(METHOD, lambda prediction: prediction.method),
        Form(COUNT, lambda prediction: prediction.spike_count),
        *(Form(f"losses.{name}", _Reader(_of_part, ("losses", name))) for name in LOSSES),
        *(Form(f"losses.error.{name}", _Reader(_of_loss_part, ("error", name))) for name in LOSSES),
        *(
            Form(f"losses.sign_error.{name}", _Reader(_of_loss_part, ("sign_error", name)))
            for name in ("train", "test")
        ),
        *(
            Form(f"losses.sign_error.error.{name}", _Reader(_of_sign_error, (name,)))
            for name in ("train", "test")
        ),
        *(
            Form(f"{part}.{field.name}", _Reader(_of_part, (part, field.name)))
            for part, kind in parts.items()
            for field in fields(kind)
        ),
        *(
            Form(f"spikes[i].{name}", _Reader(spike, (name,)))
            for name in ("singular_value", "error", "distance", "critical_step_size")
        ),
        *(
            Form(f"spikes[i].{name}[k]", _Reader(spike, (name,)))
            for name in ("alignment", "feature", "right_alignment")
        ),
        Form("bulk.edges[j][e]", lambda prediction, j, e: prediction.bulk.edges[j][e]),
        *(Form(f"bulk.{name}", _Reader(_of_part, ("bulk", name))) for name in ("atom_at_zero", "error")),
        Form("bulk.quantiles[p]", lambda prediction, p: prediction.bulk.quantile(p)),
        Form("outliers.expected_beyond_edge", _Reader(_of_part, ("outliers", "expected_beyond_edge"))),
        *(
            Form(f"weights.{name}[l]", _Reader(_of_layer, (name,)))
            for name in ("singular_values", "right_alignment", "error")
        ),
        Form("weights.bulk.edges[j][e]", lambda prediction, j, e: prediction.weights.bulk.edges[j][e]),
        Form("weights.bulk.quantiles[p]", lambda prediction, p: prediction.weights.bulk.quantile(p)),
        Form(
            "weights.outliers.expected_beyond_edge",
            lambda prediction: prediction.weights.outliers.expected_beyond_edge,
        ),
    )


FORMS = _forms()

LISTED = (
    "method, spike_count, losses.*, spikes[i].*, bulk.edges[j][e], bulk.atom_at_zero, bulk.error, "
    "bulk.quantiles[p], outliers.expected_beyond_edge, weights.*, latent.*, regime.*, certificate.*"
)
"""Names for a message, in few words."""


LAYER = r"weights\.(singular_values|right_alignment|error)\[[0-9]+\]"
"""Names of values of the trained layer, with any index."""


def named(name: Any, field: str = "quantities") -> NamedQuantity:
    """Return the quantity of a name.

    Raises
    ------
    DomainError
        If there is none; the error is about `field` and lists the names that there are.
    """
    if isinstance(name, str):
        for form in FORMS:
            if found := form.pattern.fullmatch(name):
                indices = tuple(float(g) if "[p]" in form.text else int(g) for g in found.groups())
                return NamedQuantity(name, form, indices)
        if re.fullmatch(LAYER, name):
            required = f"must have an index below {SHOWN}: a trained layer lists so many of its values"
            raise DomainError(field, required, name)
    raise DomainError(field, f"must be among {LISTED}", name, suggestion(name, [f.text for f in FORMS]))
