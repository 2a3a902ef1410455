"""The store of trials: what it keeps, and what it refuses; strict documents."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import SETTING

from rmt_spikes.errors import CaseError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.trial import run_trial
from rmt_spikes.validation.document import finite, to_json, write
from rmt_spikes.validation.store import Store, decode, encode, fingerprint


@pytest.fixture
def trial() -> Trial:
    setting = Setting(**SETTING, step_exponent=0.3)
    return run_trial(setting, 5, 2, top=3, test_samples=1000, keep_vectors=True)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    return type(left) is type(right) and left == right


def test_a_trial_survives_the_store(tmp_path: Path, trial: Trial) -> None:
    setting = Setting(**SETTING, step_exponent=0.3)
    with Store(tmp_path / "a.sqlite") as store:
        store.put("k", 5, setting, trial)
    with Store(tmp_path / "a.sqlite") as store:
        assert store.finished("k", 5) == {2}
        assert store.finished("k", 6) == store.finished("j", 5) == set()
        (back,) = store.get("k", 5, [2])
    assert all(
        same(getattr(trial, f.name), getattr(back, f.name)) for f in fields(Trial) if f.name != "latent"
    )
    assert all(
        same(getattr(trial.latent, f.name), getattr(back.latent, f.name)) for f in fields(type(trial.latent))
    )


def test_a_stored_trial_is_not_replaced(tmp_path: Path, trial: Trial) -> None:
    setting = Setting(**SETTING, step_exponent=0.3)
    other = run_trial(setting, 6, 2, top=3, test_samples=1000, keep_vectors=False)
    with Store(tmp_path / "a.sqlite") as store:
        store.put("k", 5, setting, trial)
        store.put("k", 5, setting, other)
        assert store.get("k", 5, [2])[0].test == trial.test


def test_the_fingerprint_sees_every_change() -> None:
    base = Setting(**SETTING, step_exponent=0.3)
    changed = [base.replace(ridge=0.06), base.replace(n_ridge=121), base.replace(step_size=1.0)]
    keys = {fingerprint(s, top=5) for s in (base, *changed)} | {fingerprint(base, top=4)}
    assert len(keys) == 5
    assert fingerprint(base, top=5) == fingerprint(Setting(**SETTING, step_exponent=0.3), top=5)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trials (x)")
    connection.close()


def older(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()


def truncated(path: Path) -> None:
    setting = Setting(**SETTING, step_exponent=0.3)
    with Store(path) as store:
        for index in range(4):
            done = run_trial(setting, 5, index, top=3, test_samples=1000, keep_vectors=True)
            store.put("k", 5, setting, done)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text(path: Path) -> None:
    path.write_text("not a database, and longer than the header of one " * 10, encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "belongs to another program"),
        (older, "has schema 0"),
        (truncated, "is damaged|malformed"),
        (text, "not a database"),
    ],
)
def test_another_file_is_refused_and_left(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "a.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(CaseError, match=message) as caught:
        Store(path)
    assert caught.value.file == str(path)
    assert path.read_bytes() == before


def test_a_damaged_trial_is_refused(tmp_path: Path, trial: Trial) -> None:
    path = tmp_path / "a.sqlite"
    setting = Setting(**SETTING, step_exponent=0.3)
    with Store(path) as store:
        store.put("k", 5, setting, trial)
        with pytest.raises(CaseError, match="trial 7 of seed 5 is missing"):
            store.get("k", 5, [7])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trials SET payload = substr(payload, 1, 100)")
    connection.close()
    with Store(path) as store, pytest.raises(CaseError, match="trial 2 of seed 5 is damaged"):
        store.get("k", 5, [2])
    with pytest.raises(CaseError, match="a stored trial is damaged"):
        decode(encode(trial)[:-30])


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="cannot be opened"):
        Store(tmp_path)


def test_documents_are_strict() -> None:
    nested = {"a": [float("nan"), (1.0, float("inf"))], "b": {1: "x"}, "c": None, "d": True}
    assert finite(nested) == {"a": [None, [1.0, None]], "b": {"1": "x"}, "c": None, "d": True}
    assert json.loads(to_json(nested)) == finite(nested)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write(path, "old")
    (tmp_path / ".x.json.partial").mkdir()
    with pytest.raises(CaseError, match="cannot be written"):
        write(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
