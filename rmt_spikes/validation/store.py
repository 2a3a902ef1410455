"""Finished trials on disk: an SQLite file that survives interruption and refuses what it does not know."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from rmt_spikes.errors import CaseError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import RealisedLatent, Trial

APPLICATION_ID = 0x524D5453
SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0

_CREATE = """
CREATE TABLE trials (
    fingerprint TEXT NOT NULL, seed INTEGER NOT NULL, trial INTEGER NOT NULL,
    setting TEXT NOT NULL, digest TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (fingerprint, seed, trial)
) WITHOUT ROWID
"""


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
    text = json.dumps({"schema": SCHEMA_VERSION, "setting": setting.to_dict(), **options}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Store:
    """Trials by (fingerprint, seed, number), each committed as it is put.

    Parameters
    ----------
    path
        File; created when absent.

    Raises
    ------
    CaseError
        If the file is there but is not a store of this version, or is damaged. It is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self._refuse(f"cannot be opened: {error}") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._refuse(f"is not a store of trials: {error}") from None
        except CaseError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        identity = execute("PRAGMA application_id").fetchone()[0]
        version = execute("PRAGMA user_version").fetchone()[0]
        tables = {name for (name,) in execute("SELECT name FROM sqlite_master")}
        if not tables and identity == 0 and version == 0:
            execute(_CREATE)
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif identity != APPLICATION_ID or "trials" not in tables:
            raise self._refuse("belongs to another program")
        elif version != SCHEMA_VERSION:
            raise self._refuse(f"has schema {version}, this version reads {SCHEMA_VERSION}")
        elif (damage := execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._refuse(f"is damaged: {damage}")
        execute("COMMIT")
        # With WAL a commit is one append: a killed process leaves every trial that was committed.
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")

    def _refuse(self, reason: str) -> CaseError:
        return CaseError(str(self.path), "", f"{reason}; move it away or choose another folder")

    def finished(self, key: str, seed: int) -> set[int]:
        """Numbers of the trials of a fingerprint and seed that are stored."""
        rows = self._connection.execute(
            "SELECT trial FROM trials WHERE fingerprint = ? AND seed = ?", (key, seed)
        )
        return {number for (number,) in rows}

    def put(self, key: str, seed: int, setting: Setting, trial: Trial) -> None:
        """Commit one trial; one that is stored already is kept as it is.

        Raises
        ------
        CaseError
            If the disk refuses.
        """
        payload = encode(trial)
        digest = hashlib.sha256(payload).hexdigest()
        text = json.dumps(setting.to_dict(), sort_keys=True)
        try:
            self._connection.execute(
                "INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?)",
                (key, seed, trial.index, text, digest, payload),
            )
        except sqlite3.Error as error:
            raise CaseError(
                str(self.path), "", f"cannot be written: {error}; finished trials are kept"
            ) from None

    def get(self, key: str, seed: int, numbers: Iterable[int]) -> list[Trial]:
        """Stored trials by number, in the order asked for.

        Raises
        ------
        CaseError
            If one is missing or damaged.
        """
        query = "SELECT digest, payload FROM trials WHERE fingerprint = ? AND seed = ? AND trial = ?"
        trials = []
        for number in numbers:
            row = self._connection.execute(query, (key, seed, number)).fetchone()
            if row is None or hashlib.sha256(row[1]).hexdigest() != row[0]:
                raise self._refuse(
                    f"trial {number} of seed {seed} is {'missing' if row is None else 'damaged'}"
                )
            trials.append(decode(row[1]))
        return trials

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


def encode(trial: Trial) -> bytes:
    """Arrays of a trial as an npz file: exact, and nothing in it is ever executed."""
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
