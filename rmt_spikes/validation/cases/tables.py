"""Tables of a case file: what a case may contain beside its setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from rmt_spikes.errors import DomainError
from rmt_spikes.theory import Features
from rmt_spikes.theory.methods import METHODS
from rmt_spikes.validation.verdicts.claims import Tolerance
from rmt_spikes.validation.verdicts.controls import WRONG_THEORIES


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Validator of a name."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"must be one of {', '.join(names)}, got {name!r}")
        return name

    return check


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Text = Annotated[str, Field(min_length=1)]
Trials = Annotated[int, Field(ge=2, le=100_000, strict=True)]
Size = Annotated[int, Field(ge=2, le=1_000_000, strict=True)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
Patterns = Annotated[list[Text], Field(min_length=1)]
MethodName = Annotated[str, AfterValidator(one_of([method.name for method in METHODS]))]
TheoryName = Annotated[str, AfterValidator(one_of(WRONG_THEORIES))]


class Table(BaseModel):
    """A table of a case file: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(Table):
    """Values of a swept key between two bounds, both included.

    Attributes
    ----------
    start, stop, points
        Bounds and number of values.
    spacing
        ``linear`` or ``log``.
    """

    start: float
    stop: float
    points: Annotated[int, Field(ge=2, le=1000, strict=True)]
    spacing: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _has_a_logarithm(self) -> Self:
        if self.spacing == "log" and not (self.start > 0.0 and self.stop > 0.0):
            raise DomainError("start", "must be > 0, and stop too, for a spacing of log", self.start)
        return self

    def values(self) -> list[Any]:
        """Values of the key; whole numbers where all are and the spacing is linear."""
        spaced = np.linspace if self.spacing == "linear" else np.geomspace
        values = [float(f"{value:.12g}") for value in spaced(self.start, self.stop, self.points)]
        if self.spacing == "linear" and all(value.is_integer() for value in values):
            return [int(value) for value in values]
        return values


class Precision(Table):
    """Trials are added until every row is known well enough.

    Attributes
    ----------
    share
        Standard error to be reached, as a share of the margin of the row.
    most_trials
        Number of trials at which a point stops in any case.
    """

    share: Rate
    most_trials: Trials


class ToleranceTable(Table):
    """Replacement for parts of the tolerance of a claim (`claims.Tolerance`).

    Attributes
    ----------
    margin, coefficient, exponent
        What is replaced.
    reason
        Why; required where the allowance is changed.
    """

    margin: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    coefficient: Annotated[float, Field(ge=0.0)] | None = None
    exponent: Annotated[float, Field(ge=0.0, le=4.0)] | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _a_changed_allowance_is_explained(self) -> Self:
        if self.reason is None and (self.coefficient is not None or self.exponent is not None):
            raise DomainError("reason", "must say why the allowance is changed", None)
        return self

    def applied_to(self, default: Tolerance) -> Tolerance:
        """Return the default with what is replaced."""
        return replace(default, **self.model_dump(exclude={"reason"}, exclude_none=True))


class Scaling(Table):
    """The case over a list of `n`, with every other size in proportion.

    Attributes
    ----------
    n
        Sizes, at least three.
    trials
        Number of trials at each; the `trials` of the case by default.
    error_rates, scatter_rates
        Patterns of the quantities whose difference from the theory, and whose scatter between networks, must
        fall at the theoretical rate.
    logarithmic_rates
        Patterns of the quantities whose difference from the theory must do so up to a factor ``log n``.
    limits
        Patterns of the quantities that are extrapolated to infinite `n`, where the theory must be exact.
    """

    n: Annotated[list[Size], Field(min_length=3)]
    trials: list[Trials] | None = None
    error_rates: list[Text] = []
    logarithmic_rates: list[Text] = []
    scatter_rates: list[Text] = []
    limits: list[Text] = []

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if sorted(set(self.n)) != self.n:
            raise DomainError("n", "must be ascending, without repetition", self.n)
        if self.trials is not None and len(self.trials) != len(self.n):
            raise DomainError("trials", "must be as many as n", self.trials)
        return self


def listed(given: Any) -> Any:
    """Values of a swept key, a range written out."""
    if not isinstance(given, dict):
        return given
    try:
        return Range(**given).values()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, DomainError):
            raise cause from None
        field = ".".join(map(str, first["loc"])) or "range"
        raise DomainError(field, first["msg"], first["input"]) from None


Sweep = dict[str, Annotated[list[Any], BeforeValidator(listed), Field(min_length=1)]]


class Quick(Table):
    """What `--quick` changes: fewer trials, smaller sizes, fewer points. A target precision is dropped.

    Attributes
    ----------
    trials
        Of every point.
    setting
        Keys that replace those of every setting of the case.
    sweep
        Values that replace those of swept keys.
    n
        Sizes that replace those of ``[scaling]``.
    """

    trials: Trials
    setting: dict[str, Any] = {}
    sweep: Sweep = {}
    n: Annotated[list[Size], Field(min_length=3)] | None = None


class NegativeControl(Table):
    """A wrong theory that the comparison must reject, or it would prove nothing.

    Attributes
    ----------
    name, meaning
        What is wrong with it.
    at
        Swept keys that single out one point of the case.
    theory
        One of `controls.WRONG_THEORIES`, or nothing: then the next three say how the wrong prediction is
        made.
    features, method, setting
        Arguments of `predict`, and keys that replace those of the setting.
    quantities
        Shell-style patterns of the quantities that are compared; one of them must come out `disagrees`.
    """

    name: Name
    meaning: Text
    at: dict[str, Any] = {}
    theory: TheoryName | None = None
    features: Features | None = None
    method: MethodName | None = None
    setting: dict[str, Any] = {}
    quantities: Patterns = ["*"]

    @model_validator(mode="after")
    def _is_wrong_in_one_way(self) -> Self:
        own = self.features is not None or self.method is not None or bool(self.setting)
        if (self.theory is None) != own:
            raise DomainError(
                "theory", "must be given, or else features, method or setting, not both", self.theory
            )
        return self


class KnownException(Table):
    """A known error of the theory: rows that do not agree keep their verdict, and do not fail the case.

    Attributes
    ----------
    quantities, at
        Patterns of the quantities, and swept keys of the points where it is expected (all by default).
    size
        How large it is at most, in units of the scale of a row: 0.05 is 5 % of a loss. A row whose interval
        is not within this size is none of it.
    reason
        What is known about it.
    link
        Where it is documented, for example ``docs/limits.md``, or an address.
    """

    quantities: Patterns
    at: dict[str, Any] = {}
    size: Annotated[float, Field(gt=0.0, le=1.0)]
    reason: Text
    link: Text


class SpectrumFigure(Table):
    """Histograms of singular values with bulk and spikes, one panel a value of the swept key."""

    kind: Literal["spectrum"]
    sweep: dict[str, list[Any]]
    setting: dict[str, Any] = {}
    trials: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1


class LossFigure(Table):
    """Losses against the swept key: theory on a dense grid, simulation where the case has points."""

    kind: Literal["losses"]
    against: str
    quantities: list[Literal["objective", "train", "test"]] = ["train", "test"]
    points: Annotated[int, Field(ge=2, le=1000, strict=True)] = 26


class FeatureFigure(Table):
    """Left singular vectors of spikes against the latent variable of the samples."""

    kind: Literal["features"]
    setting: dict[str, Any] = {}
    spikes: Annotated[list[Annotated[int, Field(ge=1, le=5, strict=True)]], Field(min_length=1)] = [1, 2]
    trials: Annotated[int, Field(ge=2, le=1000, strict=True)] = 4


CaseFigure = Annotated[SpectrumFigure | LossFigure | FeatureFigure, Field(discriminator="kind")]
