"""Keys of a setting: their domains, and the errors for values outside of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError

from rmt_spikes.arguments import boolean, choice, integer, number, suggestion
from rmt_spikes.errors import DomainError, Word, shorten
from rmt_spikes.functions.callables import Function
from rmt_spikes.functions.scalar import SPECIFICATIONS, FunctionSpecification, Specification, function_from
from rmt_spikes.functions.teacher import TARGETS, target_from
from rmt_spikes.setting.covariance import FORMS, Covariance

_Size = Annotated[int, Field(ge=1, le=10**9)]


LEAST_POSITIVE = {"ridge": 1e-12}
"""Least value above zero of keys that may be zero: rounding of eigenvalues that are no larger would show."""


class Keys(BaseModel):
    """Keys of a setting, with what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, defer_build=True)

    n: _Size = Field(title="n", description="samples of the first batch")
    d: _Size = Field(title="d", description="input dimension")
    width: _Size = Field(title="N", description="neurons of the hidden layer")
    n_ridge: _Size = Field(title="n~", description="samples of the second batch; n when not given")
    activation: SkipValidation[Specification] = Field(
        title="sigma", description="activation of the hidden layer"
    )
    target: SkipValidation[Specification] = Field(title="sigma_*", description="link function of the target")
    center: bool = Field(True, description="whether E activation(Z) is subtracted")
    noise_std: float = Field(
        0.0, ge=0, le=1e6, title="sigma_eps", description="standard deviation of the label noise"
    )
    ridge: float = Field(
        ge=0, le=1e12, title="lambda", description="ridge penalty; 0 for the ridgeless limit"
    )
    step_size: float | None = Field(
        None, ge=0, le=1e6, title="eta", description="step size, at most 10 sqrt(width)"
    )
    step_exponent: float | None = Field(
        None, ge=-2, le=1, title="alpha", description="step_size = n ** step_exponent"
    )
    readout: Literal["gaussian", "rademacher", "constant"] = Field(
        "gaussian", title="alpha_j", description="distribution of the readout weights"
    )
    output_scale: Literal["mean_field", "standard"] = Field(
        "mean_field", title="varsigma", description="scale of the initial output"
    )
    second_batch: Literal["fresh", "same"] = Field(
        "fresh", title="second batch", description="samples of the ridge regression: new, or the first batch"
    )
    row_norm: float = Field(
        1.0, ge=1e-3, le=1e3, title="norm of w_j", description="norm of the initial rows of the first layer"
    )
    covariance: SkipValidation[Covariance | None] = Field(
        None,
        title="Sigma",
        description="covariance of the inputs, of mean eigenvalue 1; the identity if absent",
    )


@cache
def bounds(name: str) -> tuple[float, float]:
    """Closed range of a key of a setting that is a number."""
    metadata = Keys.model_fields[name].metadata
    low = max((each.ge for each in metadata if hasattr(each, "ge")), default=-math.inf)
    return low, min((each.le for each in metadata if hasattr(each, "le")), default=math.inf)


@cache
def domain(name: str) -> str:
    """Domain of a key of a setting, as a phrase that completes "must be"."""
    kind = Keys.model_fields[name].annotation
    if kind is bool:
        return "true or false"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if kind == Specification:
        return TARGETS if name == "target" else SPECIFICATIONS
    if kind == Covariance | None:
        return FORMS
    ends = (LEAST_POSITIVE.get(name, bounds(name)[0]), bounds(name)[1])
    low, high = (f"{bound:g}".replace("e+0", "e").replace("e+", "e") for bound in ends)
    zero = "0, or " if name in LEAST_POSITIVE else ""
    return f"{zero}a {'whole ' if kind is int else ''}number from {low} to {high}"


def checked(name: str, given: Any) -> Any:
    """Return a value of a key in its canonical type, or refuse it; scalars of numpy count as numbers."""
    given = given.item() if isinstance(given, np.generic) else given
    kind = Keys.model_fields[name].annotation
    required = f"must be {domain(name)}"
    if kind is bool:
        return boolean(name, given, required)
    if get_origin(kind) is Literal:
        return choice(name, given, get_args(kind))
    if kind == Specification:
        given = Function(given) if callable(given) and not isinstance(given, Function) else given
        if isinstance(given, Function):
            given.check(name)
        (target_from if name == "target" else function_from)(given, name)
        return FunctionSpecification(given) if isinstance(given, Mapping) else given
    if kind == Covariance | None:
        return None if given is None else Covariance.of(given)
    low, high = bounds(name)
    if kind is not int:
        found = number(name, given, low, high, required)
        if 0.0 < found < LEAST_POSITIVE.get(name, 0.0):
            raise DomainError(name, required, given)
        return found
    whole = isinstance(given, float) and given.is_integer() and given <= high
    return integer(name, given, low, high, required, f"write {int(given)}" if whole else "")


def domain_error(error: ValidationError) -> DomainError:
    """Turn what pydantic found into one error; a misspelt key explains more than the key then missing."""
    details = error.errors(include_url=False)
    for detail in details:
        if detail["type"] == "extra_forbidden":
            return _unknown_key(str(detail["loc"][0]))
    for detail in details:
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, DomainError):
            return cause
        field = str(detail["loc"][0]) if detail["loc"] else ""
        if detail["type"] == "missing":
            return DomainError(field, f"must be {domain(field)}", Word("nothing"))
    return DomainError(field, details[0]["msg"], details[0]["input"])


def _unknown_key(key: str) -> DomainError:
    keys = list(Keys.model_fields)
    advice = suggestion(key, keys, "keys: " + " ".join(keys))
    return DomainError(shorten(key, 40).strip("'\""), "is not a parameter of a setting", key, advice)
