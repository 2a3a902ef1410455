"""Bad input to the commands: exit status 2, the field or file named, a short message, no traceback."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_tools import case, command, run

from rmt_spikes import simulation, theory
from rmt_spikes.errors import ConvergenceError

NOBODY = "tcp://127.0.0.1:1"


def refused(arguments: Sequence[str], *mentions: str) -> None:
    result = command(*arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert 1 <= len(result.stderr.splitlines()) < 20
    for mention in mentions:
        assert mention in result.stderr


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("ridge=-1", "ridge"),
        ("n=1.5", "n"),
        ("n=nan", "n"),
        ("d=true", "d"),
        ("widht=80", "width"),
        ("step_size=1e9", "step_size"),
        ("activation=rleu", "relu"),
        ("activation={expression='__import__(\"os\").getcwd()'}", "activation"),
        ("target={hermite=[]}", "target"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_bad_key_is_named(setting: str, change: str, field: str) -> None:
    result = run("predict", setting, "--set", change)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert field in result.stderr
    assert len(result.stderr.splitlines()) < 20
    assert not isinstance(result.exception, RuntimeError)


def test_no_limit_without_an_exponent(setting: str) -> None:
    changes = ("--set", "n=1", "--set", "step_size=1")
    refused(["predict", setting, *changes, "--method", "limit"], "step_exponent", "no exponent at n = 1")


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    for name in ("absent.toml", "binary.toml", "."):
        refused(["predict", str(tmp_path / name)], str(tmp_path))


def test_bad_commands_are_refused(setting: str, tmp_path: Path) -> None:
    refused(["predikt"], "predikt")
    refused(["predict"], "SETTING.toml")
    refused(["predict", setting, "--method", "magic"], "method", "uniform")
    refused(["simulate", setting, "--trials", "0"], "--trials")
    refused(["validate"], "--out")
    refused(["validate", str(tmp_path / "no.toml"), "--out", str(tmp_path / "out")], "no.toml")
    assert not (tmp_path / "out").exists()
    refused(["derive", "chy"], "quantity", "did you mean chi?")


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        (["--top", "81"], ["top: must be an integer from 1 to 80, got 81"]),
        (["--spectrum", "all"], ["spectrum: must be one of full, top, density, got 'all'"]),
        (["--precision", "half"], ["precision: must be one of double, single, got 'half'"]),
        (["--memory", "nan"], ["memory: must be a positive number of bytes, got nan"]),
        (["--memory", "1e4"], ["memory: must be at least"]),
        (["--memory", "1GB"], ["--memory"]),
        (["--spread"], ["spread: needs a scheduler, got True"]),
        (["--scheduler", NOBODY, "--spread"], ['spectrum: must be "top" or "density" with spread']),
        (["--scheduler", NOBODY, "--jobs", "2"], ["jobs: must be 1 with a scheduler"]),
        (["--scheduler", "nowhere"], ["scheduler: must be reachable"]),
        (["derive", "chi", "--spikes", "2"], ["spikes", "chi takes no options"]),
        (["derive", "improvement"], ["spikes", "give --spikes a value"]),
        (["derive", "improvement", "--spikes", "many"], ["spikes", "an integer from 1 to 12", "or l"]),
        (["derive", "chi", "--list"], ["--list", "stands alone"]),
        (["derive", "--spikes", "2"], ["--list", "stands alone"]),
        (["derive", "chi", "--json", "--latex"], ["--latex", "--json", "the LaTeX as well"]),
    ],
)
def test_bad_options_are_refused(setting: str, arguments: list[str], mentions: list[str]) -> None:
    """Those of `derive`, and those of `simulate` by themselves."""
    words = arguments if arguments[0] == "derive" else ["simulate", setting, *arguments]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert all(mention in result.stderr for mention in mentions)


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    result = run("derive", "\x1b[31m\x07")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


def test_a_scheduler_without_dask_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    arguments = ("validate", case(tmp_path, 0.9, 0.9), "--out", str(tmp_path / "out"))
    result = run(*arguments, "--scheduler", "tcp://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "scheduler: needs dask" in result.stderr


def test_no_convergence_is_inconclusive(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConvergenceError("no solution", residual=math.nan)

    monkeypatch.setattr(theory, "predict", fail)
    result = run("predict", setting)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no solution" in result.stderr


def test_no_memory_is_bad_input(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(simulation, "simulate", fail)
    result = run("simulate", setting)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not enough memory" in result.stderr
