"""Cases: what is simulated, what is claimed about it, and which wrong theories must be told apart."""

from __future__ import annotations

import difflib
import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rmt_spikes.console.documents import in_toml, reason_in_toml
from rmt_spikes.errors import CaseError, DomainError, shorten
from rmt_spikes.setting import Setting, read_toml
from rmt_spikes.theory import Features
from rmt_spikes.theory.methods import look_up
from rmt_spikes.validation.cases.tables import (
    CaseFigure,
    FeatureFigure,
    KnownException,
    LossFigure,
    MethodName,
    Name,
    NegativeControl,
    Precision,
    Quick,
    Rate,
    Scaling,
    Seed,
    SpectrumFigure,
    Sweep,
    ToleranceTable,
    Trials,
)
from rmt_spikes.validation.verdicts.claims import DEFAULT_CLAIMS, TOLERANCES, Claim, Given, Tolerance

MAXIMUM_POINTS = 1000
"""Points of a case: more take days, and are mostly a mistake in a range."""

QUICK_CURVE_POINTS = 11
"""Points of a curve of a figure in a quick run: each is a prediction."""

_Placed = TypeVar("_Placed", NegativeControl, KnownException)


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
        Swept keys and their values here; in a case over a list of sizes, ``n``.
    trials
        Number of trials to begin with.
    """

    setting: Setting
    seed: int
    values: Mapping[str, Any]
    trials: int


class Case(BaseModel):
    """A declared validation: schema of the files of cases.

    Attributes
    ----------
    name, title, description
        The name is used for files; the others head the report.
    seed, trials
        Of the simulations, for each point.
    precision
        When given, trials are added until it is met.
    claims
        Groups of quantities to compare.
    method, features
        Of the prediction, as for `predict`.
    given
        What predictions of losses, spikes and vectors take as given, trial by trial. One prediction a trial:
        sharper.
    given_trials
        Number of trials that get one, the first of each point; all by default. The rows that use them have
        no others.
    family_rate
        Bound on the probability that a correct theory disagrees anywhere in the case.
    setting, sweep
        Keys of a setting, and lists or ranges of values over which some of them run (all combinations).
    scaling
        A list of `n` instead of a sweep, with every other size in proportion.
    tolerances
        Replacements for the defaults of `claims.TOLERANCES`, by claim.
    negative_controls, exceptions, figures, quick
        See the classes of these names in `tables`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    title: str
    description: str = ""
    seed: Seed = 0
    trials: Trials
    precision: Precision | None = None
    claims: Annotated[list[Claim], Field(min_length=1)] = list(DEFAULT_CLAIMS)
    method: MethodName = look_up(None).name
    features: Features = Features.CORRECTED
    given: Given = Given.NONE
    given_trials: Trials | None = None
    family_rate: Rate = 0.01
    setting: dict[str, Any]
    sweep: Sweep = {}
    scaling: Scaling | None = None
    tolerances: dict[Claim, ToleranceTable] = {}
    negative_controls: list[NegativeControl] = []
    exceptions: list[KnownException] = []
    figures: list[CaseFigure] = []
    quick: Quick | None = None

    def __init__(self, /, **data: Any) -> None:
        """Validate a case; every fault is a `CaseError` with the key path."""
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _case_error(error) from None

    @model_validator(mode="after")
    def _everything_fits(self) -> Self:
        scaling, quick = self.scaling, self.quick
        plain, repeated = self.given is Given.NONE, len(set(self.claims)) < len(self.claims)
        _refuse(scaling and self.sweep, "scaling", "must not come with [sweep]: a case has one or the other")
        _refuse(plain and self.given_trials, "given_trials", "needs given = 'first_stage' or 'both_batches'")
        _refuse(repeated, "claims", f"must differ from each other, got {', '.join(self.claims)}")
        most = self.trials if self.precision is None else self.precision.most_trials
        reason = f"must be at least the trials, {self.trials}, got {most}"
        _refuse(most < self.trials, "precision.most_trials", reason)
        sharpened = not plain and scaling is not None and scaling.scatter_rates
        reason = "must be empty with given: that takes away scatter between networks"
        _refuse(sharpened, "scaling.scatter_rates", reason)
        takes_given = look_up(self.method).takes_given
        _refuse(not (plain or takes_given), "given", f"must be none for method = '{self.method}'")
        self.tolerance_map()
        self._check_places()
        points = self.points()
        for i, known in enumerate(self.exceptions):
            nowhere = not any(is_at(point, known.at) for point in points)
            _refuse(nowhere, f"exceptions.{i}.at", f"must be at a point of the case, got {known.at}")
        for i, figure in enumerate(self.figures):
            unknown = isinstance(figure, LossFigure) and figure.against not in self.sweep
            _refuse(unknown, f"figures.{i}.against", "must be a key of [sweep]")
        if quick is not None:
            _refuse(quick.n and scaling is None, "quick.n", "needs [scaling]")
            for key in quick.sweep:
                _refuse(key not in self.sweep, f"quick.sweep.{key}", "must be a key of [sweep]")
            self.quickened()._check_places()
        return self

    def _check_places(self) -> None:
        """Refuse points, figures and wrong theories that cannot be made."""
        points = self.points()
        for i, control in enumerate(self.negative_controls):
            self.point_at(control.at, f"negative_controls.{i}.at", points).setting.replace(**control.setting)
        for figure in self.figures:
            if not isinstance(figure, LossFigure):
                self.figure_points(figure)

    @classmethod
    def load(cls, source: str | Path) -> Case:
        """Read a case from a TOML file.

        Raises
        ------
        CaseError
            Naming the file and the key, when the file cannot be read or is not a case.
        """
        return _from_document(read_toml(source), str(source))

    @classmethod
    def built_in(cls, name: str = "headline") -> Case:
        """Return a case that comes with the package.

        Raises
        ------
        CaseError
            If there is none of this name.
        """
        if name not in built_in_cases():
            close = difflib.get_close_matches(name[:40], built_in_cases(), n=3, cutoff=0.0)
            reason = f"must be a built-in case or a file, got {name!r}: the closest are {', '.join(close)}"
            raise CaseError(None, "case", reason)
        file = resources.files("rmt_spikes.validation.cases") / "built_in" / f"{name}.toml"
        return _from_document(tomllib.loads(file.read_text(encoding="utf-8")), f"built-in {name}.toml")

    def points(self) -> list[Point]:
        """Settings of the case, in the order of the sweep."""
        if self.scaling is None:
            return _points(self.setting, self.sweep, self.seed, self.trials)
        trials = self.scaling.trials or [self.trials] * len(self.scaling.n)
        return [
            Point(setting=_resized(Setting(**self.setting), n), seed=self.seed + i, values={"n": n}, trials=t)
            for i, (n, t) in enumerate(zip(self.scaling.n, trials, strict=True))
        ]

    def point_at(
        self, at: Mapping[str, Any], key: str = "at", points: Sequence[Point] | None = None
    ) -> Point:
        """Return the one point of the case with these swept values."""
        found = [point for point in points or self.points() if is_at(point, at)]
        reason = f"must single out one point of the case, {dict(at)} is at {len(found)}"
        _refuse(len(found) != 1, key, reason)
        return found[0]

    def figure_points(self, figure: SpectrumFigure | FeatureFigure) -> list[Point]:
        """Settings that a figure simulates for itself."""
        sweep = figure.sweep if isinstance(figure, SpectrumFigure) else {}
        points = _points(_merged(self.setting, figure.setting), sweep, self.seed, figure.trials)
        # Panels share their randomness, and figures share trials: what differs between them is the step.
        return [Point(setting=p.setting, seed=self.seed, values=p.values, trials=p.trials) for p in points]

    def tolerance_map(self) -> dict[Claim, Tolerance]:
        """Tolerances by claim, defaults included."""
        changed = {claim: table.applied_to(TOLERANCES[claim]) for claim, table in self.tolerances.items()}
        return {**TOLERANCES, **changed}

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
        update: dict[str, Any] = {"trials": self.quick.trials, "precision": None, "figures": figures}
        update |= {"setting": _merged(self.setting, changes), "sweep": self.sweep | self.quick.sweep}
        if self.scaling is not None:
            sizes = self.quick.n or self.scaling.n
            update["scaling"] = self.scaling.model_copy(update={"n": sizes, "trials": None})
            # A control or exception at the i-th size stays there, or at the largest where there are fewer.
            places = {n: sizes[min(i, len(sizes) - 1)] for i, n in enumerate(self.scaling.n)}
            update["negative_controls"] = [_moved(each, places) for each in self.negative_controls]
            update["exceptions"] = [_moved(each, places) for each in self.exceptions]
        return self.model_copy(update=update)


def built_in_cases() -> tuple[str, ...]:
    """Names of the cases that come with the package, the headline case first."""
    folder = resources.files("rmt_spikes.validation.cases") / "built_in"
    names = [file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(sorted(names, key=lambda name: (name != "headline", name)))


def is_at(point: Point, at: Mapping[str, Any]) -> bool:
    """Whether a point has these swept values."""
    return all(key in point.values and point.values[key] == value for key, value in at.items())


def _refuse(condition: object, key: str, reason: str) -> None:
    """Refuse a case of which something wrong is true."""
    if condition:
        raise CaseError(None, key, reason)


def _points(base: Mapping[str, Any], sweep: Mapping[str, Any], seed: int, trials: int) -> list[Point]:
    count = math.prod(map(len, sweep.values()))
    _refuse(count > MAXIMUM_POINTS, "sweep", f"must have at most {MAXIMUM_POINTS} points, has {count}")
    points = []
    for i, chosen in enumerate(itertools.product(*sweep.values())):
        values = dict(zip(sweep, chosen, strict=True))
        setting = Setting(**_merged(base, values))
        points.append(Point(setting=setting, seed=seed + i, values=values, trials=trials))
    return points


def _resized(setting: Setting, n: int) -> Setting:
    """The setting at another `n`, with every other size in proportion (rounded)."""
    sizes = {
        name: max(1, round(getattr(setting, name) * n / setting.n)) for name in ("d", "width", "n_ridge")
    }
    return setting.replace(n=n, **sizes)


def _moved(table: _Placed, places: Mapping[int, int]) -> _Placed:
    at = {key: places.get(value, value) if key == "n" else value for key, value in table.at.items()}
    return table.model_copy(update={"at": at})


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a setting with changes, in which one way to give the step replaces the other."""
    steps = {"step_size", "step_exponent"}
    kept = {key: value for key, value in base.items() if not (key in steps and steps & changes.keys())}
    return {**kept, **changes}


def _from_document(document: Mapping[str, Any], file: str) -> Case:
    if document and set(document) <= set(Setting.model_fields):
        reason = "must be a table of a case, got a setting alone; new-case writes a case"
        raise CaseError(file, "setting", reason)
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
        key = f"{path}.{cause.field}" if path else f"setting.{cause.field}"
        return CaseError(None, key, reason_in_toml(cause))
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "missing":
        return CaseError(None, path, f"must be given, got nothing{more}")
    if first["type"] == "extra_forbidden":
        return CaseError(None, path, f"must be left out: a case has no such key{more}")
    reason = first["msg"][:200].replace("Input should be", "must be")
    return CaseError(None, path, f"{reason}, got {shorten(in_toml(first['input']))}{more}")
