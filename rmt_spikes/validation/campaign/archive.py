"""A trial as bytes: exact, and nothing in them is ever executed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import fields
from typing import Any

import numpy as np

from rmt_spikes.errors import CaseError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import SIMULATION_VERSION, RealisedLatent, Trial
from rmt_spikes.theory import THEORY_VERSION


def code_schema() -> str:
    """Digest of what a trial is in this version of the package: its fields and `SIMULATION_VERSION`."""
    names = [[f.name for f in fields(kind)] for kind in (Trial, RealisedLatent)]
    return _digest([SIMULATION_VERSION, *names])


def code_version() -> str:
    """Digest of what trials and predictions are in this version of the package, to compare workers by."""
    return _digest([THEORY_VERSION, code_schema()])


def fingerprint(setting: Setting, **options: Any) -> str:
    """Digest of everything that decides the outcome of a trial, seed and number apart.

    Parameters
    ----------
    setting
        What is simulated.
    options
        Arguments of the simulation that change its result.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return _digest({"schema": code_schema(), "setting": setting.to_dict(), **options})


def prediction_fingerprint(setting: Setting, **options: Any) -> str:
    """Digest of everything that decides what is predicted given a trial, the trial apart.

    Parameters
    ----------
    setting
        What is predicted.
    options
        What else is chosen: method, features, what is given, claims.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return fingerprint(setting, theory=THEORY_VERSION, **options)


def encode(trial: Trial) -> bytes:
    """Arrays of a trial as an npz file."""
    values = {f.name: getattr(trial, f.name) for f in fields(Trial) if f.name != "latent"}
    values |= {f"latent.{f.name}": getattr(trial.latent, f.name) for f in fields(RealisedLatent)}
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items() if value is not None}
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def decode(payload: bytes) -> Trial:
    """Inverse of `encode`.

    Raises
    ------
    CaseError
        If the bytes are not a trial.
    """
    try:
        with np.load(io.BytesIO(payload)) as archive:
            arrays = {name: archive[name] for name in archive.files}
        plain = {k: v.item() if v.ndim == 0 else v for k, v in arrays.items()}
        latent = {f.name: plain.get(f"latent.{f.name}") for f in fields(RealisedLatent)}
        trial = {f.name: plain.get(f.name) for f in fields(Trial) if f.name != "latent"}
        return Trial(latent=RealisedLatent(**latent), **trial)  # type: ignore[arg-type]
    except (ValueError, KeyError, OSError, TypeError, zipfile.BadZipFile) as error:
        raise CaseError(None, "", f"a stored trial is damaged: {error}") from None


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]
