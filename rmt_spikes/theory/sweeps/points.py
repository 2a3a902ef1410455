"""Predictions at single points of a grid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt_spikes.errors import AccuracyWarning, RmtSpikesError
from rmt_spikes.setting import Setting
from rmt_spikes.theory.predict import predict
from rmt_spikes.theory.prediction import Prediction
from rmt_spikes.theory.sweeps.names import METHOD, named
from rmt_spikes.theory.sweeps.table import Failure

FAILURES = (RmtSpikesError, ArithmeticError, np.linalg.LinAlgError)
"""What a point may raise without ending the sweep."""


@dataclass(frozen=True)
class Plan:
    """What is predicted at each point; without a method by the default of the point."""

    setting: Setting
    names: tuple[str, ...]
    method: str | None
    features: str

    def predict(self, values: Mapping[str, Any], near: Prediction | None = None) -> Prediction:
        """Prediction with some keys of the setting changed, started from one nearby."""
        found = predict(self.setting.replace(**values), method=self.method, features=self.features)
        if near is not None:
            found.solution.continue_from(near.solution)
        return found


@dataclass(frozen=True)
class Point:
    """One point of a grid: its index and the values of the swept keys."""

    index: tuple[int, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """Quantities at a point by name, and which of them failed or were warned of, with reasons."""

    point: Point
    values: Mapping[str, Any]
    failures: tuple[Failure, ...] = ()
    warned: tuple[Failure, ...] = ()

    def joined(self, other: Found) -> Found:
        """Quantities of both."""
        failures, warned = self.failures + other.failures, self.warned + other.warned
        return Found(self.point, {**self.values, **other.values}, failures, warned)


@dataclass(frozen=True)
class Solved:
    """Points of one task.

    `error` is the largest relative error of what was interpolated, `solves` the number of settings that were
    predicted.
    """

    found: tuple[Found, ...]
    error: float
    solves: int


def solve_points(plan: Plan, points: Sequence[Point]) -> Solved:
    """Predict each point."""
    return Solved(tuple(predict_at(plan, plan.names, point) for point in points), 0.0, len(points))


def predict_at(
    plan: Plan,
    names: Sequence[str],
    point: Point,
    known: dict[tuple[int, int], Prediction] | None = None,
    place: tuple[int, int] = (0, 0),
) -> Found:
    """Predict quantities at one point; what cannot be predicted is NaN with a reason.

    The prediction starts from the nearest one that is `known`, by places in a table, and joins them at its
    own `place`.
    """
    known = {} if known is None else known
    near = None
    if known:
        near = known[min(known, key=lambda other: math.dist(other, place))]
    values: dict[str, Any] = {}
    failed: dict[str, list[str]] = {}
    warned: dict[str, list[str]] = {}
    prediction = None
    for name in names:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                prediction = prediction or plan.predict(point.values, near)
                values[name] = named(name).of(prediction)
            except FAILURES as error:
                values[name] = "" if name == METHOD else np.nan
                text = str(error) if isinstance(error, RmtSpikesError) else f"{type(error).__name__}: {error}"
                failed.setdefault(text, []).append(name)
        for text in inaccuracies(caught):
            warned.setdefault(text, []).append(name)
    if prediction is not None and not failed:
        known[place] = prediction
    return Found(point, values, _listed(point, failed), _listed(point, warned))


def inaccuracies(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Texts of the `AccuracyWarning` among some warnings; the others are passed on."""
    texts = []
    for warning in caught:
        if issubclass(warning.category, AccuracyWarning):
            texts.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return texts


def _listed(point: Point, reasons: Mapping[str, list[str]]) -> tuple[Failure, ...]:
    return tuple(
        Failure(point.index, dict(point.values), tuple(dict.fromkeys(names)), reason)
        for reason, names in reasons.items()
    )
