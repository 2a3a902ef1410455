"""What trials and predictions are known by: digests of everything that decides them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

from rmt_spikes.setting import Setting
from rmt_spikes.simulation import SIMULATION_VERSION, RealisedLatent, Trial
from rmt_spikes.theory import THEORY_VERSION

LATER = frozenset(
    {"sample", "sample_alignment", "residuals", "teacher", "directions", "untrained", "weights"}
    | {"weights_alignment", "sign_error", "sign_error_se"}
)
"""Fields that were added later: trials that were stored without them are as good, and have None there."""


def code_schema() -> str:
    """Digest of what a trial is in this version of the package: its fields and `SIMULATION_VERSION`."""
    names = [[f.name for f in fields(kind) if f.name not in LATER] for kind in (Trial, RealisedLatent)]
    return _digest([SIMULATION_VERSION, *names])


def code_version() -> str:
    """Digest of what trials and predictions are in this version of the package, to compare workers by."""
    return _digest([THEORY_VERSION, code_schema()])


def fingerprint(setting: Setting, **options: Any) -> str:
    """Digest of everything that decides the outcome of a trial, seed and number apart.

    `options` are the arguments of the simulation that change its result.
    """
    return _digest({"schema": code_schema(), "setting": setting.to_dict(), **options})


def prediction_fingerprint(setting: Setting, **options: Any) -> str:
    """Digest of everything that decides what is predicted given a trial, the trial apart.

    `options` are what else is chosen: method, features, what is given, claims.
    """
    return fingerprint(setting, theory=THEORY_VERSION, **options)


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]
