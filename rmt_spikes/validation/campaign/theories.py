"""What the theory, right or wrong, says about the points of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rmt_spikes.arguments import function
from rmt_spikes.console.progress import OnProgress, Progress
from rmt_spikes.errors import CaseError, ConvergenceError, DomainError, Word
from rmt_spikes.setting import Setting
from rmt_spikes.theory import Prediction, predict
from rmt_spikes.validation.campaign.schedule import TOP
from rmt_spikes.validation.cases.case import Case, Point
from rmt_spikes.validation.cases.tables import NegativeControl
from rmt_spikes.validation.verdicts.claims import Claim
from rmt_spikes.validation.verdicts.comparison import matches
from rmt_spikes.validation.verdicts.controls import WRONG_THEORIES, WrongTheory, predict_wrongly
from rmt_spikes.validation.verdicts.own_numbers import OwnNumbers, own_quantities
from rmt_spikes.validation.verdicts.quantities import quantities

OwnSays = Prediction | OwnNumbers
OwnTheory = Callable[[Setting], OwnSays]
"""A user's theory: what it says of a setting, as a prediction or as numbers by name."""

Predictor = Callable[[Setting], Prediction]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a theory says about one point.

    Attributes
    ----------
    prediction
        None, with the reason in `error`, when there is none.
    untrained
        Prediction without a step, where the case asks for improvements.
    error
        Reason.
    """

    prediction: Prediction | None
    untrained: Prediction | None = None
    error: str | None = None


def forecast_all(
    case: Case, points: Sequence[Point], on_progress: OnProgress | None = None
) -> tuple[list[Forecast], list[Forecast]]:
    """Forecasts of the theory for all points, and those of the wrong theories.

    Raises
    ------
    CaseError
        If the theory does not cover a setting, or a pattern matches no quantity.
    """
    work = [(point, *_right(case)) for point in points]
    work += [(case.point_at(c.at, points=points), *_wrong(case, c)) for c in case.negative_controls]
    made = []
    for done, (point, trained, untrained) in enumerate(work):
        if on_progress is not None:
            on_progress(Progress("predicting", done, len(work), case=case.name))
        made.append(_forecast(case, point.setting, trained, untrained))
    _check_patterns(case, made)
    return made[: len(points)], made[len(points) :]


def wrong_theory(control: NegativeControl) -> WrongTheory:
    """Wrong theory of a negative control, by name or by how its prediction is made."""
    if control.theory is not None:
        return WRONG_THEORIES[control.theory]
    changed = {"setting": lambda setting: setting.replace(**control.setting)} if control.setting else {}
    return WrongTheory(meaning=control.meaning, method=control.method, features=control.features, **changed)


def _right(case: Case) -> tuple[Predictor, Predictor]:
    def predictor(setting: Setting) -> Prediction:
        return predict(setting, method=case.method, features=case.features)

    return predictor, predictor


def _wrong(case: Case, control: NegativeControl) -> tuple[Predictor, Predictor]:
    """How a wrong theory predicts with and without a step; without one only the setting can be wrong."""
    theory = wrong_theory(control)
    plain = replace(theory, prediction=WrongTheory.prediction)
    options = {"method": case.method, "features": case.features}
    return (
        lambda setting: predict_wrongly(theory, setting, **options),
        lambda setting: predict_wrongly(plain, setting, **options),
    )


def _forecast(case: Case, setting: Setting, trained: Predictor, untrained: Predictor) -> Forecast:
    try:
        # Parts are computed here, so that one that fails is known before anything is simulated.
        prediction = trained(setting).compute(weights=Claim.WEIGHTS in case.claims)
        if Claim.IMPROVEMENT not in case.claims:
            return Forecast(prediction=prediction)
        return Forecast(prediction=prediction, untrained=untrained(setting.replace(step_size=0.0)).compute())
    except ConvergenceError as error:
        return Forecast(prediction=None, error=str(error))
    except DomainError as error:
        raise CaseError(None, f"setting.{error.field}", error.reason) from None


def own_forecasts(case: Case, points: Sequence[Point], theories: Any) -> dict[str, list[OwnSays]]:
    """What theories of the user say about all points, by their names.

    Raises
    ------
    DomainError
        If one is no function, or says what is no prediction and no mapping of numbers. What a theory itself
        raises is not caught.
    """
    if not isinstance(theories, Mapping):
        raise DomainError("theories", "must be a mapping from names to functions of a setting", theories)
    taken = {control.name for control in case.negative_controls}
    said: dict[str, list[OwnSays]] = {}
    for name, theory in theories.items():
        if not isinstance(name, str) or not name.strip() or name in taken:
            raise DomainError("theories", "must have names, other than those of wrong theories", name)
        field = f"theories[{name}]"
        function(field, theory)
        said[name] = [_said(field, theory, point.setting) for point in points]
    return said


def _said(field: str, theory: OwnTheory, setting: Setting) -> OwnSays:
    says = theory(setting)
    if isinstance(says, Prediction):
        if says.setting != setting:
            required = "must predict the setting that it is given"
            raise DomainError(field, required, Word(repr(says.setting)))
        # What it lacks is known before anything is simulated.
        return says.compute()
    own_quantities(says, TOP, setting.width, field)
    return says


def _check_patterns(case: Case, forecasts: Sequence[Forecast]) -> None:
    """Refuse a pattern that matches no quantity: what it asks for would silently not be done."""
    known = {
        quantity.path
        for each in forecasts
        if each.prediction is not None
        for claim in case.claims
        for quantity in quantities(each.prediction, claim, TOP, each.untrained)
    }
    asked = {f"exceptions.{i}.quantities": known.quantities for i, known in enumerate(case.exceptions)}
    for i, control in enumerate(case.negative_controls):
        asked[f"negative_controls.{i}.quantities"] = control.quantities
    if case.scaling is not None:
        for name in ("error_rates", "logarithmic_rates", "scatter_rates", "limits"):
            asked[f"scaling.{name}"] = getattr(case.scaling, name)
    for field, patterns in asked.items():
        for pattern in patterns:
            if known and not any(matches(path, [pattern]) for path in known):
                raise CaseError(None, field, f"must match a quantity of the claims, got {pattern!r}")
