"""Finished trials, and predictions given them, on disk.

An SQLite file that survives interruption and refuses what it does not know.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rmt_spikes.errors import CaseError, shorten
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.validation.campaign.archive import code_schema

APPLICATION_ID = 0x524D5453
"""The letters RMTS, by which SQLite tells files of one program from another's."""

SCHEMA_VERSION = 3
"""To be raised when the tables change."""

BUSY_SECONDS = 2.0
"""A run holds its store until it ends: waiting longer does not help."""

ADVICE = "move it away or choose another folder"

# The losses and the direction are columns of their own for whoever opens the file, for example with
# `pandas.read_sql`; the program reads the payload.
COLUMNS = ("objective", "train", "test", "beta_norm2", "beta_cosine")
_CREATE = f"""
CREATE TABLE campaign (name TEXT PRIMARY KEY, identity TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE code (schema TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE trials (
    fingerprint TEXT NOT NULL, seed INTEGER NOT NULL, trial INTEGER NOT NULL, setting TEXT NOT NULL,
    {", ".join(f"{name} REAL" for name in COLUMNS)}, digest TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (fingerprint, seed, trial)
) WITHOUT ROWID;
CREATE TABLE conditional (
    fingerprint TEXT NOT NULL, seed INTEGER NOT NULL, trial INTEGER NOT NULL, predictions TEXT NOT NULL,
    PRIMARY KEY (fingerprint, seed, trial)
) WITHOUT ROWID
"""
_INSERT = f"INSERT OR IGNORE INTO trials VALUES ({', '.join('?' * (len(COLUMNS) + 6))})"


class Store(AbstractContextManager["Store"]):
    """Trials by (fingerprint, seed, number), each committed as it is put; one process at a time.

    Parameters
    ----------
    path
        File; created when absent.
    campaign
        What the file belongs to: for the name of each case, the values that make it another case when they
        change. A file belongs to the campaigns it was opened with; more cases may join, none may leave.

    Raises
    ------
    CaseError
        If the file is there but is not a store of this version, is damaged, belongs to other cases or is in
        use. It is left as it is.
    """

    def __init__(self, path: Path, campaign: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.path = path
        self._inspect()
        self._connection = self._connect(path)
        try:
            self._prepare(campaign or {})
        except sqlite3.Error as error:
            self._connection.close()
            raise self._broken(error) from None
        except CaseError:
            self._connection.close()
            raise

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        try:
            uri = isinstance(path, str)
            return sqlite3.connect(path, uri=uri, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self._refuse(f"cannot be opened: {error}") from None

    def _inspect(self) -> None:
        """Refuse a file that is no store, without changing a byte of it."""
        log, journal = (self.path.with_name(self.path.name + end) for end in ("-wal", "-journal"))
        # A journal is left by a process that was killed while it made the file: opening it undoes that.
        if not self.path.is_file() or journal.exists():
            return
        if not self.path.stat().st_size:
            if log.exists():
                # SQLite would delete the log, and the trials in it.
                raise self._refuse(f"is empty, but its log {log.name} is not")
            return
        # Without a log nobody is at work, and SQLite need not make one to look.
        mode = "mode=ro" if log.exists() else "immutable=1"
        connection = self._connect(f"file:{quote(str(self.path.absolute()))}?{mode}")
        try:
            self._identify(connection)
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise self._refuse(f"is damaged: {damage}")
        except sqlite3.Error as error:
            raise self._broken(error) from None
        finally:
            connection.close()

    def _identify(self, connection: sqlite3.Connection) -> bool:
        """Whether the file has tables already; refuse those of another program or version."""
        identity, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not tables and identity == 0 and version == 0:
            return False
        needed = {"trials", "conditional"} if version == SCHEMA_VERSION else {"trials"}
        if identity != APPLICATION_ID or not needed <= tables:
            raise self._refuse("belongs to another program")
        if version != SCHEMA_VERSION:
            raise self._refuse(f"has schema {version}, this version of rmt-spikes reads {SCHEMA_VERSION}")
        (code,) = connection.execute("SELECT schema FROM code").fetchone() or ("",)
        if code != code_schema():
            raise self._refuse("was written by a version of rmt-spikes whose trials are other trials")
        return True

    def _prepare(self, campaign: Mapping[str, Mapping[str, Any]]) -> None:
        execute = self._connection.execute
        # One connection holds the file until it is closed or its process is gone: no two runs share a folder.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("BEGIN EXCLUSIVE")
        if not self._identify(self._connection):
            for statement in _CREATE.split(";"):
                execute(statement)
            execute("INSERT INTO code VALUES (?)", (code_schema(),))
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._join(campaign)
        execute("COMMIT")
        # With WAL a commit is one append: a killed process leaves every trial that was committed.
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")

    def _join(self, campaign: Mapping[str, Mapping[str, Any]]) -> None:
        held = dict(self._connection.execute("SELECT name, identity FROM campaign"))
        for name, text in held.items() if campaign else ():
            if name not in campaign:
                raise self._refuse(f"belongs to the case {name!r}, which is not among those to run")
            before, now = json.loads(text), json.loads(json.dumps(campaign[name]))
            for key in sorted({*before, *now}):
                if before.get(key) != now.get(key):
                    was, came = shorten(before.get(key), 60), shorten(now.get(key), 60)
                    raise self._refuse(f"belongs to a case {name!r} with {key} {was}, not {came}")
        for name, identity in campaign.items():
            text = json.dumps(identity, sort_keys=True)
            self._connection.execute("INSERT OR IGNORE INTO campaign VALUES (?, ?)", (name, text))

    def _refuse(self, reason: str) -> CaseError:
        return CaseError(str(self.path), "", f"{reason}; {ADVICE}")

    def _broken(self, error: sqlite3.Error) -> CaseError:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            reason = "is in use by another run: wait until it has ended, or choose another folder"
            return CaseError(str(self.path), "", reason)
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self._refuse(f"is not a store of trials, or is damaged: {error}")
        return CaseError(str(self.path), "", f"cannot be used: {error}")

    def finished(self, key: str, seed: int) -> set[int]:
        """Numbers of the trials of a fingerprint and seed that are stored."""
        rows = self._connection.execute(
            "SELECT trial FROM trials WHERE fingerprint = ? AND seed = ?", (key, seed)
        )
        return {number for (number,) in rows}

    def put(self, key: str, seed: int, setting: Setting, trial: Trial) -> None:
        """Commit one trial; one that is stored already is kept as it is, and a full disk is a `CaseError`."""
        payload = trial.to_bytes()
        digest = hashlib.sha256(payload).hexdigest()
        text = json.dumps(setting.to_dict(), sort_keys=True)
        columns = [float(getattr(trial, name)) for name in COLUMNS]
        self._write(_INSERT, (key, seed, trial.index, text, *columns, digest, payload))

    def put_predictions(self, key: str, seed: int, number: int, predictions: Mapping[str, float]) -> None:
        """Commit what was predicted given one trial; a full disk is a `CaseError`."""
        row = (key, seed, number, json.dumps(predictions))
        self._write("INSERT OR REPLACE INTO conditional VALUES (?, ?, ?, ?)", row)

    def get_predictions(self, key: str, seed: int) -> dict[int, dict[str, float]]:
        """Stored predictions by number of the trial; `CaseError` if one is damaged."""
        query = "SELECT trial, predictions FROM conditional WHERE fingerprint = ? AND seed = ?"
        found = {}
        for number, text in self._connection.execute(query, (key, seed)):
            try:
                found[number] = {str(path): float(value) for path, value in json.loads(text).items()}
            except (ValueError, TypeError, AttributeError):
                raise self._refuse(f"the prediction of trial {number} of seed {seed} is damaged") from None
        return found

    def _write(self, statement: str, row: tuple[Any, ...]) -> None:
        try:
            self._connection.execute(statement, row)
        except sqlite3.Error as error:
            reason = f"cannot be written: {error}; the trials that were finished are kept"
            raise CaseError(str(self.path), "", reason) from None

    def get(self, key: str, seed: int, numbers: Iterable[int]) -> list[Trial]:
        """Stored trials by number, in the order asked for; `CaseError` if one is missing or damaged."""
        query = "SELECT digest, payload FROM trials WHERE fingerprint = ? AND seed = ? AND trial = ?"
        trials = []
        for number in numbers:
            row = self._connection.execute(query, (key, seed, number)).fetchone()
            if row is None or hashlib.sha256(row[1]).hexdigest() != row[0]:
                fault = "missing" if row is None else "damaged"
                raise self._refuse(f"trial {number} of seed {seed} is {fault}")
            trials.append(Trial.from_bytes(row[1]))
        return trials

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()
