"""The command that measures arrays in a file."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from cli_tools import run

import rmt_spikes as rs
from rmt_spikes.simulation.observe import ARRAYS


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    noise, q = rng.standard_normal((120, 80)), rng.standard_normal(120)
    spike = np.outer(q, rng.standard_normal(80))
    return {"features": noise + spike, "direction": q, "labels": q + 1.0, "untrained": noise}


def test_every_array_can_be_in_the_file() -> None:
    others = {"ridge", "center", "top", "setting"}
    assert set(ARRAYS) == set(inspect.signature(rs.observe).parameters) - others


def test_it_prints_what_python_returns(arrays, tmp_path: Path) -> None:
    path = str(tmp_path / "arrays.npz")
    np.savez(path, **arrays)
    result = run("observe", path, "--ridge", "0.1", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    measured = rs.observe(**arrays, ridge=0.1)
    assert document["losses"]["train"]["mean"] == pytest.approx(measured.trials[0].train, rel=1e-12)
    assert document["losses"]["test"]["mean"] is None
    assert document["beyond"][0]["degree"] == 1
    table = run("observe", path).output
    assert "He_1 of direction 0" in table
    del arrays["untrained"]
    np.savez(path, **arrays)
    assert "`untrained`" in run("observe", path).output


def test_a_setting_is_checked(arrays, setting: str, tmp_path: Path) -> None:
    path = str(tmp_path / "arrays.npz")
    np.savez(path, **arrays)
    assert run("observe", path, "--setting", setting, "--json").exit_code == 0
    result = run("observe", path, "--setting", setting, "--set", "width=70")
    assert result.exit_code == 2
    assert "features: must be" in result.stderr


def test_what_is_refused(arrays, tmp_path: Path) -> None:
    """Bad input has status 2, and pickled objects are not read."""
    path = tmp_path / "arrays.npz"
    bad: list[tuple[object, str]] = [
        ({"features": np.array([{}], dtype=object)}, "holds objects"),
        ({"feature": arrays["features"]}, "feature: must be among features, labels"),
        ({"labels": arrays["labels"]}, "features"),
        ({"features": arrays["labels"]}, "(120,)"),
        (b"PK\x03\x04 no archive", "npz"),
        (b"", "npz"),
    ]
    for content, message in bad:
        path.write_bytes(content if isinstance(content, bytes) else b"")
        if isinstance(content, dict):
            np.savez(path, **content)
        result = run("observe", str(path))
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert "Traceback" not in result.output
    np.save(tmp_path / "one.npy", arrays["labels"])
    assert run("observe", str(tmp_path / "one.npy")).exit_code == 2
    assert run("observe", str(tmp_path / "missing.npz")).exit_code == 2
    assert run("observe", str(path), "--set", "n=3").exit_code == 2


def test_the_trained_layer_is_shown(setting: str) -> None:
    shown = json.loads(run("simulate", setting, "--trials", "2", "--weights", "--json").stdout)["weights"]
    assert len(shown["singular_values"]) == len(shown["right_alignment"]) == 5
    assert "trained weights" in run("simulate", setting, "--trials", "1", "--weights").output
