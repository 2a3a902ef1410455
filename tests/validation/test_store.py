"""The store of trials: what it keeps, and what it refuses; strict documents."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from small_case import SETTING

from rmt_spikes.console.json_documents import to_json, write
from rmt_spikes.errors import CaseError
from rmt_spikes.setting import Setting
from rmt_spikes.simulation import Trial
from rmt_spikes.simulation.trial import run_trial
from rmt_spikes.validation.campaign import archive
from rmt_spikes.validation.campaign.archive import fingerprint, prediction_fingerprint
from rmt_spikes.validation.campaign.store import Store

BASE = Setting(**SETTING, step_exponent=0.3)


def one_trial(number: int = 2, seed: int = 5) -> Trial:
    return run_trial(BASE, seed, number, top=3, test_samples=1000, keep_vectors=True)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return one_trial()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


@pytest.fixture
def filled(path: Path, trial: Trial) -> Path:
    """A store with one trial."""
    with Store(path) as store:
        store.put("k", 5, BASE, trial)
    return path


def test_a_trial_survives_the_store_and_is_not_replaced(filled: Path, trial: Trial) -> None:
    with Store(filled) as store:
        store.put("k", 5, BASE, one_trial(seed=6))
    with Store(filled) as store:
        assert store.finished("k", 5) == {2}
        assert store.finished("k", 6) == store.finished("j", 5) == set()
        (back,) = store.get("k", 5, [2])
    assert back == trial


def test_predictions_survive_the_store_to_the_last_bit(path: Path) -> None:
    values = {"losses.train": 1.0 / 3.0, "spikes[0].singular_value": 5e-324}
    with Store(path) as store:
        store.put_predictions("k", 5, 2, values)
        store.put_predictions("k", 5, 3, {})
    with Store(path) as store:
        assert store.get_predictions("k", 5) == {2: values, 3: {}}
        assert store.get_predictions("k", 6) == store.get_predictions("j", 5) == {}


@pytest.mark.parametrize("text", ["[1]", "nonsense", '{"a": null}', '{"a": "b"}'])
def test_a_damaged_prediction_is_refused(path: Path, text: str) -> None:
    with Store(path) as store:
        store.put_predictions("k", 5, 2, {"a": 1.0})
    execute(path, f"UPDATE conditional SET predictions = '{text}'")
    with Store(path) as store, pytest.raises(CaseError, match="prediction of trial 2 of seed 5 is damaged"):
        store.get_predictions("k", 5)


def test_the_fingerprint_sees_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [BASE.replace(ridge=0.06), BASE.replace(n_ridge=121), BASE.replace(step_size=1.0)]
    keys = [*(fingerprint(s, top=5) for s in (BASE, *changed)), fingerprint(BASE, top=4)]
    assert keys[0] == fingerprint(Setting(**SETTING, step_exponent=0.3), top=5)
    monkeypatch.setattr(archive, "SIMULATION_VERSION", archive.SIMULATION_VERSION + 1)
    keys.append(fingerprint(BASE, top=5))
    assert len({*keys}) == len(keys)


def execute(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def fill(path: Path, count: int = 4) -> None:
    with Store(path) as store:
        for number in range(count):
            store.put("k", 5, BASE, one_trial(number))


def edited(path: Path, sql: str) -> None:
    fill(path, 1)
    execute(path, sql)


def truncated(path: Path) -> None:
    fill(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    fill(path)
    content = bytearray(path.read_bytes())
    content[5000:9000] = bytes(4000)
    path.write_bytes(content)


def emptied(path: Path) -> None:
    """A file that lost its content, beside a log that would be lost by opening it."""
    path.touch()
    path.with_name("a.sqlite-wal").write_bytes(bytes(100))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(execute, sql="CREATE TABLE trials (x)"), "belongs to another program"),
        (partial(edited, sql="PRAGMA user_version = 1"), "has schema 1, this version of rmt-spikes reads 3"),
        (partial(edited, sql="UPDATE code SET schema = 'another'"), "trials are other trials"),
        (truncated, "is damaged"),
        (overwritten, "is damaged"),
        (partial(Path.write_text, data="no database, " * 40, encoding="utf-8"), "is not a store of trials"),
        (emptied, "is empty, but its log a.sqlite-wal is not"),
    ],
)
def test_another_file_is_refused_and_left(
    tmp_path: Path, path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(CaseError, match=message) as caught:
        Store(path)
    assert caught.value.file == str(path)
    assert "move it away or choose another folder" in caught.value.message
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    with pytest.raises(CaseError, match="cannot be opened"):
        Store(tmp_path)


ONE: dict[str, Any] = {"one": {"seed": 1, "quick": False, "setting": {"n": 60}}}
TWO: dict[str, Any] = {"two": {"seed": 2, "quick": False, "setting": {"n": 60}}}


def test_a_store_belongs_to_its_cases(path: Path) -> None:
    Store(path, ONE).close()
    Store(path, {**ONE, **TWO}).close()
    before = path.read_bytes()
    with pytest.raises(CaseError, match="belongs to the case 'two', which is not among those to run"):
        Store(path, ONE)
    for key, value in {"seed": 3, "quick": True, "setting": {"n": 61}}.items():
        changed = {"one": {**ONE["one"], key: value}, **TWO}
        with pytest.raises(CaseError, match=f"belongs to a case 'one' with {key} .*, not "):
            Store(path, changed)
    assert path.read_bytes() == before


def test_a_full_disk_loses_nothing(filled: Path, trial: Trial) -> None:
    with Store(filled) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(CaseError, match=r"cannot be written: database or disk is full; .* are kept"):
            store.put("j", 5, BASE, trial)
        assert store.finished("k", 5) == {2}
    with Store(filled) as store:
        store.put("j", 5, BASE, trial)
        assert [each.test for each in store.get("k", 5, [2])] == [trial.test]


def test_the_table_can_be_read_by_others(filled: Path, trial: Trial) -> None:
    rows = execute(filled, "SELECT seed, trial, test, beta_norm2 FROM trials")
    assert rows == [(5, 2, trial.test, trial.beta_norm2)]


def test_a_damaged_trial_is_refused(filled: Path, trial: Trial) -> None:
    with Store(filled) as store, pytest.raises(CaseError, match="trial 7 of seed 5 is missing"):
        store.get("k", 5, [7])
    execute(filled, "UPDATE trials SET payload = substr(payload, 1, 100)")
    with Store(filled) as store, pytest.raises(CaseError, match="trial 2 of seed 5 is damaged"):
        store.get("k", 5, [2])
    with pytest.raises(CaseError, match="a stored trial is damaged"):
        Trial.from_bytes(trial.to_bytes()[:-30])


def test_a_stored_prediction_is_known_by_what_decides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: dict[str, Any] = {"method": "uniform", "features": "corrected", "given": "first_stage"}
    changes = [{"method": "closed_form"}, {"features": "published"}, {"given": "both_batches"}]
    keys = [prediction_fingerprint(BASE, **chosen | change) for change in ({}, *changes)]
    keys += [prediction_fingerprint(BASE.replace(ridge=0.06), **chosen), fingerprint(BASE, **chosen)]
    monkeypatch.setattr(archive, "THEORY_VERSION", archive.THEORY_VERSION + 1)
    keys.append(prediction_fingerprint(BASE, **chosen))
    assert len({*keys}) == len(keys)


def test_what_is_stored_outlives_a_move_of_the_code() -> None:
    """These change with a version, the fields of a trial or a parameter of a setting, and nothing else."""
    assert fingerprint(BASE, top=5) == "0febcf1139729882446b467c6d36a650"
    assert prediction_fingerprint(BASE, method="uniform") == "cde3191e5aa4b260ac992fe1941df00c"


def test_documents_are_strict() -> None:
    nested = {"a": [float("nan"), (1.0, float("inf"))], "b": {1: "x"}, "c": None, "d": True}
    strict = {"a": [None, [1.0, None]], "b": {"1": "x"}, "c": None, "d": True}
    assert json.loads(to_json(nested)) == strict


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write(path, "old")
    (tmp_path / ".x.json.partial").mkdir()
    with pytest.raises(CaseError, match="cannot be written"):
        write(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
