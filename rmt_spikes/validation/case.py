"""Cases: what is simulated, what is claimed about it, and which wrong theories must be told apart."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rmt_spikes.errors import CaseError, DomainError
from rmt_spikes.setting import Setting, read_toml
from rmt_spikes.validation.compare import CLAIMS, TOLERANCES, Tolerance

MAXIMUM_POINTS = 1000
QUICK_CURVE_POINTS = 11
BUILT_IN = ("headline",)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Trials = Annotated[int, Field(ge=2, le=100_000, strict=True)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
Claim = Literal["latent", "losses", "spikes", "alignment", "bulk"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToleranceTable(_Table):
    """Tolerance of one claim (`compare.Tolerance`)."""

    allowance: Annotated[float, Field(ge=0.0, le=1.0)]
    margin: Annotated[float, Field(gt=0.0, le=1.0)]

    @model_validator(mode="after")
    def _the_margin_is_the_larger(self) -> Self:
        self.tolerance()
        return self

    def tolerance(self) -> Tolerance:
        """Return the tolerance for `compare`."""
        return Tolerance(self.allowance, self.margin)


class Quick(_Table):
    """What `--quick` changes: the number of trials, and keys of every setting of the case."""

    trials: Trials
    setting: dict[str, Any] = {}


class NegativeControl(_Table):
    """A wrong theory that the comparison must reject, or it would prove nothing.

    Attributes
    ----------
    name, meaning
        What is wrong with it.
    at
        Swept keys that single out one point of the case.
    features, method, setting
        How the wrong prediction is made: arguments of `predict`, and keys that replace those of the setting.
    quantities
        Shell-style patterns of the quantities that are compared; one of them must come out `disagrees`.
    """

    name: Name
    meaning: str
    at: dict[str, Any]
    features: Literal["corrected", "published"] | None = None
    method: str | None = None
    setting: dict[str, Any] = {}
    quantities: Annotated[list[str], Field(min_length=1)] = ["*"]


class SpectrumFigure(_Table):
    """Histograms of singular values with bulk and spikes, one panel a value of the swept key."""

    kind: Literal["spectrum"]
    sweep: dict[str, list[Any]]
    setting: dict[str, Any] = {}
    trials: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1


class LossFigure(_Table):
    """Losses against the swept key: theory on a dense grid, simulation where the case has points."""

    kind: Literal["losses"]
    against: str
    quantities: list[Literal["objective", "train", "test"]] = ["train", "test"]
    points: Annotated[int, Field(ge=2, le=1000, strict=True)] = 26


class FeatureFigure(_Table):
    """Left singular vectors of spikes against the latent variable of the samples."""

    kind: Literal["features"]
    setting: dict[str, Any] = {}
    spikes: Annotated[list[Annotated[int, Field(ge=1, le=5, strict=True)]], Field(min_length=1)] = [1, 2]
    trials: Annotated[int, Field(ge=2, le=1000, strict=True)] = 4


CaseFigure = Annotated[SpectrumFigure | LossFigure | FeatureFigure, Field(discriminator="kind")]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One setting of a case.

    Attributes
    ----------
    setting
        What is predicted and simulated.
    seed
        Seed of its trials: that of the case plus the number of the point, so that points are independent.
    values
        Swept keys and their values here.
    """

    setting: Setting
    seed: int
    values: Mapping[str, Any]


class Case(_Table):
    """A declared validation: schema of the files in ``validation/cases``.

    Attributes
    ----------
    name, title, description
        The name is used for files; the others head the report.
    seed, trials
        Of the simulations, for each point.
    claims
        Groups of quantities to compare.
    family_rate
        Bound on the probability that a correct theory disagrees anywhere in the case.
    setting, sweep
        Keys of a setting, and lists of values over which some of them run (all combinations).
    tolerances
        Replacements for the defaults of `compare`, by claim.
    negative_controls, figures, quick
        See the classes of these names.
    """

    name: Name
    title: str
    description: str = ""
    seed: Seed = 0
    trials: Trials
    claims: Annotated[list[Claim], Field(min_length=1)] = list(CLAIMS)  # type: ignore[arg-type]
    family_rate: Rate = 0.01
    setting: dict[str, Any]
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    tolerances: dict[Claim, ToleranceTable] = {}
    negative_controls: list[NegativeControl] = []
    figures: list[CaseFigure] = []
    quick: Quick | None = None

    def __init__(self, /, **data: Any) -> None:
        """Validate a case; every fault is a `CaseError` with the key path."""
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _case_error(error) from None

    @model_validator(mode="after")
    def _everything_is_a_setting(self) -> Self:
        points = self.points()
        for i, control in enumerate(self.negative_controls):
            self.point_at(control.at, f"negative_controls.{i}.at", points).setting.replace(**control.setting)
        for i, figure in enumerate(self.figures):
            if isinstance(figure, LossFigure):
                if figure.against not in self.sweep:
                    raise CaseError(None, f"figures.{i}.against", "must be a key of [sweep]")
            else:
                self.figure_points(figure)
        if self.quick is not None:
            smaller = self.quickened()
            smaller.points()
            for figure in smaller.figures:
                if not isinstance(figure, LossFigure):
                    smaller.figure_points(figure)
        return self

    @classmethod
    def load(cls, source: str | Path) -> Case:
        """Read a case from a TOML file.

        Parameters
        ----------
        source
            Path of the file.

        Raises
        ------
        CaseError
            Naming the file and the key, when the file cannot be read or is not a case.
        """
        return _from_document(read_toml(source), str(source))

    @classmethod
    def built_in(cls, name: str = "headline") -> Case:
        """Return a case that comes with the package."""
        if name not in BUILT_IN:
            raise CaseError(None, "", f"built-in cases are {', '.join(BUILT_IN)}, got {name!r}")
        file = resources.files("rmt_spikes.validation") / "cases" / f"{name}.toml"
        return _from_document(tomllib.loads(file.read_text(encoding="utf-8")), f"built-in {name}.toml")

    def points(self) -> list[Point]:
        """Settings of the case, in the order of the sweep."""
        return _points(self.setting, self.sweep, self.seed)

    def point_at(
        self, at: Mapping[str, Any], key: str = "at", points: Sequence[Point] | None = None
    ) -> Point:
        """Return the one point of the case with these swept values."""
        found = [p for p in points or self.points() if all(p.values.get(k) == v for k, v in at.items())]
        if len(found) != 1:
            raise CaseError(
                None, key, f"must single out one point of the sweep, {dict(at)} is at {len(found)}"
            )
        return found[0]

    def figure_points(self, figure: SpectrumFigure | FeatureFigure) -> list[Point]:
        """Settings that a figure simulates for itself."""
        sweep = figure.sweep if isinstance(figure, SpectrumFigure) else {}
        points = _points(_merged(self.setting, figure.setting), sweep, self.seed)
        # Panels share their randomness, and figures share trials: what differs between them is the step.
        return [Point(setting=p.setting, seed=self.seed, values=p.values) for p in points]

    def tolerance_map(self) -> dict[str, Tolerance]:
        """Tolerances by claim, defaults included."""
        given: dict[str, Tolerance] = {claim: table.tolerance() for claim, table in self.tolerances.items()}
        return {**TOLERANCES, **given}

    def quickened(self) -> Case:
        """Return the case with the changes of its ``[quick]`` table, itself where it has none."""
        if self.quick is None:
            return self
        changes = self.quick.setting
        figures = [
            figure.model_copy(update={"points": min(figure.points, QUICK_CURVE_POINTS)})
            if isinstance(figure, LossFigure)
            else figure.model_copy(update={"setting": _merged(figure.setting, changes)})
            for figure in self.figures
        ]
        setting = _merged(self.setting, changes)
        return self.model_copy(update={"trials": self.quick.trials, "setting": setting, "figures": figures})


def _points(base: Mapping[str, Any], sweep: Mapping[str, Sequence[Any]], seed: int) -> list[Point]:
    count = 1
    for column in sweep.values():
        count *= len(column)
    if count > MAXIMUM_POINTS:
        raise CaseError(None, "sweep", f"must have at most {MAXIMUM_POINTS} points, has {count}")
    points = []
    for i, chosen in enumerate(itertools.product(*sweep.values())):
        values = dict(zip(sweep, chosen, strict=True))
        points.append(Point(setting=Setting(**_merged(base, values)), seed=seed + i, values=values))
    return points


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a setting with changes, in which one way to give the step replaces the other."""
    steps = {"step_size", "step_exponent"}
    kept = {key: value for key, value in base.items() if not (key in steps and steps & changes.keys())}
    return {**kept, **changes}


def _from_document(document: Mapping[str, Any], file: str) -> Case:
    try:
        return Case(**document)
    except CaseError as error:
        raise CaseError(file, error.key, error.message) from None


def _case_error(error: ValidationError) -> CaseError:
    first, *others = error.errors(include_url=False)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, CaseError):
        return cause
    path = ".".join(str(part) for part in first["loc"])
    if isinstance(cause, DomainError):
        return CaseError(None, path or f"setting.{cause.field}", cause.reason)
    more = f" (and {len(others)} more)" if others else ""
    return CaseError(None, path, f"{first['msg'][:200]}{more}")
