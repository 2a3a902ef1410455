"""The store of trials: what it keeps, and what it refuses; strict documents."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
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


def test_predictions_survive_the_store_to_the_last_bit(tmp_path: Path) -> None:
    values = {"losses.train": 1.0 / 3.0, "spikes[0].singular_value": 5e-324}
    with Store(tmp_path / "a.sqlite") as store:
        store.put_predictions("k", 5, 2, values)
        store.put_predictions("k", 5, 3, {})
    with Store(tmp_path / "a.sqlite") as store:
        assert store.get_predictions("k", 5) == {2: values, 3: {}}
        assert store.get_predictions("k", 6) == store.get_predictions("j", 5) == {}


@pytest.mark.parametrize("text", ["[1]", "nonsense", '{"a": null}', '{"a": "b"}'])
def test_a_damaged_prediction_is_refused(tmp_path: Path, text: str) -> None:
    with Store(tmp_path / "a.sqlite") as store:
        store.put_predictions("k", 5, 2, {"a": 1.0})
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("UPDATE conditional SET predictions = ?", (text,))
    connection.close()
    with (
        Store(tmp_path / "a.sqlite") as store,
        pytest.raises(CaseError, match="prediction of trial 2 of seed 5 is damaged"),
    ):
        store.get_predictions("k", 5)


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


def edit(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def fill(path: Path, count: int = 4) -> None:
    setting = Setting(**SETTING, step_exponent=0.3)
    with Store(path) as store:
        for index in range(count):
            done = run_trial(setting, 5, index, top=3, test_samples=1000, keep_vectors=True)
            store.put("k", 5, setting, done)


def foreign(path: Path) -> None:
    edit(path, "CREATE TABLE trials (x)")


def older(path: Path) -> None:
    fill(path, 1)
    edit(path, "PRAGMA user_version = 1")


def other_code(path: Path) -> None:
    fill(path, 1)
    edit(path, "UPDATE code SET schema = 'another'")


def truncated(path: Path) -> None:
    fill(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    fill(path)
    content = bytearray(path.read_bytes())
    content[5000:9000] = bytes(4000)
    path.write_bytes(content)


def text(path: Path) -> None:
    path.write_text("not a database, and longer than the header of one " * 10, encoding="utf-8")


def emptied(path: Path) -> None:
    """A file that lost its content, beside a log that would be lost by opening it."""
    path.touch()
    path.with_name("a.sqlite-wal").write_bytes(bytes(100))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign, "belongs to another program"),
        (older, "has schema 1, this version of rmt-spikes reads 3"),
        (other_code, "trials are other trials"),
        (truncated, "is damaged"),
        (overwritten, "is damaged"),
        (text, "is not a store of trials"),
        (emptied, "is empty, but its log a.sqlite-wal is not"),
    ],
)
def test_another_file_is_refused_and_left(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "a.sqlite"
    make(path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(CaseError, match=message) as caught:
        Store(path)
    assert caught.value.file == str(path)
    assert "move it away or choose another folder" in caught.value.message
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


ONE: dict[str, Any] = {"one": {"seed": 1, "quick": False, "setting": {"n": 60}}}
TWO: dict[str, Any] = {"two": {"seed": 2, "quick": False, "setting": {"n": 60}}}


def test_a_store_belongs_to_its_cases(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
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


HOLD = """
import sys, time
from pathlib import Path
from rmt_spikes.validation.campaign.store import Store
with Store(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    monkeypatch.setattr("rmt_spikes.validation.campaign.store.BUSY_SECONDS", 0.1)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CaseError, match="is in use by another run"):
            Store(path)
        other.kill()
    # Nothing is left behind by the one that was killed.
    Store(path).close()


def test_a_full_disk_loses_nothing(tmp_path: Path, trial: Trial) -> None:
    path = tmp_path / "a.sqlite"
    setting = Setting(**SETTING, step_exponent=0.3)
    with Store(path) as store:
        store.put("k", 5, setting, trial)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(CaseError, match=r"cannot be written: database or disk is full; .* are kept"):
            store.put("j", 5, setting, trial)
        assert store.finished("k", 5) == {2}
    with Store(path) as store:
        store.put("j", 5, setting, trial)
        assert [each.test for each in store.get("k", 5, [2])] == [trial.test]


def test_the_table_can_be_read_by_others(tmp_path: Path, trial: Trial) -> None:
    path = tmp_path / "a.sqlite"
    with Store(path) as store:
        store.put("k", 5, Setting(**SETTING, step_exponent=0.3), trial)
    connection = sqlite3.connect(path)
    ((seed, number, test, norm2),) = connection.execute("SELECT seed, trial, test, beta_norm2 FROM trials")
    connection.close()
    assert (seed, number, test, norm2) == (5, 2, trial.test, trial.beta_norm2)


def test_a_damaged_trial_is_refused(tmp_path: Path, trial: Trial) -> None:
    path = tmp_path / "a.sqlite"
    setting = Setting(**SETTING, step_exponent=0.3)
    with Store(path) as store:
        store.put("k", 5, setting, trial)
        with pytest.raises(CaseError, match="trial 7 of seed 5 is missing"):
            store.get("k", 5, [7])
    edit(path, "UPDATE trials SET payload = substr(payload, 1, 100)")
    with Store(path) as store, pytest.raises(CaseError, match="trial 2 of seed 5 is damaged"):
        store.get("k", 5, [2])
    with pytest.raises(CaseError, match="a stored trial is damaged"):
        Trial.from_bytes(trial.to_bytes()[:-30])


def test_the_fingerprint_sees_another_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Setting(**SETTING, step_exponent=0.3)
    before = fingerprint(base)
    monkeypatch.setattr(archive, "SIMULATION_VERSION", archive.SIMULATION_VERSION + 1)
    assert fingerprint(base) != before


def test_a_stored_prediction_is_known_by_what_decides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Setting(**SETTING, step_exponent=0.3)
    chosen: dict[str, Any] = {"method": "uniform", "features": "corrected", "given": "first_stage"}
    changes = [{"method": "closed_form"}, {"features": "published"}, {"given": "both_batches"}]
    keys = [prediction_fingerprint(base, **chosen | change) for change in ({}, *changes)]
    keys += [prediction_fingerprint(base.replace(ridge=0.06), **chosen), fingerprint(base, **chosen)]
    monkeypatch.setattr(archive, "THEORY_VERSION", archive.THEORY_VERSION + 1)
    keys.append(prediction_fingerprint(base, **chosen))
    assert len({*keys}) == len(keys)


def test_what_is_stored_outlives_a_move_of_the_code() -> None:
    """These change with a version, the fields of a trial or a parameter of a setting, and nothing else."""
    base = Setting(**SETTING, step_exponent=0.3)
    assert fingerprint(base, top=5) == "0febcf1139729882446b467c6d36a650"
    assert prediction_fingerprint(base, method="uniform") == "5c129e3e8eef6102cc514f23989c5876"


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="cannot be opened"):
        Store(tmp_path)


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
